//! The gate over a registry in memory: what it asks anew, what it remembers, and what it does when time is over.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use futures_util::future::{join, join_all};
use provost_expr::go_time::Instant as GoInstant;
use provost_keys::PrivateKey;
use provost_kyverno::cluster::{Roles, User};
use provost_kyverno::{Access, ClusterError, Objects, load};
use provost_oci::{Digest, Repository};
use provost_registry::Store;
use provost_sign::attach::{AttachedLayer, Dedup, attach};
use provost_sign::envelope::{KeyHint, sign_envelope};
use provost_verify::find::{ENVELOPE_LAYER, SIGNATURE_ANNOTATION, scheme_tag};
use serde_json::json;
use testkit::{MemoryStore, Request as Question};
use tokio::sync::watch;

use super::*;
use crate::hook::Share;

const TYPE: &str = "https://slsa.dev/provenance/v1";

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

struct One(Arc<MemoryStore>);

impl Stores for One {
    fn store(&self, _: &str, _: &Access) -> Result<Arc<dyn Store>, String> {
        Ok(self.0.clone())
    }
}

/// A cluster whose API server never answers.
struct Silent;

#[async_trait::async_trait]
impl Cluster for Silent {
    async fn namespace_labels(&self, _: &str) -> Result<BTreeMap<String, String>, ClusterError> {
        std::future::pending().await
    }

    async fn config_map(&self, _: &str, _: &str) -> Result<Value, ClusterError> {
        std::future::pending().await
    }

    async fn secret(&self, _: &str, _: &str) -> Result<BTreeMap<String, Vec<u8>>, ClusterError> {
        std::future::pending().await
    }

    async fn roles(&self, _: &User) -> Result<Roles, ClusterError> {
        std::future::pending().await
    }
}

struct Scene {
    registry: Arc<MemoryStore>,
    gate: Gate,
    told: watch::Sender<Arc<Sight>>,
    key: PrivateKey,
    image: String,
}

impl Scene {
    async fn new() -> Self {
        Self::within(Arc::new(Objects::new(Vec::new()))).await
    }

    /// One image, attested by one key.
    async fn within(cluster: Arc<dyn Cluster>) -> Self {
        let (registry, key) = (Arc::new(MemoryStore::new()), PrivateKey::generate().unwrap());
        let repository: Repository = "reg.example/app".parse().unwrap();
        let digest = Digest::sha256_of(b"image");
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1", "predicateType": TYPE,
            "subject": [{"name": "x", "digest": {"sha256": digest.hex()}}],
            "predicate": {"builder": {"id": "trusted"}},
        });
        let envelope = sign_envelope(statement.to_string().as_bytes(), &key, KeyHint::None).await.unwrap();
        let layer = AttachedLayer {
            media_type: ENVELOPE_LAYER.to_owned(),
            bytes: Bytes::from(envelope.to_json()),
            annotations: BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), String::new())]),
        };
        let tag = scheme_tag(&digest, "att");
        attach(registry.as_ref(), &repository, &tag, &layer, Dedup::Never).await.unwrap();
        registry.forget_counts();
        let (told, sights) = watch::channel(Arc::new(Sight::default()));
        let gate = Gate::new(Parts {
            sights,
            cluster,
            stores: Arc::new(One(registry.clone())),
            machine: Arc::new(Still),
            anchors: Arc::default(),
            hearers: Vec::new(),
        });
        Self { registry, gate, told, key, image: format!("{repository}@{digest}") }
    }

    /// A policy for Pods with this key; `changes` go over its spec by merging, those to its entry over the entry.
    fn policy(&self, key: &PrivateKey, entry: &Value, spec: &Value) -> Value {
        let keys = json!([{"entries": [{"keys": {
            "publicKeys": key.public_key().to_pem(), "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true},
        }}]}]);
        let condition = json!({"key": "{{ builder.id }}", "operator": "Equals", "value": "trusted"});
        let mut rule = json!({
            "name": "r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "verifyImages": [{
                "imageReferences": ["*"], "failureAction": "Enforce", "mutateDigest": false, "verifyDigest": false, "required": false,
                "attestations": [{"type": TYPE, "attestors": keys, "conditions": [{"all": [condition]}]}],
            }],
        });
        merge(&mut rule["verifyImages"][0], entry);
        if entry.get("attestors").is_some() {
            rule["verifyImages"][0]["attestors"] = keys;
        }
        let mut document = json!({
            "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
            "spec": {"background": false, "rules": [rule]},
        });
        merge(&mut document["spec"], spec);
        document
    }

    fn judge_by(&self, epoch: u64, policy: &Value) {
        let loaded = load("p.yaml", std::slice::from_ref(policy));
        assert!(loaded.refused.is_empty(), "{:?}", loaded.refused);
        let policies = loaded.policies.into_iter().map(Arc::new).collect();
        self.told.send_replace(Arc::new(Sight { epoch, policies, ..Sight::default() }));
    }

    async fn ask(&self, hook: Hook, image: &str) -> Value {
        let review = json!({"request": {
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE",
            "namespace": "n", "name": "x",
            "object": {"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "x", "namespace": "n", "annotations": {
                    "kyverno.io/verify-images": format!("{{\"{image}\":\"pass\"}}")}},
                "spec": {"containers": [{"name": "c", "image": image}]}},
        }});
        let request = Request::of_review(&review).unwrap();
        self.gate.answer(Asked { hook, request, authenticated: false, limit: WAITING }).await
    }

    async fn lets_in(&self) -> bool {
        self.ask(Hook::Mutate(Share::All), &self.image).await["allowed"] == true
    }
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().unwrap() {
        into[name] = value.clone();
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_pods_of_one_image_are_one_set_of_questions() {
    let scene = Scene::new().await;
    for (anew, manifests) in [(true, 1), (false, 1), (false, 1), (true, 2)] {
        let policy = scene.policy(&scene.key, &json!({"useCache": !anew}), &json!({}));
        scene.judge_by(1, &policy);
        // The registry answers once all have asked.
        scene.registry.hang();
        let answering = async {
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            scene.registry.heal();
        };
        let (all, ()) = join(join_all((0..200).map(|_| scene.lets_in())), answering).await;
        assert!(all.into_iter().all(|lets_in| lets_in));
        assert_eq!(
            (scene.registry.asked(Question::Manifest), scene.registry.asked(Question::Blob)),
            (manifests, 1)
        );
    }
}

/// Case 36: what is remembered of registries is no verdict, so a key or a condition that is gone is gone at once.
#[tokio::test(start_paused = true)]
async fn a_changed_key_or_condition_counts_at_once_whatever_is_remembered() {
    let scene = Scene::new().await;
    scene.judge_by(1, &scene.policy(&scene.key, &json!({}), &json!({})));
    assert!(scene.lets_in().await);
    let other = PrivateKey::generate().unwrap();
    scene.judge_by(2, &scene.policy(&other, &json!({}), &json!({})));
    assert!(!scene.lets_in().await);
    let mut stricter = scene.policy(&scene.key, &json!({}), &json!({}));
    *stricter.pointer_mut("/spec/rules/0/verifyImages/0/attestations/0/conditions/0/all/0/value").unwrap() =
        json!("another");
    scene.judge_by(3, &stricter);
    assert!(!scene.lets_in().await);
    scene.judge_by(4, &scene.policy(&scene.key, &json!({}), &json!({})));
    assert!(scene.lets_in().await);
    assert_eq!(scene.registry.asked_in_all(), 2);
}

/// Rule 12: what another webhook put in after ours is verified by the validating one, whatever an annotation says.
#[tokio::test(start_paused = true)]
async fn an_image_that_came_in_later_is_verified_too() {
    let scene = Scene::new().await;
    scene.judge_by(1, &scene.policy(&scene.key, &json!({}), &json!({})));
    for hook in [Hook::Mutate(Share::All), Hook::Validate(Share::All)] {
        assert_eq!(scene.ask(hook.clone(), &scene.image).await["allowed"], true);
        let other = format!("reg.example/app@{}", Digest::sha256_of(b"other"));
        let answer = scene.ask(hook, &other).await;
        assert_eq!(answer["allowed"], false, "{answer}");
    }
}

/// Rules 9 and 10: a registry that is silent until our own deadline lets nothing in where a policy enforces.
#[tokio::test(start_paused = true)]
async fn a_registry_that_does_not_answer_in_time_is_no_pass() {
    for (entry, action, failure_policy, allowed) in [
        (json!({}), "Enforce", "Fail", false),
        (json!({}), "Enforce", "Ignore", false),
        (json!({}), "Audit", "Fail", true),
        (json!({}), "Audit", "Ignore", true),
        (json!({"attestors": [], "attestations": []}), "Enforce", "Fail", false),
        (json!({"attestors": [], "attestations": []}), "Enforce", "Ignore", false),
        (json!({"attestors": [], "attestations": []}), "Audit", "Ignore", true),
    ] {
        let scene = Scene::new().await;
        let mut entry = entry;
        entry["failureAction"] = json!(action);
        let webhook = json!({"webhookConfiguration": {"failurePolicy": failure_policy}});
        scene.judge_by(1, &scene.policy(&scene.key, &entry, &webhook));
        scene.registry.hang();
        let began = tokio::time::Instant::now();
        let answer = scene.ask(Hook::Mutate(Share::All), &scene.image).await;
        assert_eq!(answer["allowed"], allowed, "{entry} {failure_policy}: {answer}");
        assert!(began.elapsed() < WAITING && began.elapsed() > WAITING / 2);
        let said = answer.to_string();
        assert!(said.contains("context deadline exceeded"), "{said}");
    }
}

/// The same for everything else that may be waited for.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_answer_in_time_is_no_pass() {
    let context = json!([{"name": "c", "configMap": {"name": "c", "namespace": "n"}}]);
    for (action, failure_policy, allowed) in
        [("Enforce", "Fail", false), ("Enforce", "Ignore", false), ("Audit", "Ignore", true)]
    {
        let scene = Scene::within(Arc::new(Silent)).await;
        let webhook = json!({"webhookConfiguration": {"failurePolicy": failure_policy}});
        let mut policy = scene.policy(&scene.key, &json!({"failureAction": action}), &webhook);
        policy["spec"]["rules"][0]["context"] = context.clone();
        policy["spec"]["rules"][0]["preconditions"] =
            json!({"all": [{"key": "{{ c.data.x }}", "operator": "Equals", "value": "y"}]});
        scene.judge_by(1, &policy);
        let share =
            Share::Of(if failure_policy == "Fail" { FailurePolicy::Fail } else { FailurePolicy::Ignore });
        let began = tokio::time::Instant::now();
        let answer = scene.ask(Hook::Mutate(share), &scene.image).await;
        assert_eq!(answer["allowed"], allowed, "{action} {failure_policy}: {answer}");
        assert!(began.elapsed() < WAITING);
        assert!(answer.to_string().contains("provost: not decided within the 10 s"), "{answer}");
    }
}
