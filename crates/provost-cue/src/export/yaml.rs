//! YAML as Go's encoder writes it for CUE: block style, quotes only where a plain scalar would be read otherwise.

use super::{Plain, base64};

/// One document with a line end after it.
pub(super) fn document(value: &Plain) -> String {
    let mut out = String::new();
    write(&mut out, value, 0, Place::Root);
    out.push('\n');
    out
}

/// What stands before a value on its line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// `key:`
    Key,
    /// `-`
    Dash,
}

/// Writes a value after what stands before it; no line end follows.
fn write(out: &mut String, value: &Plain, level: usize, place: Place) {
    let inline = |out: &mut String, text: &str| {
        if place == Place::Key {
            out.push(' ');
        }
        out.push_str(text);
    };
    match value {
        Plain::Null => inline(out, "null"),
        Plain::Bool(value) => inline(out, if *value { "true" } else { "false" }),
        Plain::Number(text) => inline(out, text),
        Plain::Bytes(bytes) => inline(out, &format!("!!binary {}", base64(bytes))),
        Plain::Text(text) => {
            if place == Place::Key {
                out.push(' ');
            }
            scalar(out, text, level);
        }
        Plain::List(elements) if elements.is_empty() => inline(out, "[]"),
        Plain::Struct(fields) if fields.is_empty() => inline(out, "{}"),
        Plain::List(elements) => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 || place == Place::Key {
                    line(out, level);
                }
                out.push_str("- ");
                write(out, element, level + 1, Place::Dash);
            }
        }
        Plain::Struct(fields) => {
            for (index, (name, value)) in fields.iter().enumerate() {
                if index > 0 || place == Place::Key {
                    line(out, level);
                }
                scalar(out, name, level);
                out.push(':');
                write(out, value, level + 1, Place::Key);
            }
        }
    }
}

fn line(out: &mut String, level: usize) {
    out.push('\n');
    out.push_str(&"  ".repeat(level));
}

/// A string: plain, in quotes, or as a literal block where it has several lines.
fn scalar(out: &mut String, text: &str, level: usize) {
    if text.contains('\n') && block_fits(text) {
        let ends = text.len() - text.trim_end_matches('\n').len();
        out.push('|');
        if text.starts_with([' ', '\n']) {
            out.push('2');
        }
        out.push_str(match ends {
            0 => "-",
            1 => "",
            _ => "+",
        });
        let body = text.strip_suffix('\n').unwrap_or(text);
        for row in body.split('\n') {
            match row.is_empty() {
                true => out.push('\n'),
                false => {
                    line(out, level.max(1));
                    out.push_str(row);
                }
            }
        }
        return;
    }
    match style(text) {
        Style::Plain => out.push_str(text),
        Style::Single => {
            out.push('\'');
            out.push_str(&text.replace('\'', "''"));
            out.push('\'');
        }
        Style::Double => double(out, text),
    }
}

/// Whether a literal block can hold a text: nothing but printable characters and no line that ends in a blank.
fn block_fits(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
        && !text.split('\n').any(|row| row.ends_with(' '))
        && !text.starts_with('\t')
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{85}')
}

enum Style {
    Plain,
    Single,
    Double,
}

fn style(text: &str) -> Style {
    if text.chars().any(|c| !is_printable(c)) || is_legacy(text) || is_time_like(text) || resolves(text) {
        return Style::Double;
    }
    let first = text.chars().next();
    let begins = match first {
        None => return Style::Double,
        Some('-' | '?' | ':') => text.chars().nth(1).is_none_or(|c| c == ' '),
        Some(c) => ",[]{}#&*!|>'\"%@`".contains(c),
    };
    let inside = text.contains(": ") || text.contains(" #") || text.ends_with(':');
    let blank = text.starts_with(' ') || text.ends_with(' ');
    match begins || inside || blank || text.starts_with("---") || text.starts_with("...") {
        true => Style::Single,
        false => Style::Plain,
    }
}

/// Whether a YAML reader takes a plain scalar for something else than a string.
fn resolves(text: &str) -> bool {
    if matches!(text, "~" | "null" | "Null" | "NULL" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(plain, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let digits = plain.replace('_', "");
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = digits.strip_prefix(prefix) {
            return !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix));
        }
    }
    let mut rest = digits.as_str();
    let mut any = false;
    let whole = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    any |= whole.len() < rest.len();
    rest = whole;
    if let Some(fraction) = rest.strip_prefix('.') {
        let after = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        any |= after.len() < fraction.len();
        rest = after;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']).filter(|_| any) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        return !exponent.is_empty() && exponent.bytes().all(|b| b.is_ascii_digit());
    }
    any && rest.is_empty()
}

/// Words that YAML 1.1 gives a meaning; CUE always quotes them.
fn is_legacy(text: &str) -> bool {
    matches!(
        text,
        "y" | "Y"
            | "yes"
            | "Yes"
            | "YES"
            | "n"
            | "N"
            | "t"
            | "T"
            | "f"
            | "F"
            | "no"
            | "No"
            | "NO"
            | "true"
            | "True"
            | "TRUE"
            | "false"
            | "False"
            | "FALSE"
            | "on"
            | "On"
            | "ON"
            | "off"
            | "Off"
            | "OFF"
            | ".Nan"
    )
}

/// Dates, times and numbers to the base of 60: digits and separators on both sides of `-`, `:`, `t` or `T`.
fn is_time_like(text: &str) -> bool {
    if let Some(hex) = text.strip_prefix("0x") {
        return !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
    }
    let body = text.strip_suffix(['z', 'Z']).unwrap_or(text);
    let allowed = |c: char| matches!(c, '-' | '+' | '0'..='9' | ':' | '.' | ' ' | '\t');
    body.char_indices().any(|(at, c)| {
        matches!(c, '-' | ':' | 't' | 'T')
            && at > 0
            && body.get(..at).is_some_and(|before| before.chars().all(allowed))
            && body.get(at + 1..).is_some_and(|after| !after.is_empty() && after.chars().all(allowed))
    })
}

fn double(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\u{1b}' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            c if is_printable(c) => out.push(c),
            c => match u32::from(c) {
                code @ 0..=0xff => out.push_str(&format!("\\x{code:02X}")),
                code @ 0x100..=0xffff => out.push_str(&format!("\\u{code:04X}")),
                code => out.push_str(&format!("\\U{code:08X}")),
            },
        }
    }
    out.push('"');
}
