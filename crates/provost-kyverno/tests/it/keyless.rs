//! Attestors by certificate and identity, with logs, timestamps and bundles, against a Sigstore of the tests' own.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use provost_expr::environment::Clock;
use provost_expr::go_time::Instant;
use provost_keys::PublicKey;
use provost_kyverno::{
    Access, Anchors, KeyServices, Objects, Request, ServiceError, Settings, Stores, World, judge, load,
    message,
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

const NOW: i64 = 1_780_000_000;
const DAY: i64 = 24 * 3600;
const ISSUER: &str = "https://issuer.example.test";
const NAME: &str = "dev@example.test";
const TYPE: &str = "https://slsa.dev/provenance/v1";
/// cosign's kind of referrers that hold signatures.
const REFERRED_SIGNATURE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
const SIGNATURE_LAYER: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

fn repository() -> Repository {
    "reg.example/app".parse().unwrap()
}

/// Says that it is a day after everything was signed.
struct Later;

impl Clock for Later {
    fn now(&self) -> Instant {
        Instant::from_unix(NOW + DAY)
    }
}

/// An image, whoever signs it, and a Sigstore.
struct Scene {
    authority: Authority,
    key: SigningKey,
    certificate: Vec<u8>,
    store: Arc<MemoryStore>,
    image: Digest,
    trusting: bool,
    services: Option<Arc<dyn KeyServices>>,
}

struct Registries(Arc<MemoryStore>);

impl Stores for Registries {
    fn store(&self, _: &str, _: &Access) -> Result<Arc<dyn Store>, String> {
        Ok(Arc::clone(&self.0) as Arc<dyn Store>)
    }
}

fn sha256(bytes: &[u8]) -> String {
    Digest::sha256_of(bytes).hex().to_owned()
}

impl Scene {
    async fn new() -> Self {
        let authority = Authority::new(NOW);
        let key = SigningKey::generate();
        let spec = authority.spec(AltName::Email(NAME.to_owned()), ISSUER, NOW);
        let certificate = authority.issue(&spec.with_claim(5, "org/app"), &key.spki());
        let store = Arc::new(MemoryStore::new());
        let image = put(&store, b"{}", Vec::new(), None, None).await;
        Self { authority, key, certificate, store, image, trusting: true, services: None }
    }

    fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    fn log_pem(&self) -> String {
        self.authority.log.key.public_pem()
    }

    fn payload(&self) -> (Vec<u8>, Vec<u8>) {
        let payload = SimpleSigning::payload("reg.example/app", &self.image, &json!({"env": "prod"}));
        let signature = self.key.sign(&payload);
        (payload, signature)
    }

    /// What lies beside a signature over these bytes by a certificate that the log has seen.
    fn beside(&self, log_body: &[u8]) -> BTreeMap<String, String> {
        BTreeMap::from([
            (CERTIFICATE_ANNOTATION.to_owned(), self.certificate_pem()),
            (CHAIN_ANNOTATION.to_owned(), self.authority.chain_pem()),
            (BUNDLE_ANNOTATION.to_owned(), self.authority.log.append(log_body, NOW + 1).for_annotation()),
        ])
    }

    /// The layer of an image signature; with a certificate, or by the key alone.
    fn signature_layer(&self, certified: bool) -> AttachedLayer {
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

    fn envelope(&self) -> (Value, Vec<u8>, Vec<u8>) {
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

    fn dsse(&self) -> (Value, Vec<u8>, Vec<u8>) {
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

    async fn sign(&self, certified: bool) {
        let tag = scheme_tag(&self.image, "sig");
        let layer = self.signature_layer(certified);
        attach(self.store.as_ref(), &repository(), &tag, &layer, Dedup::Never).await.unwrap();
    }

    async fn attest(&self) {
        let (envelope, body, _) = self.dsse();
        let mut annotations = self.beside(&body);
        annotations.insert(SIGNATURE_ANNOTATION.to_owned(), String::new());
        let bytes = Bytes::from(envelope.to_string());
        let layer = AttachedLayer { media_type: ENVELOPE_LAYER.to_owned(), bytes, annotations };
        let tag = scheme_tag(&self.image, "att");
        attach(self.store.as_ref(), &repository(), &tag, &layer, Dedup::Never).await.unwrap();
    }

    async fn attest_as_bundle(&self) {
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

    async fn sign_by_referrer(&self) {
        let AttachedLayer { bytes, annotations, .. } = self.signature_layer(false);
        let layers = vec![(SIGNATURE_LAYER, bytes.to_vec(), annotations)];
        put(&self.store, b"{}", layers, Some(&self.image), Some(REFERRED_SIGNATURE)).await;
    }

    /// Signs an artifact in the way of the Notary Project, with a certificate that still holds.
    async fn notarize(&self, target: &Digest) {
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
    async fn judged(&self, entry: &Value) -> Option<String> {
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

type Layers<'a> = Vec<(&'a str, Vec<u8>, BTreeMap<String, String>)>;

async fn put(
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

fn signed(attestor: &Value) -> Value {
    json!({"attestors": [{"entries": [attestor]}]})
}

fn attested(attestor: &Value) -> Value {
    json!({"attestations": [{"type": TYPE, "attestors": [{"entries": [attestor]}]}]})
}

fn keyless(fields: &Value) -> Value {
    let mut keyless = json!({"rekor": {"url": "https://rekor.example.test"}});
    for (name, value) in fields.as_object().unwrap() {
        keyless[name] = value.clone();
    }
    json!({"keyless": keyless})
}

/// Cases 26 and 27 of the catalogue, in the words of policies: the identity decides, and wildcards are the author's.
#[tokio::test]
async fn identities_are_compared_as_kyverno_compares_them() {
    let scene = Scene::new().await;
    scene.sign(true).await;
    scene.attest().await;
    let good = [
        json!({"subject": NAME, "issuer": ISSUER}),
        json!({"subject": "*@example.test", "issuer": "https://issuer.*"}),
        json!({"subjectRegExp": "^dev@example\\.test$", "issuerRegExp": "^https://issuer\\."}),
        json!({"subject": "nobody", "subjectRegExp": "dev@", "issuer": ISSUER}),
        json!({"subject": NAME, "issuer": ISSUER, "additionalExtensions": {"githubWorkflowRepository": "org/*"}}),
        json!({"subject": NAME, "issuer": ISSUER, "additionalExtensions": {"1.3.6.1.4.1.57264.1.5": "org/app"}}),
        json!({}),
    ];
    for identity in good {
        assert_eq!(scene.judged(&signed(&keyless(&identity))).await, None, "{identity}");
        assert_eq!(scene.judged(&attested(&keyless(&identity))).await, None, "{identity}");
    }
    let bad = [
        (
            json!({"subject": "dev@example.tes", "issuer": ISSUER}),
            "subject mismatch: expected dev@example.tes, received dev@example.test",
        ),
        (
            json!({"subject": NAME, "issuer": "https://evil.test"}),
            "issuer mismatch: expected https://evil.test, received https://issuer.example.test",
        ),
        (
            json!({"subject": NAME, "issuer": ISSUER, "issuerRegExp": "evil"}),
            "issuer mismatch: expected evil, received https://issuer.example.test",
        ),
        (
            json!({"subject": NAME, "additionalExtensions": {"githubWorkflowRepository": "evil"}}),
            "extension mismatch: expected evil for key githubWorkflowRepository, received org/app",
        ),
        (json!({"additionalExtensions": {"x": "y"}}), "invalid certificate extension x"),
        (json!({"subjectRegExp": "("}), "invalid regexp for subject: ( : error parsing regexp"),
    ];
    for (identity, words) in bad {
        let said = scene.judged(&signed(&keyless(&identity))).await.unwrap_or_default();
        assert!(said.contains(&format!(".attestors[0].entries[0].keyless: {words}")), "{identity}: {said}");
        let said = scene.judged(&attested(&keyless(&identity))).await.unwrap_or_default();
        assert!(said.contains(&format!("requiredCount: 1, error: {words}")), "{identity}: {said}");
    }
}

/// Without a trusted root nothing is known, and nothing is fetched: what the policy names itself suffices.
#[tokio::test]
async fn without_a_trusted_root_the_policy_must_name_its_own() {
    let mut scene = Scene::new().await;
    scene.sign(true).await;
    scene.trusting = false;
    let roots = scene.authority.chain_pem();
    let log = json!({"url": "https://rekor.example.test", "pubkey": scene.log_pem()});
    let sct = json!({"pubkey": scene.authority.ct_log.public_pem()});
    for (fields, words) in [
        (
            json!({"subject": NAME}),
            "failed to get roots from fulcio: no trusted root is at hand, and none is fetched while judging: expected --trusted-root FILE",
        ),
        (json!({"roots": roots}), "failed to load Rekor public keys: no trusted root is at hand"),
        (
            json!({"roots": roots, "rekor": log}),
            "failed to load CTLogs public keys: no trusted root is at hand",
        ),
        (json!({"roots": "x"}), "failed to load Root certificates: "),
        (
            json!({"roots": roots, "rekor": {"pubkey": "x"}}),
            "failed to load Rekor public keys: failed to get rekor public keys: ",
        ),
    ] {
        let said = scene.judged(&signed(&keyless(&fields))).await.unwrap_or_default();
        assert!(said.contains(words), "{fields}: {said}");
    }
    let own = json!({"roots": roots, "rekor": log, "ctlog": sct, "subject": NAME, "issuer": ISSUER});
    assert_eq!(scene.judged(&signed(&keyless(&own))).await, None);
    // Case 34: a log of somebody else's.
    let stranger = Authority::new(NOW);
    let other = json!({"roots": roots, "rekor": {"pubkey": stranger.log.key.public_pem()}, "ctlog": sct});
    let said = scene.judged(&signed(&keyless(&other))).await.unwrap_or_default();
    assert!(said.contains("rekor log public key not found for payload"), "{said}");
    // Case 30: an authority of somebody else's, and CT logs.
    let other = json!({"roots": stranger.chain_pem(), "rekor": log, "ctlog": {"ignoreSCT": true}});
    let said = scene.judged(&signed(&keyless(&other))).await.unwrap_or_default();
    assert!(said.contains("no matching signatures: cert verification failed"), "{said}");
    let other = json!({"roots": roots, "rekor": log, "ctlog": {"pubkey": stranger.ct_log.public_pem()}});
    let said = scene.judged(&signed(&keyless(&other))).await.unwrap_or_default();
    assert!(said.contains("ctfe public key not found for payload"), "{said}");
}

/// Case 29: with the log ignored an ended certificate needs another time.
#[tokio::test]
async fn an_ended_certificate_needs_a_trusted_time() {
    let scene = Scene::new().await;
    scene.sign(true).await;
    let ignoring = keyless(&json!({"subject": NAME, "issuer": ISSUER, "rekor": {"ignoreTlog": true}}));
    let said = scene.judged(&signed(&ignoring)).await.unwrap_or_default();
    assert!(said.contains("expected a signed timestamp to verify an expired certificate"), "{said}");
    // A certificate that is named is a key whose days count, too.
    let ctlog = json!({"ignoreSCT": true});
    let named = |rekor: Value| json!({"certificates": {"cert": scene.certificate_pem(), "rekor": rekor, "ctlog": ctlog}});
    assert_eq!(scene.judged(&signed(&named(json!({"url": "u"})))).await, None);
    let said = scene.judged(&signed(&named(json!({"ignoreTlog": true})))).await.unwrap_or_default();
    assert!(said.contains(".certificates: no matching signatures: expected a signed timestamp"), "{said}");
}

#[tokio::test]
async fn certificates_are_held_against_their_chain() {
    let scene = Scene::new().await;
    scene.sign(true).await;
    let with = |fields: Value| {
        let mut one = json!({"rekor": {"url": "u"}, "ctlog": {"ignoreSCT": true}});
        for (name, value) in fields.as_object().unwrap() {
            one[name] = value.clone();
        }
        signed(&json!({ "certificates": one }))
    };
    let (cert, chain) = (scene.certificate_pem(), scene.authority.chain_pem());
    let stranger = Authority::new(NOW).chain_pem();
    assert_eq!(scene.judged(&with(json!({"cert": cert, "certChain": chain}))).await, None);
    assert_eq!(scene.judged(&with(json!({"certChain": chain}))).await, None);
    assert_eq!(scene.judged(&with(json!({"cert": STANDARD.encode(&cert), "certChain": chain}))).await, None);
    for (fields, words) in [
        (json!({"cert": cert, "certChain": stranger}), "failed to load validate certificate chain: "),
        (json!({"certChain": stranger}), "no matching signatures: cert verification failed"),
        (json!({"cert": "x", "certChain": chain}), "failed to load certificate from x: "),
        (
            json!({"cert": cert, "certChain": chain.repeat(6)}),
            "certificate chain too long (12), maximum allowed is 11",
        ),
    ] {
        let said = scene.judged(&with(fields.clone())).await.unwrap_or_default();
        assert!(said.contains(words), "{fields}: {said}");
    }
}

/// A key may ask for the log, and for signatures among the referrers.
#[tokio::test]
async fn keys_ask_for_logs_and_referrers() {
    let scene = Scene::new().await;
    let pem = scene.key.public_pem();
    let key = |rekor: Value| json!({"keys": {"publicKeys": pem, "rekor": rekor}});
    scene.sign_by_referrer().await;
    let said = scene.judged(&signed(&key(json!({"ignoreTlog": true})))).await.unwrap_or_default();
    assert!(said.contains("no signatures found"), "{said}");
    let mut experimental = signed(&key(json!({"url": "u"})));
    experimental["cosignOCI11"] = json!(true);
    assert_eq!(scene.judged(&experimental).await, None);
    experimental["attestors"][0]["entries"][0]["annotations"] = json!({"env": "test"});
    let said = scene.judged(&experimental).await.unwrap_or_default();
    assert!(said.contains("no signature matched the required annotations"), "{said}");
    scene.sign(false).await;
    assert_eq!(scene.judged(&signed(&key(json!({"url": "u"})))).await, None);
    let other = key(json!({"pubkey": Authority::new(NOW).log.key.public_pem()}));
    assert!(scene.judged(&signed(&other)).await.is_some());
}

#[tokio::test]
async fn bundles_are_signatures_and_attestations() {
    let scene = Scene::new().await;
    scene.attest_as_bundle().await;
    let bundled = |mut entry: Value| {
        entry["type"] = json!("SigstoreBundle");
        entry
    };
    let good = keyless(&json!({"subject": NAME, "issuer": ISSUER}));
    assert_eq!(scene.judged(&bundled(signed(&good))).await, None);
    assert_eq!(scene.judged(&bundled(attested(&good))).await, None);
    for fields in [
        json!({"subject": "*@example.test", "issuer": ISSUER}),
        json!({"subject": NAME, "issuer": "https://evil.test"}),
        // Kyverno asks for nobody where only one of the two is named.
        json!({"subject": "evil"}),
        json!({"subject": NAME, "issuer": ISSUER, "additionalExtensions": {"githubWorkflowRepository": "x"}}),
        json!({"subject": NAME, "issuer": ISSUER, "rekor": {"pubkey": Authority::new(NOW).log.key.public_pem()}}),
    ] {
        for entry in [signed(&keyless(&fields)), attested(&keyless(&fields))] {
            let said = scene.judged(&bundled(entry)).await.unwrap_or_default();
            let words = "sigstore bundle verification failed: no matching signatures found";
            assert!(said.contains(words), "{fields}: {said}");
        }
    }
    let certificates = json!({"certificates": {"certChain": scene.authority.chain_pem()}});
    let said = scene.judged(&bundled(signed(&certificates))).await.unwrap_or_default();
    assert!(said.contains("certificates with type: SigstoreBundle is not supported"), "{said}");
    let untimed = keyless(&json!({"subject": NAME, "issuer": ISSUER, "ctlog": {"ignoreSCT": true}}));
    assert!(scene.judged(&bundled(signed(&untimed))).await.is_some());
}

/// Annotations are the payload's of an image signature; no attestation has them.
#[tokio::test]
async fn annotations_of_attestations_never_match() {
    let scene = Scene::new().await;
    scene.attest().await;
    let mut entry = attested(&keyless(&json!({"subject": NAME, "issuer": ISSUER})));
    entry["annotations"] = json!({"env": "prod"});
    let said = scene.judged(&entry).await.unwrap_or_default();
    assert!(said.contains("no signature matched the required annotations"), "{said}");
}

#[tokio::test]
async fn notary_signatures_and_attested_artifacts() {
    let scene = Scene::new().await;
    let root = pem("CERTIFICATE", &scene.authority.root.certificate);
    let stranger = pem("CERTIFICATE", &Authority::new(NOW).root.certificate);
    let by = |root: &str| json!({"certificates": {"cert": root}});
    let notary = |mut entry: Value| {
        entry["type"] = json!("Notary");
        entry
    };
    let said = scene.judged(&notary(signed(&by(&root)))).await.unwrap_or_default();
    let words = "failed to verify image reg.example/app@";
    assert!(said.starts_with(words) && said.contains(".attestors[0].entries[0]: failed to verify"), "{said}");
    assert!(said.contains("no signature is associated with the artifact"), "{said}");
    scene.notarize(&scene.image).await;
    assert_eq!(scene.judged(&notary(signed(&by(&root)))).await, None);
    let said = scene.judged(&notary(signed(&by(&stranger)))).await.unwrap_or_default();
    assert!(said.contains("leads to no certificate of the trust store"), "{said}");
    let said = scene.judged(&notary(signed(&by("x")))).await.unwrap_or_default();
    assert!(said.contains("failed to parse certificates: "), "{said}");
    // What nobody signed says nothing, and all that is signed must hold.
    let wanted = |root: &str| {
        let all =
            json!([{"all": [{"key": "{{ ok }}", "operator": "Equals", "value": true, "message": "not ok"}]}]);
        let mut entry = attested(&by(root));
        entry["attestations"][0]["type"] = json!("sbom/x");
        entry["attestations"][0]["conditions"] = all;
        notary(entry)
    };
    let said = scene.judged(&wanted(&root)).await.unwrap_or_default();
    assert!(said.contains("no matching attestations found for image reg.example/app@"), "{said}");
    let attach = |text: &'static str| {
        let layers = vec![("application/json", text.as_bytes().to_vec(), BTreeMap::new())];
        put(&scene.store, b"{}", layers, Some(&scene.image), Some("sbom/x"))
    };
    attach(r#"{"ok": false, "by": "nobody"}"#).await;
    assert!(scene.judged(&wanted(&root)).await.unwrap_or_default().contains("no signature is associated"));
    let good = attach(r#"{"ok": true}"#).await;
    scene.notarize(&good).await;
    assert_eq!(scene.judged(&wanted(&root)).await, None);
    assert!(scene.judged(&wanted(&stranger)).await.is_some());
    let bad = attach(r#"{"ok": false}"#).await;
    scene.notarize(&bad).await;
    let said = scene.judged(&wanted(&root)).await.unwrap_or_default();
    assert!(said.contains("attestation checks failed") && said.contains("not ok"), "{said}");
}

struct Vault(PublicKey);

#[async_trait::async_trait]
impl KeyServices for Vault {
    async fn public_key(&self, reference: &str) -> Result<PublicKey, ServiceError> {
        match reference {
            "hashivault://app" => Ok(self.0.clone()),
            "awskms://x" => Err(ServiceError::NotAllowed("not enabled".to_owned())),
            other => Err(ServiceError::Failed(format!("no key {other}"))),
        }
    }
}

/// Rule 23: services are asked only where the operator gave them.
#[tokio::test]
async fn keys_in_services_are_opened_only_where_allowed() {
    let mut scene = Scene::new().await;
    scene.sign(false).await;
    let kms = |uri: &str| signed(&json!({"keys": {"kms": uri, "rekor": {"ignoreTlog": true}}}));
    let said = scene.judged(&kms("hashivault://app")).await.unwrap_or_default();
    assert!(said.contains("failed to load public key from hashivault://app: keys in services"), "{said}");
    scene.services = Some(Arc::new(Vault(PublicKey::from_der(&scene.key.spki()).unwrap())));
    assert_eq!(scene.judged(&kms("hashivault://app")).await, None);
    for (uri, words) in [
        ("hashivault://other", "from hashivault://other: no key hashivault://other"),
        ("awskms://x", "from awskms://x: not enabled"),
        ("pkcs11:token=x", "from pkcs11:token=x"),
        ("https://example.test/key", "a policy's key is PEM, k8s:// or a Secret; nothing else is opened"),
    ] {
        let said = scene.judged(&kms(uri)).await.unwrap_or_default();
        assert!(said.contains(words), "{uri}: {said}");
    }
}
