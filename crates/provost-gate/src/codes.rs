//! Stable codes of findings, for logs, metrics and programs.

use provost_kyverno::Finding;
use provost_kyverno::outcome::{AttestationCause, AttestorCause, ContextCause, KeyFault};
use provost_registry::StoreError;
use provost_verify::Unchecked;

/// The most codes one finding has: an entry of a thousand attestors fails in a handful of ways.
const MOST: usize = 8;

/// What a finding is, and what it consists of: sorted, without repetitions, never more than eight.
#[must_use]
pub fn of(finding: &Finding) -> Vec<&'static str> {
    let mut codes = vec![head(finding)];
    match finding {
        Finding::SignaturesMissing(failures) => {
            failures.iter().for_each(|failure| attestor(&failure.cause, &mut codes));
        }
        Finding::AttestationsMissing { failures, .. } => {
            failures.iter().for_each(|failure| attestation(&failure.cause, &mut codes));
        }
        Finding::DigestUnresolved(error) => codes.push(store(error)),
        Finding::Context { cause, .. } => codes.push(context(cause)),
        _ => {}
    }
    let mut rest = codes.split_off(1);
    rest.sort_unstable();
    rest.dedup();
    codes.extend(rest);
    codes.truncate(MOST);
    codes
}

fn head(finding: &Finding) -> &'static str {
    match finding {
        Finding::Signatures => "signatures",
        Finding::Attestations => "attestations",
        Finding::Validated => "validated",
        Finding::Pinned => "pinned",
        Finding::Passed { .. } => "passed-over",
        Finding::Preconditions(_) => "preconditions",
        Finding::Excepted(_) => "excepted",
        Finding::Checked(_) => "checked",
        Finding::SignaturesMissing(_) => "signatures-missing",
        Finding::AttestationsMissing { .. } => "attestations-missing",
        Finding::TypeMissing { .. } => "type-missing",
        Finding::Denied { .. } => "denied",
        Finding::DenyUnresolved(_) => "deny-unresolved",
        Finding::DigestMissing => "digest-missing",
        Finding::Unverified => "unverified",
        Finding::BadImage { .. } => "bad-image",
        Finding::DigestUnresolved(_) => "digest-unresolved",
        Finding::PreconditionsUnresolved(_) => "preconditions-unresolved",
        Finding::VariablesUnresolved(_) => "variables-unresolved",
        Finding::Context { .. } => "context",
        Finding::Credentials(_) => "credentials",
        Finding::Stores(_) => "registry-client",
        Finding::Selection(_) => "selection",
        Finding::Unsupported(_) => "unsupported",
    }
}

fn attestor(cause: &AttestorCause, codes: &mut Vec<&'static str>) {
    let code = match cause {
        AttestorCause::Key(fault) => key(fault),
        AttestorCause::ImageMissing(_) => "image-missing",
        AttestorCause::NoSignatures => "no-signatures",
        AttestorCause::NoMatch(reasons) => {
            codes.extend(reasons.iter().map(provost_verify::Reason::code));
            "no-match"
        }
        AttestorCause::Annotations => "annotation-missing",
        AttestorCause::NoBundle => "no-bundle",
        AttestorCause::Identity(_) => "identity",
        AttestorCause::Notation(_) => "notation",
        AttestorCause::Unchecked(why) => unchecked(why),
        AttestorCause::Unsupported(_) => "unsupported",
    };
    codes.push(code);
}

fn attestation(cause: &AttestationCause, codes: &mut Vec<&'static str>) {
    let code = match cause {
        AttestationCause::Key(fault) => key(fault),
        AttestationCause::ImageMissing => "image-missing",
        AttestationCause::NoMatch(report) => {
            codes.extend(report.reasons().map(provost_verify::Reason::code));
            "no-match"
        }
        AttestationCause::NoBundle => "no-bundle",
        AttestationCause::Identity(_) => "identity",
        AttestationCause::Annotations => "annotation-missing",
        AttestationCause::Notation { .. } => "notation",
        AttestationCause::Refused(reason) => reason.code(),
        AttestationCause::NoPredicate => "no-predicate",
        AttestationCause::OtherTypes { .. } => "other-types",
        AttestationCause::NotAnObject => "predicate-no-object",
        AttestationCause::Conditions { .. } => "conditions",
        AttestationCause::ConditionsUnresolved(_) => "conditions-unresolved",
        AttestationCause::Unchecked(why) => unchecked(why),
        AttestationCause::Unsupported(_) => "unsupported",
    };
    codes.push(code);
}

fn key(fault: &KeyFault) -> &'static str {
    match fault {
        KeyFault::Pem(_) => "key-pem",
        KeyFault::Secret { .. } | KeyFault::SecretWithoutKey { .. } => "key-secret",
        KeyFault::Service { .. } => "key-service",
        KeyFault::Material { .. } => "key-material",
        KeyFault::Certificate { .. } => "key-certificate",
        KeyFault::ChainTooLong { .. } => "key-chain",
        KeyFault::NotOpened { .. } => "key-not-opened",
    }
}

fn context(cause: &ContextCause) -> &'static str {
    match cause {
        ContextCause::ConfigMap { .. } => "context-config-map",
        ContextCause::Expression(_) => "context-expression",
        ContextCause::Call { .. } => "context-call",
        ContextCause::Global { .. } => "context-global",
        ContextCause::Projection { .. } => "context-projection",
        ContextCause::BadImage { .. } => "bad-image",
        ContextCause::Registry { cause, .. } => store(cause),
        ContextCause::TooLarge { .. } => "context-too-large",
    }
}

fn unchecked(why: &Unchecked) -> &'static str {
    match why {
        Unchecked::Store(error) => store(error),
        Unchecked::Manifest { .. } => "registry-malformed",
        Unchecked::TooManyLayers { .. } | Unchecked::LayerTooLarge { .. } => "limit",
        Unchecked::Interrupted => "interrupted",
        Unchecked::Log(_) => "log-unasked",
        _ => "unchecked",
    }
}

/// What a registry did.
#[must_use]
pub fn store(error: &StoreError) -> &'static str {
    match error {
        StoreError::NotFound { .. } => "registry-not-found",
        StoreError::Status { status: 401 | 403, .. } => "registry-denied",
        StoreError::Status { status: 429, .. } => "registry-rate",
        StoreError::Status { .. } => "registry-status",
        StoreError::Network { .. } => "registry-network",
        StoreError::DigestMismatch { .. } | StoreError::Malformed { .. } => "registry-malformed",
        StoreError::Size { .. } => "limit",
        StoreError::Refused { .. } => "registry-refused",
        StoreError::Credentials { .. } => "credentials",
        _ => "registry",
    }
}

#[cfg(test)]
mod tests {
    use provost_kyverno::outcome::{AttestationCause, AttestationFailure, Finding};
    use provost_registry::StoreError;
    use provost_verify::Unchecked;

    #[test]
    fn a_finding_says_what_it_is_first_and_then_why() {
        let status = |status| StoreError::Status {
            request: "GET x".into(),
            status,
            errors: vec![],
            body: String::new(),
        };
        let failure = |cause| AttestationFailure { path: None, cause };
        let failures = vec![
            failure(AttestationCause::Unchecked(Unchecked::Store(status(429)))),
            failure(AttestationCause::Conditions { kind: "t".into(), messages: vec!["m".into()] }),
            failure(AttestationCause::Conditions { kind: "t".into(), messages: vec!["n".into()] }),
        ];
        let finding = Finding::AttestationsMissing { verified: 0, required: 1, failures };
        assert_eq!(super::of(&finding), ["attestations-missing", "conditions", "registry-rate"]);
        assert_eq!(
            super::of(&Finding::DigestUnresolved(status(500))),
            ["digest-unresolved", "registry-status"]
        );
        assert_eq!(super::of(&Finding::Signatures), ["signatures"]);
    }
}
