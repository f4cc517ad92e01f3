//! Benchmarks, each beside the peer where one is at hand.

use anyhow::Result;

use crate::shell;

/// Times the demo's commands through the real binary: start-up, and the whole road.
pub(crate) fn run() -> Result<()> {
    shell::run("cargo", &["build", "--release", "--quiet", "--package", "provost"])?;
    shell::run("target/release/provost", &["demo", "--json"])
}
