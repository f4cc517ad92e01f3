//! What the controller writes on runs: annotations and finalizers, in one patch, and only where something changes.

use std::collections::BTreeMap;

use provost_tekton::object::{Metadata, Time};
use provost_tekton::{PipelineRun, TaskRun};
use serde_json::{Map, Value, json};

use super::cluster::Kind;
use super::trouble::Trouble;

/// What all annotations of ours begin with: Chains' own prefix, so that its formats leave them out of statements.
pub const OURS: &str = "chains.tekton.dev/provost-";
/// The annotation that says why a run is not signed, in the shape of a condition.
pub const CONDITION: &str = "chains.tekton.dev/provost-condition";

/// A patch that is being put together.
#[derive(Clone, Debug, Default)]
pub(super) struct Patch {
    annotations: BTreeMap<String, Option<String>>,
    finalizers: Option<Vec<String>>,
}

impl Patch {
    /// Sets an annotation, unless it has this text already.
    pub(super) fn set(&mut self, metadata: &Metadata, name: &str, text: String) {
        if metadata.annotations.get(name) != Some(&text) {
            self.annotations.insert(name.to_owned(), Some(text));
        }
    }

    /// Takes an annotation away, where there is one.
    pub(super) fn clear(&mut self, metadata: &Metadata, name: &str) {
        if metadata.annotations.contains_key(name) {
            self.annotations.insert(name.to_owned(), None);
        }
    }

    /// Puts our finalizer on a run, or takes it off; others' stay. Nothing can be put on what is being deleted.
    pub(super) fn hold(&mut self, metadata: &Metadata, kind: Kind, held: bool) {
        let there = is_held(metadata, kind);
        if there == held || (held && metadata.deletion_timestamp.is_some()) {
            return;
        }
        let mut list: Vec<String> =
            metadata.finalizers.iter().filter(|one| !is_finalizer(one, kind)).cloned().collect();
        if held {
            list.push(kind.finalizer().to_owned());
        }
        self.finalizers = Some(list);
    }

    /// The merge patch; `None` where nothing would change. It holds for this very object only, and for this very
    /// version of it where a list is written whole.
    pub(super) fn finish(self, metadata: &Metadata) -> Option<Value> {
        if self.annotations.is_empty() && self.finalizers.is_none() {
            return None;
        }
        let mut body = Map::new();
        body.insert("uid".to_owned(), json!(metadata.uid));
        if !self.annotations.is_empty() {
            body.insert("annotations".to_owned(), json!(self.annotations));
        }
        if let Some(finalizers) = self.finalizers {
            body.insert("finalizers".to_owned(), json!(finalizers));
            let version = metadata.rest.get("resourceVersion").cloned().unwrap_or(Value::Null);
            body.insert("resourceVersion".to_owned(), version);
        }
        Some(json!({"metadata": body}))
    }
}

/// Whether our finalizer is on a run.
#[must_use]
pub fn is_held(metadata: &Metadata, kind: Kind) -> bool {
    metadata.finalizers.iter().any(|one| is_finalizer(one, kind))
}

/// Whether a finalizer is Chains' for this kind, in its present form or in the one that its first versions wrote.
#[must_use]
pub fn is_finalizer(finalizer: &str, kind: Kind) -> bool {
    finalizer == kind.finalizer() || finalizer == "chains.tekton.dev"
}

/// The annotation's text for a run that is not signed. Where the reason is the same as before, so is the text with the
/// time of its beginning, and nothing need be written.
pub(super) fn condition(metadata: &Metadata, trouble: &Trouble, now: Time) -> String {
    let old: Option<Value> =
        metadata.annotations.get(CONDITION).and_then(|text| serde_json::from_str(text).ok());
    let told = |name: &str| old.as_ref().and_then(|old| old.get(name)).and_then(Value::as_str);
    let since = match told("reason") == Some(trouble.reason.word()) {
        true => told("lastTransitionTime").and_then(|text| text.parse().ok()).unwrap_or(now),
        false => now,
    };
    json!({
        "type": "Signed",
        "status": "False",
        "reason": trouble.reason.word(),
        "message": trouble.message,
        "lastTransitionTime": since,
    })
    .to_string()
}

/// A TaskRun without what we wrote on it, so that a second attempt makes the statement the first one made.
#[must_use]
pub fn unmarked_task_run(mut run: TaskRun) -> TaskRun {
    run.metadata.annotations.retain(|name, _| !name.starts_with(OURS));
    run
}

/// A PipelineRun without what we wrote on it.
#[must_use]
pub fn unmarked_pipeline_run(mut run: PipelineRun) -> PipelineRun {
    run.metadata.annotations.retain(|name, _| !name.starts_with(OURS));
    run
}
