//! What a policy sees: the statement as cosign re-encodes it for each `--type` word.
//!
//! cosign decodes the verified payload into Go types and encodes it again, so that a policy sees neither the
//! signed bytes nor always the signed fields: `slsaprovenance` goes through a struct that drops what it does not
//! know and invents what is missing; other words keep the predicate and put every number through a double. The
//! result is text, since CUE reports the first conflict in the order of the fields.

mod shape;

use provost_statement::{Statement, go_json};
use serde_json::Value;

pub use shape::TypeMismatch;

/// Why a verified statement cannot be put before a policy: a field has another type than the struct cosign
/// decodes into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// cosign's words for that struct, with the bracket it leaves open in one of them.
    pub statement: &'static str,
    /// Which field, and what was there.
    pub mismatch: TypeMismatch,
}

/// The JSON a policy sees, and whether it says exactly what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInput {
    /// The statement, re-encoded.
    pub text: Vec<u8>,
    /// The signed statement with its numbers through doubles, where re-encoding dropped or invented something.
    pub signed: Option<Vec<u8>>,
}

/// Re-encodes a statement as cosign does for this `--type` word.
///
/// # Errors
/// See [`InputError`]; it ends the command, as cosign's does.
pub fn policy_input(word: &str, statement: &Statement) -> Result<PolicyInput, InputError> {
    let through = |name, shape| {
        shape::encode(shape, &statement.document).map_err(|mismatch| InputError { statement: name, mismatch })
    };
    let text = match word {
        "slsaprovenance" => through("ProvenanceStatementSLSA02)", &shape::SLSA_V02)?,
        "link" => through("LinkStatement", &shape::LINK)?,
        "vuln" => through("CosignVulnStatement", &shape::VULN)?,
        "spdx" | "spdxjson" | "cyclonedx" => header_and_predicate(statement),
        _ => protojson(statement),
    };
    let signed = go_json::plain(&go_json::through_doubles(&statement.document));
    // Equal as values means nothing was dropped or invented; the order of fields is not the policy's concern.
    let same = serde_json::from_slice::<Value>(&text).ok() == serde_json::from_slice::<Value>(&signed).ok();
    Ok(PolicyInput { text, signed: (!same).then_some(signed) })
}

/// protojson of the generic statement: `_type, subject, predicateType, predicate`, empty ones left out.
fn protojson(statement: &Statement) -> Vec<u8> {
    let document = go_json::through_doubles(&statement.document);
    ordered(&document, &["_type", "subject", "predicateType", "predicate"])
}

/// A statement header with bare subjects, and the predicate as it is.
fn header_and_predicate(statement: &Statement) -> Vec<u8> {
    let document = go_json::through_doubles(&statement.document);
    let mut out = shape::encode(&shape::HEADER, &document).unwrap_or_default();
    out.pop();
    out.extend_from_slice(br#","predicate":"#);
    out.extend_from_slice(&go_json::escaped(document.get("predicate").unwrap_or(&Value::Null)));
    out.push(b'}');
    out
}

fn ordered(document: &Value, names: &[&str]) -> Vec<u8> {
    let mut out = vec![b'{'];
    for name in names {
        let Some(value) = document.get(name) else { continue };
        let empty = match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if empty {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(&go_json::plain(name));
        out.push(b':');
        out.extend_from_slice(&go_json::plain(value));
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests;
