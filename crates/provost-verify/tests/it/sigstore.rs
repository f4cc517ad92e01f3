//! Signatures by certificates, with logs and timestamps, in both formats: what holds, and every attack on it.
//!
//! The authority is the tests' own; each case changes one thing of a signature that holds.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use provost_keys::{HashChoice, PrivateKey, PublicKey};
use provost_oci::{Descriptor, Digest};
use provost_sigstore::annotation::{
    BUNDLE_ANNOTATION, CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION, TIMESTAMP_ANNOTATION,
};
use provost_sigstore::certificate::Claims;
use provost_sigstore::identity::{Identity, NameRule};
use provost_sigstore::trust_root::TrustMaterial;
use provost_statement::envelope::pre_authentication_encoding;
use provost_statement::{IN_TOTO_PAYLOAD, SimpleSigning};
use provost_verify::find::SIGNATURE_ANNOTATION;
use provost_verify::{
    Attestor, Candidate, Facts, LogRule, Reason, SctRule, Source, Trust, TrustedKey, check_attestation,
    check_signature,
};
use serde_json::{Value, json};
use testkit::authority::{AltName, Authority, CertificateSpec, SigningKey, pem};

pub(crate) const NOW: i64 = 1_780_000_000;
pub(crate) const YEAR: i64 = 365 * 24 * 3600;
pub(crate) const ISSUER: &str = "https://issuer.example.test";
pub(crate) const NAME: &str = "dev@example.test";

pub(crate) fn image() -> Digest {
    Digest::sha256_of(b"image")
}

/// A signer with a certificate, and everything that vouches for it.
pub(crate) struct Scene {
    pub(crate) authority: Authority,
    pub(crate) key: SigningKey,
    pub(crate) certificate: Vec<u8>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::of(|authority| authority.spec(AltName::Email(NAME.to_owned()), ISSUER, NOW))
    }

    pub(crate) fn of(spec: impl FnOnce(&Authority) -> CertificateSpec) -> Self {
        let authority = Authority::new(NOW);
        let key = SigningKey::generate();
        let certificate = authority.issue(&spec(&authority), &key.spki());
        Self { authority, key, certificate }
    }

    /// A leaf that holds a year, issued by an intermediate that ends after half a minute.
    pub(crate) fn under_ended_intermediate() -> Self {
        let mut scene = Self::new();
        let ended = CertificateSpec::authority("ended", NOW - 100, NOW + 30);
        scene.authority.intermediate = scene.authority.root.certify(&ended);
        let spec = CertificateSpec::leaf(vec![AltName::Email(NAME.to_owned())], NOW, NOW + YEAR)
            .with_claim(1, ISSUER)
            .with_typed_claim(8, ISSUER);
        scene.certificate = scene.authority.issue(&spec, &scene.key.spki());
        scene
    }

    /// Trust in this scene's authorities, with everything asked for, a year later.
    pub(crate) fn trust(&self) -> Trust {
        let root = self.authority.trusted_root().to_string();
        Trust {
            attestor: Attestor::Keyless(Identity {
                subject: NameRule::new(Some(NAME), None),
                issuer: NameRule::new(Some(ISSUER), None),
                workflow: Claims::default(),
            }),
            material: TrustMaterial::from_trusted_root(root.as_bytes()).unwrap(),
            from_trusted_root: true,
            log: LogRule::Required,
            signed_timestamps: false,
            sct: SctRule::Required { detached: None },
            now: Timestamp::from_second(NOW + YEAR).unwrap(),
        }
    }

    /// Trust in the bare key.
    pub(crate) fn key_trust(&self) -> Trust {
        let key = PublicKey::from_der(&self.key.spki()).unwrap();
        Trust { attestor: Attestor::Key(TrustedKey { key, hash: HashChoice::Usual }), ..self.trust() }
    }

    fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// A `.sig` layer with all annotations.
    pub(crate) fn layer(&self) -> Layer {
        let payload = SimpleSigning::payload("reg.example/app", &image(), &Value::Null);
        let signature = self.key.sign(&payload);
        let logged =
            self.authority.log.append(&hashedrekord(&payload, &signature, &self.certificate_pem()), NOW + 1);
        let stamp = self.authority.timestamps.stamp(&signature, NOW + 2);
        Layer {
            payload,
            annotations: BTreeMap::from([
                (SIGNATURE_ANNOTATION.to_owned(), STANDARD.encode(&signature)),
                (CERTIFICATE_ANNOTATION.to_owned(), self.certificate_pem()),
                (CHAIN_ANNOTATION.to_owned(), self.authority.chain_pem()),
                (BUNDLE_ANNOTATION.to_owned(), logged.for_annotation()),
                (TIMESTAMP_ANNOTATION.to_owned(), stamp_annotation(&stamp)),
            ]),
        }
    }

    /// An attestation as a bundle, with a log entry of Rekor v1 and a timestamp.
    pub(crate) fn bundle(&self) -> Value {
        let (envelope, payload, signature) = self.envelope();
        let body = dsse(envelope.to_string().as_bytes(), &payload, &signature, &self.certificate_pem());
        let logged = self.authority.log.append(&body, NOW + 1);
        let stamp = self.authority.timestamps.stamp(&signature, NOW + 2);
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": STANDARD.encode(&self.certificate)},
                "tlogEntries": [logged.for_bundle("dsse", "0.0.1")],
                "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": STANDARD.encode(stamp)}]},
            },
            "dsseEnvelope": envelope,
        })
    }

    pub(crate) fn envelope(&self) -> (Value, Vec<u8>, Vec<u8>) {
        let payload = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "app", "digest": {"sha256": image().hex()}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {},
        })
        .to_string()
        .into_bytes();
        let signature = self.key.sign(&pre_authentication_encoding(IN_TOTO_PAYLOAD, &payload));
        let envelope = json!({
            "payload": STANDARD.encode(&payload),
            "payloadType": IN_TOTO_PAYLOAD,
            "signatures": [{"sig": STANDARD.encode(&signature)}],
        });
        (envelope, payload, signature)
    }
}

/// A layer that can be changed before it is checked.
#[derive(Clone)]
pub(crate) struct Layer {
    payload: Vec<u8>,
    annotations: BTreeMap<String, String>,
}

impl Layer {
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.annotations.remove(name);
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.annotations.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn check(&self, trust: &Trust) -> Result<Facts, String> {
        let mut layer = Descriptor::of("text/plain", &self.payload);
        layer.annotations.extend(self.annotations.clone());
        let bytes = self.payload.clone().into();
        let candidate = Candidate { source: Source::Layer(layer), bytes, asked: Vec::new() };
        let checked = check_signature(&candidate, trust, &image(), &BTreeMap::new());
        checked.map(|signature| signature.facts).map_err(|reason| reason.code().to_owned())
    }
}

pub(crate) fn check_bundle(bundle: &Value, trust: &Trust) -> Result<Facts, String> {
    let source = Source::Bundle(Digest::sha256_of(b"referrer"));
    let candidate = Candidate { source, bytes: bundle.to_string().into(), asked: Vec::new() };
    let checked = check_attestation(&candidate, trust, &image(), true);
    checked.map(|attestation| attestation.facts).map_err(|reason| match reason {
        Reason::Bundle(fault) => format!("{fault:?}"),
        other => other.code().to_owned(),
    })
}

fn stamp_annotation(token: &[u8]) -> String {
    json!({"SignedRFC3161Timestamp": STANDARD.encode(token)}).to_string()
}

fn sha256(bytes: &[u8]) -> String {
    Digest::sha256_of(bytes).hex().to_owned()
}

fn hashedrekord(payload: &[u8], signature: &[u8], signer: &str) -> Vec<u8> {
    json!({
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": sha256(payload)}},
            "signature": {
                "content": STANDARD.encode(signature),
                "publicKey": {"content": STANDARD.encode(signer)},
            },
        },
    })
    .to_string()
    .into_bytes()
}

pub(crate) fn hashedrekord_v2(signed: &[u8], signature: &[u8], certificate: &[u8]) -> Vec<u8> {
    let digest: Vec<u8> = (0..32)
        .map(|index| u8::from_str_radix(&sha256(signed)[2 * index..2 * index + 2], 16).unwrap())
        .collect();
    json!({
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": {"hashedRekordV002": {
            "data": {"algorithm": "SHA2_256", "digest": STANDARD.encode(digest)},
            "signature": {
                "content": STANDARD.encode(signature),
                "verifier": {
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "x509Certificate": {"rawBytes": STANDARD.encode(certificate)},
                },
            },
        }},
    })
    .to_string()
    .into_bytes()
}

pub(crate) fn dsse(envelope: &[u8], payload: &[u8], signature: &[u8], signer: &str) -> Vec<u8> {
    json!({
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": {"algorithm": "sha256", "value": sha256(envelope)},
            "payloadHash": {"algorithm": "sha256", "value": sha256(payload)},
            "signatures": [{"signature": STANDARD.encode(signature), "verifier": STANDARD.encode(signer)}],
        },
    })
    .to_string()
    .into_bytes()
}

pub(crate) fn code(text: &str) -> Result<Facts, String> {
    Err(text.to_owned())
}

#[test]
fn a_signature_of_ten_minutes_holds_for_years() {
    let scene = Scene::new();
    let facts = scene.layer().check(&scene.trust()).unwrap();
    assert!(facts.logged && !facts.log_asked);
    assert_eq!(facts.logged_at, Timestamp::from_second(NOW + 1).ok());
    let stamps = Trust { signed_timestamps: true, ..scene.trust() };
    assert_eq!(scene.layer().check(&stamps).unwrap().stamped_at, Timestamp::from_second(NOW + 2).ok());
    assert!(check_bundle(&scene.bundle(), &scene.trust()).unwrap().logged);
    let facts = check_bundle(&scene.bundle(), &stamps).unwrap();
    assert_eq!(facts.stamped_at, Timestamp::from_second(NOW + 2).ok());
}

/// Case 29: with the log ignored a certificate needs a timestamp, or must hold now.
#[test]
fn an_ended_certificate_needs_a_trusted_time() {
    let scene = Scene::new();
    let ignoring = Trust { log: LogRule::Ignored, ..scene.trust() };
    assert_eq!(scene.layer().check(&ignoring), code("certificate-time"));
    assert_eq!(check_bundle(&scene.bundle(), &ignoring), code("certificate-untrusted"));
    let present = Trust { now: Timestamp::from_second(NOW + 60).unwrap(), ..ignoring.clone() };
    assert!(scene.layer().check(&present).is_ok());
    assert!(check_bundle(&scene.bundle(), &present).is_ok());
    let stamps = Trust { signed_timestamps: true, ..ignoring };
    assert!(scene.layer().check(&stamps).is_ok());
    assert!(check_bundle(&scene.bundle(), &stamps).is_ok());
    assert_eq!(scene.layer().without(TIMESTAMP_ANNOTATION).check(&stamps), code("certificate-time"));
}

/// Case 29 again: an intermediate that had ended when the signature was made.
#[test]
fn an_ended_intermediate_is_refused_where_the_log_is_ignored() {
    let scene = Scene::under_ended_intermediate();
    let now = Timestamp::from_second(NOW + 60).unwrap();
    let ignoring = Trust { log: LogRule::Ignored, now, ..scene.trust() };
    assert_eq!(scene.layer().check(&ignoring), code("certificate-time"));
    assert_eq!(check_bundle(&scene.bundle(), &ignoring), code("certificate-untrusted"));
}

/// Cases 26 and 27: the identity is asked for, exactly.
#[test]
fn another_identity_is_refused() {
    for (name, issuer) in [("dev@example.test.evil", ISSUER), (NAME, "https://evil.test")] {
        let scene = Scene::of(|authority| authority.spec(AltName::Email(name.to_owned()), issuer, NOW));
        assert_eq!(scene.layer().check(&scene.trust()), code("identity"));
        assert_eq!(check_bundle(&scene.bundle(), &scene.trust()), code("identity"));
    }
}

/// Case 30: strangers, and certificates for other purposes.
#[test]
fn an_untrusted_certificate_is_refused() {
    let (scene, stranger) = (Scene::new(), Scene::new());
    let material =
        TrustMaterial { authorities: stranger.trust().material.authorities, ..scene.trust().material };
    let trust = Trust { material, ..scene.trust() };
    assert_eq!(scene.layer().check(&trust), code("certificate-untrusted"));
    assert_eq!(check_bundle(&scene.bundle(), &trust), code("certificate-untrusted"));
    let useless = Scene::of(|authority| CertificateSpec {
        purposes: Vec::new(),
        ..authority.spec(AltName::Email(NAME.to_owned()), ISSUER, NOW)
    });
    assert_eq!(useless.layer().check(&useless.trust()), code("certificate-untrusted"));
    assert_eq!(check_bundle(&useless.bundle(), &useless.trust()), code("certificate-untrusted"));
}

#[test]
fn a_certificate_no_ct_log_has_seen_is_refused() {
    let mut scene = Scene::new();
    let spec = scene.authority.spec(AltName::Email(NAME.to_owned()), ISSUER, NOW);
    scene.certificate = scene.authority.intermediate.issue(&spec, &scene.key.spki());
    assert_eq!(scene.layer().check(&scene.trust()), code("certificate-not-logged"));
    assert_eq!(check_bundle(&scene.bundle(), &scene.trust()), code("certificate-not-logged"));
    let ignoring = Trust { sct: SctRule::Ignored, ..scene.trust() };
    assert!(scene.layer().check(&ignoring).is_ok());
    assert!(check_bundle(&scene.bundle(), &ignoring).is_ok());
}

/// Case 31: an entry that a trusted log really has, about something else.
#[test]
fn an_entry_about_something_else_is_refused() {
    let scene = Scene::new();
    let layer = scene.layer();
    let signature = STANDARD.decode(&layer.annotations[SIGNATURE_ANNOTATION]).unwrap();
    let other_signature = scene.key.sign(b"other");
    let stranger = Scene::new().certificate_pem();
    let bodies = [
        hashedrekord(b"other", &signature, &scene.certificate_pem()),
        hashedrekord(&layer.payload, &other_signature, &scene.certificate_pem()),
        hashedrekord(&layer.payload, &signature, &stranger),
        b"no entry".to_vec(),
        br#"{"apiVersion":"0.0.1","kind":"helm","spec":{}}"#.to_vec(),
    ];
    for body in bodies {
        let entry = scene.authority.log.append(&body, NOW + 1).for_annotation();
        let found = layer.clone().with(BUNDLE_ANNOTATION, entry).check(&scene.trust());
        assert_eq!(found, code("log-entry-of-other-content"), "{}", String::from_utf8_lossy(&body));
    }
    let mut bundle = scene.bundle();
    let (_, payload, _) = scene.envelope();
    let (envelope, _, signature) = scene.envelope();
    let body = dsse(envelope.to_string().as_bytes(), &payload, &signature, &scene.certificate_pem());
    let entry = scene.authority.log.append(&body, NOW + 1).for_bundle("dsse", "0.0.1");
    bundle["verificationMaterial"]["tlogEntries"] = json!([entry]);
    assert_eq!(check_bundle(&bundle, &scene.trust()), code("log-entry-of-other-content"));
}

/// Cases 32 and 34: what a log of the attacker's own says, and times nobody signed.
#[test]
fn only_a_trusted_log_counts_and_only_its_time() {
    let (scene, stranger) = (Scene::new(), Scene::new());
    let material = TrustMaterial { logs: stranger.trust().material.logs, ..scene.trust().material };
    let trust = Trust { material, ..scene.trust() };
    assert_eq!(scene.layer().check(&trust), code("log-entry-untrusted"));
    assert_eq!(check_bundle(&scene.bundle(), &trust), code("NotLogged"));
    assert_eq!(scene.layer().without(BUNDLE_ANNOTATION).check(&scene.trust()), code("no-log-entry"));
    let mut without = scene.bundle();
    without["verificationMaterial"]["tlogEntries"] = json!([]);
    assert_eq!(check_bundle(&without, &scene.trust()), code("NotLogged"));
    // A proof alone holds the entry, not the time beside it.
    let mut unpromised = scene.bundle();
    let entry = &mut unpromised["verificationMaterial"]["tlogEntries"][0];
    entry.as_object_mut().unwrap().remove("inclusionPromise");
    assert_eq!(check_bundle(&unpromised, &scene.trust()), code("NoTime"));
    let mut moved = scene.bundle();
    moved["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = json!((NOW + 5).to_string());
    assert_eq!(check_bundle(&moved, &scene.trust()), code("NotLogged"));
    let mut twice = scene.bundle();
    let entry = twice["verificationMaterial"]["tlogEntries"][0].clone();
    twice["verificationMaterial"]["tlogEntries"] = json!([entry, entry]);
    assert_eq!(check_bundle(&twice, &scene.trust()), code("DuplicateEntries"));
}

/// Case 33: a timestamp of nobody trusted, or about another signature.
#[test]
fn a_strange_timestamp_is_refused() {
    let (scene, stranger) = (Scene::new(), Scene::new());
    let trust = Trust { signed_timestamps: true, log: LogRule::Ignored, ..scene.trust() };
    let layer = scene.layer();
    let signature = STANDARD.decode(&layer.annotations[SIGNATURE_ANNOTATION]).unwrap();
    let foreign = stranger.authority.timestamps.stamp(&signature, NOW + 2);
    let about_another = scene.authority.timestamps.stamp(b"another", NOW + 2);
    for token in [foreign, about_another] {
        let found = layer.clone().with(TIMESTAMP_ANNOTATION, stamp_annotation(&token)).check(&trust);
        assert_eq!(found, code("timestamp-untrusted"));
        let mut bundle = scene.bundle();
        let data = json!([{"signedTimestamp": STANDARD.encode(&token)}]);
        bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"] = data;
        assert_eq!(check_bundle(&bundle, &trust), code("timestamp-untrusted"));
    }
    let mut none = scene.bundle();
    none["verificationMaterial"]["timestampVerificationData"] = Value::Null;
    assert_eq!(check_bundle(&none, &trust), code("NoStamp"));
}

#[test]
fn rekor_v2_needs_a_timestamp_for_certificates() {
    let scene = Scene::new();
    let mut bundle = scene.bundle();
    let (envelope, payload, signature) = scene.envelope();
    let signed = pre_authentication_encoding(IN_TOTO_PAYLOAD, &payload);
    let body = hashedrekord_v2(&signed, &signature, &scene.certificate);
    let entry = scene.authority.log.append(&body, NOW + 1).for_bundle_v2("hashedrekord", "0.0.2");
    let stamp = scene.authority.timestamps.stamp(&signature, NOW + 2);
    bundle["dsseEnvelope"] = envelope;
    bundle["verificationMaterial"]["tlogEntries"] = json!([entry]);
    bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"] =
        json!([{"signedTimestamp": STANDARD.encode(stamp)}]);
    assert!(check_bundle(&bundle, &scene.trust()).unwrap().stamped_at.is_some());
    bundle["verificationMaterial"]["timestampVerificationData"] = Value::Null;
    assert_eq!(check_bundle(&bundle, &scene.trust()), code("NoStamp"));
}

#[test]
fn a_keys_log_entry_is_checked_too() {
    let scene = Scene::new();
    let trust = scene.key_trust();
    let payload = SimpleSigning::payload("reg.example/app", &image(), &Value::Null);
    let signature = scene.key.sign(&payload);
    let entry = |signer: &str| {
        let body = hashedrekord(&payload, &signature, signer);
        scene.authority.log.append(&body, NOW + 1).for_annotation()
    };
    let annotations = BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), STANDARD.encode(&signature))]);
    let layer = Layer { payload: payload.clone(), annotations };
    assert_eq!(layer.check(&trust), code("no-log-entry"));
    let good = layer.clone().with(BUNDLE_ANNOTATION, entry(&scene.key.public_pem()));
    assert!(good.check(&trust).unwrap().logged);
    let other = layer.with(BUNDLE_ANNOTATION, entry(&SigningKey::generate().public_pem()));
    assert_eq!(other.check(&trust), code("log-entry-of-other-content"));
    // As a bundle: a key's, with an entry; and a certificate's, which no key is.
    let (envelope, payload, signature) = scene.envelope();
    let body = dsse(envelope.to_string().as_bytes(), &payload, &signature, &scene.key.public_pem());
    let logged = scene.authority.log.append(&body, NOW + 1);
    let mut bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "x"}, "tlogEntries": [logged.for_bundle("dsse", "0.0.1")]},
        "dsseEnvelope": envelope,
    });
    assert!(check_bundle(&bundle, &trust).unwrap().logged);
    assert_eq!(check_bundle(&bundle, &scene.trust()), code("Key"));
    assert_eq!(check_bundle(&scene.bundle(), &trust), code("Certificate"));
    bundle["verificationMaterial"]["tlogEntries"] = json!([]);
    assert_eq!(check_bundle(&bundle, &trust), code("NotLogged"));
    let stranger = PrivateKey::generate().unwrap().public_key();
    let attestor = Attestor::Key(TrustedKey { key: stranger, hash: HashChoice::Usual });
    let ignoring = Trust { attestor, log: LogRule::Ignored, ..trust };
    assert_eq!(check_bundle(&bundle, &ignoring), code("not-the-key"));
}
