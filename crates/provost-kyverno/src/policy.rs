//! Policies: reading them, refusing what Kyverno refuses to store, and the rules that come out.

pub mod entry;
pub mod load;
pub mod schema;
pub mod spec;
pub mod unread;
pub mod validate;
pub mod variables;
pub mod warning;

use std::collections::BTreeMap;

use crate::rule::Rule;
use provost_oci::Digest;

pub use load::{Documents, load};
pub use spec::{Action, ApplyRules, FailurePolicy, Spec};
pub use validate::Refusal;
pub use warning::Warning;

/// Whether a policy is the cluster's or one namespace's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// `ClusterPolicy`.
    Cluster,
    /// `Policy`, which reaches only its own namespace (security.md 23).
    Namespaced,
}

impl PolicyKind {
    /// The kind's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cluster => "ClusterPolicy",
            Self::Namespaced => "Policy",
        }
    }
}

/// A policy that may be judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Whose it is.
    pub kind: PolicyKind,
    /// Its name.
    pub name: String,
    /// Its namespace; empty for a cluster policy.
    pub namespace: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its settings.
    pub spec: Spec,
    /// Its verifyImages rules, those made for pod controllers included.
    pub rules: Vec<Rule>,
    /// The names of rules of other kinds, which are left to Kyverno.
    pub other_rules: Vec<String>,
    /// How many rules Kyverno counts, those made for pod controllers included.
    pub rule_count: usize,
    /// What whoever stores it should be told.
    pub warnings: Vec<Warning>,
    /// The digest of what it says: kind, name, namespace and settings as they are stored, with the annotations that
    /// change what they mean. Logs and verdicts name a policy by it.
    pub digest: Digest,
}

impl Policy {
    /// `namespace/name`, with an empty namespace for cluster policies, as Kyverno keys its annotation.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether any entry asks for digests or verified images, so that Kyverno checks its rules once more.
    #[must_use]
    pub fn checks(&self) -> bool {
        self.rules.iter().any(Rule::checks)
    }
}
