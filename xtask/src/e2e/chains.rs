//! The controller at a real API server: the guide's runs, a backlog, a new key, kills at any moment, a registry that goes away, two replicas, a key in a service.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use super::Setting;
use super::agreement::agree;
use crate::cluster::Cluster;
use crate::controller::Controller;
use crate::place::Place;
use crate::servers::Server;
use crate::shell;
use crate::tekton::{
    self, Call, Ground, KEY, annotation, end_pipeline_run, fetch, is_signed, pipeline_run, runs, send,
    task_run,
};

mod key_service;

/// A user `builder` with the password `token`.
const HTPASSWD: &str = "builder:$2b$04$OTXjvY/C/sYHIU7PSBZD/uRF4.xxQoxwAz0zRgZlglLVGiFPBR7.y\n";
const BUILDER: &str = "https://alauda.io/builders/tekton/v1";
/// How many runs end while the controller is killed, and how often it is.
const RUNS: usize = 1000;
const KILLS: usize = 50;
/// How many runs are made at a time.
const BATCH: usize = 20;
/// How long a registry is away.
const AWAY: Duration = Duration::from_secs(60);
/// The longest that anything is waited for without a change: a Lease's half minute, or a back-off of two minutes.
const PATIENCE: Duration = Duration::from_secs(150);
const AGAIN: Duration = Duration::from_millis(300);
/// What a controller may keep in memory, in MiB, once what opening its key took is given back.
const RESIDENT: u64 = 60;

/// What the parts work in.
struct Scene<'a> {
    setting: &'a Setting,
    cluster: Cluster,
    place: Place,
    registry: Server,
    kubeconfig: PathBuf,
}

/// Runs all parts, one after another in one cluster.
pub(super) fn run(setting: &Setting) -> Result<()> {
    shell::install(&[("docker-registry", "docker-registry"), ("curl", "curl")])?;
    let Ground { cluster, place, kubeconfig } = Ground::new(&setting.binary)?;
    let registry = Server::docker_registry(place.folder())?;
    let mut scene = Scene { setting, cluster, place, registry, kubeconfig };
    scene.configure(BUILDER)?;
    scene.rights()?;
    scene.guide()?;
    scene.once()?;
    scene.rotation()?;
    scene.kills()?;
    scene.registry_away()?;
    scene.replicas()?;
    scene.key_service()
}

impl Scene<'_> {
    fn start(&self, name: &str) -> Result<Controller> {
        Controller::start(self.place.binary(), &self.kubeconfig, self.place.folder(), name, &[])
    }

    fn configure(&self, builder: &str) -> Result<()> {
        let data = json!({"artifacts.taskrun.storage": "oci", "artifacts.pipelinerun.storage": "oci",
            "artifacts.oci.storage": "oci", "builder.id": builder});
        tekton::configure(&self.cluster, &data)
    }

    /// What the service account may not do.
    fn rights(&self) -> Result<()> {
        let account = "--as=system:serviceaccount:tekton-chains:provost-controller";
        for (may, question) in [
            (true, ["patch", "taskruns.tekton.dev"]),
            (true, ["get", "secrets"]),
            (false, ["list", "secrets"]),
            (false, ["watch", "secrets"]),
            (false, ["delete", "taskruns.tekton.dev"]),
            (false, ["create", "pipelineruns.tekton.dev"]),
            (false, ["create", "pods"]),
            (false, ["delete", "pods"]),
            (false, ["patch", "mutatingwebhookconfigurations"]),
            (false, ["create", "validatingwebhookconfigurations"]),
        ] {
            let [verb, resource] = question;
            let told = self.cluster.kubectl(&["auth", "can-i", verb, resource, account, "-n", "default"]);
            if told.is_ok() != may {
                bail!("the controller's account may {verb} {resource}: expected {may}, found {}", !may);
            }
        }
        Ok(())
    }

    /// Waits until something holds; what does not hold is said by it, and as long as that changes it goes on.
    fn wait(
        &self,
        controllers: &[&Controller],
        mut holds: impl FnMut() -> Result<Option<String>>,
    ) -> Result<()> {
        let (mut began, mut before) = (Instant::now(), String::new());
        loop {
            let Some(missing) = holds()? else { return Ok(()) };
            if missing != before {
                (began, before) = (Instant::now(), missing);
            } else if began.elapsed() > PATIENCE {
                let words: Vec<String> = controllers.iter().map(|one| one.state()).collect();
                bail!("{missing} for {} s\n{}", PATIENCE.as_secs(), words.join("\n--\n"));
            }
            thread::sleep(AGAIN);
        }
    }

    fn all_signed(&self, namespace: &str, kind: &str, count: usize) -> Result<Option<String>> {
        let all = runs(&self.cluster, namespace, kind)?;
        let signed = all.iter().filter(|run| is_signed(run)).count();
        let example = all.iter().find(|run| !is_signed(run)).map(|run| run["metadata"].to_string());
        let missing =
            format!("{signed} of {count} {kind} are signed; not this: {}", example.unwrap_or_default());
        Ok((signed != count).then_some(missing))
    }

    /// A PipelineRun with one child that built this image; both end.
    fn build(&self, name: &str, image: &str) -> Result<()> {
        let uid = pipeline_run(&self.cluster, "ci", name)?;
        let child = format!("{name}-build-image");
        let (made, ended) = task_run("ci", &child, image, Some((name, &uid)));
        send(&self.cluster, &[made])?;
        // The controller must have got hold of both before they end: whoever deletes them then deletes nothing unsigned.
        let held = |kind: &str, name: &str| -> Result<bool> {
            let path = "jsonpath={.metadata.finalizers}";
            Ok(self
                .cluster
                .kubectl(&["get", kind, name, "-n", "ci", "-o", path])?
                .contains("chains.tekton.dev"))
        };
        self.wait(&[], || {
            let both = held("taskrun", &child)? && held("pipelinerun", name)?;
            Ok((!both).then(|| format!("{name} and its child are not held")))
        })?;
        send(&self.cluster, &[ended])?;
        send(&self.cluster, &[end_pipeline_run("ci", name, &[&child], image)])
    }

    /// Steps 3 to 8 of the guide.
    fn guide(&self) -> Result<()> {
        self.cluster.kubectl(&["create", "namespace", "ci"])?;
        let place = &self.place;
        let image = place.image(&format!("{}/test/chains/demo-1:v1", self.registry.address), "demo\n")?;
        let controller = self.start("guide")?;
        self.wait(&[&controller], || {
            let said = controller.ask("/readiness");
            Ok((said != "ok\n").then(|| format!("not ready: {said}")))
        })?;
        self.build("demo-1", &image)?;
        self.wait(&[&controller], || self.all_signed("ci", "pipelinerun", 1))?;
        self.wait(&[&controller], || self.all_signed("ci", "taskrun", 1))?;
        place.write("builder.cue", &format!("predicate: builder: id: \"{BUILDER}\"\n"))?;
        self.verifies("cosign.pub", &image, 2)?;
        // What was stored is what the recorded rules make of the runs as they lie there now.
        agree(&self.place, &self.cluster, "ci", "demo-1", &["demo-1-build-image"], &image)?;
        // Somebody deletes the runs of another build the moment they end: what they built is attested all the same.
        let image = place.image(&format!("{}/test/chains/demo-2:v2", self.registry.address), "pruned\n")?;
        self.build("demo-2", &image)?;
        self.cluster.kubectl(&[
            "delete",
            "pipelinerun/demo-2",
            "taskrun/demo-2-build-image",
            "-n",
            "ci",
            "--wait=true",
            "--timeout=120s",
        ])?;
        self.verifies("cosign.pub", &image, 2)?;
        // A second start finds everything signed and writes nothing.
        let version = |name: &str| {
            let path = "jsonpath={.metadata.resourceVersion}";
            self.cluster.kubectl(&["get", "pipelinerun", name, "-n", "ci", "-o", path])
        };
        let before = version("demo-1")?;
        controller.stop()?;
        let controller = self.start("guide")?;
        self.wait(&[&controller], || {
            let said = controller.ask("/readiness");
            Ok((said != "ok\n").then(|| format!("not ready again: {said}")))
        })?;
        if version("demo-1")? != before || controller.counter("watcher_pipelinerun_marked_signed_total") != 0
        {
            bail!("a second start wrote on a run that is signed");
        }
        controller.stop()?;
        shell::say(
            "the guide's runs have both attestations and the image signature, also where they were deleted at once",
        );
        Ok(())
    }

    /// A backlog that is signed once, with credentials that only the runs' account has, as bundles and on the runs.
    fn once(&mut self) -> Result<()> {
        self.cluster.kubectl(&["create", "namespace", "once"])?;
        self.place.write("htpasswd", HTPASSWD)?;
        let file = self.place.folder().join("htpasswd").to_string_lossy().into_owned();
        let more = ["--htpasswd", file.as_str()];
        let registry = Server::provost_registry_with(self.place.binary(), self.place.folder(), &more)?;
        let host = registry.address.to_string();
        let auths = json!({"auths": {host.as_str(): {"username": "builder", "password": "token"}}});
        self.place.write("docker/config.json", &auths.to_string())?;
        // As in the guide, the account has the registry's Secret for pulling only.
        let login = ["--docker-username=builder", "--docker-password=token", "-n", "once"];
        let server = format!("--docker-server={host}");
        let secret = ["create", "secret", "docker-registry", "registry-credentials", &server];
        self.cluster.kubectl(&[secret.as_slice(), &login].concat())?;
        self.cluster.apply(
            &json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "builder", "namespace": "once"},
            "imagePullSecrets": [{"name": "registry-credentials"}]})
            .to_string(),
        )?;
        tekton::configure(
            &self.cluster,
            &json!({"artifacts.taskrun.storage": "tekton,oci",
            "storage.oci.encoding-format": "sigstore-bundle", "builder.id": BUILDER}),
        )?;
        self.place.set("DOCKER_CONFIG", self.place.folder().join("docker"));
        let image = self.place.image(&format!("{host}/once/app:v1"), "once\n")?;
        self.place.unset("DOCKER_CONFIG");
        for (name, image) in [("good", image.as_str()), ("bad", &image.replace(&host, "127.0.0.1:1"))] {
            let (made, ended) = task_run("once", name, image, None);
            send(&self.cluster, &[made])?;
            send(&self.cluster, &[ended])?;
        }
        let kubeconfig = self.kubeconfig.to_string_lossy().into_owned();
        let once = [
            "controller",
            "--once",
            "--namespace",
            "once",
            "--signing-secrets-dir",
            "/nonexistent",
            "--kubeconfig",
            &kubeconfig,
        ];
        let told = self.place.run(&once)?;
        if told.exit != 1
            || told.stdout != "1 signed, 1 not signed\n"
            || !told.stderr.contains("StorageUnavailable")
        {
            bail!("--once ended with {}: {}{}", told.exit, told.stdout, told.stderr);
        }
        let all = runs(&self.cluster, "once", "taskrun")?;
        let [bad, good] = all.as_slice() else { bail!("two runs were made, and there are {}", all.len()) };
        let uid = good.pointer("/metadata/uid").and_then(serde_json::Value::as_str).unwrap_or_default();
        if !is_signed(good) || annotation(good, &format!("payload-taskrun-{uid}")).is_none() {
            bail!("the good run has no payload: {}", good["metadata"]);
        }
        if annotation(bad, "provost-condition").is_none() || bad.pointer("/metadata/finalizers").is_some() {
            bail!("the bad run has no reason, or is held where nobody stays: {}", bad["metadata"]);
        }
        self.place.set("DOCKER_CONFIG", self.place.folder().join("docker"));
        self.verifies("cosign.pub", &image, 1)?;
        self.place.unset("DOCKER_CONFIG");
        let controller = self.start("beside")?;
        self.wait(&[&controller], || {
            Ok((controller.counter("provost_shares") == 0).then(|| "the controller has no share".to_owned()))
        })?;
        self.place.refuses(&once, "is at work in this cluster")?;
        controller.stop()?;
        self.configure(BUILDER)?;
        shell::say(
            "a backlog is signed once, as bundles and on the runs, with the credentials of the runs' account",
        );
        Ok(())
    }

    /// The image has a signature and so many attestations under this key, and they meet the guide's policy.
    fn verifies(&self, key: &str, image: &str, attestations: usize) -> Result<()> {
        self.place.must(&["verify", "--key", key, image])?;
        let verify = [
            "verify-attestation",
            "--key",
            key,
            "--type",
            "slsaprovenance",
            "--policy",
            "builder.cue",
            image,
        ];
        let found = self.place.must(&verify)?.lines().count();
        if found != attestations {
            bail!("{image}: {found} attestations verify under {key}, expected {attestations}");
        }
        Ok(())
    }

    /// A new key signs new runs without a restart, and a bad configuration changes nothing but what is said about it.
    fn rotation(&self) -> Result<()> {
        let place = &self.place;
        let controller = self.start("rotation")?;
        self.wait(&[&controller], || {
            Ok((controller.ask("/readiness") != "ok\n").then(|| "the controller is not ready".to_owned()))
        })?;
        place.write("old.pub", &place.read("cosign.pub")?)?;
        self.cluster.kubectl(&["delete", "secret", "signing-secrets", "-n", "tekton-chains"])?;
        place.must(&["generate-key-pair", KEY])?;
        let opened =
            |controller: &Controller| controller.last_words().matches("signing with the key").count();
        self.wait(&[&controller], || {
            Ok((opened(&controller) < 2).then(|| "the new key is not in use".to_owned()))
        })?;
        let image = place.image(&format!("{}/test/chains/demo-3:v3", self.registry.address), "rotated\n")?;
        self.build("demo-3", &image)?;
        self.wait(&[&controller], || self.all_signed("ci", "pipelinerun", 2))?;
        self.verifies("cosign.pub", &image, 2)?;
        place.refuses(&["verify", "--key", "old.pub", &image], "no matching")?;
        if controller.counter("watcher_pipelinerun_marked_signed_total") != 1 {
            bail!("the new key made the controller sign an old run again");
        }
        let bad = r#"{"data": {"artifacts.taskrun.format": "nosuch"}}"#;
        let patch = ["patch", "configmap", "chains-config", "-n", "tekton-chains", "--type=merge", "-p"];
        self.cluster.kubectl(&[patch.as_slice(), &[bad]].concat())?;
        self.wait(&[&controller], || {
            let events = self.cluster.kubectl(&["get", "events", "-n", "tekton-chains", "-o", "json"])?;
            let told = events.contains("InvalidConfiguration")
                && events.contains("the configuration before it stays");
            Ok((!told).then(|| "no event about the bad configuration".to_owned()))
        })?;
        let image = place.image(&format!("{}/test/chains/demo-4:v4", self.registry.address), "bad edit\n")?;
        self.build("demo-4", &image)?;
        self.wait(&[&controller], || self.all_signed("ci", "pipelinerun", 3))?;
        self.verifies("cosign.pub", &image, 2)?;
        let good = r#"{"data": {"artifacts.taskrun.format": null}}"#;
        self.cluster.kubectl(&[patch.as_slice(), &[good]].concat())?;
        controller.stop()?;
        shell::say(
            "a new key signs new runs at once, and a bad edit of chains-config is said on it and changes nothing",
        );
        Ok(())
    }

    /// TaskRuns `from..to` of a namespace, made and ended; each has an image of its own.
    fn end_runs(&self, namespace: &str, host: &str, numbers: std::ops::Range<usize>) -> Result<()> {
        let (mut made, mut ended): (Vec<Call>, Vec<Call>) = (Vec::new(), Vec::new());
        for number in numbers {
            let (make, end) =
                task_run(namespace, &format!("run-{number}"), &image(namespace, host, number), None);
            made.push(make);
            ended.push(end);
        }
        send(&self.cluster, &made)?;
        send(&self.cluster, &ended)
    }

    /// Each of these runs has its attestation and its signature once.
    fn stored_once(&self, namespace: &str, host: &str, count: usize) -> Result<()> {
        for suffix in ["att", "sig"] {
            let urls: Vec<String> = (0..count)
                .map(|number| {
                    let image = image(namespace, host, number);
                    let (name, digest) = image.split_once("@sha256:").unwrap_or_default();
                    let path = name.split_once('/').unwrap_or_default().1;
                    format!("http://{host}/v2/{path}/manifests/sha256-{digest}.{suffix}")
                })
                .collect();
            for (number, manifest) in fetch(self.place.folder(), &urls)?.into_iter().enumerate() {
                let layers = manifest.as_ref().and_then(|one| one["layers"].as_array()).map_or(0, Vec::len);
                if layers != 1 {
                    bail!("run-{number} of {namespace} has {layers} layers under .{suffix}, expected 1");
                }
            }
        }
        Ok(())
    }

    /// Kills the controller again and again while runs end.
    fn kills(&self) -> Result<()> {
        let (count, kills) = (self.setting.count(RUNS), self.setting.count(KILLS));
        self.cluster.kubectl(&["create", "namespace", "kills"])?;
        let host = self.registry.address.to_string();
        let began = Instant::now();
        let mut lots = Lots::new();
        let mut controller = self.start("kills")?;
        thread::scope(|scope| -> Result<()> {
            let ending = scope.spawn(|| -> Result<()> {
                (0..count)
                    .step_by(BATCH)
                    .try_for_each(|at| self.end_runs("kills", &host, at..(at + BATCH).min(count)))
            });
            for _ in 0..kills {
                // From before the first run is looked at to well into the work.
                thread::sleep(Duration::from_millis(200 + lots.below(2000)));
                controller.kill()?;
                controller = self.start("kills")?;
            }
            ending.join().map_err(|_| anyhow::anyhow!("making runs broke down"))?
        })?;
        self.wait(&[&controller], || self.all_signed("kills", "taskrun", count))?;
        self.stored_once("kills", &host, count)?;
        let mut resident = 0;
        self.wait(&[&controller], || {
            resident = controller.resident()?;
            Ok((resident > RESIDENT).then(|| format!("the controller keeps more than {RESIDENT} MiB")))
        })?;
        controller.stop()?;
        shell::say(&format!(
            "{count} runs ended while the controller was killed {kills} times: all signed, none twice, in {:.0} s; {resident} MiB resident at the end",
            began.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    /// A registry goes away and comes back.
    fn registry_away(&self) -> Result<()> {
        self.cluster.kubectl(&["create", "namespace", "away"])?;
        let registry = Server::docker_registry(self.place.folder())?;
        let (address, host) = (registry.address, registry.address.to_string());
        let controller = self.start("away")?;
        self.end_runs("away", &host, 0..5)?;
        self.wait(&[&controller], || self.all_signed("away", "taskrun", 5))?;
        drop(registry);
        let away = if self.setting.short { AWAY / 10 } else { AWAY };
        let gone = Instant::now();
        self.end_runs("away", &host, 5..BATCH)?;
        self.wait(&[&controller], || {
            let all = runs(&self.cluster, "away", "taskrun")?;
            let told = |run: &&serde_json::Value| {
                annotation(run, "provost-condition").is_some_and(|text| text.contains("StorageUnavailable"))
            };
            let told = all.iter().filter(told).count();
            Ok((told != BATCH - 5).then(|| format!("{told} runs say why they are not signed")))
        })?;
        let events = self.cluster.kubectl(&["get", "events", "-n", "away", "-o", "json"])?;
        if !events.contains("SigningFailed") {
            bail!("no event says that the registry is away");
        }
        thread::sleep(away.saturating_sub(gone.elapsed()));
        let registry = Server::docker_registry_at(self.place.folder(), address)?;
        let back = Instant::now();
        self.wait(&[&controller], || self.all_signed("away", "taskrun", BATCH))?;
        self.stored_once("away", &host, BATCH)?;
        controller.stop()?;
        drop(registry);
        shell::say(&format!(
            "a registry was away for {:.0} s: nothing lost, reasons on the runs, all signed {:.0} s after its return",
            away.as_secs_f64(),
            back.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    /// Two replicas share the work; one dies, and the other takes over.
    fn replicas(&self) -> Result<()> {
        self.cluster.kubectl(&["create", "namespace", "pair"])?;
        let host = self.registry.address.to_string();
        let (mut one, other) = (self.start("one")?, self.start("other")?);
        let shares = |controller: &Controller| controller.counter("provost_shares");
        self.wait(&[&one, &other], || {
            let found = (shares(&one), shares(&other));
            Ok((found != (2, 2)).then(|| format!("the shares are {found:?}, expected two each")))
        })?;
        let count = 4 * BATCH;
        self.end_runs("pair", &host, 0..count / 2)?;
        self.wait(&[&one, &other], || self.all_signed("pair", "taskrun", count / 2))?;
        let done = |controller: &Controller| controller.counter("watcher_taskrun_marked_signed_total");
        if done(&one) == 0 || done(&other) == 0 {
            bail!("one replica signed {}, the other {}", done(&one), done(&other));
        }
        one.kill()?;
        let died = Instant::now();
        self.end_runs("pair", &host, count / 2..count)?;
        self.wait(&[&other], || self.all_signed("pair", "taskrun", count))?;
        self.stored_once("pair", &host, count)?;
        let waited = died.elapsed().as_secs_f64();
        other.stop()?;
        shell::say(&format!(
            "two replicas share the work, and one took over all of it {waited:.0} s after the other died"
        ));
        Ok(())
    }
}

/// The image that a run built: one of its own, which no registry need have.
fn image(namespace: &str, host: &str, number: usize) -> String {
    format!("{host}/e2e/{namespace}-{}@sha256:{number:064x}", number % 7)
}

/// Numbers that differ from run to run; the first is said, so that a failure can be looked at.
struct Lots(u64);

impl Lots {
    fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        shell::say(&format!("lots begin at {}", now.as_millis()));
        Self(u64::try_from(now.as_millis()).unwrap_or_default())
    }

    fn below(&mut self, bound: u64) -> u64 {
        // Knuth's MMIX generator; its upper bits are good enough to choose moments.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
