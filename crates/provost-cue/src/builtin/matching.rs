//! Constraints that hold a value against schemas: matchN, matchIf, list.MatchN.

use std::rc::Rc;

use super::core::elements;
use crate::context::Context;
use crate::error::{Code, Reason};
use crate::fault::{Bottom, Eval};
use crate::resolve::Need;
use crate::value::Value;
use crate::vertex::{ArcType, Close, Conjunct, Elem, NO_ENV, NOWHERE, VertexId};

/// The value without its constraints and defaults, as a vertex of its own.
fn data_of(context: &mut Context<'_>, value: &Value) -> Eval<Conjunct> {
    if let Value::Vertex(vertex) = value {
        let vertex = context.actual(*vertex);
        if let Some(data) = context.only_data(vertex) {
            return Ok(Conjunct { env: NO_ENV, elem: Elem::Data(data), close: Close::ROOT });
        }
        let copy = strip(context, vertex)?;
        return Ok(Conjunct { env: NO_ENV, elem: Elem::Value(Value::Vertex(copy)), close: Close::ROOT });
    }
    Ok(Conjunct { env: NO_ENV, elem: Elem::Value(value.clone()), close: Close::ROOT })
}

/// A vertex of the plain values of another.
fn strip(context: &mut Context<'_>, vertex: VertexId) -> Eval<VertexId> {
    context.enter()?;
    let plain = plain_value(context, vertex);
    context.leave();
    context.vertex_for(&plain?)
}

fn plain_value(context: &mut Context<'_>, vertex: VertexId) -> Eval {
    let vertex = context.default_arm(vertex)?;
    let value = context.value_now(vertex);
    Ok(match value {
        Value::Vertex(_) if !context.is_concrete(&value) => Value::Type(context.kinds_of(&value)),
        Value::Vertex(_) => {
            let is_list = context.known(vertex).is_some_and(|node| node.list.is_some());
            let fields: Vec<_> = context.vertex(vertex).arcs.iter().collect();
            let mut members = Vec::new();
            for (label, arc) in fields {
                if label.is_regular() && context.vertex(arc).arc == ArcType::Member {
                    let inner = match data_of(context, &Value::Vertex(arc))?.elem {
                        Elem::Value(value) => value,
                        elem => {
                            let conjunct = Conjunct { env: NO_ENV, elem, close: Close::ROOT };
                            Value::Vertex(context.add_detached(vec![conjunct])?)
                        }
                    };
                    members.push((label, inner));
                }
            }
            match is_list {
                true => Value::List(members.into_iter().map(|(_, value)| value).collect()),
                false => Value::Struct(members.into()),
            }
        }
        scalar => scalar,
    })
}

/// The error of a value held against a schema.
///
/// `concrete` asks for every field to be one known value.
pub(super) fn against(
    context: &mut Context<'_>,
    subject: &Conjunct,
    schema: &Value,
    concrete: bool,
) -> Eval<Option<Rc<Bottom>>> {
    context.enter()?;
    let schema = Conjunct { env: NO_ENV, elem: Elem::Value(schema.clone()), close: Close::ROOT };
    let vertex = context.add_detached(vec![subject.clone(), schema])?;
    // Errors inside are told without the path that leads here.
    context.vertex_mut(vertex).parent = NOWHERE;
    let here = std::mem::replace(&mut context.here, vertex);
    context.finalize(vertex)?;
    let mut error = context.settle(vertex)?;
    if error.is_none() {
        error = context.final_errors(vertex, true)?;
    }
    if error.is_none() && concrete {
        let demands = crate::instance::Demands { concrete: true, complete: true };
        error = context.validate(vertex, demands)?;
    }
    context.here = here;
    if error.is_none() && context.strict {
        let alone = context.add_detached(vec![subject.clone()])?;
        context.finalize(alone)?;
        error = context.absent_against(vertex, alone)?;
    }
    context.leave();
    Ok(error)
}

pub(super) fn match_n(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let [subject, wanted, schemas] = arguments else { return Ok(Value::Bool(false)) };
    let schemas = match schemas {
        Value::Vertex(list) => {
            context.value_of(*list, Need::Fields, true)?;
            elements_of(context, *list)?
        }
        _ => return super::remark(context, "matchN needs a list"),
    };
    let subject = data_of(context, subject)?;
    let (mut matched, mut possible) = (0i64, 0i64);
    let mut faults = Vec::new();
    for schema in &schemas {
        match against(context, &subject, schema, false)? {
            None => matched += 1,
            Some(bottom) => {
                possible += i64::from(bottom.code.is_incomplete());
                faults.push(bottom);
            }
        }
    }
    counted(context, wanted, matched, possible, faults)
}

/// Holds the number of matches against the number wanted.
fn counted(
    context: &mut Context<'_>,
    wanted: &Value,
    matched: i64,
    possible: i64,
    errors: Vec<Rc<Bottom>>,
) -> Eval {
    let number = Value::int(matched);
    let limit = match wanted {
        Value::Vertex(vertex) => context.vertex_values(*vertex)?.unwrap_or(Value::Null),
        other => other.clone(),
    };
    if context.satisfies(&number, &limit)? {
        return Ok(Value::Bool(true));
    }
    // An incomplete answer would pass: only where more matches could still come is it one.
    let mut reachable = false;
    for more in 1..=possible {
        reachable |= context.satisfies(&Value::int(matched + more), &limit)?;
    }
    let code = if reachable { Code::Incomplete } else { Code::Eval };
    let words = format!("{matched} matched, expected {}", crate::print::value(context, &limit));
    let first = Bottom::new(context.here, code, Reason::Remark { words }, None);
    let mut faults = first.faults.clone();
    for bottom in errors {
        if !reachable || bottom.code.is_incomplete() {
            faults.extend(bottom.faults.iter().cloned());
        }
    }
    Err(crate::fault::Stop::Bottom(Rc::new(Bottom { code, faults, closedness: false })))
}

fn elements_of(context: &mut Context<'_>, list: VertexId) -> Eval<Vec<Value>> {
    let members = context.members_of(list)?;
    Ok(members.into_iter().map(|(_, arc)| Value::Vertex(arc)).collect())
}

pub(super) fn match_if(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let [subject, condition, then, otherwise] = arguments else { return Ok(Value::Bool(false)) };
    let subject = data_of(context, subject)?;
    let chosen = if against(context, &subject, condition, false)?.is_none() { then } else { otherwise };
    match against(context, &subject, chosen, false)? {
        None => Ok(Value::Bool(true)),
        Some(bottom) => Err(crate::fault::Stop::Bottom(bottom)),
    }
}

/// `list.MatchN`: how many elements hold against one schema.
pub(super) fn list_match_n(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let [_, wanted, schema] = arguments else { return Ok(Value::Bool(false)) };
    let mut matched = 0;
    for element in elements(context, arguments, 0)? {
        let subject = data_of(context, &element)?;
        if against(context, &subject, schema, false)?.is_none() {
            matched += 1;
        }
    }
    let limit = match wanted {
        Value::Vertex(vertex) => context.vertex_values(*vertex)?.unwrap_or(Value::Null),
        other => other.clone(),
    };
    if context.satisfies(&Value::int(matched), &limit)? {
        return Ok(Value::Bool(true));
    }
    let expected = crate::print::value(context, &without_implied(&limit));
    super::remark(context, format!("number of matched elements is {matched}: does not satisfy {expected}"))
}

/// A conjunction without the type that its other parts imply, as CUE shows it.
fn without_implied(value: &Value) -> Value {
    if let Value::All(parts) = value
        && let Some((Value::Type(kinds), rest)) = parts.split_first()
        && rest.iter().fold(crate::kind::Kinds::TOP, |implied, part| implied & part.kinds()) == *kinds
    {
        return Value::All(rest.to_vec().into());
    }
    value.clone()
}
