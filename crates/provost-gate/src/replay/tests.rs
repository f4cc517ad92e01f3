//! Lines of a log under other policies.

use std::sync::Arc;

use provost_kyverno::{Objects, Operation, load};
use serde_json::{Value, json};

use super::*;
use crate::log::{MaskingKey, masking::KEY_LEAST};
use crate::record::{Decided, tests::decided};

struct Nowhere;

impl Stores for Nowhere {
    fn store(
        &self,
        registry: &str,
        _: &provost_kyverno::Access,
    ) -> Result<Arc<dyn provost_registry::Store>, String> {
        Err(format!("{registry}: no registry is asked here"))
    }
}

struct Still;

impl provost_expr::environment::Clock for Still {
    fn now(&self) -> provost_expr::go_time::Instant {
        provost_expr::go_time::Instant { seconds: 0, nanoseconds: 0, offset: 0 }
    }
}

impl provost_expr::environment::Random for Still {
    fn below(&self, _: u32) -> u32 {
        0
    }
}

impl provost_expr::environment::Resolver for Still {
    fn addresses(&self, _: &str) -> Option<Vec<std::net::IpAddr>> {
        None
    }
}

/// A policy that wants digests, with more in its rule.
fn wants_digests(more: &Value) -> Value {
    let mut rule = json!({
        "name": "r",
        "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
        "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce", "mutateDigest": false, "required": false}],
    });
    for (name, value) in more.as_object().unwrap() {
        rule[name] = value.clone();
    }
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
        "spec": {"background": false, "rules": [rule]},
    })
}

fn replayer(documents: &[Value]) -> Replayer {
    let found = load("p.yaml", documents);
    assert_eq!(found.refused, []);
    Replayer::new(Basics {
        policies: found.policies,
        exceptions: found.exceptions,
        settings: Settings::default(),
        cluster: Arc::new(Objects::absent(Vec::new())),
        knows_cluster: false,
        stores: Arc::new(Nowhere),
        machine: Arc::new(Still),
        anchors: Arc::new(Anchors::default()),
    })
}

fn pod(image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "x", "namespace": "n", "labels": {"team": "a"}, "annotations": {"note": "secret"}},
        "spec": {"hostNetwork": true, "containers": [{"name": "c", "image": image, "env": [{"name": "A", "value": "secret"}]}]},
    })
}

/// The line of a decision, written and read again.
fn entry(decided: &Decided) -> Entry {
    let key = MaskingKey::of(&[3; KEY_LEAST]).unwrap();
    serde_json::from_slice(&serde_json::to_vec(&Entry::of(decided, &key)).unwrap()).unwrap()
}

const PINNED: &str = "reg/app@sha256:0000000000000000000000000000000000000000000000000000000000000000";

#[tokio::test]
async fn what_was_let_in_is_denied_by_a_policy_it_does_not_hold() {
    let mut replayer = replayer(&[wants_digests(&json!({}))]);
    let now = replayer.now(&entry(&decided(pod("reg/app:v1"), true))).await;
    let Now::Denied(why) = &now else { panic!("{now:?}") };
    assert_eq!((why[0].policy.as_str(), why[0].rule.as_str()), ("p", "r"));
    assert_eq!(why[0].message, "missing digest for reg/app:v1".replace("reg", "docker.io/reg"));
    assert_eq!(replayer.now(&entry(&decided(pod(PINNED), false))).await, Now::Allowed);
}

/// Each of these makes a rule need something; `None` where the log says it.
#[tokio::test]
async fn what_the_log_hides_cannot_be_checked() {
    let condition = |key: &str| json!({"preconditions": {"all": [{"key": key, "operator": "Equals", "value": "secret"}]}});
    let cases = [
        (condition("{{ request.object.metadata.labels.team }}"), None),
        (condition("{{ request.userInfo.username || '' }}"), None),
        (condition("{{ request.object.spec.containers[].image | [0] }}"), None),
        (condition("{{ length(request.object.spec.containers) }}"), Some("request.object.spec.containers")),
        (
            condition("{{ request.object.spec.containers[0].env[0].value }}"),
            Some("request.object.spec.containers[0].env[0].value"),
        ),
        (
            condition("{{ request.object.spec.hostNetwork || `false` }}"),
            Some("request.object.spec.hostNetwork"),
        ),
        (
            condition("{{ request.object.metadata.annotations.note || '' }}"),
            Some("request.object.metadata.annotations.note"),
        ),
        (condition("{{ to_string(request.object) }}"), Some("request.object")),
        (condition("{{ request.object.metadata.labels.team | to_string(@) }}"), None),
        (condition("{{ to_string(@) }}"), Some("all variables (@)")),
        (condition("{{ request.operation || @ }}"), Some("all variables (@)")),
        (
            condition("{{ \"\\u0072equest\".operation || request.operation }}"),
            Some("a name that is written with escapes"),
        ),
        (condition("{{ \"request\".object.spec }}"), Some("request")),
        (condition("{{ request.options.dryRun || '' }}"), Some("request.options.dryRun")),
        (
            json!({"context": [{"name": "v", "variable": {"jmesPath": "request.object.spec.hostNetwork"}}],
                "preconditions": {"all": [{"key": "{{ v }}", "operator": "Equals", "value": true}]}}),
            Some("request.object.spec.hostNetwork"),
        ),
        (
            json!({"exclude": {"any": [{"resources": {"annotations": {"note": "secret"}}}]}}),
            Some("annotations"),
        ),
        (
            json!({"exclude": {"any": [{"resources": {"namespaces": ["other"], "annotations": {"note": "secret"}}}]}}),
            Some("annotations"),
        ),
        (
            json!({"match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["other"], "annotations": {"a": "b"}}}]}}),
            None,
        ),
    ];
    for (more, need) in cases {
        let now = replayer(&[wants_digests(&more)]).now(&entry(&decided(pod("reg/app:v1"), true))).await;
        match (need, &now) {
            (None, Now::Allowed | Now::Denied(_)) => {}
            (Some(need), Now::Unchecked(why)) if why[0].contains(&format!("needs {need},")) => {}
            (need, now) => panic!("{more}: expected {need:?}, found {now:?}"),
        }
    }
}

#[tokio::test]
async fn a_denial_counts_although_another_policy_cannot_be_checked() {
    let mut needy = wants_digests(&json!({"preconditions": {"all": [
        {"key": "{{ request.object.spec.hostNetwork }}", "operator": "Equals", "value": true}]}}));
    needy["metadata"]["name"] = json!("needy");
    let mut replayer = replayer(&[needy, wants_digests(&json!({}))]);
    let now = replayer.now(&entry(&decided(pod("reg/app:v1"), true))).await;
    assert!(matches!(now, Now::Denied(_)), "{now:?}");
    let now = replayer.now(&entry(&decided(pod(PINNED), true))).await;
    assert!(matches!(now, Now::Unchecked(_)), "{now:?}");
}

#[tokio::test]
async fn what_no_registry_says_cannot_be_checked() {
    let attestors = json!({"verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce", "mutateDigest": false,
        "attestors": [{"entries": [{"keys": {"secret": {"name": "k", "namespace": "n"}, "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true}}}]}]}]});
    let now = replayer(&[wants_digests(&attestors)]).now(&entry(&decided(pod(PINNED), true))).await;
    assert!(matches!(now, Now::Unchecked(_)), "{now:?}");
}

#[tokio::test]
async fn lines_of_other_forms_cannot_be_checked() {
    let good = entry(&decided(pod(PINNED), true));
    for (line, words) in [
        (Entry { version: 2, ..good.clone() }, "version 2"),
        (Entry { objects_left_out: true, ..good.clone() }, "too long"),
        (Entry { operation: "EAT".to_owned(), ..good.clone() }, "EAT"),
    ] {
        let now = replayer(&[wants_digests(&json!({}))]).now(&line).await;
        let Now::Unchecked(why) = &now else { panic!("{now:?}") };
        assert!(why[0].contains(words), "{why:?}");
    }
}

#[test]
fn decisions_about_the_same_thing_are_one_row() {
    let mut report = Report::default();
    let settings = Settings::default();
    let line = entry(&decided(pod("app:v1"), true));
    let second = Entry {
        webhook: "validate".to_owned(),
        images: vec!["docker.io/app:v1@sha256:00".to_owned()],
        ..line.clone()
    };
    let swapped = Entry { images: vec!["evil:v1".to_owned()], ..second.clone() };
    let dry = Entry { dry_run: true, ..line.clone() };
    for (one, wanted) in [(&line, true), (&second, false), (&swapped, true), (&dry, false), (&line, true)] {
        assert_eq!(report.wants(one, &settings), wanted, "{:?}", one.images);
        if wanted {
            let now = if one.images == swapped.images {
                Now::Denied(Vec::new())
            } else {
                Now::Unchecked(vec!["w".to_owned()])
            };
            report.add(one, now);
        }
    }
    report.unread();
    let done = report.done();
    assert_eq!((done.lines, done.unread, done.passed_over, done.judged), (6, 1, 2, 3));
    assert_eq!((done.would_deny, done.could_not_check), (1, 2));
    let rows: Vec<_> = done.rows.iter().map(|row| (row.change, row.decisions)).collect();
    assert_eq!(rows, [(Change::WouldDeny, 1), (Change::CouldNotCheck, 2)]);
}

#[tokio::test]
async fn an_update_that_leaves_images_alone_is_judged_as_the_gate_judges_it() {
    let mut ended = decided(pod("reg/app:v1"), true);
    ended.request = ended.request.with_operation(Operation::Update);
    ended.request.old_object["status"] = json!({"phase": "Succeeded", "message": "secret"});
    let now = replayer(&[wants_digests(&json!({}))]).now(&entry(&ended)).await;
    assert_eq!(now, Now::Allowed);
}
