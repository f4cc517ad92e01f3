//! Google Cloud KMS: its REST interface, and tokens of service accounts, people and machines.
//!
//! References as in sigstore's client: `gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K[/cryptoKeyVersions/V]`.
//! `CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS`, gcloud's own variable, names another endpoint.

mod token;

pub use token::google_token;

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{Hash, PublicKey};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use crate::error::KmsError;
use crate::kind::KmsKind;
use crate::remote_key::{RemoteKey, RemoteSigner};
use crate::surroundings::Surroundings;
use crate::transport::{Answer, at, exchange};

const SERVICE: KmsKind = KmsKind::Google;
const EXPECTED: &str = "gcpkms://projects/[PROJECT_ID]/locations/[LOCATION]/keyRings/[KEY_RING]/cryptoKeys/[KEY]/cryptoKeyVersions/[VERSION]";

/// A key, and perhaps one version of it.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    location: String,
    ring: String,
    name: String,
    version: Option<String>,
}

impl Reference {
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.strip_prefix("gcpkms://")?.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        let (head, tail) = parts.split_at_checked(8)?;
        let ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", name] = head else {
            return None;
        };
        let version = match tail {
            [] => None,
            ["cryptoKeyVersions" | "versions", version] => Some((*version).to_owned()),
            _ => return None,
        };
        let location = format!("projects/{project}/locations/{location}");
        Some(Self { location, ring: (*ring).to_owned(), name: (*name).to_owned(), version })
    }

    fn ring_path(&self) -> String {
        format!("{}/keyRings/{}", self.location, self.ring)
    }

    fn key_path(&self) -> String {
        format!("{}/cryptoKeys/{}", self.ring_path(), self.name)
    }
}

/// A key of one project.
pub(crate) struct Google {
    client: Client,
    endpoint: Url,
    token: Zeroizing<String>,
    reference: Reference,
}

/// One enabled version: its path, public half and the name of its algorithm.
struct Version {
    path: String,
    public: PublicKey,
    algorithm: String,
}

impl Google {
    pub(crate) async fn new(reference: &str, around: Arc<dyn Surroundings>) -> Result<Self, KmsError> {
        let reference = Reference::parse(reference).ok_or(KmsError::Reference { expected: EXPECTED })?;
        let endpoint = around
            .variable("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS")
            .unwrap_or_else(|| "https://cloudkms.googleapis.com/".to_owned());
        let endpoint = Url::parse(&endpoint)
            .map_err(|_| KmsError::Setting(format!("{endpoint:?} is no endpoint like https://HOST/")))?;
        let client = around.client(None).map_err(KmsError::Setting)?;
        let token = token::find(around.as_ref(), &client).await?;
        Ok(Self { client, endpoint, token, reference })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<(Answer, Value), KmsError> {
        let mut url = self.endpoint.clone();
        url.set_path(&format!("{}/v1/{path}", self.endpoint.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.request(method, url).bearer_auth(self.token.as_str());
        if let Some(body) = body {
            request = request.json(body);
        }
        let request = request.build().map_err(|error| KmsError::Setting(error.without_url().to_string()))?;
        let answer = exchange(SERVICE, &self.client, request).await?;
        let value = answer.json(SERVICE, |value| {
            let part = |name: &str| at(at(value, "error"), name).as_str().unwrap_or_default().to_owned();
            (part("status"), part("message"))
        })?;
        Ok((answer, value))
    }

    /// The version that is named, else the greatest that is enabled.
    async fn version(&self) -> Result<Version, KmsError> {
        let parent = self.reference.key_path();
        let (_, key) = self.ask(Method::GET, &parent, &[], None).await?;
        if at(&key, "purpose") != "ASYMMETRIC_SIGN" {
            return Err(KmsError::Setting(format!("{parent}: specified key cannot be used to sign")));
        }
        let path = match &self.reference.version {
            Some(version) => format!("{parent}/cryptoKeyVersions/{version}"),
            None => {
                let query = [("filter", "state=ENABLED"), ("orderBy", "name desc")];
                let (answer, list) =
                    self.ask(Method::GET, &format!("{parent}/cryptoKeyVersions"), &query, None).await?;
                let versions = at(&list, "cryptoKeyVersions").as_array().into_iter().flatten();
                let number = |path: &&str| path.rsplit('/').next().and_then(|last| last.parse::<u64>().ok());
                let greatest = versions
                    .filter(|one| at(one, "state") == "ENABLED")
                    .filter_map(|one| at(one, "name").as_str())
                    .max_by_key(number);
                greatest.ok_or_else(|| answer.wrong(SERVICE, "an enabled key version"))?.to_owned()
            }
        };
        let (answer, value) = self.ask(Method::GET, &format!("{path}/publicKey"), &[], None).await?;
        let part = |name: &str| at(&value, name).as_str().ok_or_else(|| answer.wrong(SERVICE, name));
        let public = PublicKey::from_pem(part("pem")?.as_bytes())?;
        Ok(Version { path, public, algorithm: part("algorithm")?.to_owned() })
    }

    pub(crate) async fn signer(self, reference: &str) -> Result<RemoteSigner, KmsError> {
        let version = self.version().await?;
        let hash = match version.algorithm.as_str() {
            "EC_SIGN_P256_SHA256"
            | "RSA_SIGN_PKCS1_2048_SHA256"
            | "RSA_SIGN_PKCS1_3072_SHA256"
            | "RSA_SIGN_PKCS1_4096_SHA256" => Hash::Sha256,
            "EC_SIGN_P384_SHA384" => Hash::Sha384,
            "RSA_SIGN_PKCS1_4096_SHA512" => Hash::Sha512,
            _ => {
                let found = version.algorithm;
                return Err(KmsError::NoAlgorithm { reference: reference.to_owned(), found });
            }
        };
        Ok(RemoteSigner {
            reference: reference.to_owned(),
            public: version.public,
            hash,
            others: Vec::new(),
            key: Box::new(GoogleKey { google: self, version: version.path }),
        })
    }

    /// The key; made, and its ring before it, where there is none.
    pub(crate) async fn create(&self) -> Result<PublicKey, KmsError> {
        let ring = self.reference.ring_path();
        if self.missing(&ring).await? {
            let query = [("keyRingId", self.reference.ring.as_str())];
            let path = format!("{}/keyRings", self.reference.location);
            self.ask(Method::POST, &path, &query, Some(&json!({}))).await?;
        }
        if self.missing(&self.reference.key_path()).await? {
            let query = [("cryptoKeyId", self.reference.name.as_str())];
            let wish = json!({"purpose": "ASYMMETRIC_SIGN", "versionTemplate": {"algorithm": "EC_SIGN_P256_SHA256"}});
            self.ask(Method::POST, &format!("{ring}/cryptoKeys"), &query, Some(&wish)).await?;
        }
        Ok(self.version().await?.public)
    }

    async fn missing(&self, path: &str) -> Result<bool, KmsError> {
        match self.ask(Method::GET, path, &[], None).await {
            Ok(_) => Ok(false),
            Err(KmsError::Refused { status: 404, .. }) => Ok(true),
            Err(other) => Err(other),
        }
    }
}

struct GoogleKey {
    google: Google,
    version: String,
}

#[async_trait]
impl RemoteKey for GoogleKey {
    async fn sign(&self, message: &[u8], hash: Hash) -> Result<Vec<u8>, KmsError> {
        let body = json!({"digest": {hash.as_str(): STANDARD.encode(hash.of(message))}});
        let path = format!("{}:asymmetricSign", self.version);
        let (answer, value) = self.google.ask(Method::POST, &path, &[], Some(&body)).await?;
        let wrong = || answer.wrong(SERVICE, "signature");
        STANDARD.decode(at(&value, "signature").as_str().ok_or_else(wrong)?).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_one_form() {
        let key = "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k";
        for (tail, version) in [("", None), ("/cryptoKeyVersions/3", Some("3")), ("/versions/3", Some("3"))] {
            let read = Reference::parse(&format!("{key}{tail}")).unwrap();
            assert_eq!((read.key_path().as_str(), read.version.as_deref()), (&key[9..], version));
        }
        for bad in [
            "gcpkms://",
            "gcpkms://projects/p",
            &format!("{key}/"),
            &format!("{key}/versions"),
            "gcpkms:///a",
        ] {
            assert_eq!(Reference::parse(bad), None, "{bad}");
        }
    }
}
