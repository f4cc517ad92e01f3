//! What Kyverno refuses in the preconditions of a rule and in its checks across attestations.

use provost_expr::conditions::Conditions;
use serde_json::Value;

use super::{Cause, Outcome, Why, denied};
use crate::request::Operation;

/// What is wrong with a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionFault {
    /// It lacks its key, its operator or its value.
    Incomplete,
    /// It compares the request's operation with what is none.
    Operation(String),
}

/// Checks the preconditions of a rule and its checks across attestations.
pub(in crate::policy) fn check(rule: &Value, path: &str) -> Outcome {
    let optional = |value: Option<&Value>| value.filter(|found| !found.is_null()).cloned();
    if let Some(found) = optional(rule.get("preconditions")) {
        block(&found, &format!("{path}.validate.preconditions"))?;
    }
    let entries = rule.get("verifyImages").and_then(Value::as_array);
    for entry in entries.into_iter().flatten() {
        if let Some(found) = optional(entry.pointer("/validate/deny/conditions")) {
            block(&found, &format!("{path}.imageVerify.validate.deny.conditions"))?;
        }
    }
    Ok(())
}

fn block(found: &Value, path: &str) -> Outcome {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    for (below, conditions) in
        [("", list(Some(found))), (".any", list(found.get("any"))), (".all", list(found.get("all")))]
    {
        for (at, condition) in conditions.iter().enumerate() {
            if let Some(fault) = fault_of(condition) {
                return denied(format!("{path}{below}[{at}]."), None, Why::Condition(fault));
            }
        }
    }
    // What is left are other forms, unknown fields and unknown operators, each named by the reader.
    match Conditions::parse(found) {
        Ok(_) => Ok(()),
        Err(fault) => Err(Cause::Unreadable { path: path.to_owned(), reason: fault.to_string() }),
    }
}

fn fault_of(condition: &Value) -> Option<ConditionFault> {
    let fields = condition.as_object()?;
    // A block among conditions is the reader's business.
    if fields.contains_key("any") || fields.contains_key("all") {
        return None;
    }
    let field = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let said = field("operator").and_then(Value::as_str).is_some_and(|operator| !operator.is_empty());
    let (Some(key), Some(value), true) = (field("key"), field("value"), said) else {
        return Some(ConditionFault::Incomplete);
    };
    let bare: String = key.as_str().unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
    if bare != "{{request.operation}}" {
        return None;
    }
    let named = |value: &Value| match value.as_str() {
        Some(text) if text.starts_with("{{") && text.ends_with("}}") => None,
        Some(text) if Operation::named(text).is_some() => None,
        Some(text) => Some(ConditionFault::Operation(text.to_owned())),
        None => Some(ConditionFault::Operation(value.to_string())),
    };
    match value {
        Value::Array(items) => items.iter().find_map(named),
        one => named(one),
    }
}
