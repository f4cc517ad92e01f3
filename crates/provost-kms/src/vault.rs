//! HashiCorp Vault and OpenBao: keys of the transit engine.
//!
//! Variables as in sigstore's client: `VAULT_ADDR` or `BAO_ADDR`, `VAULT_TOKEN` or `BAO_TOKEN` (else the file
//! `~/.vault-token`), `TRANSIT_SECRET_ENGINE_PATH`, `VAULT_KEY_PREFIX`; of Vault's own: `VAULT_NAMESPACE`, `VAULT_CACERT`.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{Hash, KeyKind, PublicKey};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use crate::error::KmsError;
use crate::kind::KmsKind;
use crate::remote_key::{RemoteKey, RemoteSigner};
use crate::surroundings::Surroundings;
use crate::transport::{Answer, at, exchange};

const EXPECTED: &str = "hashivault://<key>";
const SERVICE: KmsKind = KmsKind::Vault;
/// The longest token file read; tokens have about 100 bytes.
const TOKEN_LIMIT: u64 = 64 * 1024;
/// The hashes transit signs with, besides SHA-256.
const OTHERS: [Hash; 3] = [Hash::Sha224, Hash::Sha384, Hash::Sha512];

/// A key of one transit engine.
pub(crate) struct Vault {
    client: Client,
    address: Url,
    token: Zeroizing<String>,
    namespace: Option<String>,
    engine: String,
    key: String,
    /// The version that `VAULT_KEY_PREFIX` names, which verifies; the latest one signs.
    prefixed: Option<u64>,
}

impl Vault {
    pub(crate) fn new(reference: &str, around: &dyn Surroundings) -> Result<Self, KmsError> {
        let key = reference.split_once("://").map(|(_, key)| key).filter(|key| is_name(key));
        let key = key.ok_or(KmsError::Reference { expected: EXPECTED })?.to_owned();
        let either = |one: &str, two: &str| around.variable(one).or_else(|| around.variable(two));
        let address = either("VAULT_ADDR", "BAO_ADDR")
            .ok_or_else(|| KmsError::Setting("VAULT_ADDR or BAO_ADDR is not set".to_owned()))?;
        let bad =
            || KmsError::Setting(format!("VAULT_ADDR: {address:?} is no address like https://host:8200"));
        let mut address = Url::parse(&address).map_err(|_| bad())?;
        if !matches!(address.scheme(), "http" | "https") || address.cannot_be_a_base() {
            return Err(bad());
        }
        if !address.path().ends_with('/') {
            address.set_path(&format!("{}/", address.path()));
        }
        if around.variable("VAULT_SKIP_VERIFY").is_some_and(|text| !matches!(text.as_str(), "0" | "false")) {
            return Err(KmsError::Setting(
                "VAULT_SKIP_VERIFY is not followed: name the authority's certificate in VAULT_CACERT"
                    .to_owned(),
            ));
        }
        let token = match either("VAULT_TOKEN", "BAO_TOKEN") {
            Some(token) => Zeroizing::new(token),
            None => token_file(around)?,
        };
        let prefixed = match around.variable("VAULT_KEY_PREFIX") {
            None => None,
            Some(prefix) => Some(version_of(&prefix).ok_or_else(|| {
                KmsError::Setting(format!("VAULT_KEY_PREFIX: {prefix:?} is not of the form vault:v1:"))
            })?),
        };
        let authorities = either("VAULT_CACERT", "BAO_CACERT").map(PathBuf::from);
        Ok(Self {
            client: around.client(authorities.as_deref()).map_err(KmsError::Setting)?,
            address,
            token,
            namespace: either("VAULT_NAMESPACE", "BAO_NAMESPACE"),
            engine: around.variable("TRANSIT_SECRET_ENGINE_PATH").unwrap_or_else(|| "transit".to_owned()),
            key,
            prefixed,
        })
    }

    async fn ask(
        &self,
        method: Method,
        parts: &[&str],
        body: Option<&Value>,
    ) -> Result<(Answer, Value), KmsError> {
        let mut url = self.address.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("v1");
            // An engine may be mounted below folders.
            path.extend(self.engine.split('/').filter(|part| !part.is_empty()));
            path.extend(parts);
        }
        let mut request = self.client.request(method, url).header("X-Vault-Token", self.token.as_str());
        request = request.header("X-Vault-Request", "true");
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let request = request.build().map_err(|error| KmsError::Setting(error.without_url().to_string()))?;
        let answer = exchange(SERVICE, &self.client, request).await?;
        let value = answer.json(SERVICE, |value| {
            let errors = at(value, "errors").as_array().into_iter().flatten().filter_map(Value::as_str);
            (String::new(), errors.collect::<Vec<_>>().join(", "))
        })?;
        Ok((answer, value))
    }

    /// The public half that verifies: of the version `VAULT_KEY_PREFIX` names, else of the latest.
    pub(crate) async fn verifying(&self) -> Result<PublicKey, KmsError> {
        Ok(self.public(self.prefixed).await?.0)
    }

    /// The public half of a version, or of the latest, and which that is.
    async fn public(&self, version: Option<u64>) -> Result<(PublicKey, u64), KmsError> {
        let (answer, value) = self.ask(Method::GET, &["keys", &self.key], None).await?;
        let data = at(&value, "data");
        let latest = at(data, "latest_version").as_u64();
        let version = version.or(latest).ok_or_else(|| answer.wrong(SERVICE, "data.latest_version"))?;
        let one = at(at(data, "keys"), &version.to_string());
        let text = at(one, "public_key")
            .as_str()
            .ok_or_else(|| answer.wrong(SERVICE, &format!("data.keys.{version}.public_key")))?;
        let public = if at(one, "name") == "ed25519" || at(data, "type") == "ed25519" {
            let wrong = || answer.wrong(SERVICE, &format!("data.keys.{version}.public_key"));
            let raw = STANDARD.decode(text).map_err(|_| wrong())?;
            PublicKey::from_ed25519(&raw)?
        } else {
            PublicKey::from_pem(text.as_bytes())?
        };
        Ok((public, version))
    }

    pub(crate) async fn signer(self, reference: &str) -> Result<RemoteSigner, KmsError> {
        let (public, version) = self.public(None).await?;
        let pure = public.kind() == KeyKind::Ed25519;
        Ok(RemoteSigner {
            reference: reference.to_owned(),
            public,
            // sigstore's client hashes with SHA-256 whatever the curve; Ed25519 signs the message itself.
            hash: if pure { Hash::Sha512 } else { Hash::Sha256 },
            others: OTHERS.to_vec(),
            key: Box::new(TransitKey { vault: self, version, pure }),
        })
    }

    pub(crate) async fn create(&self) -> Result<PublicKey, KmsError> {
        self.ask(Method::POST, &["keys", &self.key], Some(&json!({"type": "ecdsa-p256"}))).await?;
        Ok(self.public(None).await?.0)
    }
}

struct TransitKey {
    vault: Vault,
    /// The version whose public half was shown signs, whatever is rotated in between.
    version: u64,
    pure: bool,
}

#[async_trait]
impl RemoteKey for TransitKey {
    async fn sign(&self, message: &[u8], hash: Hash) -> Result<Vec<u8>, KmsError> {
        let name = match hash {
            Hash::Sha224 => "sha2-224",
            Hash::Sha256 => "sha2-256",
            Hash::Sha384 => "sha2-384",
            Hash::Sha512 => "sha2-512",
        };
        let input = match self.pure {
            true => STANDARD.encode(message),
            false => STANDARD.encode(hash.of(message)),
        };
        let body = json!({
            "input": input,
            "prehashed": !self.pure,
            "key_version": self.version,
            "signature_algorithm": "pkcs1v15",
            "marshaling_algorithm": "asn1",
        });
        let parts = ["sign", &self.vault.key, name];
        let parts = if self.pure { parts.get(..2).unwrap_or(&parts) } else { &parts };
        let (answer, value) = self.vault.ask(Method::POST, parts, Some(&body)).await?;
        let wrong = || answer.wrong(SERVICE, "data.signature");
        // "vault:v3:" and base64.
        let text = at(at(&value, "data"), "signature").as_str().and_then(|text| text.rsplit(':').next());
        STANDARD.decode(text.ok_or_else(wrong)?).map_err(|_| wrong())
    }
}

/// `\w(([\w-.]+)?\w)?`: letters, digits and _, with - and . between them.
fn is_name(key: &str) -> bool {
    let word = |one: char| one.is_ascii_alphanumeric() || one == '_';
    key.starts_with(word)
        && key.ends_with(word)
        && key.chars().all(|one| word(one) || matches!(one, '-' | '.'))
}

/// The version in `vault:v3:`.
fn version_of(prefix: &str) -> Option<u64> {
    prefix.strip_prefix("vault:v")?.strip_suffix(':')?.parse().ok().filter(|version| *version > 0)
}

fn token_file(around: &dyn Surroundings) -> Result<Zeroizing<String>, KmsError> {
    let none = || {
        KmsError::Setting(
            "no Vault token found: set VAULT_TOKEN or BAO_TOKEN, or log in so that ~/.vault-token holds one"
                .to_owned(),
        )
    };
    let home = around.variable("HOME").ok_or_else(none)?;
    let path = Path::new(&home).join(".vault-token");
    let text = bounded_file(&path, TOKEN_LIMIT)?.ok_or_else(none)?;
    let token = text.trim();
    if token.is_empty() { Err(none()) } else { Ok(Zeroizing::new(token.to_owned())) }
}

/// A file's text; `None` where there is none.
pub(crate) fn bounded_file(path: &Path, limit: u64) -> Result<Option<Zeroizing<String>>, KmsError> {
    use std::io::Read;
    let told = |cause: String| KmsError::File { path: path.display().to_string(), cause };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(told(error.to_string())),
    };
    let mut text = Zeroizing::new(String::new());
    file.take(limit + 1).read_to_string(&mut text).map_err(|error| told(error.to_string()))?;
    if text.len() as u64 > limit {
        return Err(told(format!("longer than the {limit} bytes allowed")));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_read_as_sigstore_reads_them() {
        for good in ["a", "a1", "my-key.v2", "_x"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a/b", "a b", "a%2f"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert_eq!(version_of("vault:v12:"), Some(12));
        for bad in ["vault:v0:", "v1", "vault:v:", "vault:v1"] {
            assert_eq!(version_of(bad), None, "{bad}");
        }
    }
}
