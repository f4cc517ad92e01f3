//! What is counted under which name.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::backlog::backlog;
use crate::log::tests::denied;
use crate::record::Hears as _;
use crate::record::tests::decided;

#[test]
fn kyvernos_metrics_have_their_names_and_ours_stand_beside_them() {
    let metrics = Arc::new(Metrics::new());
    metrics.heard(&Arc::new(denied()));
    metrics.registry("reg.example", Duration::from_millis(3), Some("registry-rate"));
    metrics.cache("manifest", "hit");
    let counted = Counted::new((), Arc::clone(&metrics));
    for _ in 0..2 {
        counted.count("POST", "/mutate", http::StatusCode::OK, Duration::from_millis(2));
    }
    metrics.certificate(Timestamp::UNIX_EPOCH, Timestamp::from_second(1000).unwrap());
    let text = metrics.text();
    assert!(!text.contains("CANARY"), "{text}");
    for part in [
        r#"kyverno_admission_requests_total{resource_kind="Pod",resource_namespace="n",resource_request_operation="create",request_allowed="false",request_webhook="MutatingWebhookConfiguration",dry_run="false"} 1"#,
        r#"kyverno_policy_results_total{policy_background_mode="false",policy_type="cluster",policy_namespace="-",policy_name="p",resource_kind="Pod",resource_namespace="n",resource_request_operation="create",rule_execution_cause="admission_request",rule_name="r",rule_type="imageVerify",rule_result="fail",policy_validation_mode="enforce"} 1"#,
        r#"provost_denials_total{code="conditions"} 1"#,
        r#"provost_decisions_total{basis="judged",request_allowed="false"} 1"#,
        r#"provost_registry_errors_total{registry="reg.example",code="registry-rate"} 1"#,
        r#"provost_cache_lookups_total{cache="manifest",outcome="hit"} 1"#,
        r#"kyverno_http_requests_total{http_method="POST",http_url="/mutate",http_status="200"} 2"#,
        "provost_certificate_not_after_seconds 1000.0",
        r#"kyverno_info{version=""#,
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn a_label_has_so_many_values_and_no_more() {
    let metrics = Metrics::new();
    for n in 0..labels::VALUES + 5 {
        let object =
            serde_json::json!({"kind": "Pod", "metadata": {"name": "x", "namespace": format!("n{n}")}});
        metrics.heard(&Arc::new(decided(object, true)));
    }
    let text = metrics.text();
    let requests = text.lines().filter(|line| line.starts_with("kyverno_admission_requests_total{"));
    assert_eq!(requests.count(), labels::VALUES + 1);
    assert!(text.contains(r#"resource_namespace="other""#));
}

#[test]
fn a_metric_has_so_many_series_and_no_more() {
    let bounded = Bounded::default();
    let labels = |n: usize| vec![("resource_namespace", format!("n{n}")), ("rule_result", "pass".to_owned())];
    for n in 0..labels::SERIES {
        assert_eq!(bounded.fit("m", &labels(n)), labels(n));
    }
    let more = bounded.fit("m", &labels(labels::SERIES));
    assert_eq!(more, [("resource_namespace", "other".to_owned()), ("rule_result", "pass".to_owned())]);
    assert_eq!(bounded.fit("m", &labels(0)), labels(0));
    assert_eq!(bounded.fit("another", &labels(labels::SERIES)), labels(labels::SERIES));
}

#[test]
fn drops_are_counted_by_queue() {
    let metrics = Metrics::new();
    let (backlog, _out) = backlog(|_| true);
    metrics.watch(Queue::Events, backlog.load());
    backlog.load().drop_one();
    for _ in 0..2 {
        let text = metrics.text();
        assert!(text.contains(r#"provost_dropped_total{queue="events"} 1"#), "{text}");
        assert!(text.contains("kyverno_events_dropped_total 1"), "{text}");
    }
}

#[tokio::test]
async fn registries_are_timed_and_their_failures_counted_by_what_they_did() {
    struct One(Arc<testkit::MemoryStore>);
    impl provost_kyverno::Stores for One {
        fn store(
            &self,
            _: &str,
            _: &provost_kyverno::Access,
        ) -> Result<Arc<dyn provost_registry::Store>, String> {
            Ok(self.0.clone())
        }
    }
    let metrics = Arc::new(Metrics::new());
    let store = Arc::new(testkit::MemoryStore::new());
    let timed = Timed::new(Arc::new(One(store.clone())), metrics.clone());
    let timed = provost_kyverno::Stores::store(&timed, "r", &provost_kyverno::Access::default()).unwrap();
    let repository: provost_oci::Repository = "reg.example/app".parse().unwrap();
    let tag = provost_oci::Selector::Tag("v1".to_owned());
    assert!(timed.manifest(&repository, &tag).await.is_err());
    let error = provost_registry::StoreError::Status {
        request: "GET x".to_owned(),
        status: 429,
        errors: Vec::new(),
        body: String::new(),
    };
    store.fail_once(testkit::Request::Manifest, error);
    assert!(timed.manifest(&repository, &tag).await.is_err());
    let text = metrics.text();
    assert!(text.contains(r#"provost_registry_seconds_count{registry="reg.example"} 2"#), "{text}");
    assert!(
        text.contains(r#"provost_registry_errors_total{registry="reg.example",code="registry-rate"} 1"#),
        "{text}"
    );
}
