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

#[test]
fn a_changed_policy_counts_and_a_broken_one_leaves_all_as_it_was() {
    let context = Context::new();
    context.write("policies/p.yaml", &policy("elsewhere.example/*", "Enforce"));
    let gate = Gate::start(&context, &arguments()).unwrap_or_else(|ended| panic!("{ended:?}"));
    // Nothing listens there, and asking is all that this is about.
    let image = "127.0.0.1:1/app:1";
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "operation": "CREATE", "name": "x", "namespace": "team", "oldObject": null,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "object": {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": image}]}},
        },
    });
    let allowed = || gate.response("/mutate/fail", review.to_string().into_bytes())["allowed"] == true;
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
