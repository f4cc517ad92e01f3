//! The face of Provost: commands, printing, exit codes.
//!
//! Nothing here decides; it reads arguments, asks the crates below, and says what they found in the words of
//! the program whose command was typed.

mod chains_config;
mod cli;
mod command;
mod environment;
mod face;
mod failure;
mod go_os;
mod key_reference;
mod machine;
mod password;
mod registry_flags;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command line, program name first, and returns its exit code: 0 done, 1 refused or failed, others as
/// the command's original has them.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let face = face::Face::of_process();
    match cli::run(arguments, &face) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&face),
    }
}
