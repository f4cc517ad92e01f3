//! Kyverno's text patterns: alternatives, `&`, comparisons and ranges such as `1-5` or `!100Mi`, beside wildcards.

use crate::duration::Duration;
use crate::quantity::Quantity;
use crate::wildcard;

/// The sign in front of, or inside, a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// None.
    Equal,
    /// `!`
    NotEqual,
    /// `>`
    More,
    /// `>=`
    MoreEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `a-b`
    InRange,
    /// `a!-b`
    NotInRange,
}

/// One end of a range: an optional sign, digits with an optional fraction, letters.
fn end_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = usize::from(matches!(bytes.first(), Some(b'-' | b'|' | b'+')));
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(at);
    if whole == 0 {
        return 0;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') && digits(at + 1) > 0 {
        at += 1 + digits(at + 1);
    }
    at + bytes.iter().skip(at).take_while(|b| b.is_ascii_alphabetic()).count()
}

/// Splits `a-b` or `a!-b` at the sign.
fn range<'a>(text: &'a str, sign: &str) -> Option<(&'a str, &'a str)> {
    let length = end_length(text);
    if length == 0 {
        return None;
    }
    let (left, rest) = text.split_at(length);
    let right = rest.strip_prefix(sign)?;
    (end_length(right) == right.len() && !right.is_empty()).then_some((left, right))
}

/// The sign of a pattern.
#[must_use]
pub fn sign(pattern: &str) -> Sign {
    if pattern.len() < 2 {
        return Sign::Equal;
    }
    for (prefix, sign) in [
        (">=", Sign::MoreEqual),
        ("<=", Sign::LessEqual),
        (">", Sign::More),
        ("<", Sign::Less),
        ("!", Sign::NotEqual),
    ] {
        if pattern.starts_with(prefix) {
            return sign;
        }
    }
    if range(pattern, "!-").is_some() {
        Sign::NotInRange
    } else if range(pattern, "-").is_some() {
        Sign::InRange
    } else {
        Sign::Equal
    }
}

/// Whether a text fits a pattern: `|` between alternatives, `&` between parts that all must fit.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    text == pattern
        || pattern.split('|').any(|alternative| {
            alternative.trim_matches(' ').split('&').all(|part| fits(part.trim_matches(' '), text))
        })
}

fn fits(pattern: &str, text: &str) -> bool {
    match sign(pattern) {
        Sign::InRange => range(pattern, "-").is_some_and(|(left, right)| {
            compare(left, text, Sign::MoreEqual) && compare(right, text, Sign::LessEqual)
        }),
        Sign::NotInRange => range(pattern, "!-")
            .is_some_and(|(left, right)| compare(left, text, Sign::Less) || compare(right, text, Sign::More)),
        sign => {
            let length = match sign {
                Sign::Equal => 0,
                Sign::MoreEqual | Sign::LessEqual => 2,
                _ => 1,
            };
            compare(pattern.get(length..).unwrap_or_default().trim(), text, sign)
        }
    }
}

fn ordered(ordering: std::cmp::Ordering, sign: Sign) -> bool {
    match sign {
        Sign::Equal => ordering.is_eq(),
        Sign::NotEqual => ordering.is_ne(),
        Sign::More => ordering.is_gt(),
        Sign::MoreEqual => ordering.is_ge(),
        Sign::Less => ordering.is_lt(),
        Sign::LessEqual => ordering.is_le(),
        Sign::InRange | Sign::NotInRange => false,
    }
}

/// Durations first, then quantities, then wildcards, for which only equality has a meaning.
fn compare(pattern: &str, text: &str, sign: Sign) -> bool {
    if let (Ok(bound), Ok(value)) = (pattern.parse::<Duration>(), text.parse::<Duration>()) {
        return ordered(value.cmp(&bound), sign);
    }
    if let (Ok(bound), Ok(value)) = (pattern.parse::<Quantity>(), text.parse::<Quantity>()) {
        return ordered(value.cmp(&bound), sign);
    }
    match sign {
        Sign::Equal => wildcard::matches(pattern, text),
        Sign::NotEqual => !wildcard::matches(pattern, text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Sign, matches, sign};

    #[test]
    fn signs() {
        for (pattern, want) in [
            ("1-5", Sign::InRange),
            ("1.5Mi-2Gi", Sign::InRange),
            ("-3--1", Sign::InRange),
            ("1!-5", Sign::NotInRange),
            ("1-", Sign::Equal),
            ("a-b", Sign::Equal),
            ("1.-2", Sign::Equal),
            (">=1", Sign::MoreEqual),
            ("!", Sign::Equal),
            ("!x", Sign::NotEqual),
        ] {
            assert_eq!(sign(pattern), want, "{pattern}");
        }
    }

    #[test]
    fn ranges_and_alternatives() {
        for (pattern, text, want) in [
            ("1-5", "3", true),
            ("1-5", "5", true),
            ("1-5", "6", false),
            ("1!-5", "6", true),
            ("1h-2h", "90m", true),
            ("10Mi-1Gi", "512Mi", true),
            ("a* | b*", "bc", true),
            (">1 & <5", "3", true),
            (">1 & <5", "7", false),
            ("!x*", "y", true),
            (">a", "b", false),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} on {text}");
        }
    }
}
