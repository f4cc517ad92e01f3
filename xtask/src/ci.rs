//! What CI runs: the README's test command first, then what needs real parts, then the replays.

use anyhow::Result;

use crate::{e2e, fetched, replays, shell};

/// How the closing line of each test binary begins.
const CLOSING: &str = "test result:";

/// Runs everything; the first failure ends it.
///
/// # Errors
/// The first check that failed.
pub fn run() -> Result<()> {
    // Eleven minutes of Go, once for each machine, while cargo works; who needs the server first waits for it.
    let _server = fetched::kube_apiserver_meanwhile();
    let mut closing = shell::run_collecting("cargo", &["test"], CLOSING)?;
    closing.extend(shell::run_collecting("cargo", &["test", "--package", "xtask"], CLOSING)?);
    // The features are in no default build, so nothing else would notice that one does not compile.
    let storages = ["test", "--package", "provost-storage", "--all-features"];
    closing.extend(shell::run_collecting("cargo", &storages, CLOSING)?);
    shell::run("cargo", &["fmt", "--all", "--check"])?;
    shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    shell::run("cargo", &["run", "--release", "--quiet", "--", "demo"])?;
    e2e::run(&["--short"])?;
    replays::run()?;
    shell::say("\n== the tests, once more");
    closing.iter().for_each(|line| shell::say(line));
    Ok(())
}
