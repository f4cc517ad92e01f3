//! Plays a file: does what it says, and tells the first thing that is not as it must be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use provost_chains::receipt::RECEIPT;
use provost_chains::reconcile::{Key, Kind, Outcome, Reconciler, Rules, Settings, Trouble};
use provost_chains::{ChainsConfig, Receipt};
use provost_keys::{HashChoice, PrivateKey, Signer};
use provost_oci::{ImageManifest, Repository, Selector};
use provost_registry::store::NetworkFailure;
use provost_registry::{Store as _, StoreError};
use provost_sign::{KeyHint, sign_envelope};
use provost_statement::Envelope;
use serde_json::{Value, json};
use testkit::Request;

use super::case::{Case, Expect, Made, Reconcile, Registry as Told, Step};
use super::cluster::{Memory, merge};

const NOW: &str = "2026-01-01T01:00:00Z";

struct Scene {
    cluster: Memory,
    settings: Settings,
    rules: Rules,
    stranger: PrivateKey,
    /// The present key and those before it.
    keys: Vec<Arc<PrivateKey>>,
}

/// `KIND/NAME`, or `KIND/NAMESPACE/NAME`.
fn key(text: &str) -> Key {
    let parts: Vec<&str> = text.split('/').collect();
    let (kind, namespace, name) = match parts.as_slice() {
        [kind, name] => (*kind, "team", *name),
        [kind, namespace, name] => (*kind, *namespace, *name),
        _ => panic!("{text}"),
    };
    let kind = Kind::ALL.into_iter().find(|one| one.name() == kind).unwrap_or_else(|| panic!("{text}"));
    Key::new(kind, namespace, name)
}

fn object(made: &Made) -> Value {
    let results: Vec<Value> =
        made.results.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let params: Vec<Value> =
        made.params.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let children: Vec<Value> = made
        .children
        .iter()
        .map(|name| json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": name}))
        .collect();
    let uid = made.uid.clone().unwrap_or_else(|| format!("uid-{}", made.name));
    let mut object = json!({
        "apiVersion": "tekton.dev/v1", "kind": made.kind,
        "metadata": {"name": made.name, "namespace": made.namespace, "uid": uid, "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z", "annotations": made.annotations},
        "spec": {"params": params},
        "status": {"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:15Z",
            "conditions": [{"type": "Succeeded", "status": "True"}], "results": results,
            "childReferences": children},
    });
    if let Some(owner) = &made.owner {
        let (name, uid) = owner.split_once('/').unwrap_or((owner, ""));
        let uid = if uid.is_empty() { format!("uid-{name}") } else { uid.to_owned() };
        object["metadata"]["ownerReferences"] = json!([{"apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
            "name": name, "uid": uid, "controller": true}]);
    }
    if !made.patch.is_null() {
        merge(&mut object, &made.patch);
    }
    object
}

fn settings(config: &BTreeMap<String, String>, key: &Arc<PrivateKey>) -> Settings {
    let mut data: BTreeMap<String, String> =
        ["artifacts.taskrun.storage", "artifacts.pipelinerun.storage", "artifacts.oci.storage"]
            .into_iter()
            .map(|name| (name.to_owned(), "oci".to_owned()))
            .collect();
    data.extend(config.clone());
    let (config, _) = ChainsConfig::from_data(data, "chains-config").unwrap();
    Settings {
        config,
        config_digest: "sha256:c".to_owned(),
        key: Ok(key.clone()),
        others: Default::default(),
        receipt_keys: vec![key.public_key()],
    }
}

/// Plays all steps.
pub(crate) async fn play(case: &Case) -> Result<(), String> {
    let own = Arc::new(PrivateKey::generate().unwrap());
    let mut scene = Scene {
        cluster: Memory::default(),
        settings: settings(&case.config, &own),
        rules: Rules {
            adopt_before: case.adopt_before.as_ref().map(|text| text.parse().unwrap()),
            ..Rules::default()
        },
        stranger: PrivateKey::generate().unwrap(),
        keys: vec![own],
    };
    for made in &case.runs {
        let key = key(&format!("{}/{}/{}", made.kind, made.namespace, made.name));
        scene.cluster.objects.lock().unwrap().insert(key, object(made));
    }
    for (number, step) in case.steps.iter().enumerate() {
        scene.step(step).await.map_err(|wrong| format!("step {}: {wrong}", number + 1))?;
    }
    Ok(())
}

/// An outcome as files spell it, with its sentence.
fn spelled(outcome: &Outcome) -> (String, String) {
    let with = |word: &str, trouble: &Trouble| {
        (format!("{word} {}", trouble.reason.word()), trouble.message.clone())
    };
    match outcome {
        Outcome::Settled => ("settled".to_owned(), String::new()),
        Outcome::Running => ("running".to_owned(), String::new()),
        Outcome::Signed(_) => ("signed".to_owned(), String::new()),
        Outcome::Again => ("again".to_owned(), String::new()),
        Outcome::Busy(host) => ("busy".to_owned(), host.clone()),
        Outcome::Waiting(trouble) => with("waiting", trouble),
        Outcome::Failed(trouble) => with("failed", trouble),
        Outcome::GivenUp(trouble) => with("given-up", trouble),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {wanted:?}")) }
}

impl Scene {
    async fn reconcile(&self, key: &Key) -> Outcome {
        let reconciler = Reconciler {
            cluster: &self.cluster,
            settings: Some(&self.settings),
            rules: &self.rules,
            now: NOW.parse().unwrap(),
        };
        reconciler.reconcile(key).await
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Reconcile(one) => return self.taken_up(one).await,
            Step::Change(change) => self.cluster.merge(&key(&change.run), &change.patch),
            Step::Forge(forge) => {
                let run = key(&forge.run);
                let text = match &forge.from {
                    Some(other) => self.annotation(&key(other), RECEIPT).unwrap(),
                    None => self.receipt(&run, &self.stranger).await,
                };
                self.cluster.merge(&run, &json!({"metadata": {"annotations": {RECEIPT: text}}}));
            }
            Step::Copy(copied) => {
                let (run, to) = (key(&copied.run), key(&copied.to));
                let mut objects = self.cluster.objects.lock().unwrap();
                let mut object = objects.get(&run).unwrap().clone();
                let metadata =
                    json!({"name": to.name, "namespace": to.namespace, "uid": format!("uid-{}", to.name)});
                merge(&mut object, &json!({"metadata": metadata}));
                objects.insert(to, object);
            }
            Step::Remove(run) => {
                self.cluster.objects.lock().unwrap().remove(&key(run));
            }
            Step::Signed(count) => return self.signed(*count).await,
            Step::Registry(told) => self.registry(told).await,
            Step::Kill(killed) => *self.cluster.killed.lock().unwrap() = *killed,
            Step::NewKey => {
                let new = Arc::new(PrivateKey::generate().unwrap());
                self.settings.key = Ok(new.clone());
                self.settings.receipt_keys.push(new.public_key());
                self.keys.insert(0, new);
            }
            Step::Expect(expect) => return self.expect(expect).await,
        }
        Ok(())
    }

    async fn taken_up(&self, one: &Reconcile) -> Result<(), String> {
        for _ in 0..one.times {
            let outcome = self.reconcile(&key(&one.run)).await;
            let (word, message) = spelled(&outcome);
            if word != one.outcome {
                return Err(format!("{}: found {word} ({message}), expected {}", one.run, one.outcome));
            }
            for part in &one.says {
                if !message.contains(part.as_str()) {
                    return Err(format!("{}: {message:?} does not say {part:?}", one.run));
                }
            }
            if let Outcome::Signed(done) = &outcome {
                same("payloads", &done.payloads, &one.payloads.unwrap_or(done.payloads))?;
                same("stored", &done.stored, &one.stored.unwrap_or(done.stored))?;
            }
        }
        Ok(())
    }

    fn annotation(&self, run: &Key, name: &str) -> Option<String> {
        self.cluster.at(run, &["metadata", "annotations", name]).as_str().map(str::to_owned)
    }

    async fn receipt(&self, run: &Key, by: &PrivateKey) -> String {
        let uid = self.cluster.at(run, &["metadata", "uid"]).as_str().unwrap().to_owned();
        let receipt = Receipt { uid, payloads: Vec::new(), configuration: "sha256:c".to_owned() };
        receipt.sign(by as &dyn Signer).await.unwrap()
    }

    /// Makes runs with a receipt each, takes each up after a restart, and finds nothing to do.
    async fn signed(&self, count: usize) -> Result<(), String> {
        for number in 0..count {
            let run = Key::new(Kind::TaskRun, "team", &format!("many-{number}"));
            let made = json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun",
                "metadata": {"name": run.name, "namespace": "team", "uid": format!("uid-{number}")},
                "status": {"conditions": [{"type": "Succeeded", "status": "True"}]}});
            self.cluster.objects.lock().unwrap().insert(run.clone(), made);
            let text = self.receipt(&run, &self.keys[0]).await;
            self.cluster.merge(&run, &json!({"metadata": {"annotations": {RECEIPT: text}}}));
        }
        for number in 0..count {
            let run = Key::new(Kind::TaskRun, "team", &format!("many-{number}"));
            let outcome = self.reconcile(&run).await;
            same(&run.to_string(), &outcome, &Outcome::Settled)?;
        }
        Ok(())
    }

    async fn registry(&self, told: &Told) {
        let store = &self.cluster.registry.inner;
        let all = [Request::Manifest, Request::Blob, Request::PutBlob, Request::PutManifest];
        match told {
            Told::Back => store.heal(),
            Told::Away => {
                for request in all {
                    store.fail_always(
                        request,
                        StoreError::Network {
                            request: "GET http://reg.local/v2/".to_owned(),
                            kind: NetworkFailure::Refused,
                            address: "127.0.0.1:1".to_owned(),
                            cause: "connection refused".to_owned(),
                        },
                    );
                }
            }
            Told::Answers(status) => {
                for request in all {
                    store.fail_always(
                        request,
                        StoreError::Status {
                            request: "GET http://reg.local/v2/".to_owned(),
                            status: *status,
                            errors: Vec::new(),
                            body: String::new(),
                        },
                    );
                }
            }
            Told::Rival(count) => *self.cluster.registry.rival.lock().unwrap() = *count,
            Told::Stranger(image) => {
                let (repository, tag) = place(image, "att");
                let found = self.layers(image, "att").await;
                let statement = Envelope::parse(&found[0].0).unwrap().payload;
                let envelope = sign_envelope(&statement, &self.stranger, KeyHint::None).await.unwrap();
                let layer = Bytes::from(envelope.to_chains_json());
                self.cluster.registry.write_over(&repository, &tag, None, layer).await;
            }
        }
    }

    /// The bytes and annotations of each layer under an image's tag.
    async fn layers(&self, image: &str, suffix: &str) -> Vec<(Bytes, BTreeMap<String, String>)> {
        let (repository, tag) = place(image, suffix);
        let store = &self.cluster.registry;
        let Ok(manifest) = store.manifest(&repository, &Selector::Tag(tag)).await else { return Vec::new() };
        let manifest: ImageManifest = serde_json::from_slice(&manifest.bytes).unwrap();
        let mut layers = Vec::new();
        for layer in manifest.layers {
            let bytes = store.blob(&repository, &layer.digest, 64 << 20).await.unwrap();
            layers.push((bytes, layer.annotations));
        }
        layers
    }

    /// The statements beside an image that are ours, and how many are not.
    async fn statements(&self, image: &str) -> (Vec<Vec<u8>>, usize) {
        let (mut ours, mut strange) = (Vec::new(), 0);
        for (bytes, _) in self.layers(image, "att").await {
            let envelope = Envelope::parse(&bytes).unwrap();
            let signature = envelope.signatures[0].signature.clone().unwrap_or_default();
            let signed = envelope.signed_bytes();
            let holds = |key: &Arc<PrivateKey>| {
                key.public_key().verify(&signed, &signature, HashChoice::Usual).is_ok()
            };
            match self.keys.iter().any(holds) {
                true => ours.push(envelope.payload),
                false => strange += 1,
            }
        }
        (ours, strange)
    }

    async fn expect(&self, expect: &Expect) -> Result<(), String> {
        // First of all: what is looked at below asks the registry too.
        if let Some(wanted) = &expect.asked {
            same("requests", &self.cluster.registry.inner.asked_in_all(), wanted)?;
        }
        for (run, annotations) in &expect.annotations {
            for (name, wanted) in annotations {
                same(&format!("{run}: {name}"), &self.annotation(&key(run), name), wanted)?;
            }
        }
        for (run, wanted) in &expect.finalizers {
            let found = self.cluster.at(&key(run), &["metadata", "finalizers"]);
            let found: Vec<String> = serde_json::from_value(found).unwrap_or_default();
            same(&format!("finalizers of {run}"), &found, wanted)?;
        }
        for (image, wanted) in &expect.attestations {
            let (ours, _) = self.statements(image).await;
            same(&format!("attestations beside {image}"), &ours.len(), wanted)?;
        }
        for (image, wanted) in &expect.strangers {
            let (_, strange) = self.statements(image).await;
            same(&format!("others' attestations beside {image}"), &strange, wanted)?;
        }
        for (image, wanted) in &expect.signatures {
            let mut count = 0;
            for (payload, annotations) in self.layers(image, "sig").await {
                let signature = STANDARD.decode(&annotations["dev.cosignproject.cosign/signature"]).unwrap();
                let holds = |key: &Arc<PrivateKey>| {
                    key.public_key().verify(&payload, &signature, HashChoice::Usual).is_ok()
                };
                count += usize::from(self.keys.iter().any(holds));
            }
            same(&format!("signatures beside {image}"), &count, wanted)?;
        }
        for (image, wanted) in &expect.subjects {
            let (ours, _) = self.statements(image).await;
            let read = |bytes: &Vec<u8>| serde_json::from_slice::<Value>(bytes).unwrap();
            let names: BTreeSet<String> = ours
                .iter()
                .flat_map(|bytes| read(bytes)["subject"].as_array().cloned().unwrap_or_default())
                .map(|subject| subject["name"].as_str().unwrap().to_owned())
                .collect();
            same(&format!("subjects beside {image}"), &names, &wanted.iter().cloned().collect())?;
        }
        for (list, wanted) in [(&expect.says, true), (&expect.never, false)] {
            for (image, parts) in list {
                let (ours, _) = self.statements(image).await;
                let text: String =
                    ours.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
                for part in parts {
                    same(&format!("{part:?} beside {image}"), &text.contains(part.as_str()), &wanted)?;
                }
            }
        }
        if let Some(wanted) = &expect.patches {
            same("patches", &*self.cluster.patches.lock().unwrap(), wanted)?;
        }
        for repository in &expect.ungranted {
            let accesses = self.cluster.accesses.lock().unwrap();
            let granted = accesses.last().and_then(|access| access.granted.clone());
            let covers = granted.is_none_or(|granted| granted.covers(repository));
            same(&format!("{repository} is granted"), &covers, &false)?;
        }
        Ok(())
    }
}

/// The repository and the tag of what lies beside an image.
fn place(image: &str, suffix: &str) -> (Repository, String) {
    let (name, digest) = image.split_once('@').unwrap_or_else(|| panic!("{image}"));
    (name.parse().unwrap(), format!("{}.{suffix}", digest.replace(':', "-")))
}
