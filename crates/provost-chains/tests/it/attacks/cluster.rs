//! A cluster in memory: runs that are patched as an API server patches them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use provost_chains::config::StorageSettings;
use provost_chains::reconcile::{Access, Cluster, ClusterFault, Key, Kind, Permit};
use provost_registry::Store;
use provost_storage::{Backend, StorageError, StorageKind};
use provost_tekton::{PipelineRun, TaskRun};
use serde_json::{Value, json};

use super::registry::Registry;

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) objects: Mutex<BTreeMap<Key, Value>>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) accesses: Mutex<Vec<Access>>,
    pub(crate) patches: Mutex<usize>,
    /// The next patch does not arrive.
    pub(crate) killed: Mutex<bool>,
}

impl Memory {
    pub(crate) fn merge(&self, key: &Key, patch: &Value) {
        merge(self.objects.lock().unwrap().get_mut(key).unwrap_or_else(|| panic!("{key}")), patch);
    }

    /// What stands at a place of a run; null where nothing does.
    pub(crate) fn at(&self, key: &Key, path: &[&str]) -> Value {
        let objects = self.objects.lock().unwrap();
        let found =
            path.iter().try_fold(objects.get(key).unwrap_or(&Value::Null), |value, name| value.get(name));
        found.cloned().unwrap_or_default()
    }

    fn read<T: serde::de::DeserializeOwned>(&self, key: &Key) -> Option<T> {
        self.objects.lock().unwrap().get(key).map(|object| serde_json::from_value(object.clone()).unwrap())
    }
}

/// RFC 7386.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
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
impl Cluster for Memory {
    async fn task_run(&self, namespace: &str, name: &str) -> Result<Option<TaskRun>, ClusterFault> {
        Ok(self.read(&Key::new(Kind::TaskRun, namespace, name)))
    }

    async fn pipeline_run(&self, namespace: &str, name: &str) -> Result<Option<PipelineRun>, ClusterFault> {
        Ok(self.read(&Key::new(Kind::PipelineRun, namespace, name)))
    }

    async fn patch(&self, key: &Key, patch: &Value) -> Result<(), ClusterFault> {
        if std::mem::take(&mut *self.killed.lock().unwrap()) {
            return Err(ClusterFault::Failed { doing: "patching".to_owned(), cause: "killed".to_owned() });
        }
        *self.patches.lock().unwrap() += 1;
        let mut objects = self.objects.lock().unwrap();
        let object = objects.get_mut(key).ok_or(ClusterFault::Gone)?;
        for field in ["uid", "resourceVersion"] {
            let wanted = patch.pointer(&format!("/metadata/{field}"));
            if wanted.is_some_and(|wanted| Some(wanted) != object.pointer(&format!("/metadata/{field}"))) {
                return Err(ClusterFault::Conflict);
            }
        }
        merge(object, patch);
        let metadata = &object["metadata"];
        let is_free = metadata["finalizers"].as_array().is_none_or(Vec::is_empty);
        if metadata.get("deletionTimestamp").is_some() && is_free {
            objects.remove(key);
        }
        Ok(())
    }

    async fn store(&self, access: &Access) -> Result<Arc<dyn Store>, ClusterFault> {
        self.accesses.lock().unwrap().push(access.clone());
        Ok(self.registry.clone())
    }

    fn backend(&self, kind: StorageKind, _: &StorageSettings) -> Result<Arc<dyn Backend>, StorageError> {
        Err(StorageError::CompiledOut { storage: kind.name(), feature: kind.name() })
    }

    fn admit(&self, _: &str) -> Option<Permit> {
        Some(Permit::new(()))
    }
}
