//! Values as YAML in block style, with the quotes that CUE's own writer puts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::call::Call;
use super::super::json::members;
use crate::error::{Code, Reason};
use crate::fault::Eval;
use crate::value::Value;

/// One document, with a newline at its end.
pub(super) fn document(c: &mut Call<'_, '_>, value: &Value, out: &mut String) -> Eval<()> {
    node(c, value, 0, out)?;
    if !out.ends_with('\n') {
        out.push('\n');
    }
    Ok(())
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// A value where the text has already come to its column; `depth` is that of the lines that follow.
fn node(c: &mut Call<'_, '_>, value: &Value, depth: usize, out: &mut String) -> Eval<()> {
    c.context.enter()?;
    match c.settled(value)? {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::Text(text) => string(&text, depth, out),
        Value::Bytes(bytes) => {
            out.push_str("!!binary ");
            out.push_str(&STANDARD.encode(&bytes));
        }
        Value::Vertex(vertex) => {
            let vertex = c.context.default_arm(vertex)?;
            let words = |shown: &str| shown.to_owned();
            let (list, members) = match members(c, vertex, words) {
                Ok(members) => members,
                Err(_) => return incomplete(c, &Value::Vertex(vertex)),
            };
            if members.is_empty() {
                out.push_str(if list { "[]" } else { "{}" });
            }
            for (index, (label, arc)) in members.into_iter().enumerate() {
                if index > 0 {
                    indent(out, depth);
                }
                let value = Value::Vertex(arc);
                if list {
                    out.push_str("- ");
                    node(c, &value, depth + 1, out)?;
                } else {
                    let name = c.context.labels.name(label);
                    string(&name, depth, out);
                    out.push(':');
                    field(c, &value, depth, out)?;
                }
                if !out.ends_with('\n') {
                    out.push('\n');
                }
                c.context.text_budget(out.len())?;
            }
        }
        other => return incomplete(c, &other),
    }
    c.context.leave();
    Ok(())
}

fn incomplete(c: &Call<'_, '_>, value: &Value) -> Eval<()> {
    let problem = format!("incomplete value {}", crate::print::value(c.context, value));
    c.context.stop(Code::Incomplete, Reason::Builtin { name: c.name.to_owned(), problem })
}

/// The value of a field: lists and structs begin on a line of their own.
fn field(c: &mut Call<'_, '_>, value: &Value, depth: usize, out: &mut String) -> Eval<()> {
    let mut inner = String::new();
    let settled = c.settled(value)?;
    node(c, value, depth + 1, &mut inner)?;
    let block = matches!(settled, Value::Vertex(_)) && !matches!(inner.as_str(), "[]" | "{}");
    if block {
        out.push('\n');
        indent(out, depth + 1);
    } else {
        out.push(' ');
    }
    out.push_str(&inner);
    Ok(())
}

/// A string in the plainest style that reads back as it.
fn string(text: &str, depth: usize, out: &mut String) {
    let special = text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{feff}');
    if special {
        return double(text, out);
    }
    if text.contains('\n') {
        return block(text, depth, out);
    }
    if text.is_empty() || reads_as_other(text) {
        return double(text, out);
    }
    if is_plain(text) {
        out.push_str(text);
    } else {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    }
}

/// Whether a plain text would be read as something else than a string, by YAML 1.2 or by the older rules.
fn reads_as_other(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = ["null", "~", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", "t", "f"];
    if words.contains(&lower.as_str()) || lower.trim_start_matches(['+', '-']) == ".inf" {
        return true;
    }
    let digits = lower.trim_start_matches(['+', '-']);
    let radix = ["0x", "0o", "0b"].iter().any(|prefix| digits.starts_with(prefix));
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-' | b'_' | b':'));
    numeric
        || (radix && digits.len() > 2 && digits.bytes().skip(2).all(|b| b.is_ascii_hexdigit() || b == b'_'))
}

fn is_plain(text: &str) -> bool {
    let next = text.chars().nth(1);
    let starts = match text.chars().next() {
        Some('-' | '?' | ':') => next.is_some_and(|next| next != ' '),
        Some(first) => !"#,[]{}&*!|>'\"%@`".contains(first) && !first.is_whitespace(),
        None => false,
    };
    let document = text.starts_with("---") || text.starts_with("...");
    let odd = text.contains(['\u{85}', '\u{2028}', '\u{2029}']);
    starts && !document && !odd && !text.ends_with([' ', ':']) && !text.contains(": ") && !text.contains(" #")
}

fn double(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\u{1b}' => out.push_str("\\e"),
            '\0' => out.push_str("\\0"),
            letter if letter.is_control() || letter == '\u{feff}' => match u32::from(letter) {
                code @ ..0x100 => out.push_str(&format!("\\x{code:02X}")),
                code => out.push_str(&format!("\\u{code:04X}")),
            },
            letter => out.push(letter),
        }
    }
    out.push('"');
}

/// A text of several lines as it is, behind a bar.
fn block(text: &str, depth: usize, out: &mut String) {
    out.push('|');
    if text.starts_with([' ', '\n']) {
        out.push('2');
    }
    let ends = text.len() - text.trim_end_matches('\n').len();
    let only_ends = ends == text.len();
    match ends {
        0 => out.push('-'),
        1 if !only_ends => {}
        _ => out.push('+'),
    }
    out.push('\n');
    let body = text.strip_suffix('\n').unwrap_or(text);
    for line in body.split('\n') {
        if !line.is_empty() {
            indent(out, depth.max(1));
            out.push_str(line);
        }
        out.push('\n');
    }
}
