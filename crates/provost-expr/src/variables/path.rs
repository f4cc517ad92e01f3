//! Paths into a document: how they are written, and what `{{ @ }}` means at one.

use std::fmt;

/// A place in a document, which becomes a path only where somebody reads it.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// The document itself.
    Root,
    /// An item of a list.
    Item(&'a Self, usize),
    /// A field of an object.
    Field(&'a Self, &'a str),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Item(above, index) => write!(f, "{above}/{index}"),
            Self::Field(above, key) => write!(f, "{above}/{}", key.replace('/', "\\/")),
        }
    }
}

/// The parts of a path; `\/` inside a part is a slash of its own.
pub(super) fn parts(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut current = String::new();
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => current.extend(chars.next()),
            '/' => {
                if !current.is_empty() {
                    parts.push(std::mem::take(&mut current));
                }
            }
            other => current.push(other),
        }
    }
    if !current.is_empty() {
        parts.push(current);
    }
    parts
}

/// The expression for the resource's value at this place of a rule: past `foreach` and two parts such as
/// `validate/pattern`, below the root.
pub(super) fn current(path: &str, root: &[&str]) -> String {
    let parts = parts(path);
    let past = parts.iter().position(|part| part == "foreach").map_or(0, |at| at + 1);
    let below = parts.get(past..).unwrap_or_default();
    let below = if below.len() > 2 { below.get(2..).unwrap_or_default() } else { &[] };
    let mut out = String::new();
    for part in root.iter().copied().chain(below.iter().map(String::as_str)) {
        if part.parse::<u64>().is_ok() {
            out.push_str(&format!("[{part}]"));
            continue;
        }
        if !out.is_empty() {
            out.push('.');
        }
        let plain = part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain {
            out.push_str(part);
        } else {
            out.push_str(&serde_json::Value::from(part).to_string());
        }
    }
    out
}
