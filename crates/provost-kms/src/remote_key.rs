//! A key in a service as a signer: what it signs is checked before it is handed on.

use std::fmt;

use async_trait::async_trait;
use provost_keys::{Hash, HashChoice, KeyError, KeyKind, PublicKey, Signer};

use crate::error::KmsError;

/// What each service does with a message.
#[async_trait]
pub(crate) trait RemoteKey: Send + Sync {
    /// Signs the message with this hash, or with the one way the key has.
    async fn sign(&self, message: &[u8], hash: Hash) -> Result<Vec<u8>, KmsError>;
}

/// A key in a service: its public half, fetched once, and the hashes it signs with, the usual one first.
pub(crate) struct RemoteSigner {
    pub(crate) reference: String,
    pub(crate) public: PublicKey,
    pub(crate) hash: Hash,
    pub(crate) others: Vec<Hash>,
    pub(crate) key: Box<dyn RemoteKey>,
}

impl RemoteSigner {
    /// A service that signs with something else than the key it showed (rotated meanwhile, or lying) is found here.
    async fn checked(&self, message: &[u8], hash: Hash, choice: HashChoice) -> Result<Vec<u8>, KeyError> {
        let elsewhere = |reason: String| KeyError::Elsewhere { reference: self.reference.clone(), reason };
        let signature = self.key.sign(message, hash).await.map_err(|error| elsewhere(error.to_string()))?;
        match self.public.verify(message, &signature, choice) {
            Ok(()) => Ok(signature),
            Err(error) => Err(elsewhere(format!(
                "what came back is no signature under the key's public half (a rotated key shows its new half on the next try): {error}"
            ))),
        }
    }
}

#[async_trait]
impl Signer for RemoteSigner {
    fn public_key(&self) -> PublicKey {
        self.public.clone()
    }

    fn hash(&self) -> Hash {
        self.hash
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.checked(message, self.hash, HashChoice::Usual).await
    }

    async fn sign_exactly(&self, message: &[u8], hash: Hash) -> Result<Vec<u8>, KeyError> {
        let pure = self.kind() == KeyKind::Ed25519;
        if !pure && hash != self.hash && !self.others.contains(&hash) {
            return Err(KeyError::UnsupportedHash { kind: self.kind(), hash });
        }
        self.checked(message, hash, HashChoice::Exactly(hash)).await
    }
}

impl fmt::Debug for RemoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteSigner({}, {:?})", self.reference, self.public)
    }
}
