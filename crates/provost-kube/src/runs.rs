//! Tekton's runs as the API server keeps them: read with their payload one at a time, changed by merge patches.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use kube::Error as KubeError;
use kube::api::{Api, DynamicObject, GetParams, Patch, PatchParams, Request};
use provost_chains::config::StorageSettings;
use provost_chains::reconcile::{Access, Cluster as Runs, ClusterFault, Key, Kind, Permit};
use provost_registry::Store;
use provost_storage::{Backend, StorageError, StorageKind};
use provost_tekton::{PipelineRun, TaskRun};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster::{ANSWER_TIME, Cluster, words};
use crate::elsewhere::Elsewhere;
use crate::hosts::Hosts;
use crate::paced::{Gate, Paced};
use crate::places::Places;
use crate::watching::resource;

/// Who the API server notes down as the writer of our fields.
const FIELD_MANAGER: &str = "provost-controller";

/// The runs of a cluster, and the registries they may use.
pub(crate) struct TektonRuns {
    cluster: Cluster,
    places: Arc<Places>,
    hosts: Arc<Hosts>,
    elsewhere: Elsewhere,
    gate: Gate,
}

impl TektonRuns {
    pub(crate) fn new(
        cluster: Cluster,
        places: Arc<Places>,
        hosts: Arc<Hosts>,
        elsewhere: Elsewhere,
        gate: Gate,
    ) -> Self {
        Self { cluster, places, hosts, elsewhere, gate }
    }

    /// The registries, to ask how many places they have.
    pub(crate) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, ClusterFault> {
        let doing = || format!("reading the {key}");
        let resource = resource(key.kind);
        let path = format!("/apis/{}/namespaces/{}/{}", resource.api_version, key.namespace, resource.plural);
        let request = Request::new(path).get(&key.name, &GetParams::default());
        let request = request.map_err(|error| failed(&doing(), &error.to_string()))?;
        let _passed = self.gate.pass().await;
        match answered(&doing(), self.cluster.client.request(request)).await {
            Ok(run) => Ok(Some(run)),
            Err(ClusterFault::Gone) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

fn failed(doing: &str, cause: &str) -> ClusterFault {
    ClusterFault::Failed { doing: doing.to_owned(), cause: cause.to_owned() }
}

/// What the API server answered, in time.
pub(crate) async fn answered<T>(
    doing: &str,
    asking: impl Future<Output = Result<T, KubeError>>,
) -> Result<T, ClusterFault> {
    match tokio::time::timeout(ANSWER_TIME, asking).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(KubeError::Api(status))) if status.code == 404 => Err(ClusterFault::Gone),
        Ok(Err(KubeError::Api(status))) if status.code == 409 => Err(ClusterFault::Conflict),
        Ok(Err(KubeError::Api(status))) => Err(failed(doing, &status.message)),
        Ok(Err(error)) => Err(failed(doing, &words(&error))),
        Err(_) => Err(failed(doing, &format!("no answer in {} s", ANSWER_TIME.as_secs()))),
    }
}

#[async_trait]
impl Runs for TektonRuns {
    async fn task_run(&self, namespace: &str, name: &str) -> Result<Option<TaskRun>, ClusterFault> {
        self.get(&Key::new(Kind::TaskRun, namespace, name)).await
    }

    async fn pipeline_run(&self, namespace: &str, name: &str) -> Result<Option<PipelineRun>, ClusterFault> {
        self.get(&Key::new(Kind::PipelineRun, namespace, name)).await
    }

    async fn patch(&self, key: &Key, patch: &Value) -> Result<(), ClusterFault> {
        let resource = resource(key.kind);
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.cluster.client.clone(), &key.namespace, &resource);
        let how = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(patch);
        let _passed = self.gate.pass().await;
        // Only metadata comes back: the object has just been read.
        answered(&format!("changing the {key}"), api.patch_metadata(&key.name, &how, &patch)).await?;
        Ok(())
    }

    async fn store(&self, access: &Access) -> Result<Arc<dyn Store>, ClusterFault> {
        let store = self.places.store(access).await?;
        Ok(Arc::new(Paced { store, hosts: self.hosts.clone() }))
    }

    fn backend(
        &self,
        kind: StorageKind,
        settings: &StorageSettings,
    ) -> Result<Arc<dyn Backend>, StorageError> {
        self.elsewhere.backend(kind, settings)
    }

    fn admit(&self, host: &str) -> Option<Permit> {
        self.hosts.admit(host)
    }
}
