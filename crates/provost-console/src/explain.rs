//! A decision taken apart for people: by policy, rule, image and attestor, with the cause.

use jiff::Timestamp;
use provost_gate::Hook;
use provost_gate::record::Decided;
use provost_kyverno::message;
use provost_kyverno::outcome::{AttestationCause, AttestorCause, Finding, KeyFault, RuleOutcome, Status};
use provost_kyverno::policy::Action;
use serde_json::Value;

use crate::text::{LONG, SHORT, clip};

/// The most results kept of one decision: ten policies over three containers come to thirty, twice over.
pub(crate) const LINES: usize = 64;
/// The most causes kept of one result: the leaves of its attestors.
pub(crate) const CAUSES: usize = 16;
/// The most warnings kept of one decision.
pub(crate) const WARNINGS: usize = 16;
/// What a text costs beside its bytes: its own three words, and the allocator's two.
const TEXT: usize = 40;

/// What was decided about one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Which webhook was asked: `mutate` or `validate`.
    pub hook: &'static str,
    /// What was asked for, such as `CREATE`.
    pub operation: &'static str,
    /// The object's kind.
    pub kind: String,
    /// Its namespace; empty for cluster-wide objects.
    pub namespace: String,
    /// Its name, or the beginning of the name that the API server makes.
    pub name: String,
    /// Who asked.
    pub user: String,
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// Whether it was let in.
    pub allowed: bool,
    /// What the user was told.
    pub message: String,
    /// What the user was warned of.
    pub warnings: Vec<String>,
    /// What each rule found, what failed first.
    pub lines: Vec<Line>,
    /// How many results there were.
    pub found: usize,
    /// How long it took, in microseconds.
    pub micros: u128,
}

/// What one rule found about one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The policy, `namespace/name` for those of one namespace.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// The image, where it is about one.
    pub image: Option<String>,
    /// The result.
    pub status: Status,
    /// Whether failing keeps the object out.
    pub enforced: bool,
    /// Kyverno's sentence.
    pub message: String,
    /// Why, attestor by attestor.
    pub causes: Vec<Cause>,
}

/// Why one attestor, or the rule as a whole, is not satisfied.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// The attestor's place in the policy, where one is to blame.
    pub attestor: Option<String>,
    /// A word that stays the same between versions.
    pub code: &'static str,
    /// Whether it could not be checked, which is neither pass nor fail.
    pub unchecked: bool,
}

impl Entry {
    /// What a decision comes to.
    #[must_use]
    pub fn of(decided: &Decided) -> Self {
        let request = &decided.request;
        let text = |path: &str| decided.response.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let warnings = decided.response.get("warnings").and_then(Value::as_array);
        let warnings = warnings.into_iter().flatten().filter_map(Value::as_str);
        let mut lines: Vec<(&RuleOutcome, String)> = Vec::new();
        for policy in decided.judgement.iter().flat_map(|judgement| &judgement.policies) {
            let name = match policy.namespace.as_str() {
                "" => policy.name.clone(),
                namespace => format!("{namespace}/{}", policy.name),
            };
            lines.extend(policy.verified.iter().chain(&policy.checked).map(|one| (one, name.clone())));
        }
        let found = lines.len();
        lines.sort_by_key(|(one, _)| !matches!(one.status, Status::Fail | Status::Error));
        lines.truncate(LINES);
        let made = request.object.pointer("/metadata/generateName").and_then(Value::as_str);
        let name = match (request.name.as_str(), made) {
            ("", Some(made)) => format!("{made}…"),
            (name, _) => name.to_owned(),
        };
        Self {
            at: decided.at,
            hook: match decided.hook {
                Hook::Mutate(_) => "mutate",
                Hook::Validate(_) => "validate",
            },
            operation: request.operation.name(),
            kind: clip(&request.kind.kind, SHORT),
            namespace: clip(&request.namespace, SHORT),
            name: clip(&name, SHORT),
            user: clip(request.user.as_ref().map_or("", |user| &user.name), SHORT),
            dry_run: decided.dry_run,
            allowed: decided.is_allowed(),
            message: clip(&message::printable(text("/status/message")), LONG),
            warnings: warnings.take(WARNINGS).map(|one| clip(one, SHORT)).collect(),
            lines: lines.iter().map(|(one, policy)| Line::of(one, policy)).collect(),
            found,
            micros: decided.took.as_micros(),
        }
    }

    /// Whether anything could not be checked.
    #[must_use]
    pub fn is_unchecked(&self) -> bool {
        self.lines.iter().any(|line| line.causes.iter().any(|cause| cause.unchecked))
            || (!self.allowed && self.lines.is_empty())
    }

    /// The images it is about, each once.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        let mut seen = std::collections::BTreeSet::new();
        self.lines.iter().filter_map(|line| line.image.as_deref()).filter(move |image| seen.insert(*image))
    }

    /// About how many bytes it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let texts = [&self.kind, &self.namespace, &self.name, &self.user, &self.message];
        let own: usize = texts.into_iter().chain(&self.warnings).map(|text| TEXT + text.len()).sum();
        let lines: usize = self.lines.iter().map(Line::weight).sum();
        size_of::<Self>() + own + lines
    }
}

impl Line {
    fn of(outcome: &RuleOutcome, policy: &str) -> Self {
        Self {
            policy: clip(policy, SHORT),
            rule: clip(&outcome.rule, SHORT),
            image: outcome.image.as_deref().map(|image| clip(image, SHORT)),
            status: outcome.status,
            enforced: outcome.action == Action::Enforce,
            message: clip(&message::of(outcome), LONG),
            causes: causes(&outcome.finding).into_iter().take(CAUSES).collect(),
        }
    }

    fn weight(&self) -> usize {
        let image = self.image.as_deref().unwrap_or_default();
        let own: usize =
            [&self.policy, &self.rule, &self.message].into_iter().map(|text| TEXT + text.len()).sum();
        let places = self.causes.iter().map(|cause| cause.attestor.as_ref().map_or(0, String::len));
        let causes = self.causes.len() * size_of::<Cause>() + places.map(|len| TEXT + len).sum::<usize>();
        size_of::<Self>() + own + TEXT + image.len() + causes
    }
}

fn one(code: &'static str, unchecked: bool) -> Vec<Cause> {
    vec![Cause { attestor: None, code, unchecked }]
}

/// Why a finding is no pass; nothing where it is one.
fn causes(finding: &Finding) -> Vec<Cause> {
    match finding {
        Finding::Signatures
        | Finding::Attestations
        | Finding::Validated
        | Finding::Pinned
        | Finding::Passed { .. }
        | Finding::Preconditions(_)
        | Finding::Excepted(_)
        | Finding::Checked(_) => Vec::new(),
        Finding::SignaturesMissing(failures) => {
            let causes = failures.iter().map(|failure| {
                let (code, unchecked) = of_attestor(&failure.cause);
                Cause { attestor: Some(clip(&failure.path, SHORT)), code, unchecked }
            });
            causes.collect()
        }
        Finding::AttestationsMissing { failures, .. } if failures.is_empty() => {
            one("attestations-missing", false)
        }
        Finding::AttestationsMissing { failures, .. } => {
            let causes = failures.iter().map(|failure| {
                let (code, unchecked) = of_attestation(&failure.cause);
                Cause { attestor: failure.path.as_deref().map(|path| clip(path, SHORT)), code, unchecked }
            });
            causes.collect()
        }
        Finding::TypeMissing { .. } => one("type-missing", false),
        Finding::Denied { .. } => one("denied-across-attestations", false),
        Finding::DenyUnresolved(_) => one("condition-unresolved", true),
        Finding::DigestMissing => one("digest-missing", false),
        Finding::Unverified => one("unverified", false),
        Finding::BadImage { .. } => one("image-name-unreadable", false),
        Finding::DigestUnresolved(_) => one("digest-unresolved", true),
        Finding::PreconditionsUnresolved(_) => one("preconditions-unresolved", true),
        Finding::VariablesUnresolved(_) => one("variables-unresolved", true),
        Finding::Context { .. } => one("context-unavailable", true),
        Finding::Credentials(_) => one("credentials-unavailable", true),
        Finding::Stores(_) => one("registry-unavailable", true),
        Finding::Selection(_) => one("selection-unavailable", true),
        Finding::Unsupported(_) => one("unsupported", true),
    }
}

fn of_attestor(cause: &AttestorCause) -> (&'static str, bool) {
    match cause {
        AttestorCause::Key(fault) => key(fault),
        AttestorCause::ImageMissing(_) => ("image-missing", false),
        AttestorCause::NoSignatures => ("no-signatures", false),
        AttestorCause::NoMatch(reasons) => (reasons.first().map_or("other-key", |one| one.code()), false),
        AttestorCause::Annotations => ("annotations-differ", false),
        AttestorCause::NoBundle => ("no-bundle", false),
        AttestorCause::Identity(_) => ("other-identity", false),
        AttestorCause::Notation(_) => ("notation-fault", false),
        AttestorCause::Unchecked(_) => ("registry-unavailable", true),
        AttestorCause::Unsupported(_) => ("unsupported", true),
    }
}

fn of_attestation(cause: &AttestationCause) -> (&'static str, bool) {
    match cause {
        AttestationCause::Key(fault) => key(fault),
        AttestationCause::ImageMissing => ("image-missing", false),
        AttestationCause::NoMatch(report) => {
            (report.reasons().next().map_or("no-attestations", |reason| reason.code()), false)
        }
        AttestationCause::NoBundle => ("no-bundle", false),
        AttestationCause::Identity(_) => ("other-identity", false),
        AttestationCause::Annotations => ("annotations-differ", false),
        AttestationCause::Notation { .. } => ("notation-fault", false),
        AttestationCause::Refused(reason) => (reason.code(), false),
        AttestationCause::NoPredicate => ("no-predicate", false),
        AttestationCause::OtherTypes { .. } => ("other-types", false),
        AttestationCause::NotAnObject => ("predicate-no-object", false),
        AttestationCause::Conditions { .. } => ("condition-failed", false),
        AttestationCause::ConditionsUnresolved(_) => ("condition-unresolved", true),
        AttestationCause::Unchecked(_) => ("registry-unavailable", true),
        AttestationCause::Unsupported(_) => ("unsupported", true),
    }
}

fn key(fault: &KeyFault) -> (&'static str, bool) {
    match fault {
        KeyFault::Secret { .. } | KeyFault::Service { .. } => ("key-unavailable", true),
        _ => ("key-unusable", false),
    }
}
