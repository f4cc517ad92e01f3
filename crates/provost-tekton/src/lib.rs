//! Tekton's objects, and a runner that runs them on one machine.
//!
//! [`object`] holds Tasks, Pipelines and their runs as Tekton writes them: what Chains reads, and what [`run`](crate::run::run) produces.

mod beneath;
pub mod object;
pub mod run;
pub mod step;

pub use object::{
    Kept, Object, Param, ParamSpec, ParamType, ParamValue, Pipeline, PipelineRun, PipelineSpec, Task,
    TaskRun, TaskSpec,
};
pub use run::{Event, Finished, Isolation, RunError, RunEvents, RunRequest, Stream};
pub use step::{StepError, enter_step, namespaces_available};
