//! What one remembered answer costs the gate, from the bytes of a review to the response, with one policy and with a
//! thousand of which the others do not match. `cargo xtask bench policy` runs it. The registry lies in memory and there is no network.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot be set up has no result"
)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use provost_expr::environment::{Clock, Random, Resolver};
use provost_expr::go_time::Instant as GoInstant;
use provost_gate::sight::Sight;
use provost_gate::{Asked, Gate, Hook, Parts, Share};
use provost_keys::PrivateKey;
use provost_kyverno::request::read::served_review;
use provost_kyverno::{Access, Anchors, Objects, Stores, load};
use provost_oci::{Digest, Repository};
use provost_registry::Store;
use provost_sign::attach::{AttachedLayer, Dedup, attach};
use provost_sign::envelope::{KeyHint, sign_envelope};
use provost_verify::find::{ENVELOPE_LAYER, SIGNATURE_ANNOTATION, scheme_tag};
use serde_json::{Value, json};
use testkit::MemoryStore;
use tokio::sync::watch;

/// How often each is asked; the median moves by a few per cent between runs.
const RUNS: usize = 20_000;
/// How many policies are loaded, the one that matches included.
const POLICIES: [usize; 2] = [1, 1000];
/// How many images are asked about in turn.
const IMAGES: usize = 100;
const REPOSITORY: &str = "reg.example/demo";

/// One registry, in memory.
struct Memory(Arc<MemoryStore>);

impl Stores for Memory {
    fn store(&self, _: &str, _: &Access) -> Result<Arc<dyn Store>, String> {
        Ok(Arc::clone(&self.0) as Arc<dyn Store>)
    }
}

/// A machine on which no time passes.
struct Still;

impl Clock for Still {
    fn now(&self) -> GoInstant {
        GoInstant { seconds: 1_800_000_000, nanoseconds: 0, offset: 0 }
    }
}

impl Random for Still {
    fn below(&self, _: u32) -> u32 {
        0
    }
}

impl Resolver for Still {
    fn addresses(&self, _: &str) -> Option<Vec<IpAddr>> {
        None
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let key = PrivateKey::generate().expect("a key");
        let store = Arc::new(MemoryStore::new());
        let mut reviews = Vec::new();
        for number in 0..IMAGES {
            reviews.push(review(&image(&store, &key, number).await));
        }
        for count in POLICIES {
            report(count, &key, &store, &reviews).await;
        }
    });
}

async fn report(count: usize, key: &PrivateKey, store: &Arc<MemoryStore>, reviews: &[Vec<u8>]) {
    let documents: Vec<Value> = (0..count).map(|number| policy(number, key)).collect();
    let start = Instant::now();
    let policies = load("policies", &documents).policies;
    println!("{count} policies, loaded in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    assert_eq!(policies.len(), count, "every policy loads");
    let sight =
        Sight { epoch: 1, policies: policies.into_iter().map(Arc::new).collect(), ..Sight::default() };
    let (_told, sights) = watch::channel(Arc::new(sight));
    let gate = Gate::new(Parts {
        sights,
        cluster: Arc::new(Objects::default()),
        stores: Arc::new(Memory(Arc::clone(store))),
        machine: Arc::new(Still),
        anchors: Arc::new(Anchors::default()),
        hearers: Vec::new(),
    });
    for hook in [Hook::Mutate(Share::All), Hook::Validate(Share::All)] {
        let mut times = Vec::with_capacity(RUNS);
        for review in reviews.iter().cycle().take(RUNS) {
            let start = Instant::now();
            let request = served_review(review).expect("a review");
            let limit = Duration::from_secs(10);
            let asked = Asked { hook: hook.clone(), request, authenticated: false, limit };
            let response = gate.answer(asked).await;
            let bytes = response.to_string();
            times.push(start.elapsed());
            assert!(bytes.contains(r#""allowed":true"#), "{bytes}");
        }
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
        let (median, last) = (at(50).as_secs_f64() * 1e6, at(99).as_secs_f64() * 1e6);
        println!("{count} policies, {hook:?}: {median:.1} µs (median of {RUNS}; p99 {last:.1} µs)");
    }
}

/// Policy 0 is about the Pod; the others are about other kinds, namespaces, labels and images.
fn policy(number: usize, key: &PrivateKey) -> Value {
    let resources = match (number, number % 4) {
        (0, _) => json!({"kinds": ["Pod"], "namespaces": ["bench"]}),
        (_, 0) => json!({"kinds": ["Pod"], "namespaces": [format!("team-{number}"), "prod-*"]}),
        (_, 1) => json!({"kinds": ["Deployment", "StatefulSet"]}),
        (_, 2) => json!({"kinds": ["Pod"], "selector": {"matchLabels": {"team": format!("t{number}")}}}),
        _ => json!({"kinds": ["Pod"]}),
    };
    let images = if number == 0 { "*".to_owned() } else { format!("registry-{number}.example/*") };
    let keys = json!({
        "publicKeys": key.public_key().to_pem(), "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true},
    });
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": format!("policy-{number:04}")},
        "spec": {"background": false, "rules": [{
            "name": "check-image",
            "match": {"any": [{"resources": resources}]},
            "verifyImages": [{
                "imageReferences": [images],
                "failureAction": "Enforce",
                "mutateDigest": true,
                "attestations": [{
                    "type": "https://slsa.dev/provenance/v0.2",
                    "attestors": [{"entries": [{"keys": keys}]}],
                    "conditions": [{"all": [{
                        "key": "{{ builder.id }}", "operator": "Equals", "value": "https://example.com/builder",
                    }]}],
                }],
            }],
        }]},
    })
}

/// What an API server sends when a Pod is created.
fn review(digest: &Digest) -> Vec<u8> {
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind, "requestKind": kind,
        "name": "app", "namespace": "bench", "operation": "CREATE", "dryRun": false,
        "userInfo": {"username": "admin", "groups": ["system:masters", "system:authenticated"]},
        "oldObject": null,
        "object": {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "app", "namespace": "bench", "labels": {"app": "demo", "tier": "web"}},
            "spec": {
                "containers": [{
                    "name": "app", "image": format!("{REPOSITORY}@{digest}"),
                    "env": [{"name": "MODE", "value": "production"}],
                    "resources": {"limits": {"cpu": "1", "memory": "256Mi"}},
                    "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/token", "readOnly": true}],
                }],
                "volumes": [{"name": "token", "projected": {"defaultMode": 420, "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                ]}}],
                "restartPolicy": "Always", "serviceAccountName": "default",
            },
        },
    }})
    .to_string()
    .into_bytes()
}

/// The digest of an image with a signed provenance beside it.
async fn image(store: &MemoryStore, key: &PrivateKey, number: usize) -> Digest {
    let repository: Repository = REPOSITORY.parse().expect("a repository");
    let digest = Digest::sha256_of(format!("image {number}").as_bytes());
    let payload = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": REPOSITORY, "digest": {"sha256": digest.hex()}}],
        "predicate": {"builder": {"id": "https://example.com/builder"}, "buildType": "tekton.dev/v1beta1/TaskRun"},
    });
    let envelope = sign_envelope(payload.to_string().as_bytes(), key, KeyHint::None).await.expect("signed");
    let layer = AttachedLayer {
        media_type: ENVELOPE_LAYER.to_owned(),
        bytes: Bytes::from(envelope.to_json()),
        annotations: BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), String::new())]),
    };
    attach(store, &repository, &scheme_tag(&digest, "att"), &layer, Dedup::Never).await.expect("attached");
    digest
}
