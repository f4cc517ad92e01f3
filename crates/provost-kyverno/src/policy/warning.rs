//! What whoever stores a policy should be told, though it does not stop it.

use serde_json::Value;

use super::PolicyKind;
use super::entry::Entry;
use super::schema::OPERATORS;
use super::spec::MatchBlock;
use crate::select::kind_name;

/// Something about a policy that does not stop it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The kind itself is on its way out.
    KindDeprecated(PolicyKind),
    /// `predicateType` was used for `type`.
    PredicateTypeDeprecated(String),
    /// An operator that should not be used any more, and what to use.
    OperatorDeprecated(&'static str, &'static [&'static str]),
    /// An action is written in lower case.
    ActionDeprecated,
    /// Pods of controllers for which no rules are made are still Pods.
    AutogenExcludes,
    /// A field outside the verifyImages rules that nobody knows.
    UnknownField(String),
    /// A rule of another kind, which is left to Kyverno.
    OtherRule(String),
}

/// What whoever stores the policy should be told, its rules aside.
pub(super) fn of_spec(spec: &Value) -> Option<Warning> {
    let lower = |value: Option<&Value>| matches!(value.and_then(Value::as_str), Some("audit" | "enforce"));
    let overrides = spec.get("validationFailureActionOverrides").and_then(Value::as_array);
    let overridden = overrides.into_iter().flatten().any(|one| lower(one.get("action")));
    (lower(spec.get("validationFailureAction")) || overridden).then_some(Warning::ActionDeprecated)
}

/// Whether a rule for Pods leaves out controllers, as far as Kyverno minds.
pub(super) fn of_autogen(annotation: Option<&String>, matching: &MatchBlock) -> Option<Warning> {
    let annotation = annotation.filter(|value| *value != "none")?.to_lowercase();
    let mut named: Vec<&str> = annotation.split(',').collect();
    named.sort_unstable();
    if named == ["cronjob", "daemonset", "deployment", "job", "statefulset"] {
        return None;
    }
    let filters = matching.any.iter().chain(&matching.all).chain(std::iter::once(&matching.flat));
    let mut kinds = filters.flat_map(|filter| &filter.resources.kinds).map(|kind| kind_name(kind)).peekable();
    (kinds.peek().is_some() && kinds.all(|kind| kind == "Pod")).then_some(Warning::AutogenExcludes)
}

/// What whoever stores the rule should be told.
pub(super) fn of_rule(entries: &[Entry], rule: &Value) -> Vec<Warning> {
    let mut found = Vec::new();
    for attestation in entries.iter().flat_map(|e| &e.attestations) {
        if !attestation.predicate_type.is_empty() {
            found.push(Warning::PredicateTypeDeprecated(attestation.predicate_type.clone()));
        }
    }
    let mut operators = Vec::new();
    collect_operators(rule, &mut operators);
    for (old, new) in
        [("In", &["AllIn", "AnyIn"] as &'static [&'static str]), ("NotIn", &["AllNotIn", "AnyNotIn"])]
    {
        if operators.contains(&old) {
            found.push(Warning::OperatorDeprecated(old, new));
        }
    }
    found
}

fn collect_operators<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_operators(item, found)),
        Value::Object(fields) => {
            if let Some(operator) = fields.get("operator").and_then(Value::as_str)
                && OPERATORS.contains(&operator)
            {
                found.push(operator);
            }
            fields.values().for_each(|item| collect_operators(item, found));
        }
        _ => {}
    }
}
