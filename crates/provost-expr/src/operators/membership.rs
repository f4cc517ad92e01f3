//! `AnyIn`, `AllIn` and their negations, and the deprecated `In` and `NotIn`.

use serde_json::Value;

use super::OperatorError;
use crate::go_text::sprint;
use crate::origins::Written;
use crate::pattern::{self, Sign};
use crate::wildcard::{self, Literal};

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

/// A text that may be a pattern for another, and what of it may not.
struct Text<'a> {
    text: String,
    literal: Literal<'a>,
}

impl<'a> Text<'a> {
    fn of(written: Written<'a>) -> Self {
        Self { text: sprint(written.value), literal: written.literal() }
    }

    fn matches(&self, text: &str) -> bool {
        wildcard::matches_except(&self.text, self.literal, text)
    }

    fn either_way(&self, other: &Self) -> bool {
        self.matches(&other.text) || other.matches(&self.text)
    }
}

fn scalar(key: Written<'_>) -> Option<Text<'_>> {
    match key.value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Some(Text::of(key)),
        _ => None,
    }
}

fn texts_of<'a>(items: &'a [Value], list: Written<'a>) -> Vec<Text<'a>> {
    let each = items.iter().enumerate();
    each.map(|(index, item)| Text::of(Written::new(item, list.by.element(index)))).collect()
}

/// Whether a scalar is in a value; `None` where the value has a type that holds nothing.
fn contains(key: &Text<'_>, value: Written<'_>) -> Option<bool> {
    match value.value {
        Value::Array(items) => Some(texts_of(items, value).iter().any(|item| item.either_way(key))),
        Value::String(text) => {
            if wildcard::matches_except(text, value.literal(), &key.text) {
                return Some(true);
            }
            if pattern::sign(text) == Sign::InRange {
                return Some(pattern::matches(text, &key.text));
            }
            listed(text).map(|items| items.contains(&key.text))
        }
        _ => None,
    }
}

/// What the elements of a list key are held against.
enum Against<'a> {
    /// A one-element key that is the value itself.
    Itself,
    Range(&'a str),
    Texts(Vec<Text<'a>>),
}

/// `numbers` says whether a single number or boolean counts as a list of one, as `AnyIn` and `AnyNotIn` have it.
fn against<'a>(keys: &[Text<'_>], value: Written<'a>, numbers: bool) -> Option<Against<'a>> {
    match value.value {
        Value::Array(items) => Some(Against::Texts(texts_of(items, value))),
        Value::Number(_) | Value::Bool(_) if numbers => Some(Against::Texts(vec![Text::of(value)])),
        Value::String(text) => {
            if matches!(keys, [only] if only.text == *text) {
                return Some(Against::Itself);
            }
            if pattern::sign(text) == Sign::InRange {
                return Some(Against::Range(text));
            }
            let items = listed(text)?;
            let itself = matches!(items.as_slice(), [only] if only == text);
            // In a list written as JSON it is lost which byte came from where.
            let literal = match value.literal() {
                Literal::Bytes(_) if !itself => Literal::All,
                other => other,
            };
            Some(Against::Texts(items.into_iter().map(|text| Text { text, literal }).collect()))
        }
        _ => None,
    }
}

fn found(key: &Text<'_>, texts: &[Text<'_>]) -> bool {
    texts.iter().any(|text| key.either_way(text))
}

/// Whether a scalar key is in the value; `None` where the key is no scalar or the value holds nothing.
fn single(key: Written<'_>, value: Written<'_>) -> Option<bool> {
    scalar(key).and_then(|key| contains(&key, value))
}

pub(super) fn any_in(key: Written<'_>, value: Written<'_>) -> bool {
    let Value::Array(items) = key.value else { return single(key, value).unwrap_or(false) };
    let keys = texts_of(items, key);
    match against(&keys, value, true) {
        None => false,
        Some(Against::Itself) => true,
        Some(Against::Range(range)) => keys.iter().any(|key| pattern::matches(range, &key.text)),
        Some(Against::Texts(texts)) => keys.iter().any(|key| found(key, &texts)),
    }
}

pub(super) fn all_in(key: Written<'_>, value: Written<'_>) -> bool {
    let Value::Array(items) = key.value else { return single(key, value).unwrap_or(false) };
    let keys = texts_of(items, key);
    match against(&keys, value, false) {
        None => false,
        Some(Against::Itself) => true,
        Some(Against::Range(range)) => keys.iter().all(|key| pattern::matches(range, &key.text)),
        Some(Against::Texts(texts)) => keys.iter().all(|key| found(key, &texts)),
    }
}

pub(super) fn any_not_in(key: Written<'_>, value: Written<'_>) -> bool {
    let Value::Array(items) = key.value else { return single(key, value).is_some_and(|found| !found) };
    let keys = texts_of(items, key);
    match against(&keys, value, true) {
        None | Some(Against::Itself) => false,
        Some(Against::Range(range)) => {
            let outside = range.replacen('-', "!-", 1);
            keys.iter().any(|key| pattern::matches(&outside, &key.text))
        }
        Some(Against::Texts(texts)) => keys.iter().any(|key| !found(key, &texts)),
    }
}

pub(super) fn all_not_in(key: Written<'_>, value: Written<'_>) -> bool {
    let Value::Array(items) = key.value else { return single(key, value).is_some_and(|found| !found) };
    let keys = texts_of(items, key);
    match against(&keys, value, false) {
        None | Some(Against::Itself) => false,
        Some(Against::Range(range)) => !keys.iter().any(|key| pattern::matches(range, &key.text)),
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
pub(super) fn deprecated(key: Written<'_>, value: Written<'_>, negated: bool) -> Result<bool, OperatorError> {
    let Value::Array(items) = key.value else {
        let Some(key) = scalar(key) else { return Ok(false) };
        let inside = match value.value {
            Value::Array(items) => Some(texts_of(items, value).iter().any(|item| item.either_way(&key))),
            Value::String(_) if Text::of(value).matches(&key.text) => Some(true),
            other => plain_list(other).map(|items| items.contains(&key.text)),
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
    if matches!((keys.as_slice(), value.value), ([only], Value::String(text)) if only == text) {
        return Ok(true);
    }
    Ok(plain_list(value.value).is_some_and(|texts| keys.iter().all(|key| texts.contains(key)) != negated))
}
