//! The simple signing payload: what a cosign image signature covers.

use provost_oci::Digest;
use serde_json::Value;

use crate::json::{self, JsonError, Limits};

/// `critical.type` of a cosign signature.
pub const COSIGN_SIGNATURE: &str = "cosign container image signature";

/// A simple signing payload as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct SimpleSigning {
    /// `critical.identity.docker-reference`; shown, never checked.
    pub docker_reference: String,
    /// `critical.image.docker-manifest-digest`.
    pub digest: Digest,
    /// `critical.type`.
    pub kind: String,
    /// `optional`, the annotations of whoever signed.
    pub optional: Value,
}

/// Why a signed payload is no simple signing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimpleSigningError {
    /// The payload is no strict JSON.
    #[error("the signature payload is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// The digest is missing or no digest.
    #[error("the signature payload's critical.image.docker-manifest-digest is {0:?}, expected a digest")]
    Digest(String),
}

impl SimpleSigning {
    /// Reads a payload whose signature has been verified.
    ///
    /// # Errors
    /// See [`SimpleSigningError`].
    pub fn parse(payload: &[u8]) -> Result<Self, SimpleSigningError> {
        let document = json::parse(payload, Limits::STATEMENT)?;
        let text = |path: &str| document.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let digest = text("/critical/image/docker-manifest-digest");
        let digest = digest.parse().map_err(|_| SimpleSigningError::Digest(digest))?;
        Ok(Self {
            docker_reference: text("/critical/identity/docker-reference"),
            digest,
            kind: text("/critical/type"),
            optional: document.get("optional").cloned().unwrap_or(Value::Null),
        })
    }

    /// The payload for an image, byte for byte as cosign and Tekton Chains write it; `optional` is `null`
    /// without annotations.
    #[must_use]
    pub fn payload(docker_reference: &str, digest: &Digest, optional: &Value) -> Vec<u8> {
        let quote = |text: &str| crate::go_json::escaped(&text);
        [
            br#"{"critical":{"identity":{"docker-reference":"#.as_slice(),
            &quote(docker_reference),
            br#"},"image":{"docker-manifest-digest":"#,
            &quote(&digest.to_string()),
            br#"},"type":"#,
            &quote(COSIGN_SIGNATURE),
            br#"},"optional":"#,
            &crate::go_json::escaped(optional),
            b"}",
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_cosigns_to_the_byte() {
        // chains.md A4: 239 bytes with this digest.
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let payload = SimpleSigning::payload("localhost:5000/demo/app", &digest, &Value::Null);
        assert_eq!(payload.len(), 239);
        let expected = "sha256:9943eff01d25b1e9257983d774cd754060304d08a3280bb4d6a4042c4e60bbe4";
        assert_eq!(Digest::sha256_of(&payload).to_string(), expected);
        let read = SimpleSigning::parse(&payload).unwrap();
        assert_eq!((read.digest, read.docker_reference.as_str()), (digest, "localhost:5000/demo/app"));
    }

    #[test]
    fn a_payload_without_a_digest_is_refused() {
        assert!(matches!(SimpleSigning::parse(b"{}"), Err(SimpleSigningError::Digest(_))));
        assert!(matches!(SimpleSigning::parse(b"{}x"), Err(SimpleSigningError::Json(_))));
    }
}
