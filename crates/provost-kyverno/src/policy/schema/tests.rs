//! Faults are found wherever they hide, and unknown fields named with their neighbour.
#![allow(clippy::panic, reason = "a test")]

use serde_json::json;

use super::{Problem, fault_of_rule};

fn unknown(rule: &serde_json::Value) -> Option<(String, Option<&'static str>)> {
    match fault_of_rule(rule, "r") {
        Some(fault) => match fault.problem {
            Problem::Unknown { nearest } => Some((fault.path, nearest)),
            other => panic!("{other:?}"),
        },
        None => None,
    }
}

#[test]
fn a_known_rule_has_none() {
    let rule = json!({"name": "a", "match": {}, "verifyImages": [{"attestors": [{"entries": [{"keys": {"publicKeys": "x"}}]}]}]});
    assert_eq!(unknown(&rule), None);
}

#[test]
fn a_misspelt_field_is_named_with_its_neighbour() {
    let rule = json!({"name": "a", "match": {}, "verifyImages": [{"imageReference": ["*"]}]});
    assert_eq!(unknown(&rule), Some(("r.verifyImages[0].imageReference".into(), Some("imageReferences"))));
    let rule = json!({"name": "a", "match": {}, "verifyImages": [{"attestors": [{"entries": [{"keys": {"ctlog": {"ignoreSct": true}}}]}]}]});
    assert_eq!(
        unknown(&rule),
        Some(("r.verifyImages[0].attestors[0].entries[0].keys.ctlog.ignoreSct".into(), Some("ignoreSCT")))
    );
}

#[test]
fn nested_attestors_are_looked_into() {
    let rule = json!({"name": "a", "match": {}, "verifyImages": [{"attestors": [{"entries": [{"attestor": {"entries": [{"zzzzzzzz": 1}]}}]}]}]});
    assert_eq!(
        unknown(&rule),
        Some(("r.verifyImages[0].attestors[0].entries[0].attestor.entries[0].zzzzzzzz".into(), None))
    );
}

#[test]
fn types_and_choices_are_held() {
    let fault = |rule: &serde_json::Value| fault_of_rule(rule, "r").map(|f| (f.path, f.problem));
    let rule = json!({"name": "a", "match": {}, "verifyImages": [{"required": "yes"}]});
    let wanted = Problem::Type { expected: "boolean", found: "string" };
    assert_eq!(fault(&rule), Some(("r.verifyImages[0].required".into(), wanted)));
    let rule = json!({"name": "a", "match": {}, "verifyImages": [{"type": "Bogus"}]});
    let allowed = &["Cosign", "SigstoreBundle", "Notary"];
    let wanted = Problem::Choice { found: "Bogus".into(), allowed };
    assert_eq!(fault(&rule), Some(("r.verifyImages[0].type".into(), wanted)));
    assert_eq!(fault(&json!({"name": "a"})), Some(("r.match".into(), Problem::Required)));
}
