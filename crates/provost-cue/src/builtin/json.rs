//! Package encoding/json: values from JSON texts and to them.

mod text;

use super::call::Call;
use super::{Builtin, unmarshal};
use crate::error::{Code, Reason};
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::label::Label;
use crate::value::Value;
use crate::vertex::{ArcType, VertexId};

pub(super) use text::string;

const OCTETS: Kinds = Kinds::STRING_OR_BYTES;
const S: Kinds = Kinds::STRING;
const T: Kinds = Kinds::TOP;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::function("encoding/json.Marshal", &[T], |c| {
        let text = marshal(c, &c.value(0))?;
        c.answer(&text)
    }),
    Builtin::function("encoding/json.MarshalStream", &[T], |c| {
        let mut out = String::new();
        for item in c.list_of(&c.value(0))? {
            out.push_str(&marshal(c, &item)?);
            out.push('\n');
            c.context.text_budget(out.len())?;
        }
        c.answer(&out)
    }),
    Builtin::function("encoding/json.Unmarshal", &[OCTETS], |c| {
        let value = unmarshalled(c, 0)?;
        c.whole(value)
    }),
    Builtin::function("encoding/json.UnmarshalStream", &[OCTETS], |c| {
        let source = c.lossy(0);
        let mut values = Vec::new();
        let mut rest = source.trim_start_matches(text::SPACE);
        while !rest.is_empty() {
            let end = match text::value_end(rest) {
                Ok(end) => end,
                Err(text::Fault::End) => return c.complain("invalid JSON for file \"\": unexpected EOF"),
                Err(text::Fault::Letter(words)) => {
                    return c.complain(format!("invalid JSON for file \"\": {words}"));
                }
            };
            let (one, tail) = rest.split_at(end);
            values.push(unmarshal::json(c, one)?);
            rest = tail.trim_start_matches(text::SPACE);
        }
        c.list(values)
    }),
    Builtin::test("encoding/json.Valid", &[OCTETS], |c| {
        let bytes = c.bytes(0).into_owned();
        c.context.text_budget(bytes.len())?;
        Ok(Value::Bool(text::check(&String::from_utf8_lossy(&bytes)).is_ok()))
    }),
    Builtin::function("encoding/json.Compact", &[OCTETS], |c| rewritten(c, text::compact)),
    Builtin::function("encoding/json.Indent", &[OCTETS, S, S], |c| {
        let (prefix, indent) = (c.text(1), c.text(2));
        // A line for each bracket and comma, each as deep as there are brackets around it.
        let source = c.lossy(0);
        let deepest = source.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
        let lines = deepest * 2 + source.bytes().filter(|byte| *byte == b',').count() + 1;
        let width = prefix.len() + deepest.min(c.context.limits.data_depth) * indent.len() + 1;
        c.context.text_budget(source.len().saturating_add(lines.saturating_mul(width)))?;
        rewritten(c, |source| text::indent(source, &prefix, &indent))
    }),
    Builtin::function("encoding/json.HTMLEscape", &[OCTETS], |c| {
        let mut out = String::new();
        for letter in c.lossy(0).chars() {
            match letter {
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    out.push_str(&format!("\\u{:04x}", u32::from(letter)))
                }
                letter => out.push(letter),
            }
        }
        c.answer(&out)
    }),
    Builtin::schema("encoding/json.Validate", &[OCTETS, T], |c| {
        let value = unmarshalled(c, 0)?;
        unmarshal::validate(c, &value, false)
    }),
];

/// The value of the JSON text in an argument.
fn unmarshalled(c: &mut Call<'_, '_>, position: usize) -> Eval {
    let source = c.lossy(position);
    c.context.text_budget(source.len())?;
    if text::check(&source).is_err() {
        return c.complain("json: invalid JSON");
    }
    unmarshal::json(c, &source)
}

/// A JSON text written anew, or Go's words on why it is none.
fn rewritten(c: &mut Call<'_, '_>, write: impl Fn(&str) -> String) -> Eval {
    let source = c.lossy(0);
    c.context.text_budget(source.len())?;
    match text::check(&source) {
        Ok(()) => c.answer(&write(&source)),
        Err(text::Fault::End) => c.complain("unexpected end of JSON input"),
        Err(text::Fault::Letter(words)) => c.complain(words),
    }
}

/// A value as JSON; fields that are not regular are left out.
pub(super) fn marshal(c: &mut Call<'_, '_>, value: &Value) -> Eval<String> {
    let mut out = String::new();
    write(c, value, &mut out)?;
    Ok(out)
}

/// The regular fields of a struct or elements of a list that are there, and whether it is a list. What is neither, or
/// not known yet, is an error that CUE words as `words` says.
pub(super) fn members(
    c: &mut Call<'_, '_>,
    vertex: VertexId,
    words: fn(&str) -> String,
) -> Eval<(bool, Vec<(Label, VertexId)>)> {
    let value = Value::Vertex(vertex);
    if !c.context.is_concrete(&value) {
        let shown = crate::print::value(c.context, &value);
        return c.context.stop(Code::Incomplete, Reason::Remark { words: words(&shown) });
    }
    c.context.open_data(vertex)?;
    let list = c.context.kinds_of(&value) == Kinds::LIST;
    let arcs: Vec<_> = c.context.vertex(vertex).arcs.iter().collect();
    let context = &*c.context;
    let there =
        |(label, arc): &(Label, VertexId)| label.is_regular() && context.vertex(*arc).arc == ArcType::Member;
    Ok((list, arcs.into_iter().filter(there).collect()))
}

fn write(c: &mut Call<'_, '_>, value: &Value, out: &mut String) -> Eval<()> {
    c.context.enter()?;
    match c.settled(value)? {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::Text(text) => string(&text, out),
        Value::Bytes(bytes) => {
            use base64::Engine;
            string(&base64::engine::general_purpose::STANDARD.encode(&bytes), out);
        }
        Value::Vertex(vertex) => {
            let vertex = c.context.default_arm(vertex)?;
            let words = |shown: &str| format!("cannot convert incomplete value \"{shown}\" to JSON");
            let (list, members) = members(c, vertex, words)?;
            out.push(if list { '[' } else { '{' });
            for (index, (label, arc)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                if !list {
                    string(&c.context.labels.name(label), out);
                    out.push(':');
                }
                write(c, &Value::Vertex(arc), out)?;
                c.context.text_budget(out.len())?;
            }
            out.push(if list { ']' } else { '}' });
        }
        other => {
            let shown = crate::print::value(c.context, &other);
            let words = format!("cannot convert incomplete value \"{shown}\" to JSON");
            return c.context.stop(Code::Incomplete, Reason::Remark { words });
        }
    }
    c.context.leave();
    Ok(())
}
