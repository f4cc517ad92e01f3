//! Statements as cosign writes them, for each `--type`.

use super::*;

fn made(word: &str, predicate: &str) -> Result<String, PredicateError> {
    attestation_statement(word, predicate.as_bytes(), "reg.example/app", "aa", "2026-01-01T00:00:00Z")
        .map(|bytes| String::from_utf8(bytes).unwrap())
}

/// The predicate as it is written.
fn predicate(word: &str, predicate: &str) -> Result<String, PredicateError> {
    let text = made(word, predicate)?;
    let (_, after) = text.split_once(r#","predicate":"#).unwrap();
    Ok(after.strip_suffix('}').unwrap().to_owned())
}

#[test]
fn a_statement_names_repository_and_digest() {
    let expected = r#"{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"name":"reg.example/app","digest":{"sha256":"aa"}}],"predicateType":"https://slsa.dev/provenance/v0.2","predicate":{"builder":{"id":"b"}}}"#;
    assert_eq!(made("slsaprovenance", r#"{"builder":{"id":"b"}}"#), Ok(expected.to_owned()));
}

#[test]
fn custom_wraps_any_text() {
    let expected = r#"{"Data":"hi\n","Timestamp":"2026-01-01T00:00:00Z"}"#;
    assert_eq!(predicate("custom", "hi\n"), Ok(expected.to_owned()));
    assert_eq!(predicate("https://cosign.sigstore.dev/attestation/v1", "hi\n"), Ok(expected.to_owned()));
}

#[test]
fn what_is_no_predicate_is_refused() {
    assert_eq!(made("bogus", "{}"), Err(PredicateError::Type("bogus".into())));
    assert_eq!(made("slsaprovenance", "[]"), Err(PredicateError::NotAnObject));
    assert!(matches!(made("slsaprovenance", r#"{"a":1,"a":2}"#), Err(PredicateError::Json(_))));
    assert_eq!(
        made("slsaprovenance", r#"{"builder":{"id":1}}"#),
        Err(PredicateError::Field("builder.id".into()))
    );
}

#[test]
fn provenance_loses_what_its_message_does_not_know() {
    let v02 = r#"{"builder":{"id":"b","x":1},"build_type":"t","extra":1,"invocation":{"parameters":{},"configSource":{"digest":{}}},"metadata":{"buildStartedOn":"2024-01-01T01:00:00.10+01:00","reproducible":false},"materials":[]}"#;
    assert_eq!(
        predicate("slsaprovenance02", v02).unwrap(),
        r#"{"buildType":"t","builder":{"id":"b"},"invocation":{"configSource":{},"parameters":{}},"metadata":{"buildStartedOn":"2024-01-01T00:00:00.100Z"}}"#
    );
    let v1 = r#"{"runDetails":{"metadata":{"invocationID":"i"},"byproducts":[{"content":"YQ==","uri":""}]},"buildDefinition":{"externalParameters":{"n":12345678901234567890}}}"#;
    assert_eq!(
        predicate("slsaprovenance1", v1).unwrap(),
        r#"{"buildDefinition":{"externalParameters":{"n":12345678901234567000}},"runDetails":{"byproducts":[{"content":"YQ=="}],"metadata":{"invocationId":"i"}}}"#
    );
}

#[test]
fn a_link_needs_all_its_fields() {
    assert_eq!(made("link", "{}"), Err(PredicateError::Missing("_type")));
    let link = r#"{"_type":"link","name":"n","materials":{},"products":{},"byproducts":null,"command":["c"],"environment":{},"x":1}"#;
    assert_eq!(
        predicate("link", link).unwrap(),
        r#"{"_type":"link","byproducts":null,"command":["c"],"environment":{},"materials":{},"name":"n","products":{}}"#
    );
    assert_eq!(made("link", &link.replace(r#"["c"]"#, "1")), Err(PredicateError::Field("command".into())));
}

#[test]
fn a_scan_has_every_field() {
    let scan = r#"{"scanner":{"uri":"u","x":1},"metadata":{"scanStartedOn":"2024-01-01T00:00:00.500Z"}}"#;
    assert_eq!(
        predicate("vuln", scan).unwrap(),
        r#"{"invocation":{"builder.id":"","event_id":"","parameters":null,"uri":""},"metadata":{"scanFinishedOn":"0001-01-01T00:00:00Z","scanStartedOn":"2024-01-01T00:00:00.5Z"},"scanner":{"db":{"uri":"","version":""},"result":null,"uri":"u","version":""}}"#
    );
    let bad = r#"{"metadata":{"scanStartedOn":"soon"}}"#;
    assert_eq!(made("vuln", bad), Err(PredicateError::Field("scanStartedOn".into())));
}

#[test]
fn spdx_text_is_written_as_a_map() {
    assert_eq!(
        made("spdx", "<a>").unwrap(),
        r#"{"_type":"https://in-toto.io/Statement/v0.1","predicate":"\u003ca\u003e","predicateType":"https://spdx.dev/Document","subject":[{"name":"reg.example/app","digest":{"sha256":"aa"}}]}"#
    );
}

#[test]
fn a_signature_is_a_statement_without_a_predicate() {
    let annotations = Map::from_iter([("k".to_owned(), json!("v"))]);
    let text = String::from_utf8(signing_statement("sha256", "aa", &annotations)).unwrap();
    assert_eq!(
        text,
        r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"aa"},"annotations":{"k":"v"}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}"#
    );
}
