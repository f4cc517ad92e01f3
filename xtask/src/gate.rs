//! The gate as a process of its own: started, asked, told to stop, killed.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::servers::free;
use crate::shell;

/// A running gate; killed when dropped.
pub(crate) struct Gate {
    process: Child,
    /// Where it answers the API server.
    pub(crate) address: SocketAddr,
    /// Where it is asked how it is.
    probes: SocketAddr,
    log: PathBuf,
}

/// How one is started.
pub(crate) struct Start<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) kubeconfig: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) name: &'a str,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where the API server is told to ask.
    pub(crate) reached: SocketAddr,
    pub(crate) more: &'a [&'a str],
}

impl Gate {
    pub(crate) fn start(start: &Start<'_>) -> Result<Self> {
        let probes = free()?;
        let log = start.folder.join(format!("gate-{}.log", start.name));
        let written = File::options().create(true).append(true).open(&log)?;
        let process = Command::new(start.binary)
            .env_clear()
            .env("HOME", start.folder)
            .args(["admission", "--identity", start.name, "--kubeconfig"])
            .arg(start.kubeconfig)
            .args(["--serverIP", &start.reached.to_string()])
            .args(["--listen", &start.address.to_string()])
            .args(["--plain-address", &probes.to_string()])
            .args(start.more)
            .stdin(Stdio::null())
            .stdout(written.try_clone()?)
            .stderr(written)
            .spawn()
            .context("the gate does not start")?;
        Ok(Self { process, address: start.address, probes, log })
    }

    /// What it says at a path; empty where it does not listen yet.
    pub(crate) fn ask(&self, path: &str) -> String {
        let at = |scheme: &str, address: SocketAddr| {
            let url = format!("{scheme}://{address}{path}");
            shell::output("curl", &["-sk", "--max-time", "5", &url]).unwrap_or_default()
        };
        if path == "/metrics" { at("http", self.probes) } else { at("https", self.address) }
    }

    /// Whether it says that it is ready, and what it says otherwise.
    pub(crate) fn missing(&self) -> Option<String> {
        let said = self.ask("/health/readiness");
        (said.trim() != "ok").then(|| format!("not ready: {said:?}"))
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Tells it to stop, which it must do well.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.process.id())?), Signal::SIGTERM)?;
        let status = self.process.wait()?;
        if !status.success() {
            bail!("told to stop, the gate ended with {status}: {}", self.last_words());
        }
        Ok(())
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().rev().take(20).rev().copied().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
