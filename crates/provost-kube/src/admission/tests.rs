//! The parts that need a cluster, at a small server in memory.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use kube::config::Config;
use provost_kyverno::ClusterError;
use provost_kyverno::exception::EXPIRES;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// An API server of objects by path: lists, gets, and watches that end at once, so that they come again.
#[derive(Clone, Default)]
pub(crate) struct Server {
    held: Arc<Mutex<HashMap<String, Value>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn set(&self, path: &str, value: Value) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), value);
    }

    fn list(&self, path: &str, items: &[Value]) {
        self.set(
            path,
            json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items}),
        );
    }

    fn get(&self, path: &str) -> Option<Value> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// What was asked so far whose path and query hold this.
    fn asked(&self, part: &str) -> Vec<String> {
        let all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|path| path.contains(part)).cloned().collect()
    }

    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        address
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut text = vec![0; 16 * 1024];
        let read = stream.read(&mut text).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text[..read]).into_owned();
        let path = text.split_whitespace().nth(1).unwrap_or_default().to_owned();
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
        let (place, query) = path.split_once('?').unwrap_or((&path, ""));
        let (status, body) = match self.get(place) {
            _ if query.contains("watch=true") => ("200 OK", String::new()),
            Some(value) => ("200 OK", value.to_string()),
            None => {
                let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
                    "reason": "NotFound", "message": "not there", "metadata": {}});
                ("404 Not Found", status.to_string())
            }
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    }
}

/// A cluster with the built-in kinds, empty, and no kind of Kyverno's.
pub(crate) async fn cluster(server: &Server) -> Cluster {
    for path in [
        "/api/v1/namespaces",
        "/api/v1/namespaces/ours/configmaps",
        "/api/v1/namespaces/ours/secrets",
        "/apis/rbac.authorization.k8s.io/v1/rolebindings",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    ] {
        if server.get(path).is_none() {
            server.list(path, &[]);
        }
    }
    let resources = json!([{"name": "rolebindings", "namespaced": true, "kind": "RoleBinding", "singularName": "", "verbs": []},
        {"name": "clusterrolebindings", "namespaced": false, "kind": "ClusterRoleBinding", "singularName": "", "verbs": []}]);
    served(server, "rbac.authorization.k8s.io/v1", resources);
    let address = server.start().await;
    Cluster::of(Config::new(format!("http://{address}").parse().unwrap())).unwrap()
}

fn served(server: &Server, version: &str, resources: Value) {
    let list = json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources});
    server.set(&format!("/apis/{version}"), list);
}

fn options(outlook: Outlook) -> Options {
    Options {
        outlook,
        namespace: "ours".to_owned(),
        config_map: "settings".to_owned(),
        exceptions: ExceptionRule { enabled: true, namespace: "glass".to_owned() },
        identity: "one".to_owned(),
        reached: Reached::Address("127.0.0.1:1".to_owned()),
        webhook_timeout: 10,
        force_ignore: false,
        update_webhooks: false,
        certificates: CertificateSource::Secrets { authority: "ca".to_owned(), server: "tls".to_owned() },
        serve: Arc::new(|_| Ok(())),
        kyverno_namespace: "kyverno".to_owned(),
        say: Arc::new(|_| {}),
        health: Arc::new(Health::default()),
    }
}

fn policy(name: &str) -> Value {
    json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy",
        "metadata": {"name": name, "resourceVersion": "1"},
        "spec": {"background": false, "rules": [{"name": "r",
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce"}]}]}})
}

fn exception(name: &str, namespace: &str, until: Option<&str>) -> Value {
    let annotations = until.map(|until| json!({EXPIRES: until})).unwrap_or_default();
    json!({"apiVersion": "kyverno.io/v2", "kind": "PolicyException",
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": "1", "annotations": annotations},
        "spec": {"exceptions": [{"policyName": "p", "ruleNames": ["*"]}],
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]}}})
}

async fn until(sights: &mut Sights, holds: impl Fn(&Sight) -> bool) -> Arc<Sight> {
    let waiting = sights.wait_for(|sight| holds(sight));
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap().clone()
}

#[tokio::test]
async fn a_sight_has_what_is_stored_and_nothing_before_all_is_read() {
    let server = Server::default();
    let kyverno = |plural: &str| json!({"name": plural, "namespaced": true, "kind": "K", "singularName": "", "verbs": []});
    served(&server, "kyverno.io/v1", json!([kyverno("clusterpolicies")]));
    served(&server, "kyverno.io/v2", json!([kyverno("policyexceptions")]));
    let mut odd = policy("odd");
    odd["spec"]["rules"][0]["verifyImages"][0]["nosuch"] = json!(1);
    let mut named = policy("p");
    named["spec"]["rules"][0]["verifyImages"][0]["attestors"] =
        json!([{"entries": [{"keys": {"secret": {"name": "key", "namespace": "keys"}}}]}]);
    server.list("/apis/kyverno.io/v1/clusterpolicies", &[named, odd]);
    let exceptions = [
        exception("counts", "glass", None),
        exception("ended", "glass", Some("2020-01-01T00:00:00Z")),
        exception("misspelt", "glass", Some("soon")),
        exception("ends", "glass", Some("2999-01-01T00:00:00Z")),
        exception("elsewhere", "other", None),
    ];
    server.list("/apis/kyverno.io/v2/policyexceptions", &exceptions);
    let cluster = cluster(&server).await;
    let (outlook, mut sights, live) = Outlook::new(&cluster, RemoteOptions::default());
    assert!(!sights.borrow().missing.is_empty() && sights.borrow().policies.is_empty());
    let (stop_told, stop) = watch::channel(false);
    let running = tokio::spawn(run(cluster, options(outlook), stop));
    let sight = until(&mut sights, |sight| sight.missing.is_empty()).await;
    // Ready is who has looked for the keys that policies name, wherever they are.
    assert!(!server.asked("/api/v1/namespaces/keys/secrets/key").is_empty());
    let names: Vec<&str> = sight.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["p"]);
    assert!(sight.unread.first().is_some_and(|unread| unread.name == "odd" && unread.enforces));
    let names: Vec<&str> = sight.exceptions.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["counts", "ends"]);
    // A namespace that the watch has not brought is read by itself.
    server.set("/api/v1/namespaces/new", json!({"metadata": {"name": "new", "labels": {"a": "b"}}}));
    assert_eq!(live.namespace_labels("new").await.unwrap().get("a").map(String::as_str), Some("b"));
    let none = live.namespace_labels("none").await;
    assert!(matches!(none, Err(ClusterError::NotFound { .. })), "{none:?}");
    // Nothing need happen to an object for a long time: each watch ends before its silence looks like a dead connection.
    let watches = server.asked("watch=true");
    for resource in ["namespaces?", "secrets?", "configmaps?", "policyexceptions?"] {
        assert!(watches.iter().any(|watch| watch.contains(resource)), "{resource}: {watches:?}");
    }
    for watch in watches {
        let time = watch
            .split("timeoutSeconds=")
            .nth(1)
            .and_then(|rest| rest.split('&').next()?.parse::<u64>().ok());
        assert!(time.is_some_and(|time| time < crate::cluster::SILENCE.as_secs()), "{watch}");
    }
    stop_told.send_replace(true);
    assert!(running.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_key_that_changes_makes_a_new_sight_within_a_second() {
    let server = Server::default();
    let secret =
        |key: &str| json!({"metadata": {"name": "key", "namespace": "n"}, "data": {"cosign.pub": key}});
    server.set("/api/v1/namespaces/n/secrets/key", secret("YQ=="));
    let cluster = cluster(&server).await;
    let (outlook, mut sights, live) = Outlook::new(&cluster, RemoteOptions::default());
    let (_stop_told, stop) = watch::channel(false);
    let running = tokio::spawn(run(cluster, options(outlook), stop));
    until(&mut sights, |sight| sight.missing.is_empty()).await;
    assert_eq!(live.secret("n", "key").await.unwrap().get("cosign.pub"), Some(&b"a".to_vec()));
    let epoch = sights.borrow().epoch;
    server.set("/api/v1/namespaces/n/secrets/key", secret("Yg=="));
    let changed = Instant::now();
    until(&mut sights, |sight| sight.epoch > epoch).await;
    assert!(changed.elapsed() < Duration::from_secs(5), "{:?}", changed.elapsed());
    assert_eq!(live.secret("n", "key").await.unwrap().get("cosign.pub"), Some(&b"b".to_vec()));
    running.abort();
}

#[tokio::test]
async fn values_of_the_global_context_are_lists_answers_and_parts_of_them() {
    let server = Server::default();
    let entry = json!({"name": "globalcontextentries", "namespaced": false, "kind": "GlobalContextEntry", "singularName": "", "verbs": []});
    served(&server, "kyverno.io/v2beta1", json!([entry]));
    let one =
        |name: &str, spec: Value| json!({"metadata": {"name": name, "resourceVersion": "1"}, "spec": spec});
    server.list(
        "/apis/kyverno.io/v2beta1/globalcontextentries",
        &[
            one("all", json!({"kubernetesResource": {"group": "apps", "version": "v1", "resource": "deployments", "namespace": "n"},
                "projections": [{"name": "names", "jmesPath": "[].metadata.name"}]})),
            one("asked", json!({"apiCall": {"urlPath": "/version", "refreshInterval": "1h"}})),
        ],
    );
    server.list("/apis/apps/v1/namespaces/n/deployments", &[json!({"metadata": {"name": "d"}})]);
    server.set("/version", json!({"major": "1"}));
    let cluster = cluster(&server).await;
    let (outlook, mut sights, live) = Outlook::new(&cluster, RemoteOptions::default());
    let (_stop_told, stop) = watch::channel(false);
    let running = tokio::spawn(run(cluster, options(outlook), stop));
    until(&mut sights, |sight| sight.missing.is_empty()).await;
    assert_eq!(live.global_entry("all", "names").await, Ok(json!(["d"])));
    assert_eq!(live.global_entry("asked", "").await, Ok(json!({"major": "1"})));
    server.set("/version", json!({"major": "2"}));
    assert_eq!(live.global_entry("asked", "").await, Ok(json!({"major": "1"})));
    assert!(matches!(live.global_entry("none", "").await, Err(ClusterError::NotFound { .. })));
    running.abort();
}

#[tokio::test]
async fn pods_that_run_are_told_page_by_page() {
    let server = Server::default();
    let mut page = json!({"metadata": {}, "items": []});
    page["items"] = json!([{"metadata": {"name": "a", "namespace": "n"}, "spec": {}},
        {"metadata": {"name": "b", "namespace": "n"}, "spec": {}}]);
    server.set("/api/v1/pods", page);
    let cluster = cluster(&server).await;
    let mut running = Running::of(&cluster);
    let page = running.page().await.unwrap().unwrap();
    let names: Vec<String> =
        page.iter().map(|r| format!("{}/{}/{}", r.kind.kind, r.namespace, r.name)).collect();
    assert_eq!(names, ["Pod/n/a", "Pod/n/b"]);
    assert!(running.page().await.unwrap().is_none());
}
