//! RE2's grammar to a tree that regex-automata compiles.

use regex_syntax::hir::{Capture, Class, Hir, HirKind, Look, Repetition};

use super::Problem;
use super::class::{self, Set};

/// Groups inside groups; Go allows 1,000 levels. One level costs under 2 KiB of stack.
const DEPTH: usize = 250;
/// The largest repeat count, as in Go.
const REPEAT: u32 = 1_000;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) fold: bool,
    multiline: bool,
    dot_newline: bool,
    ungreedy: bool,
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) flags: Flags,
    depth: usize,
    /// The names of the groups so far; the first stands for the whole match.
    names: Vec<Option<String>>,
}

pub(super) fn fail<T>(problem: &'static str, part: &str) -> Result<T, Problem> {
    Err(Problem::Syntax { problem, part: part.to_owned() })
}

/// Parses a whole pattern.
pub(super) fn parse(pattern: &str) -> Result<(Hir, Vec<Option<String>>), Problem> {
    let mut parser = Parser { text: pattern, at: 0, flags: Flags::default(), depth: 0, names: vec![None] };
    let hir = parser.alternation()?;
    match parser.peek() {
        None => Ok((hir, parser.names)),
        Some(_) => fail("unexpected )", pattern),
    }
}

/// Whether repetitions inside repetitions come to no more than so many; trees are as deep as [`DEPTH`] lets them be.
fn repeats_within(hir: &Hir, limit: u32) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min);
            times <= limit && repeats_within(&repetition.sub, limit.checked_div(times).unwrap_or(limit))
        }
        HirKind::Capture(capture) => repeats_within(&capture.sub, limit),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().all(|part| repeats_within(part, limit))
        }
        _ => true,
    }
}

impl<'a> Parser<'a> {
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn take(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        self.at += if found { prefix.len() } else { 0 };
        found
    }

    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn alternation(&mut self) -> Result<Hir, Problem> {
        if self.depth > DEPTH {
            return fail("expression nests too deeply", self.text);
        }
        self.depth += 1;
        let saved = self.flags;
        let mut arms = vec![self.sequence()?];
        while self.take("|") {
            arms.push(self.sequence()?);
        }
        self.flags = saved;
        self.depth -= 1;
        Ok(Hir::alternation(arms))
    }

    fn sequence(&mut self) -> Result<Hir, Problem> {
        let mut parts: Vec<Hir> = Vec::new();
        let mut repeated: Option<usize> = None;
        loop {
            let start = self.at;
            let Some(c) = self.peek() else { break };
            match c {
                '|' | ')' => break,
                '*' | '+' | '?' => {
                    self.at += 1;
                    let (min, max) = match c {
                        '*' => (0, None),
                        '+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    self.repeat(&mut parts, start, min, max, &mut repeated)?;
                }
                '{' => match self.braces() {
                    None => {
                        self.at += 1;
                        parts.push(self.literal('{'));
                        repeated = None;
                    }
                    Some((min, max)) => {
                        let bad = min > REPEAT || max.is_some_and(|max| max > REPEAT || max < min);
                        if bad {
                            return fail("invalid repeat count", self.since(start));
                        }
                        self.repeat(&mut parts, start, min, max, &mut repeated)?;
                    }
                },
                _ => {
                    self.atom(&mut parts)?;
                    repeated = None;
                }
            }
        }
        Ok(Hir::concat(parts))
    }

    /// `{n}`, `{n,}` or `{n,m}`; anything else is a literal brace.
    fn braces(&mut self) -> Option<(u32, Option<u32>)> {
        let (inside, _) = self.rest().strip_prefix('{')?.split_once('}')?;
        let number = |text: &str| -> Option<u32> {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            (plain && (text == "0" || !text.starts_with('0'))).then(|| text.parse().unwrap_or(u32::MAX))
        };
        let bounds = match inside.split_once(',') {
            None => (number(inside)?, Some(number(inside)?)),
            Some((min, "")) => (number(min)?, None),
            Some((min, max)) => (number(min)?, Some(number(max)?)),
        };
        self.at += inside.len() + 2;
        Some(bounds)
    }

    fn repeat(
        &mut self,
        parts: &mut Vec<Hir>,
        start: usize,
        min: u32,
        max: Option<u32>,
        repeated: &mut Option<usize>,
    ) -> Result<(), Problem> {
        let lazy = self.take("?");
        if let Some(before) = repeated {
            let part = self.text.get(*before..self.at).unwrap_or_default();
            return fail("invalid nested repetition operator", part);
        }
        let Some(sub) = parts.pop() else {
            return fail("missing argument to repetition operator", self.since(start));
        };
        *repeated = Some(start);
        let times = max.unwrap_or(min);
        if times >= 2 && !repeats_within(&sub, REPEAT / times) {
            return fail("invalid repeat count", self.text.get(start..self.at).unwrap_or_default());
        }
        parts.push(Hir::repetition(Repetition {
            min,
            max,
            greedy: lazy == self.flags.ungreedy,
            sub: Box::new(sub),
        }));
        Ok(())
    }

    /// One character, folded where case does not count.
    fn literal(&self, c: char) -> Hir {
        let mut set = Set::default();
        set.push(c, c);
        if self.flags.fold {
            class::fold(&mut set);
            return Hir::class(Class::Unicode(set.into()));
        }
        Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes().to_vec())
    }

    fn atom(&mut self, parts: &mut Vec<Hir>) -> Result<(), Problem> {
        let start = self.at;
        match self.next() {
            Some('(') => self.group(parts, start)?,
            Some('[') => {
                let set = self.bracket(start)?;
                parts.push(Hir::class(Class::Unicode(set.into())));
            }
            Some('.') => {
                let mut set = Set::default();
                if !self.flags.dot_newline {
                    set.push('\n', '\n');
                }
                class::negate(&mut set);
                parts.push(Hir::class(Class::Unicode(set.into())));
            }
            Some('^') => {
                parts.push(Hir::look(if self.flags.multiline { Look::StartLF } else { Look::Start }))
            }
            Some('$') => parts.push(Hir::look(if self.flags.multiline { Look::EndLF } else { Look::End })),
            Some('\\') => self.escape(parts, start)?,
            Some(c) => parts.push(self.literal(c)),
            None => {}
        }
        Ok(())
    }

    fn group(&mut self, parts: &mut Vec<Hir>, start: usize) -> Result<(), Problem> {
        let mut capture = None;
        let outer = self.flags;
        if self.take("?") {
            if self.take("P<")
                || self.rest().starts_with('<') && !matches!(self.rest().get(1..2), Some("=" | "!"))
            {
                let named = self.since(start).ends_with('<') || self.take("<");
                let name = self.rest().split_once('>').map(|(name, _)| name).filter(|_| named);
                let word = |name: &str| {
                    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                };
                let Some(name) = name.filter(|name| word(name)) else {
                    let end = self.rest().find('>').map_or(self.text.len(), |end| self.at + end + 1);
                    return fail("invalid named capture", self.text.get(start..end).unwrap_or_default());
                };
                self.at += name.len() + 1;
                capture = Some(self.names.len() as u32);
                self.names.push(Some(name.to_owned()));
            } else {
                match self.group_flags(start)? {
                    None => return Ok(()),
                    Some(flags) => self.flags = flags,
                }
            }
        } else {
            capture = Some(self.names.len() as u32);
            self.names.push(None);
        }
        let inner = self.alternation()?;
        self.flags = outer;
        if !self.take(")") {
            return fail("missing closing )", self.text);
        }
        parts.push(match capture {
            None => inner,
            // Names stay here: the engine refuses one that comes twice, which Go does not.
            Some(index) => Hir::capture(Capture { index, name: None, sub: Box::new(inner) }),
        });
        Ok(())
    }

    /// The flags of `(?i)`, which hold from here on, or of `(?i:`, which are returned.
    fn group_flags(&mut self, start: usize) -> Result<Option<Flags>, Problem> {
        let mut flags = self.flags;
        let mut on = true;
        let mut any = false;
        loop {
            let c = self.next();
            match c {
                Some('i') => flags.fold = on,
                Some('m') => flags.multiline = on,
                Some('s') => flags.dot_newline = on,
                Some('U') => flags.ungreedy = on,
                Some('-') if on => {
                    on = false;
                    any = false;
                    continue;
                }
                Some(':') if on || any => return Ok(Some(flags)),
                Some(')') if on || any => {
                    self.flags = flags;
                    return Ok(None);
                }
                _ => return fail("invalid or unsupported Perl syntax", self.since(start)),
            }
            any = true;
        }
    }

    fn escape(&mut self, parts: &mut Vec<Hir>, start: usize) -> Result<(), Problem> {
        let hir = match self.peek() {
            None => return fail("trailing backslash at end of expression", ""),
            Some('A') => Hir::look(Look::Start),
            Some('z') => Hir::look(Look::End),
            Some('b') => Hir::look(Look::WordAscii),
            Some('B') => Hir::look(Look::WordAsciiNegate),
            Some('C') => return fail("invalid escape sequence", "\\C"),
            Some('Q') => {
                self.at += 1;
                let quoted = self.rest().split("\\E").next().unwrap_or_default();
                self.at += quoted.len();
                self.take("\\E");
                parts.extend(quoted.chars().map(|c| self.literal(c)));
                return Ok(());
            }
            _ => {
                if let Some(set) = self.class_escape(start)? {
                    parts.push(Hir::class(Class::Unicode(set.into())));
                    return Ok(());
                }
                let c = self.char_escape(start)?;
                parts.push(self.literal(c));
                return Ok(());
            }
        };
        self.at += 1;
        parts.push(hir);
        Ok(())
    }

    /// The character of an escape, after its backslash.
    pub(super) fn char_escape(&mut self, start: usize) -> Result<char, Problem> {
        let Some(c) = self.next() else { return fail("trailing backslash at end of expression", "") };
        let invalid = |parser: &Self| fail("invalid escape sequence", parser.since(start));
        let value = match c {
            'a' => 7,
            'f' => 12,
            't' => 9,
            'n' => 10,
            'r' => 13,
            'v' => 11,
            'x' => {
                if self.take("{") {
                    let digits = self.rest().split('}').next().unwrap_or_default();
                    let closed = self.rest().len() > digits.len();
                    self.at += digits.len() + usize::from(closed);
                    match u32::from_str_radix(digits, 16) {
                        Ok(value) if closed && value <= 0x10ffff => value,
                        _ => return invalid(self),
                    }
                } else {
                    let digits = self.rest().get(..2).unwrap_or_default();
                    match u32::from_str_radix(digits, 16) {
                        Ok(value) if digits.len() == 2 => {
                            self.at += 2;
                            value
                        }
                        _ => return invalid(self),
                    }
                }
            }
            '1'..='7' if !matches!(self.peek(), Some('0'..='7')) => return invalid(self),
            '0'..='7' => {
                let mut value = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    match self.peek().and_then(|c| c.to_digit(8)) {
                        Some(digit) => {
                            self.at += 1;
                            value = value * 8 + digit;
                        }
                        None => break,
                    }
                }
                value
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
            _ => return invalid(self),
        };
        char::from_u32(value).map_or_else(|| invalid(self), Ok)
    }
}
