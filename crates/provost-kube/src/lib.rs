//! The only place that meets a cluster: client, key pairs in Secrets.

pub mod cluster;
pub mod key_secret;

pub use cluster::{Cluster, ClusterError};
pub use key_secret::{KeySecret, SecretReference};
