//! Sigstore bundles v0.1 to v0.3 as they are read: what is signed, by whom, and what logs and authorities said.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_statement::json::{self, Limits};
use provost_statement::{Envelope, EnvelopeError, JsonError, go_json};
use serde_json::Value;

use crate::certificate::{Certificate, CertificateError};
use crate::log_entry::{LogEntry, LogEntryError};
use crate::stamp::MAX_STAMPS;
use crate::transparency::MAX_ENTRIES;

/// How the media type of every bundle version begins.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle";
/// The most certificates of one chain; honest ones have three.
pub const MAX_BUNDLE_CERTIFICATES: usize = 32;

/// A bundle. Nothing about it is verified.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Who is said to have signed.
    pub signer: BundleSigner,
    /// What is signed.
    pub content: BundleContent,
    /// What logs said.
    pub entries: Vec<LogEntry>,
    /// Timestamps (RFC 3161).
    pub stamps: Vec<Vec<u8>>,
}

/// Who is said to have signed.
#[derive(Clone, Debug)]
pub enum BundleSigner {
    /// A key that the verifier has.
    Key,
    /// The first certificate; the others are offered for its path.
    Certificates(Vec<Certificate>),
}

/// What is signed.
#[derive(Clone, Debug)]
pub enum BundleContent {
    /// An envelope.
    Envelope(Envelope),
    /// A message that is not in the bundle.
    Message {
        /// The signature over it.
        signature: Vec<u8>,
    },
}

/// Why bytes are no bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// They are no strict JSON.
    #[error("the bundle is not JSON: {0}")]
    Json(#[from] JsonError),
    /// A field is missing or has another form.
    #[error("the bundle's {0} is missing or malformed")]
    Field(&'static str),
    /// Its envelope is none.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A certificate in it is none.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A log entry in it is none.
    #[error(transparent)]
    Entry(#[from] LogEntryError),
    /// More of something than is looked at.
    #[error("the bundle has {found} {what}, at most {limit} are looked at")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// The digest beside a message's signature is a hint that nobody signed, so it is not read.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let document = json::parse(bytes, Limits::ENVELOPE)?;
        let kind = document.get("mediaType").and_then(Value::as_str).unwrap_or_default();
        if !kind.starts_with(BUNDLE_MEDIA_TYPE) {
            return Err(BundleError::Field("mediaType"));
        }
        let material = document.get("verificationMaterial").filter(|material| material.is_object());
        let material = material.ok_or(BundleError::Field("verificationMaterial"))?;
        let content = match (document.get("dsseEnvelope"), document.pointer("/messageSignature/signature")) {
            (Some(envelope), None) => BundleContent::Envelope(Envelope::parse(&go_json::plain(envelope))?),
            (None, Some(signature)) => {
                let signature = base64(signature).ok_or(BundleError::Field("messageSignature.signature"))?;
                BundleContent::Message { signature }
            }
            (None, None) => return Err(BundleError::Field("dsseEnvelope or messageSignature")),
            (Some(_), Some(_)) => return Err(BundleError::Field("content: an envelope and a message")),
        };
        let entries = list(material, "/tlogEntries", "log entries", MAX_ENTRIES)?;
        let entries = entries.iter().map(LogEntry::from_protobuf_json).collect::<Result<_, _>>()?;
        let stamps =
            list(material, "/timestampVerificationData/rfc3161Timestamps", "timestamps", MAX_STAMPS)?;
        let stamp = |entry: &Value| {
            let token = entry.get("signedTimestamp").and_then(base64);
            token.ok_or(BundleError::Field("timestampVerificationData"))
        };
        let stamps = stamps.iter().map(stamp).collect::<Result<_, _>>()?;
        Ok(Self { signer: signer(material)?, content, entries, stamps })
    }
}

fn signer(material: &Value) -> Result<BundleSigner, BundleError> {
    let certificate = |holder: &Value| {
        let bytes =
            holder.get("rawBytes").and_then(base64).ok_or(BundleError::Field("certificate.rawBytes"))?;
        Ok::<_, BundleError>(Certificate::from_der(&bytes)?)
    };
    if let Some(holder) = material.get("certificate") {
        return Ok(BundleSigner::Certificates(vec![certificate(holder)?]));
    }
    if material.get("x509CertificateChain").is_some() {
        let chain =
            list(material, "/x509CertificateChain/certificates", "certificates", MAX_BUNDLE_CERTIFICATES)?;
        let chain = chain.iter().map(certificate).collect::<Result<Vec<_>, _>>()?;
        if chain.is_empty() {
            return Err(BundleError::Field("x509CertificateChain"));
        }
        return Ok(BundleSigner::Certificates(chain));
    }
    Ok(BundleSigner::Key)
}

/// A list that may be missing or null.
fn list<'a>(
    holder: &'a Value,
    path: &'static str,
    what: &'static str,
    limit: usize,
) -> Result<&'a [Value], BundleError> {
    match holder.pointer(path) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(found)) if found.len() > limit => {
            Err(BundleError::TooMany { what, found: found.len(), limit })
        }
        Some(Value::Array(found)) => Ok(found),
        Some(_) => Err(BundleError::Field(what)),
    }
}

fn base64(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests;
