//! Benchmarks of the real binary, beside the programs it replaces where they are given.

mod verify;

use anyhow::{Result, bail};

/// Runs the benchmark named first: `verify [--bin PROGRAM] [--cosign PROGRAM]`.
///
/// # Errors
/// When a command fails or a target is missed.
pub fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["verify", rest @ ..] => verify::run(rest),
        _ => bail!("usage: cargo xtask bench verify [--bin PROGRAM] [--cosign PROGRAM]"),
    }
}

/// Runs a program and says on standard error how many KiB it took at its peak; for use in a process of its own, since
/// the kernel keeps the peak of all children together.
///
/// # Errors
/// When the program does not start, or fails.
pub fn measure(words: &[&str]) -> Result<()> {
    verify::measure(words)
}
