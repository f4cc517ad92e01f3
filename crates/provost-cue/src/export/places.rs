//! Where what is said about a field stands.

use crate::instance::Evaluation;
use crate::source::Position;
use crate::vertex::Elem;
use crate::view::{Shape, Value};

/// The places of everything that files say about the field at a path, as errors show paths. A document has none.
pub fn places(evaluation: &Evaluation<'_>, path: &str) -> Vec<Position> {
    let mut value = evaluation.root();
    let mut rest = path;
    while !rest.is_empty() {
        let Some((next, after)) = step(value, rest) else { return Vec::new() };
        value = next;
        rest = after;
    }
    let context = evaluation.context.borrow();
    let vertex = context.vertex(context.actual(value.vertex));
    let mut out: Vec<Position> = Vec::new();
    for conjunct in &vertex.conjuncts {
        let Elem::Expr(id) = conjunct.elem else { continue };
        if let Some(place) = context.program.sources.position(context.program.span(id))
            && !out.contains(&place)
        {
            out.push(place);
        }
    }
    out
}

/// The field or element that a path begins with, and the rest of the path.
fn step<'e, 'a, 'p>(value: Value<'e, 'a>, path: &'p str) -> Option<(Value<'e, 'a>, &'p str)> {
    let after = |shown: &str| {
        let rest = path.strip_prefix(shown)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
    };
    if let Shape::List(_) = value.shape() {
        let elements = value.elements().into_iter().enumerate();
        return elements.filter_map(|(index, element)| Some((element, after(&index.to_string())?))).next();
    }
    let fields = value.fields().into_iter();
    fields.filter_map(|field| Some((field.value, after(&field.shown)?))).next()
}
