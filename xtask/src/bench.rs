//! Benchmarks of the real binary, beside the programs it replaces where they are given.

mod admission;
mod bare;
mod chains;
mod load;
mod verify;

use anyhow::{Result, bail};

use crate::shell;

/// Runs the benchmark named first: `verify [--bin PROGRAM] [--cosign PROGRAM]`, `chains [--bin PROGRAM] [--runs NUMBER] [--registry NAME]`,
/// `admission [--bin PROGRAM] [--kyverno PROGRAM --kyverno-crds FOLDER]`, `cue` (with the peer's program in `CUE`, beside it) or `policy`.
///
/// # Errors
/// When a command fails or a target is missed.
pub fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["verify", rest @ ..] => verify::run(rest),
        ["chains", rest @ ..] => chains::run(rest),
        ["admission", rest @ ..] => admission::run(rest),
        ["cue"] => in_process("provost-cue", "documents"),
        ["policy"] => in_process("provost-gate", "answers"),
        _ => bail!(
            "usage: cargo xtask bench verify [--bin PROGRAM] [--cosign PROGRAM] | chains [--bin PROGRAM] [--runs NUMBER] [--registry NAME] | admission [--bin PROGRAM] [--kyverno PROGRAM --kyverno-crds FOLDER] | cue | policy"
        ),
    }
}

/// A benchmark that needs no other program: a bench target of its crate.
fn in_process(package: &str, bench: &str) -> Result<()> {
    shell::run("cargo", &["bench", "--quiet", "--package", package, "--bench", bench])
}

/// Runs a program and says on standard error how many KiB it took at its peak; for use in a process of its own, since
/// the kernel keeps the peak of all children together.
///
/// # Errors
/// When the program does not start, or fails.
pub fn measure(words: &[&str]) -> Result<()> {
    verify::measure(words)
}
