//! Numbers and JSON against what Go prints.

use serde_json::json;

use super::{
    plain32, quote, quote_char, read_number, shorten, sprint, sprint_number, to_json, to_json_indented,
};

#[test]
fn numbers() {
    for (value, printed) in [
        (0.0, "0"),
        (100_000.0, "100000"),
        (1_000_000.0, "1e+06"),
        (123_456_789.0, "1.23456789e+08"),
        (1e21, "1e+21"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.5, "1.5"),
    ] {
        assert_eq!(sprint_number(value), printed);
    }
    assert_eq!(plain32(0.1), "0.1");
    assert_eq!(plain32(16_777_217.0), "16777216");
    assert_eq!(plain32(3.4e39), "+Inf");
    assert_eq!(read_number("1e999"), None);
    assert_eq!(read_number("-.5"), Some(-0.5));
}

#[test]
fn values() {
    assert_eq!(sprint(&json!({"b": [1, null], "a": true})), "map[a:true b:[1 <nil>]]");
    assert_eq!(
        to_json(&json!({"b": 1e21, "a": "<&>\u{2028}\u{1}", "c": 1e-7})),
        r#"{"a":"\u003c\u0026\u003e\u2028\u0001","b":1e+21,"c":1e-7}"#
    );
    assert_eq!(to_json_indented(&json!({"a": [1], "b": {}})), "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
    assert_eq!(quote("a\"\n\u{1}é"), "\"a\\\"\\n\\x01é\"");
    assert_eq!(quote_char('é'), "'\\u00e9'");
}

#[test]
fn long_texts_are_shortened_at_a_character() {
    let shown = shorten(&"é".repeat(5_000));
    assert_eq!(shown.chars().count(), super::SHOWN / 2 + 1);
}
