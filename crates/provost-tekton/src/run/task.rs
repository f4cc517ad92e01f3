//! The steps of one TaskRun, one after the other.

mod inside;
mod places;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use serde_json::Value;
use tokio::time::Instant;

use super::error::{Halt, RunError};
use super::folders::{Layout, Machine};
use super::order::{Order, earlier, late, refuse_literals};
use super::params::{Taker, effective};
use super::process::{self, Ended};
use super::results::{self, ResultFailure};
use super::spec::{self, Paths};
use super::substitute::Table;
use super::{Event, record, supported};
use crate::beneath::open_folder;
use crate::object::{
    Condition, ParamValue, RunResult, Step, StepState, TaskRunStatus, TaskSpec, Terminated, Time,
};
use crate::step::{FolderMount, StepError, told};

/// Everything the steps of one TaskRun share.
struct Stage<'o, 'r> {
    machine: &'o Machine<'r>,
    order: &'o Order,
    layout: Layout,
    spec: TaskSpec,
    mounts: Vec<FolderMount>,
    volumes: BTreeMap<String, places::Place>,
    deadline: Option<Instant>,
    own_deadline: bool,
    step_results: BTreeMap<String, Vec<RunResult>>,
}

/// Runs the steps and fills in the status; the condition is the TaskRun's.
pub(crate) async fn run(
    machine: &Machine<'_>,
    order: &Order,
    status: &mut TaskRunStatus,
) -> Result<Condition, Halt> {
    let definition = &order.definition;
    let values = effective(&definition.spec.params, &order.params, Taker::Task(&definition.name))?;
    let own_end = order.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let deadline = earlier(order.timeout, order.deadline);
    let own_deadline = order.deadline.is_none_or(|outer| own_end.is_some_and(|own| own < outer));

    let contexts = [
        ("context.taskRun.name", order.metadata.name.as_str()),
        ("context.taskRun.namespace", order.metadata.namespace.as_str()),
        ("context.taskRun.uid", order.metadata.uid.as_str()),
        ("context.task.name", definition.name.as_str()),
        ("context.task.retry-count", "0"),
    ];
    let raw = spec::replaced(definition.spec.raw(), &spec::values(&values, &contexts), &order.object)?;
    let declared = spec::view(raw.clone(), &order.object)?;

    let layout = Layout::make(machine)?;
    let given = places::places(machine, order, &declared, &layout)?;
    let recorded_paths = places::recorded_paths(order, &declared);
    let recorded = with_paths(&raw, &declared, &recorded_paths, &order.object)?;
    status.task_spec = Some(spec::view(recorded, &order.object)?);
    let paths = if machine.isolated {
        recorded_paths.clone()
    } else {
        places::real_paths(order, &declared, &layout, &given)?
    };
    let actual = with_paths(&raw, &declared, &paths, &order.object)?;
    if !machine.isolated {
        // The variables' own paths are ours and exist, so they are taken out before literals are looked for.
        let marked = with_paths(&raw, &declared, &places::marks(&recorded_paths), &order.object)?;
        refuse_literals(&marked, &declared, &order.object)?;
    }
    let view = spec::view(actual, &order.object)?.view().clone();

    let mounts = places::shared_mounts(machine, &layout, &view, &recorded_paths, &given);
    let volumes = places::volumes(machine, order, &view, &layout)?;
    let mut stage = Stage {
        machine,
        order,
        layout,
        spec: view,
        mounts,
        volumes,
        deadline,
        own_deadline,
        step_results: BTreeMap::new(),
    };
    stage.run(status).await
}

fn with_paths(raw: &Value, declared: &TaskSpec, paths: &Paths, object: &str) -> Result<Value, RunError> {
    let mut out = spec::replaced(raw, &spec::paths(declared, paths), object)?;
    spec::own_results(&mut out, declared, &paths.tekton, object)?;
    Ok(out)
}

/// How the TaskRun fails, once it does.
struct Failure {
    reason: &'static str,
    message: String,
}

impl Stage<'_, '_> {
    async fn run(&mut self, status: &mut TaskRunStatus) -> Result<Condition, Halt> {
        let steps = self.spec.steps.clone();
        let mut own_folders = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            own_folders.push(self.own_folder(step, index)?);
        }
        let mut failure: Option<Failure> = None;
        for ((index, step), own) in steps.iter().enumerate().zip(&own_folders) {
            let state = match &failure {
                None => {
                    let (state, failed) = self.step(step, index, own).await?;
                    failure = failed;
                    state
                }
                Some(failure) => self.not_started(step, index, failure),
            };
            status.steps.push(state);
        }
        match results::read(&self.layout.results, &self.fixed_results()) {
            Ok(results) => status.results = results,
            Err(wrong) => {
                failure = Some(failure.unwrap_or_else(|| result_failure(&self.order.metadata.name, &wrong)))
            }
        }
        status.results.extend(self.taken_results());
        let machine = self.machine;
        Ok(match failure {
            None => record::condition(machine, true, "Succeeded", "All Steps have completed executing"),
            Some(Failure { reason: "Failed", message }) if self.order.continues => {
                record::condition(machine, false, "FailureIgnored", message)
            }
            Some(Failure { reason, message }) => record::condition(machine, false, reason, message),
        })
    }

    /// The results that come out of files.
    fn fixed_results(&self) -> Vec<crate::object::TaskResult> {
        self.spec.results.iter().filter(|result| result.value.is_none()).cloned().collect()
    }

    /// The results that a Task takes over from its steps: `$(steps.STEP.results.RESULT)`.
    fn taken_results(&self) -> Vec<RunResult> {
        let table = self.steps_table();
        let mut out = Vec::new();
        for result in &self.spec.results {
            let Some(value) = &result.value else { continue };
            let Ok(taken) = table.in_param(&whole(value)) else { continue };
            // What could not be replaced was not written by the step, and so is no result.
            if taken != whole(value) {
                out.push(RunResult { name: result.name.clone(), declared: Some(taken.kind()), value: taken });
            }
        }
        out
    }

    fn steps_table(&self) -> Table {
        let mut table = Table::default();
        for (step, results) in &self.step_results {
            for result in results {
                table.value(&format!("steps.{step}.results"), &result.name, &result.value);
            }
        }
        table
    }

    /// The folder of a step's own results and exit code, made and opened before any step runs.
    fn own_folder(&self, step: &Step, index: usize) -> Result<(OwnedFd, OwnedFd), RunError> {
        let folder = self.layout.tekton().join("steps").join(spec::container(step, index));
        let open = |beneath: &str| {
            open_folder(&folder, Path::new(beneath), true)
                .map_err(|error| RunError::io("making", &folder, &error))
        };
        fs::create_dir(&folder).map_err(|error| RunError::io("making", &folder, &error))?;
        Ok((open("")?, open("results")?))
    }

    async fn step(
        &mut self,
        step: &Step,
        index: usize,
        (own, own_results): &(OwnedFd, OwnedFd),
    ) -> Result<(StepState, Option<Failure>), Halt> {
        let name = spec::display_name(step, index);
        let object = format!("{}: step {name}", self.order.object);
        let raw = serde_json::to_value(step)
            .map_err(|error| RunError::invalid(&object, "step", "JSON", &error.to_string()))?;
        let replaced = self.steps_table().in_tree(&raw, false).map_err(RunError::substitute(&object))?;
        let step: Step = serde_json::from_value(replaced)
            .map_err(|error| RunError::invalid(&object, "step", "a step", &error.to_string()))?;
        let step = spec::with_template(&step, self.spec.step_template.as_ref());
        let own_limit = supported::checked_duration(step.timeout.as_deref(), &object, "timeout")?;
        let own_limit = own_limit.filter(|limit| !limit.is_zero());
        let file = self.layout.spec(index);
        let inside = self.spec_of(&step, index, &object)?;
        let bytes = serde_json::to_vec(&inside).map_err(|error| {
            RunError::invalid(&object, "the run's folder", "a path in UTF-8", &error.to_string())
        })?;
        write_spec(&file, &bytes).map_err(|error| RunError::io("writing", &file, &error))?;

        let started = self.machine.now();
        let deadline = earlier(own_limit, self.deadline);
        let (machine, task) = (self.machine, self.order.task.as_str());
        machine.tell(Event::StepStarted { task, step: &name });
        let hear = |stream, text: &str| machine.tell(Event::Line { task, step: &name, stream, text });
        let ended = process::run(&machine.request.program, &file, deadline, &hear)
            .await
            .map_err(|error| RunError::io("starting", &machine.request.program, &error))?;
        if let Some(message) = told(&file) {
            let cause = StepError::Told { message };
            return Err(RunError::Step { object: self.order.object.clone(), step: name, cause }.into());
        }
        machine.tell(Event::StepEnded { task, step: &name, code: ended.code });
        let whole_is_late = ended.late && self.deadline.is_some_and(|whole| deadline == Some(whole));
        write_exit_code(own, ended.code);
        let own_read = results::read(own_results, &step.results);
        let finished = self.machine.now();
        let mut state = self.state(&step, index, ended, (started, finished));
        let failure = if whole_is_late {
            self.set_late(&mut state);
            Some(self.late())
        } else {
            self.judge(&step, &name, ended, &mut state)
        };
        let failure = match own_read {
            Ok(results) => {
                state.results.clone_from(&results);
                self.step_results.insert(name, results);
                failure
            }
            Err(wrong) => failure.or_else(|| Some(result_failure(&self.order.metadata.name, &wrong))),
        };
        Ok((state, failure))
    }

    fn state(&self, step: &Step, index: usize, ended: Ended, (started, finished): (Time, Time)) -> StepState {
        StepState {
            name: spec::display_name(step, index),
            container: spec::container(step, index),
            image_id: self.machine.image_id.clone(),
            terminated: Some(Terminated {
                exit_code: ended.code,
                reason: if ended.code == 0 { "Completed" } else { "Error" }.to_owned(),
                started_at: Some(started),
                finished_at: Some(finished),
                ..Terminated::default()
            }),
            termination_reason: if ended.code == 0 { "Completed" } else { "Error" }.to_owned(),
            ..StepState::default()
        }
    }

    /// What a step's end means for the TaskRun.
    fn judge(&self, step: &Step, name: &str, ended: Ended, state: &mut StepState) -> Option<Failure> {
        if ended.late {
            "TimeoutExceeded".clone_into(&mut state.termination_reason);
            if let Some(terminated) = &mut state.terminated {
                terminated.exit_code = 1;
                "Error".clone_into(&mut terminated.reason);
            }
            let message =
                format!("\"step-{name}\" exited because the step exceeded the specified timeout limit");
            return Some(Failure { reason: "Failed", message });
        }
        if ended.code == 0 {
            return None;
        }
        if step.on_error == "continue" {
            "Continued".clone_into(&mut state.termination_reason);
            if let Some(terminated) = &mut state.terminated {
                "Completed".clone_into(&mut terminated.reason);
            }
            return None;
        }
        Some(Failure {
            reason: "Failed",
            message: format!("\"step-{name}\" exited with code {}", ended.code),
        })
    }

    fn late(&self) -> Failure {
        let name = &self.order.metadata.name;
        if self.own_deadline {
            return Failure { reason: "TaskRunTimeout", message: late("TaskRun", name, self.order.timeout) };
        }
        let message = format!(
            "TaskRun \"{name}\" was cancelled. TaskRun cancelled as the PipelineRun it belongs to has timed out."
        );
        Failure { reason: "TaskRunCancelled", message }
    }

    fn set_late(&self, state: &mut StepState) {
        self.late().reason.clone_into(&mut state.termination_reason);
        if let Some(terminated) = &mut state.terminated {
            terminated.exit_code = 1;
            self.late().reason.clone_into(&mut terminated.reason);
        }
    }

    /// A step after one that failed: in a pod it would have started and found that it need not run.
    fn not_started(&self, step: &Step, index: usize, failure: &Failure) -> StepState {
        let now = self.machine.now();
        let mut state = self.state(step, index, Ended { code: 1, late: false }, (now, now));
        if failure.reason == "Failed" {
            "Skipped".clone_into(&mut state.termination_reason);
        } else {
            failure.reason.clone_into(&mut state.termination_reason);
        }
        state
    }
}

/// A reference that is the whole text names the whole value, `[*]` or not.
fn whole(value: &ParamValue) -> ParamValue {
    match value {
        ParamValue::String(text) => ParamValue::String(text.trim().to_owned()),
        value => value.clone(),
    }
}

/// Writes what a step runs; nobody else may read its variables, and nothing that stands there already is written into.
fn write_spec(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(bytes)
}

/// Leaves a step's exit code where later steps look for it; a step that took the file away only harms itself.
fn write_exit_code(folder: &OwnedFd, code: i32) {
    let flags = OFlag::O_WRONLY
        | OFlag::O_CREAT
        | OFlag::O_TRUNC
        | OFlag::O_NOFOLLOW
        | OFlag::O_NONBLOCK
        | OFlag::O_CLOEXEC;
    if let Ok(file) = openat(folder, "exitCode", flags, Mode::from_bits_truncate(0o644)) {
        let _ = fs::File::from(file).write_all(code.to_string().as_bytes());
    }
}

fn result_failure(name: &str, wrong: &ResultFailure) -> Failure {
    match wrong {
        ResultFailure::TooLarge => Failure {
            reason: "TaskRunResultLargerThanAllowedLimit",
            message: format!(
                "TaskRun \"{name}\" failed: results exceed the {} bytes of a termination message",
                results::MAX_MESSAGE
            ),
        },
        ResultFailure::NoFile { name: result, message } => Failure {
            reason: "TaskRunValidationFailed",
            message: format!("result \"{result}\": expected a regular file, found {message}"),
        },
        ResultFailure::Mismatch { name: result, declared, found } => Failure {
            reason: "TaskRunValidationFailed",
            message: format!(
                "Provided results don't match declared results; may be invalid JSON or missing result declaration:  \
                 \"{result}\": task result is expected to be \"{}\" type but was initialized to a different type \"{}\"",
                declared.name(),
                found.name()
            ),
        },
    }
}
