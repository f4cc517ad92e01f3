//! Image signatures of the tag scheme: a simple signing payload, and a signature over it in an annotation.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_oci::Digest;
use provost_registry::Store;
use provost_statement::SimpleSigning;
use serde_json::Value;

use crate::check::TrustedKey;
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
    if payload.digest != *image {
        return Err(Reason::OtherImage { expected: image.clone(), found: payload.digest });
    }
    let has = |(key, value): (&String, &String)| {
        payload.optional.get(key).and_then(Value::as_str).is_some_and(|found| found == value)
    };
    if !annotations.iter().all(has) {
        return Err(Reason::MissingAnnotation);
    }
    Ok(VerifiedSignature { source: candidate.source.clone(), payload, bytes: candidate.bytes.clone() })
}
