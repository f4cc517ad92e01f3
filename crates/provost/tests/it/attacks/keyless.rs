//! Bundles signed by certificates, of a Sigstore made for the moment, with one thing wrong.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::authority::certificate::SERVER_AUTH;
use testkit::authority::{
    AltName, Authority, CertificateSpec, Certified, Log, SigningKey, TimestampAuthority, pem,
};

use super::case::{Fault, Keyless, Witness};

/// When things were signed: an hour ago, so that certificates of ten minutes are long over.
const AGO: i64 = 3600;

/// The Sigstore of one case.
pub(crate) struct Sigstore {
    pub(crate) authority: Authority,
    now: i64,
}

impl Sigstore {
    pub(crate) fn new() -> Self {
        let now = jiff::Timestamp::now().as_second();
        Self { authority: Authority::new(now), now }
    }

    /// The bundle of an attestation over this payload.
    pub(crate) fn bundle(&self, keyless: &Keyless, payload_type: &str, payload: &[u8]) -> Vec<u8> {
        let signed = self.now - AGO;
        let key = SigningKey::generate();
        let (certificate, above) = self.certificate(keyless, &key, signed);
        let message = pae(payload_type, payload);
        let signature = key.sign(&message);
        let envelope = json!({
            "payload": STANDARD.encode(payload), "payloadType": payload_type,
            "signatures": [{"sig": STANDARD.encode(&signature)}],
        });
        let logged = if keyless.fault == Fault::OtherContent { b"other content".as_slice() } else { payload };
        let body = entry(&envelope, logged, &signature, &certificate);
        let mut material = json!({"certificate": {"rawBytes": STANDARD.encode(&certificate)}});
        if let Some(above) = above {
            let chain = [&certificate, &above].map(|each| json!({"rawBytes": STANDARD.encode(each)}));
            material = json!({"x509CertificateChain": {"certificates": chain}});
        }
        if matches!(keyless.witness, Witness::Log | Witness::Both) {
            material["tlogEntries"] = json!([self.logged(keyless.fault, &body, signed)]);
        }
        if matches!(keyless.witness, Witness::Timestamp | Witness::Both) {
            let foreign = TimestampAuthority::new(self.authority.since, self.now + AGO);
            let stamps =
                if keyless.fault == Fault::ForeignTimestamp { &foreign } else { &self.authority.timestamps };
            let of = if keyless.fault == Fault::OtherContent { b"other".as_slice() } else { &signature };
            let stamp = STANDARD.encode(stamps.stamp(of, signed + 5));
            material["timestampVerificationData"] =
                json!({"rfc3161Timestamps": [{"signedTimestamp": stamp}]});
        }
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": material,
            "dsseEnvelope": envelope,
        })
        .to_string()
        .into_bytes()
    }

    /// A bare envelope over this payload; its certificate in PEM, and those above it.
    pub(crate) fn named(
        &self,
        keyless: &Keyless,
        payload_type: &str,
        payload: &[u8],
    ) -> (Vec<u8>, String, String) {
        let key = SigningKey::generate();
        let (certificate, above) = self.certificate(keyless, &key, self.now - AGO);
        let above = above.unwrap_or_else(|| self.authority.intermediate.certificate.clone());
        let sig = STANDARD.encode(key.sign(&pae(payload_type, payload)));
        let envelope = json!({
            "payload": STANDARD.encode(payload), "payloadType": payload_type, "signatures": [{"sig": sig}],
        });
        let chain = [&above, &self.authority.root.certificate].map(|one| pem("CERTIFICATE", one)).concat();
        (envelope.to_string().into_bytes(), pem("CERTIFICATE", &certificate), chain)
    }

    /// The leaf, and the certificate above it where the bundle carries that along.
    fn certificate(&self, keyless: &Keyless, key: &SigningKey, time: i64) -> (Vec<u8>, Option<Vec<u8>>) {
        let authority = &self.authority;
        let name = match keyless.identity.contains("://") {
            true => AltName::Uri(keyless.identity.clone()),
            false => AltName::Email(keyless.identity.clone()),
        };
        let mut spec = authority.spec(name, &keyless.issuer, time);
        let (since, until) = (authority.since, self.now + AGO);
        let between = |parent: &Certified, spec: &CertificateSpec| {
            let made = parent.certify(spec);
            (
                made.issue_logged(
                    &keyless_spec(keyless, authority, time),
                    &key.spki(),
                    &authority.ct_log,
                    time,
                ),
                Some(made.certificate),
            )
        };
        match keyless.fault {
            Fault::NotCodeSigning => spec.purposes = vec![SERVER_AUTH.to_vec()],
            Fault::LeafIsAuthority => {
                // Someone's own leaf signs another: it may not.
                let spec = CertificateSpec {
                    subject: "a leaf".to_owned(),
                    ..authority.spec(AltName::Email("eve@evil.example".to_owned()), &keyless.issuer, time)
                };
                return between(&authority.intermediate, &spec);
            }
            Fault::ExpiredIntermediate => {
                let spec = CertificateSpec::authority("expired", since, time - AGO);
                return between(&authority.root, &spec);
            }
            Fault::EndedIntermediate => {
                spec.not_after = until;
                let ended = CertificateSpec::authority("ended", since, time + 60);
                let ended = authority.root.certify(&ended);
                let leaf = ended.issue_logged(&spec, &key.spki(), &authority.ct_log, time);
                return (leaf, Some(ended.certificate));
            }
            Fault::LongLived => spec.not_after = until,
            Fault::ForeignAuthority => {
                let root = Certified::root(&CertificateSpec::authority("test root", since, until));
                return (root.issue_logged(&spec, &key.spki(), &authority.ct_log, time), None);
            }
            Fault::NoSct => return (authority.intermediate.issue(&spec, &key.spki()), None),
            Fault::ForeignSct => {
                let log = SigningKey::generate();
                return (authority.intermediate.issue_logged(&spec, &key.spki(), &log, time), None);
            }
            Fault::AnotherTime => spec.not_after = time - 1,
            _ => {}
        }
        (authority.issue(&spec, &key.spki()), None)
    }

    /// The log's entry, as bundles hold it.
    fn logged(&self, fault: Fault, body: &[u8], signed: i64) -> Value {
        let foreign = Log::new("rekor.test");
        let log = if fault == Fault::ForeignLog { &foreign } else { &self.authority.log };
        let mut entry = log.append(body, signed + 5);
        match fault {
            Fault::UnsignedCheckpoint => {
                entry.tree_checkpoint = foreign.tree_checkpoint(entry.tree_size as usize, &entry.root)
            }
            Fault::OtherRoot => entry.root = [7; 32],
            Fault::ChangedTime => entry.time += 86_400,
            _ => {}
        }
        let mut shown = entry.for_bundle("dsse", "0.0.1");
        if fault == Fault::UnsignedCheckpoint {
            // The promise of an honest log would do; this entry has the proof alone.
            shown.as_object_mut().unwrap().remove("inclusionPromise");
        }
        shown
    }
}

fn keyless_spec(keyless: &Keyless, authority: &Authority, time: i64) -> CertificateSpec {
    authority.spec(AltName::Email(keyless.identity.clone()), &keyless.issuer, time)
}

fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// The entry Rekor keeps of an envelope.
fn entry(envelope: &Value, payload: &[u8], signature: &[u8], certificate: &[u8]) -> Vec<u8> {
    let hash = |bytes: &[u8]| {
        let digest = provost_oci::Digest::sha256_of(bytes);
        json!({"algorithm": "sha256", "value": digest.hex()})
    };
    let verifier = STANDARD.encode(pem("CERTIFICATE", certificate));
    json!({
        "apiVersion": "0.0.1", "kind": "dsse",
        "spec": {
            "envelopeHash": hash(envelope.to_string().as_bytes()), "payloadHash": hash(payload),
            "signatures": [{"signature": STANDARD.encode(signature), "verifier": verifier}],
        },
    })
    .to_string()
    .into_bytes()
}
