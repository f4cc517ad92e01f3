//! Kyverno's wildcards: `*` is any run of characters, `?` exactly one, over the whole text.

/// Which bytes of a pattern stand for themselves whatever they are.
#[derive(Clone, Copy, Debug)]
pub enum Literal<'a> {
    /// None.
    Nothing,
    /// All of them: the pattern is plain text.
    All,
    /// Those marked.
    Bytes(&'a [bool]),
}

impl Literal<'_> {
    fn at(self, byte: usize) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Bytes(marks) => marks.get(byte).copied().unwrap_or(true),
        }
    }
}

/// Whether the whole of `text` matches `pattern`; `*` crosses `/`, case counts.
///
/// Cost is at most the product of both lengths: only the last `*` is ever tried again.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    // Thousands of patterns are held against one request; most differ from it before their first wildcard.
    let Some(first) = pattern.find(['*', '?']) else { return pattern == text };
    let (Some(start), Some(wild)) = (pattern.get(..first), pattern.get(first..)) else { return false };
    match text.strip_prefix(start) {
        None => false,
        Some(_) if wild == "*" => true,
        Some(rest) => matches_except(wild, Literal::Nothing, rest),
    }
}

/// The same for a pattern of which some bytes are no wildcards.
#[must_use]
pub fn matches_except(pattern: &str, literal: Literal<'_>, text: &str) -> bool {
    let mut pattern_left = pattern.char_indices();
    let mut text_left = text.chars();
    // Where to take up again: the pattern after the last `*`, and the text that this `*` may still swallow.
    let mut retry: Option<(std::str::CharIndices<'_>, std::str::Chars<'_>)> = None;
    loop {
        let before = text_left.clone();
        let wanted = pattern_left.next();
        let wild = wanted.is_some_and(|(at, _)| !literal.at(at));
        match (wanted.map(|(_, c)| c), text_left.next()) {
            (Some('*'), _) if wild => {
                text_left = before.clone();
                retry = Some((pattern_left.clone(), before));
                continue;
            }
            (None, None) => return true,
            (Some('?'), Some(_)) if wild => continue,
            (Some(wanted), Some(found)) if wanted == found => continue,
            _ => {}
        }
        let Some((after_star, mut swallowed)) = retry.take() else { return false };
        if swallowed.next().is_none() {
            return false;
        }
        pattern_left = after_star.clone();
        text_left = swallowed.clone();
        retry = Some((after_star, swallowed));
    }
}

/// Whether a text holds a wildcard at all.
#[must_use]
pub fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::{Literal, matches, matches_except};

    #[test]
    fn marked_bytes_stand_for_themselves() {
        assert!(!matches_except("a*", Literal::All, "ab") && matches_except("a*", Literal::All, "a*"));
        let marks = [false, true, false];
        assert!(matches_except("*?*", Literal::Bytes(&marks), "x?y"));
        assert!(!matches_except("*?*", Literal::Bytes(&marks), "xyz"));
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, want) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a/b:c", true),
            ("?", "", false),
            ("?", "é", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("ghcr.io/org/*", "ghcr.io/org/a/b:v1", true),
            ("repo:*", "repo@sha256:aa", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("**", "x", true),
            ("*?", "", false),
            ("*?", "x", true),
            ("a*", "A", false),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn many_stars_stay_cheap() {
        let pattern = "*a".repeat(40) + "b";
        assert!(!matches(&pattern, &"a".repeat(20_000)));
    }
}
