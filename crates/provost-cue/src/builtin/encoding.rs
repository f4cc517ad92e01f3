//! Packages encoding/json and encoding/base64: values from texts and to them.

use super::Builtin;
use crate::context::Context;
use crate::data::{Data, DataId, Node};
use crate::error::{Code, Reason};
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::number::{Decimal, Number};
use crate::value::Value;
use crate::vertex::ArcType;

pub(super) static JSON: &[Builtin] = &[
    Builtin::function("json.Marshal", &[Kinds::TOP], |context, arguments| {
        let mut out = String::new();
        if let Some(value) = arguments.first() {
            write(context, value, &mut out)?;
        }
        Ok(Value::text(&out))
    }),
    Builtin::function("json.Unmarshal", &[Kinds::STRING], |context, arguments| {
        let text = super::text(arguments, 0);
        context.text_budget(text.len())?;
        let data = match Data::from_json(text.as_bytes(), &context.limits) {
            Ok(data) => data,
            Err(errors) => return super::complain(context, "json.Unmarshal", errors.to_string()),
        };
        let value = read(context, &data, data.root())?;
        match value {
            Value::Struct(_) | Value::List(_) => context.vertex_for(&value).map(Value::Vertex),
            scalar => Ok(scalar),
        }
    }),
    Builtin::test("json.Valid", &[Kinds::STRING], |context, arguments| {
        let text = super::text(arguments, 0);
        context.text_budget(text.len())?;
        Ok(Value::Bool(Data::from_json(text.as_bytes(), &context.limits).is_ok()))
    }),
];

pub(super) static BASE64: &[Builtin] =
    &[Builtin::function("base64.Decode", &[Kinds::NULL, Kinds::STRING], |context, arguments| {
        let text = super::text(arguments, 1);
        context.text_budget(text.len())?;
        match decode(&text) {
            Some(bytes) => Ok(Value::Bytes(bytes.into())),
            None => super::complain(context, "base64.Decode", "illegal base64 data"),
        }
    })];

/// Base64 in the usual alphabet with padding; line ends do not count, as in Go.
fn decode(text: &str) -> Option<Vec<u8>> {
    let plain: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let digits = plain.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    if !plain.len().is_multiple_of(4) || plain.len() - digits > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(plain.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in plain.iter().take(digits) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = ((bits << 6) | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

/// A JSON value as a value of the evaluation; its nesting is limited where it is read.
fn read(context: &mut Context<'_>, data: &Data, id: DataId) -> Eval {
    context.enter()?;
    let value = match data.node(id) {
        Node::Null => Value::Null,
        Node::Bool(value) => Value::Bool(*value),
        Node::String(range) => Value::text(data.text(range)),
        Node::Number(range) => {
            let text = data.text(range);
            match Decimal::parse(text) {
                Some(decimal) => {
                    Value::Number(Number { float: text.contains(['.', 'e', 'E']), decimal }.into())
                }
                None => context.over("digits of an exponent", crate::number::EXPONENT.unsigned_abs())?,
            }
        }
        Node::List(range) => {
            let values = data.elements(range).iter().map(|element| read(context, data, *element));
            Value::List(values.collect::<Eval<Vec<_>>>()?.into())
        }
        Node::Struct(range) => {
            let fields = data.members(range).iter().map(|(name, value)| {
                let label = context.labels.text(data.text(name));
                Ok((label, read(context, data, *value)?))
            });
            Value::Struct(fields.collect::<Eval<Vec<_>>>()?.into())
        }
    };
    context.leave();
    Ok(value)
}

/// Writes a value; fields that are not regular are left out.
fn write(context: &mut Context<'_>, value: &Value, out: &mut String) -> Eval<()> {
    context.enter()?;
    let written = write_inside(context, value, out);
    context.leave();
    written
}

fn write_inside(context: &mut Context<'_>, value: &Value, out: &mut String) -> Eval<()> {
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
