//! What strict means, fault by fault.

use super::*;

fn fault(text: &[u8]) -> JsonFault {
    parse(text, Limits::STATEMENT).expect_err("this text is not strict JSON").fault
}

#[test]
fn good_documents_read_as_serde_reads_them() {
    for text in [
        r#"{"a":[1,2.5,-3e2,true,false,null,"x\u00e9\ud83d\ude00\n"],"b":{}}"#,
        " [ ] ",
        "0",
        r#""""#,
        "18446744073709551615",
    ] {
        let ours = parse(text.as_bytes(), Limits::STATEMENT).unwrap();
        assert_eq!(ours, serde_json::from_str::<Value>(text).unwrap(), "{text}");
    }
}

#[test]
fn faults_carry_what_go_would_say() {
    let unexpected = |byte, place| JsonFault::Unexpected { byte, place };
    assert_eq!(fault(b"this"), unexpected(b'h', Place::InLiteral("true", b'r')));
    assert_eq!(fault(b""), JsonFault::End);
    assert_eq!(fault(b"{\"a\""), JsonFault::End);
    assert_eq!(fault(b"{}{"), unexpected(b'{', Place::AfterTop));
    assert_eq!(fault(b"\xef\xbb\xbf{}"), unexpected(0xef, Place::BeginValue));
    assert_eq!(fault(b"{a:1}"), unexpected(b'a', Place::BeginKey));
    assert_eq!(fault(b"{\"a\" 1}"), unexpected(b'1', Place::AfterKey));
    assert_eq!(fault(b"{\"a\":1 \"b\"}"), unexpected(b'"', Place::AfterPair));
    assert_eq!(fault(b"[1 2]"), unexpected(b'2', Place::AfterElement));
    assert_eq!(fault(b"\"\x01\""), unexpected(1, Place::InString));
    assert_eq!(fault(b"\"\\q\""), unexpected(b'q', Place::InEscape));
    assert_eq!(fault(b"01"), unexpected(b'1', Place::AfterTop));
    assert_eq!(fault(b"1."), JsonFault::End);
}

#[test]
fn duplicate_keys_are_refused_at_any_depth_but_after_syntax() {
    assert_eq!(fault(br#"{"x":{"a":1,"a":1}}"#), JsonFault::DuplicateKey("a".into()));
    assert_eq!(fault(br#"{"a":1,"\u0061":2}"#), JsonFault::DuplicateKey("a".into()));
    assert_eq!(fault(br#"{"a":1,"a":2"#), JsonFault::End);
}

#[test]
fn broken_text_is_refused() {
    assert_eq!(fault(b"\"\xff\""), JsonFault::InvalidUtf8);
    assert_eq!(fault(br#""\ud800""#), JsonFault::Surrogate);
    assert_eq!(fault(b"1e999"), JsonFault::Number);
}

#[test]
fn nesting_and_length_end_at_their_limits() {
    let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
    assert!(parse(&deep(128), Limits::STATEMENT).is_ok());
    assert_eq!(fault(&deep(129)), JsonFault::TooDeep(128));
    assert_eq!(fault(&deep(1_000_000)), JsonFault::TooDeep(128));
    let tight = Limits { bytes: 3, ..Limits::STATEMENT };
    assert_eq!(parse(b"1234", tight).expect_err("too long").fault, JsonFault::TooLong(3));
}

#[test]
fn values_end_at_their_limit_before_they_fill_memory() {
    let list = |values: usize| format!("[{}0]", "0,".repeat(values - 2)).into_bytes();
    let most = Limits::ENVELOPE.values;
    assert!(parse(&list(most), Limits::ENVELOPE).is_ok());
    let beyond = parse(&list(most + 1), Limits::ENVELOPE).expect_err("too many");
    assert_eq!(beyond.fault, JsonFault::TooMany(most));
    assert!(parse(&list(most + 1), Limits::STATEMENT).is_ok());
}

#[test]
fn an_object_counts_for_its_tree() {
    // Each `{"a":0}` is itself, its value and a node: 22 values.
    let objects = |count: usize| format!("[{}0]", r#"{"a":0},"#.repeat(count)).into_bytes();
    let tight = Limits { values: 2 + 22 * 10, ..Limits::STATEMENT };
    assert!(parse(&objects(10), tight).is_ok());
    assert_eq!(parse(&objects(11), tight).expect_err("too many").fault, JsonFault::TooMany(222));
}
