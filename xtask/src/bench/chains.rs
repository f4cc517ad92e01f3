//! How fast a backlog of finished runs is signed, in how much memory, and what binds: on our own registry and on docker-registry,
//! beside a bare uploader and bare requests to the API server.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::bare;
use crate::cluster::Cluster;
use crate::controller::Controller;
use crate::servers::Server;
use crate::shell;
use crate::tekton::{self, Call, Ground};

/// How many runs wait, unless another number is given.
const RUNS: usize = 1000;
/// How many are made at a time.
const BATCH: usize = 50;
const AGAIN: Duration = Duration::from_millis(200);
/// The longest that nothing may happen.
const PATIENCE: Duration = Duration::from_secs(120);
/// The memory that signing may take, in MiB; the opening of the key, which is shown apart, needs 64 more for a moment.
const MEMORY: u64 = 60;
/// Runs a second into our own registry.
const RATE: f64 = 100.0;
/// What of a bare uploader's pace on docker-registry is to be reached.
const SHARE: f64 = 0.8;
/// With how many connections the bare uploader tries its luck, each with every fourth run.
const AT_ONCE: [usize; 4] = [4, 8, 16, 32];

/// How it is asked for.
const USAGE: &str = "cargo xtask bench chains [--bin PROGRAM] [--runs NUMBER] [--workers NUMBER] [--registry ours|docker-registry]";

/// What is the same in each round.
struct Bench {
    ground: Ground,
    count: usize,
    more: Vec<String>,
    missed: Vec<String>,
}

/// Makes the runs, starts the controller, and says what it took.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let (mut binary, mut count, mut more, mut only) = (None, RUNS, Vec::new(), None);
    for pair in arguments.chunks(2) {
        match *pair {
            ["--bin", path] => binary = Some(std::path::absolute(path)?),
            ["--runs", number] => count = number.parse()?,
            ["--workers", number] => more = vec!["--workers".to_owned(), number.to_owned()],
            ["--registry", name @ ("ours" | "docker-registry")] => only = Some(name),
            _ => bail!("usage: {USAGE}"),
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
    let ground = Ground::new(&binary)?;
    let storage = json!({"artifacts.taskrun.storage": "oci", "artifacts.oci.storage": "oci"});
    tekton::configure(&ground.cluster, &storage)?;
    let mut bench = Bench { ground, count, more, missed: Vec::new() };
    if only.is_none_or(|name| name == "ours") {
        let registry = Server::provost_registry(&binary, bench.ground.place.folder())?;
        let rate = bench.round("ours", &registry)?;
        if rate < RATE {
            bench.missed.push(format!("ours: {rate:.1} runs a second, the target is {RATE}"));
        }
        bench.bare_cluster("bench-ours")?;
    }
    if only.is_none_or(|name| name == "docker-registry") {
        let registry = Server::docker_registry(bench.ground.place.folder())?;
        let rate = bench.round("docker-registry", &registry)?;
        let bare = bench.bare_uploads(&registry)?;
        shell::say(&format!("docker-registry: {:.0} % of the bare uploader", 100.0 * rate / bare));
        if rate < SHARE * bare {
            bench
                .missed
                .push(format!("docker-registry: {rate:.1} runs a second, {SHARE} of {bare:.1} are wanted"));
        }
    }
    match bench.missed.is_empty() {
        true => Ok(()),
        false => bail!("missed: {}", bench.missed.join("; ")),
    }
}

/// The repository and the digest of the image that a run built.
fn image(number: usize) -> (String, String) {
    (format!("bench/app-{}", number % 10), format!("{number:064x}"))
}

impl Bench {
    /// So many runs wait, and are signed; how many a second from the start of the process.
    fn round(&mut self, name: &str, registry: &Server) -> Result<f64> {
        let Ground { cluster, place, kubeconfig } = &self.ground;
        let namespace = format!("bench-{name}");
        cluster.kubectl(&["create", "namespace", &namespace])?;
        for at in (0..self.count).step_by(BATCH) {
            let (mut made, mut ended): (Vec<Call>, Vec<Call>) = (Vec::new(), Vec::new());
            for number in at..(at + BATCH).min(self.count) {
                let (repository, digest) = image(number);
                let image = format!("{}/{repository}@sha256:{digest}", registry.address);
                let (make, end) = tekton::task_run(&namespace, &format!("run-{number}"), &image, None);
                made.push(make);
                ended.push(end);
            }
            tekton::send(cluster, &made)?;
            tekton::send(cluster, &ended)?;
        }
        let more: Vec<&str> = self.more.iter().map(String::as_str).collect();
        let before = Taken::now(cluster, registry)?;
        let began = Instant::now();
        let controller = Controller::start(place.binary(), kubeconfig, place.folder(), name, &more)?;
        let (mut opened, mut opening, mut most) = (None, 0, 0);
        let (mut done, mut changed) = (0, Instant::now());
        let wanted = u64::try_from(self.count)?;
        while done < wanted {
            let now = controller.counter("watcher_taskrun_marked_signed_total");
            match now {
                0 => opening = controller.peak()?,
                _ => {
                    most = most.max(controller.resident()?);
                    opened.get_or_insert((now, began.elapsed()));
                }
            }
            if now > done {
                (done, changed) = (now, Instant::now());
            } else if changed.elapsed() > PATIENCE {
                bail!("{done} of {} runs are signed: {}", self.count, controller.last_words());
            }
            if done < wanted {
                thread::sleep(AGAIN);
            }
        }
        let took = began.elapsed().as_secs_f64();
        let count = f64::from(u32::try_from(self.count)?);
        let (first, since) = opened.unwrap_or_default();
        let steady = (count - first as f64) / (took - since.as_secs_f64());
        let rate = count / took;
        shell::say(&format!(
            "{name}: {count} runs in {took:.1} s from the start of the process, {rate:.1} a second, {steady:.1} once the first was seen after {:.1} s; \
             at most {most} MiB resident while signing, {opening} MiB at the peak of opening the key",
            since.as_secs_f64()
        ));
        let own = controller.processor()?;
        let taken = Taken::now(cluster, registry)?.since(&before);
        let each = |seconds: f64| seconds * 1000.0 / count;
        shell::say(&format!(
            "{name}: processor for a run: controller {:.1} ms, registry {:.1} ms, API server {:.1} ms, etcd {:.1} ms; requests for a run to the API server: {}",
            each(own),
            each(taken.registry),
            each(taken.server),
            each(taken.etcd),
            taken
                .requests
                .iter()
                .map(|(verb, number)| format!("{:.2} {verb}", number / count))
                .collect::<Vec<_>>()
                .join(", ")
        ));
        if most > MEMORY {
            self.missed.push(format!("{name}: {most} MiB resident, the target is {MEMORY}"));
        }
        controller.stop()?;
        Ok(rate)
    }

    /// What the API server takes of one who does nothing but read each run and patch it.
    fn bare_cluster(&self, namespace: &str) -> Result<()> {
        let path =
            |number: usize| format!("/apis/tekton.dev/v1/namespaces/{namespace}/taskruns/run-{number}");
        let patch = json!({"metadata": {"annotations": {
            "chains.tekton.dev/signed": "true", "example.com/bare": "r".repeat(600)}}});
        let call = |method, number, body: &Value| Call { method, path: path(number), body: body.clone() };
        let before = self.ground.cluster.processor()?;
        for (method, body) in [("GET", Value::Null), ("PATCH", patch)] {
            let calls: Vec<Call> = (0..self.count).map(|number| call(method, number, &body)).collect();
            let began = Instant::now();
            tekton::send(&self.ground.cluster, &calls)?;
            let took = began.elapsed().as_secs_f64();
            shell::say(&format!(
                "API server: {} bare {method} by eight at once in {took:.1} s, {:.0} a second",
                self.count,
                f64::from(u32::try_from(self.count)?) / took
            ));
        }
        let after = self.ground.cluster.processor()?;
        let each = |seconds: f64| seconds * 1000.0 / self.count as f64;
        shell::say(&format!(
            "API server: processor for one of each: API server {:.1} ms, etcd {:.1} ms",
            each(after.0 - before.0),
            each(after.1 - before.1)
        ));
        Ok(())
    }

    /// How many runs' worth a second another docker-registry takes of a bare uploader, with the number of connections that
    /// does best.
    fn bare_uploads(&self, registry: &Server) -> Result<f64> {
        let tags: Vec<(String, String)> = (0..self.count)
            .map(image)
            .flat_map(|(name, digest)| {
                ["att", "sig"].map(|kind| (name.clone(), format!("sha256-{digest}.{kind}")))
            })
            .collect();
        let all = bare::collect(registry.address, &tags)?;
        let folder = self.ground.place.folder();
        let runs = |uploads: usize| f64::from(u32::try_from(uploads).unwrap_or(u32::MAX)) / 2.0;
        let (mut best, mut at_once) = (0.0, 0);
        for connections in AT_ONCE {
            let registry = Server::docker_registry(folder)?;
            let part = all.get(..all.len().div_ceil(4)).unwrap_or(&all);
            let rate = runs(part.len()) / bare::upload(registry.address, part, connections)?.as_secs_f64();
            if rate > best {
                (best, at_once) = (rate, connections);
            }
        }
        let registry = Server::docker_registry(folder)?;
        let before = registry.processor()?;
        let rate = runs(all.len()) / bare::upload(registry.address, &all, at_once)?.as_secs_f64();
        shell::say(&format!(
            "docker-registry: a bare uploader of the same bytes: {rate:.1} runs a second with {at_once} connections, {:.1} ms of the registry's processor each",
            (registry.processor()? - before) * 1000.0 / runs(all.len())
        ));
        Ok(rate)
    }
}

/// What the servers have taken so far.
struct Taken {
    registry: f64,
    server: f64,
    etcd: f64,
    /// Requests about TaskRuns that the API server answered, by verb.
    requests: Vec<(String, f64)>,
}

impl Taken {
    fn now(cluster: &Cluster, registry: &Server) -> Result<Self> {
        let (server, etcd) = cluster.processor()?;
        let metrics = cluster.kubectl(&["get", "--raw=/metrics"])?;
        let mut requests: Vec<(String, f64)> =
            ["GET", "PATCH", "LIST"].map(|verb| (verb.to_owned(), 0.0)).into();
        let about = metrics.lines().filter(|line| {
            line.starts_with("apiserver_request_total{") && line.contains(r#"resource="taskruns""#)
        });
        for line in about {
            let number: f64 = line.rsplit(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0);
            for (verb, sum) in &mut requests {
                if line.contains(&format!(r#"verb="{verb}""#)) {
                    *sum += number;
                }
            }
        }
        Ok(Self { registry: registry.processor()?, server, etcd, requests })
    }

    fn since(mut self, before: &Self) -> Self {
        self.registry -= before.registry;
        self.server -= before.server;
        self.etcd -= before.etcd;
        for ((_, now), (_, then)) in self.requests.iter_mut().zip(&before.requests) {
            *now -= then;
        }
        self
    }
}
