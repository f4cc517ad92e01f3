//! The operators of conditions: how a key is compared with a value, type by type.

mod equality;
mod membership;
mod order;

use serde_json::Value;
use thiserror::Error;

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
    /// `In` and `NotIn` over a list that holds something else than texts.
    #[error("operator {operator}: the key is a list that holds {found}, expected texts only")]
    KeyNotTexts {
        /// The operator.
        operator: &'static str,
        /// The offending element.
        found: String,
    },
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
    /// Where Kyverno itself would break off: `In` and `NotIn` over lists of other things than texts.
    pub fn holds(self, key: &Value, value: &Value) -> Result<bool, OperatorError> {
        match self {
            Self::Equals => Ok(equality::equals(key, value)),
            Self::NotEquals => Ok(equality::not_equals(key, value)),
            Self::In => membership::deprecated(key, value, false),
            Self::NotIn => membership::deprecated(key, value, true),
            Self::AnyIn => Ok(membership::any_in(key, value)),
            Self::AllIn => Ok(membership::all_in(key, value)),
            Self::AnyNotIn => Ok(membership::any_not_in(key, value)),
            Self::AllNotIn => Ok(membership::all_not_in(key, value)),
            Self::Order(order) => Ok(order::numbers(order, key, value)),
            Self::Duration(order) => Ok(order::durations(order, key, value)),
        }
    }
}
