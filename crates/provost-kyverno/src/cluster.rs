//! What a judgement may ask of the cluster it judges for; it talks to no cluster itself.

mod call;
mod confined;
pub mod global;
mod listing;
mod objects;

use std::collections::BTreeMap;

use async_trait::async_trait;

pub use call::{Call, Method, Target};
pub(crate) use confined::Confined;
pub use objects::Objects;

/// Who made a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// The user's groups.
    pub groups: Vec<String>,
}

impl User {
    /// The prefix of service accounts' user names.
    const SERVICE_ACCOUNT: &'static str = "system:serviceaccount:";

    /// Namespace and name, where the user is a service account.
    #[must_use]
    pub fn service_account(&self) -> Option<(&str, &str)> {
        self.name.strip_prefix(Self::SERVICE_ACCOUNT)?.split_once(':')
    }
}

/// The roles bound to a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// `namespace:name` of roles.
    pub roles: Vec<String>,
    /// Names of cluster roles.
    pub cluster_roles: Vec<String>,
}

/// Why the cluster gave no answer. Each is "could not check", never "is not there" (invariant 1), except
/// [`ClusterError::NotFound`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// There is no such object.
    #[error("{resource} \"{name}\" not found")]
    NotFound {
        /// The kind, lower case and plural, as the API server writes it.
        resource: &'static str,
        /// The object's name.
        name: String,
    },
    /// There is no cluster to ask: files are judged.
    #[error("no cluster is given")]
    NoCluster,
    /// The API server did not answer.
    #[error("{0}")]
    Unreachable(String),
}

/// Read access to the few things of a cluster that policies name.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// The labels of a namespace.
    ///
    /// # Errors
    /// When the namespace is not there or could not be read.
    async fn namespace_labels(&self, name: &str) -> Result<BTreeMap<String, String>, ClusterError>;

    /// A ConfigMap, as the API server gives it.
    ///
    /// # Errors
    /// When it is not there or could not be read.
    async fn config_map(&self, namespace: &str, name: &str) -> Result<serde_json::Value, ClusterError>;

    /// The decoded data of a Secret.
    ///
    /// # Errors
    /// When it is not there or could not be read.
    async fn secret(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, Vec<u8>>, ClusterError>;

    /// The roles bound to a user.
    ///
    /// # Errors
    /// When the bindings could not be read.
    async fn roles(&self, user: &User) -> Result<Roles, ClusterError>;

    /// What the API server or a service answers to a call of a policy. Without a cluster nobody answers.
    ///
    /// # Errors
    /// When there is no answer of success, or it is no JSON.
    async fn call(&self, _call: &Call) -> Result<serde_json::Value, ClusterError> {
        Err(ClusterError::NoCluster)
    }

    /// The value of a global context entry, or of one of its projections where one is named.
    ///
    /// # Errors
    /// When there is no such entry, or it has no value yet.
    async fn global_entry(&self, _name: &str, _projection: &str) -> Result<serde_json::Value, ClusterError> {
        Err(ClusterError::NoCluster)
    }
}
