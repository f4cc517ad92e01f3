//! Which webhook entries policies come to.

use std::sync::Arc;

use serde_json::json;

use super::super::discovery;
use super::super::kept::{Told, What};
use super::super::live::Live;
use super::super::sights::ExceptionRule;
use super::*;
use crate::cluster::Cluster;

fn cluster() -> Cluster {
    let config = kube::config::Config::new("http://127.0.0.1:1".parse().unwrap());
    Cluster::of(config).unwrap()
}

fn policy(name: &str, kinds: &[&str], webhook: Value) -> Value {
    json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name},
        "spec": {"webhookConfiguration": webhook, "background": false, "rules": [{"name": "r",
            "match": {"any": [{"resources": {"kinds": kinds}}]},
            "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce"}]}]}})
}

fn registered(policies: Vec<Value>, data: Value) -> (Configurations, Registration) {
    let live = Arc::new(Live::new(&cluster(), provost_registry::RemoteOptions::default()));
    let mut known = Known::new("ours", ExceptionRule::default(), false, live);
    let name = |value: &Value| (String::new(), value["metadata"]["name"].as_str().unwrap().to_owned());
    let all = policies.into_iter().map(|one| (name(&one), one)).collect();
    known.take(Told::All(What::ClusterPolicies, all));
    known.take(Told::Changed(What::Settings, ("ours".into(), "c".into()), json!({"data": data})));
    let reached = Reached::Service { name: "gate".into(), namespace: "ours".into(), port: 443 };
    let registration = Registration::of(&known, "ours", &reached, 10);
    (registration.configurations(&discovery::known(), "CA").unwrap(), registration)
}

#[tokio::test]
async fn entries_bear_kyvernos_names_and_hold_all_that_carries_images() {
    let (made, _) = registered(
        vec![
            policy("a", &["Pod"], json!({"timeoutSeconds": 20})),
            policy("b", &["tekton.dev/v1/Task", "NoSuch"], json!({"failurePolicy": "Ignore"})),
        ],
        json!({}),
    );
    let mutating = serde_json::to_value(&made.mutating).unwrap();
    let text = |at: &str| mutating.pointer(at).cloned().unwrap_or_default();
    assert_eq!(text("/metadata/name"), "provost-mutating");
    assert_eq!(text("/webhooks/0/name"), "mutate.kyverno.svc-fail");
    assert_eq!(text("/webhooks/0/clientConfig/service/path"), "/mutate/fail");
    assert_eq!(text("/webhooks/0/timeoutSeconds"), 20);
    assert_eq!(text("/webhooks/1/name"), "mutate.kyverno.svc-ignore");
    assert_eq!(text("/webhooks/1/rules/0/resources"), json!(["tasks"]));
    assert_eq!(text("/webhooks/1/timeoutSeconds"), 10);
    let resources: Vec<String> = text("/webhooks/0/rules")
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|rule| rule["resources"].as_array().unwrap().clone())
        .map(|one| one.as_str().unwrap().to_owned())
        .collect();
    for wanted in ["pods", "pods/ephemeralcontainers", "deployments", "cronjobs"] {
        assert!(resources.iter().any(|one| one == wanted), "{wanted} is not in {resources:?}");
    }
    assert!(made.unknown.contains(&"NoSuch".to_owned()), "{:?}", made.unknown);
    let validating = serde_json::to_value(&made.validating).unwrap();
    assert_eq!(validating.pointer("/webhooks/0/name"), Some(&json!("validate.kyverno.svc-fail")));
    assert_eq!(validating.pointer("/webhooks/0/failurePolicy"), Some(&json!("Fail")));
    let policies = serde_json::to_value(&made.policies).unwrap();
    assert_eq!(policies.pointer("/webhooks/0/name"), Some(&json!("validate-policy.kyverno.svc")));
}

#[tokio::test]
async fn our_namespace_is_never_under_entries_that_fail_and_labels_are_not_kyvernos() {
    let data = json!({"webhooks": r#"{"namespaceSelector": {"matchLabels": {"a": "b"}}}"#,
        "webhookLabels": r#"{"webhook.kyverno.io/managed-by": "kyverno"}"#});
    let ignore = policy("b", &["Pod"], json!({"failurePolicy": "Ignore"}));
    let (made, _) = registered(vec![policy("a", &["Pod"], json!({})), ignore], data);
    for (mutating, fails) in made.mutating.webhooks.iter().flatten().zip([true, false]) {
        let selector = serde_json::to_value(&mutating.namespace_selector).unwrap();
        assert_eq!(selector["matchLabels"], json!({"a": "b"}));
        assert_eq!(selector.to_string().contains(r#""values":["ours"]"#), fails, "{selector}");
    }
    for (name, policies) in made.policies.webhooks.iter().flatten().map(|one| (&one.name, one)) {
        let selector = serde_json::to_value(&policies.namespace_selector).unwrap().to_string();
        assert_eq!(selector.contains("ours"), policies.failure_policy.as_deref() == Some("Fail"), "{name}");
    }
    let labels = made.mutating.metadata.labels.unwrap();
    assert!(labels.keys().all(|label| !label.contains("kyverno")), "{labels:?}");
}

#[tokio::test]
async fn match_conditions_have_an_entry_of_their_own() {
    let condition = json!({"name": "n", "expression": "true"});
    let fine = policy("fine", &["Pod"], json!({"matchConditions": [condition]}));
    let (made, _) = registered(vec![fine, policy("a", &["Pod"], json!({}))], json!({}));
    let value = serde_json::to_value(&made.mutating).unwrap();
    assert_eq!(value.pointer("/webhooks/1/name"), Some(&json!("mutate.kyverno.svc-fail-finegrained-fine")));
    let path = value.pointer("/webhooks/1/clientConfig/service/path");
    assert_eq!(path, Some(&json!("/mutate/fail/finegrained/fine")));
    assert_eq!(value.pointer("/webhooks/1/matchConditions/0"), Some(&condition));
    assert_eq!(value.pointer("/webhooks/0/matchConditions"), None);
}

#[tokio::test]
async fn policies_that_cannot_be_read_are_asked_about_where_they_enforce() {
    let mut odd = policy("odd", &["Deployment"], json!({}));
    odd["spec"]["rules"][0]["verifyImages"][0]["nosuch"] = json!(1);
    let (made, _) = registered(vec![odd], json!({}));
    let value = serde_json::to_value(&made.mutating).unwrap();
    assert_eq!(value.pointer("/webhooks/0/rules/0/resources"), Some(&json!(["deployments"])));
    let (made, registration) = registered(Vec::new(), json!({}));
    assert_eq!(made.mutating.webhooks, Some(Vec::new()));
    assert_eq!(registration.settings, WebhookSettings::default());
}
