//! What the controller goes by: the configuration, the key, and how it treats runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use provost_keys::{PublicKey, Signer};

use crate::config::{ChainsConfig, Storage};
use crate::vouching::Others;

use super::cluster::Kind;

/// How long a run that is being deleted is tried before it is let go, unless something else is asked for.
pub const DELETION_GRACE: Duration = Duration::from_secs(600);
/// How long a run that was deleted while it ran is waited for: Tekton may be writing its end just now.
pub const ENDING_GRACE: Duration = Duration::from_secs(30);

/// Configuration and keys, as they are at one moment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `chains-config`.
    pub config: ChainsConfig,
    /// `sha256:…` of its data, for receipts.
    pub config_digest: String,
    /// The key that receipts are signed with, and what the signer `x509` signs, or why there is none: that of `signing-secrets`;
    /// where only key services sign, theirs.
    pub key: Result<Arc<dyn Signer>, String>,
    /// What signs and vouches besides.
    pub others: Others,
    /// The public keys whose receipts count: the current one, and those before it.
    pub receipt_keys: Vec<PublicKey>,
}

impl Settings {
    /// Whether anything of this kind of run is signed at all.
    #[must_use]
    pub fn signs(&self, kind: Kind) -> bool {
        match kind {
            Kind::TaskRun => self.config.task_runs.enabled() || self.config.images.enabled(),
            Kind::PipelineRun => self.config.pipeline_runs.enabled(),
        }
    }

    /// Whether anything of this kind of run goes to a registry.
    pub(super) fn uses_registries(&self, kind: Kind) -> bool {
        let config = &self.config;
        match kind {
            Kind::TaskRun => [&config.task_runs.storage, &config.images.storage]
                .iter()
                .any(|storage| storage.contains(&Storage::Oci)),
            Kind::PipelineRun => config.pipeline_runs.storage.contains(&Storage::Oci),
        }
    }
}

/// How runs are treated, whatever the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The namespaces that are looked at; all of them where there are none.
    pub namespaces: BTreeSet<String>,
    /// How long a run that is being deleted is tried.
    pub deletion_grace: Duration,
    /// Chains' own marks count on runs that were made before this time.
    pub adopt_before: Option<Timestamp>,
    /// Whether runs that are not signed yet get our finalizer: not where nobody stays to take it off.
    pub holds: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { namespaces: BTreeSet::new(), deletion_grace: DELETION_GRACE, adopt_before: None, holds: true }
    }
}
