//! `{{ expression }}` and `$(path)` inside policy text: found, resolved and put in, value by value.
//!
//! Text that came from outside the policy is put in as text: braces in it open nothing, and inside an outer
//! expression it stays within the quotes it was put between (security.md 5).

mod marked;
mod path;
mod reference;

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::context::{Lookup, Origin};
use crate::environment::Environment;
use crate::go_text;
use crate::jmespath::{Expression, Found, JmesError};
use crate::origins::Origins;
pub use marked::ForeignFault;
use marked::Marked;
use path::Place;
pub use reference::ReferenceFault;

/// How deep a document may be nested: what the JSON reader lets in (128), and room for what expressions add.
pub const MAX_DOCUMENT_DEPTH: usize = 256;
/// How often the variables of one text are resolved anew: one round for each level of nesting.
pub const MAX_ROUNDS: usize = 64;
/// The longest text that substitution makes: 8 MiB, as for functions.
pub const MAX_TEXT: usize = crate::jmespath::MAX_TEXT;

/// Why a variable has no value.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum QueryError {
    /// Nothing stands between the braces.
    #[error("invalid query (nil)")]
    Empty,
    /// What stands there is no expression.
    #[error("incorrect query {query}: {error}")]
    Incorrect {
        /// The expression.
        query: String,
        /// What is wrong with it.
        error: Box<JmesError>,
    },
    /// The context could not be loaded.
    #[error("{0}")]
    Context(crate::context::LookupError),
    /// The expression has no value.
    #[error("JMESPath query failed: {0}")]
    Failed(Box<JmesError>),
    /// Text from outside the policy stands where it would become part of the expression.
    #[error(transparent)]
    Foreign(#[from] ForeignFault),
}

/// Why a document's variables cannot be substituted; the texts are Kyverno's.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SubstituteError {
    /// A variable has no value.
    #[error("failed to resolve {variable} at path {path}: {cause}")]
    Variable {
        /// The expression between the braces.
        variable: String,
        /// Where in the document, `/`-separated.
        path: String,
        /// Why.
        cause: Box<QueryError>,
    },
    /// A `$(…)` has no value.
    #[error("{0}")]
    Reference(#[from] ReferenceFault),
    /// A key became something else than a text.
    #[error("expected string after substituting variables in key \"{0}\"")]
    KeyNotText(String),
    /// The document is nested deeper than [`MAX_DOCUMENT_DEPTH`].
    #[error("document is nested deeper than {MAX_DOCUMENT_DEPTH} levels at path {0}")]
    TooDeep(String),
    /// Variables at this path keep producing variables.
    #[error("variables at path {0} are still not resolved after {MAX_ROUNDS} rounds")]
    TooManyRounds(String),
    /// The text at this path grew beyond [`MAX_TEXT`].
    #[error("text at path {0} grows beyond {MAX_TEXT} bytes")]
    TooLong(String),
}

impl SubstituteError {
    /// Whether the reason is a key that does not exist.
    #[must_use]
    pub fn is_unknown_key(&self) -> bool {
        let Self::Variable { cause, .. } = self else { return false };
        matches!(cause.as_ref(), QueryError::Failed(error) if error.is_unknown_key())
    }
}

/// Resolves one expression, trimmed, as Kyverno's context does.
///
/// # Errors
/// As [`QueryError`] says.
pub fn query(text: &str, lookup: &dyn Lookup, environment: &Environment<'_>) -> Result<Found, QueryError> {
    query_spending(text, lookup, environment, &Cell::new(0))
}

fn query_spending(
    text: &str,
    lookup: &dyn Lookup,
    environment: &Environment<'_>,
    spent: &Cell<usize>,
) -> Result<Found, QueryError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(QueryError::Empty);
    }
    let expression = Expression::parse(text)
        .map_err(|error| QueryError::Incorrect { query: go_text::shorten(text), error: Box::new(error) })?;
    expression.find_spending(lookup, environment, spent).map_err(|error| match error {
        JmesError::Context(error) => QueryError::Context(error),
        other => QueryError::Failed(Box::new(other)),
    })
}

/// Whether a text holds a variable.
#[must_use]
pub fn has_variables(text: &str) -> bool {
    !Marked::policy(text).variables().is_empty()
}

/// Substitutes all references, then all variables, in every text and key of a document.
///
/// # Errors
/// For the first variable without a value, in the order of sorted keys.
pub fn substitute(
    document: &Value,
    lookup: &dyn Lookup,
    environment: &Environment<'_>,
) -> Result<Value, SubstituteError> {
    substitute_with_origins(document, lookup, environment).map(|(value, _)| value)
}

/// The same, with who wrote which part of what came out.
///
/// # Errors
/// As [`substitute`].
pub fn substitute_with_origins(
    document: &Value,
    lookup: &dyn Lookup,
    environment: &Environment<'_>,
) -> Result<(Value, Origins), SubstituteError> {
    let resolved = reference::resolve(document)?;
    Substitution { lookup, environment, spent: Cell::new(0) }.value(&resolved, Place::Root, 0)
}

/// Substitutes the variables of one text; a text that is one variable becomes that variable's value.
///
/// # Errors
/// As [`substitute`].
pub fn substitute_text(
    text: &str,
    lookup: &dyn Lookup,
    environment: &Environment<'_>,
) -> Result<Value, SubstituteError> {
    substitute(&Value::String(text.to_owned()), lookup, environment)
}

/// The object of a request, as expressions name it.
const NEW_OBJECT: &str = "request.object";

/// Where a resource is deleted there is no new object, and Kyverno reads the old one in its place.
fn is_delete(lookup: &dyn Lookup) -> bool {
    let request = lookup.root("request").ok().flatten();
    request.and_then(|found| found.value.get("operation")).and_then(Value::as_str) == Some("DELETE")
}

struct Substitution<'a> {
    lookup: &'a dyn Lookup,
    environment: &'a Environment<'a>,
    /// What the expressions of this document have done so far.
    spent: Cell<usize>,
}

impl Substitution<'_> {
    fn value(&self, value: &Value, at: Place<'_>, depth: usize) -> Result<(Value, Origins), SubstituteError> {
        if depth > MAX_DOCUMENT_DEPTH {
            return Err(SubstituteError::TooDeep(at.to_string()));
        }
        match value {
            Value::String(text) => {
                let (found, origins) = self.text(text, at)?;
                match found {
                    // What the policy itself says may hold variables in turn.
                    Found { value: value @ (Value::Array(_) | Value::Object(_)), origin: Origin::Policy } => {
                        self.value(&value, at, depth + 1)
                    }
                    Found { value, .. } => Ok((value, origins)),
                }
            }
            Value::Array(items) => {
                let mut made = Vec::with_capacity(items.len());
                let mut by = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let (item, origins) = self.value(item, Place::Item(&at, index), depth + 1)?;
                    made.push(item);
                    by.push(origins);
                }
                let ours = by.iter().all(|origins| *origins == Origins::Ours);
                Ok((Value::Array(made), if ours { Origins::Ours } else { Origins::List(by) }))
            }
            Value::Object(map) => {
                let mut made = Map::new();
                let mut by = BTreeMap::new();
                for (key, item) in map {
                    let new_key = match self.text(key, at)?.0.value {
                        Value::String(text) => text,
                        Value::Null => key.clone(),
                        _ => return Err(SubstituteError::KeyNotText(key.clone())),
                    };
                    let (item, origins) = self.value(item, Place::Field(&at, key), depth + 1)?;
                    if origins == Origins::Ours {
                        by.remove(&new_key);
                    } else {
                        by.insert(new_key.clone(), origins);
                    }
                    made.insert(new_key, item);
                }
                Ok((Value::Object(made), if by.is_empty() { Origins::Ours } else { Origins::Fields(by) }))
            }
            other => Ok((other.clone(), Origins::Ours)),
        }
    }

    fn text(&self, text: &str, at: Place<'_>) -> Result<(Found, Origins), SubstituteError> {
        let plain = |marked: &Marked| {
            let value = Value::String(marked.text().to_owned());
            (Found { value, origin: Origin::Policy }, marked.origins())
        };
        if !text.contains("{{") {
            let value = Value::String(text.to_owned());
            return Ok((Found { value, origin: Origin::Policy }, Origins::Ours));
        }
        let mut marked = Marked::policy(text);
        for _ in 0..MAX_ROUNDS {
            let variables = marked.variables();
            if variables.is_empty() {
                return Ok(plain(&marked.unescaped()));
            }
            let mut next = Marked::default();
            let mut copied = 0;
            let mut last_was_shallow = false;
            for span in variables {
                let whole = span.start == 0 && span.end == marked.len();
                let variable = marked.variable(span.clone());
                let (found, shallow) = self.resolve(&variable, at)?;
                if whole {
                    let foreign = found.origin == Origin::Foreign;
                    return Ok((found, if foreign { Origins::Foreign } else { Origins::Ours }));
                }
                last_was_shallow = shallow;
                next.append(&marked, copied..span.start);
                copied = span.end;
                // What was asked for shallowly is not expanded again, whoever wrote it.
                let origin = if shallow { found.origin.max(Origin::Cluster) } else { found.origin };
                match &found.value {
                    Value::String(text) => next.push(text, origin),
                    other => next.push(&go_text::to_json(other), origin),
                }
                if next.len() > MAX_TEXT {
                    return Err(SubstituteError::TooLong(at.to_string()));
                }
            }
            next.append(&marked, copied..marked.len());
            if last_was_shallow {
                return Ok(plain(&next.unescaped()));
            }
            marked = next;
        }
        Err(SubstituteError::TooManyRounds(at.to_string()))
    }

    /// The value of what stands between one pair of braces, and whether it was written `{{- … }}`.
    fn resolve(&self, variable: &Marked, at: Place<'_>) -> Result<(Found, bool), SubstituteError> {
        let mut trimmed = variable.trimmed();
        let shallow = trimmed.strip_dash();
        if shallow {
            trimmed = trimmed.trimmed();
        }
        let origin = trimmed.origin();
        let fail = |variable: String, cause: QueryError| SubstituteError::Variable {
            variable: go_text::shorten(&variable),
            path: at.to_string(),
            cause: Box::new(cause),
        };
        let mut text = trimmed.expression().map_err(|fault| fail(trimmed.text().to_owned(), fault.into()))?;
        if text == "@" {
            let target = query("target", self.lookup, self.environment).is_ok();
            text = path::current(&at.to_string(), if target { &["target"] } else { &["request", "object"] });
        }
        if text.contains(NEW_OBJECT) && is_delete(self.lookup) {
            text = text.replace(NEW_OBJECT, "request.oldObject");
        }
        let mut found = query_spending(&text, self.lookup, self.environment, &self.spent)
            .map_err(|cause| fail(text.clone(), cause))?;
        found.origin = found.origin.max(origin);
        Ok((found, shallow))
    }
}

#[cfg(test)]
mod tests;
