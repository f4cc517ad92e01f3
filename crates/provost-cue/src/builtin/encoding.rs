//! Package encoding/json: writing values as JSON.

use super::Builtin;
use crate::context::Context;
use crate::error::{Code, Reason};
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;
use crate::vertex::ArcType;

pub(super) static JSON: &[Builtin] =
    &[Builtin::function("json.Marshal", &[Kinds::TOP], |context, arguments| {
        let mut out = String::new();
        if let Some(value) = arguments.first() {
            write(context, value, &mut out)?;
        }
        Ok(Value::text(&out))
    })];

/// Writes a value; fields that are not regular are left out.
fn write(context: &mut Context<'_>, value: &Value, out: &mut String) -> Eval<()> {
    context.enter()?;
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(&value.to_string()),
        Value::Number(number) => out.push_str(&number.decimal.to_string()),
        Value::Text(text) => string(text, out),
        Value::Vertex(vertex) => {
            let vertex = context.default_arm(*vertex)?;
            let value = context.value_now(vertex);
            if !matches!(value, Value::Vertex(_)) {
                write(context, &value, out)?;
            } else if context.is_concrete(&value) {
                context.open_data(vertex)?;
                let list = context.kinds_of(&value) == Kinds::LIST;
                let arcs: Vec<_> = context.vertex(vertex).arcs.iter().collect();
                out.push(if list { '[' } else { '{' });
                let mut first = true;
                for (label, arc) in arcs {
                    if !label.is_regular() || context.vertex(arc).arc != ArcType::Member {
                        continue;
                    }
                    if !std::mem::take(&mut first) {
                        out.push(',');
                    }
                    if !list {
                        string(&context.labels.name(label), out);
                        out.push(':');
                    }
                    write(context, &Value::Vertex(arc), out)?;
                    context.text_budget(out.len())?;
                }
                out.push(if list { ']' } else { '}' });
            } else {
                let operator = "json.Marshal".to_owned();
                return context
                    .stop(Code::Incomplete, Reason::NonConcrete { value, operator }.map(&mut |v| v.into()));
            }
        }
        _ => return Ok(context.unsupported("json.Marshal of this value", None)?),
    }
    context.leave();
    Ok(())
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 || matches!(c, '\u{2028}' | '\u{2029}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
