//! `resolvedDependencies` of the v1 formats.

use std::collections::HashSet;

use provost_statement::go_json;
use provost_tekton::TaskRun;
use provost_tekton::object::status::RefSource;

use crate::artifact::Artifact;
use crate::config::BuildType;
use crate::descriptor::Descriptor;
use crate::format_error::FormatError;
use crate::materials::{self, ref_source};
use crate::remarshal::{GoType, remarshal};
use crate::run::{PipelineView, task_label};

const INPUT: &str = "inputs/result";
const STEP_ACTION: &str = "stepAction/";

/// Whether a format looks into steps: v2alpha4 does, v2alpha3 does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steps {
    Looked,
    Passed,
}

/// The dependencies of a TaskRun.
pub(crate) fn of_task_run(run: &TaskRun, steps: Steps) -> Result<Vec<Descriptor>, FormatError> {
    let mut list = images(run)?;
    if steps == Steps::Looked {
        list.extend(named(materials::of_step_values(run), INPUT));
        list.extend(step_actions(run));
    }
    list.extend(named(materials::of_task_values(run), INPUT));
    let task = ref_source(run.status.provenance.as_ref()).map(|source| of_source("task", source));
    // The task stands outside the search for duplicates, so an equal nameless entry stays too.
    Ok(task.into_iter().chain(without_duplicates(list)).collect())
}

/// The dependencies of a PipelineRun.
pub(crate) fn of_pipeline_run(
    view: &PipelineView<'_>,
    steps: Steps,
    deep: bool,
    build_type: BuildType,
) -> Result<Vec<Descriptor>, FormatError> {
    let source = ref_source(view.run.status.provenance.as_ref());
    let mut list: Vec<Descriptor> = source.map(|source| of_source("pipeline", source)).into_iter().collect();
    for run in view.runs() {
        list.extend(pipeline_task(run, build_type)?);
        if steps == Steps::Looked {
            list.extend(step_actions(run));
        }
        list.extend(images(run)?);
    }
    if deep && steps == Steps::Looked {
        view.runs().for_each(|run| list.extend(named(materials::of_step_values(run), INPUT)));
    }
    list.extend(named(materials::of_pipeline_values(view, deep), INPUT));
    Ok(without_duplicates(list))
}

fn images(run: &TaskRun) -> Result<Vec<Descriptor>, FormatError> {
    Ok(materials::of_images(run)?.into_iter().flat_map(|images| named(images, "")).collect())
}

fn named(materials: Vec<Artifact>, name: &str) -> impl Iterator<Item = Descriptor> {
    materials.into_iter().map(move |material| Descriptor::of_material(material, name))
}

fn of_source(name: &str, source: &RefSource) -> Descriptor {
    Descriptor {
        name: name.to_owned(),
        uri: source.uri.clone(),
        digests: source.digest.clone(),
        ..Descriptor::default()
    }
}

/// The steps that came from remote StepActions.
fn step_actions(run: &TaskRun) -> impl Iterator<Item = Descriptor> {
    run.status.steps.iter().filter_map(|step| {
        let source = ref_source(step.provenance.as_ref())?;
        Some(of_source(&format!("{STEP_ACTION}{}", step.name), source))
    })
}

/// A task of the Pipeline: where it came from, and with the Tekton build type the whole TaskRun.
fn pipeline_task(run: &TaskRun, build_type: BuildType) -> Result<Option<Descriptor>, FormatError> {
    let source = ref_source(run.status.provenance.as_ref());
    let descriptor = source.map(|source| of_source("pipelineTask", source));
    if build_type == BuildType::Slsa {
        return Ok(descriptor);
    }
    let field = |field| FormatError::Field { run: task_label(run), field };
    let whole = serde_json::to_value(run).unwrap_or_default();
    let mut whole = remarshal(GoType::TaskRun, &whole, "TaskRun").map_err(field)?;
    if let Some(whole) = whole.as_object_mut() {
        // Objects out of Chains' cache do not know their own type.
        whole.retain(|key, _| !matches!(key.as_str(), "kind" | "apiVersion"));
    }
    let name = "pipelineTask".to_owned();
    let descriptor = descriptor.unwrap_or_else(|| Descriptor { name, ..Descriptor::default() });
    Ok(Some(Descriptor { content: go_json::escaped(&whole), ..descriptor }))
}

/// Keeps the first of those with equal place, digests and content; definitions are always kept.
fn without_duplicates(list: Vec<Descriptor>) -> Vec<Descriptor> {
    let mut seen = HashSet::new();
    list.into_iter()
        .filter(|one| {
            let new = seen.insert((one.uri.clone(), one.digests.clone(), one.content.clone()));
            new || matches!(one.name.as_str(), "task" | "pipeline") || one.name.starts_with(STEP_ACTION)
        })
        .collect()
}
