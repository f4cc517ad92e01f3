//! What Kyverno's webhooks refuse to store, and what we refuse besides.

pub(super) mod conditions;
pub(super) mod context;
pub(super) mod overrides;
pub(crate) mod selection;

use serde_json::Value;

use super::entry::{Attestor, AttestorSet, Entry, SignatureKind};
use super::schema::Fault;
use super::spec::{Action, Spec};
use super::{PolicyKind, variables};
pub use conditions::ConditionFault;
pub use context::ContextFault;
pub use overrides::Overridden;
pub use selection::Selecting;

/// The longest name of a policy or rule: it becomes a label's value.
pub const NAME_LIMIT: usize = 63;
/// The deepest nesting of attestors: each level multiplies the work, and Kyverno's own examples have two.
pub const ATTESTOR_DEPTH_LIMIT: usize = 10;

/// A policy that may not be judged by, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The file it stands in.
    pub file: String,
    /// Its kind: `ClusterPolicy`, `Policy` or `PolicyException`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// How many rules Kyverno counts in it.
    pub rule_count: usize,
    /// Why not.
    pub cause: Cause,
}

/// Why a policy is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// It does not fit the schema: the API server would refuse it.
    Schema(Fault),
    /// It fits, but a part of it cannot be read.
    Unreadable {
        /// The part.
        path: String,
        /// Why not.
        reason: String,
    },
    /// No API server has this version of the kind.
    Unserved {
        /// The kind.
        kind: String,
        /// The `apiVersion` it states.
        version: String,
    },
    /// It is about images and of a kind that is not judged here: passing over it would look like a pass.
    NotJudged,
    /// Kyverno's webhook would refuse it.
    Webhook(Box<Denied>),
    /// Kyverno would store it; we do not (security.md, design.md).
    Ours {
        /// The part.
        path: String,
        /// Why not.
        why: Stricter,
    },
}

/// What we refuse and Kyverno does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stricter {
    /// Attestations that anybody may have made.
    AttestationWithoutAttestors,
    /// Attestors nested beyond [`ATTESTOR_DEPTH_LIMIT`].
    AttestorsTooDeep,
    /// A namespaced policy that calls services (security.md 23).
    ServiceCall,
    /// Preconditions in CEL, which a verifyImages rule would not heed.
    CelPreconditions,
}

/// A field that Kyverno's webhook refuses.
#[derive(Clone, Debug, PartialEq)]
pub struct Denied {
    /// Where it stands; empty where Kyverno names no place.
    pub path: String,
    /// What stands there, as JSON.
    pub value: Option<Value>,
    /// What is wrong.
    pub why: Why,
}

/// Kyverno's reasons.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is the sentence of its name; message::refusal holds the words")]
pub enum Why {
    TimeoutOutOfRange,
    FailurePolicyTwice,
    AdmissionAndBackgroundOff,
    AdmissionOff,
    NameTooLong(String),
    AutogenAll,
    DuplicateRule(String),
    NoOperation(String),
    ManyOperations(String),
    NamespaceGiven,
    TimeoutTwice,
    ExtractorsElsewhere(String),
    Selecting(Selecting),
    Context(ContextFault),
    Condition(ConditionFault),
    UserInException,
    PolicyNameMissing,
    Overrides(Overridden),
    ImageReferenceRequired,
    CountTooLarge,
    EntryRequired,
    AttestorEmpty,
    KeyRequired,
    UnknownAlgorithm,
    CertificateRequired,
    RekorOrRootsRequired,
    KeylessWithNotary,
    KeysWithNotary,
    MutateInAudit,
    UnknownVariable { rule: String, variable: String, names: Vec<String> },
    BackgroundVariable(String),
    VariableInReference(String),
    ExtractorWhileMutating,
}

type Outcome = Result<(), Cause>;

fn denied(path: impl Into<String>, value: Option<Value>, why: Why) -> Outcome {
    Err(Cause::Webhook(Box::new(Denied { path: path.into(), value, why })))
}

/// Checks what concerns the policy as a whole.
pub(super) fn spec(
    kind: PolicyKind,
    metadata: &Value,
    annotations: &std::collections::BTreeMap<String, String>,
    spec: &Spec,
) -> Outcome {
    let text = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default();
    if kind == PolicyKind::Cluster && !text("namespace").is_empty() {
        return denied("", None, Why::NamespaceGiven);
    }
    let name = text("name");
    if name.len() > NAME_LIMIT {
        return denied("metadata.name", None, Why::NameTooLong(name.to_owned()));
    }
    if annotations.get("pod-policies.kyverno.io/autogen-controllers").is_some_and(|v| v == "all") {
        return denied("metadata.annotations", None, Why::AutogenAll);
    }
    let configured = spec.webhook_configuration.as_ref();
    if spec.webhook_timeout_seconds.is_some() && configured.is_some_and(|w| w.timeout_seconds.is_some()) {
        return denied("spec.webhookTimeoutSeconds", None, Why::TimeoutTwice);
    }
    if spec.failure_policy.is_some() && configured.is_some_and(|w| w.failure_policy.is_some()) {
        return denied("spec.failurePolicy", None, Why::FailurePolicyTwice);
    }
    for (path, seconds) in [
        ("spec.webhookTimeoutSeconds", spec.webhook_timeout_seconds),
        ("spec.webhookConfiguration.timeoutSeconds", configured.and_then(|w| w.timeout_seconds)),
    ] {
        if let Some(seconds) = seconds.filter(|s| !(1..=30).contains(s)) {
            return denied(path, Some(Value::from(seconds)), Why::TimeoutOutOfRange);
        }
    }
    if spec.admission == Some(false) {
        let why =
            if spec.background == Some(false) { Why::AdmissionAndBackgroundOff } else { Why::AdmissionOff };
        return denied("", None, why);
    }
    overrides::check(kind, &spec.validation_failure_action_overrides)
}

/// Checks the names of all rules.
pub(super) fn names(rules: &[Value]) -> Outcome {
    for (index, rule) in rules.iter().enumerate() {
        let name = rule_name(rule);
        let path = format!("spec.rules[{index}].name");
        if name.len() > NAME_LIMIT {
            return denied(path, None, Why::NameTooLong(name.to_owned()));
        }
        if rules.iter().take(index).any(|earlier| rule_name(earlier) == name) {
            return denied(path, Some(rule.clone()), Why::DuplicateRule(name.to_owned()));
        }
    }
    Ok(())
}

/// Checks that each part of an exception names its policy.
pub(crate) fn exception_names(parts: &[crate::exception::Rules]) -> Outcome {
    match parts.iter().position(|rules| rules.policy_name.is_empty()) {
        None => Ok(()),
        Some(at) => denied(format!("spec.exceptions[{at}].policyName"), None, Why::PolicyNameMissing),
    }
}

/// Checks which operations a rule has.
pub(super) fn operations(rule: &Value, path: &str) -> Outcome {
    let set = |name: &&str| match rule.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    };
    let name = rule_name(rule).to_owned();
    if set(&"imageExtractors") && !set(&"verifyImages") {
        let path = format!("{path}.imageExtractors");
        return denied(path, Some(rule.clone()), Why::ExtractorsElsewhere(name));
    }
    match ["mutate", "validate", "generate", "verifyImages"].iter().filter(|n| set(n)).count() {
        0 => denied(path, Some(rule.clone()), Why::NoOperation(name)),
        1 => Ok(()),
        _ => denied(path, Some(rule.clone()), Why::ManyOperations(name)),
    }
}

fn rule_name(rule: &Value) -> &str {
    rule.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// Checks one entry of `verifyImages`; `audit` carries the action from entry to entry, as Kyverno's loop does.
pub(super) fn entry(entry: &Entry, raw: &Value, path: &str, audit: &mut bool) -> Outcome {
    if entry.image_references.is_empty() && entry.image.is_empty() {
        return denied(path, Some(raw.clone()), Why::ImageReferenceRequired);
    }
    if let Some(action) = entry.failure_action {
        *audit = action == Action::Audit;
    }
    if *audit && entry.mutate_digest {
        return denied(format!("{path}.mutateDigest"), Some(Value::Bool(true)), Why::MutateInAudit);
    }
    for (index, set) in entry.attestors.iter().enumerate() {
        attestor_set(set, raw, entry.kind, &format!("{path}.attestors[{index}]"), 0)?;
    }
    for (index, attestation) in entry.attestations.iter().enumerate() {
        let path = format!("{path}.attestations[{index}]");
        if attestation.attestors.is_empty() {
            return Err(Cause::Ours { path, why: Stricter::AttestationWithoutAttestors });
        }
        for (j, set) in attestation.attestors.iter().enumerate() {
            attestor_set(set, raw, entry.kind, &format!("{path}.attestors[{j}]"), 0)?;
        }
    }
    Ok(())
}

fn attestor_set(set: &AttestorSet, raw: &Value, kind: SignatureKind, path: &str, depth: usize) -> Outcome {
    if depth >= ATTESTOR_DEPTH_LIMIT {
        return Err(Cause::Ours { path: path.to_owned(), why: Stricter::AttestorsTooDeep });
    }
    let value = || at(raw, path);
    if set.entries.is_empty() {
        return denied(path, value(), Why::EntryRequired);
    }
    if set.count.is_some_and(|count| count < 0 || set.required(0) > set.entries.len()) {
        return denied(path, value(), Why::CountTooLarge);
    }
    for (index, one) in set.entries.iter().enumerate() {
        attestor(one, raw, kind, &format!("{path}.entries[{index}]"), depth)?;
    }
    Ok(())
}

fn attestor(one: &Attestor, raw: &Value, kind: SignatureKind, path: &str, depth: usize) -> Outcome {
    let value = |path: &str| at(raw, path);
    if let Some(nested) = &one.attestor {
        return attestor_set(nested, raw, kind, &format!("{path}.attestor"), depth + 1);
    }
    if let Some(keys) = &one.keys {
        let path = format!("{path}.keys");
        if kind == SignatureKind::Notary {
            return denied(&path, None, Why::KeysWithNotary);
        }
        if keys.public_keys.is_empty() && keys.kms.is_empty() && keys.secret.is_none() {
            return denied(&path, value(&path), Why::KeyRequired);
        }
        if !matches!(keys.signature_algorithm.as_str(), "" | "sha224" | "sha256" | "sha384" | "sha512") {
            return denied(&path, value(&path), Why::UnknownAlgorithm);
        }
    } else if let Some(certificates) = &one.certificates {
        if certificates.cert.is_empty() && certificates.cert_chain.is_empty() {
            let path = format!("{path}.certificates");
            return denied(&path, value(&path), Why::CertificateRequired);
        }
    } else if let Some(keyless) = &one.keyless {
        let path = format!("{path}.keyless");
        if kind == SignatureKind::Notary {
            return denied(&path, None, Why::KeylessWithNotary);
        }
        if keyless.rekor.is_none() && keyless.roots.is_empty() {
            return denied(&path, value(&path), Why::RekorOrRootsRequired);
        }
    } else {
        return denied(path, value(path), Why::AttestorEmpty);
    }
    Ok(())
}

/// What stands at the part of `path` that follows `verifyImages[N]`.
fn at(entry: &Value, path: &str) -> Option<Value> {
    let (_, below) = path.split_once("verifyImages[")?;
    let (_, below) = below.split_once(']')?;
    let mut here = entry;
    for part in below.split(['.', '[']).filter(|part| !part.is_empty()) {
        here = match part.strip_suffix(']') {
            Some(index) => here.get(index.parse::<usize>().ok()?)?,
            None => here.get(part)?,
        };
    }
    Some(here.clone())
}

/// Checks the variables of a rule.
pub(super) fn rule_variables(rule: &Value, background: bool) -> Outcome {
    let name = rule_name(rule).to_owned();
    let entries = rule.get("verifyImages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for entry in entries {
        let references = ["imageReferences", "skipImageReferences"].map(|f| entry.get(f).cloned());
        if references.iter().flatten().any(|list| !variables::expressions(list).is_empty()) {
            return denied("", None, Why::VariableInReference(name));
        }
    }
    let mut outer = rule.clone();
    strip_conditions(&mut outer);
    let expressions = variables::expressions(&outer);
    let context = rule.get("context").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = |list: &[Value]| -> Vec<String> {
        list.iter().filter_map(|e| e.get("name")?.as_str()).map(str::to_owned).collect()
    };
    let mut names = named(context);
    if entries.iter().any(|e| e.get("validate").is_some_and(|v| !v.is_null())) {
        for entry in entries {
            let list = entry.get("attestations").and_then(Value::as_array);
            names.extend(named(list.map(Vec::as_slice).unwrap_or_default()));
        }
    }
    if background && let Some(variable) = variables::first_of_user(&expressions) {
        return denied("", None, Why::BackgroundVariable(variable));
    }
    if let Some(variable) = variables::first_unknown(&expressions, &names) {
        return denied("", None, Why::UnknownVariable { rule: name, variable, names });
    }
    Ok(())
}

/// Takes out what is substituted only when attestations are judged.
pub(crate) fn strip_conditions(rule: &mut Value) {
    let entries = rule.get_mut("verifyImages").and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        if let Some(deny) = entry.pointer_mut("/validate/deny").and_then(Value::as_object_mut) {
            deny.remove("conditions");
        }
        let attestations = entry.get_mut("attestations").and_then(Value::as_array_mut);
        for attestation in attestations.into_iter().flatten() {
            if let Some(fields) = attestation.as_object_mut() {
                fields.remove("conditions");
            }
        }
    }
}

/// Checks that no extractor transforms images which are to be replaced by digests.
pub(super) fn extractors(rule: &Value, entries: &[Entry]) -> Outcome {
    let transforms = rule.get("imageExtractors").and_then(Value::as_object).is_some_and(|kinds| {
        let lists = kinds.values().filter_map(Value::as_array).flatten();
        lists.into_iter().any(|e| e.get("jmesPath").and_then(Value::as_str).is_some_and(|s| !s.is_empty()))
    });
    if transforms && entries.iter().any(|e| e.mutate_digest) {
        return denied("", None, Why::ExtractorWhileMutating);
    }
    Ok(())
}

/// Checks that a rule asks for nothing that would not be heeded, and that a namespaced policy calls no services.
pub(super) fn heeded(kind: PolicyKind, rule: &Value, path: &str) -> Outcome {
    if rule.get("celPreconditions").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        return Err(Cause::Ours {
            path: format!("{path}.celPreconditions"),
            why: Stricter::CelPreconditions,
        });
    }
    let context = rule.get("context").and_then(Value::as_array);
    let calls = context.into_iter().flatten().any(|e| e.pointer("/apiCall/service").is_some());
    if kind == PolicyKind::Namespaced && calls {
        return Err(Cause::Ours { path: format!("{path}.context"), why: Stricter::ServiceCall });
    }
    Ok(())
}
