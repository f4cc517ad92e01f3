//! The controller as a process of its own: started, asked, told to stop, killed.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::servers::free;
use crate::{http, usage};

/// A running controller; killed when dropped.
pub(crate) struct Controller {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Controller {
    /// Starts one under a name, with the rights of its service account.
    pub(crate) fn start(
        binary: &Path,
        kubeconfig: &Path,
        folder: &Path,
        name: &str,
        more: &[&str],
    ) -> Result<Self> {
        Self::start_with(binary, kubeconfig, folder, name, more, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn start_with(
        binary: &Path,
        kubeconfig: &Path,
        folder: &Path,
        name: &str,
        more: &[&str],
        environment: &[(&str, String)],
    ) -> Result<Self> {
        let address = free()?;
        let log = folder.join(format!("controller-{name}.log"));
        let written = File::options().create(true).append(true).open(&log)?;
        let listen = address.to_string();
        let process = Command::new(binary)
            .env_clear()
            .env("HOME", folder)
            .envs(environment.iter().map(|(name, value)| (name, value)))
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
            .args(more)
            .stdin(Stdio::null())
            .stdout(written.try_clone()?)
            .stderr(written)
            .spawn()
            .context("the controller does not start")?;
        Ok(Self { process, address, log })
    }

    /// What it says at a path; empty where it does not listen yet.
    pub(crate) fn ask(&self, path: &str) -> String {
        let asked = || http::plain(self.address)?.ask(&http::request("GET", path, "text/plain", b""));
        asked().map(|answer| String::from_utf8_lossy(&answer.body).into_owned()).unwrap_or_default()
    }

    /// A counter of its, zero where it does not say.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let text = self.ask("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// The memory it has resident now, in MiB.
    pub(crate) fn resident(&self) -> Result<u64> {
        usage::resident(self.process.id())
    }

    /// The most memory it ever had resident, in MiB.
    pub(crate) fn peak(&self) -> Result<u64> {
        usage::peak(self.process.id())
    }

    /// The seconds of processor time it has taken.
    pub(crate) fn processor(&self) -> Result<f64> {
        usage::processor(self.process.id())
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
            bail!("told to stop, the controller ended with {status}: {}", self.last_words());
        }
        Ok(())
    }

    /// How it is, what it counts, and the end of its log.
    pub(crate) fn state(&self) -> String {
        let metrics = self.ask("/metrics");
        let counted: Vec<&str> = metrics.lines().filter(|line| !line.starts_with('#')).collect();
        format!("{}{}\n{}", self.ask("/readiness"), counted.join("\n"), self.last_words())
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
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
