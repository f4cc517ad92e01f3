//! Servers that checks start: each on a free port of this machine, ended when dropped.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::usage;

/// How long a server may take to listen: docker-registry takes a tenth of a second, moto two.
const START: Duration = Duration::from_secs(60);
/// How often a server that does not answer yet is asked again.
pub(crate) const AGAIN: Duration = Duration::from_millis(20);

/// A running server.
pub struct Server {
    process: Child,
    /// Where it listens.
    pub address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Starts a program that will listen on `address`, with what it says in a file of that name below `folder`.
    ///
    /// # Errors
    /// When it does not start, or ends, or does not listen in a minute; the error holds the end of its log.
    pub fn start(mut command: Command, name: &str, folder: &Path, address: SocketAddr) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let written = File::create(&log)?;
        let process = command
            .stdin(Stdio::null())
            .stdout(written.try_clone()?)
            .stderr(written)
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        let mut server = Self { process, address, log };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.process.try_wait()? {
                bail!("{name} ended with {status}: {}", server.last_words());
            }
            if began.elapsed() > START {
                bail!("{name} does not listen on {address}: {}", server.last_words());
            }
            thread::sleep(AGAIN);
        }
        Ok(server)
    }

    /// Debian's docker-registry over a folder of its own below `folder`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn docker_registry(folder: &Path) -> Result<Self> {
        Self::docker_registry_at(folder, free()?)
    }

    /// The same at an address, over what one at that address left below `folder`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn docker_registry_at(folder: &Path, address: SocketAddr) -> Result<Self> {
        let storage = folder.join(format!("docker-registry-{}", address.port()));
        fs::create_dir_all(&storage)?;
        let configuration = storage.join("registry.yml");
        fs::write(
            &configuration,
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: \"{address}\"}}\n",
                storage.display()
            ),
        )?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&configuration);
        Self::start(command, "docker-registry", folder, address)
    }

    /// The registry inside the binary, over a folder of its own below `folder`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn provost_registry(binary: &Path, folder: &Path) -> Result<Self> {
        Self::provost_registry_with(binary, folder, &[])
    }

    /// The same with further arguments.
    ///
    /// # Errors
    /// When it does not start.
    pub fn provost_registry_with(binary: &Path, folder: &Path, more: &[&str]) -> Result<Self> {
        let address = free()?;
        let mut command = Command::new(binary);
        command.arg("registry").args(more);
        command.args(["--listen", &address.to_string(), "--dir"]);
        command.arg(folder.join(format!("provost-registry-{}", address.port()))).env("HOME", folder);
        Self::start(command, "provost-registry", folder, address)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The file with what it said.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// The seconds of processor time it has taken.
    pub(crate) fn processor(&self) -> Result<f64> {
        usage::processor(self.process.id())
    }

    /// The last lines it said.
    pub fn last_words(&self) -> String {
        let lines: Vec<String> = File::open(&self.log)
            .map(|file| BufReader::new(file).lines().map_while(Result::ok).collect())
            .unwrap_or_default();
        lines.iter().rev().take(12).rev().cloned().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A loopback address that was free a moment ago.
///
/// # Errors
/// When the machine has no port left.
pub fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
