//! Text that remembers which of its bytes came from outside the policy.

use std::ops::Range;

use thiserror::Error;

use crate::context::Origin;
use crate::origins::Origins;

/// Text with a mark for each byte: bytes that are not the policy's open, close and escape nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Marked {
    text: String,
    origins: Vec<Origin>,
}

/// Text from outside the policy stands in an expression where it would become part of its grammar.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a value from outside the policy stands in the expression {place}, expected {expected}")]
pub struct ForeignFault {
    /// Between which quotes, or outside of any.
    pub place: &'static str,
    /// What may stand there.
    pub expected: &'static str,
}

/// Inside which quotes of an expression a place lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Outside,
    Raw,
    Literal,
    Identifier,
}

impl Marked {
    /// Text of the policy.
    pub(super) fn policy(text: &str) -> Self {
        Self { text: text.to_owned(), origins: vec![Origin::Policy; text.len()] }
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn push(&mut self, text: &str, origin: Origin) {
        self.text.push_str(text);
        self.origins.resize(self.text.len(), origin);
    }

    pub(super) fn append(&mut self, other: &Self, range: Range<usize>) {
        self.text.push_str(other.text.get(range.clone()).unwrap_or_default());
        self.origins.extend_from_slice(other.origins.get(range).unwrap_or_default());
    }

    /// The strangest of all who wrote a part of it.
    pub(super) fn origin(&self) -> Origin {
        self.origins.iter().copied().max().unwrap_or(Origin::Policy)
    }

    /// Who wrote which part.
    pub(super) fn origins(&self) -> Origins {
        let foreign = |origin: &Origin| *origin == Origin::Foreign;
        match (self.origins.iter().any(foreign), self.origins.iter().all(foreign)) {
            (false, _) => Origins::Ours,
            (true, true) => Origins::Foreign,
            (true, false) => Origins::Text(self.origins.iter().map(foreign).collect()),
        }
    }

    /// The byte at a place, where it is the policy's.
    fn live(&self, at: usize) -> Option<u8> {
        match self.origins.get(at) {
            Some(Origin::Policy) => self.text.as_bytes().get(at).copied(),
            _ => None,
        }
    }

    fn is_pair(&self, at: usize, byte: u8) -> bool {
        self.live(at) == Some(byte) && self.live(at + 1) == Some(byte)
    }

    /// Where the variable that opens at `open` ends: anything but braces, or `{…}` without braces inside, and
    /// then `}}`.
    fn close(&self, open: usize) -> Option<usize> {
        let mut at = open + 2;
        while at < self.len() {
            match self.live(at) {
                Some(b'}') => return self.is_pair(at, b'}').then_some(at + 2),
                Some(b'{') => {
                    at += 1;
                    while at < self.len() && !matches!(self.live(at), Some(b'{' | b'}')) {
                        at += 1;
                    }
                    if self.live(at) != Some(b'}') {
                        return None;
                    }
                    at += 1;
                }
                _ => at += 1,
            }
        }
        None
    }

    /// The variables, as Kyverno's regular expression finds them: `{{…}}` at the start, or after a character that
    /// is no backslash and does not belong to the variable before.
    ///
    /// One scan ends at the first brace that cannot belong to the variable, so the whole is linear.
    pub(super) fn variables(&self) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut from = 0;
        let mut at = 0;
        while at < self.len() {
            if self.live(at) != Some(b'{') || !self.is_pair(at, b'{') {
                at += 1;
                continue;
            }
            let preceded = at == 0 || (at > from && self.live(at - 1) != Some(b'\\'));
            match if preceded { self.close(at) } else { None } {
                Some(end) => {
                    found.push(at..end);
                    from = end;
                    at = end;
                }
                None => at += 1,
            }
        }
        found
    }

    fn keep(&self, mut wanted: impl FnMut(usize) -> bool) -> Self {
        let mut kept = Self::default();
        for (at, c) in self.text.char_indices() {
            if wanted(at) {
                kept.append(self, at..at + c.len_utf8());
            }
        }
        kept
    }

    /// What stands between the braces: every pair of braces of the policy's is taken out.
    pub(super) fn variable(&self, range: Range<usize>) -> Self {
        let mut inside = Self::default();
        inside.append(self, range);
        for brace in [b'{', b'}'] {
            let mut skip = 0;
            inside = inside.keep(|at| {
                if skip > 0 {
                    skip -= 1;
                    return false;
                }
                if inside.is_pair(at, brace) {
                    skip = 1;
                    return false;
                }
                true
            });
        }
        inside
    }

    /// Without white space at both ends.
    pub(super) fn trimmed(&self) -> Self {
        let start = self.text.len() - self.text.trim_start().len();
        let end = start + self.text.trim().len();
        let mut trimmed = Self::default();
        trimmed.append(self, start..end);
        trimmed
    }

    /// Takes off a leading dash of the policy's.
    pub(super) fn strip_dash(&mut self) -> bool {
        if self.live(0) != Some(b'-') {
            return false;
        }
        let mut rest = Self::default();
        rest.append(self, 1..self.len());
        *self = rest;
        true
    }

    /// The text with the policy's `\{{` turned into `{{`.
    pub(super) fn unescaped(&self) -> Self {
        let escaped = |at: usize| self.live(at) == Some(b'\\') && self.is_pair(at + 1, b'{');
        self.keep(|at| !escaped(at))
    }

    /// The text as an expression, foreign parts escaped for the quotes they stand between.
    ///
    /// # Errors
    /// Where a foreign part cannot be kept a value.
    pub(super) fn expression(&self) -> Result<String, ForeignFault> {
        if self.origin() == Origin::Policy {
            return Ok(self.text.clone());
        }
        let mut out = String::with_capacity(self.len());
        let mut quotes = Quotes::Outside;
        let mut escaped = false;
        let mut run = String::new();
        for (at, c) in self.text.char_indices() {
            if self.origins.get(at).is_some_and(|origin| *origin != Origin::Policy) {
                run.push(c);
                continue;
            }
            if !run.is_empty() {
                put(&run, quotes, &mut out)?;
                run.clear();
                escaped = false;
            }
            out.push(c);
            if escaped {
                escaped = false;
                continue;
            }
            quotes = match (quotes, c) {
                (Quotes::Outside, '\'') => Quotes::Raw,
                (Quotes::Outside, '`') => Quotes::Literal,
                (Quotes::Outside, '"') => Quotes::Identifier,
                (Quotes::Raw, '\'') | (Quotes::Literal, '`') | (Quotes::Identifier, '"') => Quotes::Outside,
                (Quotes::Raw, '\\') => {
                    // In a raw string a backslash escapes the quote only.
                    escaped = self.live(at + 1) == Some(b'\'');
                    quotes
                }
                (Quotes::Literal | Quotes::Identifier, '\\') => {
                    escaped = true;
                    quotes
                }
                _ => quotes,
            };
        }
        if !run.is_empty() {
            put(&run, quotes, &mut out)?;
        }
        Ok(out)
    }
}

/// Appends foreign text so that it stays within its quotes.
fn put(run: &str, quotes: Quotes, out: &mut String) -> Result<(), ForeignFault> {
    match quotes {
        Quotes::Outside => {
            if !run.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(ForeignFault {
                    place: "outside of quotes",
                    expected: "letters, digits and _ only",
                });
            }
            out.push_str(run);
        }
        Quotes::Raw => {
            if run.ends_with('\\') {
                return Err(ForeignFault { place: "between ' and '", expected: "no backslash at its end" });
            }
            out.push_str(&run.replace('\'', "\\'"));
        }
        Quotes::Literal => {
            let mut chars = run.chars();
            while let Some(c) = chars.next() {
                match c {
                    '`' => out.push_str("\\`"),
                    '\\' => match chars.next() {
                        Some(next) if next != '`' => out.extend(['\\', next]),
                        _ => {
                            let expected = "JSON, in which a backslash escapes something";
                            return Err(ForeignFault { place: "between ` and `", expected });
                        }
                    },
                    other => out.push(other),
                }
            }
        }
        Quotes::Identifier => {
            let quoted = serde_json::Value::from(run).to_string();
            out.push_str(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default());
        }
    }
    Ok(())
}
