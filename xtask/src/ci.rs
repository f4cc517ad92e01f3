//! What CI runs: the README's test command first, then what needs real parts, then the replays.

use anyhow::Result;

use crate::{e2e, replays, shell};

/// How the closing line of each test binary begins.
const CLOSING: &str = "test result:";

/// Runs everything; the first failure ends it.
///
/// # Errors
/// The first check that failed.
pub fn run() -> Result<()> {
    let mut closing = shell::run_collecting("cargo", &["test"], CLOSING)?;
    closing.extend(shell::run_collecting("cargo", &["test", "--package", "xtask"], CLOSING)?);
    shell::run("cargo", &["fmt", "--all", "--check"])?;
    shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    shell::run("cargo", &["run", "--release", "--quiet", "--", "demo"])?;
    e2e::run()?;
    replays::run()?;
    shell::say("\n== the tests, once more");
    closing.iter().for_each(|line| shell::say(line));
    Ok(())
}
