//! Bounds: keeping the tighter of two, and seeing when no value fits both.

use std::cmp::Ordering;

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::fault::Bottom;
use crate::kind::Kinds;
use crate::number::Decimal;
use crate::value::{BoundOp, Value};
use crate::vertex::VertexId;

impl Context<'_> {
    pub(super) fn insert_bound(&mut self, v: VertexId, bound: &Value) {
        let node = self.node(v);
        let lower = matches!(bound, Value::Bound(BoundOp::Greater | BoundOp::GreaterEqual, _));
        let slot = if lower { &mut node.lower } else { &mut node.upper };
        match slot.take() {
            Some(earlier) => *slot = Some(tighter(bound, earlier, lower)),
            None => *slot = Some(bound.clone()),
        }
        let (Some(low), Some(high)) = (&node.lower, &node.upper) else { return };
        let integers = !node.kinds.meets(Kinds::FLOAT);
        let Some(what) = clash(low, high, integers) else { return };
        let (left, right) = if what == "string" || what == "bytes" { (high, low) } else { (low, high) };
        let reason = Reason::BoundsClash { what, left: left.clone().into(), right: right.clone().into() };
        // One complaint is enough: the bounds are not held against the value as well.
        (node.lower, node.upper) = (None, None);
        self.add_error(v, Bottom::new(v, Code::Eval, reason, None));
    }
}

/// Compares the values of two bounds of one kind.
pub(crate) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Some(a.decimal.compare(&b.decimal)),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Of two bounds in the same direction the one that implies the other.
fn tighter(new: &Value, earlier: Value, lower: bool) -> Value {
    let (Value::Bound(op, a), Value::Bound(_, b)) = (new, &earlier) else { return earlier };
    let strict = matches!(op, BoundOp::Less | BoundOp::Greater);
    let wins = match order(a, b) {
        Some(Ordering::Equal) => strict,
        Some(Ordering::Greater) => lower,
        Some(Ordering::Less) => !lower,
        None => false,
    };
    if wins { new.clone() } else { earlier }
}

/// What kind of value cannot lie between both bounds, if none can.
fn clash(low: &Value, high: &Value, integers: bool) -> Option<&'static str> {
    let (Value::Bound(low_op, a), Value::Bound(high_op, b)) = (low, high) else { return None };
    let both_closed = *low_op == BoundOp::GreaterEqual && *high_op == BoundOp::LessEqual;
    let what = match (&**a, &**b) {
        (Value::Number(_), Value::Number(_)) if integers => "integer",
        (Value::Number(_), Value::Number(_)) => "number",
        (Value::Text(_), _) => "string",
        _ => "bytes",
    };
    match order(a, b)? {
        Ordering::Greater => return Some(what),
        Ordering::Equal if !both_closed => return Some(what),
        Ordering::Equal => return None,
        Ordering::Less => {}
    }
    let (Value::Number(a), Value::Number(b)) = (&**a, &**b) else { return None };
    let one = Decimal::from(num_bigint::BigInt::from(1));
    let both_open = *low_op == BoundOp::Greater && *high_op == BoundOp::Less;
    let whole = a.decimal.to_integer().is_some() && b.decimal.to_integer().is_some();
    let adjacent = whole && b.decimal.subtract(&a.decimal).compare(&one).is_eq();
    (integers && both_open && adjacent).then_some(what)
}
