//! The only place that meets a cluster: client, key pairs in Secrets, and the controller that signs what Tekton builds.
//!
//! [`admission::run`] is what the gate has of a cluster. [`controller::run`] is the controller: [`watching`] tells of runs, [`queue`] says which is next, [`lease`] which are ours;
//! what becomes of one is decided by `provost_chains::reconcile`.

use std::sync::Arc;

pub mod admission;
pub mod admission_events;
pub mod cluster;
pub mod controller;
pub mod elsewhere;
mod events;
#[cfg(test)]
mod fake;
mod hosts;
pub mod key_secret;
pub mod lease;
pub mod metrics;
pub mod paced;
pub mod places;
pub mod probes;
pub mod queue;
pub mod reports;
mod runs;
pub mod scan;
pub mod settings;
mod signing_key;
pub mod supervise;
pub mod warm;
pub mod watching;

pub use cluster::{Cluster, ClusterError};
pub use key_secret::{KeySecret, SecretReference};

/// Hears remarks, one line each.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;
