//! The sentences with which policies are refused and warned about: the API server's, Kyverno's, and our own.

mod rule;

use serde_json::Value;

use crate::policy::Warning;
use crate::policy::schema::{Fault, Problem};
use crate::policy::validate::{Cause, Denied, Refusal, Stricter, Why};

/// The variables every rule knows, as Kyverno prints them.
const KNOWN_VARIABLES: &str = r"request|serviceAccountName|serviceAccountNamespace|element|elementIndex|@|images|image|([a-z_0-9]+\()[^{}]";

/// Why a policy is refused, as whoever tries to store it reads it.
#[must_use]
pub fn of(refusal: &Refusal) -> String {
    let kind = refusal.kind;
    match &refusal.cause {
        Cause::Schema(found) if !matches!(found.problem, Problem::Unknown { .. }) => {
            format!("{kind}.kyverno.io {:?} is invalid: {}", refusal.name, fault(found))
        }
        Cause::Webhook(denied) => {
            format!(
                "admission webhook \"validate-policy.kyverno.svc\" denied the request: {}",
                reason(denied)
            )
        }
        other => format!("{}: {kind} {}: {}", refusal.file, refusal.name, cause(other)),
    }
}

/// The cause alone, as `kyverno apply` lists it.
#[must_use]
pub fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Schema(found) => fault(found),
        Cause::Unreadable { path, reason } => format!("{path}: {reason}"),
        Cause::Unserved { kind, version } => {
            format!("no matches for kind {kind:?} in version {version:?}")
        }
        Cause::NotJudged => "policies of this kind are not judged yet".to_owned(),
        Cause::Webhook(denied) => reason(denied),
        Cause::Ours { path, why } => {
            let why = match why {
                Stricter::AttestationWithoutAttestors => {
                    "an attestation without attestors may come from anybody; name who must have made it"
                }
                Stricter::AttestorsTooDeep => "attestors are nested deeper than 10 levels",
                Stricter::ServiceCall => "a namespaced policy makes no service calls",
                Stricter::CelPreconditions => {
                    "a verifyImages rule does not heed these; say it in preconditions"
                }
            };
            format!("{path}: {why}")
        }
    }
}

fn fault(fault: &Fault) -> String {
    let path = &fault.path;
    match &fault.problem {
        Problem::Required => format!("{path}: Required value"),
        Problem::Unknown { nearest: Some(known) } => {
            format!("{path}: unknown field; the nearest known one is {known:?}")
        }
        Problem::Unknown { nearest: None } => format!("{path}: unknown field"),
        Problem::Type { expected, found } => {
            format!("{path}: Invalid value: {found:?}: {path} in body must be of type {expected}: {found:?}")
        }
        Problem::Choice { found, allowed } => {
            let allowed: Vec<_> = allowed.iter().map(|word| format!("{word:?}")).collect();
            format!("{path}: Unsupported value: {found:?}: supported values: {}", allowed.join(", "))
        }
    }
}

fn reason(denied: &Denied) -> String {
    let words = why(&denied.why);
    match (&denied.value, denied.path.as_str()) {
        (_, "") => words,
        (_, path) if denied.is_bare() => format!("path: {path}: {words}"),
        (_, path) if words.starts_with("Required value") => format!("{path}: {words}"),
        (Some(value), path) => format!("{path}: Invalid value: {}: {words}", json(value)),
        (None, path) => format!("{path}: Forbidden: {words}"),
    }
}

fn json(value: &Value) -> String {
    value.to_string()
}

fn why(why: &Why) -> String {
    match why {
        Why::TimeoutOutOfRange => "the timeout value must be between 1 and 30 seconds".to_owned(),
        Why::FailurePolicyTwice => {
            "remove the deprecated field and use spec.webhookConfiguration.failurePolicy instead".to_owned()
        }
        Why::AdmissionAndBackgroundOff => {
            "disabling both admission and background processing is not allowed".to_owned()
        }
        Why::AdmissionOff => {
            "disabling admission processing is only allowed with validation policies".to_owned()
        }
        Why::NameTooLong(name) => format!("the name {name:?} has more than 63 characters"),
        Why::AutogenAll => {
            "Autogen annotation does not support 'all' anymore, remove the annotation or set it to a valid value"
                .to_owned()
        }
        Why::DuplicateRule(name) => format!("Duplicate rule name: '{name}'"),
        Why::NoOperation(name) => format!(
            "No operation defined in the rule '{name}'.(supported operations: mutate,validate,generate,verifyImages)"
        ),
        Why::ManyOperations(name) => format!(
            "Multiple operations defined in the rule '{name}', only one operation (mutate,validate,generate,verifyImages) is allowed per rule"
        ),
        Why::NamespaceGiven => "A clusterpolicy should not have the namespace defined".to_owned(),
        Why::TimeoutTwice => {
            "remove the deprecated field and use spec.webhookConfiguration.timeoutSeconds instead".to_owned()
        }
        Why::ExtractorsElsewhere(name) => format!(
            "Invalid rule spec for rule '{name}', imageExtractors can only be defined for verifyImages rule"
        ),
        Why::Selecting(fault) => rule::selecting(fault),
        Why::Context(fault) => rule::context(fault),
        Why::Overrides(fault) => rule::overridden(fault),
        Why::Condition(fault) => rule::condition(fault),
        Why::UserInException => "Usage of user info is forbidden".to_owned(),
        Why::PolicyNameMissing => "Required value: An exception requires a policy name".to_owned(),
        Why::ImageReferenceRequired => "An image reference is required".to_owned(),
        Why::CountTooLarge => "Count cannot exceed length of entries".to_owned(),
        Why::EntryRequired => "An entry is required".to_owned(),
        Why::AttestorEmpty => "keys, certificates, keyless, or a nested attestor is required".to_owned(),
        Why::KeyRequired => "A public key, kms key or secret is required".to_owned(),
        Why::UnknownAlgorithm => "Invalid signature algorithm provided".to_owned(),
        Why::CertificateRequired => "cert or certChain required".to_owned(),
        Why::RekorOrRootsRequired => "Either Rekor URL or roots are required".to_owned(),
        Why::KeylessWithNotary => "Keyless field is not allowed for type notary".to_owned(),
        Why::KeysWithNotary => "Keys field is not allowed for type notary".to_owned(),
        Why::MutateInAudit => "mutateDigest must be set to false for ‘Audit’ failure action".to_owned(),
        Why::UnknownVariable { rule, variable, names } => format!(
            "policy contains invalid variables: variable substitution failed for rule {rule}: variable {variable} must match regex \"{KNOWN_VARIABLES}\" or patterns [{}]",
            names.join(" ")
        ),
        Why::BackgroundVariable(variable) => format!(
            "only select variables are allowed in background mode. Set spec.background=false to disable background mode for this policy rule: variable {{{{ {variable} }}}} is not allowed "
        ),
        Why::VariableInReference(rule) => {
            format!("rule {rule:?} should not have variables in image reference section")
        }
        Why::ExtractorWhileMutating => {
            "jmespath may not be used in an image extractor when mutating digests with verify images".to_owned()
        }
    }
}

/// A warning about a policy.
#[must_use]
pub fn warning(warning: &Warning) -> String {
    match warning {
        Warning::KindDeprecated(kind) => {
            let kind = kind.name();
            format!(
                "{kind} (kyverno.io) is deprecated and will be removed in a future release; migrate to ValidatingPolicy, MutatingPolicy, GeneratingPolicy or ImageValidatingPolicy (policies.kyverno.io), see https://kyverno.io/docs/guides/migration-to-cel/"
            )
        }
        Warning::PredicateTypeDeprecated(kind) => {
            format!("predicateType has been deprecated use 'type: {kind}' instead of 'predicateType: {kind}'")
        }
        Warning::OperatorDeprecated(old, new) => format!(
            "Operator {old} has been deprecated and will be removed soon. Use these instead: [{}]",
            new.join(" ")
        ),
        Warning::ActionDeprecated => {
            "Validation failure actions enforce/audit are deprecated, use Enforce/Audit instead.".to_owned()
        }
        Warning::AutogenExcludes => "Policies that match Pods apply to all Pods including those created and managed by controllers excluded from autogen. Use preconditions to exclude the Pods managed by controllers which are excluded from autogen. Refer to https://kyverno.io/docs/policy-types/cluster-policy/autogen/ for details.".to_owned(),
        Warning::UnknownField(path) => format!("provost: unknown field {path:?}"),
        Warning::OtherRule(name) => {
            format!("provost: rule {name:?} is no verifyImages rule and is left to Kyverno")
        }
    }
}
