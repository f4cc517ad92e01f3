//! Every limit, reached and passed.

use provost_kyverno::review::answers;
use provost_kyverno::{judge, load, message};
use serde_json::{Value, json};

use super::{attestors, entry, folder, policy, request_of, review, texts};
use crate::world::{Registry, RegistryWorld};

fn refusal_of(policy: &Value) -> Option<String> {
    load("limits", std::slice::from_ref(policy)).refused.first().map(message::refusal::of)
}

#[tokio::test]
async fn names_and_nesting_have_limits() {
    use provost_kyverno::policy::validate::{ATTESTOR_DEPTH_LIMIT, NAME_LIMIT};
    let named = |n: usize| refusal_of(&policy(&"x".repeat(n), &entry(&json!({})), &json!([])));
    assert_eq!(named(NAME_LIMIT), None);
    assert!(named(NAME_LIMIT + 1).is_some_and(|text| text.contains("more than 63 characters")));
    let nested = |depth: usize| {
        let mut attestor = json!({"keys": {"publicKeys": "x"}});
        for _ in 1..depth {
            attestor = json!({"attestor": {"entries": [attestor]}});
        }
        refusal_of(&policy("p", &entry(&json!({"attestors": [{"entries": [attestor]}]})), &json!([])))
    };
    assert_eq!(nested(ATTESTOR_DEPTH_LIMIT), None);
    assert!(nested(ATTESTOR_DEPTH_LIMIT + 1).is_some_and(|text| text.contains("deeper than 10 levels")));
}

#[tokio::test]
async fn the_context_has_a_limit() {
    let registry = Registry::of_corpus(&folder()).await;
    for (bytes, wanted) in [(2 * 1024 * 1024 - 2, "allow"), (2 * 1024 * 1024 - 1, "deny")] {
        let context = json!([{"name": "big", "variable": {"value": "x".repeat(bytes)}}]);
        let conditions =
            json!([{"all": [{"key": "{{ length(big) > `1` }}", "operator": "Equals", "value": true}]}]);
        let kind = "https://slsa.dev/provenance/v0.2";
        let attestation = json!({"type": kind, "attestors": attestors(&registry), "conditions": conditions});
        let policy = policy("p", &entry(&json!({"attestations": [attestation]})), &context);
        let found = load("limits", &[policy]);
        assert_eq!(found.refused, []);
        let request = request_of(&review(&["good"]), &registry);
        let world = RegistryWorld::new(&registry);
        let judged = judge(&world.world(), &found.policies, &[], &request).await;
        let (verdict, messages, _) = texts(&answers(&request, &judged));
        assert_eq!(verdict, wanted, "{bytes} bytes: {messages:?}");
        assert!(wanted == "allow" || messages.iter().any(|m| m.contains("context size limit exceeded")));
    }
}

#[tokio::test]
async fn combinations_of_attestations_have_a_limit() {
    let registry = Registry::of_corpus(&folder()).await;
    let attestation = |name: &str, kind: &str| {
        let kind = format!("https://slsa.dev/provenance/{kind}");
        json!({"name": name, "type": kind, "attestors": attestors(&registry)})
    };
    let deny = json!({"conditions": {"all": [{"key": "{{ a.n }}", "operator": "Equals", "value": "{{ b.n }}", "message": "{{ a.n }}"}]}});
    let checked = entry(&json!({
        "attestations": [attestation("a", "v0.2"), attestation("b", "v1")],
        "validate": {"deny": deny},
    }));
    let found = load("limits", &[policy("p", &checked, &json!([]))]);
    assert_eq!(found.refused, []);
    for n in 0..16 {
        registry.attest_value("unsigned", "v0.2", &json!({"n": format!("a{n}")})).await;
        registry.attest_value("unsigned", "v1", &json!({"n": format!("b{n}")})).await;
    }
    for (wanted, says) in [("allow", ""), ("deny", "more than 256 combinations of attestations")] {
        let request = request_of(&review(&["unsigned"]), &registry);
        let world = RegistryWorld::new(&registry);
        let judged = judge(&world.world(), &found.policies, &[], &request).await;
        let (verdict, messages, _) = texts(&answers(&request, &judged));
        assert_eq!(verdict, wanted, "{messages:?}");
        assert!(wanted == "allow" || messages.iter().any(|m| m.contains(says)), "{messages:?}");
        registry.attest_value("unsigned", "v1", &json!({"n": "one more"})).await;
    }
}
