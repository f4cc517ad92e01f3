//! What policies may believe and open on this machine: a trusted root, and services that keep keys.

use std::sync::Arc;

use async_trait::async_trait;
use provost_keys::PublicKey;
use provost_kms::{KmsError, KmsKind, Opener};
use provost_kyverno::{Anchors, KeyServices, ServiceError};

use crate::command::verifier::material;
use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference;

/// What policies may believe and open. Whoever writes a policy decides neither.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct AnchorFlags {
    /// The trusted root for attestors that name no roots or logs of their own; else the one `initialize` has fetched.
    #[arg(long, env = "COSIGN_TRUSTED_ROOT", value_name = "FILE")]
    trusted_root: Option<String>,
    /// Let policies name keys in services of this kind: awskms, azurekms, gcpkms or hashivault.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    allow_kms: Vec<KmsWord>,
    /// Let certificates of Notary signatures count although nobody is asked whether they were revoked.
    #[arg(long)]
    insecure_ignore_revocation: bool,
}

/// The kinds of services that a policy may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum KmsWord {
    Awskms,
    Azurekms,
    Gcpkms,
    Hashivault,
}

impl KmsWord {
    /// The kind in the words of the crate that opens it.
    pub(crate) fn kind(self) -> KmsKind {
        match self {
            Self::Awskms => KmsKind::Aws,
            Self::Azurekms => KmsKind::Azure,
            Self::Gcpkms => KmsKind::Google,
            Self::Hashivault => KmsKind::Vault,
        }
    }
}

impl AnchorFlags {
    /// Reads what is named; a root that `initialize` has fetched and that cannot be read only matters to attestors that
    /// need it.
    ///
    /// # Errors
    /// When the file of --trusted-root is none.
    pub(crate) fn anchors(&self, face: &Face) -> Result<Anchors, Failure> {
        let named = self.trusted_root.as_deref().filter(|path| !path.is_empty());
        let (material, unreadable) = match material::at_hand(named, face) {
            Ok(material) => (material, None),
            Err(failure) if named.is_some() => return Err(failure),
            Err(failure) => (Default::default(), Some(failure.words())),
        };
        let kinds: Vec<KmsKind> = self.allow_kms.iter().map(|word| word.kind()).collect();
        let services: Option<Arc<dyn KeyServices>> = match kinds.is_empty() {
            true => None,
            false => Some(Arc::new(Services(key_reference::services(face, kinds)))),
        };
        let ignore_revocation = self.insecure_ignore_revocation;
        Ok(Anchors { material, unreadable, services, ignore_revocation, ..Anchors::default() })
    }
}

struct Services(Opener);

#[async_trait]
impl KeyServices for Services {
    async fn public_key(&self, reference: &str) -> Result<PublicKey, ServiceError> {
        self.0.public_key(reference).await.map_err(|error| match error {
            KmsError::NotAllowed { .. } => ServiceError::NotAllowed(format!(
                "keys of this kind are opened only where --allow-kms names it: {error}"
            )),
            other => ServiceError::Failed(other.to_string()),
        })
    }
}
