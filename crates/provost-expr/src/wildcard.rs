//! Kyverno's wildcards: `*` is any run of characters, `?` exactly one, over the whole text.

/// Whether the whole of `text` matches `pattern`; `*` crosses `/`, case counts.
///
/// Cost is at most the product of both lengths: only the last `*` is ever tried again.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pattern_left = pattern.chars();
    let mut text_left = text.chars();
    // Where to take up again: the pattern after the last `*`, and the text that this `*` may still swallow.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let before = text_left.clone();
        match (pattern_left.next(), text_left.next()) {
            (Some('*'), _) => {
                text_left = before.clone();
                retry = Some((pattern_left.clone(), before));
                continue;
            }
            (None, None) => return true,
            (Some('?'), Some(_)) => continue,
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
    use super::matches;

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
