//! Sorting by a comparer: a struct that says of its fields x and y whether x is less.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::rc::Rc;

use super::super::call::Call;
use crate::context::Context;
use crate::error::Reason;
use crate::fault::{Bottom, Eval, Fault, Stop};
use crate::resolve::Need;
use crate::value::Value;
use crate::vertex::{Close, Conjunct, Elem, NO_ENV, VertexId};

/// The comparer, if it has a field to ask.
fn comparer(c: &mut Call<'_, '_>) -> Eval<VertexId> {
    let value = c.value(1);
    if let Value::Vertex(vertex) = value {
        let vertex = c.context.actual(vertex);
        c.context.open_data(vertex)?;
        let less = c.context.labels.text("less");
        if c.context.vertex(vertex).arcs.get(less).is_some() {
            return Ok(vertex);
        }
    }
    c.complain("field not found: less")
}

/// Whether one value is less than another, by the comparer with both put in.
fn less(context: &mut Context<'_>, comparer: VertexId, x: &Value, y: &Value) -> Eval<bool> {
    context.enter()?;
    let operands = [("x", x), ("y", y)].map(|(name, value)| (context.labels.text(name), value.clone()));
    let operands = Value::Struct(operands.to_vec().into());
    let part = |value| Conjunct { env: NO_ENV, elem: Elem::Value(value), close: Close::ROOT };
    let vertex = context.add_detached(vec![part(Value::Vertex(comparer)), part(operands)])?;
    context.finalize(vertex)?;
    let label = context.labels.text("less");
    let vertex = context.actual(vertex);
    let answer = match context.vertex(vertex).arcs.get(label) {
        Some(arc) => context.value_of(arc, Need::Scalar, true),
        None => Ok(Value::Bool(false)),
    };
    context.leave();
    Ok(matches!(answer?, Value::Bool(true)))
}

/// An error of the comparer as an error of the call.
fn told(c: &Call<'_, '_>, stop: Stop) -> Stop {
    let Stop::Bottom(bottom) = stop else { return stop };
    let wrap = |fault: &Fault| {
        let mut out = String::new();
        let reason = fault.reason.clone().map(&mut |src| crate::print::src(c.context, &src));
        out.push_str(&reason.to_string());
        Fault {
            reason: Reason::Builtin { name: c.name.to_owned(), problem: out },
            at: c.context.here,
            ..fault.clone()
        }
    };
    let faults = bottom.faults.iter().map(wrap).collect();
    Stop::Bottom(Rc::new(Bottom { code: bottom.code, faults, closedness: false }))
}

pub(super) fn sorted(c: &mut Call<'_, '_>) -> Eval {
    let comparer = comparer(c)?;
    let mut items = c.items(0)?;
    let failed: RefCell<Option<Stop>> = RefCell::new(None);
    items.sort_by(|a, b| {
        if failed.borrow().is_some() {
            return Ordering::Equal;
        }
        let mut ask = |x: &Value, y: &Value| match less(c.context, comparer, x, y) {
            Ok(less) => less,
            Err(stop) => {
                failed.borrow_mut().get_or_insert(stop);
                false
            }
        };
        match (ask(a, b), ask(b, a)) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            _ => Ordering::Equal,
        }
    });
    match failed.into_inner() {
        Some(stop) => Err(told(c, stop)),
        None => c.list(items),
    }
}

pub(super) fn is_sorted(c: &mut Call<'_, '_>) -> Eval {
    let comparer = comparer(c)?;
    let items = c.items(0)?;
    for pair in items.windows(2) {
        let [a, b] = pair else { continue };
        match less(c.context, comparer, b, a) {
            Ok(true) => return Ok(Value::Bool(false)),
            Ok(false) => {}
            // Go's check swallows a comparer's error and calls the pair sorted; here it is an error.
            Err(stop) => return Err(told(c, stop)),
        }
    }
    Ok(Value::Bool(true))
}
