//! One test for each file of corpus/tekton/cases, in each way steps can be isolated: YAML in, objects out.
//!
//! The last document of a file, of kind `Expectation`, says what is wanted. Wanted objects are parts: a key that is not
//! named may be anything, a text that begins with `~` is a part of the text found.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use libtest_mimic::{Failed, Trial};
use provost_tekton::object::{Document, Object, Param, read_documents};
use provost_tekton::run::{self, Event, Isolation, RunEvents, RunRequest, Source};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    #[allow(dead_code, reason = "says whose document it is, to a reader")]
    kind: String,
    /// What the case is about.
    note: String,
    /// `on` or `off` where the case makes sense in one of them only.
    #[serde(default)]
    isolation: Option<String>,
    #[serde(default)]
    select: Option<String>,
    #[serde(default)]
    params: Vec<Param>,
    #[serde(default)]
    secrets: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    parallel: Option<usize>,
    /// The error, whole.
    #[serde(default)]
    error: Option<String>,
    #[serde(default, rename = "pipelineRun")]
    pipeline_run: Option<Value>,
    #[serde(default, rename = "taskRuns")]
    task_runs: Option<Value>,
    /// The lines steps said, in order, as `TASK/STEP: LINE`.
    #[serde(default)]
    lines: Option<Vec<String>>,
}

/// A clock that goes one second a look, and identifiers in order.
#[derive(Default)]
pub(crate) struct Counting(AtomicU64);

impl Source for Counting {
    fn now(&self) -> jiff::Timestamp {
        let seconds = self.0.fetch_add(1, Ordering::Relaxed);
        jiff::Timestamp::from_second(1_767_225_600 + i64::try_from(seconds).unwrap()).unwrap()
    }

    fn uid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl RunEvents for Lines {
    fn happened(&self, event: Event<'_>) {
        if let Event::Line { task, step, text, .. } = event {
            self.0.lock().unwrap().push(format!("{task}/{step}: {text}"));
        }
    }
}

pub(crate) fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/tekton")
}

/// What the runner is told in every test: this program enters its own steps.
pub(crate) fn request(objects: Vec<Document>, isolation: Isolation) -> RunRequest {
    let mut request = RunRequest::new(objects, std::env::current_exe().unwrap());
    request.isolation = isolation;
    request.source = Arc::new(Counting::default());
    request
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(corpus().join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus is there");
    let mut trials = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        for isolation in [Isolation::WherePossible, Isolation::Off] {
            let (objects, expectation) = read(&file);
            let word = if isolation == Isolation::Off { "off" } else { "on" };
            if expectation.isolation.as_ref().is_some_and(|only| only != word) {
                continue;
            }
            let kind = format!("isolation {word}");
            trials.push(
                Trial::test(name.clone(), move || check(objects, expectation, isolation)).with_kind(kind),
            );
        }
    }
    trials
}

fn read(file: &Path) -> (Vec<Document>, Expectation) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let mut documents = read_documents(name, &fs::read(file).unwrap()).unwrap();
    let Object::Other(last) = documents.pop().unwrap().object else {
        panic!("{name}: the last document is no Expectation")
    };
    let expectation =
        serde_json::from_value(*last).unwrap_or_else(|error| panic!("{name}: Expectation: {error}"));
    (documents, expectation)
}

fn check(objects: Vec<Document>, expectation: Expectation, isolation: Isolation) -> Result<(), Failed> {
    assert!(!expectation.note.is_empty());
    if isolation == Isolation::WherePossible && !provost_tekton::namespaces_available() {
        // Said aloud, so that a machine without namespaces does not look as if it had passed.
        return Err("the kernel grants no namespaces: the isolated half of the corpus cannot run".into());
    }
    let mut request = request(objects, isolation);
    request.select.clone_from(&expectation.select);
    request.params.clone_from(&expectation.params);
    request.parallel = expectation.parallel.unwrap_or(request.parallel);
    let folder = tempfile::tempdir()?;
    for (name, files) in &expectation.secrets {
        let secret = folder.path().join(name);
        fs::create_dir(&secret)?;
        for (file, text) in files {
            fs::write(secret.join(file), text)?;
        }
        request.secrets.insert(name.clone(), secret);
    }
    let lines = Lines::default();
    let outcome = block_on(run::run(request, &lines));
    match (outcome, &expectation.error) {
        (Err(error), Some(wanted)) if error.to_string() == *wanted => return Ok(()),
        (Err(error), Some(wanted)) => {
            return Err(format!("wanted the error\n  {wanted}\nfound\n  {error}").into());
        }
        (Err(error), None) => return Err(format!("error: {error}").into()),
        (Ok(_), Some(wanted)) => return Err(format!("wanted the error\n  {wanted}\nbut it ran").into()),
        (Ok(finished), None) => {
            let found = serde_json::to_value(&finished.task_runs)?;
            let mut differences = Vec::new();
            if let Some(wanted) = &expectation.task_runs {
                compare(wanted, &found, "taskRuns", &mut differences);
            }
            if let Some(wanted) = &expectation.pipeline_run {
                compare(
                    wanted,
                    &serde_json::to_value(&finished.pipeline_run)?,
                    "pipelineRun",
                    &mut differences,
                );
            }
            let said = lines.0.into_inner().unwrap();
            if expectation.lines.as_ref().is_some_and(|wanted| *wanted != said) {
                differences.push("lines".to_owned());
            }
            if expectation.lines.is_none()
                && expectation.task_runs.is_none()
                && expectation.pipeline_run.is_none()
            {
                differences.push("the case wants nothing".to_owned());
            }
            if !differences.is_empty() {
                return Err(format!("{}\nlines: {said:#?}", differences.join("\n")).into());
            }
        }
    }
    Ok(())
}

fn compare(wanted: &Value, found: &Value, at: &str, differences: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (key, value) in wanted {
                compare(value, found.get(key).unwrap_or(&Value::Null), &format!("{at}.{key}"), differences);
            }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                compare(wanted, found, &format!("{at}[{index}]"), differences);
            }
        }
        (Value::String(wanted), Value::String(found)) => {
            let same = wanted.strip_prefix('~').map_or(wanted == found, |part| found.contains(part));
            if !same {
                differences.push(format!("{at}: wanted {wanted:?}, found {found:?}"));
            }
        }
        (wanted, found) if wanted == found => {}
        (wanted, found) => differences.push(format!("{at}: wanted {wanted}, found {found}")),
    }
}
