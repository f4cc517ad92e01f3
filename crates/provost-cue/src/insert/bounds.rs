//! Bounds: keeping the tighter of two, and seeing when no value fits both.

use std::cmp::Ordering;

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::fault::Bottom;
use crate::kind::Kinds;
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
        self.check_bounds(v);
    }

    /// Complains where nothing lies between the bounds of a vertex.
    pub(crate) fn check_bounds(&mut self, v: VertexId) {
        let node = self.node(v);
        let (Some(low), Some(high)) = (&node.lower, &node.upper) else { return };
        let integers = !node.kinds.meets(Kinds::FLOAT);
        let Some((what, low_first)) = clash(low, high, integers) else { return };
        let (left, right) = if low_first { (low, high) } else { (high, low) };
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

/// The complaint about two bounds between which nothing lies: what they bound, and whether the lower is named first.
fn clash(low: &Value, high: &Value, integers: bool) -> Option<(&'static str, bool)> {
    let (Value::Bound(low_op, a), Value::Bound(high_op, b)) = (low, high) else { return None };
    let both_closed = *low_op == BoundOp::GreaterEqual && *high_op == BoundOp::LessEqual;
    let (order, what) = match (&**a, &**b) {
        (Value::Number(a), Value::Number(b)) if integers => {
            // >=3.4 is >=4 and >3.4 is >3 among integers; <=2.3 is <=2 and <2.3 is <3.
            let a = if *low_op == BoundOp::GreaterEqual { a.decimal.ceiling() } else { a.decimal.floor() };
            let b = if *high_op == BoundOp::LessEqual { b.decimal.floor() } else { b.decimal.ceiling() };
            let both_open = *low_op == BoundOp::Greater && *high_op == BoundOp::Less;
            if both_open && &b - &a == num_bigint::BigInt::from(1) {
                return Some(("integer", true));
            }
            (a.cmp(&b), "integer")
        }
        (Value::Number(_), Value::Number(_)) => (order(a, b)?, "number"),
        (Value::Text(_), _) => (order(a, b)?, "string"),
        _ => (order(a, b)?, "bytes"),
    };
    let clashes = order == Ordering::Greater || (order == Ordering::Equal && !both_closed);
    clashes.then_some((what, false))
}
