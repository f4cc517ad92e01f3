//! Requests to an API server with their answers: one at a time, or many side by side for as long as something goes on.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cluster::Cluster;

/// How many requests one round of a loader sends side by side.
const ROUND: usize = 8;

/// A request.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// What became of one.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Which of the requests it was.
    pub(crate) which: usize,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// 0 where there was no answer.
    pub(crate) status: u16,
    /// The message of a refusal.
    pub(crate) message: String,
}

impl Answer {
    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Who asks: what curl needs to know of the cluster.
#[derive(Clone)]
struct Asker {
    url: String,
    ca: PathBuf,
    token: String,
    folder: PathBuf,
}

impl Asker {
    fn of(cluster: &Cluster, name: &str) -> Result<Self> {
        let folder = cluster.folder().join(name);
        fs::create_dir_all(&folder)?;
        Ok(Self { url: cluster.url.clone(), ca: cluster.ca.clone(), token: cluster.token.clone(), folder })
    }

    fn send(&self, asks: &[(usize, &Ask)]) -> Result<Vec<Answer>> {
        let mut config = String::new();
        for (at, (_, ask)) in asks.iter().enumerate() {
            let kind = match ask.method {
                // Kinds that a CRD defines know no other patch.
                "PATCH" if ask.path.starts_with("/apis/tekton.dev/") => "application/merge-patch+json",
                "PATCH" => "application/strategic-merge-patch+json",
                _ => "application/json",
            };
            let quoted = ask.body.to_string().replace('\\', "\\\\").replace('"', "\\\"");
            let data = if ask.body.is_null() { String::new() } else { format!("data = \"{quoted}\"\n") };
            let next = if at == 0 { "" } else { "next\n" };
            let out = self.folder.join(at.to_string());
            fs::write(&out, "")?;
            writeln!(
                config,
                "{next}url = \"{}{}\"\ncacert = \"{}\"\nheader = \"Authorization: Bearer {}\"\nheader = \"Content-Type: {kind}\"\nrequest = {}\n{data}output = \"{}\"\nwrite-out = \"%{{filename_effective}} %{{http_code}}\\n\"",
                self.url,
                ask.path,
                self.ca.display(),
                self.token,
                ask.method,
                out.display(),
            )?;
        }
        let file = self.folder.join("curl.conf");
        fs::write(&file, config)?;
        let began = Instant::now();
        let output = Command::new("curl")
            .args([
                "-s",
                "--parallel",
                "--parallel-immediate",
                "--parallel-max",
                "200",
                "--max-time",
                "60",
                "-K",
            ])
            .arg(&file)
            .stdin(Stdio::null())
            .output()
            .context("curl does not start")?;
        let ended = Instant::now();
        let said = String::from_utf8_lossy(&output.stdout);
        let mut answers = Vec::new();
        for (at, (which, _)) in asks.iter().enumerate() {
            let out = self.folder.join(at.to_string());
            let line =
                said.lines().find_map(|line| line.strip_prefix(&*out.to_string_lossy())?.strip_prefix(' '));
            let status = line.and_then(|code| code.trim().parse().ok()).unwrap_or(0);
            let message = if (200..300).contains(&status) { String::new() } else { message(&out) };
            answers.push(Answer { which: *which, began, ended, status, message });
        }
        Ok(answers)
    }
}

fn message(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let said: Option<Value> = serde_json::from_str(&text).ok();
    said.and_then(|said| said.get("message")?.as_str().map(str::to_owned)).unwrap_or(text)
}

/// Sends one request.
pub(crate) fn ask(cluster: &Cluster, ask: &Ask) -> Result<Answer> {
    let answers = Asker::of(cluster, "asked")?.send(&[(0, ask)])?;
    answers.into_iter().next().context("an answer")
}

/// Sends requests side by side; the answers are in their order.
pub(crate) fn ask_all(cluster: &Cluster, asks: &[Ask]) -> Result<Vec<Answer>> {
    let asks: Vec<(usize, &Ask)> = asks.iter().enumerate().collect();
    Asker::of(cluster, "asked")?.send(&asks)
}

/// Requests that are sent again and again until somebody wants to know what became of them.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    loaders: Vec<JoinHandle<Result<Vec<Answer>>>>,
}

impl Load {
    /// Starts so many loaders, each of which sends these requests in turn.
    pub(crate) fn start(cluster: &Cluster, asks: &[Ask], loaders: usize) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut started = Vec::new();
        for number in 0..loaders {
            let asker = Asker::of(cluster, &format!("load-{number}"))?;
            let (asks, stop) = (asks.to_vec(), stop.clone());
            started.push(thread::spawn(move || {
                let (mut answers, mut turn) = (Vec::new(), number);
                while !stop.load(Ordering::Relaxed) {
                    let round: Vec<(usize, &Ask)> = (0..ROUND)
                        .filter_map(|at| {
                            let which = (turn + at) % asks.len().max(1);
                            Some((which, asks.get(which)?))
                        })
                        .collect();
                    answers.extend(asker.send(&round)?);
                    turn += ROUND;
                }
                Ok(answers)
            }));
        }
        Ok(Self { stop, loaders: started })
    }

    /// Stops, and tells what became of all.
    pub(crate) fn end(mut self) -> Result<Vec<Answer>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for loader in self.loaders.drain(..) {
            match loader.join() {
                Ok(answers) => all.extend(answers?),
                Err(_) => bail!("a loader broke down"),
            }
        }
        Ok(all)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
