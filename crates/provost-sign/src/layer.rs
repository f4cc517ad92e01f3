//! The older forms of a bundle: a layer of the tag scheme with annotations, and cosign's own bundle file.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use provost_keys::PublicKey;
use provost_sigstore::bundle_writing::{Content, Material, NewBundle};
use provost_sigstore::log_entry::CosignLogEntry;
use provost_statement::go_json;
use provost_statement::tag_scheme::{ENVELOPE_LAYER, SIGNATURE_ANNOTATION, SIGNATURE_LAYER};
use serde::Serialize;
use serde_json::json;

use crate::attach::AttachedLayer;

/// The signer's certificate, in PEM.
pub const CERTIFICATE_ANNOTATION: &str = "dev.sigstore.cosign/certificate";
/// The certificates above it, in PEM; empty where there is only the leaf.
pub const CHAIN_ANNOTATION: &str = "dev.sigstore.cosign/chain";
/// What a log said.
pub const LOG_ANNOTATION: &str = "dev.sigstore.cosign/bundle";
/// What a timestamp authority said.
pub const TIMESTAMP_ANNOTATION: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// A bundle's signature as text: the base64 of what was signed over a message, or of the whole envelope.
#[must_use]
pub fn signature_text(bundle: &NewBundle) -> String {
    STANDARD.encode(signature_bytes(bundle))
}

/// A bundle's signature as the older forms have it: the signature over a message, or the whole envelope.
#[must_use]
pub fn signature_bytes(bundle: &NewBundle) -> Vec<u8> {
    match &bundle.content {
        Content::Message { signature, .. } => signature.clone(),
        Content::Envelope(envelope) => envelope.to_json(),
    }
}

/// The layer for an image signature: the payload, and all that vouches for it in annotations.
#[must_use]
pub fn signature_layer_of(bundle: &NewBundle, payload: Vec<u8>, chain: Option<&str>) -> AttachedLayer {
    let mut annotations = vouching(bundle, chain);
    annotations.insert(SIGNATURE_ANNOTATION.to_owned(), signature_text(bundle));
    AttachedLayer { media_type: SIGNATURE_LAYER.to_owned(), bytes: Bytes::from(payload), annotations }
}

/// The layer for an attestation: the envelope, its predicate type, and all that vouches for it.
#[must_use]
pub fn attestation_layer_of(bundle: &NewBundle, predicate_type: &str, chain: Option<&str>) -> AttachedLayer {
    let mut annotations = vouching(bundle, chain);
    annotations.insert(SIGNATURE_ANNOTATION.to_owned(), String::new());
    annotations.insert("predicateType".to_owned(), predicate_type.to_owned());
    let bytes = Bytes::from(signature_bytes(bundle));
    AttachedLayer { media_type: ENVELOPE_LAYER.to_owned(), bytes, annotations }
}

/// Certificate, log entry and timestamp as annotations; of several the first, as cosign keeps them.
fn vouching(bundle: &NewBundle, chain: Option<&str>) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    if let Some(pem) = certificate_pem(bundle) {
        annotations.insert(CERTIFICATE_ANNOTATION.to_owned(), pem);
        annotations.insert(CHAIN_ANNOTATION.to_owned(), chain.unwrap_or_default().to_owned());
    }
    if let Some(entry) = bundle.log_entries.first() {
        annotations.insert(LOG_ANNOTATION.to_owned(), entry.to_annotation());
    }
    if let Some(text) = timestamp_json(bundle) {
        annotations.insert(TIMESTAMP_ANNOTATION.to_owned(), text);
    }
    annotations
}

/// The first timestamp as cosign's files and annotations hold it.
#[must_use]
pub fn timestamp_json(bundle: &NewBundle) -> Option<String> {
    let der = bundle.timestamps.first()?;
    let text = go_json::escaped(&json!({"SignedRFC3161Timestamp": STANDARD.encode(der)}));
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The signer's certificate in PEM, where a certificate vouches.
#[must_use]
pub fn certificate_pem(bundle: &NewBundle) -> Option<String> {
    match &bundle.signer {
        Material::PublicKey(_) => None,
        Material::Certificate(der) => Some(pem("CERTIFICATE", der)),
    }
}

/// PEM with lines of 64 and a final line break.
fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// What stands in the `cert` field of cosign's own bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertField {
    /// The certificate's PEM in base64, or the key's where there is none: `sign-blob`, `attest`, `attest-blob`.
    PemOrKey,
    /// The certificate's DER in base64, or nothing: `sign`.
    Der,
}

/// cosign's own bundle file, which `--new-bundle-format=false` writes.
#[must_use]
pub fn cosign_bundle(bundle: &NewBundle, key: &PublicKey, field: CertField) -> Vec<u8> {
    let cert = match (&bundle.signer, field) {
        (Material::Certificate(der), CertField::Der) => STANDARD.encode(der),
        (Material::Certificate(_), CertField::PemOrKey) => {
            STANDARD.encode(certificate_pem(bundle).unwrap_or_default())
        }
        (Material::PublicKey(_), CertField::Der) => String::new(),
        (Material::PublicKey(_), CertField::PemOrKey) => STANDARD.encode(key.to_pem()),
    };
    go_json::escaped(&CosignBundle {
        signature: signature_text(bundle),
        cert,
        log_entry: bundle.log_entries.first().map(provost_sigstore::log_entry::LogEntry::to_cosign),
    })
}

#[derive(Serialize)]
struct CosignBundle {
    #[serde(rename = "base64Signature")]
    signature: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cert: String,
    #[serde(rename = "rekorBundle", skip_serializing_if = "Option::is_none")]
    log_entry: Option<CosignLogEntry>,
}
