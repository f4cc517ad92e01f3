//! What policies that do not match cost: a thousand loaded, one Pod, one policy that verifies its provenance.
//! `cargo xtask bench policy` runs it. The registry lies in memory, so that the figure is the judging alone.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot be set up has no result"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use provost_keys::PrivateKey;
use provost_kyverno::{Access, Judgement, Objects, Request, Settings, Status, Stores, World, judge, load};
use provost_oci::{Digest, ImageManifest, Repository, Selector, media_type};
use provost_registry::{Manifest, Store};
use provost_sign::attach::{AttachedLayer, Dedup, attach};
use provost_sign::envelope::{KeyHint, sign_envelope};
use provost_verify::find::{ENVELOPE_LAYER, SIGNATURE_ANNOTATION, scheme_tag};
use serde_json::{Value, json};
use testkit::MemoryStore;

/// How often one Pod is judged; the median moves by a few per cent between runs.
const RUNS: usize = 300;
/// How many policies are loaded, the one that matches included.
const POLICIES: [usize; 3] = [1, 151, 1000];
const IMAGE: &str = "reg.example/demo";

/// One registry, in memory.
struct Memory(Arc<MemoryStore>);

impl Stores for Memory {
    fn store(&self, _: &str, _: &Access) -> Result<Arc<dyn Store>, String> {
        Ok(Arc::clone(&self.0) as Arc<dyn Store>)
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let key = PrivateKey::generate().expect("a key");
        let store = Arc::new(MemoryStore::new());
        let digest = image(&store, &key).await;
        for count in POLICIES {
            report(count, &key, &store, &digest).await;
        }
    });
}

async fn report(count: usize, key: &PrivateKey, store: &Arc<MemoryStore>, digest: &Digest) {
    let documents: Vec<Value> = (0..count).map(|n| policy(n, key)).collect();
    let start = Instant::now();
    let policies = load("policies", &documents).policies;
    let loaded = start.elapsed();
    assert_eq!(policies.len(), count, "every policy loads");
    let stores = Memory(Arc::clone(store));
    let (cluster, settings) = (Objects::default(), Settings::default());
    let world = World {
        cluster: &cluster,
        stores: &stores,
        settings: &settings,
        clock: None,
        random: None,
        resolver: None,
        anchors: None,
    };
    let request = pod(digest);
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        let judged = judge(&world, &policies, &[], &request).await;
        times.push(start.elapsed());
        holds(&judged);
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    println!(
        "{count} policies, one matches: {} a Pod (median of {RUNS}; p99 {}), loaded in {}",
        shown(at(50)),
        shown(at(99)),
        shown(loaded),
    );
}

fn shown(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// The one policy that matches must really have verified something.
fn holds(judged: &Judgement) {
    let passed = judged.policies.iter().flat_map(|policy| &policy.verified);
    let passed = passed.filter(|rule| rule.status == Status::Pass).count();
    assert_eq!((passed, judged.policies.len()), (1, 1), "one rule of one policy verifies one image");
}

/// Policy 0 is about the Pod; the others are about other kinds, namespaces, names, labels and images.
fn policy(n: usize, key: &PrivateKey) -> Value {
    let matched = match (n, n % 4) {
        (0, _) => json!({"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["policy"]}}]}),
        (_, 0) => {
            json!({"any": [{"resources": {"kinds": ["Pod"], "namespaces": [format!("team-{n}"), "prod-*"]}}]})
        }
        (_, 1) => json!({"any": [{"resources": {"kinds": ["Deployment", "StatefulSet"]}}]}),
        (_, 2) => {
            json!({"all": [{"resources": {"kinds": ["Pod"], "selector": {"matchLabels": {"team": format!("t{n}")}}}}]})
        }
        _ => json!({"any": [{"resources": {"kinds": ["Pod"]}}]}),
    };
    let images = if n == 0 { "*".to_owned() } else { format!("registry-{n}.example/*") };
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": format!("policy-{n:04}")},
        "spec": {"background": false, "rules": [{
            "name": "check-image",
            "match": matched,
            "verifyImages": [{
                "imageReferences": [images],
                "failureAction": "Enforce",
                "mutateDigest": false,
                "attestations": [{
                    "type": "https://slsa.dev/provenance/v0.2",
                    "attestors": [{"entries": [{"keys": {
                        "publicKeys": key.public_key().to_pem(),
                        "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true},
                    }}]}],
                    "conditions": [{"all": [{
                        "key": "{{ builder.id }}", "operator": "Equals", "value": "https://example.com/builder",
                    }]}],
                }],
            }],
        }]},
    })
}

fn pod(digest: &Digest) -> Request {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "x", "namespace": "policy"},
        "spec": {"containers": [{"name": "c", "image": format!("{IMAGE}@{digest}")}]},
    });
    Request::of_review(&json!({"request": {
        "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "name": "x", "namespace": "policy", "operation": "CREATE",
        "userInfo": {"username": "admin", "groups": ["system:masters"]},
        "object": object,
    }}))
    .expect("a request")
}

/// An image with a signed provenance beside it.
async fn image(store: &MemoryStore, key: &PrivateKey) -> Digest {
    let repository: Repository = IMAGE.parse().expect("a repository");
    let config =
        store.put_blob(&repository, media_type::OCI_CONFIG, Bytes::from("{}")).await.expect("stored");
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: media_type::OCI_MANIFEST.to_owned(),
        config,
        layers: Vec::new(),
        annotations: BTreeMap::new(),
        subject: None,
        artifact_type: None,
    };
    let bytes = Bytes::from(serde_json::to_vec(&manifest).expect("JSON"));
    let manifest = Manifest::new(media_type::OCI_MANIFEST, bytes);
    let tag = Selector::Tag("v1".to_owned());
    let digest = store.put_manifest(&repository, &tag, &manifest).await.expect("stored");
    let payload = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": IMAGE, "digest": {"sha256": digest.hex()}}],
        "predicate": {"builder": {"id": "https://example.com/builder"}, "buildType": "tekton.dev/v1beta1/TaskRun"},
    })
    .to_string();
    let envelope = sign_envelope(payload.as_bytes(), key, KeyHint::None).await.expect("signed");
    let layer = AttachedLayer {
        media_type: ENVELOPE_LAYER.to_owned(),
        bytes: Bytes::from(envelope.to_json()),
        annotations: BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), String::new())]),
    };
    attach(store, &repository, &scheme_tag(&digest, "att"), &layer, Dedup::Never).await.expect("attached");
    digest
}
