//! Whether a log entry is about this signature: its hash, its signature, its signer, each compared with ours.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_statement::json::{self, Limits};
use serde_json::Value;

use crate::certificate::Certificate;
use crate::log_entry::LogEntry;

/// What a verified signature covers, and whose it is; the entry must say the same.
#[derive(Clone, Copy, Debug)]
pub struct SignedContent<'a> {
    /// What is signed.
    pub what: What<'a>,
    /// The signature; `None` where the stored bytes of an envelope hold it.
    pub signature: Option<&'a [u8]>,
    /// Whose it is.
    pub signer: Signer<'a>,
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// Bytes, directly.
    Message(&'a [u8]),
    /// Bytes of which only this SHA-256 is known.
    Digest(&'a [u8]),
    /// An envelope.
    Envelope {
        /// Its payload.
        payload: &'a [u8],
        /// What its signatures cover.
        signed: &'a [u8],
        /// The envelope as it is stored, where the entry must be about these very bytes (cosign's older form).
        stored: Option<&'a [u8]>,
    },
}

/// Whose signature.
#[derive(Clone, Copy, Debug)]
pub enum Signer<'a> {
    /// A key, SubjectPublicKeyInfo in DER.
    Key(&'a [u8]),
    /// A certificate's.
    Certificate(&'a Certificate),
}

/// Why an entry is not about a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentFault {
    /// The entry's body is no entry, or states another kind than stands beside it.
    #[error("the log entry's body is malformed: {0}")]
    Malformed(&'static str),
    /// Entries of this kind do not say enough.
    #[error("log entries of the kind {kind} {version} cannot show this signature")]
    Kind {
        /// The kind.
        kind: String,
        /// Its version.
        version: String,
    },
    /// It is about another signature.
    #[error("the signature in the log entry is another")]
    Signature,
    /// It is about another signer.
    #[error("the signer in the log entry is another")]
    Signer,
    /// It is about other content.
    #[error("the log entry is about other content: it has {found}, expected {expected}")]
    Hash {
        /// The hash it has.
        found: String,
        /// The hash of ours.
        expected: String,
    },
}

/// Compares an entry with a verified signature.
///
/// # Errors
/// See [`ContentFault`].
pub fn is_about(entry: &LogEntry, content: &SignedContent<'_>) -> Result<(), ContentFault> {
    let body = json::parse(&entry.body, Limits::ENVELOPE).map_err(|_| ContentFault::Malformed("no JSON"))?;
    let text = |path: &str| body.pointer(path).and_then(Value::as_str);
    let kind = text("/kind").ok_or(ContentFault::Malformed("kind"))?;
    let version = text("/apiVersion").ok_or(ContentFault::Malformed("apiVersion"))?;
    if !entry.kind.is_empty() && (entry.kind != kind || entry.version != version) {
        return Err(ContentFault::Malformed("its kind is not the one beside it"));
    }
    let spec = body.get("spec").ok_or(ContentFault::Malformed("spec"))?;
    match (kind, version, content.what) {
        ("hashedrekord" | "rekord", "0.0.1", What::Message(_) | What::Digest(_)) => {
            hash_is(spec, "/data/hash", &content.what)?;
            signature_is(decoded(spec, "/signature/content"), content)?;
            signer_is(decoded(spec, "/signature/publicKey/content"), content)
        }
        ("dsse", "0.0.1", What::Envelope { payload, stored, .. }) => {
            let signature = only(spec, "/signatures")?;
            if let Some(stored) = stored {
                hash_is(spec, "/envelopeHash", &What::Message(stored))?;
            }
            hash_is(spec, "/payloadHash", &What::Message(payload))?;
            signature_is(decoded(signature, "/signature"), content)?;
            signer_is(decoded(signature, "/verifier"), content)
        }
        ("intoto", "0.0.1", What::Envelope { stored: Some(stored), .. }) => {
            hash_is(spec, "/content/hash", &What::Message(stored))?;
            signer_is(decoded(spec, "/publicKey"), content)
        }
        ("intoto", "0.0.2", What::Envelope { payload, stored, .. }) => {
            let signature = only(spec, "/content/envelope/signatures")?;
            if let Some(stored) = stored {
                hash_is(spec, "/content/hash", &What::Message(stored))?;
            }
            hash_is(spec, "/content/payloadHash", &What::Message(payload))?;
            // The log keeps the base64 text of the signature, in base64 once more.
            let inner = decoded(signature, "/sig").and_then(|text| STANDARD.decode(text).ok());
            signature_is(inner, content)?;
            signer_is(decoded(signature, "/publicKey"), content)
        }
        ("hashedrekord", "0.0.2", what) => {
            let spec = spec.get("hashedRekordV002").ok_or(ContentFault::Malformed("hashedRekordV002"))?;
            let what = match what {
                What::Envelope { signed, .. } => What::Message(signed),
                other => other,
            };
            let algorithm = spec.pointer("/data/algorithm").and_then(Value::as_str).unwrap_or_default();
            let digest = decoded(spec, "/data/digest").ok_or(ContentFault::Malformed("data.digest"))?;
            same_hash(protobuf_hash(algorithm), &digest, &what)?;
            signature_is(decoded(spec, "/signature/content"), content)?;
            let raw = |path| decoded(spec, path);
            let named = match content.signer {
                Signer::Key(key) => raw("/signature/verifier/publicKey/rawBytes").as_deref() == Some(key),
                Signer::Certificate(certificate) => {
                    raw("/signature/verifier/x509Certificate/rawBytes").as_deref() == Some(certificate.der())
                }
            };
            if named { Ok(()) } else { Err(ContentFault::Signer) }
        }
        _ => Err(ContentFault::Kind { kind: kind.to_owned(), version: version.to_owned() }),
    }
}

fn decoded(value: &Value, path: &str) -> Option<Vec<u8>> {
    value.pointer(path).and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok())
}

/// The one element of a list; with several it would be open which of them was verified.
fn only<'a>(spec: &'a Value, path: &str) -> Result<&'a Value, ContentFault> {
    match spec.pointer(path).and_then(Value::as_array).map(Vec::as_slice) {
        Some([one]) => Ok(one),
        _ => Err(ContentFault::Malformed("expected exactly one signature")),
    }
}

fn signature_is(found: Option<Vec<u8>>, content: &SignedContent<'_>) -> Result<(), ContentFault> {
    match content.signature {
        Some(ours) if found.as_deref() != Some(ours) => Err(ContentFault::Signature),
        _ => Ok(()),
    }
}

/// Whether this PEM is our signer's key or certificate.
fn signer_is(pem: Option<Vec<u8>>, content: &SignedContent<'_>) -> Result<(), ContentFault> {
    let der = pem.and_then(|pem| crate::certificate::first_block(&pem));
    let ours = match content.signer {
        Signer::Key(key) => key,
        Signer::Certificate(certificate) => certificate.der(),
    };
    if der.as_deref() == Some(ours) { Ok(()) } else { Err(ContentFault::Signer) }
}

fn hash_is(spec: &Value, path: &str, what: &What<'_>) -> Result<(), ContentFault> {
    let hash = spec.pointer(path).ok_or(ContentFault::Malformed("a hash is missing"))?;
    let text = |name: &str| hash.get(name).and_then(Value::as_str).unwrap_or_default();
    let found =
        hex::decode(text("value")).map_err(|_| ContentFault::Malformed("a hash is not hexadecimal"))?;
    same_hash(named_hash(text("algorithm")), &found, what)
}

fn same_hash(
    algorithm: Option<&'static digest::Algorithm>,
    found: &[u8],
    what: &What<'_>,
) -> Result<(), ContentFault> {
    let algorithm = algorithm.ok_or(ContentFault::Malformed("a hash of an unknown kind"))?;
    let expected = match what {
        What::Message(bytes) => digest::digest(algorithm, bytes).as_ref().to_vec(),
        What::Digest(known) if algorithm == &digest::SHA256 => known.to_vec(),
        _ => return Err(ContentFault::Malformed("a hash of another kind than is known of the content")),
    };
    if expected == found {
        return Ok(());
    }
    Err(ContentFault::Hash { found: hex::encode(found), expected: hex::encode(expected) })
}

fn named_hash(name: &str) -> Option<&'static digest::Algorithm> {
    match name {
        "sha256" => Some(&digest::SHA256),
        "sha384" => Some(&digest::SHA384),
        "sha512" => Some(&digest::SHA512),
        _ => None,
    }
}

fn protobuf_hash(name: &str) -> Option<&'static digest::Algorithm> {
    match name {
        "SHA2_256" => Some(&digest::SHA256),
        "SHA2_384" => Some(&digest::SHA384),
        "SHA2_512" => Some(&digest::SHA512),
        _ => None,
    }
}
