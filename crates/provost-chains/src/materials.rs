//! What a run was made from: images of steps and sidecars, the git revision, inputs named by results.

use provost_tekton::object::status::{RefSource, RunResult};
use provost_tekton::{Param, ParamSpec, TaskRun};

use crate::artifact::{Artifact, merge};
use crate::format_error::FormatError;
use crate::hints::{self, GIT_COMMIT, GIT_URL};
use crate::run::{PipelineView, step_results, task_label};

/// What some container runtimes put before an image's name.
const PULLABLE: &str = "docker-pullable://";
/// The scheme of image URIs in statements.
pub(crate) const OCI: &str = "oci://";

/// The material of an `imageID`.
fn of_image_id(image_id: &str) -> Option<Artifact> {
    let (image, digest) = image_id.split_once('@')?;
    let (algorithm, hex) = digest.split_once(':')?;
    if digest.contains('@') || hex.contains(':') {
        return None;
    }
    let image = image.strip_prefix(PULLABLE).unwrap_or(image);
    Some(Artifact::new(format!("{OCI}{image}"), algorithm, hex))
}

/// An `imageID` as v0.2 names a step's image.
pub(crate) fn image_uri(image_id: &str) -> String {
    format!("{OCI}{}", image_id.strip_prefix(PULLABLE).unwrap_or(image_id))
}

/// The images of steps and of sidecars, each list without repetition.
///
/// # Errors
/// When one is not known by digest: nothing about that TaskRun can be attested.
pub(crate) fn of_images(run: &TaskRun) -> Result<[Vec<Artifact>; 2], FormatError> {
    let list = |kind: &str, states: &[provost_tekton::object::StepState]| {
        let mut images = Vec::new();
        for state in states {
            let Some(image) = of_image_id(&state.image_id) else {
                return Err(FormatError::ImageId {
                    run: task_label(run),
                    place: format!("{kind} {:?}", state.name),
                    found: state.image_id.clone(),
                });
            };
            merge(&mut images, [image]);
        }
        Ok(images)
    };
    Ok([list("step", &run.status.steps)?, list("sidecar", &run.status.sidecars)?])
}

/// The git revision a run names: parameter defaults, then parameters, then results, the last one winning.
#[derive(Default)]
struct Git {
    url: String,
    commit: String,
}

impl Git {
    fn see<'a>(&mut self, values: impl Iterator<Item = (&'a str, Option<&'a str>)>) {
        for (name, value) in values {
            let target = match name {
                GIT_COMMIT => &mut self.commit,
                GIT_URL => &mut self.url,
                _ => continue,
            };
            *target = value.unwrap_or_default().to_owned();
        }
    }

    fn of(specs: &[ParamSpec], params: &[Param], results: &[RunResult]) -> Self {
        let mut git = Self::default();
        let defaults = specs.iter().filter_map(|spec| Some((spec.name.as_str(), spec.default.as_ref()?)));
        git.see(defaults.map(|(name, value)| (name, value.as_str())));
        git.see(params.iter().map(|param| (param.name.as_str(), param.value.as_str())));
        git.see(results.iter().map(|result| (result.name.as_str(), result.value.as_str())));
        git
    }

    /// The material; a TaskRun that names a commit and no URL gets `git+.git`, as in Chains.
    fn material(&self) -> Option<Artifact> {
        if self.commit.is_empty() {
            return None;
        }
        let prefix = if self.url.starts_with("git+") { "" } else { "git+" };
        let mut uri = format!("{prefix}{}", self.url);
        if !uri.ends_with(".git") {
            uri.push_str(".git");
        }
        Some(Artifact::new(uri, "sha1", &self.commit))
    }
}

fn inputs(results: &[RunResult]) -> impl Iterator<Item = Artifact> {
    hints::inputs(results).into_iter().map(|(uri, digest)| Artifact::new(uri, &digest.algorithm, &digest.hex))
}

/// What a TaskRun's parameters and results name: the git revision, then inputs.
pub(crate) fn of_task_values(run: &TaskRun) -> Vec<Artifact> {
    let specs = run.status.task_spec.as_ref().map(|spec| spec.params.as_slice()).unwrap_or_default();
    let git = Git::of(specs, &run.spec.params, &run.status.results);
    let mut materials = Vec::new();
    merge(&mut materials, git.material());
    merge(&mut materials, inputs(&run.status.results));
    materials
}

/// What the results of a TaskRun's steps name.
pub(crate) fn of_step_values(run: &TaskRun) -> Vec<Artifact> {
    let mut materials = Vec::new();
    for step in &run.status.steps {
        merge(&mut materials, Git::of(&[], &[], &step.results).material());
    }
    merge(&mut materials, inputs(&step_results(run)));
    materials
}

/// What a PipelineRun's results and parameters name; with `deep`, also its TaskRuns'.
pub(crate) fn of_pipeline_values(view: &PipelineView<'_>, deep: bool) -> Vec<Artifact> {
    let status = &view.run.status;
    let mut materials = Vec::new();
    merge(&mut materials, inputs(&status.results));
    if deep {
        view.runs().for_each(|run| merge(&mut materials, of_task_values(run)));
    }
    let specs = status.pipeline_spec.as_ref().map(|spec| spec.params.as_slice()).unwrap_or_default();
    let git = Git::of(specs, &view.run.spec.params, &status.results);
    if !git.url.is_empty() {
        merge(&mut materials, git.material());
    }
    materials
}

/// The materials of a TaskRun in v0.2.
pub(crate) fn of_task_run(run: &TaskRun) -> Result<Vec<Artifact>, FormatError> {
    let mut materials = Vec::new();
    for images in of_images(run)? {
        merge(&mut materials, images);
    }
    merge(&mut materials, of_task_values(run));
    Ok(materials)
}

/// The materials of a PipelineRun in v0.2.
pub(crate) fn of_pipeline_run(view: &PipelineView<'_>, deep: bool) -> Result<Vec<Artifact>, FormatError> {
    let mut materials = Vec::new();
    merge(&mut materials, ref_source(view.run.status.provenance.as_ref()).map(of_ref_source));
    for run in view.runs() {
        for images in of_images(run)? {
            merge(&mut materials, images);
        }
        merge(&mut materials, ref_source(run.status.provenance.as_ref()).map(of_ref_source));
    }
    merge(&mut materials, of_pipeline_values(view, deep));
    Ok(materials)
}

/// `provenance.refSource`, where there is one.
pub(crate) fn ref_source(provenance: Option<&provost_tekton::object::Provenance>) -> Option<&RefSource> {
    provenance?.ref_source.as_ref()
}

fn of_ref_source(source: &RefSource) -> Artifact {
    Artifact { name: source.uri.clone(), digests: source.digest.clone() }
}

#[cfg(test)]
mod tests;
