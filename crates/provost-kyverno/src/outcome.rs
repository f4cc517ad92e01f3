//! What a judgement finds, as data; the words are made in [`crate::message`].

use provost_keys::KeyError;
use provost_registry::StoreError;
use provost_verify::notation::NotationFault;
use provost_verify::{AttestationReport, Reason, Unchecked};

pub use crate::attestors::identity::Mismatch;
use crate::cluster::ClusterError;
use crate::policy::{Action, FailurePolicy};

/// Kyverno's five results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// What must hold, holds.
    Pass,
    /// It does not, or the registry kept us from knowing.
    Fail,
    /// It does not, and the policy is not scored.
    Warn,
    /// Something of our own side failed.
    Error,
    /// The rule or entry is not about this.
    Skip,
}

impl Status {
    /// Kyverno's word in annotations and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Skip => "skip",
        }
    }
}

/// One result of one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: String,
    /// The image it is about, where it is about one.
    pub image: Option<String>,
    /// The result.
    pub status: Status,
    /// Why.
    pub finding: Finding,
    /// What failing means here.
    pub action: Action,
    /// Whether the user is told although it is no failure.
    pub tells: bool,
}

/// All results of one policy for one object.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyOutcome {
    /// The policy's name.
    pub name: String,
    /// The policy's namespace; empty for a cluster policy.
    pub namespace: String,
    /// What a failure of our own side means.
    pub failure_policy: FailurePolicy,
    /// Whether a failure of this policy is a failure in reports, and no mere warning.
    pub scored: bool,
    /// What verifying the images found.
    pub verified: Vec<RuleOutcome>,
    /// What the check of the admitted object found.
    pub checked: Vec<RuleOutcome>,
}

/// Why a result is what it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The signatures of an image hold.
    Signatures,
    /// The attestations of an image hold.
    Attestations,
    /// The attestations hold, and so does the rule's check across them.
    Validated,
    /// The tag was replaced by a digest, and nothing else was asked for.
    Pinned,
    /// The entry is not about this image, or lets it pass.
    Passed {
        /// The policy.
        policy: String,
    },
    /// The rule's preconditions do not hold.
    Preconditions(Vec<String>),
    /// Exceptions take the object out.
    Excepted(Vec<String>),
    /// Every image of the object carries what it must; these were skipped.
    Checked(Vec<String>),
    /// Not every leaf of the attestors is satisfied.
    SignaturesMissing(Vec<AttestorFailure>),
    /// An attestation is not there, or does not hold.
    AttestationsMissing {
        /// How many attestors agreed.
        verified: usize,
        /// How many must.
        required: usize,
        /// Why the others do not.
        failures: Vec<AttestationFailure>,
    },
    /// An attestation without a type.
    TypeMissing {
        /// Where in the policy.
        path: String,
    },
    /// The check across attestations denies.
    Denied {
        /// Its messages.
        messages: Vec<String>,
    },
    /// The check across attestations could not be evaluated.
    DenyUnresolved(String),
    /// The image must carry a digest.
    DigestMissing,
    /// The image must have been verified.
    Unverified,
    /// The image string cannot be parsed.
    BadImage {
        /// Where it stands in the object.
        pointer: String,
        /// Why not, in Kyverno's words.
        reason: String,
    },
    /// The tag could not be resolved to pin it.
    DigestUnresolved(StoreError),
    /// The preconditions could not be evaluated.
    PreconditionsUnresolved(String),
    /// Variables of the rule could not be substituted.
    VariablesUnresolved(String),
    /// A context entry could not be loaded.
    Context {
        /// The entry.
        name: String,
        /// Why not.
        cause: ContextCause,
    },
    /// The credentials for the registry could not be read.
    Credentials(ClusterError),
    /// The place of the registry could not be made.
    Stores(String),
    /// The cluster did not say whether the rule is about this object.
    Selection(ClusterError),
    /// The policy uses what is not supported yet.
    Unsupported(Construct),
}

/// What a policy may say that cannot be judged here: it is not supported, or the operator has not given what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Construct {
    /// An attestor that says nothing.
    EmptyAttestor,
    /// A trusted root is needed and none is at hand; why, where one should have been there.
    NoTrustedRoot(Missing, Option<String>),
    /// A key in a service, and why no service is asked.
    Kms(String, Option<String>),
    /// Certificates as attestors of bundles, which Kyverno takes for anybody.
    BundledCertificates,
    /// Bundles in a log without anybody who tells the time, which Kyverno cannot verify either.
    BundledWithoutTime,
    /// Credential helpers of cloud providers.
    Provider(String),
    /// Context entries of this kind.
    ContextEntry(&'static str),
}

/// What of a trusted root is needed and not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Certificate authorities.
    Roots,
    /// Transparency logs.
    Logs,
    /// CT logs.
    CtLogs,
}

impl Construct {
    /// What cannot be judged, why, and what to do.
    #[must_use]
    pub fn described(&self) -> String {
        let unsupported = |what: &str| format!("{what} is not supported yet, so it cannot be verified");
        match self {
            Self::EmptyAttestor => unsupported("an empty attestor"),
            Self::NoTrustedRoot(missing, why) => {
                let (words, own) = match missing {
                    Missing::Roots => ("failed to get roots from fulcio", "keyless.roots"),
                    Missing::Logs => {
                        ("failed to load Rekor public keys", "rekor.pubkey, or rekor.ignoreTlog: true")
                    }
                    Missing::CtLogs => {
                        ("failed to load CTLogs public keys", "ctlog.pubkey, or ctlog.ignoreSCT: true")
                    }
                };
                let why = why.as_deref().unwrap_or("no trusted root is at hand");
                format!(
                    "{words}: {why}, and none is fetched while judging: expected --trusted-root FILE, a root that `initialize` has fetched, or {own} in the policy"
                )
            }
            Self::Kms(reference, why) => {
                let why = why
                    .as_deref()
                    .unwrap_or("keys in services are opened only where --allow-kms enables their kind");
                format!("failed to load public key from {reference}: {why}")
            }
            Self::BundledCertificates => {
                unsupported("attestors.entries.certificates with type: SigstoreBundle")
            }
            Self::BundledWithoutTime => {
                unsupported("ctlog.ignoreSCT: true without rekor.ignoreTlog: true with type: SigstoreBundle")
            }
            Self::Provider(name) => unsupported(&format!("imageRegistryCredentials.providers: {name}")),
            Self::ContextEntry(kind) => unsupported(&format!("context entries of kind {kind}")),
        }
    }
}

/// Why a context entry could not be loaded.
#[derive(Clone, Debug, PartialEq)]
pub enum ContextCause {
    /// A ConfigMap could not be read.
    ConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Why not.
        cause: ClusterError,
    },
    /// An expression or substitution failed.
    Expression(String),
    /// The API server or a service did not answer.
    Call {
        /// What was asked: `GET /api/v1/namespaces`.
        what: String,
        /// Why there is no answer.
        cause: ClusterError,
    },
    /// A global context entry could not be read.
    Global {
        /// Its name.
        key: String,
        /// Why not.
        cause: ClusterError,
    },
    /// The expression over an answer failed.
    Projection {
        /// The expression.
        expression: String,
        /// Why.
        error: String,
    },
    /// The name of an image cannot be read.
    BadImage {
        /// The name.
        image: String,
        /// Why not.
        reason: String,
    },
    /// A registry did not say what was asked about an image.
    Registry {
        /// The image.
        image: String,
        /// Why not.
        cause: StoreError,
    },
    /// The entry holds more than all of them may.
    TooLarge {
        /// The bytes there are.
        found: usize,
        /// The bytes there may be.
        limit: usize,
    },
}

/// A leaf of the attestors that is not satisfied.
#[derive(Clone, Debug, PartialEq)]
pub struct AttestorFailure {
    /// Where in the policy: `.attestors[0].entries[1].keys`.
    pub path: String,
    /// Why not.
    pub cause: AttestorCause,
}

/// Why a leaf of the attestors is not satisfied.
#[derive(Clone, Debug, PartialEq)]
pub enum AttestorCause {
    /// Its key cannot be used.
    Key(KeyFault),
    /// The image's tag is not there.
    ImageMissing(StoreError),
    /// There are no signatures.
    NoSignatures,
    /// None of the signatures is the key's, and why each is not.
    NoMatch(Vec<Reason>),
    /// The key signed, but with other annotations.
    Annotations,
    /// None of the bundles is the attestor's.
    NoBundle,
    /// Certificates that are trusted signed, of others than the policy names.
    Identity(Vec<Mismatch>),
    /// No signature of the Notary Project counts, and why each does not.
    Notation(Vec<NotationFault>),
    /// It could not be found out.
    Unchecked(Unchecked),
    /// It is of a kind that is not supported yet.
    Unsupported(Construct),
}

/// An attestation that is not there or does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct AttestationFailure {
    /// Where in the policy, for what Kyverno names a place for.
    pub path: Option<String>,
    /// Why not.
    pub cause: AttestationCause,
}

/// Why an attestation is not there or does not hold.
#[derive(Clone, Debug)]
pub enum AttestationCause {
    /// The attestor's key cannot be used.
    Key(KeyFault),
    /// The image is not there.
    ImageMissing,
    /// None of the attestations is the attestor's, and why each is not.
    NoMatch(Box<AttestationReport>),
    /// None of the bundles is the attestor's.
    NoBundle,
    /// A certificate that is trusted signed one of the type, of another than the policy names.
    Identity(Mismatch),
    /// Annotations are asked for, which attestations do not have.
    Annotations,
    /// Nothing of this type is signed in the way of the Notary Project, and why each signature does not count.
    Notation {
        /// The type wanted.
        kind: String,
        /// Why each signature does not count; none where nothing of the type is there.
        faults: Vec<NotationFault>,
    },
    /// A trusted key signed this and its form is refused (security.md 1).
    Refused(Reason),
    /// None of the statements has an object for a predicate.
    NoPredicate,
    /// None of the statements has the type.
    OtherTypes {
        /// The type wanted.
        wanted: String,
    },
    /// A predicate of the type is no object.
    NotAnObject,
    /// The conditions do not hold.
    Conditions {
        /// The predicate type.
        kind: String,
        /// The messages of the conditions that do not.
        messages: Vec<String>,
    },
    /// The conditions could not be evaluated.
    ConditionsUnresolved(String),
    /// It could not be found out.
    Unchecked(Unchecked),
    /// It is of a kind that is not supported yet.
    Unsupported(Construct),
}

impl PartialEq for AttestationCause {
    /// Reports are compared by their reasons: what did not count has no other content.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Key(a), Self::Key(b)) => a == b,
            (Self::NoMatch(a), Self::NoMatch(b)) => a.reasons().eq(b.reasons()),
            (Self::Identity(a), Self::Identity(b)) => a == b,
            (Self::Notation { kind: a, faults: m }, Self::Notation { kind: b, faults: n }) => {
                a == b && m == n
            }
            (Self::Refused(a), Self::Refused(b)) => a == b,
            (Self::OtherTypes { wanted: a }, Self::OtherTypes { wanted: b }) => a == b,
            (Self::Conditions { kind: a, messages: m }, Self::Conditions { kind: b, messages: n }) => {
                a == b && m == n
            }
            (Self::ConditionsUnresolved(a), Self::ConditionsUnresolved(b)) => a == b,
            (Self::Unchecked(a), Self::Unchecked(b)) => a == b,
            (Self::Unsupported(a), Self::Unsupported(b)) => a == b,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

/// Why a key of a policy cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyFault {
    /// The PEM text holds no key.
    Pem(KeyError),
    /// The Secret could not be read.
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Why not.
        cause: ClusterError,
    },
    /// The Secret holds no `cosign.pub`.
    SecretWithoutKey {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A service that keeps keys gave none.
    Service {
        /// The reference.
        reference: String,
        /// Why not.
        reason: String,
    },
    /// Certificates or keys of logs that the policy holds cannot be used.
    Material {
        /// What was tried, in Kyverno's words.
        attempt: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// The certificate cannot be read.
    Certificate {
        /// The text that should hold it.
        text: String,
        /// Why not.
        reason: String,
    },
    /// More certificates than may be looked at.
    ChainTooLong {
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The text names something that a policy may not open (security.md 23).
    NotOpened {
        /// The text.
        text: String,
    },
}

impl Finding {
    /// Whether an image or its registry is why there is no result.
    fn is_of_a_registry(&self) -> bool {
        matches!(
            self,
            Self::DigestUnresolved(_)
                | Self::Context { cause: ContextCause::Registry { .. } | ContextCause::BadImage { .. }, .. }
        )
    }

    /// Whether this says only that it could not be found out, so that asking again may end otherwise. Where some of an
    /// image's attestors did not hold and others could not be asked, it is a failure.
    #[must_use]
    pub fn is_unchecked(&self) -> bool {
        match self {
            Self::SignaturesMissing(failures) => {
                !failures.is_empty() && failures.iter().all(|failure| failure.cause.is_unchecked())
            }
            Self::AttestationsMissing { failures, .. } => {
                !failures.is_empty() && failures.iter().all(|failure| failure.cause.is_unchecked())
            }
            Self::DigestUnresolved(cause) => !matches!(cause, StoreError::NotFound { .. }),
            Self::Context { cause, .. } => !matches!(cause, ContextCause::BadImage { .. }),
            Self::Credentials(_) | Self::Stores(_) | Self::Selection(_) | Self::Unsupported(_) => true,
            _ => false,
        }
    }

    /// Whether this is a construct that is not supported: it denies where the action is Enforce and only there
    /// (security.md 10).
    #[must_use]
    pub fn unsupported(&self) -> Option<&Construct> {
        match self {
            Self::Unsupported(construct) => Some(construct),
            Self::SignaturesMissing(failures) => failures.iter().find_map(|f| match &f.cause {
                AttestorCause::Unsupported(construct) => Some(construct),
                _ => None,
            }),
            Self::AttestationsMissing { failures, .. } => failures.iter().find_map(|f| match &f.cause {
                AttestationCause::Unsupported(construct) => Some(construct),
                _ => None,
            }),
            _ => None,
        }
    }
}

impl AttestorCause {
    fn is_unchecked(&self) -> bool {
        match self {
            Self::Unchecked(_) | Self::Unsupported(_) => true,
            Self::Key(fault) => fault.is_unchecked(),
            Self::ImageMissing(cause) => !matches!(cause, StoreError::NotFound { .. }),
            _ => false,
        }
    }
}

impl AttestationCause {
    fn is_unchecked(&self) -> bool {
        match self {
            Self::Unchecked(_) | Self::Unsupported(_) => true,
            Self::Key(fault) => fault.is_unchecked(),
            _ => false,
        }
    }
}

impl KeyFault {
    /// Whether the key may be there, and could not be asked for.
    fn is_unchecked(&self) -> bool {
        match self {
            Self::Secret { cause, .. } => !matches!(cause, ClusterError::NotFound { .. }),
            Self::Service { .. } => true,
            _ => false,
        }
    }
}

impl PolicyOutcome {
    /// Whether one of these results keeps the object out. `errors_deny`: some policy judged has failurePolicy Fail,
    /// which in Kyverno makes the errors of all of them deny.
    #[must_use]
    pub fn denies(outcomes: &[RuleOutcome], errors_deny: bool) -> bool {
        outcomes.iter().any(|outcome| match (outcome.status, outcome.finding.unsupported()) {
            (Status::Fail, _) => outcome.action == Action::Enforce,
            (Status::Error, Some(_)) => outcome.action == Action::Enforce,
            // What a registry did is never forgiven by failurePolicy: Ignore (security.md 9).
            (Status::Error, None) if outcome.finding.is_of_a_registry() => {
                errors_deny || outcome.action == Action::Enforce
            }
            (Status::Error, None) => errors_deny,
            _ => false,
        })
    }
}
