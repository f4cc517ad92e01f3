//! Kyverno's sentences for findings, in one place.

pub mod refusal;

use provost_registry::StoreError;
use provost_registry::store::NetworkFailure;
use provost_verify::dialect::{cosign, go_text};
use provost_verify::notation::NotationFault;
use provost_verify::{Reason, Unchecked};

use crate::cluster::ClusterError;
use crate::outcome::{
    AttestationCause, AttestationFailure, AttestorCause, ContextCause, Finding, KeyFault, RuleOutcome,
};

/// What Kyverno says where no signature carries the annotations.
const ANNOTATIONS: &str = "no signature matched the required annotations";
/// What Kyverno says where no bundle verifies.
const NO_BUNDLE: &str = "sigstore bundle verification failed: no matching signatures found";

/// The message of a result, without control characters: parts of it come out of objects and predicates and end up on
/// terminals.
#[must_use]
pub fn of(outcome: &RuleOutcome) -> String {
    printable(&words(outcome))
}

/// A text in which control characters other than line ends and tabs are replaced.
#[must_use]
pub fn printable(text: &str) -> String {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if text.contains(odd) { text.replace(odd, "\u{fffd}") } else { text.to_owned() }
}

fn words(outcome: &RuleOutcome) -> String {
    let image = outcome.image.as_deref().unwrap_or_default();
    let rule = &outcome.rule;
    match &outcome.finding {
        Finding::Signatures => format!("verified image signatures for {image}"),
        Finding::Attestations => format!("verified image attestations for {image}"),
        Finding::Validated => format!("verifyImages validation is passed in {rule} rule"),
        Finding::Pinned => "mutated image digest".to_owned(),
        Finding::Passed { policy } => {
            format!("skipping image reference image {image}, policy {policy} ruleName {rule}")
        }
        Finding::Preconditions(messages) => {
            let said: Vec<_> = std::iter::once("preconditions not met")
                .chain(messages.iter().map(String::as_str).filter(|m| !m.is_empty()))
                .collect();
            said.join("; ")
        }
        Finding::Excepted(names) => {
            format!("rule is skipped due to policy exceptions{}", names.join(", "))
        }
        Finding::Checked(skipped) if skipped.is_empty() => "image verified".to_owned(),
        Finding::Checked(skipped) => {
            let what = match outcome.status {
                crate::outcome::Status::Skip => "skipped",
                _ => "verified",
            };
            format!("image {what}, skipped images: {}", skipped.join(" "))
        }
        Finding::SignaturesMissing(failures) => {
            let each: Vec<_> =
                failures.iter().map(|f| format!("{}: {}", f.path, attestor(&f.cause, image))).collect();
            format!("failed to verify image {image}: {}", each.join("; "))
        }
        Finding::AttestationsMissing { verified, required, failures } => {
            let each: Vec<_> = failures.iter().map(|f| attestation(f, image)).collect();
            let error =
                if each.is_empty() { "attestations verification failed".to_owned() } else { each.join("; ") };
            format!(
                "image attestations verification failed, verifiedCount: {verified}, requiredCount: {required}, error: {error}"
            )
        }
        Finding::TypeMissing { path } => format!("{path}: missing type"),
        Finding::Denied { messages } if messages.is_empty() => {
            "validation in verifyImages failed: validation error: imageVerify  failed".to_owned()
        }
        Finding::Denied { messages } => format!("validation in verifyImages failed: {}", messages.join("; ")),
        Finding::DenyUnresolved(error) => format!("failed to check deny conditions: {error}"),
        Finding::DigestMissing => format!("missing digest for {image}"),
        Finding::Unverified => format!("unverified image {image}"),
        Finding::BadImage { pointer, reason } => format!("{reason} (at {pointer})"),
        Finding::DigestUnresolved(error) => {
            format!(
                "failed to update digest: failed to fetch image reference: {image}, error: {}",
                store(error)
            )
        }
        Finding::PreconditionsUnresolved(error) => {
            format!("failed to evaluate preconditions: {error}")
        }
        Finding::VariablesUnresolved(error) => format!("failed to substitute variables: {error}"),
        Finding::Context { name, cause } => context(name, cause),
        Finding::Credentials(error) => format!("failed to fetch secrets: {error}"),
        Finding::Stores(error) => format!("failed to reach the registry: {error}"),
        Finding::Selection(error) => format!("failed to match the resource: {error}"),
        Finding::Unsupported(construct) => unsupported(construct),
    }
}

fn unsupported(construct: &crate::outcome::Construct) -> String {
    construct.described()
}

fn context(name: &str, cause: &ContextCause) -> String {
    match cause {
        ContextCause::ConfigMap { namespace, name: map, cause } => format!(
            "failed to load context: failed to retrieve config map for context entry {name}: failed to get configmap {namespace}/{map} : {cause}"
        ),
        ContextCause::Expression(error) => format!("failed to load context: {error}"),
        ContextCause::Call { what, cause } => {
            format!("failed to load context: failed to fetch data for APICall: failed to {what}: {cause}")
        }
        ContextCause::Global { key, cause: ClusterError::NotFound { .. } } => format!(
            "failed to load context: failed to marshal APICall data for context entry {name}: failed to fetch entry key={key}"
        ),
        ContextCause::Global { key, cause } => format!(
            "failed to load context: failed to marshal APICall data for context entry {name}: failed to fetch entry key={key}: {cause}"
        ),
        ContextCause::Projection { expression, error } => format!(
            "failed to load context: failed to apply JMESPath {expression} for context entry {name}: {error}"
        ),
        ContextCause::BadImage { image, reason } => {
            format!("failed to load context: failed to fetch image descriptor: {image}, error: {reason}")
        }
        ContextCause::Registry { image, cause } => {
            let cause = store(cause);
            format!("failed to load context: failed to fetch image descriptor: {image}, error: {cause}")
        }
        ContextCause::TooLarge { found, limit } => format!(
            "failed to load context: context size limit exceeded: {found} bytes exceeds limit of {limit} bytes"
        ),
    }
}

fn attestor(cause: &AttestorCause, image: &str) -> String {
    match cause {
        AttestorCause::Key(fault) => key(fault),
        AttestorCause::ImageMissing(error) => format!("image tag not found: {}", store(error)),
        AttestorCause::NoSignatures => "no signatures found".to_owned(),
        AttestorCause::NoMatch(reasons) => {
            let each: Vec<_> = reasons.iter().map(signature).collect();
            format!("no matching signatures: {}", each.join("\n "))
        }
        AttestorCause::Annotations => ANNOTATIONS.to_owned(),
        AttestorCause::NoBundle => NO_BUNDLE.to_owned(),
        AttestorCause::Notation(faults) => notation(faults, image),
        AttestorCause::Identity(mismatches) => {
            let each: Vec<_> = mismatches.iter().map(ToString::to_string).collect();
            each.join("; ")
        }
        AttestorCause::Unchecked(why) => unchecked(why),
        AttestorCause::Unsupported(construct) => unsupported(construct),
    }
}

fn notation(faults: &[NotationFault], image: &str) -> String {
    let each: Vec<_> = faults.iter().map(ToString::to_string).collect();
    format!("failed to verify {image}: signature verification failed: {}", each.join("; "))
}

/// What cosign says of one image signature.
fn signature(reason: &Reason) -> String {
    match reason {
        Reason::NotTheKey { each } => {
            let words: Vec<_> = each.iter().map(cosign::payload_signature).collect();
            words.join("\n ")
        }
        other => cosign::reason(other),
    }
}

fn attestation(failure: &AttestationFailure, image: &str) -> String {
    let words = match &failure.cause {
        AttestationCause::Key(fault) => key(fault),
        AttestationCause::ImageMissing => "not found".to_owned(),
        AttestationCause::NoMatch(report) => cosign::no_matching_attestations(report),
        AttestationCause::NoBundle => NO_BUNDLE.to_owned(),
        AttestationCause::Identity(mismatch) => mismatch.to_string(),
        AttestationCause::Notation { kind, faults } if faults.is_empty() => {
            format!("no matching attestations found for image {image} with type {kind}")
        }
        AttestationCause::Notation { faults, .. } => notation(faults, image),
        AttestationCause::Annotations => ANNOTATIONS.to_owned(),
        AttestationCause::Refused(reason) => {
            format!("an attestation that the key signed is refused: {}", cosign::reason(reason))
        }
        AttestationCause::NoPredicate => "predicate not found in any statement".to_owned(),
        AttestationCause::OtherTypes { wanted } => {
            format!("attestions not found for predicate type {wanted}")
        }
        AttestationCause::NotAnObject => {
            "failed to extract predicate from statement: the predicate is no object".to_owned()
        }
        AttestationCause::Conditions { kind, messages } => format!(
            "attestation checks failed for {image} and predicate {kind}: {}",
            messages.iter().filter(|m| !m.is_empty()).map(String::as_str).collect::<Vec<_>>().join("; ")
        ),
        AttestationCause::ConditionsUnresolved(error) => format!("failed to check attestations: {error}"),
        AttestationCause::Unchecked(why) => unchecked(why),
        AttestationCause::Unsupported(construct) => unsupported(construct),
    };
    match &failure.path {
        Some(path) => format!("{path}: {words}"),
        None => words,
    }
}

fn key(fault: &KeyFault) -> String {
    match fault {
        KeyFault::Pem(error) => format!("failed to load public key from PEM: {error}"),
        KeyFault::Secret { namespace, name, cause } => {
            let why = match cause {
                ClusterError::NotFound { .. } => format!("checking if secret exists: {cause}"),
                ClusterError::NoCluster => "new for config: error creating REST client config in-cluster: unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined".to_owned(),
                ClusterError::Unreachable(_) => cause.to_string(),
            };
            format!("failed to load public key from k8s://{namespace}/{name}: {why}")
        }
        KeyFault::SecretWithoutKey { namespace, name } => {
            format!("failed to load public key from k8s://{namespace}/{name}: no cosign.pub in the secret")
        }
        KeyFault::Service { reference, reason } => {
            format!("failed to load public key from {reference}: {reason}")
        }
        KeyFault::Material { attempt, reason } => format!("{attempt}: {reason}"),
        KeyFault::Certificate { text, reason } => format!("failed to load certificate from {text}: {reason}"),
        KeyFault::ChainTooLong { found, limit } => {
            format!("certificate chain too long ({found}), maximum allowed is {limit}")
        }
        KeyFault::NotOpened { text } if text.contains("://") => format!(
            "failed to load public key from {text}: a policy's key is PEM, k8s:// or a Secret; nothing else is opened"
        ),
        KeyFault::NotOpened { text } => {
            format!("failed to load public key from {text}: open {text}: no such file or directory")
        }
    }
}

fn unchecked(why: &Unchecked) -> String {
    match why {
        Unchecked::Store(error) => store(error),
        other => cosign::unchecked(other),
    }
}

/// A registry's failure in go-containerregistry's words. It greets a registry at `/v2/` before it asks, over https
/// and, where the host may speak http, over http: a refused connection shows both.
fn store(error: &StoreError) -> String {
    if let StoreError::Network { request, kind: NetworkFailure::Refused, address, .. } = error
        && let Some(host) = host_of(request)
    {
        let greeting = |scheme: &str| {
            format!("Get \"{scheme}://{host}/v2/\": dial tcp {address}: connect: connection refused")
        };
        return match may_speak_http(host) {
            true => format!("{}; {}", greeting("https"), greeting("http")),
            false => greeting("https"),
        };
    }
    go_text::store(error)
}

fn host_of(request: &str) -> Option<&str> {
    let (_, rest) = request.split_once("://")?;
    rest.split(['/', ' ']).next()
}

fn may_speak_http(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let private = name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback() || ip.is_private());
    private
        || name == "localhost"
        || name.ends_with(".localhost")
        || name.ends_with(".local")
        || name == "[::1]"
}
