//! Keys that stay where they are: Vault, AWS, Google, Azure, and programs that keep keys for others.
//!
//! A reference (`hashivault://…`, `awskms://…`) becomes a [`provost_keys::Signer`] or a public key through an
//! [`Opener`], which is told which kinds it may open and what surrounds it: no environment and no clock is read here.
//! What a service answers is bounded, and a signature it makes is checked under the key's public half before it is
//! handed on.

mod aws;
#[cfg(feature = "azure")]
mod azure;
pub mod bounded;
mod error;
#[cfg(feature = "gcp")]
mod google;
mod kind;
mod opener;
mod plugin;
mod remote_key;
mod surroundings;
mod transport;
mod vault;

pub use bounded::ANSWER_TIME;
pub use error::{KmsError, PluginFault};
#[cfg(feature = "gcp")]
pub use google::google_token;
pub use kind::KmsKind;
pub use opener::Opener;
pub use plugin::{PLUGIN_OUTPUT_LIMIT, PLUGIN_TIME};
pub use surroundings::Surroundings;
pub use transport::ANSWER_LIMIT;
