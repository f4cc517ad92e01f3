//! JSON as Go's encoder indents and escapes it.

use super::{Plain, base64};

/// One document with a line end after it.
pub(super) fn document(value: &Plain, html: bool) -> String {
    let mut out = String::new();
    write(&mut out, value, html, 0);
    out.push('\n');
    out
}

/// Nesting is that of evaluated values, which the limits on evaluation bound.
fn write(out: &mut String, value: &Plain, html: bool, level: usize) {
    match value {
        Plain::Null => out.push_str("null"),
        Plain::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Plain::Number(text) => out.push_str(text),
        Plain::Text(text) => quote(out, text, html),
        Plain::Bytes(bytes) => quote(out, &base64(bytes), html),
        Plain::List(elements) if elements.is_empty() => out.push_str("[]"),
        Plain::List(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                line(out, index, level + 1);
                write(out, element, html, level + 1);
            }
            end(out, level, ']');
        }
        Plain::Struct(fields) if fields.is_empty() => out.push_str("{}"),
        Plain::Struct(fields) => {
            out.push('{');
            for (index, (name, value)) in fields.iter().enumerate() {
                line(out, index, level + 1);
                quote(out, name, html);
                out.push_str(": ");
                write(out, value, html, level + 1);
            }
            end(out, level, '}');
        }
    }
}

fn line(out: &mut String, index: usize, level: usize) {
    out.push_str(if index > 0 { ",\n" } else { "\n" });
    out.push_str(&"    ".repeat(level));
}

fn end(out: &mut String, level: usize, bracket: char) {
    out.push('\n');
    out.push_str(&"    ".repeat(level));
    out.push(bracket);
}

/// A string in quotes, with the escapes that Go's encoder writes.
pub(crate) fn quote(out: &mut String, text: &str, html: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            '<' | '>' | '&' if html => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
