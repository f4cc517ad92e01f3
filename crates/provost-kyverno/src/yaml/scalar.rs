//! Strings in the style go-yaml chooses for them: plain, quoted, or a block.

use std::fmt::Write as _;

/// What go-yaml's emitter finds out about a text before it chooses a style.
#[derive(Default)]
struct Analysis {
    indicators: bool,
    breaks: bool,
    special: bool,
    tabs: bool,
    outer_space: bool,
    trailing_space: bool,
    space_before_break: bool,
    break_before_space: bool,
}

fn analyse(text: &str) -> Analysis {
    let mut found = Analysis {
        indicators: text.starts_with("---") || text.starts_with("..."),
        outer_space: text.starts_with([' ', '\n']) || text.ends_with([' ', '\n']),
        trailing_space: text.ends_with(' '),
        ..Analysis::default()
    };
    let mut before: Option<char> = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let before_blank = rest.peek().is_none_or(|next| next.is_whitespace());
        let after_blank = before.is_none_or(char::is_whitespace);
        found.indicators |= match c {
            '#' => after_blank,
            ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                before.is_none()
            }
            ':' => before_blank,
            '?' | '-' => before.is_none() && before_blank,
            _ => false,
        };
        match c {
            '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                found.breaks = true;
                found.space_before_break |= before == Some(' ');
            }
            ' ' => found.break_before_space |= before == Some('\n'),
            '\t' => found.tabs = true,
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}') => found.special = true,
            _ => {}
        }
        before = Some(c);
    }
    found
}

/// A text as a key.
pub(crate) fn key(text: &str) -> String {
    let found = analyse(text);
    if found.breaks { double_quoted(text) } else { value(text, 0) }
}

/// A text as a value; the lines of a block are indented by `indent` blanks.
pub(crate) fn value(text: &str, indent: usize) -> String {
    let found = analyse(text);
    let inline = !(found.special || found.tabs || found.space_before_break || found.break_before_space);
    if text.contains('\n') {
        let block = !(found.trailing_space || found.space_before_break || found.special);
        return if block { literal(text, indent) } else { double_quoted(text) };
    }
    if resolves_to_another_type(text) {
        return double_quoted(text);
    }
    let plain = inline && !found.indicators && !found.outer_space && !found.breaks;
    match (plain, inline) {
        (true, _) => text.to_owned(),
        (false, true) => format!("'{}'", text.replace('\'', "''")),
        (false, false) => double_quoted(text),
    }
}

fn literal(text: &str, indent: usize) -> String {
    let hint = if text.starts_with([' ', '\n']) { "2" } else { "" };
    let chomp = match (text.ends_with('\n'), text.ends_with("\n\n") || text == "\n") {
        (false, _) => "-",
        (true, false) => "",
        (true, true) => "+",
    };
    let mut out = format!("|{hint}{chomp}");
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
    }
    out
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\u{1b}' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02X}", u32::from(c));
            }
            '\u{feff}' => out.push_str("\\uFEFF"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether a reader would take the bare text for null, a truth value, a number or a time.
fn resolves_to_another_type(text: &str) -> bool {
    const WORDS: [&str; 14] =
        ["", "~", "null", "true", "false", "y", "n", "yes", "no", "on", "off", ".nan", ".inf", "<<"];
    let lower = text.to_lowercase();
    if WORDS.contains(&lower.as_str()) {
        return true;
    }
    let unsigned = lower.strip_prefix(['-', '+']).unwrap_or(&lower);
    if unsigned == ".inf" {
        return true;
    }
    let first_digit = unsigned.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
    let bare = unsigned.replace('_', "");
    let prefixed = ["0x", "0o", "0b"].iter().any(|p| {
        bare.strip_prefix(p).is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    let base60 = unsigned.contains(':')
        && unsigned.split(':').all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    let date = lower.get(..10).is_some_and(|d| {
        let bytes = d.as_bytes();
        bytes
            .iter()
            .enumerate()
            .all(|(at, b)| if matches!(at, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() })
    });
    first_digit && (bare.parse::<f64>().is_ok() || prefixed || base60 || date)
}

#[cfg(test)]
mod tests {
    use super::{key, value};

    #[test]
    fn styles_are_go_yamls() {
        for (text, wanted) in [
            ("missing digest for a/b:1", "missing digest for a/b:1"),
            ("a: b", "'a: b'"),
            ("it's: so", "'it''s: so'"),
            ("it's so", "it's so"),
            ("ends with ", "'ends with '"),
            ("a #b", "'a #b'"),
            ("a#b", "a#b"),
            ("ends:", "'ends:'"),
            ("[a", "'[a'"),
            ("a[0]", "a[0]"),
            ("- a", "'- a'"),
            ("-a", "-a"),
            ("", "\"\""),
            ("true", "\"true\""),
            ("12", "\"12\""),
            ("1.2.3", "1.2.3"),
            ("2025-01-01", "\"2025-01-01\""),
            ("a\tb", "\"a\\tb\""),
            ("a\u{1b}b", "\"a\\eb\""),
            ("a: b\n c", "|-\n    a: b\n     c"),
            ("a\n", "|\n    a"),
            ("a \nb", "\"a \\nb\""),
            (" a\nb", "|2-\n     a\n    b"),
        ] {
            assert_eq!(value(text, 4), wanted, "{text:?}");
        }
        assert_eq!(key("a\nb"), "\"a\\nb\"");
    }
}
