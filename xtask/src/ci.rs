//! What CI runs: the README's test command first, then what needs real parts, then the replays.

use anyhow::Result;

use crate::{e2e, replays, shell};

/// Runs everything; the first failure ends it.
///
/// # Errors
/// The first check that failed.
pub fn run() -> Result<()> {
    shell::run("cargo", &["test"])?;
    shell::run("cargo", &["test", "--quiet", "--package", "xtask"])?;
    shell::run("cargo", &["fmt", "--all", "--check"])?;
    shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    shell::run("cargo", &["run", "--release", "--quiet", "--", "demo"])?;
    e2e::run()?;
    replays::run()
}
