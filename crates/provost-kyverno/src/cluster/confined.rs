//! The part of a cluster that a namespaced policy reaches: its own namespace (security.md 23).

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use super::{Cluster, ClusterError, Roles, User};

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
}
