//! With what the controller signs besides `signing-secrets`: keys in services, and Fulcio by a token of its Pod.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt as _;
use provost_chains::config::SignerSettings;
use provost_chains::vouching::TokenSource;
use provost_keys::Signer;
use provost_kms::{KmsError, KmsKind, Opener, Surroundings};
use provost_kube::settings::OpenKms;
use reqwest::Client;

use crate::command::signing::token;
use crate::face::Face;
use crate::failure::Failure;
use crate::{go_os, key_reference};

/// The longest token file read: 64 KiB; Vault's tokens have about 100 bytes.
const TOKEN_LIMIT: u64 = 64 * 1024;

/// Opens the key that `signers.kms.*` name, where it is of one of these kinds.
pub(super) fn kms(face: &Face, kinds: Vec<KmsKind>) -> OpenKms {
    let around = key_reference::around(face);
    Arc::new(move |settings: &SignerSettings| {
        let (around, kinds, settings) = (Arc::clone(&around), kinds.clone(), settings.clone());
        async move { open(around, kinds, &settings).await.map_err(|why| format!("signers.kms: {why}")) }
            .boxed()
    })
}

async fn open(
    base: Arc<dyn Surroundings>,
    kinds: Vec<KmsKind>,
    settings: &SignerSettings,
) -> Result<Arc<dyn Signer>, String> {
    let reference = settings.kms_reference.as_deref().ok_or("signers.kms.kmsref is not set")?;
    let around = Configured { base, set: variables(settings)? };
    let opened = Opener::new(Arc::new(around), kinds).signer(reference).await;
    let signer = opened.map_err(|error| match error {
        KmsError::NotAllowed { .. } => {
            format!("keys of this kind are opened only where --allow-kms names it: {error}")
        }
        other => Failure::from(other).words(),
    })?;
    Ok(Arc::from(signer))
}

/// Chains' keys as the variables of the services' own clients; its token file is read anew each time.
fn variables(settings: &SignerSettings) -> Result<BTreeMap<&'static str, String>, String> {
    let given = |key: &str| settings.kms_auth.get(key).filter(|text| !text.is_empty());
    for key in ["signers.kms.auth.oidc.role", "signers.kms.auth.spire.sock"] {
        if given(key).is_some() {
            return Err(format!(
                "{key} is not supported: give signers.kms.auth.token-path, which an agent of Vault's keeps fresh"
            ));
        }
    }
    let mut set = BTreeMap::new();
    if let Some(address) = given("signers.kms.auth.address") {
        set.insert("VAULT_ADDR", address.clone());
    }
    if let Some(path) = given("signers.kms.auth.token-path") {
        let read = go_os::read(Path::new(path), TOKEN_LIMIT).map_err(Failure::words)?;
        let text = String::from_utf8(read).map_err(|_| format!("{path} holds no text"))?;
        set.insert("VAULT_TOKEN", text.trim_end_matches(['\r', '\n']).to_owned());
    } else if let Some(secret) = settings.kms_token.as_ref().filter(|secret| !secret.0.is_empty()) {
        set.insert("VAULT_TOKEN", secret.0.clone());
    }
    Ok(set)
}

/// The process, with some of its variables replaced by what the configuration says.
struct Configured {
    base: Arc<dyn Surroundings>,
    set: BTreeMap<&'static str, String>,
}

impl Surroundings for Configured {
    fn variable(&self, name: &str) -> Option<String> {
        self.set.get(name).cloned().or_else(|| self.base.variable(name))
    }

    fn names(&self) -> Vec<String> {
        self.base.names()
    }

    fn now(&self) -> jiff::Timestamp {
        self.base.now()
    }

    fn client(&self, authorities: Option<&Path>) -> Result<Client, String> {
        self.base.client(authorities)
    }
}

/// The token that Fulcio knows the controller by: the file of `signers.x509.identity.token.file`, or the projected one.
pub(super) fn token() -> TokenSource {
    Arc::new(|settings: &SignerSettings| {
        let named = settings.identity_token_file.as_deref();
        match (named, settings.fulcio_provider.as_str()) {
            (Some(_), _) | (None, "" | "filesystem") => {}
            (None, other) => {
                return Err(format!(
                    "signers.x509.fulcio.provider is {other:?}: expected filesystem, or a file in signers.x509.identity.token.file"
                ));
            }
        }
        token::file(Path::new(named.unwrap_or(token::MOUNTED))).map_err(Failure::words)
    })
}

#[cfg(test)]
mod tests {
    use provost_chains::ChainsConfig;
    use provost_chains::config::Secret;

    use super::*;

    fn settings() -> SignerSettings {
        ChainsConfig::default().signers
    }

    #[test]
    fn chains_keys_become_the_clients_variables_and_the_file_goes_before_the_token() {
        let mut settings = settings();
        settings.kms_auth.insert("signers.kms.auth.address", "https://vault.test".to_owned());
        settings.kms_token = Some(Secret("given".to_owned()));
        let read = |settings: &SignerSettings| variables(settings).unwrap()["VAULT_TOKEN"].clone();
        assert_eq!(variables(&settings).unwrap()["VAULT_ADDR"], "https://vault.test");
        assert_eq!(read(&settings), "given");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from a file\n").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        settings.kms_auth.insert("signers.kms.auth.token-path", path);
        assert_eq!(read(&settings), "from a file");
        for key in ["signers.kms.auth.oidc.role", "signers.kms.auth.spire.sock"] {
            let mut other = settings.clone();
            other.kms_auth.insert(key, "x".to_owned());
            assert!(variables(&other).unwrap_err().starts_with(&format!("{key} is not supported")));
        }
    }

    #[test]
    fn a_token_comes_from_the_file_that_is_named_and_other_providers_are_refused() {
        let mut settings = settings();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), " a.b.c\n").unwrap();
        settings.fulcio_provider = "spiffe".to_owned();
        assert!(token()(&settings).unwrap_err().contains("\"spiffe\": expected filesystem"));
        settings.identity_token_file = file.path().to_str().map(str::to_owned);
        assert_eq!(token()(&settings), Ok("a.b.c".to_owned()));
    }
}
