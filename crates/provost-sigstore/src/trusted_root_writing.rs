//! Trusted roots as `trusted-root create` writes them: certificate authorities, logs, CT logs, timestamp authorities.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use provost_keys::{KeyKind, PublicKey};
use provost_oci::Digest;
use provost_statement::go_json;
use serde::Serialize;
use serde_json::{Value, json};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::oid::ObjectIdentifier;

use crate::certificate::Certificate;
use crate::protobuf_time;
use crate::rekor_client::key_details;
use crate::window::Window;

/// The media type of a trusted root.
pub const TRUSTED_ROOT_V01: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// A trusted root that is being made.
#[derive(Clone, Debug, Default)]
pub struct NewTrustedRoot {
    /// Transparency logs.
    pub logs: Vec<NewLog>,
    /// Certificate authorities.
    pub authorities: Vec<NewAuthority>,
    /// CT logs.
    pub ct_logs: Vec<NewLog>,
    /// Timestamp authorities.
    pub timestamp_authorities: Vec<NewAuthority>,
    /// Services of another trusted root, kept as they stand there.
    pub kept: KeptServices,
}

/// Services taken over from a trusted root, as JSON.
#[derive(Clone, Debug, Default)]
pub struct KeptServices {
    /// Transparency logs.
    pub logs: Vec<Value>,
    /// Certificate authorities.
    pub authorities: Vec<Value>,
    /// CT logs.
    pub ct_logs: Vec<Value>,
    /// Timestamp authorities.
    pub timestamp_authorities: Vec<Value>,
}

impl KeptServices {
    /// All services of a trusted root that has been read before.
    #[must_use]
    pub fn of(trusted_root: &Value) -> Self {
        let list = |name: &str| trusted_root.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        Self {
            logs: list("tlogs"),
            authorities: list("certificateAuthorities"),
            ct_logs: list("ctlogs"),
            timestamp_authorities: list("timestampAuthorities"),
        }
    }
}

/// A log.
#[derive(Clone, Debug)]
pub struct NewLog {
    /// Where it is.
    pub url: String,
    /// Its key.
    pub key: PublicKey,
    /// The name in its checkpoints, where its id hangs on that (Rekor v2, static CT).
    pub origin: Option<String>,
    /// When the key is the log's.
    pub valid: Window,
}

/// An authority.
#[derive(Clone, Debug)]
pub struct NewAuthority {
    /// Where it is.
    pub url: String,
    /// Its certificates, the root last.
    pub chain: Vec<Certificate>,
    /// When it may certify.
    pub valid: Window,
}

impl NewLog {
    /// What entries name the log by: the hash of its key, with its name where a key of this kind needs that.
    #[must_use]
    pub fn id(&self) -> Vec<u8> {
        let der = self.key.to_der();
        let named = |kind: &[u8], key: &[u8]| match &self.origin {
            Some(origin) => [origin.as_bytes(), b"\n", kind, key].concat(),
            None => der.to_vec(),
        };
        let hashed = match self.key.kind() {
            // The last 32 bytes of an Ed25519 key's DER are the key.
            KeyKind::Ed25519 => named(&[1], der.split_at_checked(der.len() - 32).unwrap_or_default().1),
            KeyKind::Rsa { .. } => named(b"\xffPKIX-RSA-PKCS#1v1.5", der),
            _ => der.to_vec(),
        };
        hex::decode(Digest::sha256_of(&hashed).hex()).unwrap_or_default()
    }

    fn wire(&self) -> LogWire {
        let details = match self.key.kind() {
            KeyKind::Ed25519 => "PKIX_ED25519",
            kind => key_details(kind),
        };
        LogWire {
            base_url: self.url.clone(),
            hash_algorithm: "SHA2_256",
            public_key: KeyWire {
                raw_bytes: STANDARD.encode(self.key.to_der()),
                key_details: details,
                valid_for: protobuf_time::Range::of(self.valid.start, self.valid.end),
            },
            log_id: json!({"keyId": STANDARD.encode(self.id())}),
        }
    }
}

impl NewAuthority {
    fn wire(&self) -> AuthorityWire {
        let name = |wanted: ObjectIdentifier| {
            let root = self.chain.last()?;
            let subject = root.parsed().tbs_certificate().subject();
            let found = subject.iter().find(|one: &&AttributeTypeAndValue| one.oid == wanted)?;
            Some(String::from_utf8_lossy(found.value.value()).into_owned())
        };
        let raw = |certificate: &Certificate| json!({"rawBytes": STANDARD.encode(certificate.der())});
        AuthorityWire {
            subject: SubjectWire { organization: name(ORGANIZATION), common_name: name(COMMON_NAME) },
            uri: self.url.clone(),
            cert_chain: json!({"certificates": self.chain.iter().map(raw).collect::<Vec<_>>()}),
            valid_for: protobuf_time::Range::of(self.valid.start, self.valid.end),
        }
    }
}

impl NewTrustedRoot {
    /// The trusted root's JSON, in protobuf's order; entries of a kind by when they begin.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let logs = |kept: &[Value], list: &[NewLog]| {
            let ids: Vec<Value> = list.iter().map(|log| json!(STANDARD.encode(log.id()))).collect();
            // A log that is described anew is not the one that was kept, as in cosign.
            let other = |one: &&Value| one.pointer("/logId/keyId").is_none_or(|id| !ids.contains(id));
            let kept = kept.iter().filter(other).map(|one| (start(one), Service::Kept(one.clone())));
            sorted(kept.chain(list.iter().map(|log| (log.valid.start, Service::Log(log.wire())))))
        };
        let authorities = |kept: &[Value], list: &[NewAuthority]| {
            let kept = kept.iter().map(|one| (start(one), Service::Kept(one.clone())));
            sorted(kept.chain(list.iter().map(|one| (one.valid.start, Service::Authority(one.wire())))))
        };
        go_json::plain(&Wire {
            media_type: TRUSTED_ROOT_V01,
            tlogs: logs(&self.kept.logs, &self.logs),
            certificate_authorities: authorities(&self.kept.authorities, &self.authorities),
            ctlogs: logs(&self.kept.ct_logs, &self.ct_logs),
            timestamp_authorities: authorities(&self.kept.timestamp_authorities, &self.timestamp_authorities),
        })
    }
}

/// From when a service of a trusted root counts.
fn start(service: &Value) -> Option<Timestamp> {
    let places = ["/validFor/start", "/publicKey/validFor/start"];
    places.iter().find_map(|place| service.pointer(place)?.as_str()?.parse().ok())
}

fn sorted(services: impl Iterator<Item = (Option<Timestamp>, Service)>) -> Vec<Service> {
    let mut all: Vec<_> = services.collect();
    all.sort_by_key(|(start, _)| start.unwrap_or(Timestamp::UNIX_EPOCH));
    all.into_iter().map(|(_, service)| service).collect()
}

#[derive(Serialize)]
#[serde(untagged)]
enum Service {
    Log(LogWire),
    Authority(AuthorityWire),
    Kept(Value),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    media_type: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tlogs: Vec<Service>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    certificate_authorities: Vec<Service>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ctlogs: Vec<Service>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    timestamp_authorities: Vec<Service>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogWire {
    #[serde(skip_serializing_if = "String::is_empty")]
    base_url: String,
    hash_algorithm: &'static str,
    public_key: KeyWire,
    log_id: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyWire {
    raw_bytes: String,
    key_details: &'static str,
    valid_for: protobuf_time::Range,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorityWire {
    subject: SubjectWire,
    #[serde(skip_serializing_if = "String::is_empty")]
    uri: String,
    cert_chain: Value,
    valid_for: protobuf_time::Range,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubjectWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    common_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use provost_keys::PrivateKey;

    use super::*;
    use crate::trust_root::TrustMaterial;

    #[test]
    fn what_is_written_is_read_again() {
        let key = PrivateKey::generate().unwrap().public_key();
        let at = |text: &str| Some(text.parse().unwrap());
        let log = |url: &str, start: &str| NewLog {
            url: url.to_owned(),
            key: key.clone(),
            origin: None,
            valid: Window { start: at(start), end: None },
        };
        let root = NewTrustedRoot {
            logs: vec![log("http://b", "2025-01-01T00:00:00Z"), log("http://a", "2024-01-01T00:00:00Z")],
            ..NewTrustedRoot::default()
        };
        let json = root.to_json();
        let read = TrustMaterial::from_trusted_root(&json).unwrap();
        let urls: Vec<&str> = read.logs.iter().map(|log| log.url.as_str()).collect();
        assert_eq!(urls, ["http://a", "http://b"]);
        let written: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(written["tlogs"][0]["publicKey"]["keyDetails"], "PKIX_ECDSA_P256_SHA_256");
        assert_eq!(written["tlogs"][0]["publicKey"]["validFor"], json!({"start": "2024-01-01T00:00:00Z"}));
    }
}
