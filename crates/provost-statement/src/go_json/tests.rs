//! Texts taken from what Go programs print.

use super::*;
use serde_json::json;

fn text(value: &Value) -> String {
    String::from_utf8(escaped(value)).unwrap()
}

#[test]
fn numbers_pass_through_doubles() {
    let value: Value = serde_json::from_str(
        "[12345678901234567890, 1.0, 1.50, 1e3, 1e23, 1e-7, -0.0, 100000000000000000000]",
    )
    .unwrap();
    assert_eq!(
        text(&through_doubles(&value)),
        "[12345678901234567000,1,1.5,1000,1e+23,1e-7,0,100000000000000000000]"
    );
}

#[test]
fn html_is_escaped_only_on_request() {
    assert_eq!(
        text(&json!({"b": "<&>\u{2028}", "a": "é\""})),
        r#"{"a":"é\"","b":"\u003c\u0026\u003e\u2028"}"#
    );
    assert_eq!(plain(&json!("<&>")), br#""<&>""#);
}
