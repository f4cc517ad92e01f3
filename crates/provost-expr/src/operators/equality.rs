//! `Equals` and `NotEquals`.

use serde_json::Value;

use super::order::duration_pair;
use crate::go_text::read_number;
use crate::origins::Written;
use crate::quantity::Quantity;
use crate::wildcard;

/// Deep equality, numbers by value.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same(x, y)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, x), (l, y))| k == l && same(x, y))
        }
        (a, b) => a == b,
    }
}

/// Whether the texts are equal: as durations, else as quantities, else with the value as wildcard pattern.
fn texts(key: &str, written: Written<'_>) -> bool {
    let value = written.value;
    if let Some((left, right)) = duration_pair(&Value::from(key), value) {
        return left == right;
    }
    let Value::String(pattern) = value else { return false };
    if let Ok(key) = key.parse::<Quantity>() {
        return pattern.parse::<Quantity>().is_ok_and(|value| value == key);
    }
    wildcard::matches_except(pattern, written.literal(), key)
}

/// `Equals`: false for null keys and for types that do not go together.
pub(super) fn equals(key: &Value, written: Written<'_>) -> bool {
    match (key, written.value) {
        (Value::Null, _) => false,
        (Value::String(text), _) => texts(text, written),
        (Value::Number(n), Value::String(text)) => {
            read_number(text).is_some_and(|value| n.as_f64() == Some(value))
        }
        (key, value) => same(key, value),
    }
}

/// `NotEquals`: false for null keys too, true for types that do not go together.
pub(super) fn not_equals(key: &Value, written: Written<'_>) -> bool {
    // The empty text is a wildcard pattern here, never a bad quantity; both say "not equal".
    !key.is_null() && !equals(key, written)
}
