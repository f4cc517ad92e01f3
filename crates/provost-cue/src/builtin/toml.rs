//! Package encoding/toml: values from TOML texts and to them.

use super::Builtin;
use super::call::Call;
use super::json::members;
use super::unmarshal::{self, Plain};
use crate::error::{Code, Reason};
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;
use crate::vertex::VertexId;

/// The key under which the library hands dates and times over.
const DATETIME: &str = "$__toml_private_datetime";

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::function("encoding/toml.Marshal", &[Kinds::TOP], |c| {
        let mut out = String::new();
        let value = c.value(0);
        match c.settled(&value)? {
            Value::Vertex(vertex) if c.context.kinds_of(&value) == Kinds::STRUCT => {
                table(c, vertex, &mut Vec::new(), &mut out)?;
            }
            other => inline(c, &other, &mut out)?,
        }
        c.answer(&out)
    }),
    Builtin::function("encoding/toml.Unmarshal", &[Kinds::STRING_OR_BYTES], |c| {
        let text = c.lossy(0);
        c.context.text_budget(text.len())?;
        match toml::from_str::<Plain>(&text) {
            Ok(plain) => {
                let value = unmarshal::plain(c, without_dates(plain))?;
                c.whole(value)
            }
            Err(error) => c.complain(error.message().to_owned()),
        }
    }),
];

/// Dates and times as strings, as CUE has them. The reader's own limit keeps nesting shallow.
fn without_dates(plain: Plain) -> Plain {
    match plain {
        Plain::Map(fields) => match fields.as_slice() {
            [(name, Plain::Text(text))] if name == DATETIME => Plain::Text(text.clone()),
            _ => Plain::Map(fields.into_iter().map(|(name, value)| (name, without_dates(value))).collect()),
        },
        Plain::List(items) => Plain::List(items.into_iter().map(without_dates).collect()),
        other => other,
    }
}

fn incomplete<T>(c: &Call<'_, '_>, value: &Value) -> Eval<T> {
    let problem = format!("incomplete value {}", crate::print::value(c.context, value));
    c.context.stop(Code::Incomplete, Reason::Builtin { name: c.name.to_owned(), problem })
}

fn parts(c: &mut Call<'_, '_>, vertex: VertexId) -> Eval<Vec<(String, Value)>> {
    let vertex = c.context.default_arm(vertex)?;
    let Ok((_, members)) = members(c, vertex, str::to_owned) else {
        return incomplete(c, &Value::Vertex(vertex));
    };
    let mut parts = Vec::with_capacity(members.len());
    for (label, arc) in members {
        parts.push((c.context.labels.name(label).to_string(), c.settled(&Value::Vertex(arc))?));
    }
    Ok(parts)
}

/// Whether a value is a list of structs alone, which becomes an array of tables.
fn is_tables(c: &mut Call<'_, '_>, value: &Value) -> Eval<bool> {
    let Value::Vertex(vertex) = value else { return Ok(false) };
    if c.context.kinds_of(value) != Kinds::LIST {
        return Ok(false);
    }
    let items = parts(c, *vertex)?;
    Ok(!items.is_empty() && items.iter().all(|(_, item)| c.context.kinds_of(item) == Kinds::STRUCT))
}

/// A table: its plain values first, then the tables in it, each sorted by name.
fn table(c: &mut Call<'_, '_>, vertex: VertexId, path: &mut Vec<String>, out: &mut String) -> Eval<()> {
    c.context.enter()?;
    let mut fields = parts(c, vertex)?;
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    let mut tables = Vec::new();
    for (name, value) in fields {
        if value == Value::Null {
            continue;
        }
        if c.context.kinds_of(&value) == Kinds::STRUCT || is_tables(c, &value)? {
            tables.push((name, value));
            continue;
        }
        out.push_str(&key(&name));
        out.push_str(" = ");
        inline(c, &value, out)?;
        out.push('\n');
        c.context.text_budget(out.len())?;
    }
    for (name, value) in tables {
        let Value::Vertex(vertex) = value else { continue };
        path.push(key(&name));
        let header = path.join(".");
        if c.context.kinds_of(&value) == Kinds::STRUCT {
            // A table right below the header of another has no empty line before it.
            if !out.is_empty() && !after_header(out) {
                out.push('\n');
            }
            out.push_str(&format!("[{header}]\n"));
            table(c, vertex, path, out)?;
        } else {
            for (_, item) in parts(c, vertex)? {
                if !out.is_empty() && !after_header(out) {
                    out.push('\n');
                }
                out.push_str(&format!("[[{header}]]\n"));
                if let Value::Vertex(item) = item {
                    table(c, item, path, out)?;
                }
            }
        }
        path.pop();
    }
    c.context.leave();
    Ok(())
}

/// Whether the last line is the header of a table.
fn after_header(out: &str) -> bool {
    out.trim_end_matches('\n').rsplit('\n').next().is_some_and(|line| line.starts_with('['))
}

fn key(name: &str) -> String {
    let bare = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if bare && !name.is_empty() { name.to_owned() } else { quoted(name) }
}

/// A literal string where it can be one, a basic string otherwise.
fn quoted(text: &str) -> String {
    if !text.contains('\'') && !text.chars().any(char::is_control) {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            letter if letter.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// A value on one line.
fn inline(c: &mut Call<'_, '_>, value: &Value, out: &mut String) -> Eval<()> {
    c.context.enter()?;
    match c.settled(value)? {
        Value::Null => out.push_str("''"),
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::Text(text) => out.push_str(&quoted(&text)),
        Value::Bytes(bytes) => out.push_str(&quoted(&String::from_utf8_lossy(&bytes))),
        Value::Vertex(vertex) => {
            let list = c.context.kinds_of(&Value::Vertex(vertex)) == Kinds::LIST;
            out.push(if list { '[' } else { '{' });
            for (index, (name, item)) in parts(c, vertex)?.into_iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                if !list {
                    out.push_str(&format!("{} = ", key(&name)));
                }
                inline(c, &item, out)?;
            }
            out.push(if list { ']' } else { '}' });
        }
        other => return incomplete(c, &other),
    }
    c.context.leave();
    Ok(())
}
