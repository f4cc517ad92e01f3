//! Regular expressions: RE2's syntax as Go reads it, run by regex-automata with a size limit.

mod class;
mod parse;

use regex_automata::{Input, meta};

/// Bytes of one compiled expression: 10 MiB hold a thousand repetitions of a large Unicode class.
pub(crate) const SIZE: usize = 10 << 20;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Regex {
    engine: meta::Regex,
    /// The names of the groups, the whole match first.
    names: Vec<Option<String>>,
}

/// One match: the texts of its groups, the whole match first. A group that took no part is empty, as in Go.
#[derive(Debug)]
pub(crate) struct Found {
    span: (usize, usize),
    groups: Vec<String>,
}

impl Found {
    /// Where it begins and ends, in bytes.
    pub(crate) fn span(&self) -> (usize, usize) {
        self.span
    }

    /// A group by number.
    pub(crate) fn group(&self, index: usize) -> &str {
        self.groups.get(index).map(String::as_str).unwrap_or_default()
    }

    /// All groups.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(String::as_str)
    }
}

/// Why a pattern is no expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// In Go's words, with the part at fault.
    Syntax { problem: &'static str, part: String },
    /// It would be larger than this many bytes.
    Size { limit: u64 },
}

impl Regex {
    /// Compiles a pattern.
    pub(crate) fn new(pattern: &str) -> Result<Self, Problem> {
        let (hir, names) = parse::parse(pattern)?;
        let config =
            meta::Config::new().nfa_size_limit(Some(SIZE)).onepass_size_limit(Some(SIZE)).utf8_empty(true);
        let built = meta::Builder::new().configure(config).build_from_hir(&hir);
        built.map(|engine| Self { engine, names }).map_err(|_| Problem::Size { limit: SIZE as u64 })
    }

    /// Whether it matches anywhere in a text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.engine.is_match(text)
    }

    /// So many matches from the left, none overlapping. An empty match next to the one before does not count.
    pub(crate) fn find_all(&self, text: &str, limit: usize) -> Vec<Found> {
        let mut all = Vec::new();
        let mut from = 0;
        let mut last = None;
        let mut captures = self.engine.create_captures();
        while all.len() < limit && from <= text.len() {
            self.engine.search_captures(&Input::new(text).range(from..), &mut captures);
            let Some(found) = captures.get_match() else { break };
            let step = text.get(found.end()..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
            from = if found.is_empty() { found.end() + step } else { found.end() };
            if found.is_empty() && last == Some(found.start()) {
                continue;
            }
            last = Some(found.end());
            let group = |index| captures.get_group(index).and_then(|span| text.get(span.range()));
            let groups = (0..captures.group_len()).map(|index| group(index).unwrap_or_default().to_owned());
            all.push(Found { span: (found.start(), found.end()), groups: groups.collect() });
        }
        all
    }

    /// The groups by number with their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = (usize, Option<&str>)> {
        self.names.iter().map(Option::as_deref).enumerate()
    }

    /// Writes a replacement: `$1`, `${1}`, `$name` and `${name}` stand for groups, `$$` for a dollar sign.
    pub(crate) fn expand(&self, template: &str, found: &Found, out: &mut String) {
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let is_word = |c: char| c == '_' || c.is_alphanumeric();
            let (name, tail) = match after.strip_prefix('{').map(|after| after.split_once('}')) {
                Some(Some((name, tail))) => (name, tail),
                Some(None) => ("", ""),
                None => after.split_at(after.find(|c| !is_word(c)).unwrap_or(after.len())),
            };
            if name.is_empty() || !name.chars().all(is_word) {
                out.push('$');
                rest = after;
                continue;
            }
            rest = tail;
            match name.parse::<usize>() {
                Ok(index) => out.push_str(found.group(index)),
                // Of several groups of one name, the first that took part counts.
                Err(_) => {
                    let mut groups = self.names().filter(|(_, known)| *known == Some(name));
                    let group = groups
                        .find_map(|(index, _)| Some(found.group(index)).filter(|text| !text.is_empty()));
                    out.push_str(group.unwrap_or_default());
                }
            }
        }
        out.push_str(rest);
    }
}
