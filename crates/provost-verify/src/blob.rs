//! The signature of a blob inside a bundle: Sigstore's message signature, or the older form of cosign's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_statement::{JsonError, Limits, json};
use serde_json::Value;

use crate::bundle::BUNDLE_MEDIA_TYPE;

/// A signature over a blob's bytes; nothing about it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobSignature {
    /// The signature.
    pub bytes: Vec<u8>,
    /// Whether it stood in a Sigstore bundle, whose failures cosign words differently.
    pub sigstore: bool,
}

/// Why a file is no bundle with a key's signature over a blob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobFault {
    /// It is no strict JSON.
    #[error("the bundle is not JSON: {0}")]
    Json(#[from] JsonError),
    /// It is neither kind of bundle.
    #[error("the file is no bundle: expected the mediaType {BUNDLE_MEDIA_TYPE}… or a base64Signature")]
    NoBundle,
    /// A certificate is said to have signed, and a key was asked for.
    #[error("expected key signature, not certificate")]
    Certificate,
    /// It holds an attestation about the blob, which is no signature of it.
    #[error("the bundle holds a DSSE envelope, expected a message signature")]
    Envelope,
    /// A field is missing or has the wrong form.
    #[error("the bundle's {0} is missing or no base64")]
    Field(&'static str),
}

/// Reads the signature out of a bundle file, whichever of the two forms it has.
///
/// The bundle's own digest of the blob is a hint that nobody signed, so it is not read.
///
/// # Errors
/// See [`BlobFault`].
pub fn blob_signature(bundle: &[u8]) -> Result<BlobSignature, BlobFault> {
    let document = json::parse(bundle, Limits::ENVELOPE)?;
    let kind = document.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    if kind.starts_with(BUNDLE_MEDIA_TYPE) {
        let material = document.get("verificationMaterial").and_then(Value::as_object);
        let material = material.ok_or(BlobFault::Field("verificationMaterial"))?;
        if material.contains_key("certificate") || material.contains_key("x509CertificateChain") {
            return Err(BlobFault::Certificate);
        }
        if document.get("dsseEnvelope").is_some() {
            return Err(BlobFault::Envelope);
        }
        let signature = document.pointer("/messageSignature/signature");
        let bytes = decoded(signature).ok_or(BlobFault::Field("messageSignature.signature"))?;
        return Ok(BlobSignature { bytes, sigstore: true });
    }
    let signature = document.get("base64Signature").ok_or(BlobFault::NoBundle)?;
    let bytes = decoded(Some(signature)).ok_or(BlobFault::Field("base64Signature"))?;
    Ok(BlobSignature { bytes, sigstore: false })
}

fn decoded(text: Option<&Value>) -> Option<Vec<u8>> {
    text.and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok()).filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BlobSignature, BlobFault> {
        blob_signature(text.as_bytes())
    }

    #[test]
    fn both_forms_are_read() {
        let sigstore = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{}},"messageSignature":{"signature":"YWI="}}"#;
        assert_eq!(read(sigstore), Ok(BlobSignature { bytes: b"ab".to_vec(), sigstore: true }));
        let old = r#"{"base64Signature":"YWI=","cert":"","rekorBundle":null}"#;
        assert_eq!(read(old), Ok(BlobSignature { bytes: b"ab".to_vec(), sigstore: false }));
    }

    #[test]
    fn what_holds_no_signature_of_a_key_is_named() {
        let bundle =
            |rest: &str| format!(r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",{rest}}}"#);
        let material = r#""verificationMaterial":{"publicKey":{}}"#;
        let cases = [
            ("{}".to_owned(), BlobFault::NoBundle),
            (r#"{"base64Signature":"%"}"#.to_owned(), BlobFault::Field("base64Signature")),
            (r#"{"base64Signature":""}"#.to_owned(), BlobFault::Field("base64Signature")),
            (bundle(r#""messageSignature":{"signature":"YWI="}"#), BlobFault::Field("verificationMaterial")),
            (bundle(material), BlobFault::Field("messageSignature.signature")),
            (bundle(&format!(r#"{material},"dsseEnvelope":{{}}"#)), BlobFault::Envelope),
            (bundle(r#""verificationMaterial":{"certificate":{}}"#), BlobFault::Certificate),
        ];
        for (text, fault) in cases {
            assert_eq!(read(&text), Err(fault), "{text}");
        }
        assert!(matches!(read(r#"{"a":1,"a":2}"#), Err(BlobFault::Json(_))));
    }
}
