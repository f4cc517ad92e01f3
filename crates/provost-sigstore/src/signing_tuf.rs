//! The services and trust that a TUF repository names: public Sigstore's, or a mirror's.

use std::path::PathBuf;

use jiff::Timestamp;
use sigstore_trust_root::tuf::{SIGNING_CONFIG_TARGET, TRUSTED_ROOT_TARGET};
use sigstore_tuf::FileStore;

use crate::initialize::{self, PUBLIC_MIRROR, known_root};
use crate::signing_config::SigningConfig;

/// A TUF repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TufRepository {
    /// Where it lies, with the root it is trusted by; none means public Sigstore and the root compiled in.
    pub mirror: Option<(String, Vec<u8>)>,
    /// The folder that keeps what was fetched and verified; none keeps nothing.
    pub cache: Option<PathBuf>,
}

/// What was fetched and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedTrust {
    /// The trusted root, as JSON.
    pub trusted_root: Vec<u8>,
    /// Which services sign.
    pub signing_config: SigningConfig,
}

/// Why nothing was fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tuf refresh failed: {0}")]
pub struct TufError(pub String);

/// Fetches the trusted root and the signing configuration, through one verified walk of the metadata.
///
/// # Errors
/// When the repository cannot be reached, or what it says does not verify.
pub async fn fetch(
    repository: &TufRepository,
    client: &reqwest::Client,
    now: Timestamp,
) -> Result<SharedTrust, TufError> {
    let failed = |reason: String| TufError(reason);
    let refused = |error: sigstore_tuf::Error| failed(initialize::chain(&error));
    let (url, root) = match &repository.mirror {
        None => (PUBLIC_MIRROR, known_root(PUBLIC_MIRROR)),
        Some((url, root)) => (url.as_str(), root.as_slice()),
    };
    let source = initialize::repository(url, client).map_err(|error| failed(error.to_string()))?;
    let mut updater = initialize::updater(source, root).map_err(refused)?;
    if let Some(folder) = &repository.cache {
        updater = updater.with_store(FileStore::new(folder));
    }
    updater.refresh(now).await.map_err(refused)?;
    let trusted_root = updater.get_target(TRUSTED_ROOT_TARGET, now).await.map_err(refused)?;
    let signing = updater.get_target(SIGNING_CONFIG_TARGET, now).await.map_err(refused)?;
    let signing_config = SigningConfig::parse(&signing).map_err(|error| failed(error.to_string()))?;
    Ok(SharedTrust { trusted_root, signing_config })
}
