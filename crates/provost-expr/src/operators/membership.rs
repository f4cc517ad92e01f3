//! `AnyIn`, `AllIn` and their negations, and the deprecated `In` and `NotIn`.

use serde_json::Value;

use super::OperatorError;
use crate::go_text::sprint;
use crate::pattern::{self, Sign};
use crate::wildcard;

/// The texts of a value that is a list of texts, written as JSON or as itself.
///
/// `None` where the text is JSON, but no list of texts: Kyverno then finds nothing, and nothing missing either.
fn listed(text: &str) -> Option<Vec<String>> {
    match serde_json::from_str::<Value>(text) {
        // Go reads null into any list, and null elements as empty texts.
        Ok(Value::Null) => Some(Vec::new()),
        Ok(Value::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Some(text),
                Value::Null => Some(String::new()),
                _ => None,
            })
            .collect(),
        Ok(_) => None,
        Err(_) => Some(vec![text.to_owned()]),
    }
}

fn either_way(left: &str, right: &str) -> bool {
    wildcard::matches(left, right) || wildcard::matches(right, left)
}

fn scalar(key: &Value) -> Option<String> {
    match key {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Some(sprint(key)),
        _ => None,
    }
}

/// Whether a scalar is in a value; `None` where the value has a type that holds nothing.
fn contains(key: &str, value: &Value) -> Option<bool> {
    match value {
        Value::Array(items) => Some(items.iter().any(|item| either_way(&sprint(item), key))),
        Value::String(text) => {
            if wildcard::matches(text, key) {
                return Some(true);
            }
            if pattern::sign(text) == Sign::InRange {
                return Some(pattern::matches(text, key));
            }
            listed(text).map(|items| items.iter().any(|item| item == key))
        }
        _ => None,
    }
}

/// What the elements of a list key are held against.
enum Against<'a> {
    /// A one-element key that is the value itself.
    Itself,
    Range(&'a str),
    Texts(Vec<String>),
}

/// `numbers` says whether a single number or boolean counts as a list of one, as `AnyIn` and `AnyNotIn` have it.
fn against<'a>(keys: &[String], value: &'a Value, numbers: bool) -> Option<Against<'a>> {
    match value {
        Value::Array(items) => Some(Against::Texts(items.iter().map(sprint).collect())),
        Value::Number(_) | Value::Bool(_) if numbers => Some(Against::Texts(vec![sprint(value)])),
        Value::String(text) => {
            if matches!(keys, [only] if only == text) {
                return Some(Against::Itself);
            }
            if pattern::sign(text) == Sign::InRange {
                return Some(Against::Range(text));
            }
            listed(text).map(Against::Texts)
        }
        _ => None,
    }
}

fn texts_of(items: &[Value]) -> Vec<String> {
    items.iter().map(sprint).collect()
}

fn found(key: &str, texts: &[String]) -> bool {
    texts.iter().any(|text| either_way(key, text))
}

pub(super) fn any_in(key: &Value, value: &Value) -> bool {
    let Value::Array(items) = key else {
        return scalar(key).and_then(|key| contains(&key, value)).unwrap_or(false);
    };
    let keys = texts_of(items);
    match against(&keys, value, true) {
        None => false,
        Some(Against::Itself) => true,
        Some(Against::Range(range)) => keys.iter().any(|key| pattern::matches(range, key)),
        Some(Against::Texts(texts)) => keys.iter().any(|key| found(key, &texts)),
    }
}

pub(super) fn all_in(key: &Value, value: &Value) -> bool {
    let Value::Array(items) = key else {
        return scalar(key).and_then(|key| contains(&key, value)).unwrap_or(false);
    };
    let keys = texts_of(items);
    match against(&keys, value, false) {
        None => false,
        Some(Against::Itself) => true,
        Some(Against::Range(range)) => keys.iter().all(|key| pattern::matches(range, key)),
        Some(Against::Texts(texts)) => keys.iter().all(|key| found(key, &texts)),
    }
}

pub(super) fn any_not_in(key: &Value, value: &Value) -> bool {
    let Value::Array(items) = key else {
        return scalar(key).and_then(|key| contains(&key, value)).is_some_and(|found| !found);
    };
    let keys = texts_of(items);
    match against(&keys, value, true) {
        None | Some(Against::Itself) => false,
        Some(Against::Range(range)) => {
            let outside = range.replacen('-', "!-", 1);
            keys.iter().any(|key| pattern::matches(&outside, key))
        }
        Some(Against::Texts(texts)) => keys.iter().any(|key| !found(key, &texts)),
    }
}

pub(super) fn all_not_in(key: &Value, value: &Value) -> bool {
    let Value::Array(items) = key else {
        return scalar(key).and_then(|key| contains(&key, value)).is_some_and(|found| !found);
    };
    let keys = texts_of(items);
    match against(&keys, value, false) {
        None | Some(Against::Itself) => false,
        Some(Against::Range(range)) => !keys.iter().any(|key| pattern::matches(range, key)),
        Some(Against::Texts(texts)) => !keys.iter().any(|key| found(key, &texts)),
    }
}

/// A list of texts only, of a value that is one or is its JSON.
fn plain_list(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        // Go reads null into any list, and null elements as empty texts.
        Value::String(text) => {
            let items = serde_json::from_str::<Option<Vec<Option<String>>>>(text).ok()?;
            Some(items.unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect())
        }
        _ => None,
    }
}

/// `In` and, with `negated`, `NotIn`.
///
/// # Errors
/// For a list key that holds something else than texts, over which Kyverno breaks off.
pub(super) fn deprecated(key: &Value, value: &Value, negated: bool) -> Result<bool, OperatorError> {
    let Value::Array(items) = key else {
        let Some(key) = scalar(key) else { return Ok(false) };
        let inside = match value {
            Value::Array(items) => Some(items.iter().any(|item| either_way(&sprint(item), &key))),
            Value::String(text) if wildcard::matches(text, &key) => Some(true),
            other => plain_list(other).map(|items| items.contains(&key)),
        };
        return Ok(inside.is_some_and(|inside| inside != negated));
    };
    let mut keys = Vec::new();
    for item in items {
        let text = item.as_str().ok_or_else(|| OperatorError::KeyNotTexts {
            operator: if negated { "NotIn" } else { "In" },
            found: sprint(item),
        })?;
        keys.push(text.to_owned());
    }
    // Kyverno says true for both operators where the only key is the value itself; which of the two is strict
    // depends on whether the condition admits or denies, so it stays as it is.
    if matches!((keys.as_slice(), value), ([only], Value::String(text)) if only == text) {
        return Ok(true);
    }
    Ok(plain_list(value).is_some_and(|texts| keys.iter().all(|key| texts.contains(key)) != negated))
}
