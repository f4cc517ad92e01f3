//! The signature of a file: Sigstore's message signature in a bundle, or cosign's own older form with what lies beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{Hash, PublicKey};
use provost_sigstore::annotation;
use provost_sigstore::bundle_reading::{BUNDLE_MEDIA_TYPE, Bundle, BundleContent, BundleError};
use provost_sigstore::certificate::Certificate;
use provost_sigstore::entry_content::What;
use provost_sigstore::log_entry::LogEntry;
use provost_statement::{JsonError, Limits, json};
use serde_json::Value;

use crate::reason::{BundleFault, Reason};
use crate::sealed;
use crate::signature::verify_raw;
use crate::trust::{Facts, Trust};

/// A bundle file; nothing about it is verified.
#[derive(Clone, Debug)]
pub enum BundleFile {
    /// A Sigstore bundle, whose failures cosign words differently.
    Sigstore(Bundle),
    /// cosign's older form.
    Cosign(CosignBundle),
}

/// cosign's older bundle: `{"base64Signature","cert","rekorBundle"}`.
#[derive(Clone, Debug)]
pub struct CosignBundle {
    /// The signature; for attestations the whole envelope.
    pub signature: Vec<u8>,
    /// Who is said to have signed.
    pub signer: Option<FileSigner>,
    /// The log entry.
    pub entry: Option<LogEntry>,
}

/// Who is said to have signed.
#[derive(Clone, Debug)]
pub enum FileSigner {
    /// A certificate.
    Certificate(Certificate),
    /// A key; that it lies beside its own signature makes nobody trust it.
    Key(PublicKey),
}

/// Why a file is no bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobFault {
    /// It is no strict JSON.
    #[error("the bundle is not JSON: {0}")]
    Json(#[from] JsonError),
    /// It is neither kind of bundle.
    #[error("the file is no bundle: expected the mediaType {BUNDLE_MEDIA_TYPE}… or a base64Signature")]
    NoBundle,
    /// It is a Sigstore bundle that cannot be read.
    #[error(transparent)]
    Sigstore(#[from] BundleError),
    /// A field is missing or has the wrong form.
    #[error("the bundle's {0} is missing or malformed")]
    Field(&'static str),
}

/// Reads a bundle file of either form.
///
/// # Errors
/// See [`BlobFault`].
pub fn read(bytes: &[u8]) -> Result<BundleFile, BlobFault> {
    let document = json::parse(bytes, Limits::ENVELOPE)?;
    let kind = document.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    if kind.starts_with(BUNDLE_MEDIA_TYPE) {
        return Ok(BundleFile::Sigstore(Bundle::parse(bytes)?));
    }
    let signature = document.get("base64Signature").ok_or(BlobFault::NoBundle)?;
    let decoded = |text: &Value| {
        let bytes = text.as_str().and_then(|text| STANDARD.decode(text).ok());
        bytes.filter(|bytes| !bytes.is_empty())
    };
    let signature = decoded(signature).ok_or(BlobFault::Field("base64Signature"))?;
    let signer = match document.get("cert").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(signer(text.as_bytes()).ok_or(BlobFault::Field("cert"))?),
    };
    let entry = match document.get("rekorBundle").filter(|entry| !entry.is_null()) {
        None => None,
        Some(entry) => Some(annotation::log_entry_of(entry).ok_or(BlobFault::Field("rekorBundle"))?),
    };
    Ok(BundleFile::Cosign(CosignBundle { signature, signer, entry }))
}

fn signer(text: &[u8]) -> Option<FileSigner> {
    if let Ok(certificate) = Certificate::from_pem(text) {
        return Some(FileSigner::Certificate(certificate));
    }
    let pem = STANDARD.decode(text).unwrap_or_else(|_| text.to_vec());
    PublicKey::from_pem(&pem).ok().map(FileSigner::Key)
}

/// Checks a bundle's message signature over a file.
///
/// # Errors
/// The first thing that does not hold; an envelope is an attestation about the file, which is no signature of it.
pub fn check_message(bundle: &Bundle, file: &[u8], trust: &Trust) -> Result<Facts, Reason> {
    let BundleContent::Message { signature } = &bundle.content else {
        return Err(Reason::Bundle(BundleFault::NoMessage));
    };
    let ((), facts) = sealed::check(trust, bundle, What::Message(file), signature, |verifier| {
        verify_raw(verifier, file, signature)
    })?;
    Ok(facts)
}

/// Checks a bundle's message signature over a file of which only this digest is known.
///
/// # Errors
/// As [`check_message`]; keys that need the file itself are [`provost_keys::SignatureError::Unsupported`].
pub fn check_message_digest(
    bundle: &Bundle,
    hash: Hash,
    digest: &[u8],
    trust: &Trust,
) -> Result<Facts, Reason> {
    let BundleContent::Message { signature } = &bundle.content else {
        return Err(Reason::Bundle(BundleFault::NoMessage));
    };
    let ((), facts) = sealed::check(trust, bundle, What::Digest(digest), signature, |verifier| {
        let holds = verifier.verify_digest(hash, digest, signature);
        holds.map_err(|error| Reason::NotTheKey { each: vec![error] })
    })?;
    Ok(facts)
}

#[cfg(test)]
mod tests;
