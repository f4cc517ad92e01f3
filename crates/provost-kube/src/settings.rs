//! What the controller goes by, as it stands in the cluster now: `chains-config`, `signing-secrets`, and the public keys whose
//! receipts count. A bad edit leaves what was before in force, and says so on the object.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use provost_chains::config::Signer as Word;
use provost_chains::reconcile::{ClusterFault, Settings};
use provost_chains::writers::Writers;
use provost_chains::{ChainsConfig, Others, Services};
use provost_keys::{PublicKey, Signer};
use provost_oci::Digest;
use tokio::sync::watch;

use crate::cluster::{Cluster, words};
use crate::events::{Events, Object};
use crate::metrics::Metrics;
use crate::runs::answered;
use crate::signing_key::KeyMaterial;

mod kms;

pub use kms::OpenKms;

use kms::KmsKey;

/// The ConfigMap of Chains.
const CONFIG: &str = "chains-config";
/// The Secret of Chains.
const SECRETS: &str = "signing-secrets";
/// Where the public keys are kept whose receipts count: whoever writes there may write `signing-secrets` as well.
const RECEIPT_KEYS: &str = "provost-receipt-keys";
/// How many of them are read: one for each rotation, weekly for nineteen years.
const RECEIPT_KEYS_LIMIT: usize = 1000;
/// How often a mounted folder is looked at: the kubelet takes a minute to change it.
const FOLDER_AGAIN: Duration = Duration::from_secs(2);
/// How long after a failure a public key is written down again.
const RECORD_AGAIN: Duration = Duration::from_secs(5);

/// Where the key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A folder that the Secret is mounted as.
    Folder(PathBuf),
    /// The Secret `signing-secrets` of the controller's namespace.
    Secret,
}

/// Something that changed.
enum Change {
    Config(Option<BTreeMap<String, String>>),
    Material(Result<KeyMaterial, String>),
    Keys(Vec<PublicKey>),
    Trouble(String),
    Again,
}

type Changes = Pin<Box<dyn Stream<Item = Change> + Send>>;

/// Follows the settings.
pub(crate) struct Follower {
    pub(crate) cluster: Cluster,
    pub(crate) namespace: String,
    pub(crate) source: KeySource,
    pub(crate) open_kms: OpenKms,
    pub(crate) services: Services,
    pub(crate) events: Events,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) say: crate::Say,
}

/// What is known so far.
#[derive(Default)]
struct Known {
    config: Option<(ChainsConfig, String)>,
    material: Option<KeyMaterial>,
    key: Option<Arc<dyn Signer>>,
    /// Why the key as it stands is not in force.
    trouble: Option<String>,
    receipt_keys: Option<Vec<PublicKey>>,
    kms: KmsKey,
    writers: Writers,
    config_was_bad: bool,
}

impl Follower {
    /// Follows the settings and tells of each change, until the last listener has gone.
    pub(crate) async fn follow(self, told: watch::Sender<Option<Arc<Settings>>>) {
        let mut changes = stream::select_all([self.configs(), self.keys(), self.materials()]);
        let mut known = Known::default();
        let mut waiting: Option<Arc<dyn Signer>> = None;
        loop {
            let renewed = known.kms.due().map(tokio::time::Instant::from_std);
            let change = tokio::select! {
                change = changes.next() => change,
                () = async { tokio::time::sleep_until(renewed.unwrap_or_else(tokio::time::Instant::now)).await }, if renewed.is_some() => {
                    Some(Change::Again)
                }
                () = tokio::time::sleep(RECORD_AGAIN), if waiting.is_some() => Some(Change::Again),
            };
            let Some(change) = change else { return };
            match change {
                Change::Config(data) => self.config(&mut known, data),
                Change::Material(material) => {
                    if let Some(key) = self.material(&mut known, material).await {
                        waiting = Some(key);
                    }
                }
                Change::Keys(keys) => known.receipt_keys = Some(keys),
                Change::Trouble(words) => (self.say)(&words),
                Change::Again => {}
            }
            // A key signs only once its public half is written down: otherwise its receipts would count for nothing after
            // the next rotation, and all its runs would be signed again.
            if let Some(key) = waiting.take() {
                match self.record(&mut known, &key.public_key()).await {
                    Ok(()) => {
                        self.metrics.key_opened(Timestamp::now().as_second() as f64);
                        (self.say)(&format!("signing with the key {}", fingerprint(&key.public_key())));
                        known.key = Some(key);
                        known.trouble = None;
                    }
                    Err(fault) => {
                        let words = format!("the new key waits: {fault}");
                        (self.say)(&words);
                        known.trouble = Some(words);
                        waiting = Some(key);
                    }
                }
            }
            self.kms(&mut known).await;
            if told.is_closed() {
                return;
            }
            // Taken into use in any case: a key in a service may have a fresh token. Runs that failed are hurried by news alone:
            // a mounted folder is looked at again and again, and a key service that is away asked.
            let new = known.settings(&self.services);
            told.send_if_modified(|old| {
                let is_news = !is_same(old.as_deref(), new.as_deref());
                *old = new;
                is_news
            });
        }
    }

    fn config(&self, known: &mut Known, data: Option<BTreeMap<String, String>>) {
        let object = Object::config_map(&self.namespace, CONFIG);
        let complain = |words: &str| {
            let stays = if known.config.is_some() { "; the configuration before it stays" } else { "" };
            let words = format!("{words}{stays}");
            (self.say)(&words);
            self.metrics.configuration(false);
            self.events.warn(object.clone(), "InvalidConfiguration", &words);
        };
        let Some(data) = data else {
            complain(&format!("there is no ConfigMap {}/{CONFIG}", self.namespace));
            return;
        };
        // Strings by strings always have a JSON form, sorted by their names.
        let digest = Digest::sha256_of(&serde_json::to_vec(&data).unwrap_or_default()).to_string();
        match ChainsConfig::from_data(data, &format!("ConfigMap {}/{CONFIG}", self.namespace)) {
            Ok((config, warnings)) => {
                for warning in &warnings {
                    (self.say)(&format!("WARNING: {warning}"));
                    self.events.warn(object.clone(), "ConfigurationWarning", &warning.to_string());
                }
                self.metrics.configuration(true);
                if known.config.as_ref().is_none_or(|(_, before)| *before != digest) {
                    (self.say)(&format!("configuration {digest} is in force"));
                    if config.own.claims.is_none() {
                        (self.say)(
                            "provost.claims is not set: as with Chains, every namespace may claim every repository",
                        );
                    }
                }
                if std::mem::take(&mut known.config_was_bad) {
                    self.events.tell(object, "ConfigurationInForce", &digest);
                }
                known.config = Some((config, digest));
            }
            Err(error) => {
                complain(&error.to_string());
                known.config_was_bad = true;
            }
        }
    }

    /// Opens a key that has changed; the key, where it is another one.
    async fn material(
        &self,
        known: &mut Known,
        material: Result<KeyMaterial, String>,
    ) -> Option<Arc<dyn Signer>> {
        let opened = match material {
            Ok(material) if known.material.as_ref() == Some(&material) => return None,
            Ok(material) => {
                known.material = Some(material.clone());
                let opening = tokio::task::spawn_blocking(move || material.open());
                opening.await.unwrap_or_else(|error| Err(error.to_string()))
            }
            Err(words) => Err(words),
        };
        match opened {
            Ok(key) => Some(key),
            Err(words) => {
                let place = match &self.source {
                    KeySource::Folder(folder) => folder.display().to_string(),
                    KeySource::Secret => format!("Secret {}/{SECRETS}", self.namespace),
                };
                let stays = if known.key.is_some() { "; the key before it stays" } else { "" };
                let words = format!("{place}: {words}{stays}");
                if known.trouble.as_ref() != Some(&words) {
                    (self.say)(&words);
                    let object = Object::secret(&self.namespace, SECRETS);
                    self.events.warn(object, "InvalidKey", &words);
                }
                known.trouble = Some(words);
                None
            }
        }
    }

    /// Opens the key in a service where that is due; like the other, it signs only once its public half is written down.
    async fn kms(&self, known: &mut Known) {
        let config = known.config.as_ref().map(|(config, _)| config);
        let opened = match known.kms.open(config, &self.open_kms).await {
            None => return,
            Some(Ok(key)) => match self.record(known, &key.public_key()).await {
                Ok(()) => Ok(key),
                Err(fault) => Err(format!("the key of signers.kms waits: {fault}")),
            },
            Some(Err(why)) => Err(why),
        };
        match opened {
            Ok(key) => {
                let name = fingerprint(&key.public_key());
                if known.kms.accept(key) {
                    self.metrics.key_opened(Timestamp::now().as_second() as f64);
                    (self.say)(&format!("signing with the key {name} of a key service"));
                }
            }
            Err(why) => {
                if known.kms.fail(why.clone()) {
                    (self.say)(&why);
                    self.events.warn(Object::config_map(&self.namespace, CONFIG), "InvalidKey", &why);
                }
            }
        }
    }

    /// Writes a public key down, unless it stands there.
    async fn record(&self, known: &mut Known, key: &PublicKey) -> Result<(), ClusterFault> {
        if known.receipt_keys.as_ref().is_some_and(|keys| keys.iter().any(|one| one.to_der() == key.to_der()))
        {
            return Ok(());
        }
        let api: Api<ConfigMap> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        let name = format!("{}.pub", fingerprint(key));
        let object = serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": RECEIPT_KEYS, "namespace": self.namespace},
            "data": {name.as_str(): key.to_pem()},
        });
        // Each key is a field of its own manager, so that no writer takes another's away.
        let how = PatchParams::apply(&format!("provost-{}", fingerprint(key)));
        let doing = format!("writing the public key into ConfigMap {}/{RECEIPT_KEYS}", self.namespace);
        answered(&doing, api.patch(RECEIPT_KEYS, &how, &Patch::Apply(&object))).await?;
        known.receipt_keys.get_or_insert_default().push(key.clone());
        Ok(())
    }

    fn configs(&self) -> Changes {
        let api: Api<ConfigMap> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        watch_object(api, CONFIG)
            .default_backoff()
            .map(|found| match found {
                Ok(found) => Change::Config(found.map(|found| found.data.unwrap_or_default())),
                Err(error) => Change::Trouble(format!("watching {CONFIG}: {}", words(&error))),
            })
            .boxed()
    }

    fn keys(&self) -> Changes {
        let api: Api<ConfigMap> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        watch_object(api, RECEIPT_KEYS)
            .default_backoff()
            .map(|found| match found {
                Ok(found) => Change::Keys(public_keys(found.and_then(|found| found.data))),
                Err(error) => Change::Trouble(format!("watching {RECEIPT_KEYS}: {}", words(&error))),
            })
            .boxed()
    }

    fn materials(&self) -> Changes {
        match &self.source {
            KeySource::Secret => {
                let api: Api<Secret> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
                watch_object(api, SECRETS)
                    .default_backoff()
                    .map(|found| match found {
                        Ok(found) => Change::Material(Ok(KeyMaterial::of_secret(found))),
                        Err(error) => Change::Trouble(format!("watching {SECRETS}: {}", words(&error))),
                    })
                    .boxed()
            }
            KeySource::Folder(folder) => {
                let first = stream::once(async {});
                let again = stream::unfold((), |()| async {
                    tokio::time::sleep(FOLDER_AGAIN).await;
                    Some(((), ()))
                });
                let folder = folder.clone();
                first.chain(again).map(move |()| Change::Material(KeyMaterial::of_folder(&folder))).boxed()
            }
        }
    }
}

impl Known {
    /// The settings, once the configuration is known and the key has been tried: without it nothing could be signed, and
    /// each run would say so for the second that opening it takes.
    fn settings(&self, services: &Services) -> Option<Arc<Settings>> {
        let (config, config_digest) = self.config.clone()?;
        let receipt_keys = self.receipt_keys.clone()?;
        let kms = config.uses(Word::Kms).then(|| self.kms.state());
        let key = match (&self.key, &self.trouble) {
            (Some(key), _) => Ok(key.clone()),
            // Where only services sign, signing-secrets may be empty.
            (None, Some(trouble)) => match &kms {
                Some(kms) if !config.uses(Word::X509) => kms.clone(),
                _ => Err(trouble.clone()),
            },
            (None, None) => return None,
        };
        let others = Others { kms, services: Some(services.clone()), writers: self.writers.clone() };
        Some(Arc::new(Settings { config, config_digest, key, others, receipt_keys }))
    }
}

/// Whether runs would be signed alike: by the same configuration and keys, or not for the same reasons.
fn is_same(old: Option<&Settings>, new: Option<&Settings>) -> bool {
    let key = |key: &Result<Arc<dyn Signer>, String>| match key {
        Ok(key) => Ok(key.public_key().to_der().to_vec()),
        Err(why) => Err(why.clone()),
    };
    let seen = |all: &Settings| {
        let receipts: Vec<Vec<u8>> = all.receipt_keys.iter().map(|one| one.to_der().to_vec()).collect();
        (all.config_digest.clone(), key(&all.key), all.others.kms.as_ref().map(key), receipts)
    };
    old.map(seen) == new.map(seen)
}

fn fingerprint(key: &PublicKey) -> String {
    Digest::sha256_of(key.to_der()).hex().to_owned()
}

fn public_keys(data: Option<BTreeMap<String, String>>) -> Vec<PublicKey> {
    let pems = data.unwrap_or_default().into_values().take(RECEIPT_KEYS_LIMIT);
    pems.filter_map(|pem| PublicKey::from_pem(pem.as_bytes()).ok()).collect()
}

#[cfg(test)]
pub(crate) mod tests;
