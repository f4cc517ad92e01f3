//! Words under test.

use super::{EXPANDED_LIMIT, expand, split};
use crate::error::Fault;

fn lookup(name: &str) -> Option<String> {
    match name {
        "A" => Some("one".to_owned()),
        "EMPTY" => Some(String::new()),
        "SPACED" => Some("x  y".to_owned()),
        "HALF" => Some("h".repeat(EXPANDED_LIMIT / 2)),
        _ => None,
    }
}

#[test]
fn words_expand_as_the_reference_says() {
    for (text, expected) in [
        ("plain", "plain"),
        ("$A", "one"),
        ("${A}b", "oneb"),
        ("$Ab", ""),
        ("\\$A", "$A"),
        ("'$A'", "$A"),
        ("\"$A\"", "one"),
        ("\"\\$A \\\" \\n\"", "$A \" \\n"),
        ("a\\ b", "a b"),
        ("${NONE:-word}", "word"),
        ("${EMPTY:-word}", "word"),
        ("${A:-word}", "one"),
        ("${A:+word}", "word"),
        ("${NONE:+word}", ""),
        ("${NONE:-$A}", "one"),
        ("${NONE:-${A}x}", "onex"),
        ("$SPACED", "x  y"),
        ("$", "$"),
        ("$-", "$-"),
        ("\\", ""),
        ("é$A", "éone"),
    ] {
        assert_eq!(expand(text, &lookup), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn what_cannot_be_expanded_is_an_error() {
    for text in ["${A%x}", "${A#x}", "${A/x/y}", "${}", "${A:?no}", "${N:-${N:-x}}", "${é}"] {
        assert!(matches!(expand(text, &lookup), Err(Fault::Unsupported { .. })), "{text}");
    }
    for (text, opening) in [("'a", "'"), ("\"a", "\""), ("${A", "${"), ("\"${A\"", "${")] {
        assert_eq!(expand(text, &lookup), Err(Fault::Unclosed { text: text.to_owned(), opening }), "{text}");
    }
    assert!(expand("$HALF$HALF", &lookup).is_ok());
    assert_eq!(expand("$HALF$HALF.", &lookup), Err(Fault::VariableTooLong { limit: EXPANDED_LIMIT }));
}

#[test]
fn words_split_outside_quotes() {
    assert_eq!(
        split(r#" a=1  b="x y"	c='p "q' d=e\ f "#).unwrap(),
        ["a=1", r#"b="x y""#, "c='p \"q'", r"d=e\ f"]
    );
    assert_eq!(split(r#"a="x\" y""#).unwrap(), [r#"a="x\" y""#]);
    assert_eq!(split("").unwrap(), [""; 0]);
    assert!(split("a='").is_err() && split("a=\"x").is_err());
}
