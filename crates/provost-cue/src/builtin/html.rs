//! Package html: character references.

use super::Builtin;
use crate::kind::Kinds;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::function("html.Escape", &[Kinds::STRING], |c| {
        let escaped = escape(&c.text(0));
        c.answer(&escaped)
    }),
    Builtin::function("html.Unescape", &[Kinds::STRING], |c| {
        let text = htmlize::unescape(&*c.text(0)).into_owned();
        c.answer(&text)
    }),
];

/// The five characters that would be read as markup.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&#39;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            letter => out.push(letter),
        }
    }
    out
}
