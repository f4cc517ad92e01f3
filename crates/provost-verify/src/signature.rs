//! Image signatures: simple signing payloads of the tag scheme, and cosign's signing statements in bundles.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_oci::Digest;
use provost_registry::Store;
use provost_sigstore::entry_content::What;
use provost_statement::SimpleSigning;
use serde_json::{Map, Value};

use crate::beside::{self, Beside, Claimed};
use crate::check::{CheckedAttestation, check_attestation};
use crate::find::{Candidate, FindRequest, SIGNATURE_ANNOTATION, Source, signatures};
use crate::reason::{Reason, Unchecked};
use crate::trust::{Facts, Trust, Verifier};

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
    /// Certificate, log, times.
    pub facts: Facts,
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

/// What a signature must say.
#[derive(Clone, Copy, Debug)]
pub struct SignatureClaims<'a> {
    /// The image it must be about; `None` where that is not asked (cosign's `--check-claims=false`).
    pub image: Option<&'a Digest>,
    /// Annotations it must carry.
    pub annotations: &'a BTreeMap<String, String>,
}

/// Checks one signature under one attestor: what lies beside it, signature, payload, image, annotations asked for.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_signature(
    candidate: &SignatureCandidate,
    trust: &Trust,
    image: &Digest,
    annotations: &BTreeMap<String, String>,
) -> Result<VerifiedSignature, Reason> {
    verified_payload(candidate, trust, SignatureClaims { image: Some(image), annotations })
}

/// Checks one signature without asking which image it is about: cosign's `--check-claims=false`.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_signed_payload(
    candidate: &SignatureCandidate,
    trust: &Trust,
    annotations: &BTreeMap<String, String>,
) -> Result<VerifiedSignature, Reason> {
    verified_payload(candidate, trust, SignatureClaims { image: None, annotations })
}

fn verified_payload(
    candidate: &SignatureCandidate,
    trust: &Trust,
    claims: SignatureClaims<'_>,
) -> Result<VerifiedSignature, Reason> {
    let Source::Layer(layer) = &candidate.source else { return Err(Reason::NoSignatures) };
    let text = layer
        .annotations
        .get(SIGNATURE_ANNOTATION)
        .ok_or_else(|| Reason::MissingSignatureAnnotation { layer: layer.digest.clone() })?;
    let beside = Beside { asked: candidate.asked.clone(), ..Beside::of_layer(layer)? };
    let (payload, facts) = check_stored_signature(&candidate.bytes, text, &beside, trust, claims)?;
    let (source, bytes) = (candidate.source.clone(), candidate.bytes.clone());
    Ok(VerifiedSignature { source, payload, bytes, facts })
}

/// Checks a simple signing payload and its signature (base64), with what lies beside them.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_stored_signature(
    payload: &[u8],
    signature: &str,
    beside: &Beside,
    trust: &Trust,
    claims: SignatureClaims<'_>,
) -> Result<(SimpleSigning, Facts), Reason> {
    let raw = STANDARD.decode(signature).map_err(|_| Reason::SignatureEncoding);
    let bytes = raw.as_deref().unwrap_or_default();
    let claimed = Claimed { what: What::Message(payload), signature: Some(bytes), stamped: bytes };
    beside::check(trust, beside, &claimed, |verifier| {
        verify_raw(verifier, payload, raw.as_deref().map_err(Reason::clone)?)?;
        let payload = SimpleSigning::parse(payload).map_err(Reason::SimpleSigning)?;
        if let Some(image) = claims.image.filter(|image| **image != payload.digest) {
            return Err(Reason::OtherImage { expected: image.clone(), found: payload.digest });
        }
        carries(&payload.optional, claims.annotations)?;
        Ok(payload)
    })
}

/// Checks the signature of a file, with what lies beside it (cosign's older form).
///
/// # Errors
/// The first thing that does not hold.
pub fn check_file(file: &[u8], signature: &[u8], beside: &Beside, trust: &Trust) -> Result<Facts, Reason> {
    let claimed = Claimed { what: What::Message(file), signature: Some(signature), stamped: signature };
    let ((), facts) =
        beside::check(trust, beside, &claimed, |verifier| verify_raw(verifier, file, signature))?;
    Ok(facts)
}

pub(crate) fn verify_raw(verifier: &Verifier, message: &[u8], signature: &[u8]) -> Result<(), Reason> {
    verifier.verify(message, signature).map_err(|error| Reason::NotTheKey { each: vec![error] })
}

/// A bundle that someone trusted signed for this image.
#[derive(Clone, Debug, PartialEq)]
pub enum VerifiedBundle {
    /// An image signature, with the annotations of whoever signed (an object).
    Signature {
        /// The annotations of the subject.
        annotations: Value,
        /// Certificate, log, times.
        facts: Facts,
    },
    /// An attestation; it says something about the image, which is no signature of it.
    Attestation {
        /// Of this predicate type.
        predicate_type: String,
    },
}

/// Checks one bundle under one attestor: signature, statement, image, and for image signatures the annotations asked for.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_signature_bundle(
    candidate: &SignatureCandidate,
    trust: &Trust,
    image: &Digest,
    wanted: &BTreeMap<String, String>,
) -> Result<VerifiedBundle, Reason> {
    let CheckedAttestation { statement, facts, .. } = check_attestation(candidate, trust, image, true)?;
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
    Ok(VerifiedBundle::Signature { annotations, facts })
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
