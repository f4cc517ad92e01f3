//! JSON as Go's `encoding/json` writes it: sorted keys, `<>&` escaped on request, floats in Go's style.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::Formatter;

/// Writes a value compactly as Go does, with `<`, `>`, `&`, U+2028 and U+2029 escaped.
#[must_use]
pub fn escaped(value: &impl Serialize) -> Vec<u8> {
    write(value, true)
}

/// Writes a value compactly as Go does without HTML escaping (as protojson and `SetEscapeHTML(false)` do).
#[must_use]
pub fn plain(value: &impl Serialize) -> Vec<u8> {
    write(value, false)
}

fn write(value: &impl Serialize, html: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, GoFormatter { html });
    // Writing our own trees into memory cannot fail: keys are strings and a Vec takes every byte.
    let _ = value.serialize(&mut serializer);
    out
}

/// Every number as a double, the way a Go program holds JSON it decoded into `interface{}`.
///
/// `12345678901234567890` becomes `12345678901234567000`, `1.0` becomes `1`.
#[must_use]
pub fn through_doubles(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, double),
        Value::Array(list) => Value::Array(list.iter().map(through_doubles).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(k, v)| (k.clone(), through_doubles(v))).collect())
        }
        other => other.clone(),
    }
}

/// A double as JSON, an integer wherever Go would print one without an exponent.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked in the same condition")]
fn double(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53: below it every integer is its own double
    if number.fract() == 0.0 && number.abs() < EXACT {
        return Value::from(number as i64);
    }
    serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// A double as Go prints it: shortest digits, `e` form below 1e-6 and from 1e21 on.
#[must_use]
pub fn float_text(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent:0>2}"),
            Some((digits, exponent)) => {
                format!("{digits}e-{:0>2}", exponent.trim_start_matches('-'))
            }
            None => text,
        };
    }
    format!("{number}")
}

struct GoFormatter {
    html: bool,
}

impl Formatter for GoFormatter {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // encoding/json writes e-9, not e-09: it strips the padding zero that strconv leaves.
        writer.write_all(float_text(value).replace("e-0", "e-").as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if !self.html {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (before, after) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut characters = after.chars();
            if let Some(character) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests;
