//! Envelopes of the Notary Project: what holds, and one change after the other.

use testkit::authority::{Authority, CertificateSpec, SigningKey, certificate};

use super::*;

const NOW: i64 = 1_780_000_000;

struct Scene {
    authority: Authority,
    key: SigningKey,
    leaf: Vec<u8>,
}

fn target() -> Descriptor {
    Descriptor::of("application/vnd.oci.image.manifest.v1+json", b"image")
}

fn header() -> Value {
    serde_json::json!({
        "alg": "ES256",
        "cty": PAYLOAD_TYPE,
        "crit": ["io.cncf.notary.signingScheme"],
        "io.cncf.notary.signingScheme": "notary.x509",
        "io.cncf.notary.signingTime": Timestamp::from_second(NOW).unwrap().to_string(),
    })
}

fn payload(target: &Descriptor) -> Value {
    serde_json::json!({"targetArtifact": {
        "mediaType": target.media_type, "digest": target.digest.to_string(), "size": target.size,
    }})
}

impl Scene {
    fn new() -> Self {
        Self::of(CertificateSpec::leaf(Vec::new(), NOW - 100, NOW + 1000))
    }

    fn of(spec: CertificateSpec) -> Self {
        let authority = Authority::new(NOW);
        let key = SigningKey::generate();
        let spec = CertificateSpec { purposes: vec![certificate::CODE_SIGNING.to_vec()], ..spec };
        let leaf = authority.intermediate.issue(&spec, &key.spki());
        Self { authority, key, leaf }
    }

    fn trust(&self, roots: &Authority) -> TrustStore {
        TrustStore {
            certificates: vec![Certificate::from_der(&roots.root.certificate).unwrap()],
            now: Timestamp::from_second(NOW + 60).unwrap(),
            ignore_revocation: false,
        }
    }

    fn envelope(&self, header: &Value, payload: &Value) -> Value {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let (protected, payload) = (part(header), part(payload));
        let signature = self.key.sign_fixed(format!("{protected}.{payload}").as_bytes());
        serde_json::json!({
            "payload": payload,
            "protected": protected,
            "header": {"x5c": [
                STANDARD.encode(&self.leaf), STANDARD.encode(&self.authority.intermediate.certificate),
            ]},
            "signature": URL_SAFE_NO_PAD.encode(signature),
        })
    }

    fn check(&self, envelope: &Value) -> Result<(), NotationFault> {
        check(envelope.to_string().as_bytes(), &target(), &self.trust(&self.authority))
    }
}

#[test]
fn a_signature_under_the_trust_store_holds() {
    let scene = Scene::new();
    assert_eq!(scene.check(&scene.envelope(&header(), &payload(&target()))), Ok(()));
}

#[test]
fn a_stranger_is_refused() {
    let (scene, stranger) = (Scene::new(), Authority::new(NOW));
    let envelope = scene.envelope(&header(), &payload(&target())).to_string();
    let found = check(envelope.as_bytes(), &target(), &scene.trust(&stranger));
    assert_eq!(found, Err(NotationFault::Chain(ChainFault::UnknownAuthority)));
}

#[test]
fn a_change_of_what_is_signed_is_refused() {
    let scene = Scene::new();
    let mut envelope = scene.envelope(&header(), &payload(&target()));
    let other = payload(&Descriptor::of("application/vnd.oci.image.manifest.v1+json", b"other"));
    envelope["payload"] = URL_SAFE_NO_PAD.encode(other.to_string()).into();
    assert_eq!(scene.check(&envelope), Err(NotationFault::Signature));
    assert_eq!(scene.check(&scene.envelope(&header(), &other)), Err(NotationFault::OtherArtifact));
    let mut larger = payload(&target());
    larger["targetArtifact"]["size"] = 1.into();
    assert_eq!(scene.check(&scene.envelope(&header(), &larger)), Err(NotationFault::OtherArtifact));
}

#[test]
fn headers_must_be_understood() {
    let scene = Scene::new();
    let changed = |name: &str, value: Value| {
        let mut header = header();
        header[name] = value;
        scene.check(&scene.envelope(&header, &payload(&target())))
    };
    for (name, value) in [
        ("alg", "none".into()),
        ("alg", "PS256".into()),
        ("cty", "text/plain".into()),
        ("crit", serde_json::json!([])),
        ("crit", serde_json::json!(["io.cncf.notary.signingScheme", "x"])),
        ("io.cncf.notary.signingScheme", "notary.x509.signingAuthority".into()),
        ("io.cncf.notary.signingTime", "yesterday".into()),
        ("io.cncf.notary.expiry", "2030-01-01T00:00:00Z".into()),
    ] {
        let found = changed(name, value.clone());
        assert!(matches!(found, Err(NotationFault::Malformed(_))), "{name} {value}: {found:?}");
    }
}

#[test]
fn times_count() {
    let scene = Scene::new();
    let critical = serde_json::json!(["io.cncf.notary.signingScheme", "io.cncf.notary.expiry"]);
    for (offset, holds) in [(60, true), (59, false)] {
        let mut header = header();
        header["crit"] = critical.clone();
        header["io.cncf.notary.expiry"] = Timestamp::from_second(NOW + offset).unwrap().to_string().into();
        assert_eq!(scene.check(&scene.envelope(&header, &payload(&target()))).is_ok(), holds, "{offset}");
    }
    // A certificate that has ended since, and one that had not begun.
    for (from, until) in [(NOW - 100, NOW + 30), (NOW + 10, NOW + 1000)] {
        let scene = Scene::of(CertificateSpec::leaf(Vec::new(), from, until));
        let found = scene.check(&scene.envelope(&header(), &payload(&target())));
        assert!(matches!(found, Err(NotationFault::Chain(_))), "{found:?}");
    }
}

#[test]
fn what_may_be_revoked_counts_only_on_request() {
    let spec = CertificateSpec::leaf(Vec::new(), NOW - 100, NOW + 1000);
    let lists = (vec![2, 5, 29, 31], vec![0x30, 0], false);
    let scene = Scene::of(CertificateSpec { extensions: vec![lists], ..spec });
    let envelope = scene.envelope(&header(), &payload(&target()));
    assert_eq!(scene.check(&envelope), Err(NotationFault::Revocation));
    let trust = TrustStore { ignore_revocation: true, ..scene.trust(&scene.authority) };
    assert_eq!(check(envelope.to_string().as_bytes(), &target(), &trust), Ok(()));
}

#[test]
fn garbage_is_refused() {
    let scene = Scene::new();
    let good = scene.envelope(&header(), &payload(&target()));
    for name in ["payload", "protected", "signature", "header"] {
        for value in [Value::Null, "!".into(), "e30".into(), serde_json::json!({"x5c": []})] {
            let mut envelope = good.clone();
            envelope[name] = value.clone();
            assert!(scene.check(&envelope).is_err(), "{name} {value}");
        }
    }
    let trust = scene.trust(&scene.authority);
    assert!(check(b"\x84", &target(), &trust).is_err());
}
