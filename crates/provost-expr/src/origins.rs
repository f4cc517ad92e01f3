//! Who wrote which part of a substituted value: what came from outside the policy is text, and never a pattern.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::wildcard::Literal;

/// Who wrote each part of a value (security.md 5): `*` and `?` in a foreign part stand for themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// The policy's author or the cluster's operators wrote all of it.
    #[default]
    Ours,
    /// All of it is foreign.
    Foreign,
    /// Of a text, byte by byte, whether it is foreign.
    Text(Vec<bool>),
    /// Of a list, element by element.
    List(Vec<Self>),
    /// Of an object, by the names of its fields.
    Fields(BTreeMap<String, Self>),
}

static OURS: Origins = Origins::Ours;
static FOREIGN: Origins = Origins::Foreign;

impl Origins {
    /// Of an element of a list.
    #[must_use]
    pub fn element(&self, index: usize) -> &Self {
        match self {
            Self::Foreign => &FOREIGN,
            Self::List(items) => items.get(index).unwrap_or(&OURS),
            _ => &OURS,
        }
    }

    /// Of a field of an object.
    #[must_use]
    pub fn field(&self, name: &str) -> &Self {
        match self {
            Self::Foreign => &FOREIGN,
            Self::Fields(fields) => fields.get(name).unwrap_or(&OURS),
            _ => &OURS,
        }
    }

    /// Whether any part is foreign.
    #[must_use]
    pub fn any_foreign(&self) -> bool {
        match self {
            Self::Ours => false,
            Self::Foreign => true,
            Self::Text(bytes) => bytes.contains(&true),
            Self::List(items) => items.iter().any(Self::any_foreign),
            Self::Fields(fields) => fields.values().any(Self::any_foreign),
        }
    }

    /// Which bytes of a value's text are no wildcards; a list or object written as text is foreign as soon as a part is.
    pub(crate) fn literal(&self, value: &Value) -> Literal<'_> {
        match (self, value) {
            (Self::Text(bytes), Value::String(_)) => Literal::Bytes(bytes),
            (origins, _) if origins.any_foreign() => Literal::All,
            _ => Literal::Nothing,
        }
    }
}

/// A value with who wrote it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written<'a> {
    pub(crate) value: &'a Value,
    pub(crate) by: &'a Origins,
}

impl<'a> Written<'a> {
    pub(crate) fn new(value: &'a Value, by: &'a Origins) -> Self {
        Self { value, by }
    }

    pub(crate) fn literal(self) -> Literal<'a> {
        self.by.literal(self.value)
    }
}
