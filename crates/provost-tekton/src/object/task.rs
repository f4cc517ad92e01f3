//! Tasks: their steps, parameters, results and workspaces.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::workspace::{Volume, WorkspaceDeclaration};
use super::{Kept, Metadata, Param, ParamSpec, ParamType, ParamValue, Rest, nullable};

/// A Task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// The API version.
    #[serde(default)]
    pub api_version: String,
    /// `Task`.
    #[serde(default)]
    pub kind: String,
    /// The object's metadata.
    #[serde(default)]
    pub metadata: Metadata,
    /// What it does.
    #[serde(default)]
    pub spec: Kept<TaskSpec>,
}

/// What a Task does.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskSpec {
    /// The parameters it takes.
    #[serde(default, deserialize_with = "nullable")]
    pub params: Vec<ParamSpec>,
    /// The results it declares.
    #[serde(default, deserialize_with = "nullable")]
    pub results: Vec<TaskResult>,
    /// The workspaces it needs.
    #[serde(default, deserialize_with = "nullable")]
    pub workspaces: Vec<WorkspaceDeclaration>,
    /// Its steps, in order.
    #[serde(default, deserialize_with = "nullable")]
    pub steps: Vec<Step>,
    /// What every step starts from.
    #[serde(default)]
    pub step_template: Option<Step>,
    /// Folders the steps may mount.
    #[serde(default, deserialize_with = "nullable")]
    pub volumes: Vec<Volume>,
    /// Containers that run beside the steps.
    #[serde(default, deserialize_with = "nullable")]
    pub sidecars: Vec<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A result a Task or a step declares.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TaskResult {
    /// The result's name: a file's name under the results folder.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Its type; string where absent.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub declared: Option<ParamType>,
    /// The value, where the Task fixes it or takes it from a step's result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ParamValue>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// One step of a Task.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The step's name; empty for an unnamed one.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The image the step asks for.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// A script; excludes a command.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub script: String,
    /// The command; `None` where the step has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The arguments; `None` where the step has none (provenance tells that from an empty list).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Where the step starts.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Environment variables.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Environment variables out of Secrets and ConfigMaps.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFrom>,
    /// Volumes the step sees.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// `continue` or `stopAndFail`.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub on_error: String,
    /// How long the step may take, a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The step's own results.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<TaskResult>,
    /// A StepAction in place of an inline step.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// An environment variable of a step.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// The variable's name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Its value.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Where its value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<Value>,
}

/// Environment variables out of a Secret or a ConfigMap.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvFrom {
    /// What each name begins with.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<Value>,
    /// The ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<Value>,
}

/// A volume in a step.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount {
    /// The volume.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Where the step sees it.
    #[serde(default, deserialize_with = "nullable")]
    pub mount_path: String,
    /// Which part of the volume.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub sub_path: String,
    /// Whether the step may only read it.
    #[serde(default, deserialize_with = "nullable")]
    pub read_only: bool,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A reference to a Task.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRef {
    /// The Task's name; empty where a resolver finds it.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `Task`, or the kind of a custom one.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The API version, of a custom task.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Who finds the Task: `git`, `hub`, `bundles`, `cluster`, `http`; empty for the name alone.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub resolver: String,
    /// What the resolver is told.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
