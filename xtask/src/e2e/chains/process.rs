//! The controller as a process of its own: started, asked, told to stop, killed.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::servers::free;
use crate::shell;

/// A running controller; killed when dropped.
pub(super) struct Controller {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Controller {
    /// Starts one under a name, with the rights of its service account.
    pub(super) fn start(binary: &Path, kubeconfig: &Path, folder: &Path, name: &str) -> Result<Self> {
        let address = free()?;
        let log = folder.join(format!("controller-{name}.log"));
        let written = File::options().create(true).append(true).open(&log)?;
        let listen = address.to_string();
        let process = Command::new(binary)
            .env_clear()
            .env("HOME", folder)
            .args([
                "controller",
                "--identity",
                name,
                "--metrics-address",
                &listen,
                "--health-address",
                &listen,
            ])
            .args(["--signing-secrets-dir", "/nonexistent", "--kubeconfig"])
            .arg(kubeconfig)
            .stdin(Stdio::null())
            .stdout(written.try_clone()?)
            .stderr(written)
            .spawn()
            .context("the controller does not start")?;
        Ok(Self { process, address, log })
    }

    /// What it says at a path; empty where it does not listen yet.
    pub(super) fn ask(&self, path: &str) -> String {
        shell::output("curl", &["-s", "--max-time", "5", &format!("http://{}{path}", self.address)])
            .unwrap_or_default()
    }

    /// A counter of its, zero where it does not say.
    pub(super) fn counter(&self, name: &str) -> u64 {
        let text = self.ask("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// The memory it has resident now, in MiB.
    pub(super) fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024)
    }

    /// Ends it in the middle of whatever it does.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Tells it to stop, which it must do well.
    pub(super) fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.process.id())?), Signal::SIGTERM)?;
        let status = self.process.wait()?;
        if !status.success() {
            bail!("told to stop, the controller ended with {status}: {}", self.last_words());
        }
        Ok(())
    }

    /// The end of its log.
    pub(super) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().rev().take(20).rev().copied().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
