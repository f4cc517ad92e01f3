//! Entering a signature into a transparency log: Rekor v1 (`hashedrekord`, `dsse`) and v2 (`hashedrekord`).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{Hash, KeyKind};
use provost_oci::{Algorithm, Digest};
use provost_statement::Envelope;
use provost_statement::envelope::pre_authentication_encoding;
use reqwest::header::{ACCEPT, ETAG, HeaderValue, LOCATION};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::bundle_writing::{Content, NewBundle};
use crate::log_entry::LogEntry;
use crate::service_client::{Answer, Ask, Service, ServiceError};

/// Where Rekor v1 takes entries.
const V1_PATH: &str = "/api/v1/log/entries";
/// Where Rekor v2 takes entries.
const V2_PATH: &str = "/api/v2/log/entries";
/// The longest answer read: an entry holds hashes and one certificate, rekor-tiles' own client stops at 10 MiB.
const ANSWER_LIMIT: usize = 10 << 20;
/// The time cosign gives a log.
const TIME: Duration = Duration::from_secs(90);

/// Who signed, as a log is told.
#[derive(Clone, Debug)]
pub struct LogSigner<'a> {
    /// The kind of key.
    pub kind: KeyKind,
    /// The DER of the public key, or of the certificate where there is one.
    pub der: &'a [u8],
    /// Whether that is a certificate.
    pub is_certificate: bool,
}

impl LogSigner<'_> {
    pub(crate) fn pem(&self) -> String {
        let label = if self.is_certificate { "CERTIFICATE" } else { "PUBLIC KEY" };
        let body = STANDARD.encode(self.der);
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }
}

/// Enters a bundle's signature into a log that speaks this version, and gives back what the log said.
///
/// An entry that is there already (409) is fetched, as cosign does with Rekor v1.
///
/// # Errors
/// When the log does not take it, or answers what is no entry.
pub async fn enter(
    client: &Client,
    rekor: &str,
    version: u32,
    bundle: &NewBundle,
    signer: &LogSigner<'_>,
) -> Result<LogEntry, ServiceError> {
    match version {
        1 => enter_v1(client, rekor, &v1_entry(&bundle.content, signer)).await,
        2 => enter_v2(client, rekor, &v2_entry(&bundle.content, signer)).await,
        other => Err(ServiceError::Answer {
            service: Service::Rekor,
            reason: format!("unknown rekor version: {other}"),
        }),
    }
}

async fn enter_v1(client: &Client, rekor: &str, entry: &Value) -> Result<LogEntry, ServiceError> {
    let ask = posted(rekor, V1_PATH, entry);
    let answer = ask.send(client).await?;
    match answer.status {
        201 => {
            let name = answer.headers.get(ETAG).and_then(|value| value.to_str().ok()).unwrap_or_default();
            read_v1(&ask, &answer, name.trim_matches('"'))
        }
        409 => {
            let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let name = location.and_then(|place| place.rsplit('/').next()).unwrap_or_default();
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(ask.unreadable("the log has the entry already and does not say where"));
            }
            let path = format!("{V1_PATH}/{name}");
            let mut again = posted(rekor, &path, &Value::Null);
            again.method = Method::GET;
            again.body = Vec::new();
            let answer = again.send(client).await?;
            if answer.status != 200 {
                return Err(again.refused(&answer));
            }
            read_v1(&again, &answer, name)
        }
        _ => Err(ask.refused(&answer)),
    }
}

/// The entry of that name in an answer, or its only one.
fn read_v1(ask: &Ask<'_>, answer: &Answer, name: &str) -> Result<LogEntry, ServiceError> {
    let document: Value = serde_json::from_slice(&answer.body).map_err(|error| ask.unreadable(error))?;
    let entries = document.as_object().ok_or_else(|| ask.unreadable("the answer is no JSON object"))?;
    let only = || entries.values().next().filter(|_| entries.len() == 1);
    let entry = entries.get(name).or_else(only).ok_or_else(|| ask.unreadable("the answer holds no entry"))?;
    LogEntry::from_rekor_v1(entry).map_err(|error| ask.unreadable(error))
}

async fn enter_v2(client: &Client, rekor: &str, entry: &Value) -> Result<LogEntry, ServiceError> {
    let ask = posted(rekor, V2_PATH, entry);
    let answer = ask.send(client).await?;
    if answer.status != 201 {
        return Err(ask.refused(&answer));
    }
    let document: Value = serde_json::from_slice(&answer.body).map_err(|error| ask.unreadable(error))?;
    LogEntry::from_protobuf_json(&document).map_err(|error| ask.unreadable(error))
}

pub(crate) fn posted<'a>(rekor: &'a str, path: &'a str, entry: &Value) -> Ask<'a> {
    let body = entry.to_string().into_bytes();
    let mut ask = Ask::post(Service::Rekor, rekor, path, "application/json", body);
    ask.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    (ask.time, ask.limit) = (TIME, ANSWER_LIMIT);
    ask
}

/// What Rekor v1 is proposed.
#[must_use]
pub fn v1_entry(content: &Content, signer: &LogSigner<'_>) -> Value {
    let verifier = STANDARD.encode(signer.pem());
    match content {
        Content::Message { hash, digest, signature } => json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": {"hash": {"algorithm": hash.map(Hash::as_str), "value": hex::encode(digest)}},
                "signature": {"content": STANDARD.encode(signature), "publicKey": {"content": verifier}},
            },
        }),
        Content::Envelope(envelope) => json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {"proposedContent": {
                "envelope": String::from_utf8_lossy(&envelope.to_json()),
                "verifiers": [verifier],
            }},
        }),
    }
}

/// What Rekor v2 is told: of an envelope too only the hash of what was signed.
#[must_use]
pub fn v2_entry(content: &Content, signer: &LogSigner<'_>) -> Value {
    let digest = match content {
        Content::Message { digest, .. } => digest.clone(),
        Content::Envelope(envelope) => envelope_digest(envelope, signer.kind.signing_hash()),
    };
    let raw = json!({"rawBytes": STANDARD.encode(signer.der)});
    let details = key_details(signer.kind);
    let verifier = if signer.is_certificate {
        json!({"x509Certificate": raw, "keyDetails": details})
    } else {
        json!({"publicKey": raw, "keyDetails": details})
    };
    json!({"hashedRekordRequestV002": {
        "digest": STANDARD.encode(digest),
        "signature": {"content": STANDARD.encode(content.signature()), "verifier": verifier},
    }})
}

fn envelope_digest(envelope: &Envelope, hash: Hash) -> Vec<u8> {
    digest(hash, &pre_authentication_encoding(&envelope.payload_type, &envelope.payload))
}

/// The digest of a message by a hash of cosign's signatures.
#[must_use]
pub fn digest(hash: Hash, message: &[u8]) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha384 => Algorithm::Sha384,
        Hash::Sha512 => Algorithm::Sha512,
        Hash::Sha224 | Hash::Sha256 => Algorithm::Sha256,
    };
    // The digits of a digest that was just made are hexadecimal.
    hex::decode(Digest::of(algorithm, message).hex()).unwrap_or_default()
}

/// protobuf's name for a kind of key and the hash it signs with; Ed25519 in its prehashed form.
#[must_use]
pub fn key_details(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::EcdsaP256 => "PKIX_ECDSA_P256_SHA_256",
        KeyKind::EcdsaP384 => "PKIX_ECDSA_P384_SHA_384",
        KeyKind::EcdsaP521 => "PKIX_ECDSA_P521_SHA_512",
        KeyKind::Rsa { bits: ..=2048 } => "PKIX_RSA_PKCS1V15_2048_SHA256",
        KeyKind::Rsa { bits: ..=3072 } => "PKIX_RSA_PKCS1V15_3072_SHA256",
        KeyKind::Rsa { .. } => "PKIX_RSA_PKCS1V15_4096_SHA256",
        KeyKind::Ed25519 => "PKIX_ED25519_PH",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNER: LogSigner<'static> =
        LogSigner { kind: KeyKind::EcdsaP256, der: b"der", is_certificate: false };

    #[test]
    fn a_message_is_proposed_by_its_hash() {
        let content = Content::Message { hash: Some(Hash::Sha256), digest: vec![0xab], signature: vec![1] };
        let entry = v1_entry(&content, &SIGNER);
        assert_eq!(entry["spec"]["data"]["hash"], json!({"algorithm": "sha256", "value": "ab"}));
        let pem =
            STANDARD.decode(entry["spec"]["signature"]["publicKey"]["content"].as_str().unwrap()).unwrap();
        assert_eq!(pem, b"-----BEGIN PUBLIC KEY-----\nZGVy\n-----END PUBLIC KEY-----\n");
        let entry = v2_entry(&content, &SIGNER);
        assert_eq!(entry["hashedRekordRequestV002"]["digest"], "qw==");
        assert_eq!(
            entry["hashedRekordRequestV002"]["signature"]["verifier"],
            json!({"publicKey": {"rawBytes": "ZGVy"}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"})
        );
    }

    #[test]
    fn an_envelope_is_proposed_whole_to_v1_and_by_its_hash_to_v2() {
        let signatures =
            vec![provost_statement::EnvelopeSignature { keyid: String::new(), signature: Some(vec![1]) }];
        let envelope = Envelope { payload_type: "t".to_owned(), payload: b"{}".to_vec(), signatures };
        let content = Content::Envelope(envelope);
        let entry = v1_entry(&content, &SIGNER);
        let written: Value =
            serde_json::from_str(entry["spec"]["proposedContent"]["envelope"].as_str().unwrap()).unwrap();
        assert_eq!(written["payload"], "e30=");
        let expected = digest(Hash::Sha256, b"DSSEv1 1 t 2 {}");
        assert_eq!(
            v2_entry(&content, &SIGNER)["hashedRekordRequestV002"]["digest"],
            STANDARD.encode(expected)
        );
    }
}
