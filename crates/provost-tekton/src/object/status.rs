//! What became of a run: conditions, steps, results, provenance, children.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ParamType, ParamValue, Rest, Time, nullable};

/// The condition that says whether a run is done, and how it ended.
pub const SUCCEEDED: &str = "Succeeded";

/// One entry of `status.conditions`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    #[serde(default)]
    pub status: String,
    /// Why, in one word.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// The `Succeeded` condition, if there is one.
pub fn condition_of(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.kind == SUCCEEDED)
}

/// Whether a run is done, as Chains judges: the `Succeeded` condition exists and is not `Unknown`.
pub fn is_done(conditions: &[Condition]) -> bool {
    condition_of(conditions).is_some_and(|condition| condition.status != "Unknown")
}

/// A result of a run or a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The result's name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Its type; older objects leave it out.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub declared: Option<ParamType>,
    /// Its value.
    #[serde(default)]
    pub value: ParamValue,
}

/// What became of a step, or of a sidecar.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepState {
    /// The step's name; `unnamed-INDEX` for an unnamed one.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The container's name.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// What really ran.
    #[serde(
        default,
        rename = "imageID",
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub image_id: String,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminated: Option<Terminated>,
    /// Why it ended, in one word.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub termination_reason: String,
    /// The step's own results.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<RunResult>,
    /// Where the step came from, if a StepAction was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// How a step's process ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terminated {
    /// The exit code.
    #[serde(default)]
    pub exit_code: i32,
    /// `Completed` or `Error`.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// `status.provenance`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Where the resolved Task or Pipeline came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ref_source: Option<RefSource>,
    /// Tekton's feature flags during the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_flags: Option<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Where a resolved definition came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefSource {
    /// The place.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// Its digests: hex by algorithm.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// The entry within the place.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub entry_point: String,
}

/// One entry of a PipelineRun's `status.childReferences`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChildReference {
    /// The child's API version.
    #[serde(default, deserialize_with = "nullable")]
    pub api_version: String,
    /// The child's kind.
    #[serde(default, deserialize_with = "nullable")]
    pub kind: String,
    /// The child's name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The task of the Pipeline it ran.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub pipeline_task_name: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A task of a Pipeline that did not run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SkippedTask {
    /// The task's name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Why, in Tekton's words.
    #[serde(default, deserialize_with = "nullable")]
    pub reason: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
