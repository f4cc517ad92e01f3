//! A task of a pipeline, and the TaskRun it becomes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::catalog::Resolved;
use super::error::{Halt, RunError};
use super::folders::{Given, Machine};
use super::order::{self, Bound, Order};
use super::substitute::{SubstituteError, Table};
use super::{params, record, spec};
use crate::beneath::stays;
use crate::object::{Kept, Metadata, Param, PipelineTask, TaskSpec, When, WorkspaceBinding};

/// A task of the pipeline with the Task it runs.
pub(crate) struct Child {
    /// The task, the pipeline's parameters replaced.
    pub(crate) task: PipelineTask,
    /// The Task.
    pub(crate) definition: Resolved<TaskSpec>,
    /// The TaskRun's name.
    pub(crate) name: String,
    /// Whether it is one of the `finally` tasks.
    pub(crate) at_end: bool,
}

/// What every TaskRun of one PipelineRun takes over.
pub(crate) struct Family<'f> {
    /// The PipelineRun's metadata.
    pub(crate) run: &'f Metadata,
    /// The pipeline's name.
    pub(crate) pipeline: &'f str,
    /// The account.
    pub(crate) service_account: &'f str,
    /// The PipelineRun's workspaces.
    pub(crate) workspaces: &'f [(Bound, WorkspaceBinding)],
}

impl Child {
    /// Finds the Task and checks it, before anything runs.
    pub(crate) fn plan(
        machine: &Machine<'_>,
        task: &PipelineTask,
        at_end: bool,
        run: &str,
        pipeline: &str,
    ) -> Result<Self, Halt> {
        let object = format!("{pipeline}: task {}", task.name);
        let definition = match (&task.task_ref, &task.task_spec) {
            (Some(reference), _) => machine.catalog.task(reference, &object, "taskRef")?,
            (None, Some(spec)) => in_place(spec),
            (None, None) => {
                return Err(RunError::invalid(&object, "taskRef", "either taskRef or taskSpec", "").into());
            }
        };
        let object = if definition.in_place { object } else { format!("Task {}", definition.name) };
        order::check(machine, &definition, &task.params, &object)?;
        let lacking = params::lacking(&definition.spec.params, &task.params);
        if !lacking.is_empty() {
            return Err(Halt::fail(
                "PipelineValidationFailed",
                format!(
                    "Validation failed for pipelinerun {run} with error invalid input params for task {}: missing values for \
                     these params which have no default values: [{}]",
                    definition.name,
                    lacking.join(" ")
                ),
            ));
        }
        Ok(Self { task: task.clone(), definition, name: record::child_name(run, &task.name), at_end })
    }

    /// The TaskRun to run now: `table` holds the results it may take.
    pub(crate) fn order(
        &self,
        machine: &Machine<'_>,
        family: &Family<'_>,
        table: &Table,
        deadline: Option<Instant>,
    ) -> Result<Order, Halt> {
        let object = format!("TaskRun {}", self.name);
        let stop = |error: SubstituteError| match error {
            SubstituteError::Index { .. } => Halt::fail("InvalidTaskResultReference", error.to_string()),
            SubstituteError::TooLarge => RunError::substitute(&object)(error).into(),
        };
        let mut given = Vec::with_capacity(self.task.params.len());
        for param in &self.task.params {
            given
                .push(Param { name: param.name.clone(), value: table.in_param(&param.value).map_err(stop)? });
        }
        let mut definition = self.definition.clone();
        if definition.in_place {
            definition.spec =
                spec::view(table.in_tree(definition.spec.raw(), false).map_err(stop)?, &object)?;
        }
        let (workspaces, written) = self.workspaces(family, table, &object)?;
        let spec = self.spec(family, &given, &definition, written);
        let timeout = order::timeout_of(&spec, &object)?;
        Ok(Order {
            task: self.task.name.clone(),
            metadata: self.metadata(machine, family, &definition),
            spec,
            params: given,
            workspaces,
            timeout,
            definition,
            deadline,
            continues: self.task.on_error == "continue",
            object,
        })
    }

    fn workspaces(
        &self,
        family: &Family<'_>,
        table: &Table,
        object: &str,
    ) -> Result<(Vec<Bound>, Vec<Value>), Halt> {
        let (mut bounds, mut written) = (Vec::new(), Vec::new());
        for workspace in &self.task.workspaces {
            let outer = if workspace.workspace.is_empty() { &workspace.name } else { &workspace.workspace };
            // One that the pipeline declares optional and the run leaves out is left out here too.
            let Some((bound, binding)) = family.workspaces.iter().find(|(bound, _)| &bound.name == outer)
            else {
                continue;
            };
            let below = table.in_text(&workspace.sub_path).map_err(RunError::substitute(object))?;
            let sub_path = bound.sub_path.join(&below);
            if !stays(&PathBuf::from(&below)) {
                let field = format!("workspaces[{}].subPath", workspace.name);
                return Err(RunError::invalid(object, field, "a path within the workspace", &below).into());
            }
            written.push(written_binding(&workspace.name, bound, binding, &sub_path.to_string_lossy()));
            bounds.push(Bound { name: workspace.name.clone(), given: bound.given.clone(), sub_path });
        }
        Ok((bounds, written))
    }

    fn spec(
        &self,
        family: &Family<'_>,
        given: &[Param],
        definition: &Resolved<TaskSpec>,
        workspaces: Vec<Value>,
    ) -> Value {
        let mut spec = Map::new();
        spec.insert("serviceAccountName".to_owned(), json!(family.service_account));
        spec.insert("timeout".to_owned(), json!(self.task.timeout.as_deref().unwrap_or(record::TIMEOUT)));
        match &self.task.task_ref {
            Some(reference) => {
                spec.insert("taskRef".to_owned(), reference.raw().clone());
            }
            None => {
                spec.insert("taskSpec".to_owned(), definition.spec.raw().clone());
            }
        }
        if !workspaces.is_empty() {
            spec.insert("workspaces".to_owned(), Value::Array(workspaces));
        }
        let mut spec = Value::Object(spec);
        if self.task.task_ref.as_ref().is_some_and(|reference| reference.resolver.is_empty()) {
            record::default_at(&mut spec, &["taskRef", "kind"], "Task");
        }
        order::set_params(&mut spec, given);
        spec
    }

    fn metadata(
        &self,
        machine: &Machine<'_>,
        family: &Family<'_>,
        definition: &Resolved<TaskSpec>,
    ) -> Metadata {
        let run = family.run;
        let mut labels: BTreeMap<String, String> = definition.labels.clone();
        labels.extend(run.labels.clone());
        let member = if self.at_end { "finally" } else { "tasks" };
        let ours = [
            ("tekton.dev/pipeline", family.pipeline),
            ("tekton.dev/pipelineRun", run.name.as_str()),
            ("tekton.dev/pipelineRunUID", run.uid.as_str()),
            ("tekton.dev/pipelineTask", self.task.name.as_str()),
            ("tekton.dev/memberOf", member),
            ("tekton.dev/task", definition.name.as_str()),
        ];
        labels.extend(
            ours.into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        record::managed(&mut labels);
        Metadata {
            name: self.name.clone(),
            namespace: run.namespace.clone(),
            uid: machine.uid(),
            labels,
            annotations: record::inherited(&run.annotations),
            owner_references: vec![record::owned_by(run)],
            creation_timestamp: Some(machine.now()),
            ..Metadata::default()
        }
    }

    /// The conditions as they are decided: results and statuses replaced.
    pub(crate) fn when(&self, table: &Table) -> Result<bool, SubstituteError> {
        for when in &self.task.when {
            let input = table.in_text(&when.input)?;
            let values = table.in_list(&when.values)?;
            if values.contains(&input) != (when.operator == "in") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The conditions, as the run's references carry them.
    pub(crate) fn written_when(&self) -> Map<String, Value> {
        let when: &[When] = &self.task.when;
        let mut out = Map::new();
        if let (false, Ok(value)) = (when.is_empty(), serde_json::to_value(when)) {
            out.insert("whenExpressions".to_owned(), value);
        }
        out
    }
}

/// A Task written in place; metadata beside it describes the TaskRun, not the Task.
fn in_place(spec: &Kept<TaskSpec>) -> Resolved<TaskSpec> {
    let mut resolved = Resolved::in_place(spec);
    if let Some(labels) =
        spec.rest.get("metadata").and_then(|metadata| metadata.get("labels")).and_then(Value::as_object)
    {
        let texts = labels.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        resolved.labels = texts.collect();
    }
    resolved
}

/// The workspace as a TaskRun names it: the claim in place of its template.
fn written_binding(name: &str, bound: &Bound, binding: &WorkspaceBinding, sub_path: &str) -> Value {
    let mut out = Map::new();
    out.insert("name".to_owned(), json!(name));
    if !sub_path.is_empty() {
        out.insert("subPath".to_owned(), json!(sub_path));
    }
    if let Given::Shared { claim, .. } = &bound.given {
        out.insert("persistentVolumeClaim".to_owned(), json!({"claimName": claim}));
    } else if let Some(secret) = &binding.secret {
        out.insert("secret".to_owned(), json!(secret));
    } else if let Some(map) = &binding.config_map {
        out.insert("configMap".to_owned(), json!(map));
    } else {
        out.insert("emptyDir".to_owned(), binding.empty_dir.clone().unwrap_or_else(|| json!({})));
    }
    Value::Object(out)
}

/// Checks that the workspaces a task names are the pipeline's, and that the Task gets those it needs.
pub(crate) fn check_workspaces(
    child: &Child,
    declared: &[&str],
    optional: &[&str],
    object: &str,
) -> Result<(), RunError> {
    for workspace in &child.task.workspaces {
        let outer = if workspace.workspace.is_empty() { &workspace.name } else { &workspace.workspace };
        if !declared.contains(&outer.as_str()) {
            let field = format!("task {}: workspaces[{}]", child.task.name, workspace.name);
            return Err(RunError::invalid(object, field, "a workspace of the pipeline", outer));
        }
    }
    for needed in child.definition.spec.workspaces.iter().filter(|workspace| !workspace.optional) {
        let given = child.task.workspaces.iter().find(|workspace| workspace.name == needed.name);
        let Some(given) = given else {
            let field = format!("task {}: workspaces", child.task.name);
            return Err(RunError::invalid(
                object,
                field,
                format!("the workspace {}, which the Task needs", needed.name),
                "",
            ));
        };
        let outer = if given.workspace.is_empty() { &given.name } else { &given.workspace };
        if optional.contains(&outer.as_str()) {
            let field = format!("task {}: workspaces[{}]", child.task.name, given.name);
            return Err(RunError::invalid(
                object,
                field,
                "a workspace that is given, as the Task needs it",
                "an optional one left out",
            ));
        }
    }
    Ok(())
}
