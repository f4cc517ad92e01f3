//! The parts of the objects a run leaves: names, owners, labels, conditions.

use std::collections::BTreeMap;

use provost_oci::Digest;
use serde_json::{Map, Value, json};

use super::folders::Machine;
use crate::object::status::SUCCEEDED;
use crate::object::{Condition, Metadata, OwnerReference, TEKTON_V1};

/// The namespace of a run whose file names none.
const NAMESPACE: &str = "default";
/// The account of a run whose file names none, as Tekton's own admission writes it.
pub(crate) const SERVICE_ACCOUNT: &str = "default";
/// How long a run may take whose file says nothing, as Tekton's own admission writes it.
pub(crate) const TIMEOUT: &str = "1h0m0s";
/// The longest name of an object whose name becomes a label's value.
const MAX_NAME: usize = 63;

/// The condition `Succeeded`.
pub(crate) fn condition(
    machine: &Machine<'_>,
    succeeded: bool,
    reason: &str,
    message: impl Into<String>,
) -> Condition {
    Condition {
        kind: SUCCEEDED.to_owned(),
        status: if succeeded { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message: message.into(),
        last_transition_time: Some(machine.now()),
        rest: Map::new(),
    }
}

/// The metadata of a run as the API server would complete it.
pub(crate) fn admitted(machine: &Machine<'_>, written: &Metadata) -> Metadata {
    let mut metadata = written.clone();
    metadata.uid = machine.uid();
    if metadata.name.is_empty() {
        let random: String = machine.uid().chars().filter(char::is_ascii_alphanumeric).take(5).collect();
        metadata.name = format!("{}{random}", metadata.generate_name);
    }
    if metadata.namespace.is_empty() {
        NAMESPACE.clone_into(&mut metadata.namespace);
    }
    metadata.creation_timestamp = Some(machine.now());
    metadata.annotations = inherited(&metadata.annotations);
    managed(&mut metadata.labels);
    metadata
}

/// The annotations a new run takes over: not the marks of what was signed before, which a copied file may bear.
pub(crate) fn inherited(annotations: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let ours = |key: &str| match key.strip_prefix("chains.tekton.dev/") {
        Some(rest) => rest == "transparency-upload",
        None => key != "kubectl.kubernetes.io/last-applied-configuration",
    };
    annotations.iter().filter(|(key, _)| ours(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Tekton's own mark.
pub(crate) fn managed(labels: &mut BTreeMap<String, String>) {
    labels.entry("app.kubernetes.io/managed-by".to_owned()).or_insert_with(|| "tekton-pipelines".to_owned());
}

/// `PARENT-TASK`; a name too long keeps its head and ends in a digest of the whole.
pub(crate) fn child_name(parent: &str, task: &str) -> String {
    let name = format!("{parent}-{task}");
    if name.len() <= MAX_NAME {
        return name;
    }
    let digest = Digest::sha256_of(name.as_bytes());
    let tail: String = digest.hex().chars().take(32).collect();
    let head: String = name.chars().take(MAX_NAME - 33).collect();
    format!("{}-{tail}", head.trim_end_matches(['-', '.']))
}

/// The reference by which a PipelineRun owns its TaskRuns.
pub(crate) fn owned_by(run: &Metadata) -> OwnerReference {
    OwnerReference {
        api_version: TEKTON_V1.to_owned(),
        kind: "PipelineRun".to_owned(),
        name: run.name.clone(),
        uid: run.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Sets `path` within an object where nothing stands there yet.
pub(crate) fn default_at(raw: &mut Value, path: &[&str], value: &str) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut at = raw;
    for key in parents {
        let Value::Object(entries) = at else { return };
        at = entries.entry((*key).to_owned()).or_insert_with(|| json!({}));
    }
    if let Value::Object(entries) = at {
        let entry = entries.entry((*last).to_owned()).or_insert(Value::Null);
        if entry.is_null() || entry.as_str().is_some_and(str::is_empty) {
            *entry = json!(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        assert_eq!(child_name("run", "build"), "run-build");
        let (first, second) = (child_name(&"a".repeat(60), "build"), child_name(&"a".repeat(60), "test"));
        assert!(first.len() <= MAX_NAME && second.len() <= MAX_NAME);
        assert_ne!(first, second);
    }

    #[test]
    fn defaults_do_not_replace() {
        let mut raw = json!({"a": {"b": "x"}, "c": ""});
        default_at(&mut raw, &["a", "b"], "y");
        default_at(&mut raw, &["a", "d"], "z");
        default_at(&mut raw, &["c"], "w");
        default_at(&mut raw, &["e", "f"], "v");
        assert_eq!(raw, json!({"a": {"b": "x", "d": "z"}, "c": "w", "e": {"f": "v"}}));
    }
}
