//! Runs the corpus of runs, and enters its own steps: the runner starts this very program again.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test that cannot go on should say where"
)]

mod cases;
mod processes;

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use provost_tekton::step::{INSIDE, SUBCOMMAND};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    // Before anything starts a thread.
    if arguments.get(1).is_some_and(|first| first == SUBCOMMAND) {
        let inside = arguments.iter().any(|argument| argument == INSIDE);
        let file = PathBuf::from(arguments.last().cloned().unwrap_or_default());
        return provost_tekton::enter_step(&file, inside).map_or(ExitCode::FAILURE, ExitCode::from);
    }
    let mut trials: Vec<Trial> = cases::trials();
    trials.extend(processes::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
