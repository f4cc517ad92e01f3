//! From documents to policies and exceptions.

use std::collections::BTreeMap;

use provost_oci::Digest;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::schema::{Fault, Problem, fault_of_rule, unknown_in_spec};
use super::spec::{Action, Spec};
use super::validate::selection::About;
use super::validate::{self, Cause, Refusal};
use super::{Policy, PolicyKind, Warning, warning};
use crate::autogen;
use crate::exception::Exception;
use crate::rule::Rule;

/// The versions of ClusterPolicy and Policy that are served; their fields have the same names.
const POLICY_VERSIONS: [&str; 2] = ["v1", "v2beta1"];
/// The versions of PolicyException that are served.
const EXCEPTION_VERSIONS: [&str; 2] = ["v2", "v2beta1"];

/// The kinds about images that are written in CEL.
const IMAGE_KINDS: [&str; 2] = ["ImageValidatingPolicy", "NamespacedImageValidatingPolicy"];

/// What the documents of some files hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    /// Policies that may be judged by, in order.
    pub policies: Vec<Policy>,
    /// Policies that are refused.
    pub refused: Vec<Refusal>,
    /// Exceptions.
    pub exceptions: Vec<Exception>,
    /// The kinds of documents that are neither.
    pub others: Vec<String>,
}

/// Reads policies and exceptions out of the documents of a file.
#[must_use]
pub fn load(file: &str, documents: &[Value]) -> Documents {
    let mut found = Documents::default();
    for document in documents {
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
        let version = text("apiVersion").strip_prefix("kyverno.io/");
        let kind = match text("kind") {
            "ClusterPolicy" if version.is_some() => PolicyKind::Cluster,
            "Policy" if version.is_some() => PolicyKind::Namespaced,
            "PolicyException" if version.is_some() => {
                let served = version.is_some_and(|version| EXCEPTION_VERSIONS.contains(&version));
                match Exception::read(file, document, served) {
                    Ok(exception) => found.exceptions.push(exception),
                    Err(refusal) => found.refused.push(*refusal),
                }
                continue;
            }
            other => {
                match IMAGE_KINDS.iter().find(|kind| **kind == other) {
                    Some(kind) if text("apiVersion").starts_with("policies.kyverno.io/") => {
                        let name = document.pointer("/metadata/name").and_then(Value::as_str);
                        let (file, name) = (file.to_owned(), name.unwrap_or_default().to_owned());
                        let cause = Cause::NotJudged;
                        found.refused.push(Refusal { file, kind, name, rule_count: 0, cause });
                    }
                    _ => found.others.push(other.to_owned()),
                }
                continue;
            }
        };
        let read = match version.is_some_and(|version| POLICY_VERSIONS.contains(&version)) {
            true => policy(kind, document),
            false => Err((0, unserved(document))),
        };
        match read {
            Ok(policy) => found.policies.push(policy),
            Err((rule_count, cause)) => {
                let name = document.pointer("/metadata/name").and_then(Value::as_str);
                let name = name.unwrap_or_default().to_owned();
                let (file, kind) = (file.to_owned(), kind.name());
                found.refused.push(Refusal { file, kind, name, rule_count, cause });
            }
        }
    }
    found
}

/// The refusal of a document in a version that no API server has.
pub(crate) fn unserved(document: &Value) -> Cause {
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Cause::Unserved { kind: text("kind"), version: text("apiVersion") }
}

/// A typed part of a document.
///
/// # Errors
/// When the part has another form.
pub(crate) fn part<T: DeserializeOwned>(value: &Value, path: &str) -> Result<T, Cause> {
    serde_json::from_value(value.clone())
        .map_err(|e| Cause::Unreadable { path: path.to_owned(), reason: e.to_string() })
}

type Counted<T> = Result<T, (usize, Cause)>;

fn policy(kind: PolicyKind, document: &Value) -> Counted<Policy> {
    let uncounted = |cause| (0, cause);
    let metadata = document.get("metadata").cloned().unwrap_or_default();
    let text = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let annotations: BTreeMap<String, String> = match metadata.get("annotations") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(found) => part(found, "metadata.annotations").map_err(uncounted)?,
    };
    let mut raw = document.get("spec").cloned().unwrap_or_default();
    drop_nulls(&mut raw);
    let digest = digest_of(kind, &metadata, &annotations, &raw);
    let mut rules = match raw.get_mut("rules").map(Value::take) {
        Some(Value::Array(rules)) => rules,
        None => Vec::new(),
        Some(_) => {
            let problem = Problem::Type { expected: "array", found: "object" };
            return Err((0, Cause::Schema(Fault { path: "spec.rules".into(), problem })));
        }
    };
    let mut warnings = vec![Warning::KindDeprecated(kind)];
    for (index, rule) in rules.iter_mut().enumerate() {
        let path = format!("spec.rules[{index}]");
        match fault_of_rule(rule, &path) {
            Some(Fault { path, problem: Problem::Unknown { .. } }) if !verifies(rule) => {
                warnings.push(Warning::UnknownField(path));
            }
            Some(fault) => return Err((0, Cause::Schema(fault))),
            None => {}
        }
    }
    let spec: Spec = part(&raw, "spec").map_err(uncounted)?;
    let generated = autogen::rules(&annotations, &rules);
    let rule_count = generated.len();
    let counted = |cause| (rule_count, cause);
    let name = text("name");
    validate::spec(kind, &metadata, &annotations, &spec).map_err(counted)?;
    validate::names(&rules).map_err(counted)?;
    warnings.extend(unknown_in_spec(&raw).map(Warning::UnknownField));
    warnings.extend(warning::of_spec(&raw));
    let mut audit = spec.action() == Action::Audit;
    let mut other_rules = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        validate::operations(rule, &path).map_err(counted)?;
        if !verifies(rule) {
            let name = rule.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            warnings.push(Warning::OtherRule(name.clone()));
            other_rules.push(name);
            continue;
        }
        warnings.extend(check_rule(kind, &spec, rule, &path, &mut audit).map_err(counted)?);
        let matching = part(rule.get("match").unwrap_or(&Value::Null), "match").map_err(counted)?;
        warnings.extend(warning::of_autogen(annotations.get(autogen::ANNOTATION), &matching));
    }
    let rules: Result<Vec<Rule>, Cause> =
        generated.iter().filter(|rule| verifies(rule)).map(Rule::read).collect();
    Ok(Policy {
        kind,
        name,
        namespace: if kind == PolicyKind::Namespaced { text("namespace") } else { String::new() },
        annotations,
        spec,
        rules: rules.map_err(counted)?,
        other_rules,
        rule_count,
        warnings,
        digest,
    })
}

/// The digest of what a policy says, whoever stored it and however often.
fn digest_of(
    kind: PolicyKind,
    metadata: &Value,
    annotations: &BTreeMap<String, String>,
    spec: &Value,
) -> Digest {
    // Mappings are sorted by name, so equal policies have equal texts.
    let meant = |name: &str| name == autogen::ANNOTATION || name.starts_with("policies.kyverno.io/scored");
    let meant: BTreeMap<_, _> = annotations.iter().filter(|(name, _)| meant(name)).collect();
    let text = json!({
        "kind": kind.name(),
        "name": metadata.get("name"),
        "namespace": if kind == PolicyKind::Namespaced { metadata.get("namespace") } else { None },
        "annotations": meant,
        "spec": spec,
    });
    Digest::sha256_of(text.to_string().as_bytes())
}

fn check_rule(
    kind: PolicyKind,
    spec: &Spec,
    rule: &Value,
    path: &str,
    audit: &mut bool,
) -> Result<Vec<Warning>, Cause> {
    let typed = Rule::read(rule)?;
    let background = spec.background.unwrap_or(true);
    validate::selection::variables(rule)?;
    let about = About { rule, path, kind, background };
    validate::selection::check(about, &typed.matching, typed.exclude.as_ref())?;
    validate::conditions::check(rule, path)?;
    validate::context::check(rule, path)?;
    let raw = rule.get("verifyImages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, (entry, raw)) in typed.entries.iter().zip(raw).enumerate() {
        validate::entry(entry, raw, &format!("{path}.verifyImages[{index}]"), audit)?;
    }
    validate::extractors(rule, &typed.entries)?;
    validate::heeded(kind, rule, path)?;
    validate::rule_variables(rule, background)?;
    Ok(warning::of_rule(&typed.entries, rule))
}

fn verifies(rule: &Value) -> bool {
    rule.get("verifyImages").and_then(Value::as_array).is_some_and(|entries| !entries.is_empty())
}

/// Drops fields that are null, as the API server does for fields that may not be; the values of conditions and
/// variables stay, since there null means something.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let free = |name: &str| matches!(name, "value" | "key" | "default");
            let nulls: Vec<String> = null_fields(fields).filter(|name| !free(name)).cloned().collect();
            for name in nulls {
                fields.remove(&name);
            }
            for (name, inner) in fields.iter_mut() {
                if !free(name) {
                    drop_nulls(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn null_fields(fields: &Map<String, Value>) -> impl Iterator<Item = &String> {
    fields.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name)
}
