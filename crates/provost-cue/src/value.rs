//! Values that need no further evaluation to be known, and handles of those that have fields.

use std::sync::Arc;

use crate::builtin::Builtin;
use crate::kind::Kinds;
use crate::number::Number;
use crate::vertex::VertexId;

/// The operator of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BoundOp {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    Match,
    NotMatch,
}

impl BoundOp {
    /// The operator of a token, if it makes a bound.
    pub(crate) fn of(op: &str) -> Option<Self> {
        Some(match op {
            "<" => Self::Less,
            "<=" => Self::LessEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterEqual,
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "=~" => Self::Match,
            "!~" => Self::NotMatch,
            _ => return None,
        })
    }

    /// As it is written.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Match => "=~",
            Self::NotMatch => "!~",
        }
    }
}

/// A builtin used as a constraint, with the arguments it was given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Validator {
    pub(crate) builtin: &'static Builtin,
    pub(crate) arguments: Vec<Value>,
    /// Whether it was written as a call; `time.Time` is not.
    pub(crate) called: bool,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Arc<Number>),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    /// A type; all kinds together are `_`.
    Type(Kinds),
    Bound(BoundOp, Arc<Self>),
    Validator(Arc<Validator>),
    /// Several constraints at once, as `int32`.
    All(Arc<[Self]>),
    /// One of several values; how many of the first ones are defaults.
    Any(Arc<[Self]>, usize),
    /// A closed list that a builtin made.
    List(Arc<[Self]>),
    /// A struct of plain values.
    Struct(Arc<[(crate::label::Label, Self)]>),
    /// A builtin itself.
    Builtin(&'static Builtin),
    /// A struct, a list, or something not yet known.
    Vertex(VertexId),
}

impl Value {
    /// A string.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(Arc::from(text))
    }

    /// An integer.
    pub(crate) fn int(value: impl Into<num_bigint::BigInt>) -> Self {
        Self::Number(Arc::new(Number::integer(value)))
    }

    /// Whether it is one known value without fields.
    pub(crate) fn is_scalar(&self) -> bool {
        matches!(self, Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Bytes(_))
    }

    /// The kinds it can have; a vertex's are asked of the evaluator.
    pub(crate) fn kinds(&self) -> Kinds {
        match self {
            Self::Null => Kinds::NULL,
            Self::Bool(_) => Kinds::BOOL,
            Self::Number(number) if number.float => Kinds::FLOAT,
            Self::Number(_) => Kinds::INT,
            Self::Text(_) => Kinds::STRING,
            Self::Bytes(_) => Kinds::BYTES,
            Self::Type(kinds) => *kinds,
            Self::Bound(BoundOp::NotEqual, value) if **value == Self::Null => Kinds::NOT_NULL,
            Self::Bound(BoundOp::Match | BoundOp::NotMatch, _) => Kinds::STRING,
            Self::Bound(_, value) if value.kinds().meets(Kinds::NUMBER) => Kinds::NUMBER,
            Self::Bound(_, value) => value.kinds(),
            Self::Validator(validator) => validator.builtin.subject(),
            Self::All(values) => values.iter().fold(Kinds::TOP, |kinds, value| kinds & value.kinds()),
            Self::Any(values, _) => values.iter().fold(Kinds::NONE, |kinds, value| kinds | value.kinds()),
            Self::List(_) => Kinds::LIST,
            Self::Struct(_) => Kinds::STRUCT,
            Self::Builtin(_) => Kinds::FUNC,
            Self::Vertex(_) => Kinds::TOP,
        }
    }
}

/// Whether two scalars are the same value of the same kind.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.float == b.float && a.decimal.compare(&b.decimal).is_eq(),
        _ => a == b,
    }
}
