//! An image, whoever signs it in every form that policies know, and a Sigstore of the tests' own.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use provost_expr::environment::Clock;
use provost_expr::go_time::Instant;
use provost_kyverno::{
    Access, Anchors, KeyServices, Objects, Request, Settings, Stores, World, judge, load, message,
};
use provost_oci::{Descriptor, Digest, ImageManifest, Repository, Selector, media_type};
use provost_registry::{Manifest, Store};
use provost_sign::attach::{AttachedLayer, Dedup, attach};
use provost_sigstore::annotation::{BUNDLE_ANNOTATION, CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION};
use provost_sigstore::trust_root::TrustMaterial;
use provost_statement::envelope::pre_authentication_encoding;
use provost_statement::{IN_TOTO_PAYLOAD, SimpleSigning};
use provost_verify::find::{ENVELOPE_LAYER, SIGNATURE_ANNOTATION, scheme_tag};
use serde_json::{Value, json};
use testkit::MemoryStore;
use testkit::authority::{AltName, Authority, CertificateSpec, SigningKey, certificate, pem};

pub(super) const NOW: i64 = 1_780_000_000;
pub(super) const DAY: i64 = 24 * 3600;
pub(super) const ISSUER: &str = "https://issuer.example.test";
pub(super) const NAME: &str = "dev@example.test";
pub(super) const TYPE: &str = "https://slsa.dev/provenance/v1";
/// cosign's kind of referrers that hold signatures.
pub(super) const REFERRED_SIGNATURE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
pub(super) const SIGNATURE_LAYER: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

pub(super) fn repository() -> Repository {
    "reg.example/app".parse().unwrap()
}

/// Says that it is a day after everything was signed.
pub(super) struct Later;

impl Clock for Later {
    fn now(&self) -> Instant {
        Instant::from_unix(NOW + DAY)
    }
}

/// An image, whoever signs it, and a Sigstore.
pub(super) struct Scene {
    pub(super) authority: Authority,
    pub(super) key: SigningKey,
    pub(super) certificate: Vec<u8>,
    pub(super) store: Arc<MemoryStore>,
    pub(super) image: Digest,
    pub(super) trusting: bool,
    pub(super) services: Option<Arc<dyn KeyServices>>,
}

pub(super) struct Registries(Arc<MemoryStore>);

impl Stores for Registries {
    fn store(&self, _: &str, _: &Access) -> Result<Arc<dyn Store>, String> {
        Ok(Arc::clone(&self.0) as Arc<dyn Store>)
    }
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    Digest::sha256_of(bytes).hex().to_owned()
}

impl Scene {
    pub(super) async fn new() -> Self {
        let authority = Authority::new(NOW);
        let key = SigningKey::generate();
        let spec = authority.spec(AltName::Email(NAME.to_owned()), ISSUER, NOW);
        let certificate = authority.issue(&spec.with_claim(5, "org/app"), &key.spki());
        let store = Arc::new(MemoryStore::new());
        let image = put(&store, b"{}", Vec::new(), None, None).await;
        Self { authority, key, certificate, store, image, trusting: true, services: None }
    }

    pub(super) fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    pub(super) fn log_pem(&self) -> String {
        self.authority.log.key.public_pem()
    }

    pub(super) fn payload(&self) -> (Vec<u8>, Vec<u8>) {
        let payload = SimpleSigning::payload("reg.example/app", &self.image, &json!({"env": "prod"}));
        let signature = self.key.sign(&payload);
        (payload, signature)
    }

    /// What lies beside a signature over these bytes by a certificate that the log has seen.
    pub(super) fn beside(&self, log_body: &[u8]) -> BTreeMap<String, String> {
        BTreeMap::from([
            (CERTIFICATE_ANNOTATION.to_owned(), self.certificate_pem()),
            (CHAIN_ANNOTATION.to_owned(), self.authority.chain_pem()),
            (BUNDLE_ANNOTATION.to_owned(), self.authority.log.append(log_body, NOW + 1).for_annotation()),
        ])
    }

    /// The layer of an image signature; with a certificate, or by the key alone.
    pub(super) fn signature_layer(&self, certified: bool) -> AttachedLayer {
        let (payload, signature) = self.payload();
        let signer = if certified { self.certificate_pem() } else { self.key.public_pem() };
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": {"hash": {"algorithm": "sha256", "value": sha256(&payload)}},
                "signature": {
                    "content": STANDARD.encode(&signature),
                    "publicKey": {"content": STANDARD.encode(signer)},
                },
            },
        });
        let mut annotations = self.beside(body.to_string().as_bytes());
        if !certified {
            annotations.retain(|name, _| name == BUNDLE_ANNOTATION);
        }
        annotations.insert(SIGNATURE_ANNOTATION.to_owned(), STANDARD.encode(&signature));
        AttachedLayer { media_type: SIGNATURE_LAYER.to_owned(), bytes: Bytes::from(payload), annotations }
    }

    pub(super) fn envelope(&self) -> (Value, Vec<u8>, Vec<u8>) {
        let payload = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "app", "digest": {"sha256": self.image.hex()}}],
            "predicateType": TYPE,
            "predicate": {"runDetails": {"builder": {"id": "b"}}},
        });
        let payload = payload.to_string().into_bytes();
        let signature = self.key.sign(&pre_authentication_encoding(IN_TOTO_PAYLOAD, &payload));
        let envelope = json!({
            "payload": STANDARD.encode(&payload),
            "payloadType": IN_TOTO_PAYLOAD,
            "signatures": [{"sig": STANDARD.encode(&signature)}],
        });
        (envelope, payload, signature)
    }

    pub(super) fn dsse(&self) -> (Value, Vec<u8>, Vec<u8>) {
        let (envelope, payload, signature) = self.envelope();
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": {"algorithm": "sha256", "value": sha256(envelope.to_string().as_bytes())},
                "payloadHash": {"algorithm": "sha256", "value": sha256(&payload)},
                "signatures": [{
                    "signature": STANDARD.encode(&signature),
                    "verifier": STANDARD.encode(self.certificate_pem()),
                }],
            },
        });
        (envelope, body.to_string().into_bytes(), signature)
    }

    pub(super) async fn sign(&self, certified: bool) {
        let tag = scheme_tag(&self.image, "sig");
        let layer = self.signature_layer(certified);
        attach(self.store.as_ref(), &repository(), &tag, &layer, Dedup::Never).await.unwrap();
    }

    pub(super) async fn attest(&self) {
        let (envelope, body, _) = self.dsse();
        let mut annotations = self.beside(&body);
        annotations.insert(SIGNATURE_ANNOTATION.to_owned(), String::new());
        let bytes = Bytes::from(envelope.to_string());
        let layer = AttachedLayer { media_type: ENVELOPE_LAYER.to_owned(), bytes, annotations };
        let tag = scheme_tag(&self.image, "att");
        attach(self.store.as_ref(), &repository(), &tag, &layer, Dedup::Never).await.unwrap();
    }

    pub(super) async fn attest_as_bundle(&self) {
        let (envelope, body, _) = self.dsse();
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": STANDARD.encode(&self.certificate)},
                "tlogEntries": [self.authority.log.append(&body, NOW + 1).for_bundle("dsse", "0.0.1")],
            },
            "dsseEnvelope": envelope,
        });
        let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
        let bytes = bundle.to_string().into_bytes();
        put(&self.store, b"{}", vec![(kind, bytes, BTreeMap::new())], Some(&self.image), Some(kind)).await;
    }

    pub(super) async fn sign_by_referrer(&self) {
        let AttachedLayer { bytes, annotations, .. } = self.signature_layer(false);
        let layers = vec![(SIGNATURE_LAYER, bytes.to_vec(), annotations)];
        put(&self.store, b"{}", layers, Some(&self.image), Some(REFERRED_SIGNATURE)).await;
    }

    /// Signs an artifact in the way of the Notary Project, with a certificate that still holds.
    pub(super) async fn notarize(&self, target: &Digest) {
        let spec = CertificateSpec::leaf(Vec::new(), NOW - 100, NOW + 2 * DAY);
        let spec = CertificateSpec { purposes: vec![certificate::CODE_SIGNING.to_vec()], ..spec };
        let leaf = self.authority.intermediate.issue(&spec, &self.key.spki());
        let which = Selector::Digest(target.clone());
        let target = self.store.manifest(&repository(), &which).await.unwrap().descriptor();
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let protected = part(json!({
            "alg": "ES256",
            "cty": "application/vnd.cncf.notary.payload.v1+json",
            "crit": ["io.cncf.notary.signingScheme"],
            "io.cncf.notary.signingScheme": "notary.x509",
            "io.cncf.notary.signingTime": "2026-05-28T20:26:40Z",
        }));
        let payload = part(json!({"targetArtifact": {
            "mediaType": target.media_type, "digest": target.digest.to_string(), "size": target.size,
        }}));
        let signature = self.key.sign_fixed(format!("{protected}.{payload}").as_bytes());
        let envelope = json!({
            "payload": payload,
            "protected": protected,
            "header": {"x5c": [
                STANDARD.encode(leaf), STANDARD.encode(&self.authority.intermediate.certificate),
            ]},
            "signature": URL_SAFE_NO_PAD.encode(signature),
        });
        let layers = vec![("application/jose+json", envelope.to_string().into_bytes(), BTreeMap::new())];
        let kind = Some("application/vnd.cncf.notary.signature");
        put(&self.store, b"{}", layers, Some(&target.digest), kind).await;
    }

    /// What a policy with this entry says of the image: nothing where it passes.
    pub(super) async fn judged(&self, entry: &Value) -> Option<String> {
        let mut entry = entry.clone();
        for (name, value) in [("failureAction", json!("Enforce")), ("imageReferences", json!(["*"]))] {
            entry.as_object_mut().unwrap().insert(name.to_owned(), value);
        }
        let policy = json!({
            "apiVersion": "kyverno.io/v1",
            "kind": "ClusterPolicy",
            "metadata": {"name": "p"},
            "spec": {"background": false, "rules": [{
                "name": "r",
                "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                "verifyImages": [entry],
            }]},
        });
        let found = load("p", &[policy]);
        assert!(found.refused.is_empty(), "{:?}", found.refused);
        let root = self.authority.trusted_root().to_string();
        let material = TrustMaterial::from_trusted_root(root.as_bytes()).unwrap();
        let anchors = Anchors {
            material: if self.trusting { material } else { TrustMaterial::default() },
            services: self.services.clone(),
            ..Anchors::default()
        };
        let (stores, cluster, settings) =
            (Registries(Arc::clone(&self.store)), Objects::new(Vec::new()), Settings::default());
        let world = World {
            cluster: &cluster,
            stores: &stores,
            settings: &settings,
            clock: Some(&Later),
            random: None,
            resolver: None,
            anchors: Some(&anchors),
        };
        let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
        let resource = json!({"group": "", "version": "v1", "resource": "pods"});
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "name": "x", "namespace": "n", "operation": "CREATE", "userInfo": {"username": "u", "groups": []},
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "n"},
                "spec": {"containers": [{"name": "a", "image": format!("reg.example/app@{}", self.image)}]}},
        }});
        let request = Request::of_review(&review).unwrap();
        let judgement = judge(&world, &found.policies, &[], &request).await;
        judgement.denied_by_verifying().then(|| message::of(&judgement.policies[0].verified[0]))
    }
}

pub(super) type Layers<'a> = Vec<(&'a str, Vec<u8>, BTreeMap<String, String>)>;

pub(super) async fn put(
    store: &MemoryStore,
    config: &'static [u8],
    layers: Layers<'_>,
    subject: Option<&Digest>,
    artifact_type: Option<&str>,
) -> Digest {
    let repository = repository();
    let config: Descriptor =
        store.put_blob(&repository, media_type::OCI_CONFIG, Bytes::from_static(config)).await.unwrap();
    let mut listed = Vec::new();
    for (kind, bytes, annotations) in layers {
        let mut layer = store.put_blob(&repository, kind, Bytes::from(bytes)).await.unwrap();
        layer.annotations = annotations;
        listed.push(layer);
    }
    let subject = match subject {
        Some(digest) => {
            let manifest = store.manifest(&repository, &Selector::Digest(digest.clone())).await.unwrap();
            Some(manifest.descriptor())
        }
        None => None,
    };
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: media_type::OCI_MANIFEST.to_owned(),
        config,
        layers: listed,
        annotations: BTreeMap::new(),
        subject,
        artifact_type: artifact_type.map(str::to_owned),
    };
    let bytes = Bytes::from(serde_json::to_vec(&manifest).unwrap());
    let digest = Digest::sha256_of(&bytes);
    let manifest = Manifest::new(media_type::OCI_MANIFEST, bytes);
    store.put_manifest(&repository, &Selector::Digest(digest.clone()), &manifest).await.unwrap();
    digest
}
