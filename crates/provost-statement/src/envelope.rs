//! DSSE envelopes: the payload, its type, and the signatures over both.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE};
use serde::Serialize;
use serde_json::Value;

use crate::json::{self, JsonError, Limits};

/// The payload type of in-toto statements.
pub const IN_TOTO_PAYLOAD: &str = "application/vnd.in-toto+json";

/// The most signatures of one envelope that are looked at: an honest one has one or two, and each costs a
/// verification (70 µs for P-256, so 64 cost under 5 ms).
pub const MAX_SIGNATURES: usize = 64;

/// An envelope as it was read: the payload's bytes are exactly those the signatures cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What kind of payload; covered by the signatures.
    pub payload_type: String,
    /// The payload, decoded.
    pub payload: Vec<u8>,
    /// The signatures in the order they stand.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// A hint at the key; unsigned.
    pub keyid: String,
    /// The signature, decoded; `None` where it is no base64.
    pub signature: Option<Vec<u8>>,
}

/// Why bytes are no envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The bytes are no strict JSON.
    #[error("the envelope is not JSON: {0}")]
    Json(#[from] JsonError),
    /// A field has the wrong type.
    #[error("the envelope's {field} is no {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The payload is no base64, neither standard nor URL-safe.
    #[error("the envelope's payload is not base64")]
    Payload,
    /// More signatures than are looked at.
    #[error("the envelope has {0} signatures, at most {MAX_SIGNATURES} are allowed")]
    TooManySignatures(usize),
}

impl Envelope {
    /// Reads an envelope.
    ///
    /// Unknown fields are ignored, names are case-sensitive. A payload that is no base64 is an error; a
    /// signature that is none simply never verifies.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let value = json::parse(bytes, Limits::ENVELOPE)?;
        let Value::Object(fields) = value else {
            return Err(EnvelopeError::Field { field: "document", expected: "object" });
        };
        let text = |field: &'static str| match fields.get(field) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(EnvelopeError::Field { field, expected: "string" }),
        };
        let payload_type = text("payloadType")?.to_owned();
        let signatures = match fields.get("signatures") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) if list.len() > MAX_SIGNATURES => {
                return Err(EnvelopeError::TooManySignatures(list.len()));
            }
            Some(Value::Array(list)) => list.iter().map(signature).collect::<Result<_, _>>()?,
            Some(_) => return Err(EnvelopeError::Field { field: "signatures", expected: "list" }),
        };
        let payload = decode(text("payload")?).ok_or(EnvelopeError::Payload)?;
        Ok(Self { payload_type, payload, signatures })
    }

    /// What each signature covers.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        pre_authentication_encoding(&self.payload_type, &self.payload)
    }

    /// The envelope as cosign writes it: `payload`, `payloadType`, `signatures`, without blanks; `keyid` only
    /// where it is not empty.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let wire = Wire {
            payload_type: None,
            payload: STANDARD.encode(&self.payload),
            payload_type_after: Some(&self.payload_type),
            signatures: self.wire_signatures(),
        };
        crate::go_json::plain(&wire)
    }

    /// The envelope as Tekton Chains writes it: `payloadType` first, `keyid` before `sig`.
    #[must_use]
    pub fn to_chains_json(&self) -> Vec<u8> {
        let wire = Wire {
            payload_type: Some(&self.payload_type),
            payload: STANDARD.encode(&self.payload),
            payload_type_after: None,
            signatures: self.wire_signatures(),
        };
        crate::go_json::plain(&wire)
    }

    fn wire_signatures(&self) -> Vec<WireSignature<'_>> {
        let one = |s: &'_ EnvelopeSignature| STANDARD.encode(s.signature.as_deref().unwrap_or_default());
        self.signatures.iter().map(|s| WireSignature { keyid: &s.keyid, sig: one(s) }).collect()
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "payloadType", skip_serializing_if = "Option::is_none")]
    payload_type: Option<&'a str>,
    payload: String,
    #[serde(rename = "payloadType", skip_serializing_if = "Option::is_none")]
    payload_type_after: Option<&'a str>,
    signatures: Vec<WireSignature<'a>>,
}

#[derive(Serialize)]
struct WireSignature<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    keyid: &'a str,
    sig: String,
}

/// DSSE's pre-authentication encoding: `DSSEv1 <len> <type> <len> <payload>`.
#[must_use]
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

fn signature(value: &Value) -> Result<EnvelopeSignature, EnvelopeError> {
    let Value::Object(fields) = value else {
        return Err(EnvelopeError::Field { field: "signatures entry", expected: "object" });
    };
    let text = |field: &'static str| match fields.get(field) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(EnvelopeError::Field { field, expected: "string" }),
    };
    Ok(EnvelopeSignature { keyid: text("keyid")?.to_owned(), signature: decode(text("sig")?) })
}

/// Base64 in either alphabet, as go-securesystemslib tries them.
fn decode(text: &str) -> Option<Vec<u8>> {
    let try_one = |engine: &GeneralPurpose| engine.decode(text).ok();
    try_one(&STANDARD).or_else(|| try_one(&URL_SAFE))
}

#[cfg(test)]
mod tests;
