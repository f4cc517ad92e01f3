//! A Task's spec with its variables replaced: once as Tekton would record it, once with the paths of this machine.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::RunError;
use super::substitute::Table;
use super::supported;
use crate::object::{Kept, ParamValue, Step, TaskSpec};

/// The parts of a Task's spec in which variables are replaced; declarations stay as they are.
const REPLACED: [&str; 4] = ["steps", "stepTemplate", "volumes", "workspaces"];

/// Where the steps find one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct WorkspacePath {
    /// The path; empty where the workspace is left out.
    pub(crate) path: String,
    /// Whether the run gives it.
    pub(crate) bound: bool,
    /// The claim behind it.
    pub(crate) claim: String,
}

/// Where the steps find everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths {
    /// What stands for `/tekton`.
    pub(crate) tekton: String,
    /// Each declared workspace.
    pub(crate) workspaces: BTreeMap<String, WorkspacePath>,
}

/// The container's name of a step.
pub(crate) fn container(step: &Step, index: usize) -> String {
    format!("step-{}", display_name(step, index))
}

/// The step's name, or its stand-in.
pub(crate) fn display_name(step: &Step, index: usize) -> String {
    if step.name.is_empty() { format!("unnamed-{index}") } else { step.name.clone() }
}

/// The first two passes: parameters, then contexts.
pub(crate) fn values(params: &BTreeMap<String, ParamValue>, contexts: &[(&str, &str)]) -> [Table; 2] {
    let mut first = Table::default();
    for (name, value) in params {
        first.value("params", name, value);
    }
    let mut second = Table::default();
    for (path, value) in contexts {
        second.text(*path, *value);
    }
    [first, second]
}

/// The passes after them: results and exit codes, then workspaces.
pub(crate) fn paths(spec: &TaskSpec, paths: &Paths) -> [Table; 2] {
    let mut results = Table::default();
    for result in &spec.results {
        results.named("results", &result.name, ".path", &format!("{}/results/{}", paths.tekton, result.name));
    }
    for (index, step) in spec.steps.iter().enumerate() {
        let container = container(step, index);
        results.text(
            format!("steps.{container}.exitCode.path"),
            format!("{}/steps/{container}/exitCode", paths.tekton),
        );
    }
    let mut workspaces = Table::default();
    for (name, workspace) in &paths.workspaces {
        workspaces.named("workspaces", name, ".path", &workspace.path);
        workspaces.named("workspaces", name, ".bound", if workspace.bound { "true" } else { "false" });
        workspaces.named("workspaces", name, ".claim", &workspace.claim);
        let volume = if workspace.bound { format!("ws-{name}") } else { String::new() };
        workspaces.named("workspaces", name, ".volume", &volume);
    }
    [results, workspaces]
}

/// Replaces the variables of the parts that run, one table after the other.
pub(crate) fn replaced(raw: &Value, tables: &[Table], object: &str) -> Result<Value, RunError> {
    let mut out = raw.clone();
    for key in REPLACED {
        if let Some(part) = out.get_mut(key) {
            for table in tables {
                *part = table.in_tree(part, false).map_err(RunError::substitute(object))?;
            }
        }
    }
    Ok(out)
}

/// Replaces each step's own `$(step.results.r.path)`.
pub(crate) fn own_results(
    raw: &mut Value,
    spec: &TaskSpec,
    tekton: &str,
    object: &str,
) -> Result<(), RunError> {
    let Some(steps) = raw.get_mut("steps").and_then(Value::as_array_mut) else { return Ok(()) };
    for (index, (raw, step)) in steps.iter_mut().zip(&spec.steps).enumerate() {
        let mut table = Table::default();
        let container = container(step, index);
        for result in &step.results {
            let path = format!("{tekton}/steps/{container}/results/{}", result.name);
            table.named("step.results", &result.name, ".path", &path);
        }
        *raw = table.in_tree(raw, false).map_err(RunError::substitute(object))?;
    }
    Ok(())
}

/// Checks that the variables in `raw` name what the Task declares or what is in scope.
pub(crate) fn check_variables(
    raw: &Value,
    spec: &TaskSpec,
    in_scope: &Table,
    object: &str,
) -> Result<(), RunError> {
    let mut known = in_scope.clone();
    for param in &spec.params {
        known.declared("params", param);
    }
    for workspace in &spec.workspaces {
        for suffix in [".path", ".bound", ".claim", ".volume"] {
            known.named("workspaces", &workspace.name, suffix, "");
        }
    }
    for key in REPLACED {
        if let Some(part) = raw.get(key) {
            supported::variables(part, &known, object, key)?;
        }
    }
    Ok(())
}

/// The view of a spec whose variables are replaced.
pub(crate) fn view(raw: Value, object: &str) -> Result<Kept<TaskSpec>, RunError> {
    Kept::new(raw).map_err(|error| {
        RunError::invalid(object, "the spec with its variables replaced", "a Task's spec", &error.to_string())
    })
}

/// A step with what the template gives where the step says nothing itself.
pub(crate) fn with_template(step: &Step, template: Option<&Step>) -> Step {
    let mut step = step.clone();
    let Some(template) = template else { return step };
    if step.script.is_empty() && step.command.is_none() {
        step.command.clone_from(&template.command);
    }
    if step.args.is_none() {
        step.args.clone_from(&template.args);
    }
    if step.working_dir.is_empty() {
        step.working_dir.clone_from(&template.working_dir);
    }
    let mut env: Vec<_> = template
        .env
        .iter()
        .filter(|variable| step.env.iter().all(|own| own.name != variable.name))
        .cloned()
        .collect();
    env.append(&mut step.env);
    step.env = env;
    let mut env_from = template.env_from.clone();
    env_from.append(&mut step.env_from);
    step.env_from = env_from;
    let covered = |path: &str| step.volume_mounts.iter().any(|own| own.mount_path == path);
    let more: Vec<_> =
        template.volume_mounts.iter().filter(|mount| !covered(&mount.mount_path)).cloned().collect();
    step.volume_mounts.extend(more);
    step
}
