//! The statement `attest` signs: which predicate cosign makes of a file for each `--type` (cosign.md §4.2).

use provost_oci::{Digest, Repository};
use provost_statement::statement::STATEMENT_V01;
use provost_statement::{JsonError, Limits, go_json, json, predicate_type};
use serde_json::{Value, json};

/// Why a file is no predicate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PredicateError {
    /// The type is none of cosign's words and no URI.
    #[error("invalid predicate type: {0}")]
    Type(String),
    /// The file is no strict JSON.
    #[error("the predicate is not JSON: {0}")]
    Json(#[from] JsonError),
    /// The file is JSON, but no object.
    #[error("the predicate is no JSON object")]
    NotAnObject,
    /// A predicate for the custom type must be text.
    #[error("the predicate is not valid UTF-8")]
    NotText,
    /// A type whose predicate cosign rewrites in a way that is not built.
    #[error("attesting --type {0} is not supported yet: give the predicate's URI instead")]
    Unsupported(String),
}

/// The bytes of a Statement v0.1 about an image, as `attest` signs them.
///
/// `now` is RFC 3339 UTC, written into custom predicates only.
///
/// # Errors
/// See [`PredicateError`].
pub fn attestation_statement(
    word: &str,
    predicate: &[u8],
    repository: &Repository,
    digest: &Digest,
    now: &str,
) -> Result<Vec<u8>, PredicateError> {
    let uri = predicate_type::uri_of(word);
    let predicate = match word {
        "custom" => {
            let text = std::str::from_utf8(predicate).map_err(|_| PredicateError::NotText)?;
            json!({"Data": text, "Timestamp": now})
        }
        "link" | "vuln" | "spdx" => return Err(PredicateError::Unsupported(word.to_owned())),
        _ => {
            if uri == word && !is_uri(word) {
                return Err(PredicateError::Type(word.to_owned()));
            }
            let value = json::parse(predicate, Limits::STATEMENT)?;
            if !value.is_object() {
                return Err(PredicateError::NotAnObject);
            }
            go_json::through_doubles(&value)
        }
    };
    Ok(statement(uri, &predicate, &repository.to_string(), digest))
}

fn statement(uri: &str, predicate: &Value, name: &str, digest: &Digest) -> Vec<u8> {
    let name = go_json::plain(&name);
    let digest = go_json::plain(&json!({digest.algorithm().name(): digest.hex()}));
    [
        br#"{"_type":"#.as_slice(),
        &go_json::plain(&STATEMENT_V01),
        br#","predicateType":"#,
        &go_json::plain(&uri),
        br#","subject":[{"name":"#,
        &name,
        br#","digest":"#,
        &digest,
        br#"}],"predicate":"#,
        &go_json::plain(predicate),
        b"}",
    ]
    .concat()
}

/// What Go's `url.ParseRequestURI` takes: an absolute URI, or a path.
fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let absolute = scheme.is_some_and(|s| {
        s.starts_with(|c: char| c.is_ascii_alphabetic())
            && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    (absolute || text.starts_with('/')) && !text.contains(|c: char| c.is_control() || c == ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(word: &str, predicate: &str) -> Result<String, PredicateError> {
        let digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let repository = "reg.example/app".parse().unwrap();
        attestation_statement(word, predicate.as_bytes(), &repository, &digest, "2026-01-01T00:00:00Z")
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_statement_names_repository_and_digest() {
        let hex = "a".repeat(64);
        let expected = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.2","subject":[{{"name":"reg.example/app","digest":{{"sha256":"{hex}"}}}}],"predicate":{{"builder":{{"id":"b"}}}}}}"#
        );
        assert_eq!(made("slsaprovenance", r#"{"builder":{"id":"b"}}"#), Ok(expected));
    }

    #[test]
    fn custom_wraps_any_text() {
        let text = made("custom", "hi\n").unwrap();
        assert!(
            text.ends_with(r#""predicate":{"Data":"hi\n","Timestamp":"2026-01-01T00:00:00Z"}}"#),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_predicate_is_refused() {
        assert_eq!(made("bogus", "{}"), Err(PredicateError::Type("bogus".into())));
        assert_eq!(made("slsaprovenance", "[]"), Err(PredicateError::NotAnObject));
        assert!(matches!(made("slsaprovenance", r#"{"a":1,"a":2}"#), Err(PredicateError::Json(_))));
    }
}
