//! What stays in the place of what an object keeps to itself.

use serde_json::{Value, json};

use super::*;

fn key() -> MaskingKey {
    MaskingKey::of(&[7; KEY_LEAST]).unwrap()
}

#[test]
fn a_pod_keeps_who_it_is_and_its_images() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "x", "namespace": "n", "labels": {"app": "a"}, "annotations": {"a": "CANARY", LAST_APPLIED: "CANARY"},
            "managedFields": [{"f:CANARY": {}}]},
        "spec": {
            "serviceAccountName": "CANARY",
            "containers": [{"name": "c", "image": "reg/app:v1", "command": ["CANARY"], "args": ["--t", "CANARY"],
                "env": [{"name": "T", "value": "CANARY"}, {"name": "S", "valueFrom": {"secretKeyRef": {"name": "CANARY"}}}],
                "livenessProbe": {"exec": {"command": ["CANARY"]}}}],
            "volumes": [{"name": "v", "image": {"reference": "reg/data:v1", "pullPolicy": "CANARY"}}, {"name": "h", "hostPath": {"path": "CANARY"}}],
        },
        "status": {"phase": "Running", "message": "CANARY"},
        "extra": {"CANARY": "CANARY"},
    });
    let masked = masked(&pod, "Pod", &[], &key());
    assert!(!masked.to_string().contains("CANARY"), "{masked}");
    let mut plain = masked.clone();
    let hidden = [
        "/metadata/annotations/a",
        "/spec/serviceAccountName",
        "/spec/containers/0/command/0",
        "/spec/containers/0/args/0",
        "/spec/containers/0/args/1",
        "/spec/containers/0/env/0/value",
        "/spec/containers/0/env/1/valueFrom",
        "/spec/containers/0/livenessProbe",
        "/spec/volumes/0/image/pullPolicy",
        "/spec/volumes/1/hostPath",
        "/status/message",
        "/extra",
    ];
    for pointer in hidden {
        let value = plain.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} in {masked}"));
        assert!(hides(value), "{pointer}: {value}");
        *value = Value::Null;
    }
    assert!(!hides(&plain), "{plain}");
    assert_eq!(plain["metadata"]["labels"], json!({"app": "a"}));
    assert_eq!(plain["spec"]["containers"][0]["image"], "reg/app:v1");
    assert_eq!(plain["spec"]["volumes"][0]["image"]["reference"], "reg/data:v1");
    assert_eq!(plain["status"]["phase"], "Running");
    assert!(plain["metadata"].get("managedFields").is_none());
    assert!(plain["metadata"]["annotations"].get(LAST_APPLIED).is_none());
}

#[test]
fn equal_values_have_equal_hashes_under_one_key_and_others_under_another() {
    let other = MaskingKey::of(&[8; KEY_LEAST]).unwrap();
    let value = json!("s3cret");
    assert_eq!(key().hidden(&value), key().hidden(&value));
    assert_ne!(key().hidden(&value), other.hidden(&value));
    assert_ne!(key().hidden(&json!("1")), key().hidden(&json!(1)));
    assert_eq!(MaskingKey::of(&[1; KEY_LEAST - 1]).unwrap_err(), MaskingKeyError::Short(KEY_LEAST - 1));
    assert_ne!(MaskingKey::drawn().unwrap().hidden(&value), MaskingKey::drawn().unwrap().hidden(&value));
}

#[test]
fn templates_and_other_kinds_keep_their_images() {
    let spec = json!({"containers": [{"name": "c", "image": "reg/app:v1", "env": [{"name": "A", "value": "CANARY"}]}]});
    for (kind, pointer, object) in [
        ("Deployment", "/spec/template/spec", json!({"spec": {"replicas": 2, "template": {"spec": spec}}})),
        (
            "CronJob",
            "/spec/jobTemplate/spec/template/spec",
            json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}),
        ),
    ] {
        let masked = masked(&object, kind, &[], &key());
        let image = masked.pointer(&format!("{pointer}/containers/0/image"));
        assert_eq!(image, Some(&json!("reg/app:v1")), "{kind}");
        assert!(!masked.to_string().contains("CANARY"), "{kind}");
    }
    let object = json!({"kind": "Task", "spec": {"steps": [{"image": "reg/app:v1", "script": "CANARY"}]}});
    let masked = masked(&object, "Task", &["/spec/steps/0/image".to_owned()], &key());
    assert_eq!(masked["spec"]["steps"][0]["image"], "reg/app:v1");
    assert!(hides(&masked["spec"]["steps"][0]["script"]));
}

#[test]
fn beyond_the_limits_a_part_is_hidden_as_a_whole() {
    let many: Vec<Value> = (0..=VALUES).map(|n| json!({"name": format!("A{n}"), "value": "v"})).collect();
    let pod = json!({"spec": {"containers": [{"name": "a", "env": many, "image": "reg/a:v1"}, {"name": "b", "image": "reg/b:v1"}]}});
    let found = masked(&pod, "Pod", &[], &key());
    assert!(found["spec"]["containers"][0]["env"][VALUES].is_string(), "one by one up to the limit");
    assert!(found["spec"]["containers"][1].is_string(), "and whole beyond it");
    let mut deep = json!("CANARY");
    for _ in 0..=DEPTH {
        deep = json!({"f": deep});
    }
    let found = masked(&json!({"spec": deep}), "Task", &[], &key());
    assert!(hides(&found));
    assert!(!found.to_string().contains("CANARY"));
}

#[test]
fn messages_lose_what_objects_keep_to_themselves() {
    let pod = json!({"spec": {
        "containers": [{"name": "c", "image": "reg/app:v1", "args": ["reg/app:v1", "say \"CANARY\" twice"],
            "env": [{"name": "A", "value": "CANARY-0123456789"}, {"name": "B", "value": "true"}]}],
    }});
    let scrubber = Scrubber::of(&[&pod], "Pod", &[]);
    for (message, clean) in [
        ("image reg/app:v1: CANARY-0123456789 is true", "image reg/app:v1: [hidden] is true"),
        (r#"found "say \"CANARY\" twice""#, r#"found "[hidden]""#),
        ("say \"CANARY\" twice", "[hidden]"),
    ] {
        assert_eq!(scrubber.clean(message), clean);
    }
}
