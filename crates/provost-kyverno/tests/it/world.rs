//! The images and objects of corpus/kyverno/world.yaml, in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use provost_keys::PrivateKey;
use provost_kyverno::cluster::{Call, Roles, User};
use provost_kyverno::{Access, Cluster, ClusterError, Objects, Settings, Stores, World, yaml};
use provost_oci::{Descriptor, Digest, ImageManifest, Repository, Selector, media_type};
use provost_registry::store::NetworkFailure;
use provost_registry::{Manifest, Store, StoreError};
use provost_sign::attach::{AttachedLayer, Dedup, attach};
use provost_sign::envelope::{KeyHint, sign_envelope};
use provost_statement::SimpleSigning;
use provost_verify::find::{ENVELOPE_LAYER, SIGNATURE_ANNOTATION, scheme_tag};
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::{MemoryStore, Request};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Corpus {
    images: BTreeMap<String, Contents>,
    objects: Vec<Value>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Contents {
    attestations: Vec<Attested>,
    signatures: Vec<Signed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attested {
    by: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    about: Option<String>,
    predicate: Option<Value>,
    raw: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    by: String,
    #[serde(default)]
    annotations: Option<Value>,
}

/// What a registry does instead of answering.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    request: String,
    of: String,
    cause: String,
}

impl Fault {
    /// Every request of this kind fails for this cause.
    pub(crate) fn of(request: &str, cause: &str) -> Self {
        Self { request: request.to_owned(), of: String::new(), cause: cause.to_owned() }
    }
}

/// The registry `reg.example`, the keys that signed what lies in it, and a cluster.
pub(crate) struct Registry {
    pub(crate) store: Arc<MemoryStore>,
    keys: BTreeMap<String, PrivateKey>,
    digests: BTreeMap<String, Digest>,
    objects: Vec<Value>,
}

fn repository(image: &str) -> Repository {
    format!("reg.example/{image}").parse().unwrap()
}

impl Registry {
    pub(crate) async fn of_corpus(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join("world.yaml")).unwrap();
        let document = yaml::documents("world.yaml", &text).unwrap_or_else(|e| panic!("{e}")).remove(0);
        let corpus: Corpus = serde_json::from_value(document).unwrap();
        let keys = ["alice", "bob", "mallory"].map(|name| (name.to_owned(), PrivateKey::generate().unwrap()));
        let mut registry = Self {
            store: Arc::new(MemoryStore::new()),
            keys: BTreeMap::from(keys),
            digests: BTreeMap::new(),
            objects: Vec::new(),
        };
        for name in corpus.images.keys() {
            registry.push(name).await;
        }
        for (name, contents) in &corpus.images {
            for one in &contents.attestations {
                registry.attest(name, one).await;
            }
            for one in &contents.signatures {
                registry.sign(name, one).await;
            }
        }
        registry.objects = corpus.objects.iter().map(|o| registry.filled(o)).collect();
        registry
    }

    async fn push(&mut self, name: &str) {
        let repository = repository(name);
        let config = Bytes::from(format!("{{\"image\":\"{name}\"}}"));
        let config: Descriptor =
            self.store.put_blob(&repository, media_type::OCI_CONFIG, config).await.unwrap();
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: media_type::OCI_MANIFEST.to_owned(),
            config,
            layers: Vec::new(),
            annotations: BTreeMap::new(),
            subject: None,
            artifact_type: None,
        };
        let bytes = Bytes::from(serde_json::to_vec(&manifest).unwrap());
        let manifest = Manifest::new(media_type::OCI_MANIFEST, bytes);
        let tag = Selector::Tag("v1".to_owned());
        let digest = self.store.put_manifest(&repository, &tag, &manifest).await.unwrap();
        self.digests.insert(name.to_owned(), digest);
    }

    async fn attach(&self, image: &str, suffix: &str, kind: &str, bytes: Vec<u8>, signature: String) {
        let layer = AttachedLayer {
            media_type: kind.to_owned(),
            bytes: Bytes::from(bytes),
            annotations: BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), signature)]),
        };
        let tag = scheme_tag(&self.digests[image], suffix);
        attach(self.store.as_ref(), &repository(image), &tag, &layer, Dedup::Never).await.unwrap();
    }

    async fn attest(&self, image: &str, one: &Attested) {
        let about = &self.digests[one.about.as_deref().unwrap_or(image)];
        let payload = match &one.raw {
            Some(raw) => raw.replace("{HEX}", about.hex()),
            None => json!({
                "_type": "https://in-toto.io/Statement/v0.1",
                "predicateType": format!("https://slsa.dev/provenance/{}", one.kind.as_deref().unwrap()),
                "subject": [{"name": "reg.example/x", "digest": {"sha256": about.hex()}}],
                "predicate": one.predicate,
            })
            .to_string(),
        };
        let envelope = sign_envelope(payload.as_bytes(), &self.keys[&one.by], KeyHint::None).await.unwrap();
        self.attach(image, "att", ENVELOPE_LAYER, envelope.to_json(), String::new()).await;
    }

    /// Lets the tag of an image name another image.
    pub(crate) async fn move_tag(&self, image: &str, other: &str) {
        let digest = Selector::Digest(self.digests[other].clone());
        let manifest = self.store.manifest(&repository(other), &digest).await.unwrap();
        let tag = Selector::Tag("v1".to_owned());
        self.store.put_manifest(&repository(image), &tag, &manifest).await.unwrap();
    }

    /// Alice attests this of an image.
    pub(crate) async fn attest_value(&self, image: &str, kind: &str, predicate: &Value) {
        let one = Attested {
            by: "alice".to_owned(),
            kind: Some(kind.to_owned()),
            about: None,
            predicate: Some(predicate.clone()),
            raw: None,
        };
        self.attest(image, &one).await;
    }

    async fn sign(&self, image: &str, one: &Signed) {
        let optional = one.annotations.clone().unwrap_or_default();
        let payload =
            SimpleSigning::payload(&format!("reg.example/{image}"), &self.digests[image], &optional);
        let signature = STANDARD.encode(self.keys[&one.by].sign(&payload).unwrap());
        let kind = "application/vnd.dev.cosign.simplesigning.v1+json";
        self.attach(image, "sig", kind, payload, signature).await;
    }

    /// An image of the world by digest, with a colon behind its name by tag; anything else as it is.
    pub(crate) fn image(&self, name: &str) -> String {
        if let Some(digest) = self.digests.get(name) {
            return format!("reg.example/{name}@{digest}");
        }
        match name.strip_suffix(':') {
            Some(bare) if self.digests.contains_key(bare) => format!("reg.example/{bare}:v1"),
            _ => self.filled_text(name),
        }
    }

    pub(crate) fn filled_text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, key) in &self.keys {
            text = text.replace(&format!("{{KEY:{name}}}"), &key.public_key().to_pem());
        }
        for (name, digest) in &self.digests {
            text = text.replace(&format!("{{IMAGE:{name}}}"), &format!("reg.example/{name}@{digest}"));
        }
        text
    }

    pub(crate) fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.filled_text(text)),
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(k, v)| (self.filled_text(k), self.filled(v)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }

    pub(crate) fn break_with(&self, faults: &[Fault]) {
        for fault in faults {
            let request = match fault.request.as_str() {
                "manifest" => Request::Manifest,
                "blob" => Request::Blob,
                other => panic!("no request {other}"),
            };
            let error = failure(&fault.cause);
            match self.digests.get(&fault.of) {
                None => self.store.fail_always(request, error),
                Some(digest) => self.store.fail_always_at(request, &scheme_tag(digest, "att"), error),
            }
        }
    }
}

fn failure(cause: &str) -> StoreError {
    let request = "GET https://reg.example/v2/x/manifests/y".to_owned();
    let network = |kind| StoreError::Network {
        request: request.clone(),
        kind,
        address: "192.0.2.1:443".to_owned(),
        cause: "broken".to_owned(),
    };
    let zero: Digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    match cause {
        "refused" => network(NetworkFailure::Refused),
        "no-such-host" => network(NetworkFailure::NoSuchHost),
        "timeout" => network(NetworkFailure::Timeout),
        "tls" => network(NetworkFailure::Tls),
        "reset" => network(NetworkFailure::Reset),
        "digest" => {
            StoreError::DigestMismatch { request: request.clone(), expected: zero.clone(), found: zero }
        }
        "size" => StoreError::Size { request: request.clone(), expected: 1, found: 2 },
        "garbage" => StoreError::Malformed { request: request.clone(), reason: "no manifest".to_owned() },
        "address" => StoreError::Refused { request: request.clone(), reason: "loopback".to_owned() },
        "credentials" => {
            StoreError::Credentials { registry: "reg.example".to_owned(), reason: "no helper".to_owned() }
        }
        status => StoreError::Status {
            request: request.clone(),
            status: status.parse().unwrap_or_else(|_| panic!("no cause {status}")),
            errors: Vec::new(),
            body: String::new(),
        },
    }
}

impl Stores for Registry {
    fn store(&self, registry: &str, _: &Access) -> Result<Arc<dyn Store>, String> {
        match registry {
            "reg.example" => Ok(Arc::clone(&self.store) as Arc<dyn Store>),
            other => Err(format!("no registry {other}")),
        }
    }
}

/// A world around a registry.
pub(crate) struct RegistryWorld<'a> {
    stores: &'a dyn Stores,
    cluster: Away,
    settings: Settings,
}

/// A cluster of which one kind of question is not answered.
struct Away {
    objects: Objects,
    what: String,
}

impl Away {
    fn answers(&self, question: &str) -> Result<(), ClusterError> {
        match self.what == question {
            true => Err(ClusterError::Unreachable("the API server is away".to_owned())),
            false => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl Cluster for Away {
    async fn namespace_labels(&self, name: &str) -> Result<BTreeMap<String, String>, ClusterError> {
        self.answers("namespace")?;
        self.objects.namespace_labels(name).await
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Value, ClusterError> {
        self.answers("config-map")?;
        self.objects.config_map(namespace, name).await
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, Vec<u8>>, ClusterError> {
        self.answers("secret")?;
        self.objects.secret(namespace, name).await
    }

    async fn roles(&self, user: &User) -> Result<Roles, ClusterError> {
        self.answers("roles")?;
        self.objects.roles(user).await
    }

    async fn call(&self, call: &Call) -> Result<Value, ClusterError> {
        self.answers("call")?;
        self.objects.call(call).await
    }

    async fn global_entry(&self, name: &str, projection: &str) -> Result<Value, ClusterError> {
        self.answers("global")?;
        self.objects.global_entry(name, projection).await
    }
}

impl<'a> RegistryWorld<'a> {
    pub(crate) fn new(registry: &'a Registry) -> Self {
        Self::over(registry, registry)
    }

    /// A registry's objects around other stores.
    pub(crate) fn over(registry: &Registry, stores: &'a dyn Stores) -> Self {
        let cluster = Away { objects: Objects::new(registry.objects.clone()), what: String::new() };
        Self { stores, cluster, settings: Settings::default() }
    }

    /// The same, with a cluster that leaves one kind of question unanswered.
    pub(crate) fn without(registry: &'a Registry, what: &str) -> Self {
        let mut world = Self::new(registry);
        what.clone_into(&mut world.cluster.what);
        world
    }

    pub(crate) fn world(&self) -> World<'_> {
        World {
            cluster: &self.cluster,
            stores: self.stores,
            settings: &self.settings,
            clock: None,
            random: None,
            resolver: None,
            anchors: None,
        }
    }
}
