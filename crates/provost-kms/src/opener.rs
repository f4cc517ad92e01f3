//! From a reference to a signer or a public key, by kind, as far as the caller allows.

use std::collections::BTreeSet;
use std::sync::Arc;

use provost_keys::{PublicKey, Signer};

use crate::error::KmsError;
use crate::kind::KmsKind;
use crate::surroundings::Surroundings;
use crate::{aws, plugin, vault};

/// Opens keys in services of the kinds it was given.
///
/// A command line allows all kinds; a policy, which others write, only those that its user enabled by name.
pub struct Opener {
    surroundings: Arc<dyn Surroundings>,
    allowed: BTreeSet<KmsKind>,
}

impl Opener {
    /// An opener of these kinds.
    #[must_use]
    pub fn new(surroundings: Arc<dyn Surroundings>, allowed: impl IntoIterator<Item = KmsKind>) -> Self {
        Self { surroundings, allowed: allowed.into_iter().collect() }
    }

    fn kind(&self, reference: &str) -> Result<KmsKind, KmsError> {
        let shown = || plugin::pin::split(reference).0;
        let kind = KmsKind::of(reference)
            .ok_or_else(|| KmsError::Setting(format!("{}: names no key in a service", shown())))?;
        if !self.allowed.contains(&kind) {
            return Err(KmsError::NotAllowed { reference: shown(), kind });
        }
        Ok(kind)
    }

    /// The key as a signer; its public half is fetched now.
    ///
    /// # Errors
    /// See [`KmsError`].
    pub async fn signer(&self, reference: &str) -> Result<Box<dyn Signer>, KmsError> {
        let around = &self.surroundings;
        Ok(Box::new(match self.kind(reference)? {
            KmsKind::Vault => vault::Vault::new(reference, around.as_ref())?.signer(reference).await?,
            KmsKind::Aws => aws::Aws::new(reference, Arc::clone(around)).await?.signer(reference).await?,
            KmsKind::Plugin => plugin::Plugin::new(reference, Arc::clone(around))?.signer(reference).await?,
            #[cfg(feature = "gcp")]
            KmsKind::Google => {
                crate::google::Google::new(reference, Arc::clone(around)).await?.signer(reference).await?
            }
            #[cfg(feature = "azure")]
            KmsKind::Azure => {
                crate::azure::Azure::new(reference, Arc::clone(around)).await?.signer(reference).await?
            }
            #[cfg(not(all(feature = "gcp", feature = "azure")))]
            other => return Err(not_built(reference, other)),
        }))
    }

    /// The key's public half.
    ///
    /// # Errors
    /// See [`KmsError`].
    pub async fn public_key(&self, reference: &str) -> Result<PublicKey, KmsError> {
        if self.kind(reference)? == KmsKind::Vault {
            return vault::Vault::new(reference, self.surroundings.as_ref())?.verifying().await;
        }
        Ok(self.signer(reference).await?.public_key())
    }

    /// Makes a key of the kind that the service makes by default (ECDSA P-256), unless there is one.
    ///
    /// # Errors
    /// See [`KmsError`].
    pub async fn create(&self, reference: &str) -> Result<PublicKey, KmsError> {
        let around = &self.surroundings;
        match self.kind(reference)? {
            KmsKind::Vault => vault::Vault::new(reference, around.as_ref())?.create().await,
            KmsKind::Aws => aws::Aws::new(reference, Arc::clone(around)).await?.create().await,
            KmsKind::Plugin => plugin::Plugin::new(reference, Arc::clone(around))?.create().await,
            #[cfg(feature = "gcp")]
            KmsKind::Google => {
                crate::google::Google::new(reference, Arc::clone(around)).await?.create().await
            }
            #[cfg(feature = "azure")]
            KmsKind::Azure => crate::azure::Azure::new(reference, Arc::clone(around)).await?.create().await,
            #[cfg(not(all(feature = "gcp", feature = "azure")))]
            other => Err(not_built(reference, other)),
        }
    }
}

#[cfg(not(all(feature = "gcp", feature = "azure")))]
fn not_built(reference: &str, kind: KmsKind) -> KmsError {
    let (feature, scheme) =
        if kind == KmsKind::Google { ("kms-gcp", "gcpkms") } else { ("kms-azure", "azurekms") };
    KmsError::NotBuilt { reference: reference.to_owned(), kind, feature, scheme }
}
