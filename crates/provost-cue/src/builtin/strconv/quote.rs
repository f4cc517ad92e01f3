//! Quoted strings: Go's spelling of any text, and CUE's own literals read back.

use crate::literal;
use crate::number::Number;

/// Which characters stand for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    Print,
    Ascii,
    Graphic,
}

/// Whether a letter, mark, number, punctuation, symbol or the ASCII space, as Go's IsPrint.
pub(super) fn is_print(letter: char) -> bool {
    letter == ' ' || (!letter.is_whitespace() && visible(letter))
}

/// What is printed, and Unicode's spaces.
pub(super) fn is_graphic(letter: char) -> bool {
    let space = matches!(
        letter,
        ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    );
    space || is_print(letter)
}

/// Whether Rust's own debug spelling leaves a letter as it is; grapheme extenders, which it escapes, are marks.
fn visible(letter: char) -> bool {
    if letter.is_ascii() {
        return letter.is_ascii_graphic();
    }
    if letter == '\u{ad}' {
        return false;
    }
    // Within a text, Debug escapes only what is not printable; at its start also extenders.
    let text: String = ['a', letter].iter().collect();
    !format!("{text:?}").contains("\\u{")
}

/// A text in quotes.
pub(super) fn quote(text: &str, mark: char, charset: Charset) -> String {
    let mut out = String::from(mark);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            letter if letter == mark => out.extend(['\\', letter]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            letter => {
                let plain = match charset {
                    Charset::Print => is_print(letter),
                    Charset::Ascii => letter.is_ascii() && is_print(letter),
                    Charset::Graphic => is_graphic(letter),
                };
                let code = u32::from(letter);
                match code {
                    _ if plain => out.push(letter),
                    ..0x20 | 0x7f => out.push_str(&format!("\\x{code:02x}")),
                    ..0x1_0000 => out.push_str(&format!("\\u{code:04x}")),
                    _ => out.push_str(&format!("\\U{code:08x}")),
                }
            }
        }
    }
    out.push(mark);
    out
}

/// The text of a CUE string or bytes literal without interpolations; `Err` holds CUE's words.
pub(super) fn unquote(literal: &str) -> Result<String, String> {
    let invalid = || "invalid syntax".to_owned();
    let hashes = literal.bytes().take_while(|byte| *byte == b'#').count();
    let fence = literal.get(..hashes).unwrap_or_default();
    let inner = literal.get(hashes..).and_then(|rest| rest.strip_suffix(fence)).ok_or_else(invalid)?;
    let quote = ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|quote| inner.starts_with(quote))
        .ok_or_else(invalid)?;
    let body = inner
        .strip_prefix(quote)
        .and_then(|rest| rest.strip_suffix(quote))
        .ok_or_else(|| "string not terminated".to_owned())?;
    let multiline = quote.len() == 3;
    if !multiline && body.contains('\n') {
        return Err(invalid());
    }
    let escape = format!("\\{fence}");
    if body.contains(&format!("{escape}(")) {
        return Err(invalid());
    }
    let raw = vec![literal::Raw::Text(body.to_owned())];
    let parts = literal::decode(raw, multiline, &escape, quote.starts_with('\''))?;
    let mut out = Vec::new();
    for part in parts {
        if let crate::token::Part::Text(text) = part {
            out.extend_from_slice(&text);
        }
    }
    String::from_utf8(out).map_err(|_| invalid())
}

/// A CUE number literal; `Err` holds CUE's words.
pub(super) fn number(text: &str) -> Result<Number, String> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Err(format!("illegal number start {}", quote(text, '"', Charset::Print)));
    }
    if digits.ends_with('_') || digits.contains("__") {
        return Err("illegal '_' in number".to_owned());
    }
    let (scanned, float) = literal::scan_number(digits);
    if scanned.len() != digits.len() {
        return Err(format!("illegal number {}", quote(text, '"', Charset::Print)));
    }
    let mut number = literal::number(scanned, float)?;
    if negative {
        number.decimal = number.decimal.negate();
    }
    Ok(number)
}
