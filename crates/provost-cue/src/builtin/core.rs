//! The builtins without a package.

use super::{Builtin, matching};
use crate::context::Context;
use crate::error::{Code, Reason};
use crate::fault::{Bottom, Eval, Stop};
use crate::kind::Kinds;
use crate::operate::whole;
use crate::value::Value;

const LISTS: &[Kinds] = &[Kinds::LIST];
const INTS: &[Kinds] = &[Kinds::INT, Kinds::INT];

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::function("len", &[Kinds::TOP], |call| len(call.context, call.arguments)),
    Builtin::function("close", &[Kinds::STRUCT], |call| Ok(call.value(0))),
    Builtin::function("and", LISTS, |call| and(call.context, call.arguments)),
    Builtin::function("or", LISTS, |call| or(call.context, call.arguments)),
    Builtin::function("div", INTS, |call| divide(call.context, call.arguments, "div")),
    Builtin::function("mod", INTS, |call| divide(call.context, call.arguments, "mod")),
    Builtin::function("quo", INTS, |call| divide(call.context, call.arguments, "quo")),
    Builtin::function("rem", INTS, |call| divide(call.context, call.arguments, "rem")),
    Builtin::function("error", &[Kinds::STRING], |call| error(call.context, &call.text(0))),
    Builtin::open("matchN", &[Kinds::TOP, Kinds::INT, Kinds::LIST], |call| {
        matching::match_n(call.context, call.arguments)
    }),
    Builtin::open("matchIf", &[Kinds::TOP, Kinds::TOP, Kinds::TOP, Kinds::TOP], |call| {
        matching::match_if(call.context, call.arguments)
    }),
];

fn len(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let length = match arguments.first() {
        Some(Value::Text(text)) => text.len(),
        Some(Value::Bytes(bytes)) => bytes.len(),
        Some(Value::Vertex(vertex)) => context.members_of(*vertex)?.len(),
        other => {
            let shown = other.map(|value| crate::print::value(context, value)).unwrap_or_default();
            return super::remark(context, format!("invalid argument type for len: {shown}"));
        }
    };
    Ok(Value::int(length))
}

/// The elements of a list argument, scalars as such.
pub(super) fn elements(context: &mut Context<'_>, arguments: &[Value], position: usize) -> Eval<Vec<Value>> {
    let Some(Value::Vertex(vertex)) = arguments.get(position) else { return Ok(Vec::new()) };
    let members = context.members_of(*vertex)?;
    let plain = |arc| context.vertex(context.actual(arc)).arcs.len() == 0;
    let value = |(_, arc)| if plain(arc) { context.value_now(arc) } else { Value::Vertex(arc) };
    Ok(members.into_iter().map(value).collect())
}

fn and(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let mut parts = elements(context, arguments, 0)?;
    parts.insert(0, Value::Type(Kinds::TOP));
    Ok(Value::All(parts.into()))
}

fn or(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let arms = elements(context, arguments, 0)?;
    if arms.is_empty() {
        let words = "empty list in call to or".to_owned();
        return context.stop(Code::Incomplete, Reason::Remark { words });
    }
    Ok(Value::Any(arms.into(), 0))
}

fn divide(context: &mut Context<'_>, arguments: &[Value], op: &str) -> Eval {
    if let [Value::Number(a), Value::Number(b)] = arguments
        && let (Some(a), Some(b)) = (a.decimal.to_integer(), b.decimal.to_integer())
    {
        return match whole(op, &a, &b) {
            Some(value) => Ok(Value::int(value)),
            None => context.stop(Code::Eval, Reason::DivisionByZero),
        };
    }
    super::remark(context, format!("invalid operands to {op}"))
}

fn error(context: &mut Context<'_>, message: &str) -> Eval {
    let reason = Reason::User { message: message.to_owned() };
    Err(Stop::Bottom(Bottom::new(context.here, Code::User, reason, None)))
}
