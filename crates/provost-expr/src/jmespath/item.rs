//! A value on its way through an expression: borrowed from the document, made on the way, or not loaded yet.

use serde_json::Value;

use super::ast::Node;
use super::error::JmesError;
use crate::go_text;

/// A value on its way through an expression.
#[derive(Clone, Debug)]
pub(super) enum Item<'a> {
    /// The document itself, whose parts are not loaded yet.
    Root,
    /// Part of the document or of the expression.
    Ref(&'a Value),
    /// Made by the expression.
    Own(Value),
    /// An `&expression`, an argument for functions.
    Reference(&'a Node),
}

/// What evaluating a node gives.
pub(super) type Outcome<'a> = Result<Item<'a>, JmesError>;

/// The null that missing values become.
pub(super) const NULL: Item<'static> = Item::Own(Value::Null);

/// The unknown key becomes null; every other error stays one.
pub(super) fn or_null(outcome: Outcome<'_>) -> Outcome<'_> {
    match outcome {
        Err(JmesError::UnknownKey(_)) => Ok(NULL),
        other => other,
    }
}

impl<'a> Item<'a> {
    /// The value, unless this is the unloaded document or an `&expression`.
    pub(super) fn value(&self) -> Option<&Value> {
        match self {
            Self::Own(value) => Some(value),
            Self::Ref(value) => Some(value),
            Self::Root | Self::Reference(_) => None,
        }
    }

    /// As Go prints it in error texts, shortened.
    pub(super) fn shown(&self) -> String {
        self.value()
            .map_or_else(|| "{expression}".to_owned(), |value| go_text::shorten(&go_text::sprint(value)))
    }
}

/// How many nodes a value has, which is what a copy costs; 64 bytes of text count as one more.
pub(super) fn nodes(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nodes).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(nodes).sum::<usize>(),
        Value::String(text) => 1 + text.len() / 64,
        _ => 1,
    }
}

/// What JMESPath counts as false: null, false, and everything empty.
pub(super) fn is_false(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(_) => false,
    }
}
