//! cosign's sentences for reasons, in one place (cosign.md §3.1, §3.2).

mod beside;
mod sealed;

use provost_keys::SignatureError;
use provost_statement::{EnvelopeError, IN_TOTO_PAYLOAD, JsonFault, SimpleSigningError, StatementError};

use super::go_text;
use crate::find::{SIGNATURE_ANNOTATION, Source};
use crate::policy::InputError;
use crate::policy::rego::{QUERY, RegoOutcome};
use crate::reason::{BundleFault, Reason, Unchecked};
use crate::report::AttestationReport;

/// What cosign prints for one attestation or signature that does not count.
#[must_use]
pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::MissingSignatureAnnotation { layer } => {
            format!("signature layer {layer} is missing \"{SIGNATURE_ANNOTATION}\" annotation")
        }
        Reason::Envelope(error) => envelope(error),
        Reason::PayloadType { found } => {
            format!("invalid payloadType {found} on envelope. Expected {IN_TOTO_PAYLOAD}")
        }
        Reason::NoSignatures => "no signature found".to_owned(),
        Reason::NotTheKey { .. } => {
            "accepted signatures do not match threshold, Found: 0, Expected 1".to_owned()
        }
        Reason::SignatureEncoding => "illegal base64 data at input byte 0".to_owned(),
        Reason::Statement(error) => statement(error),
        Reason::OtherSubject { .. } => "no matching subject digest found".to_owned(),
        Reason::SimpleSigning(SimpleSigningError::Json(error)) => go_text::json(error),
        Reason::SimpleSigning(SimpleSigningError::Digest(found)) => {
            format!("invalid or missing digest in claim: {found}")
        }
        Reason::OtherImage { found, .. } => format!("invalid or missing digest in claim: {found}"),
        Reason::MissingAnnotation => "missing or incorrect annotation".to_owned(),
        Reason::Bundle(fault) => bundle(fault),
        other => beside::reason(other),
    }
}

/// What cosign prints for one attestation or signature that lay there.
#[must_use]
pub fn reason_at(source: &Source, found: &Reason) -> String {
    match source {
        Source::Layer(_) => reason(found),
        Source::Bundle(_) => in_bundle(found),
    }
}

/// What cosign prints for a bundle that does not count: sigstore-go's words.
#[must_use]
pub fn in_bundle(found: &Reason) -> String {
    sealed::reason(found).unwrap_or_else(|| match found {
        Reason::NotTheKey { .. } | Reason::Bundle(BundleFault::OtherKeyid(_)) => {
            format!("failed to verify signature: could not verify envelope: {}", reason(found))
        }
        Reason::OtherSubject { .. } => {
            "failed to verify signature: provided artifact digest does not match any digest in statement"
                .to_owned()
        }
        other => reason(other),
    })
}

/// The sentence of a single signature over a payload that is no envelope (`.sig`), by the kind of key.
#[must_use]
pub fn payload_signature(error: &SignatureError) -> String {
    match error {
        SignatureError::Ecdsa => "invalid signature when validating ASN.1 encoded signature".to_owned(),
        SignatureError::Rsa => "crypto/rsa: verification error".to_owned(),
        SignatureError::Ed25519 => "failed to verify signature".to_owned(),
        other => other.to_string(),
    }
}

fn envelope(error: &EnvelopeError) -> String {
    match error {
        EnvelopeError::Json(error) => go_text::json(error),
        EnvelopeError::Payload => {
            "unable to base64 decode payload (is payload in the right format?)".to_owned()
        }
        other => other.to_string(),
    }
}

/// cosign decodes twice: into a loose struct (JSON's words), then strictly, where every fault is one sentence.
fn statement(error: &StatementError) -> String {
    match error {
        StatementError::Json(error) if go_text::is_syntax(error) => go_text::json(error),
        StatementError::PredicateForm { found, .. } => {
            let go = match *found {
                "array" => "[]interface {}",
                "number" => "float64",
                other => other,
            };
            format!("could not parse predicate with type {go}")
        }
        StatementError::Json(_) if only_strict_readers_mind(error) => loose_predicate(),
        StatementError::UnknownField(_) | StatementError::Field { .. } => loose_predicate(),
        // These are our own refusals, so they say what to look for.
        other => other.to_string(),
    }
}

/// Faults that Go's loose decoder lets pass and its strict one does not.
fn only_strict_readers_mind(error: &StatementError) -> bool {
    let StatementError::Json(json) = error else { return false };
    matches!(json.fault, JsonFault::DuplicateKey(_) | JsonFault::InvalidUtf8 | JsonFault::Surrogate)
}

fn loose_predicate() -> String {
    "could not parse predicate with type map[string]interface {}".to_owned()
}

fn bundle(fault: &BundleFault) -> String {
    match fault {
        BundleFault::NoEnvelope => "bundle does not contain a DSSE envelope".to_owned(),
        BundleFault::Certificate => "expected key signature, not certificate".to_owned(),
        BundleFault::SignatureCount(_) => "exactly one signature is required".to_owned(),
        BundleFault::OtherKeyid(_) => {
            "accepted signatures do not match threshold, Found: 0, Expected 1".to_owned()
        }
        BundleFault::Malformed(what) => what.to_string(),
        other => sealed::fault(other),
    }
}

/// `no matching attestations: ` and why each of them does not count, joined as cosign joins them.
#[must_use]
pub fn no_matching_attestations(report: &AttestationReport) -> String {
    let legacy: Vec<_> = all_reasons(report, |source| matches!(source, Source::Layer(_)));
    let bundles: Vec<_> = all_reasons(report, |source| matches!(source, Source::Bundle(_)));
    let mut text = legacy.join("\n ");
    if !bundles.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&bundles.join("\n"));
    }
    format!("no matching attestations: {text}")
}

/// The types of what was verified, in storage order; an attestation whose predicate is a text has none for cosign.
#[must_use]
pub fn found_types(report: &AttestationReport) -> Vec<&str> {
    let verified = report.verified.iter().map(|a| (a.position, a.statement.predicate_type.as_str()));
    let texts = report.refused.iter().filter(|r| r.reason.is_text_predicate()).map(|r| (r.position, ""));
    let mut all: Vec<_> = verified.chain(texts).collect();
    all.sort_unstable_by_key(|(position, _)| *position);
    all.into_iter().map(|(_, kind)| kind).collect()
}

fn all_reasons(report: &AttestationReport, of: impl Fn(&Source) -> bool) -> Vec<String> {
    let refused = report.refused.iter().map(|r| (&r.source, &r.reason));
    let ignored = report.ignored.iter().map(|i| (&i.source, &i.reason));
    refused
        .chain(ignored)
        .filter(|(source, _)| of(source))
        .map(|(source, found)| reason_at(source, found))
        .collect()
}

/// Why not all attestations could be seen.
#[must_use]
pub fn unchecked(why: &Unchecked) -> String {
    match why {
        Unchecked::Store(error) => {
            // Where there is something particular to do about it, we say so after Go's words.
            let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{}{hint}", go_text::store(error))
        }
        Unchecked::Manifest { found_at, reason } => format!("{found_at}: {reason}"),
        Unchecked::TooManyLayers { found, limit } => {
            format!("number of layers ({found}) exceeded the limit ({limit})")
        }
        Unchecked::LayerTooLarge { found, limit } => {
            format!("size of layer ({found}) exceeded the limit ({limit})")
        }
        Unchecked::Interrupted => "verifying was interrupted before it ended".to_owned(),
        Unchecked::Log(error) => beside::log_unasked(error),
    }
}

/// Why a statement could not be put before a policy.
#[must_use]
pub fn policy_input(error: &InputError) -> String {
    let InputError { statement, mismatch } = error;
    format!(
        "converting to consumable policy validation: unmarshaling {statement}: json: cannot unmarshal {} into Go struct field {}.{} of type {}",
        mismatch.found, mismatch.holder, mismatch.path, mismatch.expected
    )
}

/// What cosign says of a Rego policy that did not allow; `None` where it did.
#[must_use]
pub fn rego(outcome: &RegoOutcome) -> Option<String> {
    match outcome {
        RegoOutcome::Allowed => None,
        RegoOutcome::Value(value) => Some(format!("expression value, {value}, is not true")),
        RegoOutcome::Undefined => Some(format!("result is undefined for query '{QUERY}'")),
        RegoOutcome::Conflict { file, line, function } => {
            let what = if *function { "functions" } else { "complete rules" };
            Some(format!("{file}:{line}: eval_conflict_error: {what} must not produce multiple outputs"))
        }
        RegoOutcome::Failed(why) => Some(why.clone()),
    }
}
