//! Semantic versions and ranges of them (`>=1.2.0 <2.0.0 || 3.x`), as the blang library reads them.

use std::cmp::Ordering;

use thiserror::Error;

use crate::go_text::quote;

/// One part of a pre-release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    // Numbers come before texts, which is their order among pre-releases.
    Number(u64),
    Text(String),
}

/// A version `major.minor.patch[-pre][+build]`; build metadata does not count.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Version {
    numbers: [u64; 3],
    pre: Vec<Part>,
}

/// Why a text is no version or no range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RangeError {
    /// Nothing before the first `||`.
    #[error("First element in range is '||'")]
    LeadingOr,
    /// Nothing after the last `||`.
    #[error("Last element in range is '||'")]
    TrailingOr,
    /// A part without a digit.
    #[error("Could not get version from string: {}", quote(.0))]
    NoVersion(String),
    /// A comparison that does not exist.
    #[error("Could not parse Range {part}: Could not parse comparator {comparator} in {part}", part = quote(.part), comparator = quote(.comparator))]
    Comparator {
        /// The whole part.
        part: String,
        /// What stood before the version.
        comparator: String,
    },
    /// A version that is none.
    #[error("Could not parse Range {part}: Could not parse version {version} in {part}: {reason}", part = quote(.part), version = quote(.version))]
    Version {
        /// The whole part.
        part: String,
        /// What stood after the comparison.
        version: String,
        /// What is wrong with it.
        reason: VersionError,
    },
}

/// Why a text is no version.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VersionError {
    /// No text.
    #[error("Version string empty")]
    Empty,
    /// Fewer than three numbers.
    #[error("No Major.Minor.Patch elements found")]
    Elements,
    /// Something else than digits.
    #[error("Invalid character(s) found in {} number {}", .0.to_lowercase(), quote(.1))]
    Characters(&'static str, String),
    /// A number with a leading zero.
    #[error("{} number must not contain leading zeroes {}", .0, quote(.1))]
    LeadingZero(&'static str, String),
    /// A number above 64 bits.
    #[error("{} number {} is out of range", .0, quote(.1))]
    OutOfRange(&'static str, String),
    /// A part of the pre-release that is empty or has other characters.
    #[error("Invalid character(s) found in prerelease {}", quote(.0))]
    PreRelease(String),
    /// Build metadata that is empty or has other characters.
    #[error("Invalid character(s) found in build meta data {}", quote(.0))]
    Build(String),
}

fn read_number(name: &'static str, text: &str) -> Result<u64, VersionError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(VersionError::Characters(name, text.to_owned()));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(VersionError::LeadingZero(name, text.to_owned()));
    }
    text.parse().map_err(|_| VersionError::OutOfRange(name, text.to_owned()))
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl Version {
    /// Reads a version strictly: no `v`, no missing numbers.
    ///
    /// # Errors
    /// In blang's words.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VersionError::Elements);
        };
        let (rest, build) = rest.split_once('+').map_or((rest, None), |(a, b)| (a, Some(b)));
        let (patch, pre) = rest.split_once('-').map_or((rest, None), |(a, b)| (a, Some(b)));
        let numbers =
            [read_number("Major", major)?, read_number("Minor", minor)?, read_number("Patch", patch)?];
        let pre = pre.map_or_else(
            || Ok(Vec::new()),
            |pre| {
                pre.split('.')
                    .map(|part| {
                        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
                            return read_number("Numeric PreRelease", part).map(Part::Number);
                        }
                        if is_identifier(part) {
                            return Ok(Part::Text(part.to_owned()));
                        }
                        Err(VersionError::PreRelease(part.to_owned()))
                    })
                    .collect()
            },
        )?;
        if let Some(bad) = build.and_then(|build| build.split('.').find(|part| !is_identifier(part))) {
            return Err(VersionError::Build(bad.to_owned()));
        }
        Ok(Self { numbers, pre })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self.pre.cmp(&other.pre),
        })
    }
}

/// A comparison with one version.
#[derive(Clone, Debug)]
struct Bound {
    holds: fn(Ordering) -> bool,
    version: Version,
}

/// Alternatives of bounds that all must hold.
#[derive(Clone, Debug)]
pub struct Range {
    alternatives: Vec<Vec<Bound>>,
}

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    /// In blang's words.
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        let mut alternatives = vec![Vec::new()];
        let mut last_was_or = false;
        for (index, part) in words(text).iter().enumerate() {
            last_was_or = part == "||";
            if last_was_or {
                if index == 0 {
                    return Err(RangeError::LeadingOr);
                }
                alternatives.push(Vec::new());
                continue;
            }
            for plain in without_wildcard(part)? {
                let bound = bound(&plain)?;
                if let Some(all) = alternatives.last_mut() {
                    all.push(bound);
                }
            }
        }
        if last_was_or || alternatives.iter().all(Vec::is_empty) {
            return Err(RangeError::TrailingOr);
        }
        Ok(Self { alternatives })
    }

    /// Whether a version lies in the range. An alternative without bounds holds for none.
    #[must_use]
    pub fn contains(&self, version: &Version) -> bool {
        self.alternatives
            .iter()
            .any(|all| !all.is_empty() && all.iter().all(|bound| (bound.holds)(version.cmp(&bound.version))))
    }
}

/// Splits at blanks, except those after a comparison sign; single characters between blanks are dropped.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut current = String::new();
    let mut last = ' ';
    for c in text.chars() {
        if c != ' ' {
            current.push(c);
            last = c;
        } else if !matches!(last, '>' | '<' | '=') && !current.is_empty() {
            words.push(std::mem::take(&mut current));
        }
    }
    words.push(current);
    words.retain(|word| word.len() > 1);
    words
}

fn split_comparator(part: &str) -> Result<(&str, &str), RangeError> {
    let at = part.find(|c: char| c.is_numeric()).ok_or_else(|| RangeError::NoVersion(part.to_owned()))?;
    Ok(part.split_at(at))
}

/// Rewrites `1.2.x` and `1.x` to bounds without `x`.
fn without_wildcard(part: &str) -> Result<Vec<String>, RangeError> {
    if !part.contains('x') {
        return Ok(vec![part.to_owned()]);
    }
    let (comparator, version) = split_comparator(part)?;
    let pieces = version.split('.').count();
    let flat = version.replacen(".x.x", ".x", 1).replacen(".x", ".0", 1);
    let flat = if flat.split('.').count() == 2 { format!("{flat}.0") } else { flat };
    let next = if version.ends_with(".x") { increment(&flat, pieces) } else { None }.unwrap_or_default();
    Ok(match comparator {
        ">" => vec![format!(">={next}")],
        ">=" => vec![format!(">={flat}")],
        "<" => vec![format!("<{flat}")],
        "<=" => vec![format!("<{next}")],
        "" | "=" | "==" => vec![format!(">={flat}"), format!("<{next}")],
        "!" | "!=" => vec![format!("<{flat}"), format!(">={next}")],
        other => {
            return Err(RangeError::Comparator { part: part.to_owned(), comparator: other.to_owned() });
        }
    })
}

/// The first version after all that the wildcard covers: three pieces count up minor, two count up major.
fn increment(flat: &str, pieces: usize) -> Option<String> {
    let mut numbers: Vec<String> = flat.split('.').map(str::to_owned).collect();
    let place = match pieces {
        3 => 1,
        2 => 0,
        _ => return None,
    };
    let number = numbers.get_mut(place)?;
    *number = number.parse::<u64>().ok()?.checked_add(1)?.to_string();
    Some(numbers.join("."))
}

fn bound(part: &str) -> Result<Bound, RangeError> {
    let (comparator, version) = split_comparator(part)?;
    let holds: fn(Ordering) -> bool = match comparator.trim() {
        "" | "=" | "==" => Ordering::is_eq,
        ">" => Ordering::is_gt,
        ">=" => Ordering::is_ge,
        "<" => Ordering::is_lt,
        "<=" => Ordering::is_le,
        "!" | "!=" => Ordering::is_ne,
        other => {
            return Err(RangeError::Comparator { part: part.to_owned(), comparator: other.to_owned() });
        }
    };
    let version = Version::parse(version).map_err(|reason| RangeError::Version {
        part: part.to_owned(),
        version: version.to_owned(),
        reason,
    })?;
    Ok(Bound { holds, version })
}

#[cfg(test)]
mod tests {
    use super::{Range, Version};

    #[test]
    fn ranges() {
        for (range, version, want) in [
            (">=1.2.3 <2.0.0", "1.9.9", true),
            (">=1.2.3 <2.0.0", "2.0.0", false),
            (">= 1.2.3 < 2.0.0", "1.9.9", true),
            ("1.2.x", "1.2.9", true),
            ("1.2.x", "1.3.0", false),
            ("1.x", "1.9.0", true),
            (">1.2.x", "1.2.9", false),
            (">1.2.x", "1.3.0", true),
            ("<=1.x", "1.99.0", true),
            ("<1.0.0 || >=2.0.0", "1.5.0", false),
            ("<1.0.0 || >=2.0.0", "2.1.0", true),
            ("!1.0.0", "1.0.0", false),
            (">=1.0.0", "1.0.0-rc.1", false),
            ("<1.0.0-rc.2", "1.0.0-rc.1", true),
            ("1.0.0", "1.0.0+build", true),
        ] {
            let range_read = Range::parse(range).unwrap();
            assert_eq!(range_read.contains(&Version::parse(version).unwrap()), want, "{version} in {range}");
        }
    }

    #[test]
    fn refusals() {
        for bad in ["|| 1.0.0", "1.0.0 ||", ">=abc", "~1.0.0", "1.0", ""] {
            assert!(Range::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "1.2.x"] {
            assert!(Version::parse(bad).is_err(), "{bad:?}");
        }
    }
}
