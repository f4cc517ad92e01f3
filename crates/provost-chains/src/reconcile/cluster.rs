//! What the controller asks of a cluster, as a trait: the real one is `provost-kube`'s, tests have one in memory.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::claims::Granted;
use crate::config::StorageSettings;
use async_trait::async_trait;
use provost_registry::Store;
use provost_storage::{Backend, StorageError, StorageKind};
use provost_tekton::{PipelineRun, TaskRun};
use serde_json::Value;

/// The two kinds of run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A run of one Task.
    TaskRun,
    /// A run of a Pipeline.
    PipelineRun,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::TaskRun, Self::PipelineRun];

    /// As written in `kind:`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskRun => "TaskRun",
            Self::PipelineRun => "PipelineRun",
        }
    }

    /// As written in URLs, and in the names of Chains' metrics without the `s`.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::TaskRun => "taskruns",
            Self::PipelineRun => "pipelineruns",
        }
    }

    /// Chains' finalizer of this kind.
    #[must_use]
    pub fn finalizer(self) -> &'static str {
        match self {
            Self::TaskRun => "chains.tekton.dev/taskrun",
            Self::PipelineRun => "chains.tekton.dev/pipelinerun",
        }
    }
}

/// One run of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name there.
    pub name: String,
}

impl Key {
    /// Names a run.
    #[must_use]
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.name(), self.namespace, self.name)
    }
}

/// With which credentials a run's images are reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    /// The run's namespace.
    pub namespace: String,
    /// The service account it ran as; `default` where it names none.
    pub service_account: String,
    /// `storage.oci.repository.insecure`.
    pub insecure: bool,
    /// What the namespace may claim: the controller's own credentials serve nothing else. Everything where there is no map.
    pub granted: Option<Granted>,
}

/// Why the cluster did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterFault {
    /// The object has gone, or is another one of the same name.
    #[error("the object has gone")]
    Gone,
    /// Somebody changed the object since it was read.
    #[error("the object has changed since it was read")]
    Conflict,
    /// Anything else.
    #[error("{doing}: {cause}")]
    Failed {
        /// What was being done.
        doing: String,
        /// The API server's words, or why it could not be asked.
        cause: String,
    },
}

/// The right to use a registry now; given back when dropped.
pub struct Permit {
    _held: Box<dyn Any + Send>,
}

impl Permit {
    /// A permit that lasts as long as this value.
    pub fn new(held: impl Any + Send) -> Self {
        Self { _held: Box::new(held) }
    }
}

/// A cluster with Tekton's runs.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// A TaskRun as it is now, with its payload; `None` where there is none.
    async fn task_run(&self, namespace: &str, name: &str) -> Result<Option<TaskRun>, ClusterFault>;

    /// A PipelineRun as it is now; `None` where there is none.
    async fn pipeline_run(&self, namespace: &str, name: &str) -> Result<Option<PipelineRun>, ClusterFault>;

    /// Changes a run by a merge patch (RFC 7386); the patch may name `uid` and `resourceVersion`, which must then hold.
    async fn patch(&self, key: &Key, patch: &Value) -> Result<(), ClusterFault>;

    /// The registries as a run may reach them.
    async fn store(&self, access: &Access) -> Result<Arc<dyn Store>, ClusterFault>;

    /// A storage besides registries and the runs themselves, by the settings of chains-config. Nothing is asked of it yet.
    fn backend(
        &self,
        kind: StorageKind,
        settings: &StorageSettings,
    ) -> Result<Arc<dyn Backend>, StorageError>;

    /// The right to work with a registry's host, `None` where enough others do already.
    fn admit(&self, host: &str) -> Option<Permit>;
}
