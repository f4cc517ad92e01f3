//! The services and trust that a TUF repository names: public Sigstore's, or a mirror's.

use std::path::PathBuf;

use sigstore_trust_root::tuf::{TufBootstrap, TufConfig, fetch_trust_material};

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
pub async fn fetch(repository: &TufRepository, client: &reqwest::Client) -> Result<SharedTrust, TufError> {
    let config = match &repository.mirror {
        None => TufConfig::production(),
        Some((url, root)) => TufConfig::custom(url, TufBootstrap::trusted(root)),
    };
    let config = config.with_http_client(client.clone());
    let config = match &repository.cache {
        Some(folder) => config.with_cache_dir(folder.clone()),
        None => config.without_cache(),
    };
    let failed = |reason: String| TufError(reason);
    let (root, signing) = fetch_trust_material(config).await.map_err(|error| failed(error.to_string()))?;
    let trusted_root = serde_json::to_vec(&root).map_err(|error| failed(error.to_string()))?;
    let signing = serde_json::to_vec(&signing).map_err(|error| failed(error.to_string()))?;
    let signing_config = SigningConfig::parse(&signing).map_err(|error| failed(error.to_string()))?;
    Ok(SharedTrust { trusted_root, signing_config })
}
