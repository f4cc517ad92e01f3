//! The whole controller at an API server and a registry in memory.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::PrivateKey;
use provost_storage::StorageError;
use serde_json::{Value, json};
use testkit::{MemoryStore, Request};

use super::*;
use crate::fake::FakeServer;

const RUNS: &str = "/apis/tekton.dev/v1/namespaces";
const SIGNED: &str = "chains.tekton.dev/signed";

struct Scene {
    server: FakeServer,
    cluster: Cluster,
    registry: Arc<MemoryStore>,
    said: Arc<Mutex<Vec<String>>>,
}

fn path(namespace: &str, name: &str) -> String {
    format!("{RUNS}/{namespace}/taskruns/{name}")
}

/// A run that has ended, and built an image at this host.
fn ended(namespace: &str, name: &str, host: &str) -> Value {
    let digest = provost_oci::Digest::sha256_of(format!("{namespace}/{name}").as_bytes());
    json!({
        "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"serviceAccountName": "builder"},
        "status": {
            "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:15Z",
            "conditions": [{"type": "Succeeded", "status": "True"}],
            "results": [{"name": "IMAGES", "value": format!("{host}/app@{digest}")}],
        },
    })
}

impl Scene {
    async fn new() -> Self {
        let (server, cluster) = FakeServer::start().await;
        let data = json!({"artifacts.taskrun.storage": "oci", "artifacts.oci.storage": "oci"});
        server.put(
            "/api/v1/namespaces/ns/configmaps/chains-config",
            json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "chains-config", "namespace": "ns"}, "data": data}),
        );
        let pem = PrivateKey::generate().unwrap().to_encrypted_pem(b"pw").unwrap();
        server.put(
            "/api/v1/namespaces/ns/secrets/signing-secrets",
            json!({"apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "signing-secrets", "namespace": "ns"},
                "data": {"cosign.key": STANDARD.encode(pem), "cosign.password": STANDARD.encode("pw")}}),
        );
        Self { server, cluster, registry: Arc::new(MemoryStore::new()), said: Arc::default() }
    }

    fn options(&self, once: bool) -> Options {
        let (registry, said) = (self.registry.clone(), self.said.clone());
        let (open_kms, services) = crate::settings::tests::no_services();
        Options {
            open_kms,
            services,
            make_backend: Box::new(|kind, _| {
                Err(StorageError::CompiledOut { storage: kind.name(), feature: kind.name() })
            }),
            namespace: "ns".to_owned(),
            rules: Rules { holds: !once, ..Rules::default() },
            key: KeySource::Secret,
            workers: 1,
            api_pace: None,
            shares: 1,
            identity: "me".to_owned(),
            once,
            make_store: Box::new(move |_| {
                let store: Arc<dyn provost_registry::Store> = registry.clone();
                Ok(store)
            }),
            say: Arc::new(move |words: &str| said.lock().unwrap().push(words.to_owned())),
            metrics: Arc::new(Metrics::new()),
            health: Arc::new(Health::default()),
            listeners: Vec::new(),
        }
    }

    async fn once(&self) -> Result<Summary, ControllerError> {
        let (_told, stop) = watch::channel(false);
        run(self.cluster.clone(), self.options(true), stop).await
    }

    fn is_signed(&self, path: &str) -> bool {
        let run = self.server.get(path).unwrap_or_default();
        run["metadata"]["annotations"][SIGNED] == "true"
    }
}

#[tokio::test]
async fn a_backlog_of_more_runs_than_hands_is_signed_with_one_look_and_one_patch_each() {
    let scene = Scene::new().await;
    // Four hands, of which two for a registry and two for a namespace.
    for number in 0..20 {
        scene.server.put(&path("a", &format!("r{number}")), ended("a", &format!("r{number}"), "reg.local"));
    }
    scene.server.put(&path("b", "r"), ended("b", "r", "other.local"));
    let summary = scene.once().await.unwrap();
    assert_eq!(summary, Summary { signed: 21, failed: BTreeMap::new() });
    assert!((0..20).all(|number| scene.is_signed(&path("a", &format!("r{number}")))));
    assert_eq!(scene.server.asked(&format!("GET {RUNS}/")), 21);
    assert_eq!(scene.server.asked(&format!("PATCH {RUNS}/")), 21);
    // The service account is read once for each namespace, however many ask.
    assert_eq!(scene.server.asked("GET /api/v1/namespaces/a/serviceaccounts/builder"), 1);
    assert_eq!(scene.registry.asked(Request::PutManifest), 42);
}

#[tokio::test]
async fn two_namespaces_at_one_registry_are_all_signed_though_it_is_crowded() {
    let scene = Scene::new().await;
    for (namespace, name) in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("b", "2"), ("b", "3")] {
        scene.server.put(&path(namespace, name), ended(namespace, name, "reg.local"));
    }
    assert_eq!(scene.once().await.unwrap().signed, 6);
}

#[tokio::test]
async fn what_cannot_be_signed_is_named_and_the_rest_is_signed() {
    let scene = Scene::new().await;
    let mut bad = ended("a", "bad", "reg.local");
    bad["status"]["steps"] = json!([{"name": "s", "imageID": ""}]);
    scene.server.put(&path("a", "bad"), bad);
    scene.server.put(&path("a", "good"), ended("a", "good", "reg.local"));
    let summary = scene.once().await.unwrap();
    assert_eq!(summary.signed, 1);
    let (run, (reason, _)) = summary.failed.first_key_value().unwrap();
    assert_eq!((run.as_str(), reason.as_str()), ("TaskRun a/bad", "RunUnattestable"));
    let run = scene.server.get(&path("a", "bad")).unwrap();
    assert!(run["metadata"]["annotations"]["chains.tekton.dev/provost-condition"].is_string());
}

#[tokio::test]
async fn a_run_that_somebody_changes_meanwhile_is_tried_again() {
    let scene = Scene::new().await;
    scene.server.put(&path("a", "r"), ended("a", "r", "reg.local"));
    scene.server.refuse(&format!("PATCH {RUNS}/a/"), 409);
    assert_eq!(scene.once().await.unwrap().signed, 1);
    assert_eq!(scene.registry.asked(Request::PutManifest), 2, "what was stored lies there");
}

#[tokio::test]
async fn a_run_whose_attempt_breaks_down_gives_its_place_back_and_is_tried_again() {
    let scene = Scene::new().await;
    for name in ["1", "2", "3"] {
        scene.server.put(&path("a", name), ended("a", name, "reg.local"));
    }
    let (registry, broken) = (scene.registry.clone(), Mutex::new(3));
    let mut options = scene.options(true);
    options.make_store = Box::new(move |_| {
        let mut left = broken.lock().unwrap_or_else(PoisonError::into_inner);
        if *left > 0 {
            *left -= 1;
            panic!("a bug");
        }
        let store: Arc<dyn provost_registry::Store> = registry.clone();
        Ok(store)
    });
    let (_told, stop) = watch::channel(false);
    let summary = run(scene.cluster.clone(), options, stop).await.unwrap();
    assert_eq!(summary, Summary { signed: 3, failed: BTreeMap::new() });
    assert!(scene.said.lock().unwrap().iter().any(|words| words.contains("the attempt broke down")));
}

#[tokio::test]
async fn a_backlog_is_not_signed_beside_a_controller_at_work() {
    let scene = Scene::new().await;
    scene.server.put(
        "/apis/coordination.k8s.io/v1/namespaces/ns/leases/provost-controller-share-0",
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "provost-controller-share-0", "labels": {"app.kubernetes.io/component": "provost-controller"}},
            "spec": {"holderIdentity": "other", "renewTime": Timestamp::now().to_string()}}),
    );
    assert!(matches!(scene.once().await, Err(ControllerError::Other { holder }) if holder == "other"));
}

#[tokio::test]
async fn it_holds_what_runs_signs_what_ends_tries_what_failed_and_stops_when_told() {
    let scene = Scene::new().await;
    let mut running = ended("a", "one", "reg.local");
    let status = running["status"].take();
    scene.server.put(&path("a", "one"), running);
    let (told, stop) = watch::channel(false);
    let controller = run(scene.cluster.clone(), scene.options(false), stop);
    let (ended, ()) = tokio::join!(controller, life_of_two_runs(&scene, status, told));
    assert_eq!(ended.unwrap().signed, 2);
    let lease =
        scene.server.get("/apis/coordination.k8s.io/v1/namespaces/ns/leases/provost-controller-share-0");
    assert_eq!(lease.unwrap()["spec"]["holderIdentity"], "", "its share is given back");
}

async fn life_of_two_runs(scene: &Scene, status: Value, told: watch::Sender<bool>) {
    let held = |server: &FakeServer| {
        let run = server.get(&path("a", "one"))?;
        (run["metadata"]["finalizers"][0] == "chains.tekton.dev/taskrun").then_some(run)
    };
    let mut run = scene.server.until(held).await;
    // Its registry is away: the reason stands on it, and an event tells of it.
    let away = provost_registry::StoreError::Network {
        request: "GET http://reg.local/v2/".to_owned(),
        kind: provost_registry::store::NetworkFailure::Refused,
        address: "127.0.0.1:1".to_owned(),
        cause: "connection refused".to_owned(),
    };
    scene.registry.fail_always(Request::Manifest, away);
    run["status"] = status;
    run["metadata"]["managedFields"] = json!([{"manager": "t", "fieldsType": "FieldsV1", "subresource": "status",
        "fieldsV1": {"f:status": {"f:completionTime": {}}}}]);
    scene.server.put(&path("a", "one"), run);
    let told_why = |server: &FakeServer| {
        let run = server.get(&path("a", "one"))?;
        let why = run["metadata"]["annotations"]["chains.tekton.dev/provost-condition"].as_str()?;
        (why.contains("StorageUnavailable") && server.asked("POST /apis/events") > 0).then_some(())
    };
    scene.server.until(told_why).await;
    // It is back: a new run is signed, and the one that failed with it, without anybody's help.
    scene.registry.heal();
    scene.server.put(&path("a", "two"), ended("a", "two", "reg.local"));
    for name in ["two", "one"] {
        let signed = |server: &FakeServer| {
            let run = server.get(&path("a", name))?;
            (run["metadata"]["annotations"][SIGNED] == "true").then_some(run)
        };
        let run = scene.server.until(signed).await;
        assert_eq!(run["metadata"]["finalizers"].as_array().map_or(0, Vec::len), 0, "{name} is let go");
    }
    told.send_replace(true);
}
