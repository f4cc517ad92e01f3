//! Literals: numbers with their separators and multipliers, strings with escapes and indentation.

use num_bigint::BigInt;

use crate::number::{Decimal, Number};
use crate::token::{Part, Token};

/// A part of a string before its escapes are decoded.
pub(crate) enum Raw {
    /// Source text.
    Text(String),
    /// The tokens of an interpolation.
    Tokens(Vec<Token>),
}

/// The number that a text begins with, and whether it is a float.
pub(crate) fn scan_number(text: &str) -> (&str, bool) {
    let bytes = text.as_bytes();
    let digits = |mut at: usize, radix: u32| {
        while bytes.get(at).is_some_and(|b| *b == b'_' || char::from(*b).is_digit(radix)) {
            at += 1;
        }
        at
    };
    if let (Some(b'0'), Some(mark)) = (bytes.first(), bytes.get(1)) {
        let radix = match mark {
            b'x' | b'X' => 16,
            b'o' => 8,
            b'b' => 2,
            _ => 0,
        };
        if radix > 0 {
            return (text.get(..digits(2, radix)).unwrap_or_default(), false);
        }
    }
    let mut at = digits(0, 10);
    let mut float = false;
    if bytes.get(at) == Some(&b'.') && bytes.get(at + 1) != Some(&b'.') {
        float = true;
        at = digits(at + 1, 10);
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        if bytes.get(at + 1 + sign).is_some_and(u8::is_ascii_digit) {
            return (text.get(..digits(at + 1 + sign, 10)).unwrap_or_default(), true);
        }
    }
    if let Some(b'K' | b'M' | b'G' | b'T' | b'P') = bytes.get(at) {
        at += if bytes.get(at + 1) == Some(&b'i') { 2 } else { 1 };
        float = false;
    }
    (text.get(..at).unwrap_or_default(), float)
}

/// The value of a number's text; `Err` holds CUE's words.
pub(crate) fn number(text: &str, float: bool) -> Result<Number, String> {
    let plain = text.replace('_', "");
    let illegal = || format!("illegal number {text}");
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = plain.strip_prefix(prefix) {
            let value = BigInt::parse_bytes(digits.as_bytes(), radix).ok_or_else(illegal)?;
            return Ok(Number::integer(value));
        }
    }
    if plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|b| b.is_ascii_digit()) {
        return Err(illegal());
    }
    let (digits, factor) = match plain.trim_end_matches('i') {
        binary if binary.len() < plain.len() => split_multiplier(binary, 1024),
        decimal => split_multiplier(decimal, 1000),
    };
    let decimal = Decimal::parse(digits).ok_or_else(illegal)?;
    match factor {
        None => Ok(Number { float, decimal }),
        Some(factor) => {
            let whole = decimal.times(&factor).to_integer();
            whole.map(Number::integer).ok_or_else(|| format!("number cannot be represented as int: {text}"))
        }
    }
}

fn split_multiplier(text: &str, base: u32) -> (&str, Option<BigInt>) {
    let power = match text.bytes().last() {
        Some(b'K') => 1,
        Some(b'M') => 2,
        Some(b'G') => 3,
        Some(b'T') => 4,
        Some(b'P') => 5,
        _ => return (text, None),
    };
    (text.get(..text.len() - 1).unwrap_or_default(), Some(BigInt::from(base).pow(power)))
}

/// Decodes a string's parts; `Err` holds CUE's words.
pub(crate) fn decode(raw: Vec<Raw>, multiline: bool, escape: &str, bytes: bool) -> Result<Vec<Part>, String> {
    let indent = match raw.last() {
        Some(Raw::Text(last)) if multiline => {
            let line = last.rsplit('\n').next().unwrap_or_default();
            match raw.len() > 1 || last.contains('\n') {
                true if line.bytes().all(|b| matches!(b, b' ' | b'\t')) => line.to_owned(),
                _ => return Err("invalid whitespace before closing quote".into()),
            }
        }
        _ => String::new(),
    };
    let last = raw.len().saturating_sub(1);
    let mut parts = Vec::with_capacity(raw.len());
    for (index, part) in raw.into_iter().enumerate() {
        match part {
            Raw::Tokens(tokens) => parts.push(Part::Tokens(tokens)),
            Raw::Text(text) => {
                let text = match multiline {
                    true => unindent(&text.replace("\r\n", "\n"), &indent, index == 0, index == last)?,
                    false => text,
                };
                parts.push(Part::Text(unescape(&text, escape, bytes)?));
            }
        }
    }
    Ok(parts)
}

fn unindent(text: &str, indent: &str, first: bool, last: bool) -> Result<String, String> {
    let text = match first {
        true => text.strip_prefix('\n').map(|rest| format!("\n{rest}")).unwrap_or_default(),
        false => text.to_owned(),
    };
    let mut lines: Vec<&str> = text.split('\n').collect();
    if last {
        lines.pop();
    }
    let mut out: Vec<&str> = Vec::with_capacity(lines.len());
    for (index, line) in lines.into_iter().enumerate() {
        match line.strip_prefix(indent) {
            _ if index == 0 => out.push(line),
            Some(line) => out.push(line),
            None if line.trim().is_empty() => out.push(""),
            None => return Err("invalid whitespace".into()),
        }
    }
    let joined = out.join("\n");
    Ok(match first {
        true => joined.strip_prefix('\n').unwrap_or_default().to_owned(),
        false => joined,
    })
}

fn unescape(text: &str, escape: &str, bytes: bool) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let invalid = || "invalid escape sequence".to_owned();
    while let Some(at) = rest.find(escape) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default().as_bytes());
        rest = rest.get(at + escape.len()..).unwrap_or_default();
        let kind = rest.chars().next().ok_or_else(invalid)?;
        rest = rest.get(kind.len_utf8()..).unwrap_or_default();
        let mut hex = |count: usize| -> Result<u32, String> {
            let digits = rest.get(..count).ok_or_else(invalid)?;
            rest = rest.get(count..).unwrap_or_default();
            u32::from_str_radix(digits, 16).map_err(|_| invalid())
        };
        let decoded = match kind {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '/' => kind,
            '"' if !bytes => kind,
            '\'' if bytes => kind,
            'x' if bytes => {
                out.push(hex(2)? as u8);
                continue;
            }
            '0'..='7' if bytes => {
                let tail = rest.get(..2).ok_or_else(invalid)?;
                let value = u32::from_str_radix(&format!("{kind}{tail}"), 8).map_err(|_| invalid())?;
                rest = rest.get(2..).unwrap_or_default();
                out.push(u8::try_from(value).map_err(|_| invalid())?);
                continue;
            }
            'u' => match hex(4)? {
                high @ 0xd800..=0xdbff if rest.starts_with(&format!("{escape}u")) => {
                    rest = rest.get(escape.len() + 1..).unwrap_or_default();
                    let digits = rest.get(..4).ok_or_else(invalid)?;
                    rest = rest.get(4..).unwrap_or_default();
                    let low = u32::from_str_radix(digits, 16).map_err(|_| invalid())?;
                    let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400).ok_or_else(invalid)?;
                    char::from_u32(0x10000 + ((high - 0xd800) << 10) + low).ok_or_else(invalid)?
                }
                unit => char::from_u32(unit).ok_or_else(|| "unmatched surrogate pair".to_owned())?,
            },
            'U' => char::from_u32(hex(8)?).ok_or_else(invalid)?,
            '\n' => continue,
            _ => return Err(invalid()),
        };
        out.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}
