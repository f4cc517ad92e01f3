//! How long verifying takes, by the clock, and how much memory: on loopback, and 20 ms away.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};

use super::bare;
use crate::place::Place;
use crate::servers::Server;
use crate::{proxy, shell};

/// How often each command is timed; the median of thirty moves by a few per cent between runs.
const RUNS: usize = 30;
/// How often where one run takes long.
const FEW: usize = 10;
/// How long an answer takes from a registry in the next country.
const FAR: Duration = Duration::from_millis(20);
/// How many attestations the image with many has.
const MANY: usize = 100;
/// The peak memory one image with a policy may take, in KiB.
const MEMORY: i64 = 12 * 1024;

const PREDICATE: &str = r#"{"builder": {"id": "https://example.com/builder"}}"#;
const CUE: &str = "predicate: builder: id: \"https://example.com/builder\"\n";
const REGO: &str =
    "package signature\n\nallow { input.predicate.builder.id == \"https://example.com/builder\" }\n";
const TAGS: &str = "--new-bundle-format=false";
const BUNDLES: &str = "--new-bundle-format=true";

/// Times everything, prints a table, and names the targets that were missed.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let mut binary = None;
    let mut cosign = None;
    for pair in arguments.chunks(2) {
        match pair {
            ["--bin", path] => binary = Some(std::path::absolute(path)?),
            ["--cosign", path] => cosign = Some(std::path::absolute(path)?),
            _ => bail!("usage: cargo xtask bench verify [--bin PROGRAM] [--cosign PROGRAM]"),
        }
    }
    shell::install(&[("docker-registry", "docker-registry")])?;
    let binary = match binary {
        Some(binary) => binary,
        None => {
            shell::run("cargo", &["build", "--release", "--quiet", "--package", "provost"])?;
            shell::root().join("target/release/provost")
        }
    };
    let place = Place::new(&binary)?;
    place.write("p.json", PREDICATE)?;
    place.write("b.cue", CUE)?;
    place.write("b.rego", REGO)?;
    place.must(&["generate-key-pair"])?;
    let docker = Server::docker_registry(place.folder())?;
    let ours = Server::provost_registry(&binary, place.folder())?;
    let mut report = Report { place: &place, cosign, missed: Vec::new() };
    for (registry, name, once, many) in
        [(&docker, "docker-registry", 6.0, 3.5), (&ours, "provost registry", 10.0, 12.0)]
    {
        report.loopback(registry.address, name, once, many)?;
    }
    report.far(&ours)?;
    if !report.missed.is_empty() {
        bail!("targets missed: {}", report.missed.join("; "));
    }
    Ok(())
}

struct Report<'a> {
    place: &'a Place,
    cosign: Option<PathBuf>,
    missed: Vec<String>,
}

/// Sorted times of one command.
struct Times(Vec<Duration>);

impl Times {
    fn at(&self, place: usize) -> f64 {
        self.0.get(place).map_or(0.0, Duration::as_secs_f64) * 1000.0
    }

    fn median(&self) -> f64 {
        self.at(self.0.len() / 2)
    }

    fn shown(&self) -> String {
        let last = self.0.len().saturating_sub(1);
        format!("{:.1} ms ({:.1}–{:.1})", self.median(), self.at(0), self.at(last))
    }
}

impl Report<'_> {
    /// One image with a policy, and one with a hundred attestations, on a registry of this machine.
    fn loopback(&mut self, registry: SocketAddr, name: &str, once: f64, many: f64) -> Result<()> {
        let image = format!("{registry}/bench/one:v1");
        self.attested(&image, 1, TAGS)?;
        let cue = arguments(&["--policy", "b.cue"], &image);
        self.times_faster(&format!("one image, CUE, {name}"), &cue, once, RUNS)?;
        self.times_faster(
            &format!("one image, Rego, {name}"),
            &arguments(&["--policy", "b.rego"], &image),
            0.0,
            RUNS,
        )?;
        let peak = self.peak(&cue)?;
        shell::say(&format!("| one image, CUE, {name}: peak memory | {:.1} MB | | |", kib_as_mb(peak)));
        if peak > MEMORY {
            self.missed.push(format!("{name}: {peak} KiB of memory, at most {MEMORY} were wanted"));
        }
        let image = format!("{registry}/bench/many:v1");
        self.attested(&image, MANY, TAGS)?;
        self.times_faster(
            &format!("{MANY} `.att` attestations, {name}"),
            &arguments(&[], &image),
            many,
            FEW,
        )?;
        for (what, repository, connections) in [
            ("one image", "bench/one", &[1][..]),
            ("a hundred `.att` attestations", "bench/many", &[1, 2, 4, 8, 16]),
        ] {
            let bare = bare(registry, repository, connections)?;
            shell::say(&format!(
                "| {what}, {name}: the answers alone, to a bare client | {} | | |",
                bare.shown()
            ));
        }
        Ok(())
    }

    /// Everything that a registry 20 ms away makes slow.
    fn far(&mut self, registry: &Server) -> Result<()> {
        let far = proxy::before(registry.address, FAR)?;
        let near = registry.address;
        let of = |name: &str| format!("{near}/bench/{name}:v1");
        self.attested(&of("far-one"), 1, TAGS)?;
        self.attested(&of("far-two"), 2, BUNDLES)?;
        self.attested(&of("far-many"), MANY, BUNDLES)?;
        let image = |name: &str| format!("{far}/bench/{name}:v1");
        let policy = ["--policy", "b.cue"];
        self.within("one image by tag, 20 ms away", &arguments(&policy, &image("far-one")), 90.0, RUNS)?;
        self.within("two bundles, 20 ms away", &arguments(&policy, &image("far-two")), 110.0, RUNS)?;
        self.within(
            &format!("{MANY} bundles, 20 ms away"),
            &arguments(&policy, &image("far-many")),
            400.0,
            FEW,
        )
    }

    /// An image with so many attestations, in one format.
    fn attested(&self, tag: &str, count: usize, format: &str) -> Result<()> {
        let image = self.place.image(tag, tag)?;
        for _ in 0..count {
            let rest = ["--type", "slsaprovenance", "--predicate", "p.json", &image];
            let offline = ["--use-signing-config=false", "--tlog-upload=false", format];
            self.place.must(&[&["attest", "--key", "cosign.key"], offline.as_slice(), &rest].concat())?;
        }
        Ok(())
    }

    /// Times ours and cosign's by turns, and holds the ratio of the medians to a target.
    fn times_faster(&mut self, what: &str, arguments: &[String], target: f64, runs: usize) -> Result<()> {
        let (ours, theirs) = self.both(arguments, runs)?;
        let Some(theirs) = theirs else {
            shell::say(&format!("| {what} | {} | | |", ours.shown()));
            return Ok(());
        };
        let ratio = theirs.median() / ours.median();
        shell::say(&format!(
            "| {what} | {} | {} | {ratio:.1} times, wanted {target} |",
            ours.shown(),
            theirs.shown()
        ));
        if ratio < target {
            self.missed.push(format!("{what}: {ratio:.1} times faster, {target} were wanted"));
        }
        Ok(())
    }

    /// Times ours and cosign's by turns, and holds our median to a target in milliseconds.
    fn within(&mut self, what: &str, arguments: &[String], target: f64, runs: usize) -> Result<()> {
        let (ours, theirs) = self.both(arguments, runs)?;
        let theirs = theirs.map(|times| times.shown()).unwrap_or_default();
        shell::say(&format!("| {what} | {} | {theirs} | wanted {target} ms |", ours.shown()));
        if ours.median() > target {
            self.missed.push(format!("{what}: {:.1} ms, at most {target} were wanted", ours.median()));
        }
        Ok(())
    }

    fn both(&self, arguments: &[String], runs: usize) -> Result<(Times, Option<Times>)> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            ours.push(self.once(self.place.binary(), arguments)?);
            if let Some(cosign) = &self.cosign {
                theirs.push(self.once(cosign, arguments)?);
            }
        }
        ours.sort();
        theirs.sort();
        Ok((Times(ours), (!theirs.is_empty()).then_some(Times(theirs))))
    }

    fn once(&self, program: &Path, arguments: &[String]) -> Result<Duration> {
        let mut command = self.place.command(program);
        command.args(arguments);
        let began = Instant::now();
        let output = command.output()?;
        let took = began.elapsed();
        if !output.status.success() {
            let name = program.display();
            bail!("{name} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(took)
    }

    /// The most KiB that five runs took.
    fn peak(&self, arguments: &[String]) -> Result<i64> {
        let mut most = 0;
        for _ in 0..5 {
            let mut command = self.place.command(&std::env::current_exe()?);
            command.arg("measure").arg(self.place.binary()).args(arguments);
            let said = String::from_utf8_lossy(&command.output()?.stderr).into_owned();
            let line = said.lines().find_map(|line| line.strip_prefix(PEAK));
            most = most.max(line.with_context(|| said.clone())?.trim().parse()?);
        }
        Ok(most)
    }
}

/// How long a registry's answers alone take: of several numbers of connections, the one that is fastest.
fn bare(registry: SocketAddr, repository: &str, connections: &[usize]) -> Result<Times> {
    let mut all = Vec::new();
    for &at_once in connections {
        let times: Result<Vec<Duration>> =
            (0..FEW).map(|_| bare::download(registry, repository, at_once)).collect();
        let mut times = times?;
        times.sort();
        all.push(Times(times));
    }
    all.into_iter().min_by(|one, other| one.median().total_cmp(&other.median())).context("no connections")
}

/// How the line begins in which a measured process's peak stands.
const PEAK: &str = "peak KiB:";

fn kib_as_mb(kib: i64) -> f64 {
    // Exact: no process here has 2^52 KiB.
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let kib = kib as f64;
    kib / 1024.0
}

fn arguments(more: &[&str], image: &str) -> Vec<String> {
    let first =
        ["verify-attestation", "--key", "cosign.pub", "--type", "slsaprovenance", "--insecure-ignore-tlog"];
    first.iter().chain(more).chain([&image]).map(|&word| word.to_owned()).collect()
}

/// See [`super::measure`].
pub(super) fn measure(words: &[&str]) -> Result<()> {
    let [program, arguments @ ..] = words else { bail!("measure what?") };
    let status = std::process::Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    say_peak(usage.max_rss());
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the process that asked reads it there")]
fn say_peak(kib: i64) {
    eprintln!("{PEAK} {kib}");
}
