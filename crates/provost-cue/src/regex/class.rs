//! Character classes: brackets, Perl's and POSIX's names, Unicode properties.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

use super::Problem;
use super::parse::{Parser, fail};

/// A set of characters being built.
#[derive(Debug, Clone)]
pub(super) struct Set(ClassUnicode);

impl Default for Set {
    fn default() -> Self {
        Self(ClassUnicode::empty())
    }
}

impl Set {
    pub(super) fn push(&mut self, low: char, high: char) {
        self.0.push(ClassUnicodeRange::new(low, high));
    }

    fn join(&mut self, other: &Self) {
        self.0.union(&other.0);
    }

    fn of(ranges: &[(char, char)], negated: bool) -> Self {
        let mut set = Self::default();
        for (low, high) in ranges {
            set.push(*low, *high);
        }
        if negated {
            negate(&mut set);
        }
        set
    }
}

impl From<Set> for ClassUnicode {
    fn from(set: Set) -> Self {
        set.0
    }
}

/// The characters not in a set.
pub(super) fn negate(set: &mut Set) {
    set.0.negate();
}

/// Adds every character's other cases.
pub(super) fn fold(set: &mut Set) {
    // Without the case tables nothing is folded; the feature is always on in this workspace.
    let _ = set.0.try_case_fold_simple();
}

const DIGIT: &[(char, char)] = &[('0', '9')];
const SPACE: &[(char, char)] = &[('\t', '\n'), ('\u{c}', '\r'), (' ', ' ')];
const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

fn posix(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\u{7f}')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')],
        "digit" => DIGIT,
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => WORD,
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    })
}

/// A Unicode property as regex-syntax knows it.
fn property(name: &str) -> Option<Set> {
    if name == "Any" {
        return Some(Set::of(&[('\0', char::MAX)], false));
    }
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let hir = regex_syntax::parse(&format!("\\p{{{name}}}")).ok().filter(|_| plain)?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(Set(class)),
        _ => None,
    }
}

impl Parser<'_> {
    /// `\d`, `\pL` and the like, after the backslash; `None` for other escapes.
    pub(super) fn class_escape(&mut self, start: usize) -> Result<Option<Set>, Problem> {
        let (ranges, negated) = match self.peek() {
            Some(c @ ('d' | 'D')) => (DIGIT, c == 'D'),
            Some(c @ ('s' | 'S')) => (SPACE, c == 'S'),
            Some(c @ ('w' | 'W')) => (WORD, c == 'W'),
            Some(c @ ('p' | 'P')) => {
                self.at += 1;
                let name = match self.next() {
                    Some('{') => {
                        let Some((name, _)) = self.rest().split_once('}') else {
                            self.at = self.text.len();
                            return fail("invalid character class range", self.since(start));
                        };
                        self.at += name.len() + 1;
                        name
                    }
                    Some(_) => self.since(start).get(2..).unwrap_or_default(),
                    None => return fail("invalid character class range", self.since(start)),
                };
                let (name, inverted) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
                let Some(mut set) = property(name) else {
                    return fail("invalid character class range", self.since(start));
                };
                if self.flags.fold {
                    fold(&mut set);
                }
                if inverted != (c == 'P') {
                    negate(&mut set);
                }
                return Ok(Some(set));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(Set::of(ranges, negated)))
    }

    /// A bracket expression, after its `[`.
    pub(super) fn bracket(&mut self, start: usize) -> Result<Set, Problem> {
        let mut set = Set::default();
        let negated = self.take("^");
        let mut first = true;
        loop {
            let item = self.at;
            match self.peek() {
                None => return fail("missing closing ]", self.text.get(start..).unwrap_or_default()),
                Some(']') if !first => {
                    self.at += 1;
                    break;
                }
                Some('[') if self.rest().starts_with("[:") => {
                    if let Some((name, _)) = self.rest().get(2..).and_then(|rest| rest.split_once(":]")) {
                        self.at += name.len() + 4;
                        let (word, inverted) =
                            name.strip_prefix('^').map_or((name, false), |name| (name, true));
                        match posix(word) {
                            Some(ranges) => set.join(&Set::of(ranges, inverted)),
                            None => return fail("invalid character class range", self.since(item)),
                        }
                        first = false;
                        continue;
                    }
                }
                Some('\\') => {
                    self.at += 1;
                    if let Some(class) = self.class_escape(item)? {
                        set.join(&class);
                        first = false;
                        continue;
                    }
                    self.at = item;
                }
                _ => {}
            }
            first = false;
            let low = self.bracket_char(start)?;
            let mut high = low;
            if self.rest().starts_with('-') && !self.rest().starts_with("-]") && self.rest().len() > 1 {
                self.at += 1;
                high = self.bracket_char(start)?;
                if high < low {
                    return fail("invalid character class range", self.since(item));
                }
            }
            set.push(low, high);
        }
        if self.flags.fold {
            fold(&mut set);
        }
        if negated {
            negate(&mut set);
        }
        Ok(set)
    }

    fn bracket_char(&mut self, start: usize) -> Result<char, Problem> {
        let at = self.at;
        match self.next() {
            Some('\\') => self.char_escape(at),
            Some(c) => Ok(c),
            None => fail("missing closing ]", self.text.get(start..).unwrap_or_default()),
        }
    }
}
