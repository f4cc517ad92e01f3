//! Every kind of object that carries an image: made, changed, scaled, rolled back, tried without being stored, and ended.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::carriers::{ALL, Carrier, PLACES};
use super::objects::{self, Policy, pod};
use super::{BUILDER, Scene, by_tag};
use crate::ask::{Answer, Ask, ask, ask_all};
use crate::gate::Gate;
use crate::shell;

const BLOCKED: &str = "was blocked due to the following policies";
/// How long a policy may take to count that was stored a moment ago.
const COUNTS: Duration = Duration::from_secs(15);

impl Scene<'_> {
    /// What is there before there is any policy: a Deployment's older state with an image that nobody attested, a Pod and a
    /// Job with one that will end.
    pub(super) fn before(&self) -> Result<()> {
        let template = |image: &str, hash: &str| {
            json!({"metadata": {"labels": {"app": "rolled", "pod-template-hash": hash}},
                "spec": {"containers": [{"name": "a", "image": image}]}})
        };
        let rolled = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "rolled", "annotations": {"deployment.kubernetes.io/revision": "3"}},
            "spec": {"selector": {"matchLabels": {"app": "rolled"}},
                "template": {"metadata": {"labels": {"app": "rolled"}},
                    "spec": {"containers": [{"name": "a", "image": by_tag(&self.good)}]}}}});
        self.kept("/apis/apps/v1/namespaces/policy/deployments", &rolled)?;
        let uid = ["get", "deployment/rolled", "-n", "policy", "-o", "jsonpath={.metadata.uid}"];
        let uid = self.kubectl(&uid)?;
        // What a Deployment's controller keeps of it, whom nobody plays here.
        for (revision, image) in [("1", &self.bad), ("2", &self.good)] {
            let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {
                    "name": format!("rolled-{revision}"), "labels": {"app": "rolled", "pod-template-hash": revision},
                    "annotations": {"deployment.kubernetes.io/revision": revision},
                    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "rolled",
                        "uid": uid, "controller": true, "blockOwnerDeletion": true}]},
                "spec": {"replicas": 0, "template": template(image, revision),
                    "selector": {"matchLabels": {"app": "rolled", "pod-template-hash": revision}}}});
            self.kept("/apis/apps/v1/namespaces/policy/replicasets", &set)?;
        }
        for name in ["leaving", "staying"] {
            let mut old = pod(name, &self.bad);
            if let Some(metadata) = old.pointer_mut("/metadata") {
                *metadata = json!({"name": name, "finalizers": ["example.com/held"]});
            }
            self.kept(objects::PODS, &old)?;
        }
        Ok(())
    }

    fn kept(&self, collection: &str, object: &Value) -> Result<()> {
        self.admits("what is there before the policies", &self.create(collection, object)?)
    }

    fn patch(&self, path: &str, body: Value) -> Result<Answer> {
        ask(&self.ground.cluster, &Ask { method: "PATCH", path: path.to_owned(), body })
    }

    /// Everything that can carry an image.
    pub(super) fn kinds(&self, gate: &Gate) -> Result<()> {
        let extracting = Policy::of_task_runs(&self.ground.place.read("cosign.pub")?, BUILDER);
        self.store(gate, &extracting)?;
        // Kyverno's own filters leave ReplicaSets out, whose Pods are judged; a ConfigMap without that entry takes them in.
        let filtered = pod_of("ReplicaSet", &self.bad)?;
        let dry = "/apis/apps/v1/namespaces/policy/replicasets?dryRun=All";
        self.admits("a ReplicaSet, by the filters that Kyverno ships with", &self.create(dry, &filtered)?)?;
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "provost-admission", "namespace": "provost-system"},
            "data": {"resourceFilters": "[*/*,kube-system,*] [Node,*,*]"}});
        self.ground.cluster.apply(&config.to_string())?;
        self.create_until_denied(dry, &filtered)?;
        let mut asked = 0;
        for carrier in &ALL {
            asked += self.carrier(carrier)?;
        }
        self.ephemeral()?;
        self.rollback()?;
        self.ending()?;
        self.kubectl(&["delete", "configmap", "provost-admission", "-n", "provost-system"])?;
        self.wait(gate, || {
            let answer = self.create(dry, &filtered)?;
            Ok((!answer.is_good()).then(|| "the filters are not those of Kyverno again".to_owned()))
        })?;
        shell::say(&format!(
            "{} kinds of objects with {} places for images are made, changed, scaled and rolled back as they should ({asked} answers), and what ends can end",
            ALL.len(),
            PLACES.len()
        ));
        Ok(())
    }

    /// One kind: denied for each place with an unattested image, let in without; dry runs leave nothing.
    fn carrier(&self, carrier: &Carrier) -> Result<usize> {
        let kind = carrier.name;
        let dry = format!("{}?dryRun=All", carrier.collection);
        let places: Vec<_> =
            PLACES.iter().filter(|(place, _)| kind != "TaskRun" || *place != "image volume").collect();
        if let Some((_, first)) = places.first() {
            // The policy of the last kind has been stored a moment ago.
            self.create_until_denied(&dry, &carrier.of(first(&self.bad, &self.good)))?;
        }
        let create = |path: &str, body: Value| Ask { method: "POST", path: path.to_owned(), body };
        let (mut asks, mut whats) = (Vec::new(), Vec::new());
        for (place, spec) in &places {
            let what = format!("a {kind} with a {place}");
            asks.push(create(carrier.collection, carrier.of(spec(&self.bad, &self.good))));
            whats.push(format!("{what} that nobody attested"));
            asks.push(create(&dry, carrier.of(spec(&self.bad, &self.good))));
            whats.push(format!("{what} that nobody attested, dry"));
            asks.push(create(&dry, carrier.of(spec(&self.good, &self.good))));
            whats.push(format!("{what} that is attested, dry"));
        }
        let answers = ask_all(&self.ground.cluster, &asks)?;
        for (answer, what) in answers.iter().zip(&whats) {
            match what.contains("nobody") {
                true => self.denies(what, answer, BLOCKED)?,
                false => self.admits(what, answer)?,
            }
        }
        // Nothing of all that was stored; with all places filled well it is.
        let there =
            ask(&self.ground.cluster, &Ask { method: "GET", path: carrier.path(), body: Value::Null })?;
        if there.status != 404 {
            bail!("a {kind} that was denied or dry is there: {}", there.status);
        }
        let mut whole = json!({});
        for (_, spec) in &places {
            if let (Some(fields), Value::Object(more)) = (whole.as_object_mut(), spec(&self.good, &self.good))
            {
                fields.extend(more);
            }
        }
        self.admits(&format!("a {kind}"), &self.create(carrier.collection, &carrier.of(whole))?)?;
        let path = carrier.path();
        self.admits(
            &format!("labelling a {kind}"),
            &self.patch(&path, json!({"metadata": {"labels": {"l": "1"}}}))?,
        )?;
        let mut changes = 1;
        if carrier.changes {
            let what = format!("changing a {kind}");
            self.denies(&what, &self.patch(&path, carrier.change(&self.bad))?, BLOCKED)?;
            let dry = format!("{path}?dryRun=All");
            self.denies(&format!("{what}, dry"), &self.patch(&dry, carrier.change(&self.bad))?, BLOCKED)?;
            self.admits(&what, &self.patch(&path, carrier.change(&by_tag(&self.good)))?)?;
            self.admits(&format!("{what} back"), &self.patch(&path, carrier.change(&self.good))?)?;
            changes += 4;
        }
        if carrier.scales {
            let name = format!("{}/carrier", kind.to_lowercase());
            self.kubectl(&["scale", &name, "-n", "policy", "--replicas=3"])?;
            changes += 1;
        }
        Ok(asks.len() + changes + 1)
    }

    /// Sends an object until it is denied: it is about a policy that was stored a moment ago.
    fn create_until_denied(&self, path: &str, object: &Value) -> Result<()> {
        let began = Instant::now();
        while self.create(path, object)?.is_good() && began.elapsed() < COUNTS {
            thread::sleep(super::AGAIN);
        }
        Ok(())
    }

    fn ephemeral(&self) -> Result<()> {
        let debug =
            |image: &str| json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": image}]}});
        let path = "/api/v1/namespaces/policy/pods/carrier/ephemeralcontainers";
        let dry = format!("{path}?dryRun=All");
        self.denies("an ephemeral container", &self.patch(path, debug(&self.bad))?, BLOCKED)?;
        self.denies("a dry ephemeral container", &self.patch(&dry, debug(&self.bad))?, BLOCKED)?;
        self.admits("an ephemeral container", &self.patch(path, debug(&self.good))?)
    }

    /// As `kubectl rollout undo` does it: to a state that is attested, and to one that is not and was there before.
    fn rollback(&self) -> Result<()> {
        let undo = ["rollout", "undo", "deployment/rolled", "-n", "policy"];
        self.kubectl(&[undo.as_slice(), &["--to-revision=2"]].concat())?;
        let now = [
            "get",
            "deployment/rolled",
            "-n",
            "policy",
            "-o",
            "jsonpath={.spec.template.spec.containers[0].image}",
        ];
        let image = self.kubectl(&now)?;
        if image != self.good {
            bail!("rolled back to revision 2: expected {}, found {image}", self.good);
        }
        let Err(refused) = self.kubectl(&[undo.as_slice(), &["--to-revision=1"]].concat()) else {
            bail!("a Deployment is rolled back to an image that nobody attested");
        };
        if !format!("{refused:#}").contains(BLOCKED) {
            bail!("rolling back to an image that nobody attested: {refused:#}");
        }
        Ok(())
    }

    /// What was there before the policies and ends is not kept from ending; what stays is not changed without its images
    /// being verified.
    fn ending(&self) -> Result<()> {
        let path = |name: &str| format!("{}/{name}", objects::PODS);
        let release = || json!({"metadata": {"finalizers": null}});
        self.denies("changing what stays", &self.patch(&path("staying"), release())?, BLOCKED)?;
        self.kubectl(&["delete", "pod", "leaving", "-n", "policy", "--wait=false"])?;
        self.admits("letting go what ends", &self.patch(&path("leaving"), release())?)
    }

    /// Break-glass: an exception counts in its namespace alone, and ends by itself.
    pub(super) fn exceptions(&self, gate: &Gate) -> Result<()> {
        let bad = pod("broken-glass", &self.bad);
        let dry = format!("{}?dryRun=All", objects::PODS);
        let until = |seconds: i64| -> Result<String> {
            let at =
                shell::output("date", &["-u", "-d", &format!("+{seconds} seconds"), "+%Y-%m-%dT%H:%M:%SZ"])?;
            Ok(at.trim().to_owned())
        };
        self.ground.cluster.apply(&objects::exception("default", &until(600)?).to_string())?;
        self.ground.cluster.apply(&objects::exception("provost-system", &until(8)?).to_string())?;
        self.wait(gate, || {
            let answer = self.create(&dry, &bad)?;
            Ok((!answer.is_good()).then(|| format!("the exception does not count: {}", answer.message)))
        })?;
        self.wait(gate, || {
            let answer = self.create(&dry, &bad)?;
            Ok(answer.is_good().then(|| "the exception does not end".to_owned()))
        })?;
        // Nothing on a Pod opens the gate, and our own namespace is not locked.
        let mut marked = bad.clone();
        if let Some(metadata) = marked.get_mut("metadata") {
            *metadata = json!({"name": "marked", "annotations": {"provost.dev/expires-at": until(600)?,
                "kyverno.io/verify-images": json!({self.bad.as_str(): "pass"}).to_string()}});
        }
        self.denies("a Pod that marks itself", &self.create(&dry, &marked)?, "was blocked")?;
        let own = "/api/v1/namespaces/provost-system/pods?dryRun=All";
        self.admits("a Pod of our own namespace", &self.create(own, &pod("own", &self.bad))?)?;
        shell::say(
            "an exception counts in its namespace alone and ends by itself; nothing on a Pod opens the gate",
        );
        Ok(())
    }
}

/// An object of this kind with one container.
fn pod_of(kind: &str, image: &str) -> Result<Value> {
    let carrier = ALL.iter().find(|carrier| carrier.name == kind).context("a kind")?;
    let (_, spec) = PLACES.first().context("a place")?;
    let mut object = carrier.of(spec(image, image));
    if let Some(metadata) = object.get_mut("metadata") {
        *metadata = json!({"generateName": "filtered-"});
    }
    Ok(object)
}
