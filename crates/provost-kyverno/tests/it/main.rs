//! Runs corpus/kyverno: policies over images in memory, honest and hostile, in order and in every other order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod keyless;
mod limits;
mod world;

use std::collections::BTreeSet;
use std::path::PathBuf;

use provost_kyverno::apply::{Options, Stage, apply};
use provost_kyverno::policy::load::Documents;
use provost_kyverno::request::Kind;
use provost_kyverno::review::{Answers, answers};
use provost_kyverno::{Judgement, Request, judge, load, message, yaml};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use testkit::Request as Asked;
use world::{Fault, Registry, RegistryWorld};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    set: String,
    #[serde(default)]
    policies: Vec<Value>,
    refused: Option<String>,
    #[serde(default)]
    faults: Vec<Fault>,
    #[serde(default)]
    reviews: Vec<Review>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Review {
    name: String,
    #[serde(default)]
    images: Vec<String>,
    object: Option<Value>,
    old: Option<Value>,
    operation: Option<String>,
    user: Option<Value>,
    want: String,
    says: Option<String>,
    warns: Option<Value>,
    pins: Option<usize>,
    marks: Option<Map<String, Value>>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/kyverno")
}

fn sets() -> Vec<(String, Set)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| {
        f.extension().is_some_and(|e| e == "yaml")
            && !f.ends_with("world.yaml")
            && !f.ends_with("failures.yaml")
    });
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let documents = yaml::documents(&name, &text).unwrap_or_else(|e| panic!("{e}"));
        let Some(Value::Array(listed)) = documents.into_iter().next() else { panic!("{name}: no list") };
        // An item with this field only holds anchors for those that follow.
        for set in listed.into_iter().filter(|set| set.get(".anchors").is_none()) {
            let shown = set.to_string();
            let set: Set = serde_json::from_value(set).unwrap_or_else(|e| panic!("{name}: {e} in {shown}"));
            all.push((name.clone(), set));
        }
    }
    all
}

fn named(name: &str) -> Set {
    sets().into_iter().map(|(_, set)| set).find(|set| set.set == name).expect("a set of this name")
}

fn request_of(review: &Review, registry: &Registry) -> Request {
    let container =
        |(at, image): (usize, &String)| json!({"name": format!("c{at}"), "image": registry.image(image)});
    let containers: Vec<Value> = review.images.iter().enumerate().map(container).collect();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": "policy"},
        "spec": {"containers": containers},
    });
    let object = registry.filled(review.object.as_ref().unwrap_or(&pod));
    let mut old = review.old.as_ref().map(|old| registry.filled(old)).unwrap_or_default();
    let kind = Kind::of(&object);
    let metadata = object["metadata"].clone();
    let operation = review.operation.as_deref().unwrap_or("CREATE");
    let mut new = object;
    if operation == "DELETE" {
        old = std::mem::take(&mut new);
    }
    let admin = json!({"username": "admin", "groups": ["system:masters"]});
    Request::of_review(&json!({"request": {
        "uid": "u",
        "kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "name": metadata["name"],
        "namespace": metadata.get("namespace").cloned().unwrap_or_default(),
        "operation": operation,
        "userInfo": review.user.clone().unwrap_or(admin),
        "object": new,
        "oldObject": old,
    }}))
    .unwrap()
}

/// The verdict, the messages, the warnings.
fn texts(answer: &Answers) -> (String, Vec<String>, Vec<String>) {
    let responses: Vec<&Value> =
        [Some(&answer.mutate), answer.validate.as_ref()].into_iter().flatten().collect();
    let verdict = match responses.iter().position(|r| r["allowed"] == false) {
        None => "allow",
        Some(0) => "deny",
        Some(_) => "deny-check",
    };
    let message = |r: &&Value| r["status"]["message"].as_str().map(str::to_owned);
    let warnings = responses.iter().filter_map(|r| r["warnings"].as_array()).flatten();
    let warnings = warnings.map(|w| w.as_str().unwrap().to_owned()).collect();
    (verdict.to_owned(), responses.iter().filter_map(message).collect(), warnings)
}

fn check(review: &Review, registry: &Registry, judged: &Judgement, request: &Request) -> Result<(), String> {
    let (verdict, messages, warnings) = texts(&answers(request, judged));
    if verdict != review.want {
        return Err(format!("want {}, got {verdict}: {messages:?} {warnings:?}", review.want));
    }
    if let Some(says) = &review.says {
        let says = registry.filled_text(says);
        if !messages.iter().any(|m| m.contains(&says)) {
            return Err(format!("want a message with {says:?}, got {messages:?}"));
        }
    }
    match &review.warns {
        Some(Value::Bool(false)) if !warnings.is_empty() => {
            return Err(format!("want no warnings, got {warnings:?}"));
        }
        Some(Value::String(text)) if !warnings.iter().any(|w| w.contains(text.as_str())) => {
            return Err(format!("want a warning with {text:?}, got {warnings:?}"));
        }
        _ => {}
    }
    let pins = judged.operations.iter().filter(|o| o["op"] == "replace").count();
    if review.pins.is_some_and(|wanted| wanted != pins) {
        return Err(format!("want {:?} pins, got {:?}", review.pins, judged.operations));
    }
    if let Some(marks) = &review.marks {
        let text = judged.object["metadata"]["annotations"]["kyverno.io/verify-images"].as_str();
        let found: Map<String, Value> = serde_json::from_str(text.unwrap_or("{}")).unwrap();
        let wanted: Map<String, Value> = marks.iter().map(|(k, v)| (registry.image(k), v.clone())).collect();
        if found != wanted {
            return Err(format!("want the annotation {wanted:?}, got {found:?}"));
        }
    }
    Ok(())
}

fn documents(set: &Set, registry: &Registry) -> Documents {
    let policies: Vec<Value> = set.policies.iter().map(|p| registry.filled(p)).collect();
    load(&set.set, &policies)
}

#[tokio::test]
async fn every_set_of_the_corpus() {
    let mut failures = Vec::new();
    let mut reviews = 0;
    let registry = Registry::of_corpus(&folder()).await;
    for (file, set) in sets() {
        registry.store.heal();
        let place = format!("{file}/{}", set.set);
        let found = documents(&set, &registry);
        let words: Vec<String> = found.refused.iter().map(message::refusal::of).collect();
        match &set.refused {
            Some(wanted) if words.iter().any(|w| w.contains(wanted.as_str())) => continue,
            Some(wanted) => {
                failures.push(format!("{place}: want a refusal with {wanted:?}, got {words:?}"));
                continue;
            }
            None if !words.is_empty() => {
                failures.push(format!("{place}: refused: {words:?}"));
                continue;
            }
            None => {}
        }
        registry.break_with(&set.faults);
        for review in &set.reviews {
            reviews += 1;
            let request = request_of(review, &registry);
            let world = RegistryWorld::new(&registry);
            let judged = judge(&world.world(), &found.policies, &found.exceptions, &request).await;
            if let Err(why) = check(review, &registry, &judged, &request) {
                failures.push(format!("{place}/{}: {why}", review.name));
            }
        }
    }
    assert!(reviews > 50, "only {reviews} reviews");
    assert!(failures.is_empty(), "{} of {reviews} differ:\n{}", failures.len(), failures.join("\n"));
}

/// One row of the table of failures.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failing {
    cause: String,
    set: Option<String>,
    #[serde(rename = "Fail")]
    fail: String,
    #[serde(rename = "Ignore")]
    ignore: String,
}

impl Failing {
    fn wanted(&self) -> [(&str, &str); 2] {
        [("Fail", &self.fail), ("Ignore", &self.ignore)]
    }
}

fn failures(part: &str) -> Vec<Failing> {
    let text = std::fs::read_to_string(folder().join("failures.yaml")).unwrap();
    let document = yaml::documents("failures.yaml", &text).unwrap_or_else(|e| panic!("{e}")).remove(0);
    serde_json::from_value(document[part].clone()).unwrap_or_else(|e| panic!("failures.yaml: {e}"))
}

fn under(set: &Set, failure_policy: &str, registry: &Registry) -> Documents {
    let mut found = documents(set, registry);
    for one in &mut found.policies {
        one.spec.failure_policy = serde_json::from_value(json!(failure_policy)).unwrap();
    }
    found
}

/// Whatever a registry does, an image that could not be looked at is never admitted (security.md 9).
#[tokio::test]
async fn no_failure_of_a_registry_admits() {
    let registry = Registry::of_corpus(&folder()).await;
    for (set, requests) in [
        ("fault-attestations", ["manifest", "blob"].as_slice()),
        ("fault-attestors", &["manifest", "blob"]),
        ("fault-pinning", &["manifest"]),
        ("fault-context", &["manifest", "blob"]),
    ] {
        let set = named(set);
        for row in failures("registry") {
            for (failure_policy, wanted) in row.wanted() {
                for request in requests {
                    registry.store.heal();
                    let found = under(&set, failure_policy, &registry);
                    let asked = request_of(&set.reviews[0], &registry);
                    let world = RegistryWorld::new(&registry);
                    let sound = judge(&world.world(), &found.policies, &[], &asked).await;
                    assert_eq!(texts(&answers(&asked, &sound)).0, "allow", "{} without faults", set.set);
                    registry.break_with(&[Fault::of(request, &row.cause)]);
                    let judged = judge(&world.world(), &found.policies, &[], &asked).await;
                    let (verdict, messages, _) = texts(&answers(&asked, &judged));
                    let place = format!("{} {failure_policy} {request} {}", set.set, row.cause);
                    assert_eq!(verdict, wanted, "{place}: {messages:?}");
                }
            }
        }
    }
}

/// What our own side does follows failurePolicy, and is said either way.
#[tokio::test]
async fn failures_of_our_own_follow_the_failure_policy() {
    let registry = Registry::of_corpus(&folder()).await;
    for row in failures("ours") {
        let set = named(row.set.as_deref().unwrap());
        for (failure_policy, wanted) in row.wanted() {
            let found = under(&set, failure_policy, &registry);
            let asked = request_of(&set.reviews[0], &registry);
            let sound = RegistryWorld::new(&registry);
            let judged = judge(&sound.world(), &found.policies, &[], &asked).await;
            assert_eq!(texts(&answers(&asked, &judged)).0, "allow", "{} without faults", set.set);
            let away = RegistryWorld::without(&registry, &row.cause);
            let judged = judge(&away.world(), &found.policies, &[], &asked).await;
            let (verdict, messages, warnings) = texts(&answers(&asked, &judged));
            let place = format!("{} {failure_policy} {}", set.set, row.cause);
            assert_eq!(verdict, wanted, "{place}: {messages:?} {warnings:?}");
            let said = messages.iter().chain(&warnings).any(|text| text.contains("the API server is away"));
            assert!(said, "{place}: {messages:?} {warnings:?}");
        }
    }
}

/// A small generator, so that the orders are the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

fn review(images: &[&str]) -> Review {
    serde_json::from_value(json!({"name": "n", "images": images, "want": ""})).unwrap()
}

#[tokio::test]
async fn no_order_changes_the_result() {
    let set = named("orders");
    let registry = Registry::of_corpus(&folder()).await;
    let mut dice = Dice(7);
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let mut policies: Vec<Value> = set.policies.iter().map(|p| registry.filled(p)).collect();
        dice.shuffle(&mut policies);
        for policy in &mut policies {
            dice.shuffle(policy["spec"]["rules"][0]["verifyImages"].as_array_mut().unwrap());
        }
        let found = load("orders", &policies);
        assert_eq!(found.refused, []);
        let mut containers = ["good", "bad", "signed", "both-builders", "mallory-only", "unsigned"];
        dice.shuffle(&mut containers);
        let request = request_of(&review(&containers), &registry);
        let world = RegistryWorld::new(&registry);
        let judged = judge(&world.world(), &found.policies, &[], &request).await;
        seen.insert(format!("{:?}", texts(&answers(&request, &judged))));
    }
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert!(seen.iter().all(|text| text.contains("\"deny\"")), "{seen:?}");
}

#[tokio::test]
async fn each_question_is_asked_once() {
    let registry = Registry::of_corpus(&folder()).await;
    let found = documents(&named("orders"), &registry);
    let request = request_of(&review(&["good:", "good:"]), &registry);
    registry.store.forget_counts();
    let world = RegistryWorld::new(&registry);
    judge(&world.world(), &found.policies, &[], &request).await;
    // The tag, the .att tag and the .sig tag, however many policies, entries and containers ask.
    assert_eq!(registry.store.asked(Asked::Manifest), 3);
    assert_eq!(registry.store.asked(Asked::Blob), 1);
}

#[tokio::test]
async fn policies_that_run_in_turn_ask_once_too() {
    let registry = Registry::of_corpus(&folder()).await;
    let found = documents(&named("orders"), &registry);
    let object = request_of(&review(&["good", "good"]), &registry).object;
    registry.store.forget_counts();
    let world = RegistryWorld::new(&registry);
    let (stage, options) = (Stage::default(), Options::default());
    let report = apply(&world.world(), &found, &[object], &stage, options).await;
    assert!(report.rows.len() >= found.policies.len(), "{:?}", report.rows);
    // The .att tag and the .sig tag.
    assert_eq!((registry.store.asked(Asked::Manifest), registry.store.asked(Asked::Blob)), (2, 1));
}

#[tokio::test]
async fn what_is_verified_is_what_is_pinned() {
    let registry = Registry::of_corpus(&folder()).await;
    let found = documents(&named("pinning"), &registry);
    let request = request_of(&review(&["good:"]), &registry);
    let world = RegistryWorld::new(&registry);
    let judged = judge(&world.world(), &found.policies, &[], &request).await;
    let pinned = judged.object.pointer("/spec/containers/0/image").and_then(Value::as_str).unwrap();
    let digest = registry.image("good").rsplit_once('@').unwrap().1.to_owned();
    assert_eq!(pinned, format!("reg.example/good:v1@{digest}"));
}

fn policy(name: &str, entry: &Value, context: &Value) -> Value {
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": name},
        "spec": {"background": false, "rules": [{
            "name": "r",
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "context": context,
            "verifyImages": [entry],
        }]},
    })
}

fn entry(fields: &Value) -> Value {
    let mut entry = json!({
        "imageReferences": ["*"],
        "failureAction": "Enforce",
        "mutateDigest": false,
        "verifyDigest": false,
        "required": false,
    });
    entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    entry
}

fn attestors(registry: &Registry) -> Value {
    let keys = json!({"publicKeys": "{KEY:alice}", "rekor": {"ignoreTlog": true}});
    registry.filled(&json!([{"entries": [{"keys": keys}]}]))
}

/// Two registries behind one name, told apart by how they are asked: a tag that moves between two questions.
struct Moving(Registry, Registry);

impl provost_kyverno::Stores for Moving {
    fn store(
        &self,
        registry: &str,
        access: &provost_kyverno::Access,
    ) -> Result<std::sync::Arc<dyn provost_registry::Store>, String> {
        if access.allow_http { self.1.store(registry, access) } else { self.0.store(registry, access) }
    }
}

#[tokio::test]
async fn a_tag_that_moves_is_still_one_image() {
    let first = Registry::of_corpus(&folder()).await;
    let second = Registry::of_corpus(&folder()).await;
    second.move_tag("good", "bad").await;
    let attestation = json!({"type": "https://slsa.dev/provenance/v0.2", "attestors": attestors(&first)});
    let verifies = entry(&json!({"attestations": [attestation], "mutateDigest": true}));
    let pins =
        entry(&json!({"mutateDigest": true, "imageRegistryCredentials": {"allowInsecureRegistry": true}}));
    let mut both = policy("p", &verifies, &json!([]));
    both["spec"]["rules"][0]["verifyImages"].as_array_mut().unwrap().push(pins);
    let found = load("moving", &[both]);
    assert_eq!(found.refused, []);
    let request = request_of(&review(&["good:"]), &first);
    let moving = Moving(first, second);
    let world = RegistryWorld::over(&moving.0, &moving);
    let judged = judge(&world.world(), &found.policies, &[], &request).await;
    let pins: Vec<&Value> = judged.operations.iter().filter(|o| o["op"] == "replace").collect();
    assert_eq!(pins.len(), 1, "{pins:?}");
}

#[tokio::test]
async fn judging_may_move_between_threads() {
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let registry = Registry::of_corpus(&folder()).await;
    let found = documents(&named("pinning"), &registry);
    let request = request_of(&review(&["good"]), &registry);
    let world = RegistryWorld::new(&registry);
    let judged = is_send(judge(&world.world(), &found.policies, &[], &request)).await;
    assert!(!judged.denied_by_verifying());
}
