//! What re-encoding drops, invents and keeps, against what cosign 3.1.2 was seen to feed its policies.

use super::*;

fn input(word: &str, kind: &str, predicate: &str) -> Result<(String, bool), InputError> {
    let text = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"{kind}","subject":[{{"name":"a","digest":{{"sha256":"ab"}}}}],"predicate":{predicate}}}"#
    );
    let statement = Statement::parse(text.as_bytes()).unwrap();
    policy_input(word, &statement)
        .map(|input| (String::from_utf8(input.text).unwrap(), input.signed.is_some()))
}

#[test]
fn slsaprovenance_goes_through_the_struct() {
    let (text, differs) =
        input("slsaprovenance", "t", r#"{"builder":{"id":"b","x":1},"extra":1,"metadata":{}}"#).unwrap();
    assert!(differs);
    assert_eq!(
        text,
        concat!(
            r#"{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"t","subject":[{"name":"a","digest":{"sha256":"ab"}}],"#,
            r#""predicate":{"builder":{"id":"b"},"buildType":"","invocation":{"configSource":{}},"#,
            r#""metadata":{"completeness":{"parameters":false,"environment":false,"materials":false},"reproducible":false}}}"#
        )
    );
}

#[test]
fn other_words_keep_everything_but_the_spelling_of_numbers() {
    let (text, differs) =
        input("slsaprovenance02", "t", r#"{"n":12345678901234567890,"f":1.0,"z":null}"#).unwrap();
    assert!(!differs);
    assert!(
        text.ends_with(r#""predicateType":"t","predicate":{"f":1,"n":12345678901234567000,"z":null}}"#),
        "{text}"
    );
}

#[test]
fn a_wrong_type_is_named_as_go_names_it() {
    let error = input("slsaprovenance", "t", r#"{"builder":{"id":7}}"#).expect_err("mismatch");
    let mismatch = error.mismatch;
    assert_eq!(
        (mismatch.found, mismatch.holder, mismatch.path.as_str(), mismatch.expected),
        ("number", "ProvenanceBuilder", "predicate.builder.id", "string")
    );
}

#[test]
fn times_that_go_would_not_read_are_refused() {
    for (time, good) in [
        ("2025-06-06T10:21:27Z", true),
        ("2025-06-06T10:21:27.5+02:00", true),
        ("yesterday", false),
        ("2025-06-06", false),
    ] {
        let predicate = format!(r#"{{"metadata":{{"buildStartedOn":"{time}"}}}}"#);
        assert_eq!(input("slsaprovenance", "t", &predicate).is_ok(), good, "{time}");
    }
}

#[test]
fn link_and_vuln_have_structs_of_their_own() {
    let (text, _) = input("link", "t", r#"{"name":"build","command":["make"],"x":1}"#).unwrap();
    let predicate = r#""predicate":{"_type":"","name":"build","materials":null,"products":null,"byproducts":null,"command":["make"],"environment":null}}"#;
    assert!(text.ends_with(predicate), "{text}");
    let (text, _) = input("vuln", "t", r#"{"scanner":{"result":{"high":0}}}"#).unwrap();
    let predicate = concat!(
        r#"{"predicateType":"t","subject":[{"name":"a","digest":{"sha256":"ab"}}],"predicate":{"#,
        r#""invocation":{"parameters":null,"uri":"","event_id":"","builder.id":""},"#,
        r#""scanner":{"uri":"","version":"","db":{"uri":"","version":""},"result":{"high":0}},"#,
        r#""metadata":{"scanStartedOn":"0001-01-01T00:00:00Z","scanFinishedOn":"0001-01-01T00:00:00Z"}}}"#
    );
    assert_eq!(text, predicate);
    assert!(input("link", "t", r#"{"command":[1]}"#).is_err());
    assert!(input("vuln", "t", r#"{"metadata":{"scanStartedOn":"soon"}}"#).is_err());
}
