//! Printing values as error texts show them: compact, on one line.

use crate::data::{Data, DataId, Node};

/// A string in double quotes as Go's CUE printer writes it: non-ASCII kept.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A JSON value; its nesting is limited where it is read.
pub(crate) fn data(data: &Data, id: DataId) -> String {
    let mut out = String::new();
    write_data(&mut out, data, id);
    out
}

/// Writes a JSON value.
pub(crate) fn write_data(out: &mut String, data: &Data, id: DataId) {
    match data.node(id) {
        Node::Null => out.push_str("null"),
        Node::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Node::Number(range) => out.push_str(data.text(range)),
        Node::String(range) => out.push_str(&quote(data.text(range))),
        Node::List(range) => {
            out.push('[');
            for (index, element) in data.elements(range).iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_data(out, data, *element);
            }
            out.push(']');
        }
        Node::Struct(range) => {
            out.push('{');
            for (index, (name, value)) in data.members(range).iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&crate::label::quoted(data.text(name)));
                out.push(':');
                write_data(out, data, *value);
            }
            out.push('}');
        }
    }
}
