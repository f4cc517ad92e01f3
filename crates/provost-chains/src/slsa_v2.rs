//! The formats `slsa/v2alpha3` and `slsa/v2alpha4`: a v1 statement with SLSA provenance v1.

use provost_statement::predicate_type::SLSA_V1;
use provost_statement::statement::STATEMENT_V1;
use provost_tekton::TaskRun;
use provost_tekton::object::status::Provenance;
use provost_tekton::object::{Metadata, Time};
use serde_json::{Map, Value, json};

use crate::byproducts;
use crate::config::{BuildType, ChainsConfig};
use crate::dependencies::{self, Steps};
use crate::descriptor::Descriptor;
use crate::format_error::FormatError;
use crate::go_time;
use crate::remarshal::{FieldError, GoType, remarshal};
use crate::run::{self, PipelineView, Run};
use crate::slsa_v1::not_inspected;
use crate::statement::Statement;
use crate::subjects;

/// The statement about a TaskRun.
pub(crate) fn of_task_run(
    config: &ChainsConfig,
    task_run: &TaskRun,
    steps: Steps,
) -> Result<Statement, FormatError> {
    let run = Run::Task(task_run);
    let status = &task_run.status;
    let (subjects, byproducts) = match steps {
        Steps::Passed => {
            (subjects::of_results(&status.results), byproducts::all("taskRunResults", &status.results))
        }
        Steps::Looked => (subjects::of_task_run_v2alpha4(task_run), byproducts::of_task_run(task_run)),
    };
    let resolver = task_run.spec.task_ref.as_ref().map(|reference| reference.resolver.as_str());
    let definition = Definition {
        run,
        spec: spec(&run, GoType::TaskRunSpec, task_run.spec.raw())?,
        remote: run::remote(status.provenance.as_ref(), resolver),
        provenance: status.provenance.as_ref(),
        dependencies: dependencies::of_task_run(task_run, steps)?,
        not_inspected: None,
    };
    let times = [status.start_time, status.completion_time];
    let predicate = predicate(config, definition, times, &byproducts)?;
    Ok(Statement::new(STATEMENT_V1, SLSA_V1, subjects, &predicate))
}

/// The statement about a PipelineRun.
pub(crate) fn of_pipeline_run(
    config: &ChainsConfig,
    view: &PipelineView<'_>,
    steps: Steps,
) -> Result<Statement, FormatError> {
    let deep = config.deep_inspection;
    let status = &view.run.status;
    let (subjects, byproducts) = match steps {
        Steps::Passed => {
            (subjects::of_pipeline_run(view, deep), byproducts::all("pipelineRunResults", &status.results))
        }
        Steps::Looked => {
            (subjects::of_pipeline_run_v2alpha4(view, deep), byproducts::of_pipeline_run(view, deep))
        }
    };
    let resolver = view.run.spec.pipeline_ref.as_ref().map(|reference| reference.resolver.as_str());
    let run = Run::Pipeline(view.run, &[]);
    let definition = Definition {
        run,
        spec: spec(&run, GoType::PipelineRunSpec, view.run.spec.raw())?,
        remote: run::remote(status.provenance.as_ref(), resolver),
        provenance: status.provenance.as_ref(),
        dependencies: dependencies::of_pipeline_run(view, steps, deep, config.build_type)?,
        not_inspected: (!view.not_inspected.is_empty()).then(|| not_inspected(view)),
    };
    let times = [status.start_time, status.completion_time];
    let predicate = predicate(config, definition, times, &byproducts)?;
    Ok(Statement::new(STATEMENT_V1, SLSA_V1, subjects, &predicate))
}

fn spec(run: &Run<'_>, kind: GoType, spec: &Value) -> Result<Value, FormatError> {
    remarshal(kind, spec, "spec").map_err(|field| FormatError::Field { run: run.label(), field })
}

struct Definition<'a> {
    run: Run<'a>,
    spec: Value,
    remote: Option<&'a Provenance>,
    provenance: Option<&'a Provenance>,
    dependencies: Vec<Descriptor>,
    not_inspected: Option<Value>,
}

fn predicate(
    config: &ChainsConfig,
    definition: Definition<'_>,
    times: [Option<Time>; 2],
    byproducts: &[Descriptor],
) -> Result<Value, FormatError> {
    let about = definition.run.metadata();
    let mut builder = Map::new();
    put_text(&mut builder, "id", &config.builder_of(&about.namespace));
    let mut metadata = Map::new();
    put_text(&mut metadata, "invocationId", &about.uid);
    for (key, time) in ["startedOn", "finishedOn"].into_iter().zip(times) {
        put_text(&mut metadata, key, &time.map(|time| go_time::in_v1(time.0)).unwrap_or_default());
    }
    let mut details = json!({"builder": builder, "metadata": metadata});
    put_list(&mut details, "byproducts", byproducts);
    Ok(json!({"buildDefinition": build_definition(config, &definition)?, "runDetails": details}))
}

fn build_definition(config: &ChainsConfig, definition: &Definition<'_>) -> Result<Value, FormatError> {
    let label = definition.run.label();
    let field = |field| FormatError::Field { run: label.clone(), field };
    let mut external = json!({"runSpec": definition.spec});
    let source = definition.remote.and_then(|provenance| provenance.ref_source.as_ref());
    if let (Some(source), Some(external)) = (source, external.as_object_mut()) {
        // Chains takes any one digest; the first by name, so that the same run gives the same statement.
        let reference = source.digest.first_key_value().map(|(k, hex)| format!("{k}:{hex}"));
        let source = json!({
            "ref": reference.unwrap_or_default(),
            "repository": source.uri,
            "path": source.entry_point,
        });
        external.insert("buildConfigSource".to_owned(), source);
    }
    let internal = internal_parameters(config, definition).map_err(field)?;
    let mut out = json!({
        "buildType": config.build_type.uri(),
        "externalParameters": external,
        "internalParameters": internal,
    });
    put_list(&mut out, "resolvedDependencies", &definition.dependencies);
    Ok(out)
}

/// Feature flags; with the Tekton build type also labels and annotations, unfiltered. Children that are no
/// TaskRuns stand in `notInspected`, which is ours.
fn internal_parameters(
    config: &ChainsConfig,
    definition: &Definition<'_>,
) -> Result<Map<String, Value>, FieldError> {
    let mut out = Map::new();
    if let Some(flags) = definition.provenance.and_then(|provenance| provenance.feature_flags.as_ref()) {
        let flags = remarshal(GoType::FeatureFlags, flags, "status.provenance.featureFlags")?;
        out.insert("tekton-pipelines-feature-flags".to_owned(), flags);
    }
    if config.build_type == BuildType::SlsaTekton {
        let Metadata { labels, annotations, .. } = definition.run.metadata();
        for (key, map) in [("labels", labels), ("annotations", annotations)] {
            out.insert(key.to_owned(), if map.is_empty() { Value::Null } else { json!(map) });
        }
    }
    if let Some(list) = &definition.not_inspected {
        out.insert("notInspected".to_owned(), list.clone());
    }
    Ok(out)
}

fn put_text(map: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        map.insert(key.to_owned(), Value::from(text));
    }
}

fn put_list(object: &mut Value, key: &str, list: &[Descriptor]) {
    if let (false, Some(map)) = (list.is_empty(), object.as_object_mut()) {
        map.insert(key.to_owned(), list.iter().map(Descriptor::to_json).collect());
    }
}
