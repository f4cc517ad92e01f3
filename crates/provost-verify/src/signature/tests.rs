//! Signatures honest and strange: whose they are, about which image, and what is none.

use provost_keys::{HashChoice, PrivateKey};
use provost_oci::Descriptor;
use provost_statement::IN_TOTO_PAYLOAD;
use provost_statement::envelope::pre_authentication_encoding;
use serde_json::json;

use super::*;
use crate::check::TrustedKey;

fn image() -> Digest {
    Digest::sha256_of(b"image")
}

fn other() -> Digest {
    Digest::sha256_of(b"other image")
}

fn trusted(key: &PrivateKey) -> Trust {
    TrustedKey { key: key.public_key(), hash: HashChoice::Usual }.into()
}

fn wanted(words: &[(&str, &str)]) -> BTreeMap<String, String> {
    words.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn layer(key: &PrivateKey, about: &Digest, optional: &Value) -> SignatureCandidate {
    let payload = SimpleSigning::payload("reg.example/app", about, optional);
    let mut layer = Descriptor::of("text/plain", &payload);
    let signature = STANDARD.encode(key.sign(&payload).unwrap());
    layer.annotations.insert(SIGNATURE_ANNOTATION.to_owned(), signature);
    Candidate { source: Source::Layer(layer), bytes: payload.into(), asked: Vec::new() }
}

fn bundle(key: &PrivateKey, predicate_type: &str, about: &Digest) -> SignatureCandidate {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"digest": {"sha256": other().hex()}, "annotations": {"env": "dev"}},
            {"digest": {"sha256": about.hex()}, "annotations": {"env": "prod"}},
        ],
        "predicateType": predicate_type,
        "predicate": {},
    });
    let payload = statement.to_string().into_bytes();
    let signature = key.sign(&pre_authentication_encoding(IN_TOTO_PAYLOAD, &payload)).unwrap();
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": key.public_key().hint()}},
        "dsseEnvelope": {
            "payload": STANDARD.encode(&payload),
            "payloadType": IN_TOTO_PAYLOAD,
            "signatures": [{"sig": STANDARD.encode(signature)}],
        },
    });
    let source = Source::Bundle(Digest::sha256_of(b"referrer"));
    Candidate { source, bytes: bundle.to_string().into(), asked: Vec::new() }
}

#[test]
fn a_payload_is_signed_then_about_the_image_then_annotated() {
    let key = PrivateKey::generate().unwrap();
    let stranger = PrivateKey::generate().unwrap();
    let good = layer(&key, &image(), &json!({"env": "prod", "n": 1}));
    let check = |candidate: &_, words: &[(&str, &str)]| {
        check_signature(candidate, &trusted(&key), &image(), &wanted(words)).map(|_| ())
    };
    assert_eq!(check(&good, &[]), Ok(()));
    assert_eq!(check(&good, &[("env", "prod")]), Ok(()));
    for wrong in [("env", "dev"), ("team", "prod"), ("n", "1")] {
        assert_eq!(check(&good, &[wrong]), Err(Reason::MissingAnnotation), "{wrong:?}");
    }
    let foreign = layer(&stranger, &image(), &Value::Null);
    assert!(matches!(check(&foreign, &[("env", "prod")]), Err(Reason::NotTheKey { .. })));
    let elsewhere = layer(&key, &other(), &Value::Null);
    let reason = Reason::OtherImage { expected: image(), found: other() };
    assert_eq!(check(&elsewhere, &[("env", "prod")]), Err(reason));
    let unasked = check_signed_payload(&elsewhere, &trusted(&key), &wanted(&[]));
    assert_eq!(unasked.map(|signature| signature.payload.digest), Ok(other()));
    let annotated = check_signed_payload(&elsewhere, &trusted(&key), &wanted(&[("env", "prod")]));
    assert_eq!(annotated.map(|_| ()), Err(Reason::MissingAnnotation));
}

#[test]
fn a_layer_is_no_bundle_and_a_bundle_no_layer() {
    let key = PrivateKey::generate().unwrap();
    let one = bundle(&key, SIGN_PREDICATE, &image());
    assert_eq!(
        check_signature(&one, &trusted(&key), &image(), &wanted(&[])).map(|_| ()),
        Err(Reason::NoSignatures)
    );
    let mut unsigned = layer(&key, &image(), &Value::Null);
    if let Source::Layer(layer) = &mut unsigned.source {
        layer.annotations.clear();
    }
    let checked = check_signature(&unsigned, &trusted(&key), &image(), &wanted(&[]));
    assert!(matches!(checked, Err(Reason::MissingSignatureAnnotation { .. })), "{checked:?}");
}

#[test]
fn only_a_signing_statement_is_a_signature() {
    let key = PrivateKey::generate().unwrap();
    let stranger = PrivateKey::generate().unwrap();
    let check = |candidate: &_, words: &[(&str, &str)]| {
        check_signature_bundle(candidate, &trusted(&key), &image(), &wanted(words))
    };
    let good = bundle(&key, SIGN_PREDICATE, &image());
    let signature =
        VerifiedBundle::Signature { annotations: json!({"env": "prod"}), facts: Facts::default() };
    assert_eq!(check(&good, &[]), Ok(signature.clone()));
    assert_eq!(check(&good, &[("env", "prod")]), Ok(signature));
    // The annotations of another subject of the statement say nothing about this image.
    assert_eq!(check(&good, &[("env", "dev")]), Err(Reason::MissingAnnotation));
    let provenance = "https://slsa.dev/provenance/v0.2";
    let attestation = VerifiedBundle::Attestation { predicate_type: provenance.to_owned() };
    assert_eq!(check(&bundle(&key, provenance, &image()), &[]), Ok(attestation));
    assert!(matches!(
        check(&bundle(&stranger, SIGN_PREDICATE, &image()), &[]),
        Err(Reason::NotTheKey { .. })
    ));
    let elsewhere = bundle(&key, SIGN_PREDICATE, &Digest::sha256_of(b"a third image"));
    assert_eq!(check(&elsewhere, &[]), Err(Reason::OtherSubject { expected: image() }));
}
