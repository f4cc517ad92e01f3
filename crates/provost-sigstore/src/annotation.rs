//! What cosign's older form keeps beside a signature: log entries and timestamps as JSON in annotations and files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_statement::json::{self, Limits};
use serde_json::Value;

use crate::log_entry::LogEntry;

/// The annotation of a certificate, in PEM.
pub const CERTIFICATE_ANNOTATION: &str = "dev.sigstore.cosign/certificate";
/// The annotation of the certificates above it, in PEM.
pub const CHAIN_ANNOTATION: &str = "dev.sigstore.cosign/chain";
/// The annotation of a log entry.
pub const BUNDLE_ANNOTATION: &str = "dev.sigstore.cosign/bundle";
/// The annotation of a timestamp.
pub const TIMESTAMP_ANNOTATION: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// Why such a text is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is malformed: expected {expected}")]
pub struct AnnotationFault {
    /// Which.
    pub what: &'static str,
    /// What should be there.
    pub expected: &'static str,
}

/// Reads a log entry: `{"SignedEntryTimestamp":…,"Payload":{"body","integratedTime","logIndex","logID"}}`.
///
/// # Errors
/// When it has another form.
pub fn log_entry(text: &str) -> Result<LogEntry, AnnotationFault> {
    let fault = AnnotationFault { what: BUNDLE_ANNOTATION, expected: "a signed log entry" };
    let document = json::parse(text.as_bytes(), Limits::ENVELOPE).map_err(|_| fault.clone())?;
    log_entry_of(&document).ok_or(fault)
}

/// The same from JSON that has been read.
#[must_use]
pub fn log_entry_of(document: &Value) -> Option<LogEntry> {
    let payload = document.get("Payload")?;
    let promise = STANDARD.decode(document.get("SignedEntryTimestamp")?.as_str()?).ok()?;
    let body = STANDARD.decode(payload.get("body")?.as_str()?).ok()?;
    Some(LogEntry {
        log_index: payload.get("logIndex")?.as_i64()?,
        log_id: hex::decode(payload.get("logID")?.as_str()?).ok()?,
        // The annotation names no kind; the body says it.
        kind: String::new(),
        version: String::new(),
        integrated_time: payload.get("integratedTime")?.as_i64()?,
        promise: Some(promise),
        proof: None,
        body,
    })
}

/// Reads a timestamp: `{"SignedRFC3161Timestamp":"base64"}`.
///
/// # Errors
/// When it has another form.
pub fn timestamp(text: &[u8]) -> Result<Vec<u8>, AnnotationFault> {
    let fault = AnnotationFault { what: TIMESTAMP_ANNOTATION, expected: "a signed RFC 3161 timestamp" };
    let document = json::parse(text, Limits::ENVELOPE).map_err(|_| fault.clone())?;
    let token = document.get("SignedRFC3161Timestamp").and_then(Value::as_str);
    token.and_then(|token| STANDARD.decode(token).ok()).ok_or(fault)
}
