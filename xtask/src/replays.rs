//! The replays of recorded peers that lie beside the project, with the shares each must reach.

use anyhow::{Result, bail};

use crate::shell;

/// One replay: the tool, its arguments, and what it is held to.
struct Replay {
    tool: &'static str,
    only: &'static str,
    least: &'static str,
    divergences: Option<&'static str>,
    /// Whether it replays CUE's own archives instead of the recorded probes.
    archives: bool,
    /// Whether the questions go to the running gate, over TLS, instead of to a command.
    by_gate: bool,
}

const COSIGN: Option<&str> = Some("corpus/divergences/cosign.json");
const CHAINS: Option<&str> = Some("corpus/divergences/chains.json");
const KYVERNO: Option<&str> = Some("corpus/divergences/kyverno.json");

const REPLAYS: [Replay; 10] = [
    Replay {
        tool: "cosign-diff",
        only: "^(seed(?!.*-bundle-)|nopolicy|tag|text|two|bad)",
        least: "0.98",
        divergences: COSIGN,
        archives: false,
        by_gate: false,
    },
    Replay {
        tool: "cosign-diff",
        only: "",
        least: "0.98",
        divergences: COSIGN,
        archives: false,
        by_gate: false,
    },
    Replay {
        tool: "chains-diff",
        only: "",
        least: "0.98",
        divergences: CHAINS,
        archives: false,
        by_gate: false,
    },
    Replay {
        tool: "kyverno-diff",
        only: "^seed",
        least: "0.95",
        divergences: KYVERNO,
        archives: false,
        by_gate: false,
    },
    Replay {
        tool: "kyverno-diff",
        only: "",
        least: "0.97",
        divergences: KYVERNO,
        archives: false,
        by_gate: false,
    },
    Replay {
        tool: "kyverno-diff",
        only: "",
        least: "0.97",
        divergences: KYVERNO,
        archives: false,
        by_gate: true,
    },
    Replay {
        tool: "apply-diff",
        only: "",
        least: "0.95",
        divergences: KYVERNO,
        archives: false,
        by_gate: false,
    },
    Replay { tool: "cue-diff", only: "", least: "0.98", divergences: None, archives: false, by_gate: false },
    Replay { tool: "cue-diff", only: "", least: "0.95", divergences: None, archives: true, by_gate: false },
    Replay { tool: "jp-diff", only: "", least: "0.99", divergences: None, archives: false, by_gate: false },
];

/// Replays all of them against the release binary; without the recordings there is nothing to do, and it says so.
///
/// # Errors
/// The replays below their share.
pub fn run() -> Result<()> {
    let tools = shell::root().join("../shared/tools");
    if !tools.is_dir() {
        shell::say("no recordings beside the project: replays left out");
        return Ok(());
    }
    shell::install(&[("docker-registry", "docker-registry"), ("python3", "python3"), ("curl", "curl")])?;
    shell::run("cargo", &["build", "--release", "--quiet", "--package", "provost"])?;
    // The tools change folders, so the binary's path must be whole.
    let binary = shell::root().join("target/release/provost");
    let binary = binary.to_string_lossy();
    let gate = std::env::current_exe()?;
    let gate = gate.to_string_lossy();
    let mut failed = Vec::new();
    for replay in &REPLAYS {
        let tool = tools.join(replay.tool);
        let tool = tool.to_string_lossy();
        let asked = if replay.by_gate { &gate } else { &binary };
        let mut arguments =
            vec![tool.as_ref(), "--bin", asked.as_ref(), "--only", replay.only, "--min", replay.least];
        if replay.archives {
            arguments.push("--corpus");
        }
        if let Some(file) = replay.divergences {
            arguments.extend(["--divergences", file]);
        }
        if let Err(error) = shell::run("python3", &arguments) {
            let by = if replay.by_gate { " by the gate" } else { "" };
            failed.push(format!("{}{by}: {error}", replay.tool));
        }
    }
    if !failed.is_empty() {
        bail!("replays below their share: {}", failed.join("; "));
    }
    Ok(())
}
