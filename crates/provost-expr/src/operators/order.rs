//! The operators that order: numbers, quantities, durations, versions.

use std::cmp::Ordering;

use serde_json::Value;

use super::Order;
use crate::duration::Duration;
use crate::go_text::read_number;
use crate::quantity::Quantity;
use crate::semver_range::Version;

fn holds(order: Order, ordering: Ordering) -> bool {
    match order {
        Order::GreaterOrEqual => ordering.is_ge(),
        Order::Greater => ordering.is_gt(),
        Order::LessOrEqual => ordering.is_le(),
        Order::Less => ordering.is_lt(),
        Order::Misspelled => false,
    }
}

fn whole_seconds(number: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the fraction is cut off as in Go, and the cast saturates"
    )]
    Duration::from_seconds(number as i64)
}

/// A duration text; `0` is a number.
fn duration_text(value: &Value) -> Option<Duration> {
    value.as_str().filter(|text| *text != "0")?.parse().ok()
}

/// Two durations, where at least one side is a duration text; the other may be a number of seconds.
pub(super) fn duration_pair(key: &Value, value: &Value) -> Option<(Duration, Duration)> {
    let (left, right) = (duration_text(key), duration_text(value));
    if left.is_none() && right.is_none() {
        return None;
    }
    let left = left.or_else(|| key.as_f64().map(whole_seconds))?;
    let right = right.or_else(|| value.as_f64().map(whole_seconds))?;
    Some((left, right))
}

/// A number as key; a duration text on the other side makes it seconds.
fn numbers_with(order: Order, key: f64, value: &Value) -> bool {
    if let Some(right) = duration_text(value) {
        return holds(order, whole_seconds(key).cmp(&right));
    }
    let value = match value {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => read_number(text),
        _ => None,
    };
    value.and_then(|value| key.partial_cmp(&value)).is_some_and(|ordering| holds(order, ordering))
}

/// `GreaterThan` and its relatives: durations, then quantities, then numbers, then versions.
pub(super) fn numbers(order: Order, key: &Value, value: &Value) -> bool {
    if let Some((left, right)) = duration_pair(key, value) {
        return holds(order, left.cmp(&right));
    }
    match key {
        Value::Number(n) => numbers_with(order, n.as_f64().unwrap_or(f64::NAN), value),
        Value::String(text) => {
            if let (Ok(left), Some(Ok(right))) =
                (text.parse::<Quantity>(), value.as_str().map(str::parse::<Quantity>))
            {
                return holds(order, left.cmp(&right));
            }
            if let Some(number) = read_number(text) {
                return numbers_with(order, number, value);
            }
            match (Version::parse(text), value.as_str().map(Version::parse)) {
                (Ok(left), Some(Ok(right))) => holds(order, left.cmp(&right)),
                _ => false,
            }
        }
        _ => false,
    }
}

/// `DurationGreaterThan` and its relatives: duration texts and numbers of seconds.
pub(super) fn durations(order: Order, key: &Value, value: &Value) -> bool {
    let read = |value: &Value| match value {
        Value::Number(n) => n.as_f64().map(whole_seconds),
        Value::String(text) => text.parse::<Duration>().ok(),
        _ => None,
    };
    match (read(key), read(value)) {
        (Some(left), Some(right)) => holds(order, left.cmp(&right)),
        _ => false,
    }
}
