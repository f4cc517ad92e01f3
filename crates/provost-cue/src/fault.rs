//! Errors inside an evaluation: cheap to make and drop, turned into texts only when shown.

use std::rc::Rc;

use crate::data::DataId;
use crate::error::{Code, Reason};
use crate::expr::ExprId;
use crate::source::Span;
use crate::value::Value;
use crate::vertex::VertexId;

/// A value held for printing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Src {
    Expr(ExprId),
    Value(Value),
    Data(DataId),
}

impl From<Value> for Src {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

/// One error.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// Whose path it shows; [`crate::vertex::NOWHERE`] shows none.
    pub(crate) at: VertexId,
    pub(crate) code: Code,
    pub(crate) reason: Reason<Src>,
    pub(crate) span: Option<Span>,
}

/// What a vertex or expression ends in when it is no value.
#[derive(Debug, Clone)]
pub(crate) struct Bottom {
    pub(crate) code: Code,
    pub(crate) faults: Vec<Fault>,
    /// Only fields that are not allowed: a real conflict takes its place.
    pub(crate) closedness: bool,
}

impl Bottom {
    pub(crate) fn new(at: VertexId, code: Code, reason: Reason<Src>, span: Option<Span>) -> Rc<Self> {
        Rc::new(Self { code, faults: vec![Fault { at, code, reason, span }], closedness: false })
    }

    /// Both errors of one vertex: the worse wins over incomplete ones, equals add up.
    pub(crate) fn combine(a: Option<Rc<Self>>, b: Option<Rc<Self>>) -> Option<Rc<Self>> {
        let (a, b) = match (a, b) {
            (Some(a), Some(b)) => (a, b),
            (a, b) => return a.or(b),
        };
        let (a, b) = if a.code > b.code { (b, a) } else { (a, b) };
        if a.code != b.code && b.code.is_incomplete() {
            return Some(a);
        }
        let faults = a.faults.iter().chain(&b.faults).cloned().collect();
        Some(Rc::new(Self { code: a.code, faults, closedness: a.closedness || b.closedness }))
    }
}

/// Why the whole evaluation ends: no arm, default or later value can mend it.
#[derive(Debug, Clone)]
pub(crate) struct Abort {
    pub(crate) reason: Reason,
    pub(crate) at: VertexId,
    pub(crate) span: Option<Span>,
}

/// Why an expression has no value.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    /// Something it needs may still come.
    Blocked,
    Bottom(Rc<Bottom>),
    Abort(Box<Abort>),
}

impl From<Box<Abort>> for Stop {
    fn from(abort: Box<Abort>) -> Self {
        Self::Abort(abort)
    }
}

/// The result of work that can end the evaluation.
pub(crate) type Done<T = ()> = Result<T, Box<Abort>>;
/// The result of an expression.
pub(crate) type Eval<T = Value> = Result<T, Stop>;
