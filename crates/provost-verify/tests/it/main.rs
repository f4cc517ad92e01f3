//! Attestations honest and hostile, one case a line of corpus/attestations, through the whole of find and check.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod ended;
mod memory;
mod rounds;
mod sigstore;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use provost_keys::{HashChoice, PrivateKey};
use provost_oci::{Descriptor, Digest, ImageManifest, Repository, Selector, media_type};
use provost_registry::{Manifest, Store, StoreError};
use provost_statement::IN_TOTO_PAYLOAD;
use provost_statement::envelope::pre_authentication_encoding;
use provost_verify::find::{ENVELOPE_LAYER, MAX_LAYER_BYTES, MAX_LAYERS, SIGNATURE_ANNOTATION, scheme_tag};
use provost_verify::{AttestationReport, FindRequest, Formats, TrustedKey, Unchecked, verify_attestations};
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::MemoryStore;

const CASES: &str = include_str!("../../../../corpus/attestations/cases.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    note: String,
    want: String,
    /// Fields put over the honest statement's; null removes one.
    #[serde(default)]
    payload: BTreeMap<String, Value>,
    /// The signed bytes, instead of a statement.
    raw: Option<String>,
    /// The layer's bytes, instead of an envelope.
    stored: Option<String>,
    #[serde(default = "trusted")]
    signed_by: Vec<String>,
    /// A text in the payload replaced after signing.
    replace_payload: Option<(String, String)>,
    payload_type: Option<String>,
    /// The type the signature covers, where it differs from the one that is stored.
    signed_type: Option<String>,
    /// The signature's text, instead of a real one.
    signature: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    no_annotation: bool,
    #[serde(default = "yes")]
    check_claims: bool,
}

fn trusted() -> Vec<String> {
    vec!["trusted".to_owned()]
}

fn yes() -> bool {
    true
}

struct World {
    store: MemoryStore,
    repository: Repository,
    image: Digest,
    trusted: PrivateKey,
    other: PrivateKey,
}

impl World {
    fn new() -> Self {
        Self {
            store: MemoryStore::new(),
            repository: "reg.example/app".parse().unwrap(),
            image: Digest::sha256_of(b"an image"),
            trusted: PrivateKey::generate().unwrap(),
            other: PrivateKey::generate().unwrap(),
        }
    }

    fn layer(&self, case: &Case) -> (Bytes, BTreeMap<String, String>) {
        let mut annotations = case.annotations.clone();
        if !case.no_annotation {
            annotations.insert(SIGNATURE_ANNOTATION.to_owned(), String::new());
        }
        if let Some(stored) = &case.stored {
            return (Bytes::from(stored.clone()), annotations);
        }
        let mut statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": "https://slsa.dev/provenance/v0.2",
            "subject": [{"name": "a", "digest": {"sha256": "{HEX}"}}],
            "predicate": {"builder": {"id": "b"}},
        });
        for (name, value) in &case.payload {
            statement[name] = value.clone();
            if value.is_null() {
                statement.as_object_mut().unwrap().remove(name);
            }
        }
        let payload =
            case.raw.clone().unwrap_or_else(|| statement.to_string().replace("{HEX}", self.image.hex()));
        let stored_type = case.payload_type.as_deref().unwrap_or(IN_TOTO_PAYLOAD);
        let signed_type = case.signed_type.as_deref().unwrap_or(stored_type);
        let message = pre_authentication_encoding(signed_type, payload.as_bytes());
        let sign = |who: &String| {
            let key = if who == "trusted" { &self.trusted } else { &self.other };
            let text = STANDARD.encode(key.sign(&message).unwrap());
            json!({"sig": case.signature.clone().unwrap_or(text)})
        };
        let signatures: Vec<_> = case.signed_by.iter().map(sign).collect();
        let payload = match &case.replace_payload {
            Some((from, to)) => payload.replace(from, to),
            None => payload,
        };
        let envelope = json!({"payloadType": stored_type, "payload": STANDARD.encode(payload), "signatures": signatures});
        (Bytes::from(envelope.to_string()), annotations)
    }

    async fn store_layers(&self, layers: &[(Bytes, BTreeMap<String, String>)]) {
        let mut descriptors = Vec::new();
        for (bytes, annotations) in layers {
            let mut one = self.store.put_blob(&self.repository, ENVELOPE_LAYER, bytes.clone()).await.unwrap();
            one.annotations = annotations.clone();
            descriptors.push(one);
        }
        self.put(descriptors).await;
    }

    async fn put(&self, layers: Vec<Descriptor>) {
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: media_type::OCI_MANIFEST.to_owned(),
            config: Descriptor::of(media_type::OCI_CONFIG, b"{}"),
            layers,
            annotations: BTreeMap::new(),
            subject: None,
            artifact_type: None,
        };
        let manifest =
            Manifest::new(media_type::OCI_MANIFEST, Bytes::from(serde_json::to_vec(&manifest).unwrap()));
        let tag = Selector::Tag(scheme_tag(&self.image, "att"));
        self.store
            .put_blob(&self.repository, media_type::OCI_CONFIG, Bytes::from_static(b"{}"))
            .await
            .unwrap();
        self.store.put_manifest(&self.repository, &tag, &manifest).await.unwrap();
    }

    async fn verify(&self, check_claims: bool, layer_limit: u64) -> Result<AttestationReport, Unchecked> {
        let request = FindRequest {
            repository: &self.repository,
            image: &self.image,
            formats: Formats::Both,
            layer_limit,
        };
        let trusted = TrustedKey { key: self.trusted.public_key(), hash: HashChoice::Usual }.into();
        verify_attestations(&self.store, &request, &trusted, check_claims).await
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn each_case_ends_as_the_corpus_says() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    run(async {
        for case in &cases {
            let world = World::new();
            world.store_layers(&[world.layer(case)]).await;
            let report = world.verify(case.check_claims, MAX_LAYER_BYTES).await.unwrap();
            let refused = report.refused.iter().map(|r| r.reason.code());
            let found: Vec<_> = refused.chain(report.ignored.iter().map(|i| i.reason.code())).collect();
            let expected: &[&str] = if case.want == "verified" { &[] } else { &[&case.want] };
            assert_eq!(found, expected, "{}", case.note);
            assert_eq!(report.verified.len(), usize::from(case.want == "verified"), "{}", case.note);
            assert_eq!(!report.refused.is_empty(), case.want == "statement-refused", "{}", case.note);
        }
    });
}

#[test]
fn no_attestation_is_an_empty_report_and_an_outage_is_not() {
    run(async {
        let world = World::new();
        let report = world.verify(true, MAX_LAYER_BYTES).await.unwrap();
        assert!(report.verified.is_empty() && report.refused.is_empty() && report.ignored.is_empty());
        let down =
            StoreError::Status { request: "GET x".into(), status: 503, errors: vec![], body: String::new() };
        world.store.fail_always(testkit::Request::Manifest, down.clone());
        assert_eq!(world.verify(true, MAX_LAYER_BYTES).await.unwrap_err(), Unchecked::Store(down));
    });
}

#[test]
fn a_missing_blob_is_no_missing_attestation() {
    run(async {
        let world = World::new();
        let honest: Vec<Case> = serde_json::from_str(CASES).unwrap();
        world.store_layers(&[world.layer(&honest[0])]).await;
        let gone = StoreError::NotFound {
            request: "GET x".into(),
            status: 404,
            errors: vec![],
            body: String::new(),
        };
        world.store.fail_always(testkit::Request::Blob, gone);
        assert!(matches!(world.verify(true, MAX_LAYER_BYTES).await, Err(Unchecked::Store(_))));
    });
}

#[test]
fn counts_and_sizes_end_at_their_limits() {
    run(async {
        let world = World::new();
        let one = Descriptor::of(ENVELOPE_LAYER, b"x");
        world.store.put_blob(&world.repository, ENVELOPE_LAYER, Bytes::from_static(b"x")).await.unwrap();
        world.put(vec![one; MAX_LAYERS + 1]).await;
        let error = world.verify(true, MAX_LAYER_BYTES).await.unwrap_err();
        assert_eq!(error, Unchecked::TooManyLayers { found: 1001, limit: 1000 });
        let world = World::new();
        world.store_layers(&[(Bytes::from_static(b"12345"), BTreeMap::new())]).await;
        assert_eq!(world.verify(true, 4).await.unwrap_err(), Unchecked::LayerTooLarge { found: 5, limit: 4 });
    });
}

#[test]
fn a_predicate_that_is_no_object_concerns_its_own_type_only() {
    run(async {
        let case = |kind: &str, predicate: &str| -> Case {
            let text = format!(
                r#"{{"note": "", "want": "", "payload": {{"predicateType": "{kind}", "predicate": {predicate}}}}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        for (kind, predicate, concerns) in [
            ("https://example.com/a", "\"text\"", true),
            ("https://example.com/b", "\"text\"", false),
            ("https://example.com/a", "[]", true),
            ("https://spdx.dev/Document", "\"SPDXVersion: SPDX-2.3\"", false),
        ] {
            let world = World::new();
            world.store_layers(&[world.layer(&case(kind, predicate))]).await;
            let report = world.verify(true, MAX_LAYER_BYTES).await.unwrap();
            let asked = if kind == "https://spdx.dev/Document" { kind } else { "https://example.com/a" };
            assert_eq!(report.refused[0].reason.concerns(asked), concerns, "{kind} {predicate}");
        }
    });
}
