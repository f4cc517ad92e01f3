//! Pipelines: their tasks and what joins them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::task::TaskRef;
use super::workspace::WorkspaceDeclaration;
use super::{Kept, Metadata, Param, ParamSpec, ParamType, ParamValue, Rest, TaskSpec, nullable};

/// A Pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pipeline {
    /// The API version.
    #[serde(default)]
    pub api_version: String,
    /// `Pipeline`.
    #[serde(default)]
    pub kind: String,
    /// The object's metadata.
    #[serde(default)]
    pub metadata: Metadata,
    /// What it does.
    #[serde(default)]
    pub spec: Kept<PipelineSpec>,
}

/// What a Pipeline does.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PipelineSpec {
    /// The parameters it takes.
    #[serde(default, deserialize_with = "nullable")]
    pub params: Vec<ParamSpec>,
    /// The workspaces it needs.
    #[serde(default, deserialize_with = "nullable")]
    pub workspaces: Vec<WorkspaceDeclaration>,
    /// Its tasks.
    #[serde(default, deserialize_with = "nullable")]
    pub tasks: Vec<PipelineTask>,
    /// Tasks that run after all others, whatever became of them.
    #[serde(default, deserialize_with = "nullable")]
    pub finally: Vec<PipelineTask>,
    /// What it tells at the end.
    #[serde(default, deserialize_with = "nullable")]
    pub results: Vec<PipelineResult>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A task of a Pipeline.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineTask {
    /// The name within the Pipeline.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The Task it runs; provenance carries it as written.
    #[serde(default)]
    pub task_ref: Option<Kept<TaskRef>>,
    /// The Task itself, written in place.
    #[serde(default)]
    pub task_spec: Option<Kept<TaskSpec>>,
    /// What the Task is given.
    #[serde(default, deserialize_with = "nullable")]
    pub params: Vec<Param>,
    /// The tasks that come before.
    #[serde(default, deserialize_with = "nullable")]
    pub run_after: Vec<String>,
    /// On which condition it runs.
    #[serde(default, deserialize_with = "nullable")]
    pub when: Vec<When>,
    /// The workspaces it is given.
    #[serde(default, deserialize_with = "nullable")]
    pub workspaces: Vec<TaskWorkspace>,
    /// One run for each combination of values.
    #[serde(default)]
    pub matrix: Option<Value>,
    /// How often a failure is tried again.
    #[serde(default, deserialize_with = "nullable")]
    pub retries: i64,
    /// How long it may take, a Go duration.
    #[serde(default)]
    pub timeout: Option<String>,
    /// `continue` or `stopAndFail`.
    #[serde(default, deserialize_with = "nullable")]
    pub on_error: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A workspace of the Pipeline, given to one of its tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskWorkspace {
    /// The Task's name for it.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The Pipeline's name for it; the same where empty.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub workspace: String,
    /// Which part of it.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub sub_path: String,
}

/// A condition of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct When {
    /// What is looked at.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub input: String,
    /// `in` or `notin`.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub operator: String,
    /// Among which values.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// An expression in CEL, in place of the three.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub cel: String,
}

/// A result of a Pipeline.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PipelineResult {
    /// The result's name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Its type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub declared: Option<ParamType>,
    /// What it is made of: references to results of tasks.
    #[serde(default)]
    pub value: ParamValue,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A reference to a Pipeline.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineRef {
    /// The Pipeline's name; empty where a resolver finds it.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Who finds the Pipeline; empty for the name alone.
    #[serde(default, deserialize_with = "nullable")]
    pub resolver: String,
    /// What the resolver is told.
    #[serde(default, deserialize_with = "nullable")]
    pub params: Vec<Param>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
