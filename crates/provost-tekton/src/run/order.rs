//! What one TaskRun is asked to do, and the TaskRun that comes of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::catalog::Resolved;
use super::data::{DataKind, DataSource};
use super::duration;
use super::error::{Halt, RunError};
use super::folders::{Given, Machine};
use super::substitute::Table;
use super::{Event, Finished, params, record, spec, supported, task};
use crate::object::{
    Condition, Kept, Metadata, Param, Provenance, TEKTON_V1, TaskRun, TaskRunStatus, TaskSpec,
    WorkspaceBinding,
};

/// What one TaskRun is asked to do.
pub(crate) struct Order {
    /// `TaskRun NAME`, for errors.
    pub(crate) object: String,
    /// The name its events bear.
    pub(crate) task: String,
    /// The TaskRun's metadata.
    pub(crate) metadata: Metadata,
    /// The TaskRun's spec, as it will be recorded.
    pub(crate) spec: Value,
    /// The parameters given.
    pub(crate) params: Vec<Param>,
    /// The workspaces given.
    pub(crate) workspaces: Vec<Bound>,
    /// How long it may take; `None` for no end.
    pub(crate) timeout: Option<Duration>,
    /// The Task.
    pub(crate) definition: Resolved<TaskSpec>,
    /// When what it belongs to ends.
    pub(crate) deadline: Option<Instant>,
    /// Whether the pipeline goes on when it fails.
    pub(crate) continues: bool,
}

/// A workspace given to a TaskRun.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    /// The Task's name for it.
    pub(crate) name: String,
    /// What it is.
    pub(crate) given: Given,
    /// Which part of it.
    pub(crate) sub_path: PathBuf,
}

/// What a run's workspaces are filled with; claims become folders of the run.
pub(crate) fn bound(
    machine: &Machine<'_>,
    bindings: &[WorkspaceBinding],
    run: &Metadata,
) -> Result<Vec<(Bound, WorkspaceBinding)>, RunError> {
    let mut out = Vec::with_capacity(bindings.len());
    for binding in bindings {
        let given = if binding.volume_claim_template.is_some() {
            let short: String = run.uid.chars().filter(char::is_ascii_alphanumeric).take(10).collect();
            Given::Shared { folder: machine.fresh("volume")?, claim: format!("pvc-{short}-{}", binding.name) }
        } else if let Some(secret) = &binding.secret {
            Given::Data(DataSource {
                kind: DataKind::Secret,
                name: secret.secret_name.clone(),
                items: secret.items.clone(),
                optional: secret.optional.unwrap_or(false),
            })
        } else if let Some(map) = &binding.config_map {
            Given::Data(DataSource {
                kind: DataKind::ConfigMap,
                name: map.name.clone(),
                items: map.items.clone(),
                optional: map.optional.unwrap_or(false),
            })
        } else {
            Given::Fresh
        };
        let bound = Bound { name: binding.name.clone(), given, sub_path: PathBuf::from(&binding.sub_path) };
        out.push((bound, binding.clone()));
    }
    Ok(out)
}

/// Checks a Task before anything runs: what is not supported, variables that name nothing, paths that will not exist.
pub(crate) fn check(
    machine: &Machine<'_>,
    definition: &Resolved<TaskSpec>,
    given: &[Param],
    object: &str,
) -> Result<(), RunError> {
    let view = &definition.spec;
    supported::task(view, object)?;
    let mut in_scope = Table::default();
    for param in given {
        in_scope.value("params", &param.name, &param.value);
        // Its value may be replaced by one of another type before the task runs.
        in_scope.declared(
            "params",
            &crate::object::ParamSpec {
                name: param.name.clone(),
                declared: Some(crate::object::ParamType::Array),
                ..crate::object::ParamSpec::default()
            },
        );
    }
    spec::check_variables(definition.spec.raw(), view, &in_scope, object)?;
    if !machine.isolated {
        refuse_literals(definition.spec.raw(), view, object)?;
    }
    Ok(())
}

/// Without a namespace, paths reach the steps through variables only.
pub(crate) fn refuse_literals(raw: &Value, view: &TaskSpec, object: &str) -> Result<(), RunError> {
    let mut paths = vec!["/workspace".to_owned(), "/tekton".to_owned()];
    paths.extend(
        view.workspaces.iter().map(|workspace| workspace.mount_path.clone()).filter(|path| !path.is_empty()),
    );
    for (index, step) in view.steps.iter().chain(&view.step_template).enumerate() {
        if let Some(mount) = step.volume_mounts.first() {
            return Err(RunError::LiteralPath {
                object: object.to_owned(),
                field: format!("steps[{index}].volumeMounts[{}].mountPath", mount.name),
                path: mount.mount_path.clone(),
            });
        }
    }
    for key in ["steps", "stepTemplate"] {
        if let Some(part) = raw.get(key) {
            supported::literal_paths(part, &paths, object, key)?;
        }
    }
    Ok(())
}

/// Carries the order out; what Tekton would call a failure is in the TaskRun's condition.
pub(crate) async fn carry_out(machine: &Machine<'_>, order: &Order) -> Result<TaskRun, RunError> {
    let mut run = TaskRun {
        api_version: TEKTON_V1.to_owned(),
        kind: "TaskRun".to_owned(),
        metadata: order.metadata.clone(),
        spec: Kept::new(order.spec.clone()).map_err(|error| {
            RunError::invalid(&order.object, "spec", "a TaskRun's spec", &error.to_string())
        })?,
        status: TaskRunStatus { start_time: Some(machine.now()), ..TaskRunStatus::default() },
    };
    run.status.provenance = order
        .definition
        .source
        .clone()
        .map(|source| Provenance { ref_source: Some(source), ..Provenance::default() });
    machine.tell(Event::TaskStarted { task: &order.task, task_run: &order.metadata.name });
    let condition = match task::run(machine, order, &mut run.status).await {
        Ok(condition) => condition,
        Err(Halt::Fail { reason, message }) => record::condition(machine, false, reason, message),
        Err(Halt::Cannot(error)) => return Err(error),
    };
    run.status.completion_time = Some(machine.now());
    machine.tell(Event::TaskEnded { task: &order.task, condition: &condition });
    run.status.conditions = vec![condition];
    Ok(run)
}

/// Whether a TaskRun's condition says it succeeded.
pub(crate) fn succeeded(condition: Option<&Condition>) -> bool {
    condition.is_some_and(|condition| condition.status == "True")
}

/// Runs a TaskRun that belongs to no PipelineRun.
pub(crate) async fn run_alone(machine: &Machine<'_>, run: &TaskRun) -> Result<Finished, RunError> {
    supported::named(&run.metadata, "TaskRun")?;
    let metadata = record::admitted(machine, &run.metadata);
    let object = format!("TaskRun {}", metadata.name);
    supported::task_run(&run.spec, &object)?;
    let definition = match (&run.spec.task_ref, &run.spec.task_spec) {
        (Some(reference), _) => machine.catalog.task(reference, &object, "spec.taskRef")?,
        (None, Some(spec)) => Resolved::in_place(spec),
        (None, None) => {
            return Err(RunError::invalid(&object, "spec.taskRef", "either taskRef or taskSpec", ""));
        }
    };
    let given = params::overridden(&run.spec.params, &machine.request.params, &definition.spec.params);
    check(machine, &definition, &given, &object)?;
    let mut spec = run.spec.raw().clone();
    record::default_at(&mut spec, &["serviceAccountName"], record::SERVICE_ACCOUNT);
    record::default_at(&mut spec, &["timeout"], record::TIMEOUT);
    if run.spec.task_ref.as_ref().is_some_and(|reference| reference.resolver.is_empty()) {
        record::default_at(&mut spec, &["taskRef", "kind"], "Task");
    }
    set_params(&mut spec, &given);
    let timeout = timeout_of(&spec, &object)?;
    let workspaces =
        bound(machine, &run.spec.workspaces, &metadata)?.into_iter().map(|(bound, _)| bound).collect();
    let mut metadata = metadata;
    metadata.labels.extend(definition.labels.clone());
    if !definition.name.is_empty() {
        metadata.labels.insert("tekton.dev/task".to_owned(), definition.name.clone());
    }
    let order = Order {
        object,
        task: if definition.name.is_empty() { metadata.name.clone() } else { definition.name.clone() },
        metadata,
        spec,
        params: given,
        workspaces,
        timeout,
        definition,
        deadline: None,
        continues: false,
    };
    let finished = carry_out(machine, &order).await?;
    Ok(Finished { pipeline_run: None, task_runs: vec![finished] })
}

/// Writes the parameters into a run's spec.
pub(crate) fn set_params(spec: &mut Value, given: &[Param]) {
    if let (Value::Object(entries), false) = (spec, given.is_empty()) {
        let written = given.iter().map(|param| {
            let mut entry = Map::new();
            entry.insert("name".to_owned(), Value::String(param.name.clone()));
            entry.insert("value".to_owned(), param.value.to_json());
            Value::Object(entry)
        });
        entries.insert("params".to_owned(), written.collect());
    }
}

/// The timeout a run's spec says; zero is no end.
pub(crate) fn timeout_of(spec: &Value, object: &str) -> Result<Option<Duration>, RunError> {
    let text = spec.get("timeout").and_then(Value::as_str);
    Ok(supported::checked_duration(text, object, "spec.timeout")?.filter(|timeout| !timeout.is_zero()))
}

/// The moment after which something is late: its own time, or that of what it belongs to.
pub(crate) fn earlier(own: Option<Duration>, outer: Option<Instant>) -> Option<Instant> {
    let own = own.and_then(|own| Instant::now().checked_add(own));
    match (own, outer) {
        (Some(own), Some(outer)) => Some(own.min(outer)),
        (own, outer) => own.or(outer),
    }
}

/// What Tekton says of a run that was late.
pub(crate) fn late(kind: &str, name: &str, limit: Option<Duration>) -> String {
    format!("{kind} \"{name}\" failed to finish within \"{}\"", duration::write(limit.unwrap_or_default()))
}

/// The folder of a bound workspace, as a text for variables.
pub(crate) fn text_of(path: &Path, object: &str) -> Result<String, RunError> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        RunError::invalid(object, "the run's folder", "a path in UTF-8", &path.display().to_string())
    })
}
