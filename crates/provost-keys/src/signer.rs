//! What signs: a key in hand, or one that stays where it is.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::error::KeyError;
use crate::kind::{Hash, KeyKind};
use crate::private_key::PrivateKey;
use crate::public_key::PublicKey;

/// A key that signs, wherever it lies: a file that was opened, or a service that keeps it.
///
/// Statements and payloads are signed through this, so that no caller knows which of the two it has.
#[async_trait]
pub trait Signer: Debug + Send + Sync {
    /// The public half.
    fn public_key(&self) -> PublicKey;

    /// The hash [`Signer::sign`] signs with; SHA-512 of an Ed25519 file is its prehash.
    fn hash(&self) -> Hash;

    /// The family and size of the key.
    fn kind(&self) -> KeyKind {
        self.public_key().kind()
    }

    /// Signs as cosign's `sign` and `attest` do with a key of this kind: ECDSA as ASN.1 DER.
    ///
    /// # Errors
    /// [`KeyError::Library`] where the library does not sign, [`KeyError::Elsewhere`] where a service does not.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Signs with this hash, as `sign-blob` without a log and Chains do; Ed25519 is pure whatever the hash.
    ///
    /// # Errors
    /// Those of [`Signer::sign`], and [`KeyError::UnsupportedHash`] where the key does not sign with this hash.
    async fn sign_exactly(&self, message: &[u8], hash: Hash) -> Result<Vec<u8>, KeyError>;
}

#[async_trait]
impl Signer for PrivateKey {
    fn public_key(&self) -> PublicKey {
        Self::public_key(self)
    }

    fn hash(&self) -> Hash {
        Self::kind(self).signing_hash()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        Self::sign(self, message)
    }

    async fn sign_exactly(&self, message: &[u8], hash: Hash) -> Result<Vec<u8>, KeyError> {
        Self::sign_exactly(self, message, hash)
    }
}
