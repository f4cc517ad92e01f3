//! `--explain`: each field that fails, with what the policy says and what the document has side by side.

use std::fmt::Write as _;

use provost_cue::{CueError, CueErrors, Evaluation, Position};

/// A document as it was read.
#[derive(Clone, Copy)]
pub(super) struct Document<'d> {
    /// Its file.
    pub(super) name: &'d str,
    /// Its text, JSON.
    pub(super) text: &'d str,
}

/// Values longer than this are cut: one line of a terminal.
const WIDTH: usize = 100;
/// Brackets of a document that are looked into; a document nested deeper has been refused when it was read.
const DEPTH: usize = 1_000;

/// The paths that errors name, each with where files speak of it.
pub(super) fn places(errors: &[&CueErrors], evaluation: &Evaluation<'_>) -> Vec<(String, Vec<Position>)> {
    let mut out: Vec<(String, Vec<Position>)> = Vec::new();
    for error in errors.iter().flat_map(|errors| errors.iter()) {
        if !out.iter().any(|(path, _)| *path == error.path) {
            out.push((error.path.clone(), provost_cue::places(evaluation, &error.path)));
        }
    }
    out
}

/// The explanation of errors: fields in their order, each with all that is said about it, and where.
pub(super) fn explain(
    errors: &[&CueErrors],
    places: &[(String, Vec<Position>)],
    document: Option<Document<'_>>,
) -> String {
    let mut seen: Vec<(&str, String)> = Vec::new();
    let mut out = String::new();
    let mut fields: Vec<(&str, Vec<&CueError>)> = Vec::new();
    for error in errors.iter().flat_map(|errors| errors.iter()) {
        let text = error.reason.to_string();
        if seen.iter().any(|(path, words)| *path == error.path && *words == text) {
            continue;
        }
        seen.push((&error.path, text));
        match fields.iter_mut().find(|(path, _)| *path == error.path) {
            Some((_, list)) => list.push(error),
            None => fields.push((&error.path, vec![error])),
        }
    }
    for (path, errors) in fields {
        let found = document.and_then(|document| Some((document, locate(document.text, path)?)));
        let title = if path.is_empty() { "the document as a whole" } else { path };
        let _ = writeln!(out, "\n{title}");
        for error in errors {
            let said = places.iter().find(|(known, _)| known == path).map(|(_, places)| places.as_slice());
            field(
                &mut out,
                error,
                said.unwrap_or_default(),
                document,
                found.as_ref().map(|(_, found)| found),
            );
        }
    }
    out.trim_end().to_owned()
}

fn field(
    out: &mut String,
    error: &CueError,
    said: &[Position],
    document: Option<Document<'_>>,
    found: Option<&Found<'_>>,
) {
    let payload = found.map(|found| cut(found.text));
    // CUE names the newcomer first, and either side may be that: what equals the document is the document's.
    let sides = [error.found(), error.expected()];
    let policy = match (&payload, sides) {
        (Some(payload), [Some(left), Some(right)]) if cut(right) == *payload => Some(cut(left)),
        (_, [_, Some(right)]) => Some(cut(right)),
        (_, [Some(left), None]) => Some(cut(left)),
        _ => None,
    };
    let named = document.map_or("", |document| document.name);
    let own = |position: &&Position| &*position.file != named;
    let places: Vec<String> = match error.positions.iter().any(|position| own(&position)) {
        true => error.positions.iter().filter(own).map(Position::to_string).collect(),
        false => said.iter().filter(own).map(Position::to_string).collect(),
    };
    let _ = writeln!(out, "  policy    {}{}", policy.as_deref().unwrap_or("-"), at(&places.join(", ")));
    if let Some(document) = document {
        let place = found.map(|found| format!("{}:{}:{}", document.name, found.line, found.column));
        let text = payload.as_deref().unwrap_or("absent");
        let place = place.unwrap_or_else(|| document.name.to_owned());
        let _ = writeln!(out, "  document  {text}{}", at(&place));
    }
    let _ = writeln!(out, "  because   {}", error.reason);
}

fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("   ({place})") }
}

/// One line of a value.
fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{} …", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// A value in a document.
#[derive(Debug, PartialEq, Eq)]
struct Found<'d> {
    text: &'d str,
    line: usize,
    column: usize,
}

/// The value at a path such as `a."b c".0`.
fn locate<'d>(text: &'d str, path: &str) -> Option<Found<'d>> {
    let mut at = skip_blank(text, 0);
    for step in steps(path) {
        at = inside(text, at, &step)?;
    }
    let end = skip_value(text, at, 0)?;
    let before = text.get(..at)?;
    Some(Found {
        text: text.get(at..end)?,
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().map_or(0, str::len) + 1,
    })
}

/// The labels of a path, without their quotes.
fn steps(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let length = match rest.starts_with('"') {
            true => skip_value(rest, 0, 0).unwrap_or(rest.len()),
            false => rest.find('.').unwrap_or(rest.len()),
        };
        let step = rest.get(..length).unwrap_or_default();
        out.push(serde_json::from_str::<String>(step).unwrap_or_else(|_| step.to_owned()));
        rest = rest.get(length..).unwrap_or_default().trim_start_matches('.');
    }
    out
}

/// Where a member or element of the value at `at` begins.
fn inside(text: &str, at: usize, step: &str) -> Option<usize> {
    let bracket = text.as_bytes().get(at)?;
    let mut at = skip_blank(text, at + 1);
    let mut index = 0usize;
    loop {
        match (bracket, text.as_bytes().get(at)?) {
            (_, b'}' | b']') => return None,
            (b'{', b'"') => {
                let end = skip_value(text, at, 0)?;
                let name: String = serde_json::from_str(text.get(at..end)?).ok()?;
                at = skip_blank(text, skip_blank(text, end) + 1);
                if name == step {
                    return Some(at);
                }
            }
            (b'[', _) => {
                if index.to_string() == step {
                    return Some(at);
                }
                index += 1;
            }
            _ => return None,
        }
        at = skip_blank(text, skip_value(text, at, 0)?);
        if text.as_bytes().get(at) == Some(&b',') {
            at = skip_blank(text, at + 1);
        }
    }
}

fn skip_blank(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + (rest.len() - rest.trim_start_matches([' ', '\n', '\r', '\t']).len())
}

/// Where a JSON value ends.
fn skip_value(text: &str, from: usize, depth: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = depth;
    let mut at = from;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at += 1;
                while *bytes.get(at)? != b'"' {
                    at += if *bytes.get(at)? == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                if depth > DEPTH {
                    return None;
                }
                continue;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if depth > 0 => {
                at += 1;
                continue;
            }
            _ => {
                let rest = text.get(at..)?;
                let length = rest.find([',', ':', '}', ']', ' ', '\n', '\r', '\t']).unwrap_or(rest.len());
                at += length.max(1);
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, locate};

    #[test]
    fn a_path_leads_to_its_line_and_column() {
        let text = "{\n  \"a\": [1, {\"b c\": \"x,}\"}],\n  \"d\": -2.5\n}\n";
        assert_eq!(locate(text, "a.1.\"b c\""), Some(Found { text: "\"x,}\"", line: 2, column: 20 }));
        assert_eq!(locate(text, "d"), Some(Found { text: "-2.5", line: 3, column: 8 }));
        assert_eq!(locate(text, "a.2"), None);
        assert_eq!(locate(text, "e"), None);
        assert_eq!(locate("{\"a\": [", "a"), None);
    }
}
