//! What came from outside the policy is never expanded and never becomes grammar; answers are tested by the corpus.

use serde_json::{Value, json};

use super::{MAX_DOCUMENT_DEPTH, MAX_TEXT, SubstituteError, has_variables, substitute};
use crate::context::{Origin, Roots};
use crate::environment::Environment;

fn put(document: &Value, foreign: &Value) -> Result<Value, SubstituteError> {
    let mut roots = Roots::new();
    roots.set("secret", json!("S"), Origin::Policy);
    roots.set("x", foreign.clone(), Origin::Foreign);
    substitute(document, &roots, &Environment::default())
}

#[test]
fn braces_in_foreign_text_are_text() {
    for hostile in ["{{ secret }}", "\\{{ secret }}", "$(/other)", "{{- secret }}", "a {{ secret }} b"] {
        let document =
            json!({"other": "o", "whole": "{{ x }}", "part": "<{{ x }}>", "twice": "{{ x }}{{ x }}"});
        let wanted = json!({
            "other": "o",
            "whole": hostile,
            "part": format!("<{hostile}>"),
            "twice": format!("{hostile}{hostile}"),
        });
        assert_eq!(put(&document, &json!(hostile)), Ok(wanted), "{hostile}");
    }
    // Also where the braces come together only after substitution, and in keys and nested values.
    assert_eq!(put(&json!("{{{ x }} secret }}"), &json!("{")), Ok(json!("{{ secret }}")));
    assert_eq!(put(&json!("{{ x }}{ secret }}"), &json!("{")), Ok(json!("{{ secret }}")));
    let nested = json!({"{{ secret }}": ["{{ secret }}"]});
    assert_eq!(put(&json!("{{ x }}"), &nested), Ok(nested));
    assert_eq!(put(&json!({"{{ x }}": 1}), &json!("{{ secret }}")), Ok(json!({"{{ secret }}": 1})));
}

#[test]
fn foreign_text_inside_an_expression_stays_a_value() {
    for (document, foreign, wanted) in [
        ("{{ to_upper('{{ x }}') }}", json!("a'b"), json!("A'B")),
        ("{{ to_upper('{{ x }}') }}", json!("') || secret || ('"), json!("') || SECRET || ('")),
        ("{{ to_upper('{{ x }}') }}", json!("a\\'b"), json!("A\\'B")),
        ("{{ length(`{{ x }}`) }}", json!(["a`b", "c\\d", "e\"f"]), json!(3)),
        ("{{ `{{ x }}`[0] }}", json!(["a`b\\"]), json!("a`b\\")),
        ("{{ {k: secret}.\"{{ x }}\" || 'none' }}", json!("k\" || \"secret"), json!("none")),
        ("{{ {k: secret}.\"{{ x }}\" }}", json!("k"), json!("S")),
        ("{{ {k: secret}.{{ x }} }}", json!("k"), json!("S")),
        ("{{ [secret][{{ x }}] }}", json!(0), json!("S")),
    ] {
        assert_eq!(put(&json!(document), &foreign), Ok(wanted), "{document} with {foreign}");
    }
    for (document, foreign) in [
        ("{{ {{ x }} }}", json!("secret || 'a'")),
        ("{{ {k: secret}.{{ x }} }}", json!("k | secret")),
        ("{{ to_upper('{{ x }}') }}", json!("a\\")),
        ("{{ `\"{{ x }}\"` }}", json!("a\\`")),
        ("{{ `\"{{ x }}\"` }}", json!("a\\")),
    ] {
        let found = put(&json!(document), &foreign);
        assert!(found.is_err(), "{document} with {foreign} gives {found:?}");
    }
    // What an expression made of foreign text is foreign in turn.
    let hidden = json!("{{ base64_decode('{{ x }}') }}!");
    assert_eq!(put(&hidden, &json!("e3sgc2VjcmV0IH19")), Ok(json!("{{ secret }}!")));
}

#[test]
fn deletion_reads_the_old_object() {
    let mut roots = Roots::new();
    roots.set("request", json!({"operation": "DELETE", "oldObject": {"n": "old"}}), Origin::Foreign);
    let found = substitute(&json!("{{ request.object.n }}"), &roots, &Environment::default());
    assert_eq!(found, Ok(json!("old")));
}

#[test]
fn the_element_at_the_same_place_of_the_resource() {
    let mut roots = Roots::new();
    roots.set("request", json!({"object": {"spec": {"c": [{"image": "i"}]}}}), Origin::Foreign);
    let document = json!({"validate": {"pattern": {"spec": {"c": [{"image": "{{ @ }}"}]}}}});
    let wanted = json!({"validate": {"pattern": {"spec": {"c": [{"image": "i"}]}}}});
    assert_eq!(substitute(&document, &roots, &Environment::default()), Ok(wanted));
}

#[test]
fn limits() {
    let mut deep = json!("{{ secret }}");
    for _ in 0..=MAX_DOCUMENT_DEPTH {
        deep = json!([deep]);
    }
    assert!(matches!(put(&deep, &json!(1)), Err(SubstituteError::TooDeep(_))));
    let mut roots = Roots::new();
    roots.set("again", json!("-{{ again }}"), Origin::Policy);
    roots.set("twice", json!({"k": "{{ twice }}"}), Origin::Policy);
    roots.set("long", json!("x".repeat(MAX_TEXT / 4)), Origin::Foreign);
    let environment = Environment::default();
    let looping = substitute(&json!("-{{ again }}"), &roots, &environment);
    assert_eq!(looping, Err(SubstituteError::TooManyRounds(String::new())));
    assert!(matches!(
        substitute(&json!("{{ twice }}"), &roots, &environment),
        Err(SubstituteError::TooDeep(_))
    ));
    roots.set("list", json!(vec![0; 1_000_000]), Origin::Foreign);
    let many = json!(vec!["{{ length(list[:]) }}"; 20]);
    let costly = substitute(&many, &roots, &environment).unwrap_err().to_string();
    assert!(costly.contains("at path /") && costly.contains("steps"), "{costly}");
    let long = substitute(&json!("-{{ long }} {{ long }} {{ long }} {{ long }}"), &roots, &environment);
    assert_eq!(long, Err(SubstituteError::TooLong(String::new())));
}

#[test]
fn finding_variables_is_linear() {
    for hostile in ["{", "{{", "{{ {x}", "{{a{b}", "}{{", "{{{x}", "\\{{"] {
        assert!(!has_variables(&hostile.repeat(400_000 / hostile.len())), "{hostile}");
    }
    assert!(has_variables("a{{ {b} }}"));
}
