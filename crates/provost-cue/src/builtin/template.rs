//! Package text/template: Go's templates.

use super::Builtin;
use crate::kind::Kinds;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::function("text/template.HTMLEscape", &[Kinds::STRING], |c| {
        let mut out = String::new();
        for letter in c.text(0).chars() {
            match letter {
                '\0' => out.push('\u{fffd}'),
                letter => out.push_str(&super::html::escape(letter.encode_utf8(&mut [0; 4]))),
            }
        }
        c.answer(&out)
    }),
    Builtin::function("text/template.JSEscape", &[Kinds::STRING], |c| {
        let escaped = js(&c.text(0));
        c.answer(&escaped)
    }),
];

/// A text that can stand in a JavaScript string.
pub(super) fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04X}", u32::from(letter)));
            }
            letter if letter.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out
}
