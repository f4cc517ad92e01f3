//! The gate at a real API server, with the controller: the guide's ten steps, everything that carries an image, what decisions
//! leave behind and who sees it, changes and renewals under load, an API server that is restarted, registries that fail,
//! replicas that die.

mod beside;
mod carriers;
mod kinds;
mod objects;
mod registry;
mod traces;
mod under_load;
mod visitors;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Setting;
use crate::ask::{Answer, Ask, ask};
use crate::controller::Controller;
use crate::faults::Front;
use crate::gate::{Gate, Start};
use crate::servers::{Server, free};
use crate::shell;
use crate::tekton::{self, Ground, end_pipeline_run, is_signed, pipeline_run, runs, send, task_run};
use objects::{Policy, pod};

const BUILDER: &str = "https://alauda.io/builders/tekton/v1";
const OTHER_BUILDER: &str = "https://alauda.io/builders/tekton/v2";
/// The longest that anything is waited for without a change: a Lease's half minute, and a build beside it.
const PATIENCE: Duration = Duration::from_secs(90);
const AGAIN: Duration = Duration::from_millis(200);

/// What the parts work in.
struct Scene<'a> {
    setting: &'a Setting,
    ground: Ground,
    registry: Server,
    /// The gate's account.
    kubeconfig: std::path::PathBuf,
    /// Where the API server asks: a front of all replicas.
    front: Front,
    /// Where the replicas listen.
    seats: Vec<SocketAddr>,
    /// Where the first one shows its console.
    console: SocketAddr,
    /// The image that the guide's run built, and one that nobody attested.
    good: String,
    bad: String,
}

/// Runs all parts, one after another in one cluster.
pub(super) fn run(setting: &Setting) -> Result<()> {
    shell::install(&[("docker-registry", "docker-registry"), ("curl", "curl")])?;
    let ground = Ground::new(&setting.binary)?;
    let registry = Server::docker_registry(ground.place.folder())?;
    objects::apply(&ground.cluster)?;
    let kubeconfig = ground.cluster.kubeconfig_of("provost-system", "provost-admission")?;
    let seats = vec![free()?, free()?];
    let front = Front::before(seats.clone())?;
    let console = free()?;
    let (good, bad) = (String::new(), String::new());
    let mut scene = Scene { setting, ground, registry, kubeconfig, front, seats, console, good, bad };
    scene.rights()?;
    let gate = scene.gate(0, "one", &["--console", &console.to_string()])?;
    scene.guide(&gate)?;
    scene.kinds(&gate)?;
    scene.traces(&gate)?;
    scene.visitors(&gate)?;
    scene.exceptions(&gate)?;
    scene.changes(&gate)?;
    scene.renewal(&gate)?;
    scene.beside(&gate)?;
    scene.faults(&gate)?;
    scene.restart(&gate)?;
    scene.pair(gate)?;
    scene.end()
}

impl Scene<'_> {
    /// Starts a replica and waits until it is ready.
    fn gate(&self, seat: usize, name: &str, more: &[&str]) -> Result<Gate> {
        let address = *self.seats.get(seat).context("a seat")?;
        let mut flags = vec![
            "--enablePolicyException=true",
            "--exceptionNamespace=provost-system",
            "--shutdown-delay",
            "0s",
        ];
        flags.extend(more);
        let gate = Gate::start(&Start {
            binary: self.ground.place.binary(),
            kubeconfig: &self.kubeconfig,
            folder: self.ground.place.folder(),
            name,
            address,
            reached: self.front.address,
            more: &flags,
        })?;
        let began = Instant::now();
        self.wait(&gate, || Ok(gate.missing()))?;
        shell::say(&format!("the gate {name} is ready after {:.1} s", began.elapsed().as_secs_f64()));
        Ok(gate)
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.ground.cluster.kubectl(arguments)
    }

    /// Waits until something holds; what does not hold is said by it, and as long as that changes it goes on.
    fn wait(&self, gate: &Gate, mut holds: impl FnMut() -> Result<Option<String>>) -> Result<()> {
        let (mut began, mut before) = (Instant::now(), String::new());
        loop {
            let Some(missing) = holds()? else { return Ok(()) };
            if missing != before {
                (began, before) = (Instant::now(), missing);
            } else if began.elapsed() > PATIENCE {
                bail!("{missing} for {} s\n{}", PATIENCE.as_secs(), gate.last_words());
            }
            thread::sleep(AGAIN);
        }
    }

    /// Stores a policy and waits until it is ready.
    fn store(&self, gate: &Gate, policy: &Policy) -> Result<()> {
        self.ground.cluster.apply(&policy.object().to_string())?;
        let name = format!("clusterpolicy/{}", policy.name);
        let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
        self.wait(gate, || {
            let ready = self.kubectl(&["get", &name, "-o", path])?;
            Ok((ready != "True").then(|| format!("{name} is not ready: {ready:?}")))
        })
    }

    /// Waits until all policies there are are ready.
    fn all_ready(&self, gate: &Gate) -> Result<()> {
        let path = r#"jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
        self.wait(gate, || {
            let states = self.kubectl(&["get", "clusterpolicies", "-o", path])?;
            let other = states.lines().find(|line| !line.ends_with(" True"));
            Ok(other.map(|line| format!("a policy is not ready: {line}")))
        })
    }

    /// Sends an object that is to be made in the namespace `policy`.
    fn create(&self, collection: &str, object: &Value) -> Result<Answer> {
        ask(&self.ground.cluster, &Ask { method: "POST", path: collection.to_owned(), body: object.clone() })
    }

    fn admits(&self, what: &str, answer: &Answer) -> Result<()> {
        match answer.is_good() {
            true => Ok(()),
            false => bail!("{what}: expected to be let in, found {} {}", answer.status, answer.message),
        }
    }

    /// It must be denied by a webhook, not by anything else.
    fn denies(&self, what: &str, answer: &Answer, words: &str) -> Result<()> {
        let denied = answer.message.contains("denied the request") && answer.message.contains(words);
        match !answer.is_good() && denied {
            true => Ok(()),
            false => {
                bail!("{what}: expected a denial with {words:?}, found {} {}", answer.status, answer.message)
            }
        }
    }

    /// What the service account may and may not do.
    fn rights(&self) -> Result<()> {
        let account = "--as=system:serviceaccount:provost-system:provost-admission";
        for (may, verb, resource, namespace) in [
            (true, "watch", "clusterpolicies.kyverno.io", "default"),
            (true, "list", "namespaces", "default"),
            (true, "get", "secrets", "provost-system"),
            (false, "get", "secrets", "default"),
            (false, "list", "secrets", "default"),
            (false, "watch", "secrets", "policy"),
            (true, "get", "secrets", "policy"),
            (false, "get", "secrets/signing-secrets", "tekton-chains"),
            (false, "create", "pods", "default"),
            (false, "delete", "pods", "default"),
            (false, "patch", "taskruns.tekton.dev", "default"),
            (false, "create", "policyexceptions.kyverno.io", "provost-system"),
            (false, "update", "clusterpolicies.kyverno.io", "default"),
            (false, "update", "mutatingwebhookconfigurations", "default"),
            (true, "update", "mutatingwebhookconfigurations/provost-mutating", "default"),
        ] {
            let told = self.kubectl(&["auth", "can-i", verb, resource, account, "-n", namespace]);
            if told.is_ok() != may {
                bail!(
                    "the gate's account may {verb} {resource} in {namespace}: expected {may}, found {}",
                    !may
                );
            }
        }
        let controller = "--as=system:serviceaccount:tekton-chains:provost-controller";
        for (verb, resource) in
            [("create", "pods"), ("update", "mutatingwebhookconfigurations/provost-mutating")]
        {
            if self.kubectl(&["auth", "can-i", verb, resource, controller, "-n", "default"]).is_ok() {
                bail!("the controller's account may {verb} {resource}");
            }
        }
        Ok(())
    }

    /// The guide's ten steps, with the words of the denial.
    fn guide(&mut self, gate: &Gate) -> Result<()> {
        let host = self.registry.address.to_string();
        let cluster = &self.ground.cluster;
        tekton::configure(
            cluster,
            &json!({"artifacts.taskrun.storage": "oci", "artifacts.pipelinerun.storage": "oci",
                "artifacts.oci.storage": "oci", "builder.id": BUILDER}),
        )?;
        let place = &self.ground.place;
        self.good = place.image(&format!("{host}/test/chains/demo-1:v1"), "demo\n")?;
        self.bad = place.image(&format!("{host}/test/chains/unbuilt:v1"), "from nowhere\n")?;
        self.before()?;
        let controller =
            Controller::start(place.binary(), &self.ground.kubeconfig, place.folder(), "guide", &[])?;
        self.wait(gate, || {
            let said = controller.ask("/readiness");
            Ok((said != "ok\n").then(|| format!("the controller is not ready: {said}")))
        })?;
        let uid = pipeline_run(cluster, "ci", "demo-1")?;
        let (made, ended) = task_run("ci", "demo-1-build-image", &self.good, Some(("demo-1", &uid)));
        send(cluster, &[made])?;
        send(cluster, &[ended])?;
        send(cluster, &[end_pipeline_run("ci", "demo-1", &["demo-1-build-image"], &self.good)])?;
        self.wait(gate, || {
            let all = runs(cluster, "ci", "pipelinerun")?;
            let signed = all.iter().filter(|run| is_signed(run)).count();
            Ok((signed != 1).then(|| format!("the PipelineRun is not signed: {}", controller.last_words())))
        })?;
        controller.stop()?;
        let key = place.read("cosign.pub")?;
        let credentials = ["--docker-username=u", "--docker-password=p", "-n", "provost-system"];
        let server = format!("--docker-server={host}");
        let secret = ["create", "secret", "docker-registry", "registry-credentials", &server];
        self.kubectl(&[secret.as_slice(), &credentials].concat())?;

        let mut policy = Policy::guide(&key, BUILDER);
        self.store(gate, &policy)?;
        let run = |name: &str, image: &str| {
            self.kubectl(&["run", name, "-n", "policy", "--image", image, "--restart=Never"])
        };
        // The first request after registration: it must succeed.
        run("built", &self.good)?;
        policy.builder = OTHER_BUILDER.to_owned();
        self.store(gate, &policy)?;
        self.wait(gate, || {
            let denied = run("probe", &self.good).is_err();
            if !denied {
                self.kubectl(&["delete", "pod", "probe", "-n", "policy", "--force", "--grace-period=0"])?;
            }
            Ok((!denied).then(|| "the policy with the other builder lets the image in".to_owned()))
        })?;
        let Err(error) = run("unbuilt", &self.good) else { bail!("the other builder's policy lets it in") };
        let said = format!("{error:#}");
        let expected = format!(
            "Error from server: admission webhook \"mutate.kyverno.svc-fail\" denied the request: \n\n\
             resource Pod/policy/unbuilt was blocked due to the following policies \n\n\
             verify-tekton-built-images:\n  check-image: 'image attestations verification failed, verifiedCount: 0, \
             requiredCount: 1, error: .attestations[0].attestors[0].entries[0].keys: attestation checks failed for \
             {} and predicate https://slsa.dev/provenance/v0.2: The builder.id must be equal to {OTHER_BUILDER}, \
             not {BUILDER}'",
            self.good
        );
        if !said.contains(&expected) {
            bail!("the denial has other words.\nexpected: {expected}\nfound: {said}");
        }
        // Elsewhere nobody minds.
        self.kubectl(&["run", "elsewhere", "-n", "default", "--image", &self.bad, "--restart=Never"])?;
        policy.builder = BUILDER.to_owned();
        self.store(gate, &policy)?;
        self.wait(gate, || {
            let answer = self.create(objects::PODS, &pod("again", &self.good))?;
            Ok((!answer.is_good()).then(|| format!("not let in again: {}", answer.message)))
        })?;
        shell::say("the ten steps hold with controller and gate, and the denial has the guide's words");
        Ok(())
    }

    /// Uninstalling removes the webhooks, stopping does not.
    fn end(&self) -> Result<()> {
        let there = || self.kubectl(&["get", "mutatingwebhookconfiguration", "provost-mutating"]).is_ok();
        if !there() {
            bail!("stopping has removed the webhooks");
        }
        let kubeconfig = self.kubeconfig.to_string_lossy().into_owned();
        self.ground.place.must(&["admission", "--uninstall", "--kubeconfig", &kubeconfig])?;
        if there() {
            bail!("--uninstall leaves the webhooks");
        }
        Ok(())
    }
}

/// An image of the guide by its tag, which is looked up each time.
fn by_tag(image: &str) -> String {
    let name = image.split('@').next().unwrap_or_default();
    match name.ends_with(":v1") {
        true => name.to_owned(),
        false => format!("{name}:v1"),
    }
}
