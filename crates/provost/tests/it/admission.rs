//! `provost admission` without a cluster: what it judges by changes with the files.

use serde_json::json;

use crate::context::Context;
use crate::gate::Gate;

/// A policy that lets only images of this registry be asked about.
fn policy(references: &str, action: &str) -> String {
    let key = include_str!("../../../../corpus/keys/alice.pub");
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
        "spec": {"background": false, "rules": [{
            "name": "r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "verifyImages": [{
                "imageReferences": [references], "failureAction": action,
                "attestors": [{"entries": [{"keys": {"publicKeys": key, "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true}}}]}],
            }],
        }]},
    })
    .to_string()
}

fn arguments() -> Vec<String> {
    ["--policies", "policies"].map(str::to_owned).to_vec()
}

/// The creation of a Pod in a namespace. Nothing listens where its image is, and asking is all that this is about.
fn review(namespace: &str) -> Vec<u8> {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "operation": "CREATE", "name": "x", "namespace": namespace, "oldObject": null,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "object": {"metadata": {"name": "x", "namespace": namespace},
                "spec": {"containers": [{"name": "c", "image": "127.0.0.1:1/app:1"}]}},
        },
    })
    .to_string()
    .into_bytes()
}

/// An exception for all Pods, with this annotation.
fn exception(expires: Option<&str>) -> String {
    let annotations = expires.map(|expires| json!({"provost.dev/expires-at": expires}));
    json!({
        "apiVersion": "kyverno.io/v2", "kind": "PolicyException",
        "metadata": {"name": "glass", "namespace": "glass", "annotations": annotations},
        "spec": {"exceptions": [{"policyName": "p", "ruleNames": ["*"]}],
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]}},
    })
    .to_string()
}

#[test]
fn a_changed_policy_counts_and_a_broken_one_leaves_all_as_it_was() {
    let context = Context::new();
    context.write("policies/p.yaml", &policy("elsewhere.example/*", "Enforce"));
    let gate = Gate::start(&context, &arguments()).unwrap_or_else(|ended| panic!("{ended:?}"));
    let allowed = || gate.response("/mutate/fail", review("team"))["allowed"] == true;
    assert!(allowed());
    context.write("policies/p.yaml", &policy("127.0.0.1:1/*", "Enforce"));
    gate.says("read again: 1 policies, epoch 2");
    assert!(!allowed());
    for broken in ["{", &policy("*", "Audit")] {
        context.write("policies/p.yaml", broken);
        gate.says("what held before still holds");
        assert!(!allowed());
    }
    assert_eq!(gate.stop(), Some(0));
}

#[test]
fn a_policy_that_may_not_be_stored_ends_it_at_the_start() {
    let context = Context::new();
    context.write("policies/p.yaml", &policy("*", "Audit"));
    let Err((exit, said)) = Gate::start(&context, &arguments()) else { panic!("it answers") };
    assert_eq!(exit, 2);
    assert!(said.contains("mutateDigest must be set to false for ‘Audit’ failure action"), "{said}");
}

#[test]
fn an_exception_in_a_file_ends_by_itself() {
    let context = Context::new();
    context.write("policies/p.yaml", &policy("*", "Enforce"));
    for (expires, counts) in [
        (None, true),
        (Some("2999-01-01T00:00:00Z"), true),
        (Some("2020-01-01T00:00:00Z"), false),
        (Some("soon"), false),
    ] {
        context.write("policies/glass.yaml", &exception(expires));
        let gate = Gate::start(&context, &arguments()).unwrap_or_else(|ended| panic!("{ended:?}"));
        let allowed = gate.response("/mutate/fail", review("team"))["allowed"] == true;
        assert_eq!(allowed, counts, "{expires:?}");
        // `review` is asked the same.
        context.write("line", &String::from_utf8(review("team")).unwrap());
        let line = std::fs::File::open(context.folder().join("line")).unwrap();
        let told = context.command().args(["review", "--policies", "policies"]).stdin(line).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        assert_eq!(told.contains("\"allowed\":true"), counts, "{told}");
        assert_eq!(gate.stop(), Some(0));
    }
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1500);
    context.write("policies/glass.yaml", &exception(Some(&soon.to_string())));
    let gate = Gate::start(&context, &arguments()).unwrap_or_else(|ended| panic!("{ended:?}"));
    gate.says("an exception has ended: 0 count, epoch 2");
    assert!(jiff::Timestamp::now() >= soon);
    assert_eq!(gate.response("/mutate/fail", review("team"))["allowed"], false);
    assert_eq!(gate.stop(), Some(0));
}

#[test]
fn the_config_map_among_the_objects_says_what_is_filtered_out() {
    let context = Context::new();
    context.write("policies/p.yaml", &policy("*", "Enforce"));
    let config_map = |name: &str, filters: &str| {
        let data = json!({"resourceFilters": filters, "enableDefaultRegistryMutation": "perhaps"});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "provost-system"}, "data": data})
            .to_string()
    };
    context.write("objects.yaml", &config_map("provost-admission", "[*/*,left-*,*]"));
    let arguments: Vec<String> =
        ["--policies", "policies", "--objects", "objects.yaml"].map(str::to_owned).to_vec();
    let gate = Gate::start(&context, &arguments).unwrap_or_else(|ended| panic!("{ended:?}"));
    let allowed = |namespace: &str| gate.response("/mutate/fail", review(namespace))["allowed"] == true;
    assert_eq!((allowed("left-out"), allowed("team"), allowed("provost-system")), (true, false, false));
    context.write("objects.yaml", &config_map("provost-admission", "[Pod,team,*]"));
    gate.says("enableDefaultRegistryMutation: expected true or false; the key has no effect");
    gate.says("read again: 1 policies, epoch 2");
    assert_eq!((allowed("left-out"), allowed("team")), (false, true));
    context.write("objects.yaml", &config_map("another", "[Pod,team,*]"));
    gate.says("read again: 1 policies, epoch 3");
    assert_eq!((allowed("left-out"), allowed("team")), (false, false));
    assert_eq!(gate.stop(), Some(0));
}
