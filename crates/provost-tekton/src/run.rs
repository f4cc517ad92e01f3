//! Running a PipelineRun or TaskRun on this machine, as Tekton would on a cluster.
//!
//! Steps are processes of this machine; what a run leaves is the objects Tekton would leave, for Chains to attest. Semantics
//! follow reference §10.3; what is not run here is refused by name before anything starts.

mod catalog;
mod child;
mod data;
mod duration;
mod error;
mod folders;
mod graph;
mod order;
mod params;
mod pipeline;
mod process;
mod record;
mod results;
mod spec;
mod substitute;
mod supported;
mod task;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::object::{Condition, Document, Object, Param, PipelineRun, TaskRun};

pub use error::RunError;
pub use process::MAX_LINE;
pub use results::MAX_MESSAGE;
pub use substitute::{MAX_SUBSTITUTED, SubstituteError};

/// How many tasks run side by side where the caller does not say: builds are bound by processors, and a laptop has few.
pub const DEFAULT_PARALLEL: usize = 4;

/// Where times and identifiers come from.
pub trait Source: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
    /// An identifier that no other object ever has, in the form of a UUID.
    fn uid(&self) -> String;
}

/// The machine's clock, and random identifiers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSource;

impl Source for SystemSource {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn uid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

/// Whether steps get namespaces of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Where the kernel grants them.
    #[default]
    WherePossible,
    /// Never: paths are given through variables only, and a literal `/workspace` or `/tekton` is refused.
    Off,
}

/// What to run, and with what.
#[derive(Clone)]
pub struct RunRequest {
    /// The objects of all files: one run, and what it names.
    pub objects: Vec<Document>,
    /// Which run, where there are several: `NAME` or `KIND/NAME`.
    pub select: Option<String>,
    /// Parameters that replace or join those of the run.
    pub params: Vec<Param>,
    /// Secrets by name, each a local folder whose files are its keys, or one file.
    pub secrets: BTreeMap<String, PathBuf>,
    /// ConfigMaps by name, each a local folder whose files are its keys, or one file.
    pub config_maps: BTreeMap<String, PathBuf>,
    /// Where the run's folders are made and left; a temporary folder that vanishes where `None`.
    pub folder: Option<PathBuf>,
    /// The program that hands [`SUBCOMMAND`](crate::step::SUBCOMMAND) to [`enter_step`](crate::step::enter_step); steps
    /// find it as `provost`.
    pub program: PathBuf,
    /// The `PATH` of steps.
    pub path: String,
    /// Further variables of every step. Nothing of the caller's own environment comes along otherwise.
    pub environment: BTreeMap<String, String>,
    /// How many tasks run side by side.
    pub parallel: usize,
    /// Whether steps get namespaces of their own.
    pub isolation: Isolation,
    /// Where times and identifiers come from.
    pub source: Arc<dyn Source>,
}

impl RunRequest {
    /// A request with nothing but what it needs: the objects, and the program that enters steps.
    pub fn new(objects: Vec<Document>, program: impl Into<PathBuf>) -> Self {
        Self {
            objects,
            select: None,
            params: Vec::new(),
            secrets: BTreeMap::new(),
            config_maps: BTreeMap::new(),
            folder: None,
            program: program.into(),
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            environment: BTreeMap::new(),
            parallel: DEFAULT_PARALLEL,
            isolation: Isolation::default(),
            source: Arc::new(SystemSource),
        }
    }
}

/// Which of a step's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Something that happened during a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'e> {
    /// A task began.
    TaskStarted {
        /// The task's name in the pipeline.
        task: &'e str,
        /// The TaskRun's name.
        task_run: &'e str,
    },
    /// A step began.
    StepStarted {
        /// The task.
        task: &'e str,
        /// The step.
        step: &'e str,
    },
    /// A step said something: a line without its end, at most [`MAX_LINE`] bytes.
    Line {
        /// The task.
        task: &'e str,
        /// The step.
        step: &'e str,
        /// On which output.
        stream: Stream,
        /// The line.
        text: &'e str,
    },
    /// A step ended.
    StepEnded {
        /// The task.
        task: &'e str,
        /// The step.
        step: &'e str,
        /// Its exit code.
        code: i32,
    },
    /// A task ended.
    TaskEnded {
        /// The task.
        task: &'e str,
        /// How.
        condition: &'e Condition,
    },
    /// A task was skipped.
    TaskSkipped {
        /// The task.
        task: &'e str,
        /// Why, in Tekton's words.
        reason: &'e str,
    },
}

/// Who watches a run.
pub trait RunEvents: Sync {
    /// Called for everything that happens, in order for each task.
    fn happened(&self, event: Event<'_>);
}

/// Nobody watches.
impl RunEvents for () {
    fn happened(&self, _event: Event<'_>) {}
}

/// The objects a run leaves, as Tekton would leave them.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The PipelineRun, if it was one.
    pub pipeline_run: Option<PipelineRun>,
    /// The TaskRuns, in the order of the pipeline's tasks.
    pub task_runs: Vec<TaskRun>,
}

impl Finished {
    /// The condition `Succeeded` of the run that was asked for.
    pub fn condition(&self) -> Option<&Condition> {
        let conditions = match &self.pipeline_run {
            Some(run) => &run.status.conditions,
            None => &self.task_runs.first()?.status.conditions,
        };
        crate::object::condition_of(conditions)
    }

    /// Whether the run succeeded.
    pub fn succeeded(&self) -> bool {
        self.condition().is_some_and(|condition| condition.status == "True")
    }
}

/// The runs among the objects, as `KIND/NAME`: what [`RunRequest::select`] may say.
pub fn runs_in(objects: &[Document]) -> Vec<String> {
    let run = |document: &Document| match &document.object {
        Object::TaskRun(run) => {
            Some(format!("TaskRun/{}", display_name(&run.metadata.name, &run.metadata.generate_name)))
        }
        Object::PipelineRun(run) => {
            Some(format!("PipelineRun/{}", display_name(&run.metadata.name, &run.metadata.generate_name)))
        }
        _ => None,
    };
    objects.iter().filter_map(run).collect()
}

fn display_name<'n>(name: &'n str, generate: &'n str) -> &'n str {
    if name.is_empty() { generate } else { name }
}

/// Runs the run among the request's objects to its end; every process it started has ended when this returns or is dropped.
///
/// A run that fails is `Ok`, with the condition `Succeeded` at `False` and Tekton's reason; only what keeps us from running
/// it as Tekton would is an error.
///
/// From then on this process can no longer be traced or read by others of its user, nor leaves it a core: steps run as the
/// same user, and what signs a run afterwards holds keys and passwords.
pub async fn run(request: RunRequest, events: &dyn RunEvents) -> Result<Finished, RunError> {
    nix::sys::prctl::set_dumpable(false).map_err(|errno| {
        RunError::io("closing to other processes", Path::new("/proc/self"), &errno.into())
    })?;
    let isolated = match request.isolation {
        Isolation::Off => false,
        Isolation::WherePossible if std::env::current_exe().is_ok_and(|own| own == request.program) => {
            crate::step::namespaces_available()
        }
        Isolation::WherePossible => crate::step::probe(&request.program),
    };
    let temporary;
    let folder: &Path = match &request.folder {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|error| RunError::io("making", folder, &error))?;
            folder
        }
        None => {
            temporary = tempfile::Builder::new()
                .prefix("provost-run-")
                .tempdir()
                .map_err(|error| RunError::io("making a folder in", &std::env::temp_dir(), &error))?;
            temporary.path()
        }
    };
    let catalog = catalog::Catalog::new(&request.objects)?;
    let machine = folders::Machine::new(&request, &catalog, events, folder, isolated)?;
    match catalog.select(request.select.as_deref())? {
        catalog::Chosen::Pipeline(run) => pipeline::run(&machine, run).await,
        catalog::Chosen::Task(run) => order::run_alone(&machine, run).await,
    }
}
