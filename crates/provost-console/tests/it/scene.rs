//! A console on loopback, a doorkeeper of three visitors, and records to show.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use provost_console::{Cause, Console, Doorkeeper, Entry, Line, Record, Refusal, Visitor};
use provost_gate::sight::Sight;
use provost_keys::{PrivateKey, PublicKey};
use provost_kyverno::load;
use provost_kyverno::outcome::Status;
use provost_kyverno::witness::{Said, Signer, Witness as _};
use provost_oci::Digest;
use provost_statement::Statement;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// `all` sees the cluster, `team-a` that namespace, `quiet` one where nothing was decided, `stranger` none; of `lost` nothing
/// can be found out.
struct Door;

#[async_trait]
impl Doorkeeper for Door {
    async fn who(&self, token: &str) -> Result<Visitor, Refusal> {
        match token {
            "all" | "team-a" | "quiet" | "stranger" => {
                Ok(Visitor { name: token.to_owned(), ..Visitor::default() })
            }
            "lost" => Err(Refusal::Unasked("connection refused".to_owned())),
            _ => Err(Refusal::Unknown),
        }
    }

    async fn may_see(&self, visitor: &Visitor, namespace: &str) -> Result<bool, Refusal> {
        Ok(visitor.name == "all" || visitor.name == namespace)
    }

    async fn may_see_any(&self, visitor: &Visitor) -> Result<bool, Refusal> {
        Ok(visitor.name != "stranger")
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A console that listens.
pub(crate) struct Scene {
    address: SocketAddr,
    _sights: watch::Sender<Arc<Sight>>,
}

impl Scene {
    pub(crate) async fn new(record: Arc<Record>, policies: &[Value]) -> Self {
        let found = load("policies", policies);
        assert!(found.refused.is_empty(), "{:?}", found.refused);
        let policies = found.policies.into_iter().map(Into::into).collect();
        let (sender, sights) = watch::channel(Arc::new(Sight { policies, ..Sight::default() }));
        let mut console = Console::new(record, sights, Arc::new(Door), Arc::new(|_| {}));
        let server = console.bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        let address = server.address();
        tokio::spawn(server.serve(Arc::new(console), std::future::pending()));
        Self { address, _sights: sender }
    }

    pub(crate) async fn send(&self, request: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "{request} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(&format!("GET {path}"), &format!("Authorization: Bearer {token}\r\n"), "").await
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }
}

/// A decision about a Pod with one image.
pub(crate) fn entry(namespace: &str, name: &str, image: &str, allowed: bool) -> Entry {
    let causes = match allowed {
        true => Vec::new(),
        false => vec![Cause {
            attestor: Some(".attestations[0].attestors[0].entries[0].keys".to_owned()),
            code: "condition-failed",
            unchecked: false,
        }],
    };
    Entry {
        at: Timestamp::from_second(1_800_000_000).unwrap(),
        hook: "mutate",
        operation: "CREATE",
        kind: "Pod".to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        user: "someone".to_owned(),
        dry_run: false,
        allowed,
        message: if allowed { String::new() } else { format!("resource Pod/{namespace}/{name} was blocked") },
        warnings: Vec::new(),
        lines: vec![Line {
            policy: "verify".to_owned(),
            rule: "check-image".to_owned(),
            image: Some(image.to_owned()),
            status: if allowed { Status::Pass } else { Status::Fail },
            enforced: true,
            message: "the builder.id must be another".to_owned(),
            causes,
        }],
        found: 1,
        micros: 12_345,
    }
}

pub(crate) fn key() -> PublicKey {
    PrivateKey::generate().unwrap().public_key()
}

/// A key says of an image that this builder made it of these materials.
pub(crate) fn provenance(record: &Record, key: &PublicKey, name: &str, builder: &str, materials: &[&str]) {
    let materials: Vec<Value> =
        materials.iter().map(|uri| json!({"uri": uri, "digest": {"sha1": *uri}})).collect();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": name, "digest": {"sha256": "0".repeat(64)}}],
        "predicate": {
            "builder": {"id": builder}, "buildType": builder, "materials": materials,
            "metadata": {"buildInvocationID": builder, "buildStartedOn": builder, "buildFinishedOn": builder},
        },
    });
    let statement = Statement::parse(statement.to_string().as_bytes()).unwrap();
    record.said(&Said {
        name,
        repository: &"registry.example/app".parse().unwrap(),
        image: &digest(name),
        signer: Signer::Key(key),
        statement: Some(&statement),
        at: None,
        logged: false,
    });
}

pub(crate) fn digest(name: &str) -> Digest {
    Digest::sha256_of(name.as_bytes())
}

/// A policy that names a key.
pub(crate) fn policy(name: &str, key: &PublicKey) -> Value {
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name},
        "spec": {"background": false, "rules": [{
            "name": "check-image",
            "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["team-*"]}}]},
            "verifyImages": [{
                "imageReferences": ["registry.example/*"], "failureAction": "Enforce",
                "attestations": [{
                    "type": "https://slsa.dev/provenance/v0.2",
                    "attestors": [{"entries": [{"keys": {"publicKeys": key.to_pem(), "rekor": {"ignoreTlog": true}}}]}],
                    "conditions": [{"all": [{"key": "{{ builder.id }}", "operator": "Equals", "value": "b"}]}],
                }],
            }],
        }]},
    })
}

/// All pages there are, of one image and one signer.
pub(crate) fn pages(image: &str, signer: &str) -> Vec<String> {
    let fixed = ["/ui", "/ui/decisions?show=all", "/ui/images", "/ui/signers", "/ui/policies"];
    let mut pages: Vec<String> = fixed.iter().map(|page| (*page).to_owned()).collect();
    pages.push(format!("/ui/image?id={image}"));
    pages.push(format!("/ui/signer?id={signer}"));
    pages
}
