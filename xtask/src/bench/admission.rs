//! How fast the gate answers an API server over TLS, warm and cold, near and far, and in how much memory; beside a real
//! Kyverno where one is given.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::load::{Figures, Until, admitted};
use crate::attested::Signer;
use crate::http::{Target, plain};
use crate::place::Place;
use crate::servers::{AGAIN, Server, free};
use crate::{proxy, shell, usage};
use asked::{policy, questions};
use kyverno::Kyverno;

mod asked;
mod beside;
mod kyverno;

/// How it is asked for.
const USAGE: &str = "cargo xtask bench admission [--bin PROGRAM] [--kyverno PROGRAM --kyverno-crds FOLDER]";

/// How many ask at once: what the peer's figures were recorded with.
const CLIENTS: usize = 32;
/// How long each load is kept up; rates move by a few per cent between runs of this length.
const LOAD: Duration = Duration::from_secs(5);
/// How long before that nothing is counted.
const BEFORE: Duration = Duration::from_secs(1);
/// The images that are asked about in turn.
const IMAGES: usize = 100;
/// Over how many connections so many are pushed, into our own registry: docker-registry loses a blob that two push at once.
const PUSHING: usize = 8;
/// How many images the peak of memory is taken with.
const REMEMBERED: usize = 10_000;
/// How many Pods come at once for an image that nobody has seen.
const PODS: usize = 200;
/// The policies that are not about the Pod, and one that is.
const POLICIES: usize = 1000;
/// How long an answer takes from a registry in the next country.
const FAR: Duration = Duration::from_millis(20);
/// How many times Kyverno's answers a second are wanted.
const TIMES: f64 = 10.0;
/// What Kyverno 1.19 was recorded at, with its cache and without; what counts where none runs beside us.
const WARM: f64 = 1_590.0;
const COLD: f64 = 140.0;

/// Times everything, prints a table, and names the targets that were missed.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let given = Given::read(arguments)?;
    let binary = match given.binary {
        Some(binary) => binary,
        None => {
            shell::run("cargo", &["build", "--release", "--quiet", "--package", "provost"])?;
            shell::root().join("target/release/provost")
        }
    };
    if cfg!(debug_assertions) {
        // Clients that are slower than the server would be what is measured.
        let task = ["run", "--release", "--quiet", "--package", "xtask", "--", "bench", "admission", "--bin"];
        let path = |path: &Path| path.to_str().map(str::to_owned).context("a path of text");
        let mut more = vec![path(&binary)?];
        if let Some(given) = &given.kyverno {
            let (program, crds) = (path(&given.program)?, path(&given.crds)?);
            more.extend(["--kyverno".to_owned(), program, "--kyverno-crds".to_owned(), crds]);
        }
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        return shell::run("cargo", &[task.as_slice(), &more].concat());
    }
    shell::install(&[("docker-registry", "docker-registry")])?;
    let place = Place::new(&binary)?;
    let signer = Signer::new()?;
    let key = signer.public();
    let peer = match &given.kyverno {
        Some(given) => {
            shell::say(&format!("Kyverno is started with {}", Kyverno::flags()));
            let policies = [true, false].map(|cache| policy(0, cache, &key));
            Some(Kyverno::start(given, place.folder(), &policies, &["warm", "cold"])?)
        }
        None => None,
    };
    let mut bench = Bench { place, signer, peer, missed: Vec::new() };
    let docker = Server::docker_registry(bench.place.folder())?;
    let ours = Server::provost_registry(&binary, bench.place.folder())?;
    for (name, registry) in [("docker-registry", docker.address), ("provost registry", ours.address)] {
        bench.near(name, registry)?;
    }
    bench.peer_memory()?;
    // Nobody beside us from here on.
    bench.peer = None;
    bench.far(ours.address)?;
    bench.many_policies(ours.address)?;
    bench.many_images(ours.address)?;
    if !bench.missed.is_empty() {
        bail!("targets missed: {}", bench.missed.join("; "));
    }
    Ok(())
}

/// What the user gives.
#[derive(Default)]
struct Given {
    binary: Option<PathBuf>,
    kyverno: Option<kyverno::Given>,
}

impl Given {
    /// Pairs of a name and a path, in any order.
    fn read(arguments: &[&str]) -> Result<Self> {
        let (mut binary, mut program, mut crds) = (None, None, None);
        for pair in arguments.chunks(2) {
            match *pair {
                ["--bin", path] => binary = Some(std::path::absolute(path)?),
                ["--kyverno", path] => program = Some(std::path::absolute(path)?),
                ["--kyverno-crds", path] => crds = Some(std::path::absolute(path)?),
                _ => bail!("usage: {USAGE}"),
            }
        }
        let kyverno = match (program, crds) {
            (Some(program), Some(crds)) => Some(kyverno::Given { program, crds }),
            (None, None) => None,
            _ => bail!("--kyverno and --kyverno-crds belong together; usage: {USAGE}"),
        };
        Ok(Self { binary, kyverno })
    }
}

struct Bench {
    place: Place,
    signer: Signer,
    peer: Option<Kyverno>,
    missed: Vec<String>,
}

/// A running gate.
struct Gate {
    server: Server,
    target: Target,
}

/// What a load showed.
struct Round {
    figures: Figures,
    /// The milliseconds of processor time that the server took for each answer.
    processor: f64,
}

impl Round {
    fn processor(&self) -> String {
        format!("{:.3} ms of processor each", self.processor)
    }
}

impl Bench {
    /// A registry of this machine: warm, cold, and images that are new.
    fn near(&mut self, name: &str, registry: SocketAddr) -> Result<()> {
        let images = self.images(registry, "near", 0, 2 * IMAGES)?;
        let (known, new) = images.split_at(IMAGES);
        let gate = self.gate(1)?;
        let of = |namespace: &str, images: &[String]| questions("/mutate", namespace, registry, images);
        let figures = admitted(&gate.target, 1, &of("warm", new), Until::Once)?;
        self.say(&format!("new images, one client, {name}"), &figures, "");
        let nothing = vec![format!("bench/near@sha256:{}", "0".repeat(64))];
        let (warm, cold) = (of("warm", known), of("cold", known));
        self.peer_alone(name, &of("warm", new), &cold)?;
        self.refused(&gate, &[of("warm", &nothing), of("cold", &nothing)].concat())?;
        for target in
            [Some(&gate.target), self.peer.as_ref().map(|peer| &peer.gate.target)].into_iter().flatten()
        {
            admitted(target, CLIENTS, &warm, Until::Time(BEFORE))?;
        }
        let what = format!("warm, {CLIENTS} clients, {name}");
        let round = self.contest(&what, &gate, &warm, WARM)?;
        self.most(&format!("{what}: p99"), round.figures.under(99), 10.0);
        let validate = questions("/validate", "warm", registry, known);
        let round = gate.measured(CLIENTS, &validate)?;
        self.say(&format!("warm, checked, {CLIENTS} clients, {name}"), &round.figures, &round.processor());
        let figures = admitted(&gate.target, 1, &cold, Until::Time(BEFORE))?;
        let what = format!("cold, one client, {name}");
        self.say(&what, &figures, "p50 3 ms");
        self.most(&what, figures.under(50), 3.0);
        self.contest(&format!("cold, {CLIENTS} clients, {name}"), &gate, &cold, COLD)?;
        Ok(())
    }

    /// A registry 20 ms away: one client, and many Pods of one image.
    fn far(&mut self, registry: SocketAddr) -> Result<()> {
        let images = self.images(registry, "far", 1_000_000, IMAGES)?;
        let (far, asked) = proxy::counting(registry, FAR)?;
        let gate = self.gate(1)?;
        let cold = questions("/mutate", "cold", far, &images);
        admitted(&gate.target, 1, &cold, Until::Once)?;
        let figures = admitted(&gate.target, 1, &cold, Until::Once)?;
        self.say("cold, one client, 20 ms away", &figures, "p50 50 ms");
        self.most("cold, 20 ms away", figures.under(50), 50.0);
        let new = self.images(registry, "far", 2_000_000, 2)?;
        let mut counted = Vec::new();
        for (image, pods) in new.iter().zip([1, PODS]) {
            let before = asked.load(Ordering::Relaxed);
            let same = questions("/mutate", "warm", far, &vec![image.clone(); pods]);
            admitted(&gate.target, pods, &same, Until::Once)?;
            counted.push(asked.load(Ordering::Relaxed) - before);
        }
        shell::say(&format!(
            "| questions to the registry for one Pod, and for {PODS} of one image | {counted:?} | the same |"
        ));
        if let [one, all] = counted.as_slice()
            && one != all
        {
            self.missed.push(format!("{PODS} Pods of one image ask {all} times, one asks {one}"));
        }
        Ok(())
    }

    /// A thousand policies, of which one is about the Pod.
    fn many_policies(&mut self, registry: SocketAddr) -> Result<()> {
        let images = self.images(registry, "policies", 3_000_000, IMAGES)?;
        let warm = questions("/mutate", "warm", registry, &images);
        let mut medians = Vec::new();
        for count in [1, POLICIES] {
            let gate = self.gate(count)?;
            admitted(&gate.target, 1, &warm, Until::Once)?;
            let figures = admitted(&gate.target, 1, &warm, Until::Time(BEFORE))?;
            self.say(&format!("warm, one client, {count} policies"), &figures, "");
            medians.push(figures.under(50));
        }
        if let [few, many] = medians.as_slice() {
            self.most("what 1,000 policies cost", many - few, 1.0);
        }
        Ok(())
    }

    /// As many images as a large cluster runs, all remembered.
    fn many_images(&mut self, registry: SocketAddr) -> Result<()> {
        let images = self.images(registry, "memory", 4_000_000, REMEMBERED)?;
        let (registry, asked) = proxy::counting(registry, Duration::ZERO)?;
        let gate = self.gate(1)?;
        let all = questions("/mutate", "warm", registry, &images);
        let figures = admitted(&gate.target, CLIENTS, &all, Until::Once)?;
        self.say(&format!("{REMEMBERED} new images, {CLIENTS} clients"), &figures, "");
        let before = asked.load(Ordering::Relaxed);
        let figures = admitted(&gate.target, CLIENTS, &all, Until::Once)?;
        let again = asked.load(Ordering::Relaxed) - before;
        let peak = usage::peak(gate.server.id())?;
        self.say(
            &format!("the same {REMEMBERED} again, {CLIENTS} clients"),
            &figures,
            &format!("asked again: {again}"),
        );
        if again > 0 {
            self.missed.push(format!("{again} questions about {REMEMBERED} images were asked again"));
        }
        shell::say(&format!("| peak memory with {REMEMBERED} images | {peak} MiB | 60 MiB |"));
        self.most("MiB of peak memory", f64::from(u32::try_from(peak)?), 60.0);
        Ok(())
    }

    /// So many images with attestations, pushed over several connections, in the order of their numbers.
    fn images(&self, registry: SocketAddr, name: &str, from: usize, count: usize) -> Result<Vec<String>> {
        let repository = format!("bench/{name}");
        let all: Vec<usize> = (from..from + count).collect();
        let push = |numbers: &[usize]| -> Result<Vec<String>> {
            let mut connection = plain(registry)?;
            let digests =
                numbers.iter().map(|number| self.signer.image(&mut connection, &repository, *number));
            digests.map(|digest| Ok(format!("{repository}@{}", digest?))).collect()
        };
        let pushed: Vec<Result<Vec<String>>> = thread::scope(|scope| {
            let connections = if count < REMEMBERED { 1 } else { PUSHING };
            let shares = all.chunks(count.div_ceil(connections).max(1));
            let pushing: Vec<_> = shares.map(|numbers| scope.spawn(|| push(numbers))).collect();
            let ended = pushing.into_iter().map(|one| one.join().map_err(|_| anyhow!("a push broke down")));
            ended.map(Result::flatten).collect()
        });
        Ok(pushed.into_iter().collect::<Result<Vec<_>>>()?.concat())
    }

    /// A gate with so many policies for remembered answers, of which one is about our Pods, and one for new ones.
    fn gate(&self, count: usize) -> Result<Gate> {
        let folder = self.place.folder();
        let policies = folder.join(format!("policies-{count}"));
        fs::create_dir_all(&policies)?;
        let key = self.signer.public();
        for number in 0..count {
            fs::write(policies.join(format!("{number}.json")), policy(number, true, &key))?;
        }
        fs::write(policies.join("cold.json"), policy(0, false, &key))?;
        let address = free()?;
        let certificates = folder.join(format!("gate-{}", address.port()));
        fs::create_dir_all(&certificates)?;
        let mut command = Command::new(self.place.binary());
        command.env_clear().env("HOME", folder).args(["admission", "--policies"]).arg(&policies);
        command.args(["--listen", &address.to_string(), "--certificate-dir"]).arg(&certificates);
        let server = Server::start(command, "gate", folder, address)?;
        let target = target(address, &certificates.join("tls.crt"))?;
        Ok(Gate { server, target })
    }

    fn say(&self, what: &str, figures: &Figures, wanted: &str) {
        shell::say(&format!("| {what} | {} | {wanted} |", figures.shown()));
    }

    fn least(&mut self, what: &str, found: f64, wanted: f64) {
        if found < wanted {
            self.missed.push(format!("{what}: {found:.0}/s, at least {wanted:.0} were wanted"));
        }
    }

    fn most(&mut self, what: &str, found: f64, wanted: f64) {
        if found > wanted {
            self.missed.push(format!("{what}: {found:.2}, at most {wanted} was wanted"));
        }
    }
}

impl Gate {
    /// A load.
    fn measured(&self, clients: usize, questions: &[Vec<u8>]) -> Result<Round> {
        let before = usage::processor(self.server.id())?;
        let figures = admitted(&self.target, clients, questions, Until::Time(LOAD))?;
        let taken = usage::processor(self.server.id())? - before;
        let processor = taken * 1000.0 / figures.count();
        Ok(Round { figures, processor })
    }

    /// What it says to one question.
    fn answer(&self, question: &[u8]) -> Result<String> {
        let answer = self.target.connect()?.ask(question)?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }
}

/// The gate listens before it has made its certificate.
fn target(address: SocketAddr, certificate: &Path) -> Result<Target> {
    for _ in 0..250 {
        if let Ok(target) = Target::new(address, certificate) {
            return Ok(target);
        }
        thread::sleep(AGAIN);
    }
    Target::new(address, certificate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_in_any_order_and_the_peer_with_its_kinds() {
        let read = |words: &[&str]| {
            Given::read(words)
                .map(|given| (given.binary, given.kyverno.map(|peer| (peer.program, peer.crds))))
        };
        let path = |path: &str| PathBuf::from(path);
        let all = read(&["--kyverno-crds", "/c", "--bin", "/b", "--kyverno", "/k"]);
        assert_eq!(all.ok(), Some((Some(path("/b")), Some((path("/k"), path("/c"))))));
        assert_eq!(read(&[]).ok(), Some((None, None)));
        for words in
            [["--kyverno", "/k"].as_slice(), &["--kyverno-crds", "/c"], &["--bin"], &["--other", "/o"]]
        {
            assert!(read(words).is_err(), "{words:?}");
        }
    }
}
