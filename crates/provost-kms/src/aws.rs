//! AWS KMS: three calls of its JSON protocol, signed by hand.
//!
//! References as in sigstore's client: `awskms://[ENDPOINT]/[ID|ARN|alias/NAME|alias ARN]`. Variables as in AWS's SDKs:
//! `AWS_REGION`, `AWS_ENDPOINT_URL_KMS`, `AWS_ENDPOINT_URL`, `AWS_CA_BUNDLE`, and those of [`credentials`].

mod credentials;
mod profile;
mod signature;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{Hash, PublicKey};
use regex::Regex;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use url::Url;

use self::credentials::Credentials;
use self::profile::Profile;
use crate::error::KmsError;
use crate::kind::KmsKind;
use crate::remote_key::{RemoteKey, RemoteSigner};
use crate::surroundings::Surroundings;
use crate::transport::{Answer, at, exchange};

const SERVICE: KmsKind = KmsKind::Aws;
const EXPECTED: &str = "awskms://[ENDPOINT]/[ID/ALIAS/ARN] (endpoint optional)";
/// What AWS calls the ways in which cosign's verifiers check signatures.
const ALGORITHMS: [(&str, Hash); 6] = [
    ("ECDSA_SHA_256", Hash::Sha256),
    ("ECDSA_SHA_384", Hash::Sha384),
    ("ECDSA_SHA_512", Hash::Sha512),
    ("RSASSA_PKCS1_V1_5_SHA_256", Hash::Sha256),
    ("RSASSA_PKCS1_V1_5_SHA_384", Hash::Sha384),
    ("RSASSA_PKCS1_V1_5_SHA_512", Hash::Sha512),
];

/// How long a message is that AWS hashes itself, in bytes; of others, the empty one among them, it gets the hash. The
/// services that stand in for AWS in tests (moto among them) hash whatever they are given, so short messages go as they are.
const RAW: RangeInclusive<usize> = 1..=4096;

/// The parts of a reference.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    endpoint: Option<String>,
    key: String,
    alias: Option<String>,
    /// The region of an ARN.
    region: Option<String>,
}

impl Reference {
    fn parse(text: &str) -> Option<Self> {
        let (host, key) = text.strip_prefix("awskms://")?.split_once('/')?;
        let id = "m?r?k?-?[A-Fa-f0-9]{8}-?[A-Fa-f0-9]{4}-?[A-Fa-f0-9]{4}-?[A-Fa-f0-9]{4}-?[A-Fa-f0-9]{12}";
        let arn = r"arn:(?:aws|aws-us-gov|aws-cn):kms:([a-z0-9-]+):[0-9]{12}:";
        let pattern = format!("^(?:{id}|(?:{arn})?alias/.*|{arn}key/{id})$");
        let found = Regex::new(&pattern).ok()?.captures(key)?;
        Some(Self {
            endpoint: Some(host.to_owned()).filter(|host| !host.is_empty()),
            key: key.to_owned(),
            alias: key.find("alias/").and_then(|at| key.get(at..)).map(str::to_owned),
            region: found.get(1).or_else(|| found.get(2)).map(|region| region.as_str().to_owned()),
        })
    }
}

/// A key of one region.
pub(crate) struct Aws {
    client: Client,
    around: Arc<dyn Surroundings>,
    endpoint: Url,
    region: String,
    credentials: Credentials,
    reference: Reference,
}

impl Aws {
    pub(crate) async fn new(reference: &str, around: Arc<dyn Surroundings>) -> Result<Self, KmsError> {
        let reference = Reference::parse(reference).ok_or(KmsError::Reference { expected: EXPECTED })?;
        if around.variable("AWS_TLS_INSECURE_SKIP_VERIFY").as_deref() == Some("1") {
            return Err(KmsError::Setting(
                "AWS_TLS_INSECURE_SKIP_VERIFY is not followed: name the authority's certificate in AWS_CA_BUNDLE"
                    .to_owned(),
            ));
        }
        let profile = Profile::read(around.as_ref())?;
        let region = around
            .variable("AWS_REGION")
            .or_else(|| around.variable("AWS_DEFAULT_REGION"))
            .or_else(|| profile.setting("region"))
            .or_else(|| reference.region.clone())
            .ok_or_else(|| {
                KmsError::Setting(
                    "loading AWS config: no region: set AWS_REGION, or name the key by its ARN".to_owned(),
                )
            })?;
        let given = match &reference.endpoint {
            Some(host) => Some(format!("https://{host}")),
            None => around.variable("AWS_ENDPOINT_URL_KMS").or_else(|| around.variable("AWS_ENDPOINT_URL")),
        };
        let china = if region.starts_with("cn-") { ".cn" } else { "" };
        let endpoint = given.unwrap_or_else(|| format!("https://kms.{region}.amazonaws.com{china}"));
        let endpoint = Url::parse(&endpoint)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
            .ok_or_else(|| KmsError::Setting(format!("{endpoint:?} is no endpoint like https://HOST")))?;
        let authorities = around.variable("AWS_CA_BUNDLE").map(PathBuf::from);
        let client = around.client(authorities.as_deref()).map_err(KmsError::Setting)?;
        let credentials = credentials::find(around.as_ref(), &client, &profile, &region).await?;
        Ok(Self { client, around, endpoint, region, credentials, reference })
    }

    async fn call(&self, action: &str, body: &Value) -> Result<(Answer, Value), KmsError> {
        let target = format!("TrentService.{action}");
        let body = body.to_string();
        let signed = signature::Signable {
            url: &self.endpoint,
            region: &self.region,
            service: "kms",
            headers: vec![
                ("content-type", "application/x-amz-json-1.1".to_owned()),
                ("x-amz-target", target.clone()),
            ],
            body: body.as_bytes(),
        };
        let mut request = self.client.request(Method::POST, self.endpoint.clone()).body(body.clone());
        for (name, value) in signed.headers_for(&self.credentials, self.around.now())? {
            request = request.header(name, value);
        }
        let request = request.build().map_err(|error| KmsError::Setting(error.without_url().to_string()))?;
        let mut answer = exchange(SERVICE, &self.client, request).await?;
        answer.request = format!("{action} at {}", self.endpoint);
        let value = answer.json(SERVICE, |value| {
            let code = at(value, "__type").as_str().unwrap_or_default();
            let code = code.rsplit('#').next().unwrap_or_default().to_owned();
            let words =
                at(value, "message").as_str().or_else(|| at(value, "Message").as_str()).unwrap_or_default();
            (code.clone(), format!("{code}: {words}"))
        })?;
        Ok((answer, value))
    }

    /// The public half, and the ways it signs that verifiers check, AWS's first choice first.
    async fn public(&self) -> Result<(PublicKey, Vec<(&'static str, Hash)>, String), KmsError> {
        let (answer, value) = self.call("GetPublicKey", &json!({"KeyId": self.reference.key})).await?;
        let wrong = || answer.wrong(SERVICE, "PublicKey");
        let der =
            STANDARD.decode(at(&value, "PublicKey").as_str().ok_or_else(wrong)?).map_err(|_| wrong())?;
        let public = PublicKey::from_der(&der)?;
        let named: Vec<&str> = at(&value, "SigningAlgorithms")
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let known =
            named.iter().filter_map(|name| ALGORITHMS.into_iter().find(|(known, _)| known == name)).collect();
        Ok((public, known, named.join(", ")))
    }

    pub(crate) async fn signer(self, reference: &str) -> Result<RemoteSigner, KmsError> {
        let (public, algorithms, named) = self.public().await?;
        let none = || KmsError::NoAlgorithm { reference: reference.to_owned(), found: named.clone() };
        let (_, hash) = *algorithms.first().ok_or_else(none)?;
        Ok(RemoteSigner {
            reference: reference.to_owned(),
            public,
            hash,
            others: algorithms.iter().map(|(_, hash)| *hash).collect(),
            key: Box::new(AwsKey { aws: self, algorithms }),
        })
    }

    /// The key under the alias; made, and named so, where there is none.
    pub(crate) async fn create(&self) -> Result<PublicKey, KmsError> {
        let alias = self.reference.alias.as_deref();
        let alias =
            alias.ok_or_else(|| KmsError::Setting("creating key: must use alias key format".to_owned()))?;
        match self.public().await {
            Ok((public, ..)) => return Ok(public),
            Err(KmsError::Refused { code, .. }) if code == "NotFoundException" => {}
            Err(other) => return Err(other),
        }
        let wish = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Description": "Created by Sigstore"});
        let (answer, made) = self.call("CreateKey", &wish).await?;
        let id = at(at(&made, "KeyMetadata"), "KeyId").as_str();
        let id = id.ok_or_else(|| answer.wrong(SERVICE, "KeyMetadata.KeyId"))?;
        self.call("CreateAlias", &json!({"AliasName": alias, "TargetKeyId": id})).await?;
        Ok(self.public().await?.0)
    }
}

struct AwsKey {
    aws: Aws,
    algorithms: Vec<(&'static str, Hash)>,
}

#[async_trait]
impl RemoteKey for AwsKey {
    async fn sign(&self, message: &[u8], hash: Hash) -> Result<Vec<u8>, KmsError> {
        let algorithm = self.algorithms.iter().find(|(_, known)| *known == hash).map(|(name, _)| *name);
        let (kind, bytes) = match RAW.contains(&message.len()) {
            true => ("RAW", message.to_vec()),
            false => ("DIGEST", hash.of(message)),
        };
        let body = json!({
            "KeyId": self.aws.reference.key,
            "Message": STANDARD.encode(bytes),
            "MessageType": kind,
            "SigningAlgorithm": algorithm,
        });
        let (answer, value) = self.aws.call("Sign", &body).await?;
        let wrong = || answer.wrong(SERVICE, "Signature");
        STANDARD.decode(at(&value, "Signature").as_str().ok_or_else(wrong)?).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests;
