//! Runs of Tasks and Pipelines.

use serde::{Deserialize, Serialize};

use super::pipeline::PipelineRef;
use super::status::{ChildReference, Condition, Provenance, RunResult, SkippedTask, StepState};
use super::task::TaskRef;
use super::workspace::WorkspaceBinding;
use super::{Kept, Metadata, Param, PipelineSpec, Rest, TaskSpec, Time, nullable};

/// A run of one Task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRun {
    /// The API version; empty in an object out of a list.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// `TaskRun`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The object's metadata.
    #[serde(default)]
    pub metadata: Metadata,
    /// What was asked.
    #[serde(default)]
    pub spec: Kept<TaskRunSpec>,
    /// What became of it.
    #[serde(default, deserialize_with = "nullable")]
    pub status: TaskRunStatus,
}

/// What a TaskRun asks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRunSpec {
    /// The Task.
    #[serde(default)]
    pub task_ref: Option<Kept<TaskRef>>,
    /// The Task itself, written in place.
    #[serde(default)]
    pub task_spec: Option<Kept<TaskSpec>>,
    /// What the Task is given.
    #[serde(default, deserialize_with = "nullable")]
    pub params: Vec<Param>,
    /// The workspaces it is given.
    #[serde(default, deserialize_with = "nullable")]
    pub workspaces: Vec<WorkspaceBinding>,
    /// On whose behalf it runs.
    #[serde(default, deserialize_with = "nullable")]
    pub service_account_name: String,
    /// How long it may take, a Go duration.
    #[serde(default)]
    pub timeout: Option<String>,
    /// Who runs it; empty for Tekton itself.
    #[serde(default, deserialize_with = "nullable")]
    pub managed_by: String,
    /// How often a failure is tried again.
    #[serde(default, deserialize_with = "nullable")]
    pub retries: i64,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What became of a TaskRun.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRunStatus {
    /// The pod; the schema demands it, empty where there was none.
    #[serde(default, deserialize_with = "nullable")]
    pub pod_name: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Whether it is done, and how it ended.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Its steps.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepState>,
    /// Its sidecars.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<StepState>,
    /// Its results.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<RunResult>,
    /// The Task as it ran, after substitution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_spec: Option<Kept<TaskSpec>>,
    /// Where the Task came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A run of a Pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineRun {
    /// The API version; empty in an object out of a list.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// `PipelineRun`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The object's metadata.
    #[serde(default)]
    pub metadata: Metadata,
    /// What was asked.
    #[serde(default)]
    pub spec: Kept<PipelineRunSpec>,
    /// What became of it.
    #[serde(default, deserialize_with = "nullable")]
    pub status: PipelineRunStatus,
}

/// What a PipelineRun asks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineRunSpec {
    /// The Pipeline.
    #[serde(default)]
    pub pipeline_ref: Option<Kept<PipelineRef>>,
    /// The Pipeline itself, written in place.
    #[serde(default)]
    pub pipeline_spec: Option<Kept<PipelineSpec>>,
    /// What the Pipeline is given.
    #[serde(default, deserialize_with = "nullable")]
    pub params: Vec<Param>,
    /// The workspaces it is given.
    #[serde(default, deserialize_with = "nullable")]
    pub workspaces: Vec<WorkspaceBinding>,
    /// What its TaskRuns start from.
    #[serde(default, deserialize_with = "nullable")]
    pub task_run_template: TaskRunTemplate,
    /// How long it may take.
    #[serde(default, deserialize_with = "nullable")]
    pub timeouts: Timeouts,
    /// Who runs it; empty for Tekton itself.
    #[serde(default, deserialize_with = "nullable")]
    pub managed_by: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What a PipelineRun's TaskRuns start from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRunTemplate {
    /// On whose behalf they run.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub service_account_name: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// How long a PipelineRun and its parts may take; each a Go duration, `0s` for no end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timeouts {
    /// The whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// All but the `finally` tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<String>,
    /// The `finally` tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finally: Option<String>,
}

/// What became of a PipelineRun.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineRunStatus {
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Whether it is done, and how it ended.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The runs of its tasks.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub child_references: Vec<ChildReference>,
    /// The tasks that did not run.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub skipped_tasks: Vec<SkippedTask>,
    /// Its results.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<RunResult>,
    /// The Pipeline as it ran, after substitution of its parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline_spec: Option<Kept<PipelineSpec>>,
    /// Where the Pipeline came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
