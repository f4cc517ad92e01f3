//! `replay`: a log in its documented form, policies, and what would be decided now.

use serde_json::{Value, json};

use crate::context::{Context, Told};

/// A line of a log, in version 1 of its form.
fn line(name: &str, image: &str, allowed: bool) -> Value {
    json!({
        "version": 1, "time": "2026-11-16T10:00:00Z", "webhook": "mutate", "share": "/fail", "uid": "u",
        "operation": "CREATE", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": "prod", "name": name,
        "user": {"username": "alice", "groups": ["dev"]}, "authenticated": false, "dryRun": false, "images": [image],
        "allowed": allowed, "basis": "judged", "results": [], "epoch": 3, "policies": [], "tookMs": 1.5,
        "object": {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "prod"},
            "spec": {
                "hostNetwork": "#hmac-sha256:00112233445566778899aabbccddeeff",
                "containers": [{"name": "c", "image": image}],
            },
        },
    })
}

fn policy(name: &str, condition: &str) -> String {
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name},
        "spec": {"background": false, "rules": [{
            "name": "digests",
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "preconditions": {"all": [{"key": condition, "operator": "NotEquals", "value": "never"}]},
            "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce", "mutateDigest": false, "required": false}],
        }]},
    })
    .to_string()
}

const PINNED: &str =
    "reg.example/app@sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A log with these lines, and a policy that wants digests.
fn context(lines: &[Value]) -> Context {
    let context = Context::new();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    context.write("decisions.log", &text);
    context.write("policies/digests.yaml", &policy("want-digests", "{{ request.namespace }}"));
    context
}

fn replayed(context: &Context, more: &[&str]) -> Told {
    context.run(&[&["replay", "decisions.log", "--policies", "policies"], more].concat())
}

#[test]
fn a_new_policy_is_tried_on_what_was_decided() {
    let lines = [
        line("tagged", "reg.example/app:v1", true),
        line("tagged", "reg.example/app:v1", true),
        line("pinned", PINNED, true),
        line("freed", PINNED, false),
        line("barred", "reg.example/app:v1", false),
    ];
    let context = context(&lines);
    let told = replayed(&context, &[]);
    assert_eq!(told.exit, 3, "{told:?}");
    for part in [
        "would be denied",
        "CREATE Pod/prod/tagged",
        "alice",
        "want-digests.digests: missing digest for reg.example/app:v1",
        "would be let in",
        "CREATE Pod/prod/freed",
        "5 decisions judged again: 2 would be denied, 1 would be let in, 1 are let in as before, 1 are denied as before, 0 could not be checked",
    ] {
        assert!(told.stdout.contains(part), "{part} in {}", told.stdout);
    }
    let told = replayed(&context, &["--output", "json"]);
    let found: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told.exit, 3);
    assert_eq!(found["wouldDeny"], 2);
    assert_eq!(found["rows"][0]["change"], "would-deny");
    assert_eq!(found["rows"][0]["decisions"], 2);
    assert_eq!(found["rows"][0]["deniedBy"][0]["policy"], "want-digests");
    assert_eq!(found["rows"][1]["change"], "would-let-in");
}

#[test]
fn what_the_log_hides_is_neither_let_in_nor_denied() {
    let context = context(&[line("tagged", "reg.example/app:v1", true)]);
    let needy = policy("needy", "{{ request.object.spec.hostNetwork || '' }}");
    context.write("policies/digests.yaml", &needy);
    let told = replayed(&context, &[]);
    assert_eq!(told.exit, 4, "{told:?}");
    let need = "needy: the rule digests needs request.object.spec.hostNetwork, which the log hides";
    assert!(
        told.stdout.contains("could not check; was let in") && told.stdout.contains(need),
        "{}",
        told.stdout
    );
}

#[test]
fn exit_codes_tell_what_came_of_it() {
    let context = context(&[line("pinned", PINNED, true)]);
    assert_eq!(replayed(&context, &[]).exit, 0);
    let missing = context.run(&["replay", "no.log", "--policies", "policies"]);
    assert_eq!(missing.exit, 1);
    assert!(missing.stderr.contains("no.log: "), "{missing:?}");
    context.write("decisions.log", "{}\nno line\n");
    let unread = replayed(&context, &[]);
    assert_eq!(unread.exit, 4);
    assert!(unread.stderr.contains("decisions.log, line 2: expected a line of a decision log"), "{unread:?}");
    context.write("policies/digests.yaml", &policy("want-digests", "{{ nosuch }}"));
    assert_eq!(replayed(&context, &[]).exit, 2);
}
