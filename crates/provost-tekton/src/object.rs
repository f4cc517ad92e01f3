//! The Tekton objects Chains reads and the runner writes (`tekton.dev/v1`), and the Kubernetes ones a run may name.
//!
//! Fields follow reference §7.1. What is not named here is kept in `rest`, so that an object leaves as it came; a spec is
//! kept whole ([`Kept`]), because provenance carries it as it was written.

pub mod kept;
pub mod metadata;
pub mod param;
pub mod pipeline;
pub mod read;
pub mod run;
pub mod status;
pub mod task;
pub mod time;
pub mod workspace;

pub use kept::Kept;
pub use metadata::{Metadata, OwnerReference};
pub use param::{Param, ParamSpec, ParamType, ParamValue};
pub use pipeline::{Pipeline, PipelineRef, PipelineResult, PipelineSpec, PipelineTask, When};
pub use read::{Origin, ReadError, read_documents};
pub use run::{
    PipelineRun, PipelineRunSpec, PipelineRunStatus, TaskRun, TaskRunSpec, TaskRunStatus, TaskRunTemplate,
    Timeouts,
};
pub use status::{
    ChildReference, Condition, Provenance, RefSource, RunResult, SkippedTask, StepState, Terminated,
    condition_of, is_done,
};
pub use task::{EnvFrom, EnvVar, Step, Task, TaskRef, TaskResult, TaskSpec, VolumeMount};
pub use time::Time;
pub use workspace::{ConfigMap, KeyToPath, Secret, Volume, WorkspaceBinding, WorkspaceDeclaration};

use serde_json::{Map, Value};

/// The API version of the Tekton objects this crate reads and writes.
pub const TEKTON_V1: &str = "tekton.dev/v1";

/// What stands in a document beside the fields this crate has names for.
pub type Rest = Map<String, Value>;

/// One object of a file, with where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The file, the place in it, and the file's digest.
    pub origin: Origin,
    /// The object itself.
    pub object: Object,
}

/// An object of one of the kinds a run is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// A run of one Task.
    TaskRun(Box<TaskRun>),
    /// A run of a Pipeline.
    PipelineRun(Box<PipelineRun>),
    /// A Task.
    Task(Box<Task>),
    /// A Pipeline.
    Pipeline(Box<Pipeline>),
    /// A Secret, for workspaces and volumes.
    Secret(Box<Secret>),
    /// A ConfigMap, for workspaces and volumes.
    ConfigMap(Box<ConfigMap>),
    /// Any other kind: kept, because a file may hold it, and named where a run asks for it.
    Other(Box<Value>),
}

impl Object {
    /// The kind, as written in `kind:`.
    pub fn kind(&self) -> &str {
        match self {
            Self::TaskRun(_) => "TaskRun",
            Self::PipelineRun(_) => "PipelineRun",
            Self::Task(_) => "Task",
            Self::Pipeline(_) => "Pipeline",
            Self::Secret(_) => "Secret",
            Self::ConfigMap(_) => "ConfigMap",
            Self::Other(value) => value.get("kind").and_then(Value::as_str).unwrap_or_default(),
        }
    }

    /// `metadata.name`, empty where there is none.
    pub fn name(&self) -> &str {
        match self {
            Self::TaskRun(object) => &object.metadata.name,
            Self::PipelineRun(object) => &object.metadata.name,
            Self::Task(object) => &object.metadata.name,
            Self::Pipeline(object) => &object.metadata.name,
            Self::Secret(object) => &object.metadata.name,
            Self::ConfigMap(object) => &object.metadata.name,
            Self::Other(value) => value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default(),
        }
    }

    /// Reads one object; its `apiVersion` and `kind` decide which.
    ///
    /// Fails with serde's words where a named field has another type, or where a Tekton kind has an API version other than
    /// [`TEKTON_V1`].
    pub fn from_value(value: Value) -> Result<Self, ObjectError> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if kind.is_empty() {
            return Err(ObjectError::NoKind);
        }
        let tekton = version.starts_with("tekton.dev/");
        if tekton
            && version != TEKTON_V1
            && matches!(kind.as_str(), "TaskRun" | "PipelineRun" | "Task" | "Pipeline")
        {
            return Err(ObjectError::Version { kind, found: version });
        }
        let shape =
            |error: serde_json::Error| ObjectError::Shape { kind: kind.clone(), message: error.to_string() };
        Ok(match (tekton, kind.as_str()) {
            (true, "TaskRun") => Self::TaskRun(serde_json::from_value(value).map_err(shape)?),
            (true, "PipelineRun") => Self::PipelineRun(serde_json::from_value(value).map_err(shape)?),
            (true, "Task") => Self::Task(serde_json::from_value(value).map_err(shape)?),
            (true, "Pipeline") => Self::Pipeline(serde_json::from_value(value).map_err(shape)?),
            (false, "Secret") if version == "v1" => {
                Self::Secret(serde_json::from_value(value).map_err(shape)?)
            }
            (false, "ConfigMap") if version == "v1" => {
                Self::ConfigMap(serde_json::from_value(value).map_err(shape)?)
            }
            _ => Self::Other(Box::new(value)),
        })
    }
}

/// Why a value is none of the objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// There is no `kind`.
    #[error("kind: expected the kind of a Kubernetes object, found none")]
    NoKind,
    /// A Tekton object of another API version.
    #[error("apiVersion: expected {TEKTON_V1} for a {kind}, found {found}")]
    Version {
        /// The object's kind.
        kind: String,
        /// The version found.
        found: String,
    },
    /// A field has another type than Tekton gives it.
    #[error("{kind}: {message}")]
    Shape {
        /// The object's kind.
        kind: String,
        /// What serde expected and found.
        message: String,
    },
}

/// Reads `null` as absent, as Go's decoder does.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::Deserialize<'de>,
{
    <Option<T> as serde::Deserialize>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests;
