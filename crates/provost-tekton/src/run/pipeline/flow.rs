//! When each task of a pipeline runs, is skipped, or waits.

use std::future::Future;
use std::pin::Pin;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use super::super::Event;
use super::super::child::{Child, Family};
use super::super::error::{Halt, RunError};
use super::super::folders::Machine;
use super::super::graph::{Needs, results_of};
use super::super::order::{carry_out, succeeded};
use super::super::substitute::{SubstituteError, Table};
use crate::object::{TaskRun, condition_of};

/// Tekton's reasons for a task that did not run.
const WHEN: &str = "When Expressions evaluated to false";
const MISSING: &str = "Results were missing";
const PARENT: &str = "Parent Tasks were skipped";
const STOPPING: &str = "PipelineRun was stopping";
const LATE: &str = "PipelineRun timeout has been reached";
const TASKS_LATE: &str = "PipelineRun Tasks timeout has been reached";
const FINALLY_LATE: &str = "PipelineRun Finally timeout has been reached";

/// Where a task stands.
pub(super) enum State {
    /// It waits.
    Waiting,
    /// It runs.
    Running,
    /// It ran.
    Done(Box<TaskRun>),
    /// It will not run, for this reason.
    Skipped(&'static str),
}

/// What is to be done with a task whose turn it is.
enum Turn {
    Wait,
    Skip(&'static str),
    Run,
}

type Running<'f> = Pin<Box<dyn Future<Output = (usize, Result<TaskRun, RunError>)> + 'f>>;

/// The tasks of one PipelineRun.
pub(super) struct Flow<'f, 'r> {
    machine: &'f Machine<'r>,
    family: &'f Family<'f>,
    needs: Vec<Needs>,
    /// The tasks, those of `finally` last.
    pub(super) children: Vec<Child>,
    /// Where each stands.
    pub(super) states: Vec<State>,
    /// A failure of the pipeline itself, by reason and message.
    pub(super) failure: Option<(&'static str, String)>,
    /// Whether a limit of time took anything away.
    pub(super) was_late: bool,
}

impl<'f, 'r> Flow<'f, 'r> {
    pub(super) fn new(
        machine: &'f Machine<'r>,
        family: &'f Family<'f>,
        children: Vec<Child>,
        needs: Vec<Needs>,
    ) -> Self {
        let states = children.iter().map(|_| State::Waiting).collect();
        Self { machine, family, needs, children, states, failure: None, was_late: false }
    }

    /// Whether `deadline` has passed.
    pub(super) fn over(&self, deadline: Option<Instant>) -> bool {
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Runs all but the `finally` tasks.
    pub(super) async fn run_tasks(
        &mut self,
        deadline: Option<Instant>,
        whole: Option<Instant>,
    ) -> Result<(), Halt> {
        let reason = if whole == deadline { LATE } else { TASKS_LATE };
        self.run(false, deadline, reason).await
    }

    /// Runs the `finally` tasks.
    pub(super) async fn run_finally(&mut self, deadline: Option<Instant>) -> Result<(), Halt> {
        self.run(true, deadline, FINALLY_LATE).await
    }

    async fn run(&mut self, at_end: bool, deadline: Option<Instant>, late: &'static str) -> Result<(), Halt> {
        let mut running: FuturesUnordered<Running<'f>> = FuturesUnordered::new();
        // A task is started only while there is room; the others keep waiting for their turn.
        let room = self.machine.request.parallel.max(1);
        loop {
            let mut moved = true;
            while moved {
                moved = false;
                for index in 0..self.children.len() {
                    if !self.is_waiting(index, at_end) {
                        continue;
                    }
                    let turn = match self.turn(index, at_end, deadline, late) {
                        Ok(turn) => turn,
                        Err(Halt::Fail { reason, message }) => {
                            self.fail(index, reason, message);
                            moved = true;
                            continue;
                        }
                        Err(cannot) => return Err(cannot),
                    };
                    match turn {
                        Turn::Wait => {}
                        Turn::Skip(reason) => {
                            self.skip(index, reason);
                            moved = true;
                        }
                        Turn::Run if running.len() < room => {
                            let started = self.start(index, at_end, deadline)?;
                            moved |= started.is_none();
                            running.extend(started);
                        }
                        Turn::Run => {}
                    }
                }
            }
            match running.next().await {
                None => return Ok(()),
                Some((index, ended)) => {
                    let ended = ended?;
                    self.was_late |= condition_of(&ended.status.conditions)
                        .is_some_and(|it| it.reason == "TaskRunCancelled");
                    self.settle(index, State::Done(Box::new(ended)));
                }
            }
        }
    }

    fn start(
        &mut self,
        index: usize,
        at_end: bool,
        deadline: Option<Instant>,
    ) -> Result<Option<Running<'f>>, Halt> {
        let table = self.table(at_end);
        let Some(child) = self.children.get(index) else { return Ok(None) };
        let order = match child.order(self.machine, self.family, &table, deadline) {
            Ok(order) => order,
            Err(Halt::Fail { reason, message }) => {
                self.fail(index, reason, message);
                return Ok(None);
            }
            Err(cannot) => return Err(cannot),
        };
        self.settle(index, State::Running);
        let machine = self.machine;
        Ok(Some(Box::pin(async move { (index, carry_out(machine, &order).await) })))
    }

    /// The pipeline fails at a task, which then does not run.
    fn fail(&mut self, index: usize, reason: &'static str, message: String) {
        self.failure.get_or_insert((reason, message));
        self.skip(index, STOPPING);
    }

    fn settle(&mut self, index: usize, state: State) {
        if let Some(slot) = self.states.get_mut(index) {
            *slot = state;
        }
    }

    fn skip(&mut self, index: usize, reason: &'static str) {
        self.settle(index, State::Skipped(reason));
        if let Some(child) = self.children.get(index) {
            self.machine.tell(Event::TaskSkipped { task: &child.task.name, reason });
        }
    }

    fn is_waiting(&self, index: usize, at_end: bool) -> bool {
        matches!(self.states.get(index), Some(State::Waiting))
            && self.children.get(index).is_some_and(|child| child.at_end == at_end)
    }

    /// Whether a task failed, or the pipeline itself, so that no other task is started.
    fn stopping(&self) -> bool {
        let failed = |run: &TaskRun| {
            let condition = condition_of(&run.status.conditions);
            !succeeded(condition) && condition.is_none_or(|condition| condition.reason != "FailureIgnored")
        };
        let in_flow = self.children.iter().zip(&self.states).filter(|(child, _)| !child.at_end);
        let any = in_flow
            .filter_map(|(_, state)| if let State::Done(run) = state { Some(run) } else { None })
            .any(|run| failed(run));
        self.failure.is_some() || any
    }

    fn turn(
        &mut self,
        index: usize,
        at_end: bool,
        deadline: Option<Instant>,
        late: &'static str,
    ) -> Result<Turn, Halt> {
        if self.over(deadline) {
            self.was_late = true;
            return Ok(Turn::Skip(late));
        }
        if !at_end && self.stopping() {
            return Ok(Turn::Skip(STOPPING));
        }
        let Some(child) = self.children.get(index) else { return Ok(Turn::Wait) };
        let taken = match (at_end, self.needs.get(index)) {
            (false, Some(needs)) => {
                let before: Vec<&State> =
                    needs.before.iter().filter_map(|&before| self.states.get(before)).collect();
                if before.iter().any(|state| matches!(state, State::Waiting | State::Running)) {
                    return Ok(Turn::Wait);
                }
                // A task skipped by its own condition holds up only those that take its results.
                if before.iter().any(|state| matches!(state, State::Skipped(reason) if *reason != WHEN)) {
                    return Ok(Turn::Skip(PARENT));
                }
                needs.results.clone()
            }
            _ => results_of(&child.task),
        };
        let table = self.table(at_end);
        for (task, result) in &taken {
            if table.has(&format!("tasks.{task}.results[\"{result}\"]")) {
                continue;
            }
            if at_end || self.was_skipped(task) {
                return Ok(Turn::Skip(MISSING));
            }
            let message = format!(
                "Failed to resolve task result reference for \"{}/{}\" with error: Invalid task result reference: Could not \
                 find result with name {result} for task {task}",
                self.family.run.namespace, self.family.run.name
            );
            return Err(Halt::fail("InvalidTaskResultReference", message));
        }
        match child.when(&table) {
            Ok(true) => Ok(Turn::Run),
            Ok(false) => Ok(Turn::Skip(WHEN)),
            Err(error @ SubstituteError::Index { .. }) => {
                Err(Halt::fail("InvalidTaskResultReference", error.to_string()))
            }
            Err(error) => Err(RunError::substitute(&format!("task {}", child.task.name))(error).into()),
        }
    }

    fn was_skipped(&self, task: &str) -> bool {
        let mut both = self.children.iter().zip(&self.states);
        both.any(|(child, state)| child.task.name == task && matches!(state, State::Skipped(_)))
    }

    /// What the tasks that ran tell: their results, and for `finally` how they ended.
    pub(super) fn table(&self, at_end: bool) -> Table {
        let mut table = Table::default();
        let (mut failed, mut skipped) = (false, false);
        for (child, state) in self.children.iter().zip(&self.states) {
            let name = &child.task.name;
            let word = match state {
                State::Done(run) => {
                    let condition = condition_of(&run.status.conditions);
                    let base = if child.at_end { "finally" } else { "tasks" };
                    for result in &run.status.results {
                        table.value(&format!("{base}.{name}.results"), &result.name, &result.value);
                    }
                    if at_end {
                        table.text(
                            format!("tasks.{name}.reason"),
                            condition.map_or("", |condition| &condition.reason),
                        );
                    }
                    let ended_well = succeeded(condition);
                    failed |= !ended_well && !child.at_end;
                    if ended_well { "Succeeded" } else { "Failed" }
                }
                State::Waiting | State::Running | State::Skipped(_) => {
                    skipped |= !child.at_end;
                    "None"
                }
            };
            if at_end && !child.at_end {
                table.text(format!("tasks.{name}.status"), word);
            }
        }
        if at_end {
            let word = match (failed, skipped) {
                (true, _) => "Failed",
                (false, true) => "Completed",
                (false, false) => "Succeeded",
            };
            table.text("tasks.status", word);
        }
        table
    }
}
