//! Where images and attestations live: the Store trait, the remote client, the OCI layout on disk.
//!
//! Every byte that comes through a [`Store`] has been checked against its digest and a size limit before it is
//! handed out. Nothing here knows what a signature is.

mod address_rule;
mod answer;
mod blobs;
mod challenge;
mod credential_helper;
mod docker_config;
mod endpoint;
pub mod keychain;
mod layered;
pub mod layout;
pub mod limits;
mod login;
mod manifests;
mod network_failure;
pub mod portable;
mod proxy;
mod referrers;
mod remote;
pub mod retry;
mod scheme;
mod service_client;
pub mod store;
mod tls;
mod tls_greeting;
mod token;
mod trace;
mod transfer;
mod transport;

pub use address_rule::AddressRule;
pub use challenge::{Challenge, ChallengeError};
pub use credential_helper::HelperEnvironment;
pub use docker_config::DockerPaths;
pub use keychain::{ClearText, Credential, CredentialSource, Found, GivenCredential, Keychain};
pub use layered::Layered;
pub use proxy::Proxies;
pub use referrers::{ReferrersSwitch, subject_of};
pub use remote::{Remote, RemoteOptions};
pub use service_client::service_client;
pub use store::{Manifest, Store, StoreError, Turn};
pub use tls::{Pem, TlsOptions};
pub use trace::Trace;
