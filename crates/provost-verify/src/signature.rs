//! Image signatures: simple signing payloads of the tag scheme, and cosign's signing statements in bundles.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_oci::Digest;
use provost_registry::Store;
use provost_statement::SimpleSigning;
use serde_json::{Map, Value};

use crate::check::{TrustedKey, check_attestation};
use crate::find::{Candidate, FindRequest, SIGNATURE_ANNOTATION, Source, signatures};
use crate::reason::{Reason, Unchecked};

/// Something that may be a signature; nothing about it is verified.
pub type SignatureCandidate = Candidate;

/// A signature that verifies and vouches for this image.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedSignature {
    /// Where it lay.
    pub source: Source,
    /// The payload, read from the signed bytes.
    pub payload: SimpleSigning,
    /// The payload's bytes.
    pub bytes: bytes::Bytes,
}

/// All signatures beside an image, in storage order.
///
/// # Errors
/// Whatever kept us from seeing all of them.
pub async fn find_signatures(
    store: &dyn Store,
    request: &FindRequest<'_>,
) -> Result<Vec<SignatureCandidate>, Unchecked> {
    signatures(store, request).await
}

/// The predicate type of an image signature that is stored as a bundle; any other type is an attestation.
pub const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// Checks one signature under one key: signature, payload, image, annotations asked for, in this order.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_signature(
    candidate: &SignatureCandidate,
    trusted: &TrustedKey,
    image: &Digest,
    annotations: &BTreeMap<String, String>,
) -> Result<VerifiedSignature, Reason> {
    let signature = verified_payload(candidate, trusted)?;
    let found = &signature.payload.digest;
    if found != image {
        return Err(Reason::OtherImage { expected: image.clone(), found: found.clone() });
    }
    carries(&signature.payload.optional, annotations)?;
    Ok(signature)
}

/// Checks one signature without asking which image it is about: cosign's `--check-claims=false`.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_signed_payload(
    candidate: &SignatureCandidate,
    trusted: &TrustedKey,
    annotations: &BTreeMap<String, String>,
) -> Result<VerifiedSignature, Reason> {
    let signature = verified_payload(candidate, trusted)?;
    carries(&signature.payload.optional, annotations)?;
    Ok(signature)
}

fn verified_payload(
    candidate: &SignatureCandidate,
    trusted: &TrustedKey,
) -> Result<VerifiedSignature, Reason> {
    let Source::Layer(layer) = &candidate.source else { return Err(Reason::NoSignatures) };
    let text = layer
        .annotations
        .get(SIGNATURE_ANNOTATION)
        .ok_or_else(|| Reason::MissingSignatureAnnotation { layer: layer.digest.clone() })?;
    let signature = STANDARD.decode(text).map_err(|_| Reason::SignatureEncoding)?;
    trusted
        .key
        .verify(&candidate.bytes, &signature, trusted.hash)
        .map_err(|error| Reason::NotTheKey { each: vec![error] })?;
    let payload = SimpleSigning::parse(&candidate.bytes).map_err(Reason::SimpleSigning)?;
    Ok(VerifiedSignature { source: candidate.source.clone(), payload, bytes: candidate.bytes.clone() })
}

/// A bundle that a key signed for this image.
#[derive(Clone, Debug, PartialEq)]
pub enum VerifiedBundle {
    /// An image signature, with the annotations of whoever signed (an object).
    Signature {
        /// The annotations of the subject.
        annotations: Value,
    },
    /// An attestation; it says something about the image, which is no signature of it.
    Attestation {
        /// Of this predicate type.
        predicate_type: String,
    },
}

/// Checks one bundle under one key: signature, statement, image, and for image signatures the annotations asked for.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_signature_bundle(
    candidate: &SignatureCandidate,
    trusted: &TrustedKey,
    image: &Digest,
    wanted: &BTreeMap<String, String>,
) -> Result<VerifiedBundle, Reason> {
    let (_, statement) = check_attestation(candidate, trusted, image, true)?;
    if statement.predicate_type != SIGN_PREDICATE {
        return Ok(VerifiedBundle::Attestation { predicate_type: statement.predicate_type });
    }
    let subjects = statement.document.get("subject").and_then(Value::as_array);
    let is_image = |subject: &&Value| {
        let digest = subject.get("digest").and_then(|digests| digests.get(image.algorithm().name()));
        digest.and_then(Value::as_str) == Some(image.hex())
    };
    let subject = subjects.into_iter().flatten().find(is_image);
    let annotations = subject.and_then(|subject| subject.get("annotations"));
    let annotations =
        annotations.filter(|a| a.is_object()).cloned().unwrap_or_else(|| Value::Object(Map::new()));
    carries(&annotations, wanted)?;
    Ok(VerifiedBundle::Signature { annotations })
}

/// Signed annotations must hold all that are wanted, each as text.
fn carries(signed: &Value, wanted: &BTreeMap<String, String>) -> Result<(), Reason> {
    let has = |(key, value): (&String, &String)| {
        signed.get(key).and_then(Value::as_str).is_some_and(|found| found == value)
    };
    if wanted.iter().all(has) { Ok(()) } else { Err(Reason::MissingAnnotation) }
}

#[cfg(test)]
mod tests;
