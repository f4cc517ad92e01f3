//! The gate of step 9: a process of its own, asked over TLS as an API server asks.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use provost_registry::{Pem, RemoteOptions, TlsOptions, service_client};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr};

use super::scene::{Done, Scene};
use crate::failure::Failure;

/// How long the gate may take to begin, or to see that a policy has changed; it takes a quarter of a second.
const LONGEST: Duration = Duration::from_secs(30);

/// A gate at work.
pub(super) struct Gate {
    process: Child,
    said: Lines<BufReader<ChildStderr>>,
    url: String,
    client: reqwest::Client,
}

impl Gate {
    /// Starts it on a free loopback port, judging by `policy.yaml`.
    pub(super) async fn start(scene: &mut Scene<'_>) -> Result<Self, Failure> {
        let mut arguments = vec!["admission", "--policies", "policy.yaml", "--objects", "objects.yaml"];
        arguments.extend(["--certificate-dir", "certificate", "--listen", "127.0.0.1:0"]);
        let mut command = scene.command(&arguments);
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let said = process.stderr.take().ok_or_else(|| Failure::new("the gate has no standard error"))?;
        let mut said = BufReader::new(said).lines();
        let line = heard(&mut said, "answering on ").await?;
        let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
        let address = url.trim_start_matches("https://");
        let shown = format!("provost {}", arguments.join(" ").replace("127.0.0.1:0", address));
        scene.tell(&format!("   $ {shown} &"));
        let tls = TlsOptions {
            authorities: Some(Pem::File(scene.folder.join("certificate/tls.crt"))),
            ..TlsOptions::default()
        };
        let client = service_client(&RemoteOptions { tls, ..RemoteOptions::default() })?;
        Ok(Self { process, said, url, client })
    }

    /// Returns once the gate judges by what `policy.yaml` says now.
    pub(super) async fn reads_again(&mut self) -> Result<(), Failure> {
        heard(&mut self.said, "read again: ").await.map(|_| ())
    }

    /// Asks about the review in a file, as the shown command would.
    pub(super) async fn ask(&self, scene: &mut Scene<'_>, path: &str, file: &str) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.url);
        let shown = format!(
            "curl --cacert certificate/tls.crt --header 'Content-Type: application/json' --data @{file} {url}"
        );
        scene.tell(&format!("   $ {shown}"));
        let body = scene.read(file)?;
        let asked = self.client.post(&url).header("Content-Type", "application/json").body(body);
        let stdout = asked.send().await?.error_for_status()?.text().await?;
        scene.done(Done { command: shown, exit: 0, stdout: stdout.clone(), stderr: String::new() });
        Ok(serde_json::from_str(&stdout)?)
    }

    /// Tells it to stop; it must end well.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        if let Some(id) = self.process.id().and_then(|id| i32::try_from(id).ok()) {
            kill(Pid::from_raw(id), Signal::SIGTERM)?;
        }
        let status = self.process.wait().await?;
        match status.success() {
            true => Ok(()),
            false => Err(Failure::new(format!("the gate ended with {status}"))),
        }
    }
}

/// The next line that holds these words.
async fn heard(said: &mut Lines<BufReader<ChildStderr>>, words: &str) -> Result<String, Failure> {
    let mut last = String::new();
    let search = async {
        while let Some(line) = said.next_line().await? {
            if line.contains(words) {
                return Ok(line);
            }
            last = line;
        }
        Err(Failure::new(format!("the gate ended: {last}")))
    };
    match tokio::time::timeout(LONGEST, search).await {
        Ok(found) => found,
        Err(_) => Err(Failure::new(format!("the gate did not say {words:?} in {} s", LONGEST.as_secs()))),
    }
}

/// The patch that an answer carries, for people to read.
pub(super) fn patch(response: &Value) -> Result<String, Failure> {
    let patch = response.get("patch").and_then(Value::as_str).unwrap_or_default();
    Ok(String::from_utf8(STANDARD.decode(patch)?)?)
}
