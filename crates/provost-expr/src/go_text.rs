//! Values as Go prints them: numbers, `%v`, `%q`, and JSON with Go's escapes.

use std::fmt::Write as _;

use serde_json::{Number, Value};
use thiserror::Error;

/// How much of a foreign value an error text repeats: enough to know it again.
const SHOWN: usize = 4096;

/// Why a text is no JSON, in encoding/json's words where we have its facts.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JsonFault {
    /// The text ends too early.
    #[error("unexpected end of JSON input")]
    UnexpectedEnd,
    /// A character that cannot stand there.
    #[error("invalid character {shown} {place}")]
    InvalidCharacter {
        /// The character, quoted.
        shown: String,
        /// What was being read.
        place: &'static str,
    },
}

/// Turns the JSON reader's error into Go's terms.
pub(crate) fn json_fault(text: &str, error: &serde_json::Error) -> JsonFault {
    if error.is_eof() {
        return JsonFault::UnexpectedEnd;
    }
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let mut offset = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let character = text.get(offset..).and_then(|rest| rest.chars().next());
    match character {
        Some('}') if error.to_string().starts_with("trailing comma") => JsonFault::InvalidCharacter {
            shown: quote_char('}'),
            place: "looking for beginning of object key string",
        },
        Some(c) => JsonFault::InvalidCharacter { shown: quote_char(c), place: place_of(error) },
        None => JsonFault::UnexpectedEnd,
    }
}

/// What was being read, told from the reader's words: it offers no code for them.
fn place_of(error: &serde_json::Error) -> &'static str {
    const PLACES: [(&str, &str); 10] = [
        ("expected value", "looking for beginning of value"),
        ("trailing characters", "after top-level value"),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("key must be a string", "looking for beginning of object key string"),
        ("expected `:`", "after object key"),
        ("trailing comma", "looking for beginning of value"),
        ("control character", "in string literal"),
        ("invalid escape", "in string escape code"),
        ("invalid number", "in numeric literal"),
    ];
    let words = error.to_string();
    PLACES.iter().find(|(start, _)| words.starts_with(start)).map_or("in JSON", |(_, place)| place)
}

/// A number for results: integers where the value is one, as JSON prints it.
pub(crate) fn number(value: f64) -> Option<Number> {
    // Above 2^53 a double no longer tells neighbouring integers apart; those stay doubles.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "the value is a whole number within 2^53")]
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

/// A number as `strconv.ParseFloat` reads it: decimal, with `_` between digits, or an infinity by name.
#[must_use]
pub fn read_number(text: &str) -> Option<f64> {
    let (sign, bare) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if bare.eq_ignore_ascii_case("inf") || bare.eq_ignore_ascii_case("infinity") {
        return Some(sign * f64::INFINITY);
    }
    let decimal = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E' | b'_');
    if !text.bytes().all(decimal) {
        return None;
    }
    let digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    if !text.match_indices('_').all(|(at, _)| at > 0 && digit(at - 1) && digit(at + 1)) {
        return None;
    }
    text.replace('_', "").parse::<f64>().ok().filter(|value| value.is_finite())
}

/// Shortest decimal text of a double, never with an exponent (`strconv.FormatFloat(x, 'f', -1, 64)`).
#[must_use]
pub fn plain(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        format!("{value}")
    }
}

/// Shortest decimal text after rounding to 32 bits, as Kyverno turns numbers into text.
#[must_use]
pub fn plain32(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "rounding to 32 bits is what the peer does")]
    let narrow = value as f32;
    if narrow.is_finite() { format!("{narrow}") } else { plain(f64::from(narrow)) }
}

/// Shortest text with a two-digit exponent, `d.ddde±XX`.
fn exponent(value: f64) -> String {
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

fn decimal_exponent(value: f64) -> i32 {
    let text = format!("{value:e}");
    text.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0)
}

/// A double as `fmt.Sprint` prints it: an exponent from 1e+06 on and below 1e-4.
#[must_use]
pub fn sprint_number(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return plain(value);
    }
    let power = decimal_exponent(value);
    if !(-4..6).contains(&power) { exponent(value) } else { plain(value) }
}

/// A value as `fmt.Sprint` prints it.
#[must_use]
pub fn sprint(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => sprint_number(n.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(sprint).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let pairs: Vec<String> = map.iter().map(|(key, v)| format!("{key}:{}", sprint(v))).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// At most [`SHOWN`] bytes of a text, for error messages.
#[must_use]
pub fn shorten(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    let mut end = SHOWN;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// A text in double quotes, as `%q` writes it.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            other => escape(other, &mut out),
        }
    }
    out.push('"');
    out
}

/// A character in single quotes, ASCII only, as `strconv.QuoteRuneToASCII` writes it.
#[must_use]
pub fn quote_char(c: char) -> String {
    let mut out = String::from("'");
    match c {
        '\'' => out.push_str("\\'"),
        c if c.is_ascii() => escape(c, &mut out),
        c if u32::from(c) < 0x1_0000 => {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
        c => {
            let _ = write!(out, "\\U{:08x}", u32::from(c));
        }
    }
    out.push('\'');
    out
}

fn escape(c: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{b}' => out.push_str("\\v"),
        '\u{c}' => out.push_str("\\f"),
        c if u32::from(c) < 0x20 || c == '\u{7f}' => {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        }
        c => out.push(c),
    }
}

/// JSON as `encoding/json` writes it: keys sorted, `<`, `>`, `&` and the two line separators escaped.
#[must_use]
pub fn to_json(value: &Value) -> String {
    let mut out = String::new();
    write_json(value, None, &mut out);
    out
}

/// As [`to_json`], indented by two blanks a level.
#[must_use]
pub fn to_json_indented(value: &Value) -> String {
    let mut out = String::new();
    write_json(value, Some(0), &mut out);
    out
}

fn line(indent: Option<usize>, out: &mut String) {
    if let Some(level) = indent {
        out.push('\n');
        out.push_str(&"  ".repeat(level));
    }
}

fn write_json(value: &Value, indent: Option<usize>, out: &mut String) {
    let inner = indent.map(|level| level + 1);
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => out.push_str(&json_number(n.as_f64().unwrap_or(0.0))),
        Value::String(text) => write_json_text(text, out),
        Value::Array(items) if items.is_empty() => out.push_str("[]"),
        Value::Object(map) if map.is_empty() => out.push_str("{}"),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(inner, out);
                write_json(item, inner, out);
            }
            line(indent, out);
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(inner, out);
                write_json_text(key, out);
                out.push_str(if indent.is_some() { ": " } else { ":" });
                write_json(item, inner, out);
            }
            line(indent, out);
            out.push('}');
        }
    }
}

/// A double as `encoding/json` writes it: an exponent below 1e-6 and from 1e21 on, without a leading zero in it.
fn json_number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = exponent(value);
        return text.replace("e-0", "e-");
    }
    plain(value)
}

fn write_json_text(text: &str, out: &mut String) {
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
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
