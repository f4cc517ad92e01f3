//! How fast the gate answers an API server over TLS, warm and cold, near and far, and in how much memory.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;

use super::load::{Figures, Until, admitted};
use crate::attested::Signer;
use crate::http::{Target, plain, request};
use crate::place::Place;
use crate::servers::{AGAIN, Server, free};
use crate::{proxy, shell, usage};

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
/// Kyverno 1.19 was recorded at 1,590 answers a second with its cache, and at 140 without: ten times as many are wanted.
const WARM: f64 = 15_900.0;
const COLD: f64 = 1_400.0;

/// Times everything, prints a table, and names the targets that were missed.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let given = match *arguments {
        ["--bin", path] => Some(std::path::absolute(path)?),
        [] => None,
        _ => bail!("usage: cargo xtask bench admission [--bin PROGRAM]"),
    };
    let binary = match given {
        Some(binary) => binary,
        None => {
            shell::run("cargo", &["build", "--release", "--quiet", "--package", "provost"])?;
            shell::root().join("target/release/provost")
        }
    };
    if cfg!(debug_assertions) {
        // Clients that are slower than the server would be what is measured.
        let task = ["run", "--release", "--quiet", "--package", "xtask", "--", "bench", "admission", "--bin"];
        let binary = binary.to_str().context("a path of text")?;
        return shell::run("cargo", &[task.as_slice(), &[binary]].concat());
    }
    shell::install(&[("docker-registry", "docker-registry")])?;
    let place = Place::new(&binary)?;
    let mut bench = Bench { place, signer: Signer::new()?, missed: Vec::new() };
    let docker = Server::docker_registry(bench.place.folder())?;
    let ours = Server::provost_registry(&binary, bench.place.folder())?;
    for (name, registry) in [("docker-registry", docker.address), ("provost registry", ours.address)] {
        bench.near(name, registry)?;
    }
    bench.far(ours.address)?;
    bench.many_policies(ours.address)?;
    bench.many_images(ours.address)?;
    if !bench.missed.is_empty() {
        bail!("targets missed: {}", bench.missed.join("; "));
    }
    Ok(())
}

struct Bench {
    place: Place,
    signer: Signer,
    missed: Vec<String>,
}

/// A running gate.
struct Gate {
    server: Server,
    target: Target,
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
        let warm = of("warm", known);
        admitted(&gate.target, CLIENTS, &warm, Until::Time(BEFORE))?;
        let (figures, processor) = gate.measured(CLIENTS, &warm)?;
        let what = format!("warm, {CLIENTS} clients, {name}");
        self.say(&what, &figures, &format!("{WARM:.0}/s, p99 10 ms; {processor:.3} ms of processor each"));
        self.least(&what, figures.rate, WARM);
        self.most(&format!("{what}: p99"), figures.under(99), 10.0);
        let validate = questions("/validate", "warm", registry, known);
        let (figures, processor) = gate.measured(CLIENTS, &validate)?;
        let note = format!("{processor:.3} ms of processor each");
        self.say(&format!("warm, checked, {CLIENTS} clients, {name}"), &figures, &note);
        let cold = of("cold", known);
        let figures = admitted(&gate.target, 1, &cold, Until::Time(BEFORE))?;
        let what = format!("cold, one client, {name}");
        self.say(&what, &figures, "p50 3 ms");
        self.most(&what, figures.under(50), 3.0);
        let (figures, processor) = gate.measured(CLIENTS, &cold)?;
        let what = format!("cold, {CLIENTS} clients, {name}");
        self.say(&what, &figures, &format!("{COLD:.0}/s; {processor:.3} ms of processor each"));
        self.least(&what, figures.rate, COLD);
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
    /// A load, and the milliseconds of processor time that the gate took for each answer.
    fn measured(&self, clients: usize, questions: &[Vec<u8>]) -> Result<(Figures, f64)> {
        let before = usage::processor(self.server.id())?;
        let figures = admitted(&self.target, clients, questions, Until::Time(LOAD))?;
        let taken = usage::processor(self.server.id())? - before;
        let each = taken * 1000.0 / figures.count();
        Ok((figures, each))
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

/// Policy 0 is about our Pods; the others are about other kinds, namespaces, labels and images.
fn policy(number: usize, cache: bool, key: &str) -> String {
    let name = if cache { format!("policy-{number:04}") } else { "cold".to_owned() };
    let namespace = if cache { "warm" } else { "cold" };
    let resources = match (number, number % 4) {
        (0, _) => json!({"kinds": ["Pod"], "namespaces": [namespace]}),
        (_, 0) => json!({"kinds": ["Pod"], "namespaces": [format!("team-{number}"), "prod-*"]}),
        (_, 1) => json!({"kinds": ["Deployment", "StatefulSet"]}),
        (_, 2) => json!({"kinds": ["Pod"], "selector": {"matchLabels": {"team": format!("t{number}")}}}),
        _ => json!({"kinds": ["Pod"]}),
    };
    let images = if number == 0 { "*".to_owned() } else { format!("registry-{number}.example/*") };
    let keys = json!({"publicKeys": key, "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true}});
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": name},
        "spec": {"background": false, "webhookTimeoutSeconds": 30, "rules": [{
            "name": "check-image",
            "match": {"any": [{"resources": resources}]},
            "verifyImages": [{
                "imageReferences": [images],
                "failureAction": "Enforce",
                "mutateDigest": true,
                "useCache": cache,
                "attestations": [{
                    "type": "https://slsa.dev/provenance/v0.2",
                    "attestors": [{"entries": [{"keys": keys}]}],
                    "conditions": [{"all": [{
                        "key": "{{ builder.id }}", "operator": "Equals", "value": "https://example.com/builder",
                    }]}],
                }],
            }],
        }]},
    })
    .to_string()
}

/// What an API server sends when a Pod of each image is created.
fn questions(path: &str, namespace: &str, registry: SocketAddr, images: &[String]) -> Vec<Vec<u8>> {
    let review = |image: &String| {
        let pods = json!({"group": "", "version": "v1", "resource": "pods"});
        let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": kind, "requestKind": kind, "resource": pods, "requestResource": pods,
            "name": "app", "namespace": namespace, "operation": "CREATE", "dryRun": false,
            "userInfo": {"username": "admin", "groups": ["system:masters", "system:authenticated"]},
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
            "oldObject": null,
            "object": {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "app", "namespace": namespace, "labels": {"app": "demo", "tier": "web"}},
                "spec": {
                    "containers": [{
                        "name": "app", "image": format!("{registry}/{image}"), "imagePullPolicy": "IfNotPresent",
                        "env": [{"name": "MODE", "value": "production"}],
                        "resources": {"limits": {"cpu": "1", "memory": "256Mi"}},
                        "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/token", "readOnly": true}],
                        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                    }],
                    "volumes": [{"name": "token", "projected": {"defaultMode": 420, "sources": [
                        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    ]}}],
                    "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "serviceAccountName": "default",
                    "schedulerName": "default-scheduler", "enableServiceLinks": true,
                },
            },
        }})
        .to_string()
    };
    let path = format!("{path}?timeout=30s");
    images.iter().map(|image| request("POST", &path, "application/json", review(image).as_bytes())).collect()
}
