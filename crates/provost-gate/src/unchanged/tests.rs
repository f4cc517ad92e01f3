//! Which updates leave the images as they were.

use provost_expr::environment::Environment;
use provost_kyverno::{Policy, Request, load};
use serde_json::{Value, json};

use super::{had_ended, has_the_images_it_had};

fn update(kind: &str, old: &Value, new: &Value) -> Request {
    let review = json!({"request": {
        "uid": "u", "kind": {"group": "", "version": "v1", "kind": kind}, "operation": "UPDATE",
        "namespace": "a", "name": "b", "object": new, "oldObject": old,
    }});
    Request::of_review(&review).unwrap()
}

fn pod() -> Value {
    json!({"metadata": {"name": "b"}, "spec": {
        "containers": [{"name": "x", "image": "one"}, {"name": "y", "image": "two"}],
        "initContainers": [{"name": "i", "image": "three"}],
        "volumes": [{"name": "v", "image": {"reference": "four"}}, {"name": "w", "emptyDir": {}}],
    }})
}

fn unchanged(kind: &str, old: &Value, new: &Value, policies: &[&Policy]) -> bool {
    has_the_images_it_had(&update(kind, old, new), policies, &Environment::default())
}

#[test]
fn an_image_that_changes_anywhere_is_a_change() {
    let old = pod();
    let mut labelled = pod();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    assert!(unchanged("Pod", &old, &labelled, &[]));
    for (place, value) in [
        ("/spec/containers/1/image", json!("other")),
        ("/spec/initContainers/0/image", json!("other")),
        ("/spec/volumes/0/image/reference", json!("other")),
        ("/spec/volumes/1", json!({"name": "w", "image": {"reference": "one"}})),
        ("/spec/containers/0/image", json!(["one"])),
        ("/spec/containers", json!({"0": {"image": "one"}})),
        ("/spec/initContainers", json!([])),
    ] {
        let mut new = pod();
        *new.pointer_mut(place).unwrap() = value.clone();
        assert!(!unchanged("Pod", &old, &new, &[]), "{place} {value}");
    }
    let mut added = pod();
    added["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "one"}]);
    assert!(!unchanged("Pod", &old, &added, &[]));
}

#[test]
fn images_that_only_an_extractor_finds_count() {
    let policy = json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
        "spec": {"background": false, "rules": [{
            "name": "r", "match": {"any": [{"resources": {"kinds": ["Robot"]}}]},
            "imageExtractors": {"Robot": [{"path": "/spec/brain"}]},
            "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce", "mutateDigest": false}],
        }]},
    });
    let loaded = load("x", &[policy]);
    assert!(loaded.refused.is_empty(), "{:?}", loaded.refused);
    let policies: Vec<&Policy> = loaded.policies.iter().collect();
    let robot = |brain: &str, name: &str| json!({"spec": {"brain": brain, "name": name}});
    assert!(unchanged("Robot", &robot("a:1", "x"), &robot("a:1", "y"), &policies));
    assert!(!unchanged("Robot", &robot("a:1", "x"), &robot("a:2", "x"), &policies));
    assert!(!unchanged("Robot", &robot("A B", "x"), &robot("A B", "x"), &policies), "nobody can read it");
}

#[test]
fn only_what_the_api_server_held_says_that_it_had_ended() {
    for (old, ended) in [
        (json!({}), false),
        (json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}), true),
        (json!({"metadata": {"deletionTimestamp": null}}), false),
        (json!({"status": {"phase": "Succeeded"}}), true),
        (json!({"status": {"phase": "Failed"}}), true),
        (json!({"status": {"phase": "Running"}}), false),
    ] {
        assert_eq!(had_ended(&update("Pod", &old, &pod())), ended, "{old}");
    }
    let ended = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    assert!(!had_ended(&update("Pod", &pod(), &ended)));
    assert!(!had_ended(&update("Deployment", &json!({"status": {"phase": "Failed"}}), &pod())));
}
