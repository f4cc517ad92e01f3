//! `provost cue`: CUE's own verbs on files and modules, and `check`, which judges a document as `verify-attestation` does.

mod check;
mod decode;
mod def;
mod disk;
mod eval;
mod explain;
mod export;
mod flags;
mod fmt;
mod output;
mod place;
mod plan;
mod report;
mod vet;

use crate::face::Face;
use crate::failure::Failure;

/// Works with CUE files, packages and policies.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Checks a JSON document, as a statement, against policy files taken together.
    Check(check::Args),
    /// Validates CUE and data files.
    Vet(vet::Args),
    /// Evaluates, validates and prints a configuration.
    Eval(eval::Args),
    /// Prints a consolidated configuration with its constraints.
    Def(def::Args),
    /// Writes data in a standard format.
    Export(export::Args),
    /// Rewrites CUE files in the standard form.
    Fmt(fmt::Args),
}

/// Runs the verb. What does not hold is said on standard error, with exit 1.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    match args.verb {
        Verb::Check(args) => check::run(args, face),
        Verb::Vet(args) => vet::run(args, face),
        Verb::Eval(args) => eval::run(args, face),
        Verb::Def(args) => def::run(args, face),
        Verb::Export(args) => export::run(args, face),
        Verb::Fmt(args) => fmt::run(args, face),
    }
}
