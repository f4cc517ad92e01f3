//! Sigstore bundles (v0.3) as far as a managed key needs them: the envelope inside.

use provost_statement::json::{self, Limits};
use provost_statement::{Envelope, go_json};
use serde_json::Value;

use crate::reason::{BundleFault, Reason};

/// How the media type of every bundle version begins.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle";

/// The envelope of a bundle that a key is said to have signed.
///
/// # Errors
/// Bundles signed by certificates or holding message signatures are not a key's attestations.
pub fn key_envelope(bytes: &[u8]) -> Result<Envelope, Reason> {
    let document = json::parse(bytes, Limits::ENVELOPE).map_err(|_| fault("no strict JSON"))?;
    let material = document.get("verificationMaterial").and_then(Value::as_object);
    let material = material.ok_or_else(|| fault("verificationMaterial missing"))?;
    if material.contains_key("certificate") || material.contains_key("x509CertificateChain") {
        return Err(Reason::Bundle(BundleFault::Certificate));
    }
    let Some(envelope) = document.get("dsseEnvelope") else {
        return Err(Reason::Bundle(BundleFault::NoEnvelope));
    };
    let envelope = Envelope::parse(&go_json::plain(envelope)).map_err(Reason::Envelope)?;
    match envelope.signatures.len() {
        1 => Ok(envelope),
        count => Err(Reason::Bundle(BundleFault::SignatureCount(count))),
    }
}

fn fault(what: &'static str) -> Reason {
    Reason::Bundle(BundleFault::Malformed(what))
}
