//! Azure Key Vault: its REST interface, and tokens of applications, workloads and machines.
//!
//! References as in sigstore's client: `azurekms://VAULT_HOST/KEY[/VERSION]`. As Azure's own libraries do, a host that is no
//! vault of the cloud is not asked: the token would serve whoever has that host for every vault.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use provost_keys::{Hash, KeyKind, PublicKey, ecdsa_der};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use crate::error::KmsError;
use crate::kind::KmsKind;
use crate::remote_key::{RemoteKey, RemoteSigner};
use crate::surroundings::Surroundings;
use crate::transport::{Answer, at, exchange};
use crate::vault::bounded_file;

const SERVICE: KmsKind = KmsKind::Azure;
const EXPECTED: &str = "azurekms://[VAULT_NAME][VAULT_URL]/[KEY_NAME]/[VERSION (optional)]";
const VERSION: &str = "7.4";
/// The longest token file read; federated tokens have a few KiB.
const TOKEN_LIMIT: u64 = 64 * 1024;
const MACHINE: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// A key of one vault.
pub(crate) struct Azure {
    client: Client,
    vault: Url,
    name: String,
    version: Option<String>,
    token: Zeroizing<String>,
}

impl Azure {
    pub(crate) async fn new(reference: &str, around: Arc<dyn Surroundings>) -> Result<Self, KmsError> {
        let (vault, name, version) = parse(reference).ok_or(KmsError::Reference { expected: EXPECTED })?;
        let cloud = Cloud::of(around.as_ref());
        let host = vault.host_str().unwrap_or_default();
        // Whoever writes the reference must not be handed a token for everybody's vaults.
        let own = around.variable("PROVOST_AZURE_VAULT").is_some_and(|own| own == vault.authority());
        if !own && !host.strip_suffix(cloud.vaults).is_some_and(|name| name.ends_with('.')) {
            return Err(KmsError::Setting(format!(
                "{host:?} is no key vault of this cloud: expected NAME.{} (AZURE_ENVIRONMENT names another cloud, PROVOST_AZURE_VAULT a vault HOST:PORT of one's own)",
                cloud.vaults
            )));
        }
        let client = around.client(None).map_err(KmsError::Setting)?;
        let token = token(around.as_ref(), &client, &cloud).await?;
        Ok(Self { client, vault, name, version, token })
    }

    async fn ask(
        &self,
        method: Method,
        parts: &[&str],
        body: Option<&Value>,
    ) -> Result<(Answer, Value), KmsError> {
        let mut url = self.vault.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("keys").push(&self.name);
            path.extend(parts.iter().filter(|part| !part.is_empty()));
        }
        url.query_pairs_mut().append_pair("api-version", VERSION);
        let mut request = self.client.request(method, url).bearer_auth(self.token.as_str());
        if let Some(body) = body {
            request = request.json(body);
        }
        let request = request.build().map_err(|error| KmsError::Setting(error.without_url().to_string()))?;
        let answer = exchange(SERVICE, &self.client, request).await?;
        let value = answer.json(SERVICE, |value| {
            let part = |name: &str| at(at(value, "error"), name).as_str().unwrap_or_default().to_owned();
            (part("code"), part("message"))
        })?;
        Ok((answer, value))
    }

    /// The public half, and the version it is of.
    async fn public(&self) -> Result<(PublicKey, String), KmsError> {
        let version = self.version.as_deref().unwrap_or_default();
        let (answer, value) = self.ask(Method::GET, &[version], None).await?;
        let key = at(&value, "key");
        let text =
            |name: &str| at(key, name).as_str().ok_or_else(|| answer.wrong(SERVICE, &format!("key.{name}")));
        let number = |name: &str| {
            let wrong = || answer.wrong(SERVICE, &format!("key.{name}"));
            URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).map_err(|_| wrong())
        };
        // Keys in hardware are called EC-HSM and RSA-HSM.
        let public = match text("kty")?.trim_end_matches("-HSM") {
            "EC" => {
                let kind = match text("crv")? {
                    "P-256" => KeyKind::EcdsaP256,
                    "P-384" => KeyKind::EcdsaP384,
                    "P-521" => KeyKind::EcdsaP521,
                    other => return Err(answer.wrong(SERVICE, &format!("key.crv {other:?}"))),
                };
                PublicKey::from_point(kind, &number("x")?, &number("y")?)?
            }
            "RSA" => PublicKey::from_rsa_numbers(&number("n")?, &number("e")?)?,
            other => return Err(answer.wrong(SERVICE, &format!("key.kty {other:?}"))),
        };
        let version = text("kid")?.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        Ok((public, version.to_owned()))
    }

    pub(crate) async fn signer(self, reference: &str) -> Result<RemoteSigner, KmsError> {
        let (public, version) = self.public().await?;
        let (hash, algorithm) = match public.kind() {
            KeyKind::EcdsaP256 => (Hash::Sha256, "ES256"),
            KeyKind::EcdsaP384 => (Hash::Sha384, "ES384"),
            KeyKind::EcdsaP521 => (Hash::Sha512, "ES512"),
            // By the length of the key, as sigstore's client has it.
            KeyKind::Rsa { bits: 2048 } => (Hash::Sha256, "RS256"),
            KeyKind::Rsa { bits: 3072 } => (Hash::Sha384, "RS384"),
            KeyKind::Rsa { bits: 4096 } => (Hash::Sha512, "RS512"),
            other => {
                return Err(KmsError::NoAlgorithm {
                    reference: reference.to_owned(),
                    found: other.to_string(),
                });
            }
        };
        Ok(RemoteSigner {
            reference: reference.to_owned(),
            public,
            hash,
            others: Vec::new(),
            key: Box::new(AzureKey { azure: self, version, algorithm }),
        })
    }

    /// The key; made where there is none.
    pub(crate) async fn create(&self) -> Result<PublicKey, KmsError> {
        match self.public().await {
            Err(KmsError::Refused { status: 404, .. }) => {}
            other => return Ok(other?.0),
        }
        let wish = json!({
            "kty": "EC", "crv": "P-256", "key_ops": ["sign", "verify"],
            "attributes": {"enabled": true}, "tags": {"use": "sigstore"},
        });
        self.ask(Method::POST, &["create"], Some(&wish)).await?;
        Ok(self.public().await?.0)
    }
}

struct AzureKey {
    azure: Azure,
    version: String,
    algorithm: &'static str,
}

#[async_trait]
impl RemoteKey for AzureKey {
    async fn sign(&self, message: &[u8], hash: Hash) -> Result<Vec<u8>, KmsError> {
        let body = json!({"alg": self.algorithm, "value": URL_SAFE_NO_PAD.encode(hash.of(message))});
        let (answer, value) = self.azure.ask(Method::POST, &[&self.version, "sign"], Some(&body)).await?;
        let wrong = || answer.wrong(SERVICE, "value");
        let text = at(&value, "value").as_str().ok_or_else(wrong)?;
        let signature = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| wrong())?;
        match self.algorithm.starts_with("ES") {
            true => ecdsa_der(&signature).ok_or_else(wrong),
            false => Ok(signature),
        }
    }
}

fn parse(reference: &str) -> Option<(Url, String, Option<String>)> {
    let parts: Vec<&str> = reference.strip_prefix("azurekms://")?.split('/').collect();
    let (host, name, version) = match parts.as_slice() {
        [host, name] => (host, name, ""),
        [host, name, version] => (host, name, *version),
        _ => return None,
    };
    if host.is_empty()
        || name.is_empty()
        || !version.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
    {
        return None;
    }
    let url = Url::parse(&format!("https://{host}/")).ok()?;
    Some((url, (*name).to_owned(), Some(version.to_owned()).filter(|version| !version.is_empty())))
}

/// Where a cloud gives tokens, and below which name its vaults are.
struct Cloud {
    authority: &'static str,
    vaults: &'static str,
}

impl Cloud {
    fn of(around: &dyn Surroundings) -> Self {
        let named = around.variable("AZURE_ENVIRONMENT").unwrap_or_default();
        let (authority, vaults) = match named.as_str() {
            "AZUREUSGOVERNMENT" | "AZUREUSGOVERNMENTCLOUD" => {
                ("https://login.microsoftonline.us/", "vault.usgovcloudapi.net")
            }
            "AZURECHINACLOUD" => ("https://login.chinacloudapi.cn/", "vault.azure.cn"),
            _ => ("https://login.microsoftonline.com/", "vault.azure.net"),
        };
        Self { authority, vaults }
    }
}

/// An access token: of an application by its secret, of a workload by its federated token, else of the machine.
async fn token(
    around: &dyn Surroundings,
    client: &Client,
    cloud: &Cloud,
) -> Result<Zeroizing<String>, KmsError> {
    let resource = format!("https://{}", cloud.vaults);
    let authority = around.variable("AZURE_AUTHORITY_HOST").unwrap_or_else(|| cloud.authority.to_owned());
    let (tenant, id) = (around.variable("AZURE_TENANT_ID"), around.variable("AZURE_CLIENT_ID"));
    let (secret, file) =
        (around.variable("AZURE_CLIENT_SECRET"), around.variable("AZURE_FEDERATED_TOKEN_FILE"));
    let request = match (tenant, &id, secret, file) {
        (Some(tenant), Some(id), secret, file) if secret.is_some() || file.is_some() => {
            let scope = format!("{resource}/.default");
            let mut fields = vec![
                ("grant_type", "client_credentials".to_owned()),
                ("client_id", id.clone()),
                ("scope", scope),
            ];
            match (secret, file) {
                (Some(secret), _) => fields.push(("client_secret", secret)),
                (None, file) => {
                    let path = file.unwrap_or_default();
                    let missing = || KmsError::File { path: path.clone(), cause: "no such file".to_owned() };
                    let text = bounded_file(Path::new(&path), TOKEN_LIMIT)?.ok_or_else(missing)?;
                    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                    fields.push(("client_assertion_type", kind.to_owned()));
                    fields.push(("client_assertion", text.trim().to_owned()));
                }
            }
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            let address = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
            client
                .request(Method::POST, address)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body)
        }
        _ => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("api-version", "2018-02-01").append_pair("resource", &resource);
            if let Some(id) = &id {
                query.append_pair("client_id", id);
            }
            client.request(Method::GET, format!("{MACHINE}?{}", query.finish())).header("Metadata", "true")
        }
    };
    access_token(client, request).await
}

async fn access_token(client: &Client, request: RequestBuilder) -> Result<Zeroizing<String>, KmsError> {
    let request = request.build().map_err(|error| KmsError::Setting(error.without_url().to_string()))?;
    let answer = exchange(SERVICE, client, request).await?;
    let value = answer.json(SERVICE, |value| {
        let part = |name: &str| at(value, name).as_str().unwrap_or_default().to_owned();
        (part("error"), part("error_description"))
    })?;
    let token = at(&value, "access_token").as_str().ok_or_else(|| answer.wrong(SERVICE, "access_token"))?;
    Ok(Zeroizing::new(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_a_host_a_key_and_perhaps_a_version() {
        let read = |text: &str| parse(text).map(|(url, name, version)| (url.to_string(), name, version));
        let of = |version: Option<&str>| {
            Some(("https://v.vault.azure.net/".to_owned(), "k".to_owned(), version.map(str::to_owned)))
        };
        assert_eq!(read("azurekms://v.vault.azure.net/k"), of(None));
        assert_eq!(read("azurekms://v.vault.azure.net/k/"), of(None));
        assert_eq!(read("azurekms://v.vault.azure.net/k/0a1b"), of(Some("0a1b")));
        for bad in ["azurekms://", "azurekms://v", "azurekms:///k", "azurekms://v/k/V", "azurekms://v/k/1/2"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
