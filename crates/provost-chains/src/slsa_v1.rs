//! The formats `in-toto` and `slsa/v1`, which are one: a v0.1 statement with SLSA provenance v0.2.

use provost_statement::predicate_type::SLSA_V02;
use provost_statement::statement::STATEMENT_V01;
use provost_tekton::object::status::{Condition, Provenance, RunResult, StepState};
use provost_tekton::object::{Metadata, Step, Time};
use provost_tekton::{Param, ParamSpec, TaskRun};
use serde_json::{Map, Value, json};

use crate::artifact::Artifact;
use crate::config::ChainsConfig;
use crate::format_error::FormatError;
use crate::go_time;
use crate::materials::{self, image_uri, ref_source};
use crate::remarshal::{GoType, remarshal};
use crate::run::{PipelineView, Run, task_label};
use crate::statement::Statement;
use crate::subjects;
use crate::task_order;

/// The annotation prefix that is Chains' own.
const OURS: &str = "chains.tekton.dev/";
/// What `kubectl apply` leaves behind.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The label that makes provenance say `reproducible`.
const REPRODUCIBLE: &str = "chains.tekton.dev/reproducible";

/// The statement about a TaskRun.
pub(crate) fn of_task_run(config: &ChainsConfig, run: &TaskRun) -> Result<Statement, FormatError> {
    let status = &run.status;
    let states = status.steps.iter();
    let specs = status.task_spec.as_ref().map(|spec| spec.steps.as_slice()).unwrap_or_default();
    let named = |state: &StepState| specs.iter().find(|step| step.name == state.name);
    let unknown = Step::default();
    let steps: Vec<Value> = states.map(|state| step(named(state).unwrap_or(&unknown), state)).collect();
    let predicate = predicate(
        config,
        build_type(config, "TaskRun"),
        &run.metadata,
        [status.start_time, status.completion_time],
        task_invocation(run),
        json!({ "steps": steps }),
        materials::of_task_run(run)?,
    );
    let subjects = subjects::of_results(&status.results);
    Ok(Statement::new(STATEMENT_V01, SLSA_V02, subjects, &predicate))
}

/// The statement about a PipelineRun.
pub(crate) fn of_pipeline_run(
    config: &ChainsConfig,
    view: &PipelineView<'_>,
) -> Result<Statement, FormatError> {
    let run = view.run;
    let status = &run.status;
    let params = status.pipeline_spec.as_ref().map(|spec| spec.params.as_slice()).unwrap_or_default();
    let invocation = invocation(&run.metadata, status.provenance.as_ref(), &run.spec.params, params);
    let predicate = predicate(
        config,
        build_type(config, "PipelineRun"),
        &run.metadata,
        [status.start_time, status.completion_time],
        invocation,
        build_config(view)?,
        materials::of_pipeline_run(view, config.deep_inspection)?,
    );
    let subjects = subjects::of_pipeline_run(view, config.deep_inspection);
    Ok(Statement::new(STATEMENT_V01, SLSA_V02, subjects, &predicate))
}

/// Chains' build type, or the one that it had before Tekton's v1 and that published policies still match.
fn build_type(config: &ChainsConfig, kind: &str) -> String {
    let version = if config.own.v1beta1_build_type { "v1beta1" } else { "v1" };
    format!("tekton.dev/{version}/{kind}")
}

fn predicate(
    config: &ChainsConfig,
    build_type: String,
    metadata: &Metadata,
    times: [Option<Time>; 2],
    invocation: Value,
    build_config: Value,
    materials: Vec<Artifact>,
) -> Value {
    let mut about = json!({
        "completeness": {"parameters": false, "environment": false, "materials": false},
        "reproducible": metadata.labels.get(REPRODUCIBLE).is_some_and(|text| text == "true"),
    });
    for (key, time) in ["buildStartedOn", "buildFinishedOn"].into_iter().zip(times) {
        if let Some(time) = time {
            put(&mut about, key, Value::from(go_time::in_v02(time.0)));
        }
    }
    let mut predicate = json!({
        "builder": {"id": config.builder_of(&metadata.namespace)},
        "buildType": build_type,
        "invocation": invocation,
        "buildConfig": build_config,
        "metadata": about,
    });
    if !materials.is_empty() {
        let material = |material: Artifact| source(&material.name, &material.digests);
        put(&mut predicate, "materials", materials.into_iter().map(material).collect());
    }
    predicate
}

/// `uri` and `digest`, each only where there is one.
fn source(uri: &str, digests: &std::collections::BTreeMap<String, String>) -> Value {
    let mut out = json!({});
    if !uri.is_empty() {
        put(&mut out, "uri", Value::from(uri));
    }
    if !digests.is_empty() {
        put(&mut out, "digest", json!(digests));
    }
    out
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}

fn task_invocation(run: &TaskRun) -> Value {
    let status = &run.status;
    let specs = status.task_spec.as_ref().map(|spec| spec.params.as_slice()).unwrap_or_default();
    invocation(&run.metadata, status.provenance.as_ref(), &run.spec.params, specs)
}

fn invocation(
    metadata: &Metadata,
    provenance: Option<&Provenance>,
    params: &[Param],
    specs: &[ParamSpec],
) -> Value {
    let mut config_source = json!({});
    if let Some(found) = ref_source(provenance) {
        config_source = source(&found.uri, &found.digest);
        if !found.entry_point.is_empty() {
            put(&mut config_source, "entryPoint", Value::from(found.entry_point.as_str()));
        }
    }
    let defaults = specs.iter().filter_map(|spec| Some((&spec.name, spec.default.as_ref()?)));
    let given = params.iter().map(|param| (&param.name, &param.value));
    let parameters: Map<String, Value> =
        defaults.chain(given).map(|(name, value)| (name.clone(), value.to_json())).collect();
    let mut environment = Map::new();
    let kept = |key: &String| key != LAST_APPLIED && !key.starts_with(OURS);
    let annotations: Map<String, Value> = metadata
        .annotations
        .iter()
        .filter(|(key, _)| kept(key))
        .map(|(key, text)| (key.clone(), Value::from(text.as_str())))
        .collect();
    if !annotations.is_empty() {
        environment.insert("annotations".to_owned(), Value::Object(annotations));
    }
    if !metadata.labels.is_empty() {
        environment.insert("labels".to_owned(), json!(metadata.labels));
    }
    let mut out = json!({"configSource": config_source, "parameters": parameters});
    if !environment.is_empty() {
        put(&mut out, "environment", Value::Object(environment));
    }
    out
}

fn step(spec: &Step, state: &StepState) -> Value {
    let command = spec.command.as_deref().unwrap_or_default().join(" ");
    json!({
        "entryPoint": if spec.script.is_empty() { &command } else { &spec.script },
        "arguments": spec.args,
        "environment": {"container": state.name, "image": image_uri(&state.image_id)},
        "annotations": null,
    })
}

/// `buildConfig` of a PipelineRun; children that are no TaskRuns stand in `notInspected`, which is ours.
fn build_config(view: &PipelineView<'_>) -> Result<Value, FormatError> {
    let spec = view.run.status.pipeline_spec.as_ref();
    let mut tasks = Vec::new();
    let count = spec.map_or(0, |spec| spec.tasks.len());
    let mut last: Option<&String> = None;
    for (number, task) in view.tasks().enumerate() {
        let mut ran = false;
        for run in view.runs_of(&task.name) {
            ran = true;
            let Some(steps) = paired_steps(run) else { continue };
            let mut after = task_order::after(task);
            if after.is_empty() && number >= count {
                after.extend(last.cloned());
            }
            let mut entry = json!({
                "ref": {},
                "invocation": task_invocation(run),
                "finishedOn": run.status.completion_time.map(|time| go_time::in_v02(time.0)),
            });
            let started = run.status.start_time;
            let started = started.ok_or_else(|| FormatError::NotStarted { run: task_label(run) })?;
            put(&mut entry, "startedOn", Value::from(go_time::in_v02(started.0)));
            if let Some(reference) = &task.task_ref {
                let written =
                    remarshal(GoType::TaskRef, reference.raw(), "status.pipelineSpec.tasks.taskRef");
                let field = |field| FormatError::Field { run: Run::Pipeline(view.run, &[]).label(), field };
                put(&mut entry, "ref", written.map_err(field)?);
            }
            let account = view.run.spec.task_run_template.service_account_name.as_str();
            for (key, text) in [
                ("name", task.name.as_str()),
                ("serviceAccountName", account),
                ("status", status_word(&run.status.conditions)),
            ] {
                if !text.is_empty() {
                    put(&mut entry, key, Value::from(text));
                }
            }
            for (key, list) in
                [("after", json!(after)), ("steps", json!(steps)), ("results", results(&run.status.results))]
            {
                if list.as_array().is_some_and(|list| !list.is_empty()) {
                    put(&mut entry, key, list);
                }
            }
            tasks.push(entry);
        }
        if number < count && ran {
            last = Some(&task.name);
        }
    }
    let mut out = json!({"tasks": spec.map(|_| tasks)});
    if !view.not_inspected.is_empty() {
        put(&mut out, "notInspected", not_inspected(view));
    }
    Ok(out)
}

/// The children nobody looked into, by kind, name and task.
pub(crate) fn not_inspected(view: &PipelineView<'_>) -> Value {
    let entry = |child: &&provost_tekton::object::ChildReference| json!({"apiVersion": child.api_version, "kind": child.kind, "name": child.name, "pipelineTaskName": child.pipeline_task_name});
    view.not_inspected.iter().map(entry).collect()
}

/// The steps of a child, spec and state paired by place; `None` where they cannot belong together.
fn paired_steps(run: &TaskRun) -> Option<Vec<Value>> {
    let specs = &run.status.task_spec.as_ref()?.steps;
    let states = &run.status.steps;
    if specs.len() != states.len() {
        return None;
    }
    let pair = |(spec, state): (&Step, &StepState)| {
        let mixed = state.name.starts_with("unnamed-") && !spec.name.is_empty();
        (!mixed).then(|| step(spec, state))
    };
    specs.iter().zip(states).map(pair).collect()
}

fn results(results: &[RunResult]) -> Value {
    let result = |result: &RunResult| {
        let mut out = json!({"name": result.name, "value": result.value.to_json()});
        if let Some(declared) = result.declared {
            put(&mut out, "type", Value::from(declared.name()));
        }
        out
    };
    results.iter().map(result).collect()
}

fn status_word(conditions: &[Condition]) -> &'static str {
    match conditions.first().map(|condition| condition.status.as_str()) {
        Some("True") => "Succeeded",
        Some("False") => "Failed",
        Some("Unknown") => "Running",
        _ => "",
    }
}
