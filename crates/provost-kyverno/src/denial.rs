//! The text of a denial: a mapping of policies to rules to messages, as go-yaml v3 writes it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::message;
use crate::outcome::{PolicyOutcome, RuleOutcome, Status};
use crate::request::Request;
use crate::yaml::scalar::{key, value};

/// The message of a denied request: every result that is neither pass nor skip, one for each rule.
///
/// Kyverno shows a rule's last result. Of several of one rule this shows the one that sorts first, so that the text
/// does not hang on the order of images or entries.
#[must_use]
pub fn text<'a>(
    request: &Request,
    policies: &'a [PolicyOutcome],
    of: impl Fn(&'a PolicyOutcome) -> &'a [RuleOutcome],
) -> String {
    let mut blocked: BTreeMap<Natural, BTreeMap<Natural, String>> = BTreeMap::new();
    for policy in policies {
        for outcome in of(policy).iter().filter(|o| !matches!(o.status, Status::Pass | Status::Skip)) {
            let rules = blocked.entry(Natural(policy.name.clone())).or_default();
            let words = message::of(outcome);
            let shown = rules.entry(Natural(outcome.rule.clone())).or_insert_with(|| words.clone());
            if words < *shown {
                *shown = words;
            }
        }
    }
    let name = request.object_name();
    let mut text = format!(
        "\n\nresource {}/{}/{name} was blocked due to the following policies \n\n",
        request.kind.kind, request.namespace
    );
    for (policy, rules) in &blocked {
        let _ = writeln!(text, "{}:", key(&policy.0));
        for (rule, words) in rules {
            let _ = writeln!(text, "  {}: {}", key(&rule.0), value(words, 4));
        }
    }
    text
}

/// A string that sorts as go-yaml sorts keys: letters after other characters, numbers by their value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Natural(String);

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        let mut left = self.0.chars().peekable();
        let mut right = other.0.chars().peekable();
        loop {
            let (Some(a), Some(b)) = (left.peek().copied(), right.peek().copied()) else {
                return left.count().cmp(&right.count());
            };
            let ordering = if a.is_ascii_digit() && b.is_ascii_digit() {
                let (x, y) = (number(&mut left), number(&mut right));
                x.trim_start_matches('0').len().cmp(&y.trim_start_matches('0').len()).then_with(|| {
                    x.trim_start_matches('0').cmp(y.trim_start_matches('0')).then(x.len().cmp(&y.len()))
                })
            } else {
                left.next();
                right.next();
                match (a.is_alphabetic(), b.is_alphabetic()) {
                    (true, false) => Ordering::Greater,
                    (false, true) => Ordering::Less,
                    _ => a.cmp(&b),
                }
            };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
    }
}

fn number(from: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut digits = String::new();
    while let Some(digit) = from.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::Natural;

    #[test]
    fn keys_sort_naturally() {
        let mut keys = ["r10", "r2", "ra", "r-1", "b"].map(|k| Natural(k.to_owned()));
        keys.sort();
        assert_eq!(keys.map(|k| k.0), ["b", "r-1", "r2", "r10", "ra"]);
    }
}
