//! Statements honest and hostile.

use super::*;

const HONEST: &str = r#"{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"name":"r/a","digest":{"sha256":"HEX"}}],
 "predicateType":"https://slsa.dev/provenance/v0.2","predicate":{"builder":{"id":"b"}}}"#;

fn honest() -> String {
    HONEST.replace("HEX", &"a".repeat(64))
}

#[test]
fn an_honest_statement_keeps_its_bytes() {
    let text = honest();
    let statement = Statement::parse(text.as_bytes()).unwrap();
    assert_eq!(statement.bytes, text.as_bytes());
    assert_eq!(statement.predicate_type, "https://slsa.dev/provenance/v0.2");
    assert!(statement.is_about(&format!("sha256:{}", "a".repeat(64)).parse().unwrap()));
    assert!(!statement.is_about(&format!("sha256:{}", "b".repeat(64)).parse().unwrap()));
}

#[test]
fn upper_case_digits_are_another_digest() {
    let statement = Statement::parse(HONEST.replace("HEX", &"A".repeat(64)).as_bytes()).unwrap();
    assert!(!statement.is_about(&format!("sha256:{}", "a".repeat(64)).parse().unwrap()));
}

#[test]
fn lies_about_form_are_refused() {
    let fault =
        |from: &str, to: &str| Statement::parse(honest().replace(from, to).as_bytes()).expect_err("refused");
    assert!(matches!(fault("Statement/v0.1", "Statement/v0.9"), StatementError::WrongType(_)));
    assert!(matches!(fault(r#""_type""#, r#""_Type""#), StatementError::UnknownField(_)));
    assert!(matches!(
        fault(r#"{"builder":{"id":"b"}}"#, "[1]"),
        StatementError::PredicateForm { found: "array", .. }
    ));
    assert!(matches!(fault(r#""predicate":"#, r#""predicate":{},"predicate":"#), StatementError::Json(_)));
    assert!(matches!(fault(r#""name""#, r#""nome""#), StatementError::UnknownField(_)));
    assert!(matches!(fault(r#"{"_type""#, r#"[{"_type""#), StatementError::Json(_)));
    assert_eq!(Statement::parse(b"[]"), Err(StatementError::NotAnObject));
}

#[test]
fn counts_end_at_their_limits() {
    let subjects = vec!["{}"; MAX_SUBJECTS + 1].join(",");
    let text = format!(r#"{{"_type":"{STATEMENT_V1}","subject":[{subjects}]}}"#);
    assert!(matches!(
        Statement::parse(text.as_bytes()),
        Err(StatementError::TooMany { what: "subjects", .. })
    ));
    let digests: Vec<_> = (0..=MAX_DIGESTS).map(|n| format!(r#""a{n}":"""#)).collect();
    let text = format!(r#"{{"_type":"{STATEMENT_V1}","subject":[{{"digest":{{{}}}}}]}}"#, digests.join(","));
    assert!(matches!(Statement::parse(text.as_bytes()), Err(StatementError::TooMany { .. })));
}
