//! The operators of conditions: how a key is compared with a value, type by type.

mod equality;
mod membership;
mod order;

use serde_json::Value;
use thiserror::Error;

use crate::origins::{Origins, Written};

/// How much text is compared at most: bytes of the key times bytes of the value, since either may be a wildcard
/// pattern for the other. 2^30 lets a list of 1 MiB meet one of 1 KiB, and takes seconds at the very worst.
pub const MAX_COMPARISON: usize = 1 << 30;

/// An operator of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `Equal`, `Equals`.
    Equals,
    /// `NotEqual`, `NotEquals`.
    NotEquals,
    /// `In` (deprecated).
    In,
    /// `NotIn` (deprecated).
    NotIn,
    /// `AnyIn`.
    AnyIn,
    /// `AllIn`.
    AllIn,
    /// `AnyNotIn`.
    AnyNotIn,
    /// `AllNotIn`.
    AllNotIn,
    /// `GreaterThan` and its three relatives.
    Order(Order),
    /// `DurationGreaterThan` and its three relatives (deprecated).
    Duration(Order),
}

/// Which way an order goes. Kyverno finds the operator whatever the case of its letters, and then compares only
/// when it is spelled exactly: `Misspelled` holds for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
    /// `<=`
    LessOrEqual,
    /// `<`
    Less,
    /// Right but for the case of its letters.
    Misspelled,
}

/// Why a key cannot be compared with a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OperatorError {
    /// No operator has this name.
    #[error("failed to create handler for condition operator: unknown operator {0:?}")]
    Unknown(String),
    /// Key and value are too long to be compared within [`MAX_COMPARISON`].
    #[error("a key of {key} bytes and a value of {value} bytes are too long to be compared")]
    TooLong {
        /// Bytes of text in the key.
        key: usize,
        /// Bytes of text in the value.
        value: usize,
    },
    /// `In` and `NotIn` over a list that holds something else than texts.
    #[error("operator {operator}: the key is a list that holds {found}, expected texts only")]
    KeyNotTexts {
        /// The operator.
        operator: &'static str,
        /// The offending element.
        found: String,
    },
}

/// How many bytes of text a value holds, each element counting at least one.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 1,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 1,
        Value::Object(map) => map.iter().map(|(key, item)| key.len() + weight(item)).sum::<usize>() + 1,
        _ => 1,
    }
}

impl Operator {
    /// Finds an operator by name.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn parse(name: &str) -> Result<Self, OperatorError> {
        let order = |text: &str, canonical: &str| match text {
            "greaterthanorequals" => Some((Order::GreaterOrEqual, format!("{canonical}GreaterThanOrEquals"))),
            "greaterthan" => Some((Order::Greater, format!("{canonical}GreaterThan"))),
            "lessthanorequals" => Some((Order::LessOrEqual, format!("{canonical}LessThanOrEquals"))),
            "lessthan" => Some((Order::Less, format!("{canonical}LessThan"))),
            _ => None,
        };
        let exact =
            |(order, canonical): (Order, String)| if canonical == name { order } else { Order::Misspelled };
        let lower = name.to_lowercase();
        Ok(match lower.as_str() {
            "equal" | "equals" => Self::Equals,
            "notequal" | "notequals" => Self::NotEquals,
            "in" => Self::In,
            "notin" => Self::NotIn,
            "anyin" => Self::AnyIn,
            "allin" => Self::AllIn,
            "anynotin" => Self::AnyNotIn,
            "allnotin" => Self::AllNotIn,
            other => {
                if let Some(found) = order(other, "") {
                    Self::Order(exact(found))
                } else if let Some(found) =
                    other.strip_prefix("duration").and_then(|rest| order(rest, "Duration"))
                {
                    Self::Duration(exact(found))
                } else {
                    return Err(OperatorError::Unknown(name.to_owned()));
                }
            }
        })
    }

    /// The operators to use in place of a deprecated one.
    #[must_use]
    pub fn replacements(self) -> &'static [&'static str] {
        match self {
            Self::In => &["AllIn", "AnyIn"],
            Self::NotIn => &["AllNotIn", "AnyNotIn"],
            _ => &[],
        }
    }

    /// Whether the operator holds between a key and a value, both with all variables substituted.
    ///
    /// # Errors
    /// Where Kyverno itself would break off: `In` and `NotIn` over lists of other things than texts; and for
    /// texts beyond [`MAX_COMPARISON`].
    pub fn holds(self, key: &Value, value: &Value) -> Result<bool, OperatorError> {
        self.holds_between(key, &Origins::Ours, value, &Origins::Ours)
    }

    /// The same, with who wrote which part: `*` and `?` in a foreign part stand for themselves (security.md 5).
    ///
    /// # Errors
    /// As [`Self::holds`].
    pub fn holds_between(
        self,
        key: &Value,
        key_by: &Origins,
        value: &Value,
        value_by: &Origins,
    ) -> Result<bool, OperatorError> {
        let (left, right) = (weight(key), weight(value));
        if left.saturating_mul(right) > MAX_COMPARISON {
            return Err(OperatorError::TooLong { key: left, value: right });
        }
        let (key_written, value_written) = (Written::new(key, key_by), Written::new(value, value_by));
        match self {
            Self::Equals => Ok(equality::equals(key, value_written)),
            Self::NotEquals => Ok(equality::not_equals(key, value_written)),
            Self::In => membership::deprecated(key_written, value_written, false),
            Self::NotIn => membership::deprecated(key_written, value_written, true),
            Self::AnyIn => Ok(membership::any_in(key_written, value_written)),
            Self::AllIn => Ok(membership::all_in(key_written, value_written)),
            Self::AnyNotIn => Ok(membership::any_not_in(key_written, value_written)),
            Self::AllNotIn => Ok(membership::all_not_in(key_written, value_written)),
            Self::Order(order) => Ok(order::numbers(order, key, value)),
            Self::Duration(order) => Ok(order::durations(order, key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Operator, OperatorError, Order};
    use crate::origins::Origins;

    #[test]
    fn names_are_found_in_any_case_and_orders_only_compare_in_theirs() {
        assert_eq!(Operator::parse("anyin"), Ok(Operator::AnyIn));
        assert_eq!(Operator::parse("EQUAL"), Ok(Operator::Equals));
        assert_eq!(Operator::parse("GreaterThan"), Ok(Operator::Order(Order::Greater)));
        assert_eq!(Operator::parse("greaterthan"), Ok(Operator::Order(Order::Misspelled)));
        assert_eq!(Operator::parse("durationLessThan"), Ok(Operator::Duration(Order::Misspelled)));
        assert_eq!(Operator::parse("greaterthan").unwrap().holds(&json!(2), &json!(1)), Ok(false));
        assert_eq!(Operator::parse("Durationless"), Err(OperatorError::Unknown("Durationless".to_owned())));
        assert_eq!(Operator::In.replacements(), ["AllIn", "AnyIn"]);
    }

    #[test]
    fn foreign_wildcards_stand_for_themselves() {
        let between = |operator: Operator, key: &str, value: &serde_json::Value, by: [&Origins; 2]| {
            operator.holds_between(&json!(key), by[0], value, by[1]).unwrap()
        };
        let (ours, foreign) = (&Origins::Ours, &Origins::Foreign);
        let (list, text) = (json!(["https://good"]), json!("https://good"));
        for operator in [Operator::AnyIn, Operator::AllIn, Operator::In] {
            assert!(between(operator, "*", &list, [ours, ours]));
            assert!(!between(operator, "*", &list, [foreign, ours]));
            assert!(between(operator, "https://good", &json!(["https://*"]), [foreign, ours]));
            assert!(!between(operator, "https://good", &json!(["https://*"]), [ours, foreign]));
            assert!(!between(operator, "https://good", &json!("https://*"), [ours, foreign]));
        }
        for operator in [Operator::AnyNotIn, Operator::AllNotIn, Operator::NotIn] {
            assert!(!between(operator, "*", &list, [ours, ours]));
            assert!(between(operator, "*", &list, [foreign, ours]));
        }
        assert!(between(Operator::Equals, "https://good", &text, [foreign, ours]));
        assert!(!between(Operator::Equals, "https://good", &json!("*"), [ours, foreign]));
        assert!(between(Operator::NotEquals, "https://good", &json!("*"), [ours, foreign]));
        let mixed = Origins::Text([vec![false; 6], vec![true; 2]].concat());
        assert!(!between(Operator::Equals, "host-/x/", &json!("host-*/*"), [ours, &mixed]));
        assert!(between(Operator::Equals, "host-1/*", &json!("host-*/*"), [ours, &mixed]));
    }

    #[test]
    fn texts_too_long_to_compare_are_an_error_not_a_verdict() {
        let long = json!("*a".repeat(1 << 15));
        for operator in [Operator::Equals, Operator::NotEquals, Operator::AnyIn, Operator::AllNotIn] {
            let found = operator.holds(&long, &json!([long]));
            assert_eq!(found, Err(OperatorError::TooLong { key: 65_537, value: 65_538 }));
        }
    }
}
