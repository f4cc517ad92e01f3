//! What a run made: the subjects of its statement.

use provost_tekton::TaskRun;
use provost_tekton::object::status::RunResult;

use crate::artifact::{Artifact, merge};
use crate::digest_text;
use crate::hints::{self, Located};
use crate::image_ref::ImageRef;
use crate::run::PipelineView;

/// Subjects of v0.2 and v2alpha3: images, then `ARTIFACT_URI` pairs, then every `ARTIFACT_OUTPUTS`.
#[must_use]
pub fn of_results(results: &[RunResult]) -> Vec<Artifact> {
    let mut subjects = Vec::new();
    merge(&mut subjects, hints::images(results).iter().map(image));
    merge(&mut subjects, hints::uri_pairs(results).iter().filter_map(located));
    merge(&mut subjects, hints::outputs(results).iter().filter_map(located));
    subjects
}

/// Subjects of v2alpha4: build artifacts, then images.
fn of_build_artifacts(results: &[RunResult]) -> Vec<Artifact> {
    let mut subjects = Vec::new();
    merge(&mut subjects, hints::build_artifacts(results).iter().filter_map(located));
    merge(&mut subjects, hints::images(results).iter().map(image));
    subjects
}

/// Subjects of a TaskRun in v2alpha4: each step's, then the run's own.
pub(crate) fn of_task_run_v2alpha4(run: &TaskRun) -> Vec<Artifact> {
    let mut subjects = Vec::new();
    for step in &run.status.steps {
        merge(&mut subjects, of_build_artifacts(&step.results));
    }
    merge(&mut subjects, of_build_artifacts(&run.status.results));
    subjects
}

/// Subjects of a PipelineRun in v0.2 and v2alpha3: with deep inspection its TaskRuns' first, then its own.
pub(crate) fn of_pipeline_run(view: &PipelineView<'_>, deep: bool) -> Vec<Artifact> {
    let mut subjects = Vec::new();
    if deep {
        view.runs().for_each(|run| merge(&mut subjects, of_results(&run.status.results)));
    }
    merge(&mut subjects, of_results(&view.run.status.results));
    subjects
}

/// Subjects of a PipelineRun in v2alpha4: its own first, then with deep inspection its TaskRuns'.
pub(crate) fn of_pipeline_run_v2alpha4(view: &PipelineView<'_>, deep: bool) -> Vec<Artifact> {
    let mut subjects = of_build_artifacts(&view.run.status.results);
    if deep {
        view.runs().for_each(|run| merge(&mut subjects, of_task_run_v2alpha4(run)));
    }
    subjects
}

fn image(image: &ImageRef) -> Artifact {
    Artifact::new(&image.name, image.digest.algorithm().name(), image.digest.hex())
}

fn located(located: &Located) -> Option<Artifact> {
    let (algorithm, hex) = digest_text::split(&located.digest)?;
    Some(Artifact::new(&located.uri, algorithm, hex))
}
