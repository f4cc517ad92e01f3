//! A cluster in memory: runs that are patched as an API server patches them, a registry, and what was asked of both.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use provost_keys::PrivateKey;
use provost_storage::{Backend, StorageError, StorageKind};
use serde_json::{Value, json};
use testkit::MemoryStore;

use super::super::*;
use crate::config::{ChainsConfig, Storage};

pub(super) const NOW: &str = "2026-01-01T01:00:00Z";

pub(super) struct Scene {
    objects: Mutex<BTreeMap<Key, Value>>,
    pub(super) patches: Mutex<Vec<(Key, Value)>>,
    pub(super) registry: Arc<MemoryStore>,
    pub(super) accesses: Mutex<Vec<Access>>,
    pub(super) busy: Mutex<bool>,
    pub(super) settings: Mutex<Option<Settings>>,
    pub(super) rules: Mutex<Rules>,
    pub(super) backends: Mutex<provost_storage::Backends>,
}

fn object(kind: Kind, name: &str, spec: &Value, status: &Value) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1", "kind": kind.name(),
        "metadata": {
            "name": name, "namespace": "ns", "uid": format!("uid-{name}"), "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": spec, "status": status,
    })
}

pub(super) fn image() -> String {
    format!("reg.local/app@sha256:{}", "a".repeat(64))
}

/// The status of a run that has ended.
pub(super) fn ended() -> Value {
    json!({
        "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:15Z",
        "conditions": [{"type": "Succeeded", "status": "True"}],
        "results": [{"name": "IMAGES", "value": image()}],
    })
}

/// The settings of the guide: everything beside the image.
pub(super) fn settings(key: PrivateKey) -> Settings {
    let mut config = ChainsConfig::default();
    for artifact in [&mut config.task_runs, &mut config.pipeline_runs] {
        artifact.storage = [Storage::Oci].into();
    }
    let public = key.public_key();
    Settings {
        config,
        config_digest: "sha256:c".to_owned(),
        key: Ok(Arc::new(key)),
        others: crate::vouching::Others::default(),
        receipt_keys: vec![public],
    }
}

impl Scene {
    pub(super) fn new() -> Self {
        Self {
            objects: Mutex::default(),
            patches: Mutex::default(),
            registry: Arc::new(MemoryStore::new()),
            accesses: Mutex::default(),
            busy: Mutex::new(false),
            settings: Mutex::new(Some(settings(PrivateKey::generate().unwrap()))),
            rules: Mutex::default(),
            backends: Mutex::default(),
        }
    }

    pub(super) fn task_run(&self, name: &str, status: &Value) -> Key {
        let key = Key::new(Kind::TaskRun, "ns", name);
        let run = object(Kind::TaskRun, name, &json!({"serviceAccountName": "builder"}), status);
        self.objects.lock().unwrap().insert(key.clone(), run);
        key
    }

    /// A PipelineRun with these children, each of which is made its own.
    pub(super) fn pipeline_run(&self, name: &str, children: &[&str]) -> Key {
        let key = Key::new(Kind::PipelineRun, "ns", name);
        let references: Vec<Value> = children
            .iter()
            .map(|child| json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": child}))
            .collect();
        let mut status = ended();
        status["childReferences"] = json!(references);
        self.objects
            .lock()
            .unwrap()
            .insert(key.clone(), object(Kind::PipelineRun, name, &json!({}), &status));
        for child in children {
            let owner = json!([{"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": name,
                "uid": format!("uid-{name}"), "controller": true}]);
            self.merge(
                &Key::new(Kind::TaskRun, "ns", child),
                &json!({"metadata": {"ownerReferences": owner}}),
            );
        }
        key
    }

    pub(super) fn merge(&self, key: &Key, patch: &Value) {
        if let Some(object) = self.objects.lock().unwrap().get_mut(key) {
            merge(object, patch);
        }
    }

    pub(super) fn remove(&self, key: &Key) {
        self.objects.lock().unwrap().remove(key);
    }

    pub(super) fn annotate(&self, key: &Key, name: &str, text: &str) {
        self.merge(key, &json!({"metadata": {"annotations": {name: text}}}));
    }

    pub(super) fn delete_since(&self, key: &Key, time: &str) {
        self.merge(key, &json!({"metadata": {"deletionTimestamp": time}}));
    }

    pub(super) fn annotation(&self, key: &Key, name: &str) -> Option<String> {
        let objects = self.objects.lock().unwrap();
        let annotations = objects.get(key)?.pointer("/metadata/annotations")?;
        Some(annotations.get(name)?.as_str()?.to_owned())
    }

    pub(super) fn finalizers(&self, key: &Key) -> Vec<String> {
        let objects = self.objects.lock().unwrap();
        let list = objects.get(key).and_then(|object| object.pointer("/metadata/finalizers")).cloned();
        serde_json::from_value(list.unwrap_or_else(|| json!([]))).unwrap()
    }

    pub(super) async fn reconcile(&self, key: &Key) -> Outcome {
        let settings = self.settings.lock().unwrap().clone();
        let rules = self.rules.lock().unwrap().clone();
        let reconciler = Reconciler {
            cluster: self,
            settings: settings.as_ref(),
            rules: &rules,
            now: NOW.parse().unwrap(),
        };
        reconciler.reconcile(key).await
    }

    pub(super) fn configure(&self, change: impl Fn(&mut ChainsConfig)) {
        change(&mut self.settings.lock().unwrap().as_mut().unwrap().config);
    }

    pub(super) fn patched(&self) -> usize {
        self.patches.lock().unwrap().len()
    }

    fn read<T: serde::de::DeserializeOwned>(&self, key: &Key) -> Option<T> {
        self.objects.lock().unwrap().get(key).map(|object| serde_json::from_value(object.clone()).unwrap())
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        let fields = target.as_object_mut().unwrap();
        if value.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

#[async_trait::async_trait]
impl Cluster for Scene {
    async fn task_run(&self, namespace: &str, name: &str) -> Result<Option<TaskRun>, ClusterFault> {
        Ok(self.read(&Key::new(Kind::TaskRun, namespace, name)))
    }

    async fn pipeline_run(&self, namespace: &str, name: &str) -> Result<Option<PipelineRun>, ClusterFault> {
        Ok(self.read(&Key::new(Kind::PipelineRun, namespace, name)))
    }

    async fn patch(&self, key: &Key, patch: &Value) -> Result<(), ClusterFault> {
        let mut objects = self.objects.lock().unwrap();
        let object = objects.get_mut(key).ok_or(ClusterFault::Gone)?;
        for field in ["uid", "resourceVersion"] {
            let wanted = patch.pointer(&format!("/metadata/{field}"));
            if wanted.is_some_and(|wanted| Some(wanted) != object.pointer(&format!("/metadata/{field}"))) {
                return Err(ClusterFault::Conflict);
            }
        }
        merge(object, patch);
        let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
        let metadata = &object["metadata"];
        let is_free = metadata["finalizers"].as_array().is_none_or(Vec::is_empty);
        if metadata.get("deletionTimestamp").is_some() && is_free {
            objects.remove(key);
        }
        self.patches.lock().unwrap().push((key.clone(), patch.clone()));
        Ok(())
    }

    async fn store(&self, access: &Access) -> Result<Arc<dyn Store>, ClusterFault> {
        self.accesses.lock().unwrap().push(access.clone());
        Ok(self.registry.clone())
    }

    fn backend(
        &self,
        kind: StorageKind,
        _: &crate::config::StorageSettings,
    ) -> Result<Arc<dyn Backend>, StorageError> {
        let backends = self.backends.lock().unwrap();
        let missing = StorageError::CompiledOut { storage: kind.name(), feature: kind.name() };
        backends.get(&kind).cloned().ok_or(missing)
    }

    fn admit(&self, _: &str) -> Option<Permit> {
        (!*self.busy.lock().unwrap()).then(|| Permit::new(()))
    }
}
