//! What judging may ask of the cluster: from watches where there are any, else by `get`, remembered for less than a second.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::Api;
use provost_kyverno::cluster::{Call, Roles, Target, User, global};
use provost_kyverno::{Cluster as Asked, ClusterError};
use provost_oci::Digest;
use provost_registry::RemoteOptions;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::bindings::{Bindings, Objects};
use super::brief::Brief;
use super::calls::Calls;
use super::kept::Name;
use crate::cluster::{Cluster, words};

/// How long an answer of the API server is used again: what changed must count within a second.
const LIFE: Duration = Duration::from_millis(500);
/// How long the API server may take: webhooks have ten seconds, and the images are still to be looked at.
const ANSWER: Duration = Duration::from_secs(5);
/// How long after it was last asked for a Secret is still looked after.
const LOOKED_AFTER: Duration = Duration::from_secs(600);
/// How many Secrets are looked after; beyond it the one that was not asked for longest is let go.
const SECRETS: usize = 256;
/// The longest time for which the value of a global context entry is used: Kyverno's own default.
const REFRESH: Duration = Duration::from_secs(600);

type Labels = BTreeMap<String, String>;
type Data = BTreeMap<String, Vec<u8>>;

/// The cluster as judging sees it.
pub(super) struct Live {
    cluster: Cluster,
    calls: Calls,
    namespaces: RwLock<Option<HashMap<String, Labels>>>,
    bindings: RwLock<Option<Bindings>>,
    entries: RwLock<Objects>,
    labels: Brief<Labels>,
    config_maps: Brief<Value>,
    secrets: Brief<Data>,
    values: Mutex<HashMap<String, (Instant, Digest, Value)>>,
    lists: Brief<Value>,
    looked_after: Mutex<HashMap<Name, Material>>,
}

/// A Secret that policies asked for.
#[derive(Clone, Debug)]
struct Material {
    asked: Instant,
    /// What it held when it was last read; `None` before that and where it was not there.
    digest: Option<Digest>,
    was_read: bool,
}

impl Live {
    pub(super) fn new(cluster: &Cluster, calls: RemoteOptions) -> Self {
        Self {
            cluster: cluster.clone(),
            calls: Calls::new(cluster.client.clone(), calls, ANSWER),
            namespaces: RwLock::default(),
            bindings: RwLock::default(),
            entries: RwLock::default(),
            labels: Brief::new(LIFE),
            config_maps: Brief::new(LIFE),
            secrets: Brief::new(LIFE),
            values: Mutex::default(),
            lists: Brief::new(LIFE),
            looked_after: Mutex::default(),
        }
    }

    /// The namespaces there are, by their objects.
    pub(super) fn tell_namespaces(&self, objects: &Objects) {
        let labels = |object: &Value| -> Labels {
            let found = object.pointer("/metadata/labels").and_then(Value::as_object);
            let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
            found.into_iter().flatten().filter_map(text).collect()
        };
        let all = objects.iter().map(|((_, name), object)| (name.clone(), labels(object))).collect();
        *self.namespaces.write().unwrap_or_else(PoisonError::into_inner) = Some(all);
    }

    /// The bindings there are.
    pub(super) fn tell_bindings(&self, bindings: Bindings) {
        *self.bindings.write().unwrap_or_else(PoisonError::into_inner) = Some(bindings);
    }

    /// The global context entries there are.
    pub(super) fn tell_entries(&self, objects: &Objects) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).clone_from(objects);
    }

    async fn get<T>(&self, api: Api<T>, resource: &'static str, name: &str) -> Result<T, ClusterError>
    where
        T: Clone + DeserializeOwned + std::fmt::Debug,
    {
        match tokio::time::timeout(ANSWER, api.get(name)).await {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => {
                Err(ClusterError::NotFound { resource, name: name.to_owned() })
            }
            Ok(Err(kube::Error::Api(status))) => Err(ClusterError::Unreachable(status.message.clone())),
            Ok(Err(error)) => Err(ClusterError::Unreachable(words(&error))),
            Err(_) => Err(ClusterError::Unreachable(format!(
                "reading {resource} {name}: no answer in {} s",
                ANSWER.as_secs()
            ))),
        }
    }

    async fn read_secret(&self, namespace: &str, name: &str) -> Result<Data, ClusterError> {
        let secrets: Api<Secret> = Api::namespaced(self.cluster.client.clone(), namespace);
        let secret = self.get(secrets, "secrets", name).await?;
        let data = secret.data.into_iter().flatten();
        Ok(data.map(|(key, ByteString(bytes))| (key, bytes)).collect())
    }

    /// The Secrets that were asked for lately.
    pub(super) fn looked_after(&self) -> Vec<Name> {
        let mut all = self.looked_after.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, material| material.asked.elapsed() < LOOKED_AFTER);
        all.keys().cloned().collect()
    }

    /// Reads one of them; whether it holds something else than before.
    pub(super) async fn look_after(&self, (namespace, name): &Name) -> bool {
        let key = format!("{namespace}/{name}");
        let read = self.secrets.get(&key, self.read_secret(namespace, name)).await;
        self.note(namespace, name, &read, false)
    }

    /// Takes note of what a Secret holds; whether it is something else than before.
    fn note(&self, namespace: &str, name: &str, read: &Result<Data, ClusterError>, asked: bool) -> bool {
        let digest = match read {
            Ok(data) => Some(digest_of(data)),
            Err(ClusterError::NotFound { .. }) => None,
            // That it could not be read says nothing about it.
            Err(_) => return false,
        };
        let mut all = self.looked_after.lock().unwrap_or_else(PoisonError::into_inner);
        let which = (namespace.to_owned(), name.to_owned());
        if let Some(known) = all.get_mut(&which) {
            let changed = known.was_read && known.digest != digest;
            if asked {
                known.asked = Instant::now();
            }
            // Who asks sees the new one itself; the task that looks after it has still to say that it is new.
            if !asked || !known.was_read {
                (known.digest, known.was_read) = (digest, true);
            }
            return changed;
        }
        if all.len() >= SECRETS
            && let Some(oldest) = all.iter().min_by_key(|(_, one)| one.asked).map(|(which, _)| which.clone())
        {
            all.remove(&oldest);
        }
        all.insert(which, Material { asked: Instant::now(), digest, was_read: true });
        false
    }
}

fn digest_of(data: &Data) -> Digest {
    let mut bytes = Vec::new();
    for (key, value) in data {
        bytes.extend_from_slice(&(key.len() as u64).to_be_bytes());
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(&(value.len() as u64).to_be_bytes());
        bytes.extend_from_slice(value);
    }
    Digest::sha256_of(&bytes)
}

#[async_trait]
impl Asked for Live {
    async fn namespace_labels(&self, name: &str) -> Result<Labels, ClusterError> {
        let known = {
            let all = self.namespaces.read().unwrap_or_else(PoisonError::into_inner);
            all.as_ref().and_then(|all| all.get(name).cloned())
        };
        if let Some(labels) = known {
            return Ok(labels);
        }
        // One that was made a moment ago has not come by the watch yet.
        let asking = async {
            let namespaces: Api<Namespace> = Api::all(self.cluster.client.clone());
            let found = self.get(namespaces, "namespaces", name).await?;
            Ok(found.metadata.labels.unwrap_or_default())
        };
        self.labels.get(name, asking).await
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Value, ClusterError> {
        let asking = async {
            let config_maps: Api<ConfigMap> = Api::namespaced(self.cluster.client.clone(), namespace);
            let found = self.get(config_maps, "configmaps", name).await?;
            serde_json::to_value(found).map_err(|error| ClusterError::Unreachable(error.to_string()))
        };
        self.config_maps.get(&format!("{namespace}/{name}"), asking).await
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Data, ClusterError> {
        let key = format!("{namespace}/{name}");
        let read = self.secrets.get(&key, self.read_secret(namespace, name)).await;
        self.note(namespace, name, &read, true);
        read
    }

    async fn roles(&self, user: &User) -> Result<Roles, ClusterError> {
        let bindings = self.bindings.read().unwrap_or_else(PoisonError::into_inner);
        match bindings.as_ref() {
            Some(bindings) => Ok(bindings.roles(user)),
            None => Err(ClusterError::Unreachable("role bindings are not loaded yet".to_owned())),
        }
    }

    async fn call(&self, call: &Call) -> Result<Value, ClusterError> {
        self.calls.answer(call).await
    }

    async fn global_entry(&self, name: &str, projection: &str) -> Result<Value, ClusterError> {
        let entry = {
            let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
            entries.get(&(String::new(), name.to_owned())).cloned()
        };
        let Some(entry) = entry else {
            return Err(ClusterError::NotFound { resource: "globalcontextentries", name: name.to_owned() });
        };
        let (call, is_list) = global::source(&entry)?;
        let value = match is_list {
            true => {
                let Target::Path(path) = &call.target else { return Err(ClusterError::NoCluster) };
                let listed = self.lists.get(path, self.calls.answer(&call)).await?;
                listed.get("items").cloned().unwrap_or_default()
            }
            false => self.refreshed(name, &entry, &call).await?,
        };
        global::projected(&entry, projection, value)
    }
}

impl Live {
    /// The value of an entry that is asked for every so often.
    async fn refreshed(&self, name: &str, entry: &Value, call: &Call) -> Result<Value, ClusterError> {
        let spec = entry.get("spec").cloned().unwrap_or_default();
        let digest = Digest::sha256_of(spec.to_string().as_bytes());
        let interval = spec.pointer("/apiCall/refreshInterval").and_then(Value::as_str);
        let interval = interval.and_then(|text| text.parse::<provost_expr::duration::Duration>().ok());
        let interval = interval
            .map_or(REFRESH, |read| Duration::try_from_secs_f64(read.seconds()).unwrap_or(REFRESH).max(LIFE));
        {
            let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((read, of, value)) = values.get(name)
                && *of == digest
                && read.elapsed() < interval
            {
                return Ok(value.clone());
            }
        }
        let value = self.calls.answer(call).await?;
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.insert(name.to_owned(), (Instant::now(), digest, value.clone()));
        Ok(value)
    }
}

/// Looks after the Secrets that policies asked for, and tells when one of them has changed.
pub(super) async fn look_after_material(live: Arc<Live>, told: tokio::sync::mpsc::Sender<super::kept::Told>) {
    /// Between two looks at few Secrets.
    const ROUND: Duration = Duration::from_millis(400);
    /// Between two Secrets of one look: 50 a second, so that forty are seen within the second.
    const EACH: Duration = Duration::from_millis(20);
    loop {
        tokio::time::sleep(ROUND).await;
        if told.is_closed() {
            return;
        }
        for name in live.looked_after() {
            if live.look_after(&name).await && told.send(super::kept::Told::Material).await.is_err() {
                return;
            }
            tokio::time::sleep(EACH).await;
        }
    }
}
