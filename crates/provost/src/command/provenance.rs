//! `provost provenance`: what Tekton Chains would sign about a finished run, one statement a line.

use std::path::{Path, PathBuf};

use provost_chains::{Run, statements};
use provost_tekton::object::read::{MAX_FILE, ReadError};
use provost_tekton::object::{Object, read_documents};
use provost_tekton::{PipelineRun, TaskRun};

use crate::chains_config;
use crate::face::Face;
use crate::failure::Failure;

/// Prints the provenance of a finished TaskRun or PipelineRun as Tekton Chains writes it.
///
/// Nothing is signed or stored. A run that cannot be attested is an error.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The chains-config ConfigMap, YAML or JSON; Chains' defaults without it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The finished TaskRun or PipelineRun, YAML or JSON.
    #[arg(long, value_name = "FILE")]
    run: PathBuf,
    /// A TaskRun of the PipelineRun; a file may hold several, and the flag may be repeated.
    #[arg(long, value_name = "FILE")]
    child: Vec<PathBuf>,
}

/// Runs the command.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let config = chains_config::read(args.config.as_deref(), face)?;
    let mut children = Vec::new();
    for path in &args.child {
        for object in objects(path)? {
            match object {
                Object::TaskRun(child) => children.push(*child),
                other => return Err(unexpected(path, "TaskRuns", other.kind())),
            }
        }
    }
    let subject = match only_run(&args.run)? {
        Subject::Task(_) if !args.child.is_empty() => {
            return Err(Failure::new("--child goes with a PipelineRun, and --run is a TaskRun"));
        }
        subject => subject,
    };
    let run = match &subject {
        Subject::Task(run) => Run::Task(run),
        Subject::Pipeline(run) => Run::Pipeline(run, &children),
    };
    let found = statements(&config, &run)?;
    if found.is_empty() {
        face.say(format!("{}: the configuration switches attestations of such runs off", run.label()));
    }
    found.iter().for_each(|statement| face.out(statement.to_bytes()));
    Ok(())
}

enum Subject {
    Task(Box<TaskRun>),
    Pipeline(Box<PipelineRun>),
}

fn only_run(path: &Path) -> Result<Subject, Failure> {
    let mut objects = objects(path)?.into_iter();
    match (objects.next(), objects.next()) {
        (Some(Object::TaskRun(run)), None) => Ok(Subject::Task(run)),
        (Some(Object::PipelineRun(run)), None) => Ok(Subject::Pipeline(run)),
        (Some(other), None) => Err(unexpected(path, "a TaskRun or a PipelineRun", other.kind())),
        (None, _) => Err(unexpected(path, "a TaskRun or a PipelineRun", "nothing")),
        (Some(_), Some(_)) => Err(unexpected(path, "one TaskRun or PipelineRun", "several objects")),
    }
}

fn unexpected(path: &Path, expected: &str, found: &str) -> Failure {
    Failure::new(format!("{}: expected {expected}, found {found}", path.display()))
}

fn objects(path: &Path) -> Result<Vec<Object>, Failure> {
    let documents = read_documents(&path.display().to_string(), &read(path)?)?;
    Ok(documents.into_iter().map(|document| document.object).collect())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let fail = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() > MAX_FILE {
        return Err(ReadError::TooLarge { file: path.display().to_string(), found: bytes.len() }.into());
    }
    Ok(bytes)
}
