//! A whole Sigstore of the tests' own: certificate authority, CT log, transparency log, timestamp authority.
//!
//! Nothing here checks anything: it signs what it is told, so that tests can make what must be refused, too. Times are
//! seconds since 1970 and come from the test.

pub mod certificate;
pub mod der;
pub mod key;
pub mod log;
pub mod timestamp;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub use certificate::{AltName, CertificateSpec, Certified};
pub use key::{SigningKey, pem};
pub use log::{Log, LoggedEntry};
pub use timestamp::TimestampAuthority;

/// How long the authorities live: ten years on both sides of the time they are made for.
const LIFE: i64 = 10 * 365 * 24 * 3600;
/// How long Fulcio's certificates live: ten minutes.
pub const LEAF_LIFE: i64 = 600;

/// Everything a trusted root names.
pub struct Authority {
    /// The root certificate.
    pub root: Certified,
    /// The certificate that issues.
    pub intermediate: Certified,
    /// The key of the CT log.
    pub ct_log: SigningKey,
    /// The transparency log.
    pub log: Log,
    /// The timestamp authority.
    pub timestamps: TimestampAuthority,
    /// When this began to hold.
    pub since: i64,
}

impl Authority {
    /// Authorities whose certificates are valid for ten years before and after this time.
    #[must_use]
    pub fn new(now: i64) -> Self {
        let (since, until) = (now - LIFE, now + LIFE);
        let root = Certified::root(&CertificateSpec::authority("test root", since, until));
        let purposes = vec![certificate::CODE_SIGNING.to_vec()];
        let intermediate = CertificateSpec::authority("test intermediate", since, until);
        let intermediate = root.certify(&CertificateSpec { purposes, ..intermediate });
        Self {
            root,
            intermediate,
            ct_log: SigningKey::generate(),
            log: Log::new("rekor.test"),
            timestamps: TimestampAuthority::new(since, until),
            since,
        }
    }

    /// What Fulcio issues at `time`: ten minutes long, with the issuer in both its forms.
    #[must_use]
    pub fn spec(&self, name: AltName, issuer: &str, time: i64) -> CertificateSpec {
        CertificateSpec::leaf(vec![name], time, time + LEAF_LIFE)
            .with_claim(1, issuer)
            .with_typed_claim(8, issuer)
    }

    /// A certificate for this public key, with a timestamp of the CT log in it.
    #[must_use]
    pub fn issue(&self, spec: &CertificateSpec, spki: &[u8]) -> Vec<u8> {
        self.intermediate.issue_logged(spec, spki, &self.ct_log, spec.not_before)
    }

    /// The chain above the leaves in PEM, from the issuing certificate to the root.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        pem("CERTIFICATE", &self.intermediate.certificate) + &pem("CERTIFICATE", &self.root.certificate)
    }

    /// The trusted root as cosign's `--trusted-root` reads it.
    #[must_use]
    pub fn trusted_root(&self) -> Value {
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log_entry(&self.log.key, "https://rekor.test", self.since)],
            "certificateAuthorities": [{
                "subject": {"organization": "test", "commonName": "test root"},
                "uri": "https://fulcio.test",
                "certChain": chain(&[&self.intermediate.certificate, &self.root.certificate]),
                "validFor": {"start": rfc3339(self.since)},
            }],
            "ctlogs": [log_entry(&self.ct_log, "https://ctfe.test", self.since)],
            "timestampAuthorities": [{
                "subject": {"organization": "test", "commonName": "test tsa"},
                "uri": "https://tsa.test",
                "certChain":
                    chain(&[&self.timestamps.signer.certificate, &self.timestamps.root.certificate]),
                "validFor": {"start": rfc3339(self.since)},
            }],
        })
    }
}

fn chain(certificates: &[&[u8]]) -> Value {
    let each: Vec<Value> =
        certificates.iter().map(|certificate| json!({"rawBytes": STANDARD.encode(certificate)})).collect();
    json!({ "certificates": each })
}

fn log_entry(key: &SigningKey, url: &str, since: i64) -> Value {
    json!({
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": STANDARD.encode(key.spki()),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": {"start": rfc3339(since)},
        },
        "logId": {"keyId": STANDARD.encode(key.id())},
    })
}

fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
