//! The rules Kyverno makes for pod controllers out of rules for Pods.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::policy::validate::NAME_LIMIT;
use crate::select::kind_name;

/// The annotation that limits or switches off the generation.
pub(crate) const ANNOTATION: &str = "pod-policies.kyverno.io/autogen-controllers";
/// The controllers whose Pods stand under `spec.template`.
const CONTROLLERS: [&str; 6] =
    ["DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"];
/// The controller whose Pods stand under `spec.jobTemplate.spec.template`.
const CRON_JOB: &str = "CronJob";
/// The prefix of generated rules; rules of users that have it are dropped.
const PREFIX: &str = "autogen-";

/// All rules of a policy: those written, then those made for controllers.
#[must_use]
pub fn rules(annotations: &BTreeMap<String, String>, written: &[Value]) -> Vec<Value> {
    let wanted = wanted(annotations);
    if wanted.is_empty() || !written.iter().all(permits) {
        return written.to_vec();
    }
    let pods: Vec<&str> = CONTROLLERS.into_iter().filter(|c| wanted.contains(c)).collect();
    let mut all: Vec<Value> =
        written.iter().filter(|rule| !name(rule).starts_with(PREFIX)).cloned().collect();
    for rule in written.iter().filter(|rule| !name(rule).starts_with(PREFIX) && is_about_pods(rule)) {
        if !pods.is_empty() {
            all.push(made(rule, PREFIX, &pods, "spec.template"));
        }
        if wanted.contains(&CRON_JOB) {
            all.push(made(rule, "autogen-cronjob-", &[CRON_JOB], "spec.jobTemplate.spec.template"));
        }
    }
    all
}

fn wanted(annotations: &BTreeMap<String, String>) -> Vec<&str> {
    match annotations.get(ANNOTATION).map(|v| v.trim()) {
        None | Some("") => CONTROLLERS.into_iter().chain([CRON_JOB]).collect(),
        Some("none") => Vec::new(),
        Some(list) => list.split(',').map(str::trim).collect(),
    }
}

fn name(rule: &Value) -> &str {
    rule.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// The filters of a match block: those of any, of all, and the flat one.
fn filters(block: &Value) -> Vec<&Value> {
    let list = |field: &str| block.get(field).and_then(Value::as_array).into_iter().flatten();
    let flat = block.get("resources").is_some().then_some(block);
    list("any").chain(list("all")).chain(flat).collect()
}

fn kinds(filter: &Value) -> Vec<&str> {
    let kinds = filter.pointer("/resources/kinds").and_then(Value::as_array);
    kinds.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn has_pod(filter: &Value) -> bool {
    kinds(filter).into_iter().any(|kind| kind_name(kind) == "Pod")
}

/// Whether a rule leaves room for generated ones in its policy.
fn permits(rule: &Value) -> bool {
    let set = |value: Option<&Value>| match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    };
    if set(rule.get("generate")) || set(rule.pointer("/mutate/patchesJson6902")) {
        return false;
    }
    let blocks = ["match", "exclude"].into_iter().filter_map(|field| rule.get(field));
    blocks.flat_map(filters).all(|filter| {
        let named = ["name", "names", "selector", "annotations"]
            .iter()
            .any(|field| set(filter.get("resources").and_then(|r| r.get(field))));
        !named && (kinds(filter).len() <= 1 || !has_pod(filter))
    })
}

/// Whether a rule matches Pods and excludes nothing but Pods.
fn is_about_pods(rule: &Value) -> bool {
    let matches = rule.get("match").map(filters).unwrap_or_default();
    let excludes = rule.get("exclude").map(filters).unwrap_or_default();
    matches.iter().any(|filter| has_pod(filter))
        && excludes.iter().all(|filter| kinds(filter).is_empty() || has_pod(filter))
}

fn made(rule: &Value, prefix: &str, controllers: &[&str], template: &str) -> Value {
    let mut rule = moved(rule, template);
    let mut new_name = format!("{prefix}{}", name(&rule));
    let end = new_name.char_indices().map(|(at, _)| at).find(|at| *at >= NAME_LIMIT);
    if let Some(end) = end {
        new_name.truncate(end);
    }
    if let Some(fields) = rule.as_object_mut() {
        fields.insert("name".to_owned(), Value::String(new_name));
        // Kyverno loses them too: the generated rule is about the images everybody knows.
        fields.remove("imageExtractors");
    }
    for block in ["match", "exclude"] {
        for place in ["any", "all"] {
            let list = rule.pointer_mut(&format!("/{block}/{place}")).and_then(Value::as_array_mut);
            list.into_iter().flatten().for_each(|filter| replace_kinds(filter, controllers));
        }
        if let Some(flat) = rule.get_mut(block) {
            replace_kinds(flat, controllers);
        }
    }
    rule
}

fn replace_kinds(filter: &mut Value, controllers: &[&str]) {
    if has_pod(filter)
        && let Some(kinds) = filter.pointer_mut("/resources/kinds")
    {
        *kinds = json!(controllers);
    }
}

/// Kyverno rewrites the text of the rule: variables that name parts of the Pod name parts of the template.
fn moved(value: &Value, template: &str) -> Value {
    match value {
        Value::String(text) => Value::String(moved_text(text, template)),
        Value::Array(items) => items.iter().map(|item| moved(item, template)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (moved_text(name, template), moved(value, template))).collect()
        }
        other => other.clone(),
    }
}

fn moved_text(text: &str, template: &str) -> String {
    let mut text = text.to_owned();
    for object in ["request.object", "request.oldObject"] {
        for part in ["spec", "metadata"] {
            text = text.replace(&format!("{object}.{part}"), &format!("{object}.{template}.{part}"));
        }
    }
    text
}

#[cfg(test)]
mod tests;
