//! Blocks, the old flat list, messages and error texts.

use serde_json::json;

use super::{ConditionError, ConditionFormError, Conditions, MAX_CONDITIONS, evaluate, evaluate_attestation};
use crate::context::{Origin, Roots};
use crate::environment::Environment;

fn roots() -> Roots {
    let mut roots = Roots::new();
    roots.set("builder", json!({"id": "https://b/v1", "tpl": "{{ nosuch }}"}), Origin::Foreign);
    roots
}

fn condition(key: &str, value: &str, message: &str) -> serde_json::Value {
    json!({"key": key, "operator": "Equals", "value": value, "message": message})
}

#[test]
fn blocks_and_messages() {
    let good = condition("{{ builder.id }}", "https://b/*", "good");
    let bad = condition("{{ builder.id }}", "other", "bad");
    let worse = condition("{{ builder.id }}", "other", "worse");
    for (conditions, holds, messages) in [
        (json!({"all": [good]}), true, "good"),
        (json!({"all": [good, bad, worse]}), false, "bad"),
        (json!({"any": [bad, good, worse]}), true, "good"),
        (json!({"any": [bad, worse]}), false, "bad; worse"),
        (json!({"any": []}), false, ""),
        (json!({"all": []}), true, ""),
        (json!({"any": [good], "all": [bad]}), false, "bad"),
        (json!({"any": [bad], "all": [worse]}), false, "bad; worse"),
        (json!([good, bad]), false, "bad"),
        (json!([good]), true, "good"),
        (json!([{"all": [good]}, {"any": [bad]}]), false, "bad"),
        (json!([{"all": [good]}, {"any": [good]}]), true, "good; good"),
        (json!([]), true, ""),
        (json!({}), true, ""),
    ] {
        let outcome =
            evaluate(&Conditions::parse(&conditions).unwrap(), &roots(), &Environment::default()).unwrap();
        assert_eq!((outcome.holds, outcome.text().as_str()), (holds, messages), "{conditions}");
    }
}

#[test]
fn an_attestation_without_the_key_is_an_error_that_names_the_place() {
    let conditions = json!([{"all": [condition("{{ nosuch.id }}", "x", "not {{ nosuch.id }}")]}]);
    let error = evaluate_attestation(&conditions, &roots(), &Environment::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to substitute variables in attestation conditions: failed to resolve nosuch.id at path \
         /0/all/0/key: JMESPath query failed: Unknown key \"nosuch\" in path"
    );
    let parsed = Conditions::parse(&conditions).unwrap();
    let error = evaluate(&parsed, &roots(), &Environment::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to substitute variables in condition key: failed to resolve nosuch.id at path : JMESPath query \
         failed: Unknown key \"nosuch\" in path"
    );
}

#[test]
fn an_attestation_is_substituted_once_and_in_its_message() {
    let conditions = json!([{"all": [condition("{{ builder.tpl }}", "x", "is {{ builder.tpl }}")]}]);
    let outcome = evaluate_attestation(&conditions, &roots(), &Environment::default()).unwrap();
    assert_eq!((outcome.holds, outcome.text().as_str()), (false, "is {{ nosuch }}"));
}

#[test]
fn what_is_no_condition_is_refused() {
    for (conditions, words) in [
        (json!("x"), "invalid condition: expected any/all blocks or a list of conditions at "),
        (json!({"al": []}), "invalid condition: unknown field \"al\" at "),
        (
            json!([{"key": 1, "operator": "Equals", "vaule": 1}]),
            "invalid condition: unknown field \"vaule\" at /0",
        ),
        (
            json!({"all": [{"key": 1, "operator": "Eq", "value": 1}]}),
            "failed to create handler for condition operator: unknown operator \"Eq\"",
        ),
        (json!([{"key": 1}]), "failed to create handler for condition operator: unknown operator \"\""),
    ] {
        assert_eq!(Conditions::parse(&conditions).unwrap_err().to_string(), words, "{conditions}");
    }
    let many = json!(vec![condition("a", "a", ""); MAX_CONDITIONS + 1]);
    assert_eq!(Conditions::parse(&many), Err(ConditionFormError::TooMany));
    let mixed = json!({"all": [{"key": [1], "operator": "In", "value": ["a"]}]});
    let parsed = Conditions::parse(&mixed).unwrap();
    let found = evaluate(&parsed, &roots(), &Environment::default());
    assert!(matches!(found, Err(ConditionError::Operator(_))));
}
