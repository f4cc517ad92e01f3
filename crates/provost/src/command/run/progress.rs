//! What a person sees of a run: the steps' own lines as they come, and how each task ended.

use provost_tekton::object::Condition;
use provost_tekton::run::{Event, Finished, RunEvents};

use crate::face::Face;

/// Tells a run on standard error, so that standard output holds its objects only.
pub(super) struct Progress<'f> {
    face: &'f Face,
}

impl<'f> Progress<'f> {
    pub(super) fn new(face: &'f Face) -> Self {
        Self { face }
    }

    /// The last line: how the run that was asked for ended.
    pub(super) fn ended(&self, finished: &Finished) {
        let Some(condition) = finished.condition() else { return };
        let name = match (&finished.pipeline_run, finished.task_runs.first()) {
            (Some(run), _) => format!("PipelineRun {}", run.metadata.name),
            (None, Some(run)) => format!("TaskRun {}", run.metadata.name),
            (None, None) => return,
        };
        self.face.say(format!("{name} {}", told(condition)));
    }
}

impl RunEvents for Progress<'_> {
    fn happened(&self, event: Event<'_>) {
        match event {
            Event::TaskStarted { task, task_run } => {
                self.face.say(format!("[{task}] started as TaskRun {task_run}"))
            }
            Event::Line { task, step, text, .. } => {
                self.face.say(format!("[{task} : {step}] {}", printable(text)))
            }
            Event::StepEnded { task, step, code } if code != 0 => {
                self.face.say(format!("[{task} : {step}] ended with exit code {code}"));
            }
            Event::StepStarted { .. } | Event::StepEnded { .. } => {}
            Event::TaskEnded { task, condition } => self.face.say(format!("[{task}] {}", told(condition))),
            Event::TaskSkipped { task, reason } => self.face.say(format!("[{task}] skipped: {reason}")),
        }
    }
}

fn told(condition: &Condition) -> String {
    if condition.status == "True" {
        return format!("succeeded: {}", condition.message);
    }
    format!("failed ({}): {}", condition.reason, condition.message)
}

/// A step's line with its colours, and without anything else that would act on the reader's terminal.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let tail = rest.get(c.len_utf8()..).unwrap_or_default();
        match colour(tail).filter(|_| c == '\u{1b}') {
            Some(length) => {
                out.push(c);
                out.push_str(tail.get(..length).unwrap_or_default());
                rest = tail.get(length..).unwrap_or_default();
            }
            None => {
                if !c.is_control() || c == '\t' {
                    out.push(c);
                }
                rest = tail;
            }
        }
    }
    out
}

/// The length of a colour's sequence after its escape character: `[`, numbers and semicolons, `m`.
fn colour(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix('[')?;
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    numbers.get(end..)?.starts_with('m').then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn only_colours_reach_the_terminal() {
        assert_eq!(printable("\u{1b}[1;31mred\u{1b}[0m\ttab"), "\u{1b}[1;31mred\u{1b}[0m\ttab");
        assert_eq!(printable("a\u{1b}[2Jb\u{1b}]0;title\u{7}c\rd\u{9b}31m"), "a[2Jb]0;titlecd31m");
        assert_eq!(printable("\u{1b}"), "");
    }
}
