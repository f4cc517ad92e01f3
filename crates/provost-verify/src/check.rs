//! Whether a trusted key signed an attestation, and whether it is about this image.

use provost_keys::{HashChoice, PublicKey};
use provost_oci::Digest;
use provost_statement::{Envelope, IN_TOTO_PAYLOAD, Statement};

use crate::bundle;
use crate::find::{Candidate, SIGNATURE_ANNOTATION, Source};
use crate::reason::{BundleFault, Reason};

/// A key that is trusted, and with which hash its signatures are made.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// The hash the policy or flag names, or all that cosign and Chains really use.
    pub hash: HashChoice,
}

/// Checks one candidate under one key: signature, statement, subject, in this order.
///
/// With `check_claims` false the subject is not compared (cosign's flag of that name).
///
/// # Errors
/// The first thing that does not hold.
pub fn check_attestation(
    candidate: &Candidate,
    trusted: &TrustedKey,
    image: &Digest,
    check_claims: bool,
) -> Result<(Envelope, Statement), Reason> {
    let envelope = match &candidate.source {
        Source::Layer(layer) => {
            if !layer.annotations.contains_key(SIGNATURE_ANNOTATION) {
                return Err(Reason::MissingSignatureAnnotation { layer: layer.digest.clone() });
            }
            Envelope::parse(&candidate.bytes).map_err(Reason::Envelope)?
        }
        Source::Bundle(_) => bundle::key_envelope(&candidate.bytes)?,
    };
    if envelope.payload_type != IN_TOTO_PAYLOAD {
        return Err(Reason::PayloadType { found: envelope.payload_type });
    }
    if matches!(candidate.source, Source::Bundle(_)) {
        keyid_names(trusted, &envelope)?;
    }
    signed_by(trusted, &envelope)?;
    let statement = Statement::parse(&envelope.payload).map_err(Reason::Statement)?;
    if check_claims && !statement.is_about(image) {
        return Err(Reason::OtherSubject { expected: image.clone() });
    }
    Ok((envelope, statement))
}

/// Whether at least one signature of the envelope is the key's; key hints are unsigned and ignored.
fn signed_by(trusted: &TrustedKey, envelope: &Envelope) -> Result<(), Reason> {
    if envelope.signatures.is_empty() {
        return Err(Reason::NoSignatures);
    }
    let message = envelope.signed_bytes();
    let mut each = Vec::new();
    for signature in &envelope.signatures {
        // A signature that is no base64 verifies under no key, like any other wrong one.
        let bytes = signature.signature.as_deref().unwrap_or_default();
        match trusted.key.verify(&message, bytes, trusted.hash) {
            Ok(()) => return Ok(()),
            Err(error) => each.push(error),
        }
    }
    Err(Reason::NotTheKey { each })
}

/// In a bundle a key hint that is there must name this key, as sigstore-go has it.
fn keyid_names(trusted: &TrustedKey, envelope: &Envelope) -> Result<(), Reason> {
    match envelope.signatures.first() {
        Some(signature)
            if !signature.keyid.is_empty() && signature.keyid != trusted.key.ssh_fingerprint() =>
        {
            Err(Reason::Bundle(BundleFault::OtherKeyid(signature.keyid.clone())))
        }
        _ => Ok(()),
    }
}
