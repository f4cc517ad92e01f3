//! The inside of a step of `provost run`: enters its namespaces and becomes its command.

use std::path::PathBuf;

use crate::face::Face;
use crate::failure::Failure;

/// What the runner starts for each step.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The second process, the first of the new namespaces.
    #[arg(long)]
    inside: bool,
    /// What to run.
    file: PathBuf,
}

/// Becomes the step's command, or ends with its exit code.
///
/// # Errors
/// The step's own exit code; an inability to enter is also left where the runner reads it.
pub(crate) fn run(args: Args, _face: &Face) -> Result<(), Failure> {
    match provost_tekton::enter_step(&args.file, args.inside)? {
        0 => Ok(()),
        code => Err(Failure::quiet(code)),
    }
}
