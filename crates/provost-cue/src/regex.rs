//! Regular expressions: RE2's syntax as Go reads it, run by regex-automata with a size limit.

mod class;
mod parse;

use regex_automata::meta;

/// Bytes of one compiled expression: 10 MiB hold a thousand repetitions of a large Unicode class.
pub(crate) const SIZE: usize = 10 << 20;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Regex(meta::Regex);

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
        let hir = parse::parse(pattern)?;
        let config =
            meta::Config::new().nfa_size_limit(Some(SIZE)).onepass_size_limit(Some(SIZE)).utf8_empty(true);
        let built = meta::Builder::new().configure(config).build_from_hir(&hir);
        built.map(Self).map_err(|_| Problem::Size { limit: SIZE as u64 })
    }

    /// Whether it matches anywhere in a text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}
