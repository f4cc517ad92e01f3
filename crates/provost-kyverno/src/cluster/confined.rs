//! The part of a cluster that a namespaced policy reaches: its own namespace (security.md 23).

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use super::{Call, Cluster, ClusterError, Roles, Target, User};

/// A cluster of which only one namespace can be read.
pub(crate) struct Confined<'a> {
    /// The whole cluster.
    pub(crate) cluster: &'a dyn Cluster,
    /// The namespace.
    pub(crate) namespace: &'a str,
}

impl Confined<'_> {
    fn permit(&self, namespace: &str) -> Result<(), ClusterError> {
        if namespace == self.namespace {
            return Ok(());
        }
        Err(ClusterError::Unreachable(format!(
            "a policy of namespace {} reaches nothing in namespace {namespace}",
            self.namespace
        )))
    }
}

#[async_trait]
impl Cluster for Confined<'_> {
    async fn namespace_labels(&self, name: &str) -> Result<BTreeMap<String, String>, ClusterError> {
        self.cluster.namespace_labels(name).await
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Value, ClusterError> {
        self.permit(namespace)?;
        self.cluster.config_map(namespace, name).await
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, Vec<u8>>, ClusterError> {
        self.permit(namespace)?;
        self.cluster.secret(namespace, name).await
    }

    async fn roles(&self, user: &User) -> Result<Roles, ClusterError> {
        self.cluster.roles(user).await
    }

    async fn call(&self, call: &Call) -> Result<Value, ClusterError> {
        match (&call.target, call.namespace()) {
            (Target::Path(_), Some(namespace)) => self.permit(namespace)?,
            (Target::Path(path), None) => {
                return Err(ClusterError::Unreachable(format!(
                    "path {path} does not contain a namespace segment, which is required for namespaced policies"
                )));
            }
            (Target::Service { .. }, _) => {
                return Err(ClusterError::Unreachable(
                    "a namespaced policy makes no service calls".to_owned(),
                ));
            }
        }
        self.cluster.call(call).await
    }

    async fn global_entry(&self, name: &str, projection: &str) -> Result<Value, ClusterError> {
        self.cluster.global_entry(name, projection).await
    }
}
