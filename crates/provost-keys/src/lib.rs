//! Whose signature: key files, PEM public keys, signing and verifying.
//!
//! Everything here works on bytes the caller has read: no file, environment or network is touched. What a key file
//! claims costs at most [`KEY_FILE_LIMIT`] bytes and one of the three scrypt costs cosign writes. scrypt takes about a
//! sixth of a second, so asynchronous callers open private keys on a blocking thread.

mod encrypted;
mod error;
mod jose;
mod kind;
mod memory;
mod pem;
pub mod plugin_protocol;
mod private_key;
mod public_key;
mod secretbox;
mod signer;
mod spki;
mod ssh;

pub use error::{KeyError, PrivateKeyFault, PublicKeyFault, SignatureError};
pub use jose::JoseAlgorithm;
pub use kind::{Hash, HashChoice, KeyKind};
pub use memory::{KEY_LIMIT, KeyMemory, SIGNATURE_LIMIT};
pub use pem::{KEY_FILE_LIMIT, pem_label};
pub use private_key::PrivateKey;
pub use public_key::PublicKey;
pub use signer::Signer;
pub use spki::ecdsa_der;
