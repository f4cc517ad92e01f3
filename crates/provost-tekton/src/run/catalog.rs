//! The objects of the files by name, and how references find them.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::RunError;
use crate::object::{
    ConfigMap, Document, Kept, Object, Origin, Param, Pipeline, PipelineRef, PipelineRun, PipelineSpec,
    RefSource, Secret, Task, TaskRef, TaskRun, TaskSpec,
};

/// What the files hold.
pub(crate) struct Catalog<'d> {
    tasks: BTreeMap<&'d str, (&'d Task, &'d Origin)>,
    pipelines: BTreeMap<&'d str, (&'d Pipeline, &'d Origin)>,
    secrets: BTreeMap<&'d str, (&'d Secret, &'d Origin)>,
    config_maps: BTreeMap<&'d str, (&'d ConfigMap, &'d Origin)>,
    task_runs: Vec<&'d TaskRun>,
    pipeline_runs: Vec<&'d PipelineRun>,
    names: Vec<String>,
}

/// The run that was asked for.
pub(crate) enum Chosen<'d> {
    /// A PipelineRun.
    Pipeline(&'d PipelineRun),
    /// A TaskRun.
    Task(&'d TaskRun),
}

/// A definition, and where it was found.
#[derive(Debug, Clone)]
pub(crate) struct Resolved<S: serde::de::DeserializeOwned> {
    /// The object's name; empty for one written in place.
    pub(crate) name: String,
    /// Its labels, which a run takes over.
    pub(crate) labels: BTreeMap<String, String>,
    /// What it does.
    pub(crate) spec: Kept<S>,
    /// Where a resolver found it.
    pub(crate) source: Option<RefSource>,
    /// Whether it is written in place, so that what is around it is in scope.
    pub(crate) in_place: bool,
}

impl<S: serde::de::DeserializeOwned + Clone> Resolved<S> {
    /// A definition written where it is used.
    pub(crate) fn in_place(spec: &Kept<S>) -> Self {
        Self {
            name: String::new(),
            labels: BTreeMap::new(),
            spec: spec.clone(),
            source: None,
            in_place: true,
        }
    }
}

impl<'d> Catalog<'d> {
    pub(crate) fn new(documents: &'d [Document]) -> Result<Self, RunError> {
        let mut catalog = Self {
            tasks: BTreeMap::new(),
            pipelines: BTreeMap::new(),
            secrets: BTreeMap::new(),
            config_maps: BTreeMap::new(),
            task_runs: Vec::new(),
            pipeline_runs: Vec::new(),
            names: super::runs_in(documents),
        };
        for Document { origin, object } in documents {
            match object {
                Object::Task(task) => add(&mut catalog.tasks, "Task", &task.metadata.name, task, origin)?,
                Object::Pipeline(it) => {
                    add(&mut catalog.pipelines, "Pipeline", &it.metadata.name, it, origin)?
                }
                Object::Secret(it) => add(&mut catalog.secrets, "Secret", &it.metadata.name, it, origin)?,
                Object::ConfigMap(it) => {
                    add(&mut catalog.config_maps, "ConfigMap", &it.metadata.name, it, origin)?
                }
                Object::TaskRun(run) => catalog.task_runs.push(run),
                Object::PipelineRun(run) => catalog.pipeline_runs.push(run),
                Object::Other(_) => {}
            }
        }
        Ok(catalog)
    }

    /// The run called `wanted`, or the only one.
    pub(crate) fn select(&self, wanted: Option<&str>) -> Result<Chosen<'d>, RunError> {
        let matches = |kind: &str, metadata: &crate::object::Metadata| {
            let name = super::display_name(&metadata.name, &metadata.generate_name);
            wanted.is_none_or(|wanted| wanted == name || wanted == format!("{kind}/{name}"))
        };
        let pipelines = self.pipeline_runs.iter().filter(|run| matches("PipelineRun", &run.metadata));
        let tasks = self.task_runs.iter().filter(|run| matches("TaskRun", &run.metadata));
        let mut found: Vec<Chosen<'d>> =
            pipelines.map(|run| Chosen::Pipeline(run)).chain(tasks.map(|run| Chosen::Task(run))).collect();
        match (found.pop(), found.is_empty(), wanted) {
            (Some(only), true, _) => Ok(only),
            (Some(_), false, _) => Err(RunError::SeveralRuns { names: self.names.clone() }),
            (None, _, Some(wanted)) => {
                Err(RunError::NoSuchRun { name: wanted.to_owned(), found: self.names.clone() })
            }
            (None, _, None) => Err(RunError::NoRun),
        }
    }

    pub(crate) fn secret(&self, name: &str) -> Option<&'d Secret> {
        self.secrets.get(name).map(|(secret, _)| *secret)
    }

    pub(crate) fn config_map(&self, name: &str) -> Option<&'d ConfigMap> {
        self.config_maps.get(name).map(|(map, _)| *map)
    }

    /// The Task a reference names; `object` and `field` say who refers, for errors.
    pub(crate) fn task(
        &self,
        reference: &TaskRef,
        object: &str,
        field: &str,
    ) -> Result<Resolved<TaskSpec>, RunError> {
        let kind_is_task = matches!(reference.kind.as_str(), "" | "Task");
        let version_is_tekton =
            reference.api_version.is_empty() || reference.api_version.starts_with("tekton.dev/");
        if !kind_is_task || !version_is_tekton {
            return Err(RunError::unsupported(object, format!("{field}.kind {}", reference.kind)));
        }
        if let Some(unknown) = reference.rest.keys().next() {
            return Err(RunError::unsupported(object, format!("{field}.{unknown}")));
        }
        let resolver = (reference.resolver.as_str(), reference.params.as_slice());
        let (task, source) = find(&self.tasks, "Task", &reference.name, resolver, object, field)?;
        Ok(Resolved {
            name: task.metadata.name.clone(),
            labels: task.metadata.labels.clone(),
            spec: task.spec.clone(),
            source,
            in_place: false,
        })
    }

    /// The Pipeline a reference names.
    pub(crate) fn pipeline(
        &self,
        reference: &PipelineRef,
        object: &str,
    ) -> Result<Resolved<PipelineSpec>, RunError> {
        let field = "spec.pipelineRef";
        if let Some(unknown) =
            reference.rest.keys().find(|key| !matches!(key.as_str(), "apiVersion" | "kind"))
        {
            return Err(RunError::unsupported(object, format!("{field}.{unknown}")));
        }
        let resolver = (reference.resolver.as_str(), reference.params.as_slice());
        let (pipeline, source) = find(&self.pipelines, "Pipeline", &reference.name, resolver, object, field)?;
        Ok(Resolved {
            name: pipeline.metadata.name.clone(),
            labels: pipeline.metadata.labels.clone(),
            spec: pipeline.spec.clone(),
            source,
            in_place: false,
        })
    }
}

fn add<'d, T>(
    into: &mut BTreeMap<&'d str, (&'d T, &'d Origin)>,
    kind: &'static str,
    name: &'d str,
    object: &'d T,
    origin: &'d Origin,
) -> Result<(), RunError> {
    match into.insert(name, (object, origin)) {
        None => Ok(()),
        Some((_, first)) => Err(RunError::Twice {
            kind,
            name: name.to_owned(),
            first: first.file.clone(),
            second: origin.file.clone(),
        }),
    }
}

type Found<'d, T> = (&'d T, Option<RefSource>);

/// Looks a reference up among the files: by name, or by what its resolver is told.
///
/// Nothing is fetched: the file given stands for what the resolver would find, and provenance names that file and its
/// digest, not the place the resolver would have gone to.
fn find<'d, T>(
    among: &BTreeMap<&'d str, (&'d T, &'d Origin)>,
    kind: &'static str,
    name: &str,
    (resolver, params): (&str, &[Param]),
    object: &str,
    field: &str,
) -> Result<Found<'d, T>, RunError> {
    let missing = |name: &str| RunError::NoDefinition {
        kind,
        name: name.to_owned(),
        wanted_by: format!("{object}: {field}"),
        found: among.keys().map(|&name| name.to_owned()).collect(),
    };
    if resolver.is_empty() {
        let (found, _) = among.get(name).ok_or_else(|| missing(name))?;
        return Ok((found, None));
    }
    // The parameters by which the resolvers that come with Tekton name a definition, best first.
    let told = ["name", "taskName", "pipelineName", "pathInRepo", "url"];
    let entries = told.iter().filter_map(|key| {
        let value = params.iter().find(|param| param.name == *key)?.value.as_str()?;
        (!value.is_empty()).then_some(value)
    });
    let mut first = None;
    for entry in entries {
        first.get_or_insert(entry);
        let path = Path::new(entry);
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or(entry);
        let by_name = among.get(entry);
        let by_file = || {
            let mut there =
                among.values().filter(|(_, origin)| Path::new(&origin.file).file_name() == path.file_name());
            there.next().filter(|_| there.next().is_none())
        };
        let by_stem = || among.get(stem);
        let is_path = path.extension().is_some();
        let found = by_name.or_else(|| if is_path { by_file().or_else(by_stem) } else { None });
        if let Some((found, origin)) = found {
            return Ok((found, Some(source_of(origin, entry))));
        }
    }
    Err(missing(first.unwrap_or(resolver)))
}

fn source_of(origin: &Origin, entry: &str) -> RefSource {
    let file = Path::new(&origin.file).file_name().and_then(|name| name.to_str()).unwrap_or(&origin.file);
    RefSource {
        uri: format!("file:{file}"),
        digest: [(origin.digest.algorithm().name().to_owned(), origin.digest.hex().to_owned())].into(),
        entry_point: entry.to_owned(),
    }
}
