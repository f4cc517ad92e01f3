//! `$(path)` inside policy text: another text of the same document.

use std::borrow::Cow;

use serde_json::{Map, Value};
use thiserror::Error;

use super::path::Place;
use super::{MAX_DOCUMENT_DEPTH, MAX_TEXT, SubstituteError};
use crate::pattern::{self, Sign};

/// Why a reference has no text; the texts are Kyverno's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReferenceFault {
    /// Nothing stands between the parentheses.
    #[error("failed to resolve {reference} at path {path}: expected path, found empty reference")]
    Empty {
        /// The reference.
        reference: String,
        /// Where it stands.
        path: String,
    },
    /// The path leads to no text, number or boolean.
    #[error("got nil resolved variable {reference} at path {path}: <nil>")]
    Nothing {
        /// The reference.
        reference: String,
        /// Where it stands.
        path: String,
    },
    /// The path leads to something else than a text.
    #[error("NotResolvedReferenceErr,reference {reference} not resolved at path {path}")]
    NotText {
        /// The reference.
        reference: String,
        /// Where it stands.
        path: String,
    },
}

/// Replaces all references in a document; one without any stays as it is.
///
/// # Errors
/// For the first reference without a text.
pub(super) fn resolve(document: &Value) -> Result<Cow<'_, Value>, SubstituteError> {
    match refers(document, 0) {
        true => walk(document, document, Place::Root, 0).map(Cow::Owned),
        false => Ok(Cow::Borrowed(document)),
    }
}

/// Whether there may be a reference: what is nested too deep is left to the walk, which says so.
fn refers(value: &Value, depth: usize) -> bool {
    depth > MAX_DOCUMENT_DEPTH
        || match value {
            Value::String(text) => text.contains("$("),
            Value::Array(items) => items.iter().any(|item| refers(item, depth + 1)),
            Value::Object(map) => map.iter().any(|(key, item)| key.contains("$(") || refers(item, depth + 1)),
            _ => false,
        }
}

fn walk(document: &Value, value: &Value, at: Place<'_>, depth: usize) -> Result<Value, SubstituteError> {
    if depth > MAX_DOCUMENT_DEPTH {
        return Err(SubstituteError::TooDeep(at.to_string()));
    }
    Ok(match value {
        Value::String(text) => Value::String(replace(document, text, &at.to_string())?),
        Value::Array(items) => {
            let mut made = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                made.push(walk(document, item, Place::Item(&at, index), depth + 1)?);
            }
            Value::Array(made)
        }
        Value::Object(map) => {
            let mut made = Map::new();
            for (key, item) in map {
                let below = Place::Field(&at, key);
                made.insert(
                    replace(document, key, &at.to_string())?,
                    walk(document, item, below, depth + 1)?,
                );
            }
            Value::Object(made)
        }
        other => other.clone(),
    })
}

/// The end of the reference that opens at `open`: the last `)` before the next blank.
fn close(text: &str, open: usize) -> Option<usize> {
    let inside = text.get(open + 2..)?;
    let first = inside.chars().next().filter(|c| *c != '\n')?;
    let run = inside.get(first.len_utf8()..)?;
    let run = run.get(..run.find(' ').unwrap_or(run.len()))?;
    run.rfind(')').map(|at| open + 2 + first.len_utf8() + at + 1)
}

fn replace(document: &Value, text: &str, path: &str) -> Result<String, SubstituteError> {
    if !text.contains("$(") {
        return Ok(text.to_owned());
    }
    let mut out = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(open) = text.get(from..).and_then(|rest| rest.find("$(")).map(|at| at + from) {
        let before = text.get(..open).unwrap_or_default();
        let escaped = before.ends_with('\\');
        let preceded = open == 0 || open > copied;
        let Some(end) = close(text, open) else {
            // No `)` before the next blank, so none for any opening before it but one that stands right at it.
            let blank = text.get(open + 2..).and_then(|rest| rest.find(' '));
            let Some(blank) = blank.map(|at| at + open + 2) else { break };
            from = blank.saturating_sub(2).max(open + 2);
            continue;
        };
        if escaped || !preceded {
            // The backslash before `$(` has done its work.
            let kept = if escaped { open - 1 } else { open };
            out.push_str(text.get(copied..kept).unwrap_or_default());
            out.push_str("$(");
            copied = open + 2;
            from = copied;
            continue;
        }
        out.push_str(text.get(copied..open).unwrap_or_default());
        out.push_str(&target(document, text.get(open..end).unwrap_or_default(), path)?);
        if out.len() > MAX_TEXT {
            return Err(SubstituteError::TooLong(path.to_owned()));
        }
        copied = end;
        from = end;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Ok(out)
}

/// The text a reference stands for; a comparison sign before the path stays before the text.
fn target(document: &Value, reference: &str, path: &str) -> Result<String, ReferenceFault> {
    let place = || (reference.to_owned(), path.to_owned());
    let inner = reference.trim_matches(['$', '(', ')']);
    let sign = match pattern::sign(inner) {
        Sign::MoreEqual => ">=",
        Sign::LessEqual => "<=",
        Sign::More => ">",
        Sign::Less => "<",
        Sign::NotEqual => "!",
        Sign::Equal | Sign::InRange | Sign::NotInRange => "",
    };
    let wanted = inner.get(sign.len()..).unwrap_or_default();
    if wanted.is_empty() {
        let (reference, path) = place();
        return Err(ReferenceFault::Empty { reference, path });
    }
    let mut steps: Vec<String> = if wanted.starts_with('/') { Vec::new() } else { super::path::parts(path) };
    for step in super::path::parts(wanted) {
        match step.as_str() {
            "." => {}
            ".." => {
                steps.pop();
            }
            _ => steps.push(step),
        }
    }
    // The document as a whole has no path.
    let mut value = if steps.is_empty() { None } else { Some(document) };
    for step in &steps {
        value = value.and_then(|value| match value {
            Value::Array(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            Value::Object(map) => map.iter().find(|(key, _)| without_anchor(key) == step).map(|(_, v)| v),
            _ => None,
        });
    }
    let (reference, path) = place();
    match value {
        None | Some(Value::Null | Value::Array(_) | Value::Object(_)) => {
            Err(ReferenceFault::Nothing { reference, path })
        }
        Some(Value::String(text)) => Ok(format!("{sign}{text}")),
        Some(Value::Number(n)) if !sign.is_empty() => {
            Ok(format!("{sign}{:.6}", n.as_f64().unwrap_or_default()))
        }
        Some(_) => Err(ReferenceFault::NotText { reference, path }),
    }
}

/// A key without an anchor: `=(name)` is `name`.
fn without_anchor(key: &str) -> &str {
    let bare = key.strip_prefix(['+', '<', '=', 'X', '^']).unwrap_or(key);
    bare.strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .filter(|name| !name.is_empty())
        .unwrap_or(key)
}
