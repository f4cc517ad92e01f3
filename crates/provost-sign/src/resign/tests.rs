//! What the old key signed is signed anew in its form, once; what it did not sign, or about another image, never is.

use bytes::Bytes;
use provost_keys::PrivateKey;
use provost_oci::{ImageManifest, Selector, media_type};
use provost_registry::Manifest;
use provost_sigstore::bundle_reading::{Bundle, BundleContent};
use provost_sigstore::bundle_writing::{Content, Material, NewBundle};
use provost_statement::tag_scheme::{ENVELOPE_LAYER, SIGNATURE_ANNOTATION};
use provost_statement::{Envelope, SimpleSigning};
use serde_json::{Value, json};
use testkit::MemoryStore;

use super::*;
use crate::attach::{AttachedLayer, Dedup, attach};
use crate::envelope::{KeyHint, sign_envelope};
use crate::referrer::{BundlePlace, attach_bundle};
use crate::signature::signature_layer;

const CREATED: &str = "2026-01-01T00:00:00Z";

struct Scene {
    store: MemoryStore,
    repository: Repository,
    digest: Digest,
    old: PrivateKey,
    new: PrivateKey,
}

impl Scene {
    async fn new() -> Self {
        let (store, repository) = (MemoryStore::new(), "reg.example/app".parse().unwrap());
        let manifest = Manifest::new(media_type::OCI_MANIFEST, Bytes::from_static(br#"{"schemaVersion":2}"#));
        let digest = manifest.digest.clone();
        store.put_manifest(&repository, &Selector::Digest(digest.clone()), &manifest).await.unwrap();
        let key = || PrivateKey::generate().unwrap();
        Self { store, repository, digest, old: key(), new: key() }
    }

    fn tag(&self, suffix: &str) -> String {
        format!("sha256-{}.{suffix}", self.digest.hex())
    }

    /// A statement about an image with blanks that no writer of ours makes, so that bytes tell.
    fn statement(&self, digest: &Digest, builder: &str) -> Vec<u8> {
        format!(
            r#"{{"_type": "https://in-toto.io/Statement/v0.1",  "predicateType":"https://slsa.dev/provenance/v0.2","subject":[{{"name":"app","digest":{{"sha256":"{}"}}}}],"predicate":{{"builder":{{"id":"{builder}"}}}}}}"#,
            digest.hex()
        )
        .into_bytes()
    }

    async fn attest(&self, statement: &[u8], key: &PrivateKey, hint: KeyHint) {
        let envelope = sign_envelope(statement, key, hint).await.unwrap();
        let empty = |name: &str| (name.to_owned(), String::new());
        let annotations = match hint {
            KeyHint::SshFingerprint => [SIGNATURE_ANNOTATION, "dev.sigstore.cosign/certificate"].map(empty),
            KeyHint::None => [empty(SIGNATURE_ANNOTATION), ("predicateType".to_owned(), "a lie".to_owned())],
        };
        let layer = AttachedLayer {
            media_type: ENVELOPE_LAYER.to_owned(),
            bytes: Bytes::from(envelope.to_json()),
            annotations: annotations.into(),
        };
        attach(&self.store, &self.repository, &self.tag("att"), &layer, Dedup::Never).await.unwrap();
    }

    async fn bundle(&self, statement: &[u8], key: &PrivateKey) {
        let bundle = NewBundle {
            content: Content::Envelope(sign_envelope(statement, key, KeyHint::None).await.unwrap()),
            signer: Material::PublicKey(key.public_key().hint()),
            log_entries: Vec::new(),
            timestamps: Vec::new(),
        };
        let place = BundlePlace {
            image: &self.repository,
            repository: &self.repository,
            digest: &self.digest,
            predicate_type: "https://slsa.dev/provenance/v0.2",
            created: CREATED,
        };
        attach_bundle(&self.store, &place, bundle.to_json()).await.unwrap();
    }

    async fn sign(&self, digest: &Digest, key: &PrivateKey) {
        let payload = SimpleSigning::payload("reg.example/app", digest, &Value::Null);
        let layer = signature_layer(payload, key).await.unwrap();
        attach(&self.store, &self.repository, &self.tag("sig"), &layer, Dedup::Never).await.unwrap();
    }

    async fn resign(&self, only_look: bool) -> Result<Vec<Fate>, ResignError> {
        let (att, sig) = (self.tag("att"), self.tag("sig"));
        let image = Image {
            image: &self.repository,
            repository: &self.repository,
            digest: &self.digest,
            tags: [&att, &sig],
            limit: 1 << 20,
            created: CREATED,
            only_look,
        };
        let found = resign(&self.store, &image, &self.old.public_key(), &self.new).await?;
        Ok(found.into_iter().map(|found| found.fate).collect())
    }

    async fn layers(&self, suffix: &str) -> Vec<(std::collections::BTreeMap<String, String>, Vec<u8>)> {
        let tag = Selector::Tag(self.tag(suffix));
        let manifest = self.store.manifest(&self.repository, &tag).await.unwrap();
        let view: ImageManifest = serde_json::from_slice(&manifest.bytes).unwrap();
        let mut all = Vec::new();
        for layer in view.layers {
            let bytes = self.store.blob(&self.repository, &layer.digest, 1 << 20).await.unwrap();
            all.push((layer.annotations, bytes.to_vec()));
        }
        all
    }
}

fn signed() -> Fate {
    Fate::Signed { predicate_type: Some("https://slsa.dev/provenance/v0.2".to_owned()) }
}

#[tokio::test]
async fn each_form_is_signed_anew_byte_for_byte_and_once() {
    let scene = Scene::new().await;
    let (one, two) = (scene.statement(&scene.digest, "one"), scene.statement(&scene.digest, "two"));
    scene.attest(&one, &scene.old, KeyHint::SshFingerprint).await;
    scene.attest(&two, &scene.old, KeyHint::None).await;
    scene.attest(&two, &scene.old, KeyHint::None).await;
    scene.sign(&scene.digest, &scene.old).await;
    scene.bundle(&one, &scene.old).await;
    let image = Fate::Signed { predicate_type: None };
    let expected = vec![signed(), signed(), Fate::Already, image, signed()];
    assert_eq!(scene.resign(true).await, Ok(expected.clone()), "nothing is written by looking");
    assert_eq!(scene.resign(false).await, Ok(expected));
    let again = scene.resign(false).await.unwrap();
    assert_eq!(again.iter().filter(|fate| **fate == Fate::Already).count(), 5);
    assert_eq!(again.iter().filter(|fate| **fate == Fate::New).count(), 4);

    let layers = scene.layers("att").await;
    assert_eq!(layers.len(), 5);
    let new = scene.new.public_key();
    for ((annotations, bytes), (payload, keyid, other)) in layers[3..].iter().zip([
        (&one, new.ssh_fingerprint(), ("dev.sigstore.cosign/certificate", "")),
        (&two, String::new(), ("predicateType", "https://slsa.dev/provenance/v0.2")),
    ]) {
        let envelope = Envelope::parse(bytes).unwrap();
        assert_eq!((&envelope.payload, &envelope.signatures[0].keyid), (payload, &keyid));
        assert!(holds(&new, &envelope.signed_bytes(), envelope.signatures[0].signature.as_deref().unwrap()));
        assert_eq!(annotations.get(other.0).map(String::as_str), Some(other.1));
    }
    let signatures = scene.layers("sig").await;
    assert_eq!((signatures.len(), &signatures[0].1), (2, &signatures[1].1));
    let listed = scene.store.referrers(&scene.repository, &scene.digest).await.unwrap();
    assert_eq!(listed.len(), 2);
    let bundle = scene.store.manifest(&scene.repository, &Selector::Digest(listed[1].digest.clone())).await;
    let view: ImageManifest = serde_json::from_slice(&bundle.unwrap().bytes).unwrap();
    let bytes = scene.store.blob(&scene.repository, &view.layers[0].digest, 1 << 20).await.unwrap();
    let BundleContent::Envelope(envelope) = Bundle::parse(&bytes).unwrap().content else { panic!() };
    assert_eq!(envelope.payload, one);
}

#[tokio::test]
async fn what_the_old_key_did_not_sign_about_this_image_is_refused_and_stays() {
    let scene = Scene::new().await;
    let (stranger, other) = (PrivateKey::generate().unwrap(), Digest::sha256_of(b"another image"));
    scene.attest(&scene.statement(&scene.digest, "evil"), &stranger, KeyHint::None).await;
    scene.attest(&scene.statement(&other, "copied"), &scene.old, KeyHint::None).await;
    scene.attest(b"{}", &scene.old, KeyHint::None).await;
    scene.sign(&scene.digest, &stranger).await;
    scene.sign(&other, &scene.old).await;
    scene.bundle(&scene.statement(&scene.digest, "evil"), &stranger).await;
    scene.bundle(&scene.statement(&other, "copied"), &scene.old).await;
    let odd = AttachedLayer {
        media_type: "text/plain".to_owned(),
        bytes: Bytes::from_static(b"x"),
        annotations: std::collections::BTreeMap::new(),
    };
    attach(&scene.store, &scene.repository, &scene.tag("att"), &odd, Dedup::Never).await.unwrap();
    let words: Vec<String> = scene
        .resign(false)
        .await
        .unwrap()
        .into_iter()
        .map(|fate| match fate {
            Fate::Refused(refusal) => refusal.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    let nobody = "it is not signed by the old key";
    let beginnings = [
        nobody,
        "the old key signed it, but about another image",
        "the old key signed it, but",
        "it is no signature or attestation that keys sign: text/plain",
        nobody,
        "the old key signed it, but about another image: sha256:",
    ];
    assert_eq!(words.len(), 8);
    for (word, beginning) in words.iter().zip(beginnings) {
        assert!(word.starts_with(beginning), "{word}");
    }
    assert_eq!((scene.layers("att").await.len(), scene.layers("sig").await.len()), (4, 2));
    assert_eq!(scene.store.referrers(&scene.repository, &scene.digest).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_nothing_is_written() {
    let scene = Scene::new().await;
    scene.attest(&scene.statement(&scene.digest, "one"), &scene.old, KeyHint::None).await;
    let away = StoreError::Status {
        request: "GET referrers".to_owned(),
        status: 503,
        errors: Vec::new(),
        body: String::new(),
    };
    scene.store.fail_once(testkit::Request::Referrers, away.clone());
    assert_eq!(scene.resign(false).await, Err(ResignError::Store(away)));
    assert_eq!(scene.layers("att").await.len(), 1);
    let (att, sig) = (scene.tag("att"), scene.tag("sig"));
    let image = Image {
        image: &scene.repository,
        repository: &scene.repository,
        digest: &scene.digest,
        tags: [&att, &sig],
        limit: 10,
        created: CREATED,
        only_look: false,
    };
    let old = scene.old.public_key();
    assert_eq!(resign(&scene.store, &image, &old, &scene.old).await, Err(ResignError::SameKey));
    let long = resign(&scene.store, &image, &old, &scene.new).await.unwrap();
    assert!(matches!(long[0].fate, Fate::Refused(Refusal::TooLong { limit: 10, .. })), "{long:?}");
    let tag = Manifest::new(media_type::OCI_MANIFEST, Bytes::from(json!({"layers": 1}).to_string()));
    scene.store.put_manifest(&scene.repository, &Selector::Tag(sig.clone()), &tag).await.unwrap();
    assert!(matches!(scene.resign(false).await, Err(ResignError::Unreadable { tag, .. }) if tag == sig));
}
