//! File name patterns: of `COPY` sources, and of `.dockerignore`.

use regex::{Regex, RegexBuilder};

use crate::error::Fault;

/// The largest compiled pattern, in bytes: a thousand characters of pattern need a few kilobytes.
const COMPILED_LIMIT: usize = 1024 * 1024;
/// The longest `.dockerignore`, in bytes.
pub(crate) const IGNORE_FILE_LIMIT: u64 = 1024 * 1024;
/// The most patterns in one `.dockerignore`: each is asked once a file.
pub(crate) const IGNORE_PATTERN_LIMIT: usize = 2_000;

/// A pattern for one part of a path: `*`, `?`, `[a-z]`, and `\` before a literal character.
#[derive(Clone, Debug)]
pub(crate) struct Part(Regex);

impl Part {
    /// The pattern, or `None` where the part is a plain name.
    pub(crate) fn read(text: &str) -> Result<Option<Self>, Fault> {
        if !text.contains(['*', '?', '[', '\\']) {
            return Ok(None);
        }
        Ok(Some(Self(compile(text, false)?)))
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

/// The patterns of a `.dockerignore`: the last that matches a path, or a folder above it, decides.
#[derive(Debug, Default)]
pub(crate) struct Ignore {
    rules: Vec<(Regex, bool)>,
}

impl Ignore {
    /// Reads the file: a pattern a line, `#` comments, `!` takes a path back in.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        let mut rules = Vec::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            if line.starts_with('#') {
                continue;
            }
            let line = line.trim();
            let (line, ignored) = match line.strip_prefix('!') {
                Some(rest) => (rest.trim(), false),
                None => (line, true),
            };
            let cleaned = crate::plan::absolute("/", line);
            let pattern = cleaned.trim_start_matches('/');
            if pattern.is_empty() {
                continue;
            }
            rules.push((compile(pattern, true)?, ignored));
            if rules.len() > IGNORE_PATTERN_LIMIT {
                return Err(Fault::Pattern { pattern: format!("more than {IGNORE_PATTERN_LIMIT} patterns") });
            }
        }
        Ok(Self { rules })
    }

    /// Whether a path of the context (`a/b/c`) is left out.
    pub(crate) fn ignores(&self, path: &str) -> bool {
        let above = path.match_indices('/').filter_map(|(at, _)| path.get(..at)).chain([path]);
        let above: Vec<&str> = above.collect();
        let last = self.rules.iter().rev().find(|(rule, _)| above.iter().any(|path| rule.is_match(path)));
        last.is_some_and(|(_, ignored)| *ignored)
    }

    /// Whether a folder that is left out may still hold something taken back in.
    pub(crate) fn has_exceptions(&self) -> bool {
        self.rules.iter().any(|(_, ignored)| !ignored)
    }
}

/// Makes a regular expression of a pattern; `**` crosses folders where `deep` says so.
fn compile(pattern: &str, deep: bool) -> Result<Regex, Fault> {
    let broken = || Fault::Pattern { pattern: pattern.to_owned() };
    let mut out = String::from("^");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if deep && chars.next_if_eq(&'*').is_some() => {
                let _ = chars.next_if_eq(&'/');
                // At the end everything below; before more, any number of whole folders.
                out.push_str(if chars.peek().is_none() { ".*" } else { "(.*/)?" });
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => class(&mut chars, &mut out).ok_or_else(broken)?,
            '\\' => out.push_str(&regex::escape(&chars.next().ok_or_else(broken)?.to_string())),
            other => out.push_str(&regex::escape(&other.to_string())),
        }
    }
    out.push('$');
    let built = RegexBuilder::new(&out).size_limit(COMPILED_LIMIT).dot_matches_new_line(true).build();
    built.map_err(|_| broken())
}

/// `[abc]`, `[a-z]`, `[^a]`; `None` where it is not closed or empty.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) -> Option<()> {
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut empty = true;
    loop {
        match chars.next()? {
            ']' if !empty => break,
            ']' => return None,
            '-' => out.push('-'),
            '\\' => out.push_str(&regex::escape(&chars.next()?.to_string())),
            // Every other sign the regular expression knows inside a class loses its meaning.
            other if other.is_alphanumeric() => out.push(other),
            other => {
                out.push('\\');
                out.push(other);
            }
        }
        empty = false;
    }
    out.push(']');
    Some(())
}

#[cfg(test)]
mod tests;
