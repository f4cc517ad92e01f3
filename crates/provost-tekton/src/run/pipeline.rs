//! A PipelineRun from its parameters to its results; [`flow`] decides when each task runs.

mod flow;

use std::time::Duration;

use serde_json::Value;

use super::catalog::Resolved;
use super::child::{Child, Family, check_workspaces};
use super::error::{Halt, RunError};
use super::folders::Machine;
use super::order::{bound, earlier, late, set_params};
use super::params::{Taker, effective, overridden};
use super::substitute::{Table, result_reference, texts_of, variables};
use super::{Finished, graph, record, spec, supported};
use crate::object::{
    ChildReference, Kept, ParamValue, PipelineRun, PipelineRunStatus, PipelineSpec, Provenance, RunResult,
    SkippedTask, TEKTON_V1, TaskRun,
};
use flow::{Flow, State};

/// Runs a PipelineRun to its end.
pub(crate) async fn run(machine: &Machine<'_>, asked: &PipelineRun) -> Result<Finished, RunError> {
    supported::named(&asked.metadata, "PipelineRun")?;
    let mut metadata = record::admitted(machine, &asked.metadata);
    let object = format!("PipelineRun {}", metadata.name);
    supported::pipeline_run(&asked.spec, &object)?;
    let definition = match (&asked.spec.pipeline_ref, &asked.spec.pipeline_spec) {
        (Some(reference), _) => machine.catalog.pipeline(reference, &object)?,
        (None, Some(spec)) => Resolved::in_place(spec),
        (None, None) => {
            return Err(RunError::invalid(
                &object,
                "spec.pipelineRef",
                "either pipelineRef or pipelineSpec",
                "",
            ));
        }
    };
    let pipeline = if definition.in_place { metadata.name.clone() } else { definition.name.clone() };
    let pipeline_object = if definition.in_place { object.clone() } else { format!("Pipeline {pipeline}") };
    supported::pipeline(&definition.spec, &pipeline_object)?;
    for (key, value) in &definition.labels {
        metadata.labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    metadata.labels.insert("tekton.dev/pipeline".to_owned(), pipeline.clone());

    let given = overridden(&asked.spec.params, &machine.request.params, &definition.spec.params);
    let mut raw = asked.spec.raw().clone();
    record::default_at(&mut raw, &["taskRunTemplate", "serviceAccountName"], record::SERVICE_ACCOUNT);
    record::default_at(&mut raw, &["timeouts", "pipeline"], record::TIMEOUT);
    set_params(&mut raw, &given);
    let mut run = PipelineRun {
        api_version: TEKTON_V1.to_owned(),
        kind: "PipelineRun".to_owned(),
        metadata,
        spec: Kept::new(raw).map_err(|error| {
            RunError::invalid(&object, "spec", "a PipelineRun's spec", &error.to_string())
        })?,
        status: PipelineRunStatus { start_time: Some(machine.now()), ..PipelineRunStatus::default() },
    };
    run.status.provenance = definition
        .source
        .clone()
        .map(|source| Provenance { ref_source: Some(source), ..Provenance::default() });
    let names = Names { object, pipeline, pipeline_object };
    let task_runs = match attempt(machine, &names, &definition, &mut run).await {
        Ok(task_runs) => task_runs,
        Err(Halt::Fail { reason, message }) => {
            run.status.conditions = vec![record::condition(machine, false, reason, message)];
            Vec::new()
        }
        Err(Halt::Cannot(error)) => return Err(error),
    };
    run.status.completion_time = Some(machine.now());
    Ok(Finished { pipeline_run: Some(run), task_runs })
}

/// How the run and its pipeline are called.
struct Names {
    object: String,
    pipeline: String,
    pipeline_object: String,
}

/// How long the parts may take.
struct Limits {
    whole: Option<Duration>,
    tasks: Option<Duration>,
    finally: Option<Duration>,
}

fn limits(run: &PipelineRun, object: &str) -> Result<Limits, RunError> {
    let timeouts = &run.spec.timeouts;
    let read = |text: &Option<String>, field: &str| {
        let found = supported::checked_duration(text.as_deref(), object, &format!("spec.timeouts.{field}"))?;
        Ok::<_, RunError>(found.filter(|limit| !limit.is_zero()))
    };
    let whole = read(&timeouts.pipeline, "pipeline")?;
    let finally = read(&timeouts.finally, "finally")?;
    let tasks = match (read(&timeouts.tasks, "tasks")?, whole, finally) {
        (Some(tasks), _, _) => Some(tasks),
        (None, Some(whole), Some(finally)) => Some(whole.saturating_sub(finally)),
        (None, _, _) => None,
    };
    Ok(Limits { whole, tasks, finally })
}

/// The part that Tekton may write a failure on.
async fn attempt(
    machine: &Machine<'_>,
    names: &Names,
    definition: &Resolved<PipelineSpec>,
    run: &mut PipelineRun,
) -> Result<Vec<TaskRun>, Halt> {
    let metadata = run.metadata.clone();
    let limits = limits(run, &names.object)?;
    let taker =
        Taker::Pipeline { name: &names.pipeline, namespace: &metadata.namespace, run: &metadata.name };
    let values = effective(&definition.spec.params, &run.spec.params, taker)?;
    let contexts = [
        ("context.pipelineRun.name", metadata.name.as_str()),
        ("context.pipelineRun.namespace", metadata.namespace.as_str()),
        ("context.pipelineRun.uid", metadata.uid.as_str()),
        ("context.pipeline.name", names.pipeline.as_str()),
        ("context.pipelineTask.retries", "0"),
    ];
    let [params, contexts] = spec::values(&values, &contexts);
    let mut workspaces = Table::default();
    for declared in &definition.spec.workspaces {
        let bound = run.spec.workspaces.iter().any(|binding| binding.name == declared.name);
        if !bound && !declared.optional {
            return Err(Halt::fail(
                "InvalidWorkspaceBindings",
                format!(
                    "PipelineRun {}/{} doesn't bind Pipeline {}'s Workspaces correctly: pipeline requires workspace with name \
                     \"{}\" be provided by pipelinerun",
                    metadata.namespace, metadata.name, names.pipeline, declared.name
                ),
            ));
        }
        workspaces.named("workspaces", &declared.name, ".bound", if bound { "true" } else { "false" });
    }
    check_variables(definition.spec.raw(), &params, &names.pipeline_object)?;
    let replaced = replaced(definition.spec.raw(), &[params, contexts, workspaces], &names.pipeline_object)?;
    let spec: Kept<PipelineSpec> = Kept::new(replaced).map_err(|error| {
        RunError::invalid(
            &names.pipeline_object,
            "the spec with its variables replaced",
            "a Pipeline's spec",
            &error.to_string(),
        )
    })?;
    run.status.pipeline_spec = Some(spec.clone());

    let needs = graph::needs(&spec.tasks, &names.pipeline_object)?;
    let mut children = Vec::new();
    for (task, at_end) in
        spec.tasks.iter().map(|task| (task, false)).chain(spec.finally.iter().map(|task| (task, true)))
    {
        let child = Child::plan(machine, task, at_end, &metadata.name, &names.pipeline_object)?;
        check_ties(&child, &spec, run, &names.pipeline_object)?;
        children.push(child);
    }
    let workspaces = bound(machine, &run.spec.workspaces, &metadata)?;
    let account = run.spec.task_run_template.service_account_name.clone();
    let family = Family {
        run: &metadata,
        pipeline: &names.pipeline,
        service_account: &account,
        workspaces: &workspaces,
    };
    let whole = earlier(limits.whole, None);
    let mut flow = Flow::new(machine, &family, children, needs);
    flow.run_tasks(earlier(limits.tasks, whole), whole).await?;
    if flow.failure.is_none() && !flow.over(whole) {
        flow.run_finally(earlier(limits.finally, whole)).await?;
    }
    let late_whole = flow.over(whole) && flow.was_late;
    let message = late_whole.then(|| late("PipelineRun", &metadata.name, limits.whole));
    Ok(conclude(machine, &spec, flow, message, run))
}

/// Checks what ties a task to its pipeline: workspaces, and results a `finally` task takes.
fn check_ties(child: &Child, spec: &PipelineSpec, run: &PipelineRun, object: &str) -> Result<(), RunError> {
    let declared: Vec<&str> = spec.workspaces.iter().map(|workspace| workspace.name.as_str()).collect();
    let given = |name: &str| run.spec.workspaces.iter().any(|binding| binding.name == name);
    let left_out: Vec<&str> = declared.iter().copied().filter(|name| !given(name)).collect();
    check_workspaces(child, &declared, &left_out, object)?;
    if child.at_end {
        for (task, _) in graph::results_of(&child.task) {
            if spec.tasks.iter().all(|other| other.name != task) {
                let field = format!("finally task {}: the tasks whose results it takes", child.task.name);
                return Err(RunError::invalid(object, field, "a task of the pipeline", &task));
            }
        }
    }
    Ok(())
}

fn each_task<'v>(
    raw: &'v Value,
    visit: &mut dyn FnMut(&'v Value) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let lists = ["tasks", "finally"].into_iter().filter_map(|key| raw.get(key)?.as_array());
    lists.flatten().try_for_each(visit)
}

/// Checks that parameters named outside of specs in place are the pipeline's.
fn check_variables(raw: &Value, params: &Table, object: &str) -> Result<(), RunError> {
    each_task(raw, &mut |task| {
        let name = task.get("name").and_then(Value::as_str).unwrap_or_default();
        for key in ["params", "when", "workspaces"] {
            let Some(part) = task.get(key) else { continue };
            let mut unknown = None;
            texts_of(part, &mut |text| {
                unknown = unknown.take().or_else(|| params.unknown(text, &["params"]))
            });
            if let Some(variable) = unknown {
                let field = format!("task {name}: {key}");
                let (object, variable) = (object.to_owned(), variable.to_owned());
                return Err(RunError::UnknownVariable { object, field, variable });
            }
        }
        Ok(())
    })
}

/// Replaces the pipeline's parameters and contexts in its tasks and results; what a spec in place declares itself is nearer.
fn replaced(raw: &Value, tables: &[Table], object: &str) -> Result<Value, RunError> {
    let mut out = raw.clone();
    for table in tables {
        for key in ["tasks", "finally", "results"] {
            let Some(items) = out.get_mut(key).and_then(Value::as_array_mut) else { continue };
            for item in items {
                let Value::Object(fields) = item else { continue };
                let near: Vec<String> = ["taskSpec"]
                    .into_iter()
                    .filter_map(|key| fields.get(key)?.get("params")?.as_array())
                    .chain(fields.get("params").and_then(Value::as_array))
                    .flatten()
                    .filter_map(|param| Some(param.get("name")?.as_str()?.to_owned()))
                    .collect();
                let inner = table.without("params", near.iter().map(String::as_str));
                for (key, value) in fields.iter_mut() {
                    let replaced = match (key.as_str(), &*value) {
                        ("name", _) => continue,
                        ("taskSpec", spec) => inner.in_tree(spec, false),
                        // A pipeline's result stands in the field itself.
                        ("value", Value::String(text)) => {
                            table.in_param(&ParamValue::String(text.clone())).map(|value| value.to_json())
                        }
                        (_, other) => table.in_tree(other, true),
                    };
                    *value = replaced.map_err(RunError::substitute(object))?;
                }
            }
        }
    }
    Ok(out)
}

/// Writes the end of the run: children, skipped tasks, results, condition.
fn conclude(
    machine: &Machine<'_>,
    spec: &PipelineSpec,
    flow: Flow<'_, '_>,
    late: Option<String>,
    run: &mut PipelineRun,
) -> Vec<TaskRun> {
    let table = flow.table(true);
    let mut task_runs = Vec::new();
    let (mut failed, mut ignored, mut cancelled, mut skipped) = (0, 0, 0, 0);
    let failure = flow.failure;
    for (child, state) in flow.children.iter().zip(flow.states) {
        match state {
            State::Done(done) => {
                match crate::object::condition_of(&done.status.conditions) {
                    Some(condition) if condition.status == "True" => {}
                    Some(condition) if condition.reason == "TaskRunCancelled" => cancelled += 1,
                    Some(condition) if condition.reason == "FailureIgnored" => {
                        (failed, ignored) = (failed + 1, ignored + 1)
                    }
                    _ => failed += 1,
                }
                run.status.child_references.push(ChildReference {
                    api_version: TEKTON_V1.to_owned(),
                    kind: "TaskRun".to_owned(),
                    name: done.metadata.name.clone(),
                    pipeline_task_name: child.task.name.clone(),
                    rest: child.written_when(),
                });
                task_runs.push(*done);
            }
            State::Skipped(reason) => {
                skipped += 1;
                run.status.skipped_tasks.push(SkippedTask {
                    name: child.task.name.clone(),
                    reason: reason.to_owned(),
                    rest: child.written_when(),
                });
            }
            State::Waiting | State::Running => {}
        }
    }
    run.status.results = results(spec, &table);
    let failures = if ignored > 0 { format!("{failed} (Ignored: {ignored})") } else { failed.to_string() };
    let summary = format!(
        "Tasks Completed: {} (Failed: {failures}, Cancelled {cancelled}), Skipped: {skipped}",
        task_runs.len()
    );
    let condition = match (failure, late) {
        (Some((reason, message)), _) => record::condition(machine, false, reason, message),
        (None, Some(message)) => record::condition(machine, false, "PipelineRunTimeout", message),
        (None, None) if failed > ignored => record::condition(machine, false, "Failed", summary),
        (None, None) if cancelled > 0 => record::condition(machine, false, "Cancelled", summary),
        (None, None) if skipped > 0 => record::condition(machine, true, "Completed", summary),
        (None, None) => record::condition(machine, true, "Succeeded", summary),
    };
    run.status.conditions = vec![condition];
    task_runs
}

/// The pipeline's results; one whose source is missing is left out, as Tekton leaves it out.
fn results(spec: &PipelineSpec, table: &Table) -> Vec<RunResult> {
    let mut out = Vec::new();
    for result in &spec.results {
        let json = result.value.to_json();
        let mut complete = true;
        texts_of(&json, &mut |text| {
            complete &= variables(text).all(|inner| {
                let source = inner.strip_prefix("finally.").map(|rest| format!("tasks.{rest}"));
                result_reference(source.as_deref().unwrap_or(inner)).is_none() || table.has(inner)
            });
        });
        if !complete {
            continue;
        }
        if let Ok(value) = table.in_param(&result.value) {
            out.push(RunResult { name: result.name.clone(), declared: Some(value.kind()), value });
        }
    }
    out
}
