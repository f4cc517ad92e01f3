//! What this runner refuses by name, before anything starts: constructs it would otherwise run wrongly.

use serde_json::Value;

use super::duration;
use super::error::RunError;
use super::results::is_name;
use super::substitute::Table;
use crate::object::{
    Metadata, PipelineRunSpec, PipelineSpec, PipelineTask, Rest, Step, TaskRunSpec, TaskSpec,
    WorkspaceBinding, WorkspaceDeclaration,
};

/// Fields of a step that say how a cluster runs it, and mean nothing for a process of this machine.
const STEP_IGNORED: [&str; 6] = [
    "computeResources",
    "displayName",
    "imagePullPolicy",
    "resources",
    "securityContext",
    "terminationMessagePath",
];
/// Fields that describe.
const DESCRIBES: [&str; 3] = ["description", "displayName", "computeResources"];
/// Fields of runs that say where a pod is placed, and with what.
const RUN_IGNORED: [&str; 2] = ["computeResources", "podTemplate"];

/// Whether a field is as good as absent.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

fn only(rest: &Rest, ignored: &[&str], object: &str, prefix: &str) -> Result<(), RunError> {
    match rest.iter().find(|(key, value)| !ignored.contains(&key.as_str()) && !is_empty(value)) {
        None => Ok(()),
        Some((key, _)) => Err(RunError::unsupported(object, format!("{prefix}{key}"))),
    }
}

fn hinted(object: &str, field: String, hint: &'static str) -> RunError {
    RunError::Unsupported { object: object.to_owned(), field, hint: Some(hint) }
}

/// Checks a Task's spec.
pub(crate) fn task(spec: &TaskSpec, object: &str) -> Result<(), RunError> {
    if !spec.sidecars.is_empty() {
        return Err(hinted(object, "sidecars".to_owned(), "start what the sidecar does within a step"));
    }
    // One written in place may have labels for its TaskRun beside it.
    only(&spec.rest, &["description", "displayName", "metadata"], object, "")?;
    if spec.steps.is_empty() {
        return Err(RunError::invalid(object, "steps", "at least one step", ""));
    }
    names(spec.params.iter().map(|param| &param.name), object, "params")?;
    names(spec.workspaces.iter().map(|workspace| &workspace.name), object, "workspaces")?;
    names(spec.volumes.iter().map(|volume| &volume.name), object, "volumes")?;
    let results = spec.results.iter().chain(spec.steps.iter().flat_map(|step| &step.results));
    for result in results {
        if !is_name(&result.name) {
            return Err(RunError::invalid(
                object,
                "results[].name",
                "letters, digits, '-', '_' and '.'",
                &result.name,
            ));
        }
    }
    names(spec.results.iter().map(|result| &result.name), object, "results")?;
    for workspace in &spec.workspaces {
        declaration(workspace, object)?;
    }
    for volume in &spec.volumes {
        only(&volume.rest, &[], object, &format!("volumes[{}].", volume.name))?;
    }
    names(spec.steps.iter().map(|step| &step.name).filter(|name| !name.is_empty()), object, "steps")?;
    if let Some(template) = &spec.step_template {
        step(template, object, "stepTemplate")?;
    }
    let template_runs = spec.step_template.as_ref().is_some_and(|template| template.command.is_some());
    for (index, entry) in spec.steps.iter().enumerate() {
        let field = format!("steps[{index}]");
        step(entry, object, &field)?;
        let runs =
            !entry.script.is_empty() || entry.command.as_ref().is_some_and(|command| !command.is_empty());
        if !runs && !template_runs {
            let hint =
                "without a script or a command the image's own entrypoint would run, and no image runs here";
            return Err(hinted(object, format!("{field}.command"), hint));
        }
        if !entry.script.is_empty() && entry.command.is_some() {
            return Err(RunError::invalid(
                object,
                format!("{field}.command"),
                "none beside a script",
                "a command",
            ));
        }
    }
    Ok(())
}

fn step(step: &Step, object: &str, field: &str) -> Result<(), RunError> {
    if step.reference.is_some() {
        return Err(hinted(object, format!("{field}.ref"), "write the StepAction's step in place"));
    }
    only(&step.rest, &STEP_IGNORED, object, &format!("{field}."))?;
    if !matches!(step.on_error.as_str(), "" | "continue" | "stopAndFail") && !step.on_error.contains("$(") {
        return Err(RunError::invalid(
            object,
            format!("{field}.onError"),
            "continue or stopAndFail",
            &step.on_error,
        ));
    }
    literal_duration(step.timeout.as_deref(), object, &format!("{field}.timeout"))?;
    for mount in &step.volume_mounts {
        only(&mount.rest, &[], object, &format!("{field}.volumeMounts[{}].", mount.name))?;
    }
    for variable in &step.env {
        let from = variable.value_from.as_ref().and_then(Value::as_object);
        if let Some(key) = from.and_then(|from| {
            from.keys().find(|key| !matches!(key.as_str(), "secretKeyRef" | "configMapKeyRef"))
        }) {
            return Err(RunError::unsupported(
                object,
                format!("{field}.env[{}].valueFrom.{key}", variable.name),
            ));
        }
    }
    Ok(())
}

/// Checks that variables of a Task name what it declares; `known` holds everything that is in scope.
pub(crate) fn variables(steps: &Value, known: &Table, object: &str, field: &str) -> Result<(), RunError> {
    match steps {
        Value::String(text) => match known.unknown(text, &["params", "workspaces"]) {
            None => Ok(()),
            Some(variable) => Err(RunError::UnknownVariable {
                object: object.to_owned(),
                field: field.to_owned(),
                variable: variable.to_owned(),
            }),
        },
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| variables(item, known, object, &format!("{field}[{index}]"))),
        Value::Object(entries) => entries
            .iter()
            .try_for_each(|(key, item)| variables(item, known, object, &format!("{field}.{key}"))),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// Checks that no text holds a path that only a namespace could provide.
pub(crate) fn literal_paths(
    value: &Value,
    paths: &[String],
    object: &str,
    field: &str,
) -> Result<(), RunError> {
    match value {
        Value::String(text) => match paths.iter().find(|path| names_path(text, path)) {
            None => Ok(()),
            Some(path) => Err(RunError::LiteralPath {
                object: object.to_owned(),
                field: field.to_owned(),
                path: path.clone(),
            }),
        },
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| literal_paths(item, paths, object, &format!("{field}[{index}]"))),
        Value::Object(entries) => entries
            .iter()
            .try_for_each(|(key, item)| literal_paths(item, paths, object, &format!("{field}.{key}"))),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// Whether `text` names `path` itself or something below it, as a whole path.
fn names_path(text: &str, path: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ')' | '}');
    text.match_indices(path).any(|(start, _)| {
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let after = text.get(start + path.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(part_of_name)
            && !after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
    })
}

fn declaration(workspace: &WorkspaceDeclaration, object: &str) -> Result<(), RunError> {
    if !is_name(&workspace.name) {
        return Err(RunError::invalid(
            object,
            "workspaces[].name",
            "letters, digits, '-', '_' and '.'",
            &workspace.name,
        ));
    }
    only(&workspace.rest, &DESCRIBES, object, &format!("workspaces[{}].", workspace.name))
}

/// Checks a Pipeline's spec.
pub(crate) fn pipeline(spec: &PipelineSpec, object: &str) -> Result<(), RunError> {
    only(&spec.rest, &DESCRIBES, object, "")?;
    if spec.tasks.is_empty() {
        return Err(RunError::invalid(object, "tasks", "at least one task", ""));
    }
    names(spec.params.iter().map(|param| &param.name), object, "params")?;
    names(spec.results.iter().map(|result| &result.name), object, "results")?;
    let all = || spec.tasks.iter().chain(&spec.finally);
    names(all().map(|task| &task.name), object, "tasks")?;
    spec.workspaces.iter().try_for_each(|workspace| declaration(workspace, object))?;
    for task in all() {
        pipeline_task(task, object)?;
    }
    for task in &spec.finally {
        if !task.run_after.is_empty() {
            return Err(RunError::invalid(
                object,
                format!("finally task {}: runAfter", task.name),
                "none",
                "tasks",
            ));
        }
    }
    Ok(())
}

fn pipeline_task(task: &PipelineTask, object: &str) -> Result<(), RunError> {
    let object = format!("{object}: task {}", task.name);
    let is_label = !task.name.is_empty()
        && task.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !task.name.starts_with('-')
        && !task.name.ends_with('-');
    if !is_label {
        return Err(RunError::invalid(&object, "name", "lower case letters, digits and '-'", &task.name));
    }
    if task.matrix.as_ref().is_some_and(|matrix| !is_empty(matrix)) {
        return Err(hinted(&object, "matrix".to_owned(), "write one task for each combination"));
    }
    if task.retries != 0 {
        return Err(RunError::unsupported(&object, "retries"));
    }
    only(&task.rest, &DESCRIBES, &object, "")?;
    if task.task_ref.is_some() == task.task_spec.is_some() {
        let found = if task.task_ref.is_some() { "both" } else { "" };
        return Err(RunError::invalid(&object, "taskRef", "either taskRef or taskSpec", found));
    }
    if let Some(spec) = &task.task_spec {
        // In place of a Task it may be a custom one, which says so by its apiVersion and kind.
        if let Some(key) = ["apiVersion", "kind", "spec"]
            .into_iter()
            .find(|key| spec.rest.get(*key).is_some_and(|value| !is_empty(value)))
        {
            return Err(RunError::unsupported(&object, format!("taskSpec.{key}")));
        }
    }
    if !matches!(task.on_error.as_str(), "" | "continue" | "stopAndFail") {
        return Err(RunError::invalid(&object, "onError", "continue or stopAndFail", &task.on_error));
    }
    for when in &task.when {
        if !when.cel.is_empty() {
            return Err(hinted(&object, "when.cel".to_owned(), "write input, operator and values"));
        }
        if !matches!(when.operator.as_str(), "in" | "notin") {
            return Err(RunError::invalid(&object, "when.operator", "in or notin", &when.operator));
        }
    }
    literal_duration(task.timeout.as_deref(), &object, "timeout")
}

/// Checks what a PipelineRun asks.
pub(crate) fn pipeline_run(spec: &PipelineRunSpec, object: &str) -> Result<(), RunError> {
    only(&spec.rest, &RUN_IGNORED, object, "spec.")?;
    only(&spec.task_run_template.rest, &RUN_IGNORED, object, "spec.taskRunTemplate.")?;
    managed(&spec.managed_by, object)?;
    if spec.pipeline_ref.is_some() == spec.pipeline_spec.is_some() {
        let found = if spec.pipeline_ref.is_some() { "both" } else { "" };
        return Err(RunError::invalid(
            object,
            "spec.pipelineRef",
            "either pipelineRef or pipelineSpec",
            found,
        ));
    }
    bindings(&spec.workspaces, object)
}

/// Checks what a TaskRun asks.
pub(crate) fn task_run(spec: &TaskRunSpec, object: &str) -> Result<(), RunError> {
    only(&spec.rest, &RUN_IGNORED, object, "spec.")?;
    managed(&spec.managed_by, object)?;
    if spec.retries != 0 {
        return Err(RunError::unsupported(object, "spec.retries"));
    }
    if spec.task_ref.is_some() == spec.task_spec.is_some() {
        let found = if spec.task_ref.is_some() { "both" } else { "" };
        return Err(RunError::invalid(object, "spec.taskRef", "either taskRef or taskSpec", found));
    }
    bindings(&spec.workspaces, object)
}

fn managed(by: &str, object: &str) -> Result<(), RunError> {
    match by {
        "" | "tekton.dev/pipeline" => Ok(()),
        _ => Err(RunError::unsupported(object, "spec.managedBy")),
    }
}

fn bindings(bindings: &[WorkspaceBinding], object: &str) -> Result<(), RunError> {
    names(bindings.iter().map(|binding| &binding.name), object, "spec.workspaces")?;
    for binding in bindings {
        let field = format!("spec.workspaces[{}]", binding.name);
        if let Some((key, _)) = binding.rest.iter().find(|(_, value)| !is_empty(value)) {
            let hint = "give the workspace a volumeClaimTemplate, an emptyDir, a secret or a configMap";
            return Err(hinted(object, format!("{field}.{key}"), hint));
        }
        let kinds = [
            binding.empty_dir.is_some(),
            binding.volume_claim_template.is_some(),
            binding.secret.is_some(),
            binding.config_map.is_some(),
        ];
        match kinds.into_iter().filter(|&given| given).count() {
            1 => {}
            0 => return Err(RunError::invalid(object, field, "a kind of folder", "")),
            _ => return Err(RunError::invalid(object, field, "one kind of folder", "several")),
        }
        if !crate::beneath::stays(std::path::Path::new(&binding.sub_path)) {
            return Err(RunError::invalid(
                object,
                format!("{field}.subPath"),
                "a path within the folder",
                &binding.sub_path,
            ));
        }
    }
    Ok(())
}

fn names<'n>(names: impl Iterator<Item = &'n String>, object: &str, field: &str) -> Result<(), RunError> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if name.is_empty() {
            return Err(RunError::invalid(object, format!("{field}[].name"), "a name", ""));
        }
        if !seen.insert(name) {
            return Err(RunError::invalid(
                object,
                format!("{field}[].name"),
                "each name once",
                &format!("{name} twice"),
            ));
        }
    }
    Ok(())
}

/// Checks a duration that holds no variable yet to be replaced.
fn literal_duration(text: Option<&str>, object: &str, field: &str) -> Result<(), RunError> {
    checked_duration(text.filter(|text| !text.contains("$(")), object, field).map(drop)
}

/// Checks that a run has a name, or the beginning of one.
pub(crate) fn named(metadata: &Metadata, kind: &str) -> Result<(), RunError> {
    if metadata.name.is_empty() && metadata.generate_name.is_empty() {
        return Err(RunError::invalid(kind, "metadata.name", "a name", ""));
    }
    Ok(())
}

/// Reads an optional duration; `None` and zero mean no end.
pub(crate) fn checked_duration(
    text: Option<&str>,
    object: &str,
    field: &str,
) -> Result<Option<std::time::Duration>, RunError> {
    let Some(text) = text else { return Ok(None) };
    duration::parse(text)
        .map(Some)
        .ok_or_else(|| RunError::invalid(object, field, "a duration such as 1h30m", text))
}

#[cfg(test)]
mod tests;
