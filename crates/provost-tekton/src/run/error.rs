//! What keeps the runner from running: never what a step or a task did.

use crate::object::ReadError;
use crate::step::StepError;

use super::substitute::SubstituteError;

/// Why nothing ran, or why a run could not be brought to its end.
///
/// A run that fails is no error: it is [`Finished`](super::Finished) with the condition `Succeeded` at `False`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// No file was readable as objects.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No run among the objects.
    #[error("expected a PipelineRun or a TaskRun among the files, found none")]
    NoRun,
    /// More than one run, and none chosen.
    #[error("expected one run, or the name of one of them; found {}", names.join(", "))]
    SeveralRuns {
        /// Kind and name of each.
        names: Vec<String>,
    },
    /// The chosen run is not there.
    #[error("run {name}: expected it among the files, found {}", list(found))]
    NoSuchRun {
        /// The name asked for.
        name: String,
        /// The runs there are.
        found: Vec<String>,
    },
    /// Two objects of one kind and name.
    #[error("{kind} {name}: expected one, found two: in {first} and in {second}")]
    Twice {
        /// The kind.
        kind: &'static str,
        /// The name.
        name: String,
        /// The first file.
        first: String,
        /// The second file.
        second: String,
    },
    /// A Task or Pipeline that is in none of the files.
    #[error("{kind} {name}: expected it among the files, for {wanted_by}; found {}", list(found))]
    NoDefinition {
        /// `Task` or `Pipeline`.
        kind: &'static str,
        /// Its name, or what the resolver is told.
        name: String,
        /// Which field refers to it.
        wanted_by: String,
        /// Those there are.
        found: Vec<String>,
    },
    /// A construct of Tekton that this runner does not run.
    #[error("{object}: {field}: not supported on one machine{}", hint.map(|hint| format!(": {hint}")).unwrap_or_default())]
    Unsupported {
        /// The object, by kind and name.
        object: String,
        /// The field that asks for it.
        field: String,
        /// What to do instead.
        hint: Option<&'static str>,
    },
    /// A field with a value Tekton's own admission refuses.
    #[error("{object}: {field}: expected {expected}, found {found}")]
    Invalid {
        /// The object, by kind and name.
        object: String,
        /// The field.
        field: String,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A variable that names no parameter or workspace.
    #[error("{object}: {field}: non-existent variable $({variable})")]
    UnknownVariable {
        /// The object, by kind and name.
        object: String,
        /// The field.
        field: String,
        /// The variable as written.
        variable: String,
    },
    /// Variables that could not be replaced.
    #[error("{object}: {cause}")]
    Substitute {
        /// The object, by kind and name.
        object: String,
        /// Why.
        cause: SubstituteError,
    },
    /// Tasks that wait for each other.
    #[error("{object}: expected tasks in an order, found a circle: {}", tasks.join(" → "))]
    Circle {
        /// The pipeline.
        object: String,
        /// The tasks of the circle.
        tasks: Vec<String>,
    },
    /// A path that is the run's own only inside a namespace, which the kernel refused.
    #[error(
        "{object}: {field}: {path} exists only in a namespace of the step's own, and the kernel grants none; \
         write $(workspaces.NAME.path) or $(results.NAME.path) instead"
    )]
    LiteralPath {
        /// The object, by kind and name.
        object: String,
        /// The field.
        field: String,
        /// The path as written.
        path: String,
    },
    /// A Secret or ConfigMap that a workspace, volume or variable asks for.
    #[error("{kind} {name}: expected it among the files or as a local folder, for {wanted_by}; found none")]
    NoData {
        /// `Secret` or `ConfigMap`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Which field asks.
        wanted_by: String,
    },
    /// A Secret or ConfigMap whose value is no base64.
    #[error("{kind} {name}: key {key}: expected base64, found other text")]
    BadData {
        /// `Secret` or `ConfigMap`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
    /// A step's process could not be entered.
    #[error("{object}: step {step}: {cause}")]
    Step {
        /// The TaskRun.
        object: String,
        /// The step.
        step: String,
        /// Why.
        cause: StepError,
    },
    /// This machine refused something.
    #[error("{doing} {path}: {message}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file or folder.
        path: String,
        /// What the machine said.
        message: String,
    },
}

impl RunError {
    pub(crate) fn io(doing: &'static str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Io { doing, path: path.display().to_string(), message: error.to_string() }
    }

    pub(crate) fn unsupported(object: &str, field: impl Into<String>) -> Self {
        Self::Unsupported { object: object.to_owned(), field: field.into(), hint: None }
    }

    pub(crate) fn invalid(
        object: &str,
        field: impl Into<String>,
        expected: impl Into<String>,
        found: &str,
    ) -> Self {
        let found = if found.is_empty() { "nothing" } else { found };
        Self::Invalid {
            object: object.to_owned(),
            field: field.into(),
            expected: expected.into(),
            found: found.to_owned(),
        }
    }

    pub(crate) fn substitute(object: &str) -> impl FnOnce(SubstituteError) -> Self + use<> {
        let object = object.to_owned();
        move |cause| Self::Substitute { object, cause }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What ends a run before its end: a failure Tekton would write on the run, or an inability of ours.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The run fails, with Tekton's reason and message.
    Fail {
        /// The reason of the condition.
        reason: &'static str,
        /// Its message.
        message: String,
    },
    /// We cannot.
    Cannot(RunError),
}

impl From<RunError> for Halt {
    fn from(error: RunError) -> Self {
        Self::Cannot(error)
    }
}

impl Halt {
    pub(crate) fn fail(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Fail { reason, message: message.into() }
    }
}
