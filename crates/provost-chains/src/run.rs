//! A finished run with the TaskRuns that belong to it, checked before anything is said about it.

use provost_tekton::object::status::{ChildReference, Condition, Provenance, RunResult, is_done};
use provost_tekton::object::{Metadata, PipelineTask};
use provost_tekton::{PipelineRun, TaskRun};

use crate::format_error::FormatError;

/// The label by which a TaskRun says which task of its Pipeline it ran.
const PIPELINE_TASK_LABEL: &str = "tekton.dev/pipelineTask";

/// A run to attest.
#[derive(Clone, Copy, Debug)]
pub enum Run<'a> {
    /// A TaskRun.
    Task(&'a TaskRun),
    /// A PipelineRun, and TaskRuns among which its children are.
    Pipeline(&'a PipelineRun, &'a [TaskRun]),
}

impl Run<'_> {
    /// The run's metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        match self {
            Self::Task(run) => &run.metadata,
            Self::Pipeline(run, _) => &run.metadata,
        }
    }

    /// `TaskRun/name` or `PipelineRun/name`, for messages.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Task(run) => task_label(run),
            Self::Pipeline(run, _) => format!("PipelineRun/{}", run.metadata.name),
        }
    }
}

/// `TaskRun/name`, for messages.
pub(crate) fn task_label(run: &TaskRun) -> String {
    format!("TaskRun/{}", run.metadata.name)
}

/// Chains attests runs that are over, well or badly.
pub(crate) fn check_done(label: String, conditions: &[Condition]) -> Result<(), FormatError> {
    if is_done(conditions) { Ok(()) } else { Err(FormatError::NotDone { run: label }) }
}

/// A PipelineRun with its own children, in the order its status lists them.
pub(crate) struct PipelineView<'a> {
    pub(crate) run: &'a PipelineRun,
    children: Vec<&'a TaskRun>,
    /// Children of other kinds, which nobody looked into.
    pub(crate) not_inspected: Vec<&'a ChildReference>,
}

impl<'a> PipelineView<'a> {
    /// Finds every child the status lists.
    ///
    /// A TaskRun that is missing, belongs to another run, or has not ended is an error: a statement that leaves
    /// a child out would say less than the run did. Children of other kinds are kept apart.
    pub(crate) fn new(run: &'a PipelineRun, task_runs: &'a [TaskRun]) -> Result<Self, FormatError> {
        let label = format!("PipelineRun/{}", run.metadata.name);
        check_done(label.clone(), &run.status.conditions)?;
        let (mut children, mut not_inspected) = (Vec::new(), Vec::new());
        for reference in &run.status.child_references {
            if !matches!(reference.kind.as_str(), "TaskRun" | "") {
                not_inspected.push(reference);
                continue;
            }
            let child = reference.name.clone();
            let named = task_runs.iter().filter(|task_run| {
                task_run.metadata.name == child && task_run.metadata.namespace == run.metadata.namespace
            });
            let Some(found) = named.clone().find(|task_run| owned(task_run, run)) else {
                return Err(match named.count() {
                    0 => FormatError::ChildMissing { run: label, child },
                    _ => FormatError::ChildForeign { run: label, child },
                });
            };
            if found.status.completion_time.is_none() {
                return Err(FormatError::NotDone { run: task_label(found) });
            }
            children.push(found);
        }
        Ok(Self { run, children, not_inspected })
    }

    /// The tasks of the Pipeline and then those of `finally`, each with its number.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &'a PipelineTask> + use<'a> {
        let spec = self.run.status.pipeline_spec.as_ref().map(|spec| spec.view());
        spec.into_iter().flat_map(|spec| spec.tasks.iter().chain(&spec.finally))
    }

    /// The TaskRuns of one task, several where it has a matrix.
    pub(crate) fn runs_of(&self, task: &str) -> impl Iterator<Item = &'a TaskRun> {
        let label = |run: &TaskRun| run.metadata.labels.get(PIPELINE_TASK_LABEL).cloned();
        self.children.iter().copied().filter(move |run| label(run).as_deref() == Some(task))
    }

    /// All TaskRuns in the order of their tasks.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &'a TaskRun> {
        self.tasks().flat_map(|task| self.runs_of(&task.name))
    }
}

fn owned(task_run: &TaskRun, run: &PipelineRun) -> bool {
    let owners = &task_run.metadata.owner_references;
    owners.iter().any(|owner| owner.kind == "PipelineRun" && owner.uid == run.metadata.uid)
}

/// `status.provenance` where the definition came through a resolver other than the exact text `Cluster`.
pub(crate) fn remote<'a>(
    provenance: Option<&'a Provenance>,
    resolver: Option<&str>,
) -> Option<&'a Provenance> {
    let through = matches!(resolver, Some(name) if !name.is_empty() && name != "Cluster");
    provenance.filter(|provenance| through && provenance.ref_source.is_some())
}

/// The results of all steps, in order.
pub(crate) fn step_results(run: &TaskRun) -> Vec<RunResult> {
    run.status.steps.iter().flat_map(|step| step.results.iter().cloned()).collect()
}
