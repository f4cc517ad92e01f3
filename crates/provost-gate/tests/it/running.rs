//! A gate that listens on this machine, and clients of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use provost_expr::environment::{Clock, Random, Resolver};
use provost_expr::go_time::Instant;
use provost_gate::record::{Decided, Hears};
use provost_gate::server::{ExceptionScope, Readiness, Webhooks, limits, self_made};
use provost_gate::sight::Sight;
use provost_gate::{Gate, Parts};
use provost_kyverno::{Access, Anchors, Objects, Stores, load};
use provost_registry::Store;
use provost_serve::{Certificates, Server, Tls};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

/// A machine on which nothing is to be had.
struct Nowhere;

impl Clock for Nowhere {
    fn now(&self) -> Instant {
        Instant { seconds: 1_800_000_000, nanoseconds: 0, offset: 0 }
    }
}

impl Random for Nowhere {
    fn below(&self, _bound: u32) -> u32 {
        0
    }
}

impl Resolver for Nowhere {
    fn addresses(&self, _host: &str) -> Option<Vec<IpAddr>> {
        None
    }
}

impl Stores for Nowhere {
    fn store(&self, registry: &str, _access: &Access) -> Result<Arc<dyn Store>, String> {
        Err(format!("{registry} is away"))
    }
}

/// What was decided: on what ground, for an authenticated caller, as a dry run.
#[derive(Default)]
pub(crate) struct Heard(pub(crate) Mutex<Vec<(&'static str, bool, bool)>>);

impl Hears for Heard {
    fn heard(&self, decided: &Arc<Decided>) {
        let one = (decided.basis.name(), decided.authenticated, decided.dry_run);
        self.0.lock().unwrap().push(one);
    }
}

/// A gate that answers until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) certificates: Certificates,
    pub(crate) sights: watch::Sender<Arc<Sight>>,
    pub(crate) heard: Arc<Heard>,
    pub(crate) readiness: Readiness,
    _stop: oneshot::Sender<()>,
}

/// A policy about all images, with these settings around its rule.
pub(crate) fn policy(spec: &Value) -> Value {
    let key = include_str!("../../../../corpus/keys/alice.pub");
    let mut policy = json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
        "spec": {"background": false, "rules": [{
            "name": "r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "verifyImages": [{
                "imageReferences": ["*"], "failureAction": "Enforce",
                "attestors": [{"entries": [{"keys": {"publicKeys": key, "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true}}}]}],
            }],
        }]},
    });
    for (name, value) in spec.as_object().into_iter().flatten() {
        policy["spec"][name] = value.clone();
    }
    policy
}

/// A sight of these policies.
pub(crate) fn sight(epoch: u64, policies: &[Value]) -> Arc<Sight> {
    let loaded = load("test", policies);
    assert!(loaded.refused.is_empty(), "{:?}", loaded.refused);
    let policies = loaded.policies.into_iter().map(Arc::new).collect();
    Arc::new(Sight { epoch, policies, ..Sight::default() })
}

impl Running {
    pub(crate) async fn start(first: Arc<Sight>, client_authorities: Option<Vec<u8>>) -> Self {
        let (sights, seen) = watch::channel(first);
        let heard = Arc::new(Heard::default());
        let gate = Arc::new(Gate::new(Parts {
            sights: seen,
            cluster: Arc::new(Objects::new(Vec::new())),
            stores: Arc::new(Nowhere),
            machine: Arc::new(Nowhere),
            anchors: Arc::new(Anchors::default()),
            hearers: vec![Arc::clone(&heard) as Arc<dyn Hears>],
        }));
        let certificates = Certificates::none_yet();
        let readiness = Readiness::new(Arc::clone(&gate), certificates.clone());
        let tls = Tls { certificates: certificates.clone(), client_authorities };
        let server = Server::bind(([127, 0, 0, 1], 0).into(), Some(&tls), limits()).await.unwrap();
        let address = server.address();
        let webhooks = Webhooks::new(gate, readiness.clone(), ExceptionScope::Off, Arc::new(|_| {}));
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.serve(Arc::new(webhooks), async move {
            let _ = stopped.await;
        }));
        let running = Self { address, certificates, sights, heard, readiness, _stop: stop };
        running.renew();
        running
    }

    /// Shows a new certificate from here on.
    pub(crate) fn renew(&self) -> CertificateDer<'static> {
        let (chain, key) = self_made(vec!["localhost".to_owned()]).unwrap();
        self.certificates.set(chain.as_bytes(), key.as_bytes()).unwrap();
        self.certificates.served().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// A client that trusts the certificate that is shown now.
    pub(crate) fn client(&self) -> reqwest::Client {
        client(&[self.certificates.served().unwrap()], None, true)
    }

    /// The whole answer to a body that says it is JSON.
    pub(crate) async fn post(&self, path: &str, body: String) -> (u16, String) {
        let asked = self.client().post(self.url(path)).header("Content-Type", "application/json").body(body);
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The `response` to a review.
    pub(crate) async fn response(&self, path: &str, review: &Value) -> Value {
        let (status, text) = self.post(path, review.to_string()).await;
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&answer["kind"], &answer["apiVersion"]),
            (&json!("AdmissionReview"), &json!("admission.k8s.io/v1"))
        );
        assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
        answer["response"].clone()
    }
}

/// A client that trusts these certificates and may show one of its own.
pub(crate) fn client(
    trusted: &[CertificateDer<'static>],
    own: Option<(&str, &str)>,
    http2: bool,
) -> reqwest::Client {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
                .unwrap()
        }
    };
    config.alpn_protocols = match http2 {
        true => vec![b"h2".to_vec()],
        false => vec![b"http/1.1".to_vec()],
    };
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(config).build().unwrap()
}

/// A review of a Pod with this image.
pub(crate) fn review(operation: &str, image: &str) -> Value {
    let pod = |image: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "team"},
            "spec": {"containers": [{"name": "c", "image": image}]},
        })
    };
    let old = if operation == "CREATE" { Value::Null } else { pod("registry.example/app:1") };
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "operation": operation, "name": "x", "namespace": "team",
            "kind": {"group": "", "version": "v1", "kind": "Pod"}, "object": pod(image), "oldObject": old,
        },
    })
}
