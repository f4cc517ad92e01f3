//! How fast a backlog of finished runs is signed, and in how much memory, on our own registry and on docker-registry.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use crate::controller::Controller;
use crate::servers::Server;
use crate::shell;
use crate::tekton::{self, Call, Ground};

/// How many runs wait, unless another number is given.
const RUNS: usize = 1000;
/// How many are made at a time.
const BATCH: usize = 50;
const AGAIN: Duration = Duration::from_millis(100);
/// The longest that a run is waited for.
const PATIENCE: Duration = Duration::from_secs(600);
/// The memory that signing may take, in MiB; the opening of the key, which is shown apart, needs 64 more for a moment.
const MEMORY: u64 = 60;

/// Makes the runs, starts the controller, and says what it took.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let (mut binary, mut count, mut more) = (None, RUNS, Vec::new());
    for pair in arguments.chunks(2) {
        match *pair {
            ["--bin", path] => binary = Some(std::path::absolute(path)?),
            ["--runs", number] => count = number.parse()?,
            ["--workers", number] => more = vec!["--workers", number],
            _ => bail!("usage: cargo xtask bench chains [--bin PROGRAM] [--runs NUMBER] [--workers NUMBER]"),
        }
    }
    shell::install(&[("docker-registry", "docker-registry"), ("curl", "curl")])?;
    let binary = match binary {
        Some(binary) => binary,
        None => {
            shell::run("cargo", &["build", "--release", "--quiet", "--package", "provost"])?;
            shell::root().join("target/release/provost")
        }
    };
    let Ground { cluster, place, kubeconfig } = Ground::new(&binary)?;
    let storage = json!({"artifacts.taskrun.storage": "oci", "artifacts.oci.storage": "oci"});
    tekton::configure(&cluster, &storage)?;
    let ours = Server::provost_registry(&binary, place.folder())?;
    let docker = Server::docker_registry(place.folder())?;
    let mut missed = Vec::new();
    for (name, registry) in [("ours", &ours), ("docker-registry", &docker)] {
        let namespace = format!("bench-{name}");
        cluster.kubectl(&["create", "namespace", &namespace])?;
        for at in (0..count).step_by(BATCH) {
            let (mut made, mut ended): (Vec<Call>, Vec<Call>) = (Vec::new(), Vec::new());
            for number in at..(at + BATCH).min(count) {
                let image = format!("{}/bench/app-{}@sha256:{number:064x}", registry.address, number % 10);
                let (make, end) = tekton::task_run(&namespace, &format!("run-{number}"), &image, None);
                made.push(make);
                ended.push(end);
            }
            tekton::send(&cluster, &made)?;
            tekton::send(&cluster, &ended)?;
        }
        let began = Instant::now();
        let controller = Controller::start(&binary, &kubeconfig, place.folder(), name, &more)?;
        let mut most = 0;
        let (mut opened, mut opening) = (None, 0);
        let wanted = u64::try_from(count)?;
        loop {
            let done = controller.counter("watcher_taskrun_marked_signed_total");
            if done > 0 {
                most = most.max(controller.resident()?);
                opened.get_or_insert(began.elapsed());
            } else {
                opening = controller.peak()?;
            }
            if done >= wanted {
                break;
            }
            if began.elapsed() > PATIENCE {
                bail!(
                    "{done} of {count} runs are signed after {} s: {}",
                    PATIENCE.as_secs(),
                    controller.last_words()
                );
            }
            thread::sleep(AGAIN);
        }
        let seconds = began.elapsed().as_secs_f64();
        let rate = f64::from(u32::try_from(count)?) / seconds;
        let processor = controller.processor()? * 1000.0 / f64::from(u32::try_from(count)?);
        shell::say(&format!(
            "{name}: {count} runs in {seconds:.1} s from the start of the process, {rate:.1} a second, {processor:.1} ms of processor each; \
             first after {:.1} s; at most {most} MiB resident while signing, {opening} MiB while opening the key",
            opened.unwrap_or_default().as_secs_f64()
        ));
        if most > MEMORY {
            missed.push(format!("{name}: {most} MiB resident, the target is {MEMORY}"));
        }
        if name == "ours" && rate < 100.0 {
            missed.push(format!("{name}: {rate:.1} runs a second, the target is 100"));
        }
        controller.stop()?;
    }
    if !missed.is_empty() {
        bail!("missed: {}", missed.join("; "));
    }
    Ok(())
}
