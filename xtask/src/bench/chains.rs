//! How fast a backlog of finished runs is signed, in how much memory, and what binds: on our own registry and on docker-registry,
//! beside a bare uploader and bare requests to the API server; and that a run costs the same among many.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::bare;
use crate::controller::Controller;
use crate::http::Target;
use crate::servers::Server;
use crate::shell;
use crate::tekton::{self, Call, Ground};
use taken::{Taken, api_requests, between, registry_requests};

mod taken;

/// How many runs wait, unless another number is given.
const RUNS: usize = 1000;
/// Among how few and how many runs one must cost the same.
const FEW: usize = 100;
const MANY: usize = 10_000;
/// How much more one may cost among many: the figures of few runs lie so far apart from one time to the next.
const DEARER: f64 = 1.25;
/// How many are made at a time.
const BATCH: usize = 50;
/// How often the controller is asked how far it is.
const AGAIN: Duration = Duration::from_millis(50);
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
const DOCKER: &str = "docker-registry";

/// How it is asked for.
const USAGE: &str = "cargo xtask bench chains [--bin PROGRAM] [--runs NUMBER] [--workers NUMBER] [--registry ours|docker-registry]";

/// What is the same in each round.
struct Bench {
    ground: Ground,
    more: Vec<String>,
    missed: Vec<String>,
}

/// What a round showed.
struct Round {
    /// Runs a second, from the start of the process.
    rate: f64,
    cost: Cost,
}

/// Seconds of processor time.
#[derive(Clone, Copy)]
struct Cost {
    controller: f64,
    /// Of controller, registry, API server and etcd together.
    all: f64,
}

impl Cost {
    fn new(controller: f64, taken: &Taken) -> Self {
        Self { controller, all: controller + taken.registry + taken.server + taken.etcd }
    }

    /// Milliseconds for each of so many runs, less what a start without any takes.
    fn each(self, start: Self, count: usize) -> Self {
        let each = |all: f64, start: f64| (all - start) * 1000.0 / number(count);
        Self { controller: each(self.controller, start.controller), all: each(self.all, start.all) }
    }
}

/// Makes the runs, starts the controller, and says what it took.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let (mut binary, mut count, mut more, mut only) = (None, RUNS, Vec::new(), None);
    for pair in arguments.chunks(2) {
        match *pair {
            ["--bin", path] => binary = Some(std::path::absolute(path)?),
            ["--runs", number] => count = number.parse()?,
            ["--workers", number] => more = vec!["--workers".to_owned(), number.to_owned()],
            ["--registry", name @ ("ours" | DOCKER)] => only = Some(name),
            _ => bail!("usage: {USAGE}"),
        }
    }
    shell::install(&[("docker-registry", DOCKER), ("curl", "curl")])?;
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
    let mut bench = Bench { ground, more, missed: Vec::new() };
    let wants = |name| only.is_none_or(|only| only == name);
    if wants("ours") {
        let registry = Server::provost_registry(&binary, bench.ground.place.folder())?;
        let rate = bench.round("ours", count, &registry)?.rate;
        if rate < RATE {
            bench.missed.push(format!("ours: {rate:.1} runs a second, the target is {RATE}"));
        }
        bench.bare_cluster("bench-ours", count)?;
    }
    if wants(DOCKER) {
        let registry = Server::docker_registry(bench.ground.place.folder())?;
        let rate = bench.round(DOCKER, count, &registry)?.rate;
        bench.beside_bare(rate, count, registry.address)?;
    }
    // Last, because ten thousand runs are a burden to the API server even when they are signed.
    if wants("ours") && count == RUNS {
        bench.few_and_many(&binary)?;
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

/// Where the API server has a run.
fn path(namespace: &str, number: usize) -> String {
    format!("/apis/tekton.dev/v1/namespaces/{namespace}/taskruns/run-{number}")
}

/// What marks a run, about as long as what the controller writes.
fn mark() -> Value {
    json!({"metadata": {"annotations": {
        "chains.tekton.dev/signed": "true", "example.com/bare": "r".repeat(600)}}})
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

impl Bench {
    /// So many finished runs in a namespace of their own.
    fn make(&self, namespace: &str, count: usize, registry: SocketAddr) -> Result<()> {
        let cluster = &self.ground.cluster;
        cluster.kubectl(&["create", "namespace", namespace])?;
        for at in (0..count).step_by(BATCH) {
            let (mut made, mut ended): (Vec<Call>, Vec<Call>) = (Vec::new(), Vec::new());
            for number in at..(at + BATCH).min(count) {
                let (repository, digest) = image(number);
                let image = format!("{registry}/{repository}@sha256:{digest}");
                let (make, end) = tekton::task_run(namespace, &format!("run-{number}"), &image, None);
                made.push(make);
                ended.push(end);
            }
            tekton::send(cluster, &made)?;
            tekton::send(cluster, &ended)?;
        }
        Ok(())
    }

    /// So many runs wait, and are signed by a controller that looks at nothing else.
    fn round(&mut self, name: &str, count: usize, registry: &Server) -> Result<Round> {
        let namespace = format!("bench-{name}");
        self.make(&namespace, count, registry.address)?;
        let Ground { cluster, place, kubeconfig } = &self.ground;
        let more = ["--namespace", &namespace];
        let more: Vec<&str> = more.into_iter().chain(self.more.iter().map(String::as_str)).collect();
        let (asked, told) = (api_requests(cluster)?, registry_requests(registry)?);
        let before = Taken::now(cluster, registry)?;
        let began = Instant::now();
        let controller = Controller::start(place.binary(), kubeconfig, place.folder(), name, &more)?;
        let (mut opened, mut opening, mut most) = (None, 0, 0);
        let (mut done, mut changed) = (0, Instant::now());
        let wanted = u64::try_from(count)?;
        while done < wanted {
            let now = controller.counter("watcher_taskrun_marked_signed_total");
            match now {
                0 => opening = controller.peak()?,
                _ => most = most.max(controller.resident()?),
            }
            if now > 0 && opened.is_none() {
                opened = Some((now, began.elapsed()));
            }
            if now > done {
                (done, changed) = (now, Instant::now());
            } else if changed.elapsed() > PATIENCE {
                bail!("{done} of {count} runs are signed: {}", controller.last_words());
            }
            if done < wanted {
                thread::sleep(AGAIN);
            }
        }
        let took = began.elapsed();
        let own = controller.processor()?;
        let after = Taken::now(cluster, registry)?;
        let (first, since) = opened.context("no run was signed")?;
        let all = after.since(&before);
        let (runs, left) = (number(count), number(count) - first as f64);
        let (rate, steady) = (runs / took.as_secs_f64(), left / (took - since).as_secs_f64());
        shell::say(&format!(
            "{name}: {count} runs in {:.1} s from the start of the process, {rate:.1} a second, {steady:.1} once the first was seen after {:.1} s; \
             at most {most} MiB resident while signing, {} MiB at the end, {opening} MiB at the peak of opening the key",
            took.as_secs_f64(),
            since.as_secs_f64(),
            controller.resident()?
        ));
        shell::say(&format!(
            "{name}: processor for a run: controller {:.1} ms, {}",
            own * 1000.0 / runs,
            all.shown(runs)
        ));
        let asked = between(&asked, &api_requests(cluster)?, runs).unwrap_or_default();
        shell::say(&format!("{name}: requests for a run to the API server: {asked}"));
        if let Some(told) = between(&told, &registry_requests(registry)?, runs) {
            shell::say(&format!("{name}: requests for a run to the registry: {told}"));
        }
        if most > MEMORY {
            self.missed.push(format!("{name}: {most} MiB resident, the target is {MEMORY}"));
        }
        controller.stop()?;
        Ok(Round { rate, cost: Cost::new(own, &all) })
    }

    /// What a start takes where nothing waits: opening the key is dear, and is paid once.
    fn start(&self, registry: &Server) -> Result<Cost> {
        let Ground { cluster, place, kubeconfig } = &self.ground;
        let before = Taken::now(cluster, registry)?;
        let more = ["--namespace", "bench-none"];
        let controller = Controller::start(place.binary(), kubeconfig, place.folder(), "none", &more)?;
        let began = Instant::now();
        while controller.ask("/readiness") != "ok\n" {
            if began.elapsed() > PATIENCE {
                bail!("the controller is not ready: {}", controller.last_words());
            }
            thread::sleep(AGAIN);
        }
        let cost = Cost::new(controller.processor()?, &Taken::now(cluster, registry)?.since(&before));
        controller.stop()?;
        Ok(cost)
    }

    /// What the API server takes of one who does nothing but read each run and patch it.
    fn bare_cluster(&self, namespace: &str, count: usize) -> Result<()> {
        let call =
            |method, number, body: &Value| Call { method, path: path(namespace, number), body: body.clone() };
        let before = self.ground.cluster.processor()?;
        for (method, body) in [("GET", Value::Null), ("PATCH", mark())] {
            let calls: Vec<Call> = (0..count).map(|number| call(method, number, &body)).collect();
            let began = Instant::now();
            tekton::send(&self.ground.cluster, &calls)?;
            let took = began.elapsed().as_secs_f64();
            shell::say(&format!(
                "API server: {count} bare {method} by eight at once in {took:.1} s, {:.0} a second",
                number(count) / took
            ));
        }
        let after = self.ground.cluster.processor()?;
        let each = |seconds: f64| seconds * 1000.0 / number(count);
        shell::say(&format!(
            "API server: processor for one of each: API server {:.1} ms, etcd {:.1} ms",
            each(after.0 - before.0),
            each(after.1 - before.1)
        ));
        Ok(())
    }

    /// How many runs' worth a second another docker-registry takes of a bare uploader, with the number of connections that
    /// does best; and of one that reads and marks each run at the API server too, as whoever signs them must.
    fn beside_bare(&mut self, rate: f64, count: usize, registry: SocketAddr) -> Result<()> {
        let mut all = Vec::new();
        for number in 0..count {
            let (repository, digest) = image(number);
            let tags = ["att", "sig"].map(|kind| format!("sha256-{digest}.{kind}"));
            let uploads = bare::collect(registry, &repository, &tags)?;
            all.push(bare::Run { uploads, path: path(&format!("bench-{DOCKER}"), number) });
        }
        let Ground { cluster, place, .. } = &self.ground;
        let (mut best, mut at_once) = (0.0, 0);
        for connections in AT_ONCE {
            let registry = Server::docker_registry(place.folder())?;
            let part = all.get(..all.len().div_ceil(4)).unwrap_or(&all);
            let took = bare::upload(registry.address, part, connections, None)?;
            let rate = number(part.len()) / took.as_secs_f64();
            if rate > best {
                (best, at_once) = (rate, connections);
            }
        }
        let marking = bare::Marking {
            server: Target::new(cluster.address(), &cluster.ca)?,
            token: cluster.token.clone(),
            patch: mark().to_string(),
        };
        let mut rates = Vec::new();
        for (what, marking) in
            [("of the same bytes", None), ("that also reads and marks each run", Some(&marking))]
        {
            let registry = Server::docker_registry(place.folder())?;
            let before = Taken::now(cluster, &registry)?;
            let took = bare::upload(registry.address, &all, at_once, marking)?;
            let rate = number(count) / took.as_secs_f64();
            shell::say(&format!(
                "{DOCKER}: a bare uploader {what}: {rate:.1} runs a second with {at_once} connections; processor for a run: {}",
                Taken::now(cluster, &registry)?.since(&before).shown(number(count))
            ));
            rates.push(rate);
        }
        let [alone, marking] = rates.as_slice() else { bail!("two rates") };
        shell::say(&format!(
            "{DOCKER}: {:.0} % of the bare uploader; reading and marking runs leaves that one {:.0} % of its own pace, and we reach {:.0} % of what is left",
            100.0 * rate / alone,
            100.0 * marking / alone,
            100.0 * rate / marking
        ));
        if rate < SHARE * alone {
            let wanted = SHARE * alone;
            self.missed.push(format!("{DOCKER}: {rate:.1} runs a second, {wanted:.1} are wanted"));
        }
        Ok(())
    }

    /// What a run costs among few and among many.
    fn few_and_many(&mut self, binary: &std::path::Path) -> Result<()> {
        let mut costs = Vec::new();
        for (name, count) in [("few", FEW), ("many", MANY)] {
            let registry = Server::provost_registry(binary, self.ground.place.folder())?;
            let start = self.start(&registry)?;
            costs.push(self.round(name, count, &registry)?.cost.each(start, count));
        }
        let [few, many] = costs.as_slice() else { bail!("two rounds") };
        shell::say(&format!(
            "a run among {FEW} and among {MANY}, without the start: controller {:.1} and {:.1} ms, all servers {:.1} and {:.1} ms",
            few.controller, many.controller, few.all, many.all
        ));
        for (whose, few, many) in
            [("the controller", few.controller, many.controller), ("all servers", few.all, many.all)]
        {
            if many > DEARER * few {
                self.missed.push(format!(
                    "a run takes {many:.2} ms of {whose} among {MANY}, {few:.2} ms among {FEW}; at most {DEARER} times as much is wanted"
                ));
            }
        }
        Ok(())
    }
}
