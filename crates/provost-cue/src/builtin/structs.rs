//! Package struct.

use super::Builtin;
use super::call::Call;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;
use crate::vertex::{ArcType, VertexId};

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::test("struct.MinFields", &[Kinds::STRUCT, Kinds::INT], |c| {
        let (fields, limit) = (fields(c)?, c.int(1)?);
        if fields >= limit {
            return Ok(Value::Bool(true));
        }
        let more = grows(c, fields, limit)?;
        c.refuse(format!("len(fields) < MinFields({limit}) ({fields} < {limit})"), more)
    }),
    Builtin::test("struct.MaxFields", &[Kinds::STRUCT, Kinds::INT], |c| {
        let (fields, limit) = (fields(c)?, c.int(1)?);
        if fields <= limit {
            return Ok(Value::Bool(true));
        }
        c.refuse(format!("len(fields) > MaxFields({limit}) ({fields} > {limit})"), false)
    }),
];

fn vertex(c: &Call<'_, '_>) -> Option<VertexId> {
    match c.value(0) {
        Value::Vertex(vertex) => Some(c.context.actual(vertex)),
        _ => None,
    }
}

fn fields(c: &mut Call<'_, '_>) -> Eval<i64> {
    match vertex(c) {
        Some(vertex) => Ok(c.context.members_of(vertex)?.len() as i64),
        None => Ok(0),
    }
}

/// Whether more fields could still come, by name or because the struct is open.
fn grows(c: &mut Call<'_, '_>, fields: i64, limit: i64) -> Eval<bool> {
    let Some(vertex) = vertex(c) else { return Ok(false) };
    let arcs: Vec<_> = c.context.vertex(vertex).arcs.iter().collect();
    let allowed = |(label, arc): &(crate::label::Label, VertexId)| {
        label.is_regular() && c.context.vertex(*arc).arc != ArcType::Member
    };
    let named = arcs.iter().filter(|arc| allowed(arc)).count() as i64;
    if fields + named >= limit {
        return Ok(true);
    }
    let unheard_of = c.context.labels.text("\u{fffd}\u{fffd}");
    Ok(c.context.accepts(vertex, unheard_of)?)
}
