//! Kinds, wildcards, users.

use serde_json::json;

use super::{Facts, kind_matches, kind_name, matches};
use crate::cluster::User;
use crate::policy::spec::MatchBlock;
use crate::request::{Kind, Request};

fn request(kind: Kind, subresource: &str) -> Request {
    let object = json!({
        "apiVersion": "v1",
        "kind": kind.kind,
        "metadata": {"name": "web-1", "namespace": "team-a", "labels": {"app": "web"}, "annotations": {"a": "bcd"}},
    });
    Request { kind, subresource: subresource.to_owned(), ..Request::of_object(&object) }
}

fn pod() -> Request {
    request(Kind { group: String::new(), version: "v1".into(), kind: "Pod".into() }, "")
}

#[test]
fn kinds_are_taken_apart() {
    let deployment = Kind { group: "apps".into(), version: "v1".into(), kind: "Deployment".into() };
    for (entry, wanted) in [
        ("Deployment", true),
        ("v1/Deployment", true),
        ("apps/v1/Deployment", true),
        ("apps/*/Deployment", true),
        ("*/Deployment", true),
        ("Dep*", true),
        ("batch/v1/Deployment", false),
        ("v1beta1/Deployment", false),
        ("Deployment/scale", false),
        ("*", true),
        ("*/*", true),
        ("Pod", false),
    ] {
        assert_eq!(kind_matches(entry, &request(deployment.clone(), "")), wanted, "{entry}");
    }
    assert!(kind_matches("Deployment/scale", &request(deployment.clone(), "scale")));
    assert!(kind_matches("Deployment.scale", &request(deployment.clone(), "scale")));
    assert!(kind_matches("*/scale", &request(deployment.clone(), "scale")));
    assert!(!kind_matches("Deployment", &request(deployment, "scale")));
    let pod = Kind { group: String::new(), version: "v1".into(), kind: "Pod".into() };
    assert!(kind_matches("Pod", &request(pod, "ephemeralcontainers")));
    assert_eq!(kind_name("apps/v1/Deployment/scale"), "Deployment");
}

fn holds(block: serde_json::Value, request: &Request) -> bool {
    let block: MatchBlock = serde_json::from_value(block).unwrap_or_default();
    matches(&block, request, &Facts::default()).unwrap_or(false)
}

#[test]
fn attributes_are_all_needed_and_lists_are_alternatives() {
    let any = |resources: serde_json::Value| json!({"any": [{"resources": resources}]});
    assert!(holds(any(json!({"kinds": ["Pod"], "names": ["x", "web-*"], "namespaces": ["team-?"]})), &pod()));
    assert!(!holds(any(json!({"kinds": ["Pod"], "names": ["x"]})), &pod()));
    assert!(holds(any(json!({"kinds": ["Pod"], "annotations": {"a*": "b*"}})), &pod()));
    assert!(holds(any(json!({"kinds": ["Pod"], "selector": {"matchLabels": {"app": "w*"}}})), &pod()));
    let without = json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]});
    assert!(!holds(any(json!({"kinds": ["Pod"], "selector": without})), &pod()));
    assert!(!holds(any(json!({"kinds": ["Pod"], "operations": ["UPDATE"]})), &pod()));
    let both = json!({"all": [{"resources": {"kinds": ["Pod"]}}, {"resources": {"kinds": ["Pod"], "names": ["x"]}}]});
    assert!(!holds(both, &pod()));
    assert!(holds(json!({"resources": {"kinds": ["Pod"]}}), &pod()));
}

#[test]
fn subjects_are_wildcards_and_nobody_matches_them() {
    let block =
        json!({"any": [{"resources": {"kinds": ["Pod"]}, "subjects": [{"kind": "Group", "name": "dev*"}]}]});
    assert!(holds(block.clone(), &pod()));
    let by = |group: &str| Request {
        user: Some(User { name: "u".into(), groups: vec![group.to_owned()] }),
        ..pod()
    };
    assert!(holds(block.clone(), &by("developers")));
    assert!(!holds(block, &by("ops")));
    let account = json!({"any": [{"resources": {"kinds": ["Pod"]},
        "subjects": [{"kind": "ServiceAccount", "name": "ci", "namespace": "team-a"}]}]});
    let ci = Request {
        user: Some(User { name: "system:serviceaccount:team-a:ci".into(), groups: Vec::new() }),
        ..pod()
    };
    assert!(holds(account, &ci));
}
