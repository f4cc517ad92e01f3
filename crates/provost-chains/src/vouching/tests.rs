//! Certificates, log entries and keys in services: what is stored with them, how often, and what stops everything.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::HashChoice;
use provost_oci::{Digest, ImageManifest, Repository, Selector, media_type};
use provost_registry::{Manifest, Store as _};
use provost_sigstore::annotation;
use provost_sigstore::bundle_reading::{Bundle, BundleSigner};
use serde_json::{Value, json};
use testkit::MemoryStore;
use testkit::services::{Services as Sigstore, token};

use super::*;
use crate::config::Upload;
use crate::run::Run;
use crate::sign_run::{SignedRun, sign_run};
use crate::signing::TRANSPARENCY;

struct Scene {
    store: MemoryStore,
    sigstore: Sigstore,
    key: PrivateKey,
    others: Others,
    config: ChainsConfig,
    digest: Digest,
}

impl Scene {
    /// Everything beside the image, Fulcio and log switched on.
    async fn new() -> Self {
        let sigstore = Sigstore::start(jiff::Timestamp::now().as_second()).unwrap();
        let services = Services {
            client: provost_registry::service_client(&provost_registry::RemoteOptions::default()).unwrap(),
            token: Arc::new(|_: &SignerSettings| Ok(token("controller@example.test"))),
        };
        let mut config = ChainsConfig::default();
        config.task_runs.storage = BTreeSet::from([Storage::Oci]);
        config.signers.fulcio = true;
        config.signers.fulcio_url = sigstore.url();
        config.log_url = sigstore.url();
        config.upload = Upload::Always;
        let store = MemoryStore::new();
        let manifest = br#"{"schemaVersion":2}"#.as_slice();
        let manifest = Manifest::new(media_type::OCI_MANIFEST, bytes::Bytes::from_static(manifest));
        let digest = manifest.digest.clone();
        store.put_manifest(&repository(), &Selector::Digest(digest.clone()), &manifest).await.unwrap();
        let key = PrivateKey::generate().unwrap();
        let others = Others { kms: None, services: Some(services), writers: Writers::default() };
        Self { store, sigstore, key, others, config, digest }
    }

    async fn sign(&self, annotations: &Value) -> Result<SignedRun, SignRunError> {
        let run: provost_tekton::TaskRun = serde_json::from_value(json!({
            "metadata": {"name": "build", "uid": "u1", "annotations": annotations},
            "status": {"conditions": [{"type": "Succeeded", "status": "True"}],
                "results": [{"name": "IMAGES", "value": format!("reg.local/app@{}", self.digest)}]},
        }))
        .unwrap();
        let now = jiff::Timestamp::now();
        let (key, store, others) = (&self.key, &self.store, Some(&self.others));
        let means = Means { key, store, backends: &Default::default(), now, others };
        sign_run(&self.config, &Run::Task(&run), &means).await
    }

    fn asked(&self, path: &str) -> usize {
        self.sigstore.asked().iter().filter(|line| line.ends_with(path)).count()
    }

    async fn layers(&self, suffix: &str) -> Vec<(std::collections::BTreeMap<String, String>, Vec<u8>)> {
        let tag = Selector::Tag(format!("sha256-{}.{suffix}", self.digest.hex()));
        let manifest = self.store.manifest(&repository(), &tag).await.unwrap();
        let view: ImageManifest = serde_json::from_slice(&manifest.bytes).unwrap();
        let mut all = Vec::new();
        for layer in view.layers {
            let bytes = self.store.blob(&repository(), &layer.digest, 1 << 20).await.unwrap();
            all.push((layer.annotations, bytes.to_vec()));
        }
        all
    }
}

fn repository() -> Repository {
    "reg.local/app".parse().unwrap()
}

fn news(signed: &SignedRun) -> Vec<bool> {
    signed.placed.iter().map(|placed| placed.new).collect()
}

const CERTIFICATE: &str = "/api/v2/signingCert";
const LOG: &str = "/api/v1/log/entries";

#[tokio::test]
async fn layers_carry_certificate_chain_and_entry_and_are_stored_and_logged_once() {
    let scene = Scene::new().await;
    let done = scene.sign(&json!({})).await.unwrap();
    assert_eq!((news(&done), done.uploaded), (vec![true, true], 2));
    let address = done.annotations[TRANSPARENCY].clone();
    assert!(address.starts_with(&format!("{}/api/v1/log/entries?logIndex=", scene.sigstore.url())));
    for (suffix, logged) in [("att", true), ("sig", false)] {
        let layers = scene.layers(suffix).await;
        let [(annotations, bytes)] = layers.as_slice() else { panic!("{suffix}") };
        let certificate = &annotations[annotation::CERTIFICATE_ANNOTATION];
        let certificate = Certificate::from_pem(certificate.as_bytes()).unwrap();
        assert_eq!(certificate.identity().as_deref(), Some("controller@example.test"));
        let above = &annotations[annotation::CHAIN_ANNOTATION];
        assert_eq!(Certificate::all_from_pem(above.as_bytes()).unwrap().len(), 2);
        let key = certificate.public_key().unwrap();
        let holds = match suffix {
            "att" => {
                let envelope = Envelope::parse(bytes).unwrap();
                let signature = envelope.signatures[0].signature.clone().unwrap();
                key.verify(&envelope.signed_bytes(), &signature, HashChoice::Usual)
            }
            _ => {
                let text = &annotations[provost_statement::tag_scheme::SIGNATURE_ANNOTATION];
                key.verify(bytes, &STANDARD.decode(text).unwrap(), HashChoice::Usual)
            }
        };
        assert_eq!(holds, Ok(()));
        let entry = annotations.get(annotation::BUNDLE_ANNOTATION);
        assert_eq!(entry.is_some_and(|text| annotation::log_entry(text).is_ok()), logged, "{suffix}");
    }
    let again = scene.sign(&json!({})).await.unwrap();
    assert_eq!((news(&again), again.uploaded), (vec![false, false], 0));
    assert_eq!((scene.asked(CERTIFICATE), scene.asked(LOG)), (2, 2));
}

#[tokio::test]
async fn another_identity_of_the_same_authority_is_not_ours() {
    let mut scene = Scene::new().await;
    scene.sign(&json!({})).await.unwrap();
    let services = scene.others.services.as_mut().unwrap();
    services.token = Arc::new(|_: &SignerSettings| Ok(token("stranger@example.test")));
    let done = scene.sign(&json!({})).await.unwrap();
    assert_eq!(news(&done), [true, true]);
    scene.config.signers.fulcio = false;
    assert_eq!(news(&scene.sign(&json!({})).await.unwrap()), [true, true], "nor is it the key's");
}

#[tokio::test]
async fn bundles_hold_certificate_and_entry_and_are_made_once() {
    let mut scene = Scene::new().await;
    scene.config.storage.encoding = Encoding::SigstoreBundle;
    let done = scene.sign(&json!({})).await.unwrap();
    assert_eq!((news(&done), done.uploaded), (vec![true, true], 2));
    let listed = scene.store.referrers(&repository(), &scene.digest).await.unwrap();
    assert_eq!(listed.len(), 2);
    for one in listed {
        let manifest = scene.store.manifest(&repository(), &Selector::Digest(one.digest)).await.unwrap();
        let view: ImageManifest = serde_json::from_slice(&manifest.bytes).unwrap();
        let bytes = scene.store.blob(&repository(), &view.layers[0].digest, 1 << 20).await.unwrap();
        let bundle = Bundle::parse(&bytes).unwrap();
        assert_eq!(bundle.entries.len(), 1);
        assert!(matches!(&bundle.signer, BundleSigner::Certificates(list) if list.len() == 1));
    }
    let again = scene.sign(&json!({})).await.unwrap();
    assert_eq!((news(&again), again.uploaded, scene.asked(LOG)), (vec![false, false], 0, 2));
}

#[tokio::test]
async fn manual_upload_is_for_runs_that_ask_for_it_and_once() {
    let mut scene = Scene::new().await;
    scene.config.upload = Upload::OnRequest;
    scene.config.signers.fulcio = false;
    for (annotations, uploaded) in [
        (json!({}), 0),
        (json!({"chains.tekton.dev/transparency-upload": "True"}), 0),
        (json!({"chains.tekton.dev/transparency-upload": "true", TRANSPARENCY: "x"}), 0),
    ] {
        assert_eq!(scene.sign(&annotations).await.unwrap().uploaded, uploaded, "{annotations}");
    }
    scene.key = PrivateKey::generate().unwrap();
    let asked = scene.sign(&json!({"chains.tekton.dev/transparency-upload": "true"})).await.unwrap();
    assert_eq!((asked.uploaded, scene.asked(CERTIFICATE)), (2, 0));
}

#[tokio::test]
async fn where_a_service_is_away_nothing_is_stored() {
    let mut scene = Scene::new().await;
    let (good, away) = (scene.sigstore.url(), "http://127.0.0.1:1".to_owned());
    scene.config.log_url.clone_from(&away);
    let log = scene.sign(&json!({})).await;
    assert!(matches!(log, Err(SignRunError::Vouch(VouchError::Log { .. }))), "{log:?}");
    (scene.config.log_url, scene.config.signers.fulcio_url) = (good, away);
    let fulcio = scene.sign(&json!({})).await;
    assert!(matches!(fulcio, Err(SignRunError::Vouch(VouchError::Certificate { .. }))), "{fulcio:?}");
    let services = scene.others.services.as_mut().unwrap();
    services.token = Arc::new(|_: &SignerSettings| Err("no such file".to_owned()));
    let expected = VouchError::Token("no such file".to_owned());
    assert_eq!(scene.sign(&json!({})).await, Err(SignRunError::Vouch(expected)));
    let listed = scene.store.tags(&repository()).await.unwrap();
    assert_eq!(listed, Vec::<String>::new());
}

/// A registry that is away is noticed before the log is told: a run that is tried for an hour is not logged a hundred times.
#[tokio::test]
async fn a_registry_that_is_away_leaves_no_entry_in_the_log() {
    let scene = Scene::new().await;
    let away = provost_registry::StoreError::Status {
        request: "GET manifest".to_owned(),
        status: 503,
        errors: Vec::new(),
        body: String::new(),
    };
    scene.store.fail_always(testkit::Request::Manifest, away);
    for _ in 0..3 {
        assert!(matches!(scene.sign(&json!({})).await, Err(SignRunError::Place(_))));
    }
    assert_eq!(scene.asked(LOG), 0);
}

#[tokio::test]
async fn each_artifact_is_signed_by_its_own_signer() {
    let mut scene = Scene::new().await;
    scene.config.signers.fulcio = false;
    scene.config.upload = Upload::Off;
    scene.config.images.signer = Word::Kms;
    let unsupported = scene.sign(&json!({})).await;
    assert!(matches!(unsupported, Err(SignRunError::Unsupported { what, .. }) if what == "signer kms"));
    scene.others.kms = Some(Err("signers.kms: no such key".to_owned()));
    let closed = scene.sign(&json!({})).await;
    assert_eq!(closed, Err(SignRunError::Closed("signers.kms: no such key".to_owned())));
    let kms = PrivateKey::generate().unwrap();
    let public = kms.public_key();
    scene.others.kms = Some(Ok(Arc::new(kms)));
    assert_eq!(news(&scene.sign(&json!({})).await.unwrap()), [true, true]);
    let (annotations, payload) = scene.layers("sig").await.remove(0);
    let signature = &annotations[provost_statement::tag_scheme::SIGNATURE_ANNOTATION];
    let signature = STANDARD.decode(signature).unwrap();
    assert_eq!(public.verify(&payload, &signature, HashChoice::Usual), Ok(()));
    let envelope = Envelope::parse(&scene.layers("att").await.remove(0).1).unwrap();
    let signature = envelope.signatures[0].signature.clone().unwrap();
    let holds = scene.key.public_key().verify(&envelope.signed_bytes(), &signature, HashChoice::Usual);
    assert_eq!(holds, Ok(()));
    assert_eq!(news(&scene.sign(&json!({})).await.unwrap()), [false, false]);
}
