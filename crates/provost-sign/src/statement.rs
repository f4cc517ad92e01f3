//! The statement `attest` signs: which predicate cosign makes of a file for each `--type` (cosign.md §4.2).

use provost_statement::statement::STATEMENT_V01;
use provost_statement::{JsonError, Limits, go_json, json, predicate_type};
use serde_json::{Map, Value, json};

mod shape;

/// The fields a link must have, in the order in which a missing one is named.
const LINK: [&str; 7] = ["_type", "name", "materials", "products", "byproducts", "command", "environment"];
/// The time that a vulnerability scan without one gets: Go's zero.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

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
    /// A field has another form than the type's schema gives it.
    #[error("unmarshal Provenance predicate: invalid value for field {0}")]
    Field(String),
    /// A link lacks a field.
    #[error("link statement: required field {0} missing")]
    Missing(&'static str),
}

/// The bytes of a Statement v0.1 about a subject, as `attest` and `attest-blob` sign them.
///
/// `name` is the image's repository or the blob's file name, `sha256` its digest's digits, `now` is RFC 3339 UTC,
/// written into custom predicates only. Fields stand in the order of in-toto's protobuf message.
///
/// # Errors
/// See [`PredicateError`].
pub fn attestation_statement(
    word: &str,
    predicate: &[u8],
    name: &str,
    sha256: &str,
    now: &str,
) -> Result<Vec<u8>, PredicateError> {
    let uri = predicate_uri(word)?;
    let subject = go_json::plain(&Subject { name, digest: json!({"sha256": sha256}) });
    if word == "spdx" {
        // A text that is no JSON object is no protobuf message, so cosign writes this one as a sorted map.
        let text = std::str::from_utf8(predicate).map_err(|_| PredicateError::NotText)?;
        let parts = [
            br#"{"_type":"#.as_slice(),
            &go_json::escaped(&STATEMENT_V01),
            br#","predicate":"#,
            &go_json::escaped(&text),
            br#","predicateType":"#,
            &go_json::escaped(&uri),
            br#","subject":["#,
            &go_json::escaped(&Subject { name, digest: json!({"sha256": sha256}) }),
            b"]}",
        ];
        return Ok(parts.concat());
    }
    let predicate = made(word, uri, predicate, now)?;
    let parts = [
        br#"{"_type":"#.as_slice(),
        &go_json::plain(&STATEMENT_V01),
        br#","subject":["#,
        &subject,
        br#"],"predicateType":"#,
        &go_json::plain(&uri),
        br#","predicate":"#,
        &go_json::plain(&go_json::through_doubles(&predicate)),
        b"}",
    ];
    Ok(parts.concat())
}

/// The statement that `sign` signs for a bundle: cosign's own predicate type, no predicate, and the annotations at the
/// subject.
#[must_use]
pub fn signing_statement(algorithm: &str, hex: &str, annotations: &Map<String, Value>) -> Vec<u8> {
    let digest = go_json::plain(&json!({algorithm: hex}));
    // An annotation list that is empty is still a message, and messages are written.
    let annotations = go_json::plain(annotations);
    [
        br#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":"#.as_slice(),
        &digest,
        br#","annotations":"#,
        &annotations,
        br#"}],"predicateType":""#,
        SIGN_PREDICATE.as_bytes(),
        br#"","predicate":{}}"#,
    ]
    .concat()
}

/// The predicate type of an image signature that is stored as a bundle.
pub const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The URI a `--type` word stands for.
///
/// # Errors
/// When it is none of cosign's words and no URI.
pub fn predicate_uri(word: &str) -> Result<&str, PredicateError> {
    let uri = predicate_type::uri_of(word);
    if uri == word && !is_uri(word) {
        return Err(PredicateError::Type(word.to_owned()));
    }
    Ok(uri)
}

#[derive(serde::Serialize)]
struct Subject<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    digest: Value,
}

/// The predicate cosign makes of a file.
fn made(word: &str, uri: &str, predicate: &[u8], now: &str) -> Result<Value, PredicateError> {
    if word != "slsaprovenance1" && uri == predicate_type::CUSTOM {
        let text = std::str::from_utf8(predicate).map_err(|_| PredicateError::NotText)?;
        return Ok(json!({"Data": text, "Timestamp": now}));
    }
    let Value::Object(mut given) = json::parse(predicate, Limits::STATEMENT)? else {
        return Err(PredicateError::NotAnObject);
    };
    match word {
        "slsaprovenance" | "slsaprovenance02" => {
            shape::message(shape::SLSA_V02, &given, "").map_err(PredicateError::Field)
        }
        "slsaprovenance1" => {
            rename_invocation(&mut given);
            shape::message(shape::SLSA_V1, &given, "").map_err(PredicateError::Field)
        }
        "link" => link(&given),
        "vuln" => vulnerability_scan(&given),
        _ => Ok(Value::Object(given)),
    }
}

/// The older spelling `invocationID`, which cosign still takes.
fn rename_invocation(given: &mut Map<String, Value>) {
    let metadata = given.get_mut("runDetails").and_then(|details| details.get_mut("metadata"));
    if let Some(metadata) = metadata.and_then(Value::as_object_mut)
        && let Some(value) = metadata.remove("invocationID")
    {
        metadata.insert("invocationId".to_owned(), value);
    }
}

fn link(given: &Map<String, Value>) -> Result<Value, PredicateError> {
    if let Some(missing) = LINK.into_iter().find(|field| !given.contains_key(*field)) {
        return Err(PredicateError::Missing(missing));
    }
    let mut kept = Map::new();
    for (at, field) in LINK.into_iter().enumerate() {
        let value = given.get(field).cloned().unwrap_or_default();
        let fits = match at {
            0 | 1 => value.is_string() || value.is_null(),
            5 => value.is_null() || value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
            _ => value.is_null() || value.is_object(),
        };
        if !fits {
            return Err(PredicateError::Field(field.to_owned()));
        }
        let value = if at < 2 && value.is_null() { json!("") } else { value };
        kept.insert(field.to_owned(), value);
    }
    Ok(Value::Object(kept))
}

/// A scan with all fields cosign knows, empty where the file has none.
fn vulnerability_scan(given: &Map<String, Value>) -> Result<Value, PredicateError> {
    let empty = Map::new();
    let section = |parent: &Map<String, Value>, name: &str| match parent.get(name) {
        None | Some(Value::Null) => Ok(empty.clone()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => Err(PredicateError::Field(name.to_owned())),
    };
    let text = |parent: &Map<String, Value>, name: &str| match parent.get(name) {
        None | Some(Value::Null) => Ok(json!("")),
        Some(text @ Value::String(_)) => Ok(text.clone()),
        Some(_) => Err(PredicateError::Field(name.to_owned())),
    };
    let time = |parent: &Map<String, Value>, name: &str| match parent.get(name) {
        None | Some(Value::Null) => Ok(json!(ZERO_TIME)),
        Some(Value::String(text)) if text.parse::<jiff::Timestamp>().is_ok() => Ok(json!(go_time(text))),
        Some(_) => Err(PredicateError::Field(name.to_owned())),
    };
    let any = |parent: &Map<String, Value>, name: &str| parent.get(name).cloned().unwrap_or_default();
    let (invocation, scanner) = (section(given, "invocation")?, section(given, "scanner")?);
    let (metadata, database) = (section(given, "metadata")?, section(&scanner, "db")?);
    Ok(json!({
        "invocation": {
            "parameters": any(&invocation, "parameters"),
            "uri": text(&invocation, "uri")?,
            "event_id": text(&invocation, "event_id")?,
            "builder.id": text(&invocation, "builder.id")?,
        },
        "scanner": {
            "uri": text(&scanner, "uri")?,
            "version": text(&scanner, "version")?,
            "db": {"uri": text(&database, "uri")?, "version": text(&database, "version")?},
            "result": any(&scanner, "result"),
        },
        "metadata": {
            "scanStartedOn": time(&metadata, "scanStartedOn")?,
            "scanFinishedOn": time(&metadata, "scanFinishedOn")?,
        },
    }))
}

/// A time as Go writes it back: the zeros at the end of a fraction are dropped, the offset stays.
fn go_time(text: &str) -> String {
    let Some((whole, rest)) = text.split_once('.') else { return text.to_owned() };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, zone) = rest.split_at_checked(digits).unwrap_or_default();
    match fraction.trim_end_matches('0') {
        "" => format!("{whole}{zone}"),
        fraction => format!("{whole}.{fraction}{zone}"),
    }
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
mod tests;
