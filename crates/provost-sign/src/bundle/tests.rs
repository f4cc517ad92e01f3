//! Bundles with services of the tests' own: what each says stands in the bundle and holds under their trusted root.

use provost_keys::{PrivateKey, PublicKey};
use provost_sigstore::certificate::Certificate;
use provost_sigstore::entry_content::{self, SignedContent, What, is_about};
use provost_sigstore::service_client::Unreached;
use provost_sigstore::trust_root::TrustMaterial;
use provost_sigstore::{stamp, transparency};
use testkit::services::{Services, token};

use super::*;

const NOW: i64 = 1_750_000_000;
/// Every kind of key that is made here; RSA-4096 takes seconds to make without optimisation.
const KINDS: [KeyKind; 4] =
    [KeyKind::EcdsaP256, KeyKind::EcdsaP384, KeyKind::EcdsaP521, KeyKind::Rsa { bits: 2048 }];

fn service(url: String, version: u32) -> Vec<SigningService> {
    vec![SigningService { version, ..SigningService::at(&url) }]
}

fn client() -> Client {
    provost_registry::service_client(&provost_registry::RemoteOptions::default()).unwrap()
}

fn payloads() -> [Payload; 2] {
    [
        Payload::Message { bytes: b"blob".to_vec(), pure_ed25519: false },
        Payload::Statement(br#"{"_type":"https://in-toto.io/Statement/v1"}"#.to_vec()),
    ]
}

/// What a bundle's signature covers, as entries of logs are compared with it.
fn assert_logged(bundle: &NewBundle, key: &PublicKey, trusted: &TrustMaterial) {
    let signed;
    let what = match &bundle.content {
        Content::Message { .. } => What::Message(b"blob"),
        Content::Envelope(envelope) => {
            signed = envelope.signed_bytes();
            What::Envelope { payload: &envelope.payload, signed: &signed, stored: None }
        }
    };
    let certificate;
    let signer = match &bundle.signer {
        Material::PublicKey(_) => entry_content::Signer::Key(key.to_der()),
        Material::Certificate(der) => {
            certificate = Certificate::from_der(der).unwrap();
            entry_content::Signer::Certificate(&certificate)
        }
    };
    let content = SignedContent { what, signature: Some(bundle.content.signature()), signer };
    for entry in &bundle.log_entries {
        transparency::verify_entry(entry, &trusted.logs, || None).unwrap();
        is_about(entry, &content).unwrap();
    }
}

#[tokio::test]
async fn every_kind_of_key_is_logged_and_stamped() {
    let services = Services::start(NOW).unwrap();
    let root = services.authority().trusted_root().to_string();
    let trusted = TrustMaterial::from_trusted_root(root.as_bytes()).unwrap();
    let client = client();
    for kind in KINDS {
        let key = PrivateKey::generate_of(kind).unwrap();
        for payload in payloads() {
            for version in [1, 2] {
                let witnesses = Witnesses {
                    client: &client,
                    timestamp_client: &client,
                    timestamp_authorities: service(services.timestamp_url(), 1),
                    logs: service(services.url(), version),
                    stamp_stored: false,
                };
                let bundle = new_bundle(payload.clone(), &key, &Vouched::ByKey, &witnesses).await.unwrap();
                let [entry] = bundle.log_entries.as_slice() else {
                    panic!("{} entries", bundle.log_entries.len())
                };
                assert_eq!(entry.promise.is_some(), version == 1, "{kind} {version}");
                // The hash of a log's older envelope entries is SHA-256 whatever the key, so all kinds can be shown.
                assert_logged(&bundle, &PrivateKey::public_key(&key), &trusted);
                let signature = bundle.content.signature();
                let time =
                    stamp::verify(&bundle.timestamps[0], signature, &trusted.stamp_authorities).unwrap();
                assert_eq!(time.as_second(), NOW);
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_is_asked_for_with_a_proof_of_the_key() {
    let services = Services::start(NOW).unwrap();
    let root = services.authority().trusted_root().to_string();
    let trusted = TrustMaterial::from_trusted_root(root.as_bytes()).unwrap();
    let (client, key) = (client(), PrivateKey::generate().unwrap());
    let vouched = certified(&client, &services.url(), &token("a@example.test"), &key).await.unwrap();
    let Vouched::ByCertificate(der) = &vouched else { panic!("no certificate") };
    let certificate = Certificate::from_der(der).unwrap();
    assert_eq!(certificate.public_key_der(), PrivateKey::public_key(&key).to_der());
    assert_eq!(certificate.identity().as_deref(), Some("a@example.test"));
    trusted.path(&certificate, &[], certificate.not_before()).unwrap();
    let witnesses = Witnesses {
        client: &client,
        timestamp_client: &client,
        timestamp_authorities: Vec::new(),
        logs: service(services.url(), 1),
        stamp_stored: false,
    };
    let [_, statement] = payloads();
    let bundle = new_bundle(statement, &key, &vouched, &witnesses).await.unwrap();
    assert_logged(&bundle, &PrivateKey::public_key(&key), &trusted);
    assert_eq!(services.asked(), ["POST /api/v2/signingCert", "POST /api/v1/log/entries"]);
}

#[tokio::test]
async fn an_entry_that_is_there_already_is_fetched() {
    let services = Services::start(NOW).unwrap();
    let (client, key) = (client(), PrivateKey::generate_of(KeyKind::Rsa { bits: 2048 }).unwrap());
    let witnesses = Witnesses {
        client: &client,
        timestamp_client: &client,
        timestamp_authorities: Vec::new(),
        logs: service(services.url(), 1),
        stamp_stored: false,
    };
    // RSA signatures of PKCS#1 v1.5 are the same each time, so the second entry is the first.
    let [message, _] = payloads();
    let first = new_bundle(message.clone(), &key, &Vouched::ByKey, &witnesses).await.unwrap();
    let second = new_bundle(message, &key, &Vouched::ByKey, &witnesses).await.unwrap();
    assert_eq!(first, second);
    assert!(
        services.asked().last().unwrap().starts_with("GET /api/v1/log/entries/"),
        "{:?}",
        services.asked()
    );
}

/// What a service answers is held against what it was asked, whether or not anybody is trusted yet.
#[tokio::test]
async fn an_answer_about_something_else_leaves_no_bundle() {
    let services = Services::start(NOW).unwrap();
    let client = client();
    let (first, second) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
    let [message, statement] = payloads();
    let sign = async |payload: &Payload, key: &PrivateKey, version: u32, stamps: bool| {
        let stamps = if stamps { service(services.timestamp_url(), 1) } else { Vec::new() };
        let logs = if stamps.is_empty() { service(services.url(), version) } else { Vec::new() };
        let witnesses = Witnesses {
            client: &client,
            timestamp_client: &client,
            timestamp_authorities: stamps,
            logs,
            stamp_stored: false,
        };
        new_bundle(payload.clone(), key, &Vouched::ByKey, &witnesses).await
    };
    services.repeat_first_answers();
    let vouched = certified(&client, &services.url(), &token("a@example.test"), &first).await;
    assert!(vouched.is_ok());
    let vouched = certified(&client, &services.url(), &token("a@example.test"), &second).await;
    assert_eq!(vouched, Err(BundleError::OtherKey));
    for version in [1, 2] {
        sign(&message, &first, version, false).await.unwrap();
        for (payload, key) in [(&message, &second), (&statement, &first)] {
            let refused = sign(payload, key, version, false).await.unwrap_err();
            assert!(matches!(&refused, BundleError::OtherEntry { .. }), "{version}: {refused}");
        }
    }
    sign(&message, &first, 1, true).await.unwrap();
    let refused = sign(&message, &second, 1, true).await.unwrap_err();
    assert!(matches!(&refused, BundleError::Service(ServiceError::Answer { .. })), "{refused}");
}

#[tokio::test]
async fn a_service_that_fails_leaves_no_bundle() {
    let services = Services::start(NOW).unwrap();
    let (client, key) = (client(), PrivateKey::generate().unwrap());
    let failed = async |logs: Vec<SigningService>, authorities: Vec<SigningService>| {
        let witnesses = Witnesses {
            client: &client,
            timestamp_client: &client,
            timestamp_authorities: authorities,
            logs,
            stamp_stored: false,
        };
        let [message, _] = payloads();
        new_bundle(message, &key, &Vouched::ByKey, &witnesses).await.unwrap_err()
    };
    // The path of another service: it answers 400.
    let refused = failed(Vec::new(), service(format!("{}/nothing", services.url()), 1)).await;
    assert!(matches!(&refused, BundleError::Service(ServiceError::Status { status: 400, .. })), "{refused}");
    let unknown = failed(service(services.url(), 3), Vec::new()).await;
    assert!(unknown.to_string().contains("unknown rekor version: 3"), "{unknown}");
    let url = services.url();
    drop(services);
    let gone = failed(service(url, 2), Vec::new()).await;
    let BundleError::Service(ServiceError::Network { kind, .. }) = gone else { panic!("{gone}") };
    assert_eq!(kind, Unreached::Refused);
}

#[tokio::test]
async fn ed25519_signs_pure_only_where_asked_and_gets_no_certificate() {
    let pem = include_str!("ed25519.pem");
    let key = PrivateKey::from_pem(pem.as_bytes()).unwrap();
    let client = client();
    let witnesses = Witnesses {
        client: &client,
        timestamp_client: &client,
        timestamp_authorities: Vec::new(),
        logs: Vec::new(),
        stamp_stored: false,
    };
    for pure_ed25519 in [false, true] {
        let payload = Payload::Message { bytes: b"blob".to_vec(), pure_ed25519 };
        let bundle = new_bundle(payload, &key, &Vouched::ByKey, &witnesses).await.unwrap();
        let Content::Message { hash, signature, .. } = &bundle.content else { panic!("no message") };
        assert_eq!(hash.is_none(), pure_ed25519);
        let public = PrivateKey::public_key(&key);
        let pure = public.verify(b"blob", signature, HashChoice::Exactly(provost_keys::Hash::Sha512));
        assert_eq!(pure.is_ok(), pure_ed25519);
    }
    let refused = certified(&client, "http://127.0.0.1:1", &token("a@example.test"), &key).await;
    assert_eq!(refused, Err(BundleError::Ed25519Proof));
}
