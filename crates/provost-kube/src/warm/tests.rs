//! What is looked at after a start, and that nobody waits for it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use provost_expr::environment::{Clock, Random, Resolver};
use provost_expr::go_time::Instant as GoInstant;
use provost_gate::sight::Sight;
use provost_gate::{Asked, Gate, Hook, Parts, Share};
use provost_kyverno::{Access, Objects, Stores, load};
use provost_oci::{Descriptor, Repository, Selector};
use provost_registry::{Manifest, Store, StoreError};
use serde_json::{Value, json};

use super::*;
use crate::admission::tests::{Server, cluster};

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

/// A registry that counts what it is asked, and has nothing, or does not even say that.
#[derive(Default)]
struct Away {
    asked: AtomicUsize,
    is_silent: bool,
}

impl Away {
    async fn asked<T>(&self) -> Result<T, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.is_silent {
            std::future::pending::<()>().await;
        }
        let (request, errors, body) = ("GET".to_owned(), Vec::new(), String::new());
        Err(StoreError::Status { request, status: 500, errors, body })
    }
}

#[async_trait]
impl Store for Away {
    async fn manifest(&self, _: &Repository, _: &Selector) -> Result<Manifest, StoreError> {
        self.asked().await
    }

    async fn resolve(&self, _: &Repository, _: &Selector) -> Result<Descriptor, StoreError> {
        self.asked().await
    }

    async fn blob(&self, _: &Repository, _: &Digest, _: u64) -> Result<Bytes, StoreError> {
        self.asked().await
    }

    async fn has_blob(&self, _: &Repository, _: &Digest) -> Result<bool, StoreError> {
        self.asked().await
    }

    async fn put_blob(&self, _: &Repository, _: &str, _: Bytes) -> Result<Descriptor, StoreError> {
        self.asked().await
    }

    async fn put_manifest(&self, _: &Repository, _: &Selector, _: &Manifest) -> Result<Digest, StoreError> {
        self.asked().await
    }

    async fn referrers(&self, _: &Repository, _: &Digest) -> Result<Vec<Descriptor>, StoreError> {
        self.asked().await
    }

    async fn tags(&self, _: &Repository) -> Result<Vec<String>, StoreError> {
        self.asked().await
    }
}

struct Everywhere(Arc<Away>);

impl Stores for Everywhere {
    fn store(&self, _: &str, _: &Access) -> Result<Arc<dyn Store>, String> {
        Ok(self.0.clone())
    }
}

fn policy() -> Value {
    let key = include_str!("../../../../corpus/keys/alice.pub");
    json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
        "spec": {"background": false, "rules": [{"name": "r",
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "verifyImages": [{"imageReferences": ["reg.example/*"], "failureAction": "Enforce",
                "attestors": [{"entries": [{"keys": {"publicKeys": key, "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true}}}]}]}]}]}})
}

fn pod(name: &str, image: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "n"}, "spec": {"containers": [{"name": "c", "image": image}]}})
}

/// A gate before this registry, which has loaded nothing yet.
fn gate(registry: &Arc<Away>) -> (Arc<Gate>, watch::Sender<Arc<Sight>>) {
    let missing = vec!["policies".to_owned()];
    let (told, sights) = watch::channel(Arc::new(Sight { missing, ..Sight::default() }));
    let gate = Gate::new(Parts {
        sights,
        cluster: Arc::new(Objects::new(Vec::new())),
        stores: Arc::new(Everywhere(Arc::clone(registry))),
        machine: Arc::new(Still),
        anchors: Arc::default(),
        hearers: Vec::new(),
    });
    (Arc::new(gate), told)
}

fn loaded() -> Arc<Sight> {
    let policies = load("p.yaml", &[policy()]).policies.into_iter().map(Arc::new).collect();
    Arc::new(Sight { epoch: 1, policies, ..Sight::default() })
}

#[tokio::test]
async fn pods_of_one_kind_are_looked_at_once_after_all_is_loaded() {
    let server = Server::default();
    let image = |name: &str| format!("reg.example/{name}@{}", Digest::sha256_of(name.as_bytes()));
    let elsewhere = "elsewhere.example/c:1";
    let pods = [
        pod("a-1", &image("app")),
        pod("a-2", &image("app")),
        pod("b-1", &image("base")),
        pod("c", elsewhere),
    ];
    server.set("/api/v1/pods", json!({"metadata": {}, "items": pods}));
    let registry = Arc::new(Away::default());
    let (gate, told) = gate(&registry);
    let cluster = cluster(&server).await;
    let warming = tokio::spawn({
        let gate = Arc::clone(&gate);
        async move { warm(&cluster, &gate).await }
    });
    // Before all is loaded nothing is known to look for.
    tokio::task::yield_now().await;
    assert_eq!((registry.asked.load(Ordering::Relaxed), warming.is_finished()), (0, false));
    told.send_replace(loaded());
    let began = tokio::time::Instant::now();
    assert_eq!(warming.await.unwrap(), Ok(Warmed { pods: 4, looked_at: 3 }));
    assert!(began.elapsed() >= 3 * GAP, "{:?}", began.elapsed());
    // Two images are asked about, once each.
    let asked = registry.asked.load(Ordering::Relaxed);
    assert!(asked >= 2, "{asked}");
    let mut again = pod("a", &image("app"));
    again["apiVersion"] = json!("v1");
    again["kind"] = json!("Pod");
    assert!(gate.warm(&Request::of_object(&again)).await);
    // One more look costs what each of the two did.
    assert_eq!(registry.asked.load(Ordering::Relaxed) - asked, asked / 2);
}

#[tokio::test]
async fn a_registry_that_is_silent_delays_neither_readiness_nor_requests() {
    let server = Server::default();
    let away = format!("reg.example/app@{}", Digest::sha256_of(b"app"));
    server.set("/api/v1/pods", json!({"metadata": {}, "items": [pod("a", &away)]}));
    let registry = Arc::new(Away { is_silent: true, ..Away::default() });
    let (gate, told) = gate(&registry);
    told.send_replace(loaded());
    let (stop_told, stop) = watch::channel(false);
    let cluster = cluster(&server).await;
    let warming = tokio::spawn(run(cluster, Arc::clone(&gate), Arc::new(|_| {}), stop));
    while registry.asked.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(gate.sights().borrow().missing.is_empty());
    let free = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"},
        "spec": {"containers": [{"name": "c", "image": "elsewhere.example/c:1"}]}});
    let asked = Asked {
        hook: Hook::Mutate(Share::All),
        request: Request::of_object(&free),
        authenticated: false,
        limit: Duration::from_secs(10),
    };
    let began = tokio::time::Instant::now();
    assert_eq!(gate.answer(asked).await["allowed"], true);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(!warming.is_finished());
    stop_told.send_replace(true);
    warming.await.unwrap();
}
