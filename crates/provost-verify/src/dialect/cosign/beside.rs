//! cosign's sentences for what lies beside a signature of the tag scheme: certificates, log entries, timestamps.

use provost_sigstore::annotation::AnnotationFault;
use provost_sigstore::chain::ChainFault;
use provost_sigstore::entry_content::ContentFault;
use provost_sigstore::identity::{IdentityFault, WorkflowClaim};
use provost_sigstore::sct::SctFault;
use provost_sigstore::service_client::{ServiceError, Unreached};
use provost_sigstore::stamp::StampFault;
use provost_sigstore::transparency::LogFault;

use crate::dialect::go_text;
use crate::reason::Reason;
use crate::times::{TimeFault, TimeSource};

pub(super) fn reason(reason: &Reason) -> String {
    match reason {
        Reason::NoCertificate => "no certificate found on signature".to_owned(),
        Reason::OtherCertificate => {
            "error verifying bundle: both public key and certificate were provided but did not match"
                .to_owned()
        }
        Reason::Certificate(error) => go_text::certificate(error),
        Reason::CertificateKey(why) => format!("invalid certificate found on signature: {why}"),
        Reason::Chain { from_trusted_root: true, .. } => "leaf certificate verification failed".to_owned(),
        Reason::Chain { fault, from_trusted_root: false } => path(fault),
        Reason::Identity(fault) => identity(fault),
        Reason::Sct(fault) => sct(fault),
        Reason::Time(fault) => time(fault),
        Reason::NoLogEntry => "offline verification failed".to_owned(),
        Reason::NotInLog => "signature not found in transparency log".to_owned(),
        Reason::LogUnasked(error) => log_unasked(error),
        Reason::Log(fault) => format!("error verifying bundle: {}", log(fault)),
        Reason::LogContent(fault) => format!("error verifying bundle: {}", content(fault)),
        Reason::Stamp(fault) => format!("unable to verify RFC3161 timestamp bundle: {}", stamp(fault)),
        Reason::Annotation(AnnotationFault { what, expected }) => {
            format!("the annotation {what} is malformed: expected {expected}")
        }
        other => other.code().to_owned(),
    }
}

/// Why the log did not answer, in the words of cosign's client.
pub(super) fn log_unasked(error: &ServiceError) -> String {
    let why = match error {
        ServiceError::Network { url, address, kind, cause, .. } => {
            let why = match kind {
                Unreached::Refused => format!("dial tcp {address}: connect: connection refused"),
                Unreached::Timeout => "context deadline exceeded".to_owned(),
                Unreached::Other => cause.clone(),
            };
            format!("Post \"{url}\": {why}")
        }
        ServiceError::Status { path, status: status @ 400, body, .. } => {
            format!("[POST {path}][{status}] searchLogQueryBadRequest {body}")
        }
        ServiceError::Status { path, status, body, .. } => {
            format!("[POST {path}][{status}] searchLogQuery default {body}")
        }
        other => other.to_string(),
    };
    format!("searching log query: {why}")
}

/// The path to a root, in the words of cosign's own check.
fn path(fault: &ChainFault) -> String {
    format!(
        "cert verification failed: {}. Check your TUF root (see cosign initialize) or set a custom root with env var SIGSTORE_ROOT_FILE",
        go_text::x509(fault)
    )
}

fn identity(fault: &IdentityFault) -> String {
    match fault {
        IdentityFault::Pattern { issuer, text, reason } => {
            let what = if *issuer { "issuer" } else { "subject" };
            format!("malformed {what} in identity: {text} : error parsing regexp: {reason}")
        }
        IdentityFault::Workflow { claim, .. } => {
            let name = match claim {
                WorkflowClaim::Trigger => "Trigger",
                WorkflowClaim::Sha => "SHA",
                WorkflowClaim::Name => "Name",
                WorkflowClaim::Repository => "Repository",
                WorkflowClaim::Ref => "Ref",
            };
            format!("expected GitHub Workflow {name} not found in certificate")
        }
        IdentityFault::Other { names, issuer } => format!(
            "none of the expected identities matched what was in the certificate, got subjects [{}] with issuer {issuer}",
            names.join(", ")
        ),
        other => other.to_string(),
    }
}

fn sct(fault: &SctFault) -> String {
    match fault {
        SctFault::Missing => {
            "certificate does not include required embedded SCT and no detached SCT was set".to_owned()
        }
        SctFault::NoLogs => "none of the CTFE keys have been found".to_owned(),
        SctFault::UnknownLog => "ctfe public key not found for payload. Check your TUF root (see cosign initialize) or set a custom key with env var SIGSTORE_CT_LOG_PUBLIC_KEY_FILE".to_owned(),
        SctFault::Signature => {
            "error verifying embedded SCT: failed to verify ECDSA signature".to_owned()
        }
        SctFault::NoIssuer => {
            "certificate chain must contain at least a certificate and its issuer".to_owned()
        }
        other => other.to_string(),
    }
}

fn time(fault: &TimeFault) -> String {
    let TimeFault { issuer, at, by: source, fault } = fault;
    if *source == (TimeSource::Present { unasked: true }) {
        return "expected a signed timestamp to verify an expired certificate".to_owned();
    }
    let what = if *issuer { "issuing CA certificate" } else { "certificate" };
    let why = match fault {
        ChainFault::Expired { not_after, .. } => {
            format!("{what} expired before observed time: {not_after} is before {at}")
        }
        ChainFault::NotYetValid { not_before, .. } => {
            format!("{what} was issued after observed time: {not_before} is after {at}")
        }
        other => other.to_string(),
    };
    let by = match source {
        TimeSource::Authority => "timestamp",
        TimeSource::Log | TimeSource::Present { .. } => "bundle",
    };
    format!("checking expiry on certificate with {by}: {why}")
}

fn log(fault: &LogFault) -> String {
    match fault {
        LogFault::UnknownLog { .. } => {
            "verifying bundle: rekor log public key not found for payload".to_owned()
        }
        LogFault::Promise => "unable to verify SET".to_owned(),
        other => other.to_string(),
    }
}

fn content(fault: &ContentFault) -> String {
    match fault {
        ContentFault::Signature => "signature in bundle does not match signature being verified".to_owned(),
        ContentFault::Signer => "comparing public key PEMs: the log entry is about another signer".to_owned(),
        ContentFault::Hash { found, expected } => {
            format!("matching bundle to payload: bundle={found:?}, payload={expected:?}")
        }
        ContentFault::Kind { .. } => "failed to extract key from bundle: unsupported type".to_owned(),
        other => other.to_string(),
    }
}

fn stamp(fault: &StampFault) -> String {
    match fault {
        StampFault::NoAuthorities => "no TSA root certificate(s) provided to verify timestamp".to_owned(),
        other => other.to_string(),
    }
}
