//! sigstore-go's sentences for bundles, which cosign passes on.

use provost_sigstore::entry_content::ContentFault;
use provost_sigstore::identity::{IdentityFault, WorkflowClaim};

use crate::reason::{BundleFault, Reason};

/// `None` where it is said as elsewhere.
pub(super) fn reason(reason: &Reason) -> Option<String> {
    Some(match reason {
        Reason::Chain { .. } => {
            "failed to verify leaf certificate: leaf certificate verification failed".to_owned()
        }
        Reason::Sct(_) => "failed to verify signed certificate timestamp: only able to verify 0 SCT entries; unable to meet threshold of 1".to_owned(),
        Reason::Identity(fault) => identity(fault),
        Reason::Log(fault) => format!("failed to verify log inclusion: {fault}"),
        Reason::LogContent(fault) => format!("failed to verify log inclusion: {}", content(fault)),
        Reason::Stamp(fault) => format!(
            "failed to verify timestamps: threshold not met for verified signed timestamps: 0 < 1; error: unable to verify signed timestamps: {fault}"
        ),
        Reason::CertificateKey(why) => format!("failed to get signature verifier: {why}"),
        _ => return None,
    })
}

/// The sentence of a fault that only bundles have.
pub(super) fn fault(fault: &BundleFault) -> String {
    match fault {
        BundleFault::Key => {
            "failed to get signature verifier: could not load signature verifier: no public key material available"
        }
        BundleFault::NotLogged => {
            "failed to verify log inclusion: not enough verified log entries from transparency log: 0 < 1"
        }
        BundleFault::DuplicateEntries => "failed to verify log inclusion: duplicate tlog entries found",
        BundleFault::TimeOutsideCertificate => {
            "failed to verify log inclusion: integrated time outside certificate validity"
        }
        BundleFault::NoStamp => {
            "failed to verify timestamps: threshold not met for verified signed timestamps: 0 < 1; error: %!w(<nil>)"
        }
        BundleFault::NoTime => {
            "failed to verify timestamps: threshold not met for verified log entry integrated timestamps: 0 < 1"
        }
        BundleFault::NoMessage => "the bundle holds a DSSE envelope, expected a message signature",
        BundleFault::OtherArtifact => {
            "failed to verify signature: provided artifact digests do not match digests in statement"
        }
        // The others are said where bundles and layers are alike.
        _ => "the bundle does not count",
    }
    .to_owned()
}

fn identity(fault: &IdentityFault) -> String {
    let why = match fault {
        IdentityFault::Pattern { reason, .. } => return format!("error parsing regexp: {reason}"),
        IdentityFault::Nobody => {
            return "failed to summarize certificate: no Subject Alternative Name found".to_owned();
        }
        IdentityFault::Value { what, expected, pattern: false, found } => {
            format!("expected {what} value \"{expected}\", got \"{found}\"")
        }
        IdentityFault::Value { what, expected, pattern: true, found } => {
            format!("expected {what} value to match regex \"{expected}\", got \"{found}\"")
        }
        IdentityFault::Workflow { claim, expected, found } => {
            let field = match claim {
                WorkflowClaim::Trigger => "GithubWorkflowTrigger",
                WorkflowClaim::Sha => "GithubWorkflowSHA",
                WorkflowClaim::Name => "GithubWorkflowName",
                WorkflowClaim::Repository => "GithubWorkflowRepository",
                WorkflowClaim::Ref => "GithubWorkflowRef",
            };
            format!("expected {field} to be \"{expected}\", got \"{found}\"")
        }
        other => other.to_string(),
    };
    format!("failed to verify certificate identity: no matching CertificateIdentity found, last error: {why}")
}

fn content(fault: &ContentFault) -> String {
    match fault {
        ContentFault::Signature => "transparency log signature does not match".to_owned(),
        ContentFault::Signer => "transparency log certificate does not match".to_owned(),
        ContentFault::Hash { found, expected } => format!(
            "transparency log dsse/intoto entry payload hash {expected} does not match envelope payload hash {found}"
        ),
        other => other.to_string(),
    }
}
