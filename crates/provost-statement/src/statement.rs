//! in-toto statements: a predicate about subjects, read from the bytes that were signed.

use std::collections::BTreeMap;

use provost_oci::Digest;
use serde_json::Value;

use crate::json::{self, JsonError, Limits};

/// `_type` of a v0.1 statement.
pub const STATEMENT_V01: &str = "https://in-toto.io/Statement/v0.1";
/// `_type` of a v1 statement.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";
/// The most subjects of one statement, sigstore-go's limit.
pub const MAX_SUBJECTS: usize = 1024;
/// The most digests of one subject, sigstore-go's limit.
pub const MAX_DIGESTS: usize = 32;

/// A statement: the signed bytes, and what they say.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The bytes that were signed, untouched.
    pub bytes: Vec<u8>,
    /// The whole document as it was read.
    pub document: Value,
    /// What kind of predicate: the signed one, never the annotation's.
    pub predicate_type: String,
    /// What the statement is about.
    pub subjects: Vec<Subject>,
}

/// One thing a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name; never compared, since registries are reached under many names.
    pub name: String,
    /// Its digests, algorithm to lower- or upper-case hexadecimal as written.
    pub digests: BTreeMap<String, String>,
}

/// Why a signed payload is no statement we accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// The payload is no strict JSON.
    #[error("the statement is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// The payload is JSON, but no object.
    #[error("the statement is no JSON object")]
    NotAnObject,
    /// `_type` is not in-toto's.
    #[error("the statement's _type is {0:?}, expected {STATEMENT_V01} or {STATEMENT_V1}")]
    WrongType(String),
    /// A field has the wrong type.
    #[error("the statement's {field} is {found}, expected {expected}")]
    Field {
        /// The field, dotted.
        field: &'static str,
        /// The JSON kind found.
        found: &'static str,
        /// The JSON kind expected.
        expected: &'static str,
    },
    /// The predicate is no object; cosign itself makes such statements of SPDX texts, and never verifies them.
    #[error("the statement's predicate is {found}, expected an object")]
    PredicateForm {
        /// The JSON kind found.
        found: &'static str,
        /// The type of predicate it would be.
        predicate_type: String,
    },
    /// A field at the top or in a subject that statements do not have.
    #[error("the statement has an unknown field {0:?}")]
    UnknownField(String),
    /// More subjects or digests than are looked at.
    #[error("the statement has {found} {what}, at most {limit} are allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
}

impl Statement {
    /// Reads a payload whose signature has been verified.
    ///
    /// Strict where readers differ: exactly the two `_type`s of in-toto, names case-sensitive, no unknown
    /// fields at the top or in subjects (cosign's protojson refuses those too).
    ///
    /// # Errors
    /// See [`StatementError`]; each of them fails the image, since a trusted key signed this.
    pub fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        let document = json::parse(payload, Limits::STATEMENT)?;
        let Value::Object(fields) = &document else { return Err(StatementError::NotAnObject) };
        const TOP: [&str; 4] = ["_type", "subject", "predicateType", "predicate"];
        if let Some(odd) = fields.keys().find(|key| !TOP.contains(&key.as_str())) {
            return Err(StatementError::UnknownField(odd.clone()));
        }
        let kind = text(fields.get("_type"), "_type")?;
        if kind != STATEMENT_V01 && kind != STATEMENT_V1 {
            return Err(StatementError::WrongType(kind.to_owned()));
        }
        let predicate_type = text(fields.get("predicateType"), "predicateType")?.to_owned();
        match fields.get("predicate") {
            None | Some(Value::Null | Value::Object(_)) => {}
            Some(other) => {
                return Err(StatementError::PredicateForm { found: kind_of(other), predicate_type });
            }
        }
        let subjects = match fields.get("subject") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) if list.len() > MAX_SUBJECTS => {
                return Err(StatementError::TooMany {
                    what: "subjects",
                    found: list.len(),
                    limit: MAX_SUBJECTS,
                });
            }
            Some(Value::Array(list)) => list.iter().map(subject).collect::<Result<_, _>>()?,
            Some(other) => {
                return Err(StatementError::Field {
                    field: "subject",
                    found: kind_of(other),
                    expected: "list",
                });
            }
        };
        Ok(Self { bytes: payload.to_vec(), predicate_type, subjects, document })
    }

    /// The predicate; null where the statement has none.
    #[must_use]
    pub fn predicate(&self) -> &Value {
        self.document.get("predicate").unwrap_or(&Value::Null)
    }

    /// Whether some subject has this digest, byte for byte.
    #[must_use]
    pub fn is_about(&self, digest: &Digest) -> bool {
        let name = digest.algorithm().name();
        self.subjects.iter().any(|subject| subject.digests.get(name).is_some_and(|hex| hex == digest.hex()))
    }
}

fn subject(value: &Value) -> Result<Subject, StatementError> {
    let Value::Object(fields) = value else {
        return Err(StatementError::Field { field: "subject[]", found: kind_of(value), expected: "object" });
    };
    const RESOURCE: [&str; 7] =
        ["name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"];
    if let Some(odd) = fields.keys().find(|key| !RESOURCE.contains(&key.as_str())) {
        return Err(StatementError::UnknownField(format!("subject[].{odd}")));
    }
    let mut digests = BTreeMap::new();
    match fields.get("digest") {
        None | Some(Value::Null) => {}
        Some(Value::Object(map)) if map.len() > MAX_DIGESTS => {
            return Err(StatementError::TooMany {
                what: "digests in a subject",
                found: map.len(),
                limit: MAX_DIGESTS,
            });
        }
        Some(Value::Object(map)) => {
            for (algorithm, hex) in map {
                digests.insert(algorithm.clone(), text(Some(hex), "subject[].digest")?.to_owned());
            }
        }
        Some(other) => {
            return Err(StatementError::Field {
                field: "subject[].digest",
                found: kind_of(other),
                expected: "object",
            });
        }
    }
    let name = text(fields.get("name"), "subject[].name")?.to_owned();
    Ok(Subject { name, digests })
}

fn text<'a>(value: Option<&'a Value>, field: &'static str) -> Result<&'a str, StatementError> {
    match value {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(StatementError::Field { field, found: kind_of(other), expected: "string" }),
    }
}

/// The JSON kind of a value, in JSON's words.
#[must_use]
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests;
