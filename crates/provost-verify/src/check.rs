//! Whether someone trusted signed an attestation, and whether it is about this image.

use provost_keys::{HashChoice, PublicKey};
use provost_oci::{Descriptor, Digest};
use provost_sigstore::bundle_reading::{Bundle, BundleContent};
use provost_sigstore::entry_content::What;
use provost_statement::{Envelope, IN_TOTO_PAYLOAD, Statement};

use crate::beside::{self, Beside, Claimed};
use crate::find::{Candidate, SIGNATURE_ANNOTATION, Source};
use crate::reason::{BundleFault, Reason};
use crate::trust::{Facts, Trust, Verifier};
use crate::{bundle, sealed};

/// A key that is trusted, and with which hash its signatures are made.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// The hash the policy or flag names, or all that cosign and Chains really use.
    pub hash: HashChoice,
}

/// An attestation that counts: the envelope, what it says, and what was found out beside.
#[derive(Clone, Debug)]
pub struct CheckedAttestation {
    /// The envelope.
    pub envelope: Envelope,
    /// The statement, read from the signed bytes.
    pub statement: Statement,
    /// Certificate, log, times.
    pub facts: Facts,
}

/// Checks one candidate under one attestor: what lies beside it, signature, statement, subject.
///
/// With `check_claims` false the subject is not compared (cosign's flag of that name).
///
/// # Errors
/// The first thing that does not hold.
pub fn check_attestation(
    candidate: &Candidate,
    trust: &Trust,
    image: &Digest,
    check_claims: bool,
) -> Result<CheckedAttestation, Reason> {
    match &candidate.source {
        Source::Layer(layer) => layer_attestation(candidate, layer, trust, image, check_claims),
        Source::Bundle(_) => {
            let bundle = bundle::read(&candidate.bytes)?;
            let wanted = check_claims.then_some(Wanted::Image(image));
            bundle_attestation(&bundle, trust, wanted)
        }
    }
}

fn layer_attestation(
    candidate: &Candidate,
    layer: &Descriptor,
    trust: &Trust,
    image: &Digest,
    check_claims: bool,
) -> Result<CheckedAttestation, Reason> {
    if !layer.annotations.contains_key(SIGNATURE_ANNOTATION) {
        return Err(Reason::MissingSignatureAnnotation { layer: layer.digest.clone() });
    }
    let beside = Beside { asked: candidate.asked.clone(), ..Beside::of_layer(layer)? };
    stored_attestation(&candidate.bytes, &beside, trust, check_claims.then_some(Wanted::Image(image)))
}

/// Checks an envelope that is stored as it is, with what lies beside it, as cosign's older form has it.
///
/// # Errors
/// The first thing that does not hold.
pub fn stored_attestation(
    bytes: &[u8],
    beside: &Beside,
    trust: &Trust,
    wanted: Option<Wanted<'_>>,
) -> Result<CheckedAttestation, Reason> {
    // What the log must have seen is the payload in these bytes; whether they are an envelope is said in its place.
    let envelope = Envelope::parse(bytes).map_err(Reason::Envelope);
    let payload = envelope.as_ref().map(|envelope| envelope.payload.as_slice()).unwrap_or_default();
    let signed = envelope.as_ref().map(Envelope::signed_bytes).unwrap_or_default();
    let what = What::Envelope { payload, signed: &signed, stored: Some(bytes) };
    let claimed = Claimed { what, signature: None, stamped: bytes };
    let (statement, facts) = beside::check(trust, beside, &claimed, |verifier| {
        let envelope = envelope.as_ref().map_err(Reason::clone)?;
        in_toto(envelope)?;
        signed_by(verifier, envelope, &signed)?;
        let statement = Statement::parse(&envelope.payload).map_err(Reason::Statement)?;
        about(&statement, wanted, |expected| Reason::OtherSubject { expected: expected.clone() })?;
        Ok(statement)
    })?;
    Ok(CheckedAttestation { envelope: envelope?, statement, facts })
}

/// What a statement must be about.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// An image, by its digest.
    Image(&'a Digest),
    /// A file, by the name of a hash and its digits.
    File {
        /// `sha256` or another name of in-toto's.
        algorithm: &'a str,
        /// Lower-case hexadecimal digits.
        hex: &'a str,
    },
}

fn about(
    statement: &Statement,
    wanted: Option<Wanted<'_>>,
    fault: impl FnOnce(&Digest) -> Reason,
) -> Result<(), Reason> {
    match wanted {
        None => Ok(()),
        Some(Wanted::Image(image)) if statement.is_about(image) => Ok(()),
        Some(Wanted::Image(image)) => Err(fault(image)),
        Some(Wanted::File { algorithm, hex }) => {
            let named = |subject: &serde_json::Value| {
                subject.pointer("/digest").and_then(|digests| digests.get(algorithm)).and_then(|d| d.as_str())
                    == Some(hex)
            };
            let subjects = statement.document.get("subject").and_then(|subjects| subjects.as_array());
            if subjects.into_iter().flatten().any(named) {
                return Ok(());
            }
            Err(Reason::Bundle(BundleFault::OtherArtifact))
        }
    }
}

/// Checks a bundle's envelope under one attestor.
///
/// # Errors
/// The first thing that does not hold.
pub fn bundle_attestation(
    bundle: &Bundle,
    trust: &Trust,
    wanted: Option<Wanted<'_>>,
) -> Result<CheckedAttestation, Reason> {
    let BundleContent::Envelope(envelope) = &bundle.content else {
        return Err(Reason::Bundle(BundleFault::NoEnvelope));
    };
    let [signature] = envelope.signatures.as_slice() else {
        return Err(Reason::Bundle(BundleFault::SignatureCount(envelope.signatures.len())));
    };
    let signed = envelope.signed_bytes();
    let raw = signature.signature.as_deref().unwrap_or_default();
    let what = What::Envelope { payload: &envelope.payload, signed: &signed, stored: None };
    let (statement, facts) = sealed::check(trust, bundle, what, raw, |verifier| {
        in_toto(envelope)?;
        if !signature.keyid.is_empty() && signature.keyid != verifier.key().ssh_fingerprint() {
            return Err(Reason::Bundle(BundleFault::OtherKeyid(signature.keyid.clone())));
        }
        signed_by(verifier, envelope, &signed)?;
        let statement = Statement::parse(&envelope.payload).map_err(Reason::Statement)?;
        about(&statement, wanted, |expected| Reason::OtherSubject { expected: expected.clone() })?;
        Ok(statement)
    })?;
    Ok(CheckedAttestation { envelope: envelope.clone(), statement, facts })
}

fn in_toto(envelope: &Envelope) -> Result<(), Reason> {
    if envelope.payload_type == IN_TOTO_PAYLOAD {
        return Ok(());
    }
    Err(Reason::PayloadType { found: envelope.payload_type.clone() })
}

/// Whether at least one signature of the envelope is the attestor's; key hints are unsigned and ignored.
pub(crate) fn signed_by(verifier: &Verifier, envelope: &Envelope, signed: &[u8]) -> Result<(), Reason> {
    if envelope.signatures.is_empty() {
        return Err(Reason::NoSignatures);
    }
    let mut each = Vec::new();
    for signature in &envelope.signatures {
        // A signature that is no base64 verifies under no key, like any other wrong one.
        let bytes = signature.signature.as_deref().unwrap_or_default();
        match verifier.verify(signed, bytes) {
            Ok(()) => return Ok(()),
            Err(error) => each.push(error),
        }
    }
    Err(Reason::NotTheKey { each })
}
