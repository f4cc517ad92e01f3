//! Tekton's objects, and a runner that runs them on one machine.
//!
//! [`object`] holds Tasks, Pipelines and their runs as Tekton writes them: what Chains reads, and what [`run`](crate::run::run) produces.

pub mod object;

pub use object::{
    Kept, Object, Param, ParamSpec, ParamType, ParamValue, Pipeline, PipelineRun, PipelineSpec, Task,
    TaskRun, TaskSpec,
};
