//! A Dockerfile as logical lines: comments gone, continuations joined, each with the number it began on.

use crate::error::Fault;

/// The longest Dockerfile read, in bytes: the longest in wide use have a few hundred lines of a hundred bytes.
pub const DOCKERFILE_LIMIT: usize = 1024 * 1024;
/// The most logical lines: a thousandth of them is a long Dockerfile, and each costs one history entry.
pub const LINE_LIMIT: usize = 10_000;

/// One logical line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it began, from 1.
    pub(crate) number: usize,
    /// Its text, continuations joined, ends trimmed.
    pub(crate) text: String,
}

/// A fault and the line it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AtLine {
    pub(crate) line: usize,
    pub(crate) fault: Fault,
}

/// Splits a Dockerfile into logical lines, by the rules of the Dockerfile reference: a comment is a line that begins
/// with `#`, a line that ends in `\` goes on in the next, comments and empty lines between do not end it.
pub(crate) fn lines(source: &[u8]) -> Result<Vec<Line>, AtLine> {
    if source.len() > DOCKERFILE_LIMIT {
        let fault = Fault::TooLarge { limit: DOCKERFILE_LIMIT, found: source.len() };
        return Err(AtLine { line: 1, fault });
    }
    let source = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    let text = std::str::from_utf8(source).map_err(|error| {
        let before = source.get(..error.valid_up_to()).unwrap_or_default();
        AtLine { line: 1 + before.iter().filter(|b| **b == b'\n').count(), fault: Fault::NotUtf8 }
    })?;
    let mut lines = Vec::new();
    let mut open: Option<Line> = None;
    let mut directives = true;
    for (index, physical) in text.lines().enumerate() {
        let number = index + 1;
        let trimmed = physical.trim();
        if let Some(comment) = trimmed.strip_prefix('#') {
            directives = directives && directive(comment, number)?;
            continue;
        }
        if trimmed.is_empty() {
            directives = false;
            continue;
        }
        directives = false;
        let goes_on = trimmed.strip_suffix('\\');
        // Inside a continuation the blanks in front count, as in the reference's examples of long commands.
        let piece = if open.is_some() { physical.trim_end() } else { trimmed };
        let piece = if goes_on.is_some() { piece.strip_suffix('\\').unwrap_or(piece) } else { piece };
        let line = open.get_or_insert_with(|| Line { number, text: String::new() });
        line.text.push_str(piece);
        if goes_on.is_none() {
            lines.extend(open.take());
        }
        if lines.len() > LINE_LIMIT {
            return Err(AtLine { line: number, fault: Fault::TooManyLines { limit: LINE_LIMIT } });
        }
    }
    // The file may end inside a continuation.
    lines.extend(open);
    for line in &mut lines {
        line.text = line.text.trim().to_owned();
    }
    Ok(lines)
}

/// Reads a parser directive; true while more may follow. `syntax` names a front end and changes nothing here.
fn directive(comment: &str, line: usize) -> Result<bool, AtLine> {
    let Some((name, value)) = comment.split_once('=') else { return Ok(false) };
    match (name.trim().to_ascii_lowercase().as_str(), value.trim()) {
        ("escape", "\\") | ("syntax" | "check", _) => Ok(true),
        ("escape", other) => {
            Err(AtLine { line, fault: Fault::Unsupported { what: format!("the directive escape={other}") } })
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests;
