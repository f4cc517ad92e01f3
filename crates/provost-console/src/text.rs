//! Text of others on a page: characters that hide or turn text are made visible, and its length is bounded.

use maud::{Escaper, Render};
use std::fmt::Write as _;

/// The most bytes kept of one short text: names, URIs and identities are at most 253 to about 500 in honest objects.
pub(crate) const SHORT: usize = 1024;
/// The most bytes kept of one message: a denial that names ten images and three conditions of each.
pub(crate) const LONG: usize = 8 * 1024;

/// The beginning of a text, cut at a character, with a mark where something was left out.
pub(crate) fn clip(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// The beginning of a text by characters, for places of a fixed width.
pub(crate) fn narrow(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// Whether a character hides, turns or joins what stands beside it.
fn deceives(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Soft hyphen, Arabic letter mark, Mongolian separators, Hangul fillers.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180b}'..='\u{180f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{3164}'
        | '\u{ffa0}' => true,
        // Zero widths, marks and overrides of direction, line and paragraph separators, invisible operators, isolates.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        // Variation selectors, the byte order mark, interlinear marks, tags.
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control(),
    }
}

/// Text that came from elsewhere. It is escaped, and what deceives in it is written out as its code point.
pub(crate) struct Foreign<'a>(pub(crate) &'a str);

impl Render for Foreign<'_> {
    fn render_to(&self, buffer: &mut String) {
        let mut written = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            match deceives(c) {
                // Writing to a String cannot fail.
                true => drop(write!(written, "⟨U+{:04X}⟩", u32::from(c))),
                false => written.push(c),
            }
        }
        let _ = Escaper::new(buffer).write_str(&written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_and_what_deceives_is_written_out() {
        let shown = Foreign("<b a=\"x\">&\u{202e}\u{0}\u{200b}é\n").render().into_string();
        assert_eq!(shown, "&lt;b a=&quot;x&quot;&gt;&amp;⟨U+202E⟩⟨U+0000⟩⟨U+200B⟩é\n");
    }

    #[test]
    fn texts_end_at_a_character_within_their_limit() {
        assert_eq!(clip("aé", 2), "a…");
        assert_eq!(clip("aé", 3), "aé");
        assert_eq!(clip(&"x".repeat(SHORT + 1), SHORT).len(), SHORT + '…'.len_utf8());
        assert_eq!(clip(&"x".repeat(LONG + 1), LONG).len(), LONG + '…'.len_utf8());
        assert_eq!((narrow("ééé", 2), narrow("éé", 2)), ("éé…".to_owned(), "éé".to_owned()));
    }
}
