//! What the operator of a judgement brings to it: a trusted root, services that keep keys, who hears what is verified, and
//! the memories of keys and of what they signed.

use std::sync::Arc;

use async_trait::async_trait;
use provost_keys::{KeyMemory, PublicKey};
use provost_sigstore::trust_root::TrustMaterial;

use crate::vouched::StatementMemory;
use crate::witness::Witness;

/// Why a service gave no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The operator has not allowed policies to name services of this kind.
    #[error("{0}")]
    NotAllowed(String),
    /// The service was asked and gave none.
    #[error("{0}")]
    Failed(String),
}

/// Services that keep keys. Policies are written by others: only kinds that the operator enabled are ever connected to
/// (security.md 23).
#[async_trait]
pub trait KeyServices: Send + Sync {
    /// The public half of a key.
    ///
    /// # Errors
    /// See [`ServiceError`].
    async fn public_key(&self, reference: &str) -> Result<PublicKey, ServiceError>;
}

/// What whoever runs the judgement believes. Nothing of it is ever fetched while judging.
#[derive(Clone, Default)]
pub struct Anchors {
    /// Authorities and logs for attestors that name none of their own.
    pub material: TrustMaterial,
    /// Why there are none, where some should have been there.
    pub unreadable: Option<String>,
    /// Services that keep keys.
    pub services: Option<Arc<dyn KeyServices>>,
    /// Whether certificates of Notary signatures count although nobody can be asked whether they were revoked.
    pub ignore_revocation: bool,
    /// Who hears what attestors verifiably said.
    pub witness: Option<Arc<dyn Witness>>,
    /// Keys that policies name, read once, and what they were found to have signed.
    pub keys: KeyMemory,
    /// The statements that such keys signed, read once.
    pub statements: StatementMemory,
}

impl std::fmt::Debug for Anchors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Anchors").field("material", &self.material).finish_non_exhaustive()
    }
}
