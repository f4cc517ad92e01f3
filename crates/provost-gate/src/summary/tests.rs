//! Which verdicts are vouched for, and each step by which one is accepted.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use provost_keys::PrivateKey;
use provost_kyverno::outcome::{Finding, PolicyOutcome, RuleOutcome};
use provost_kyverno::policy::{Action, FailurePolicy};
use provost_kyverno::{Judgement, Status, load};
use provost_oci::{Digest, Repository};
use provost_statement::Statement;
use serde_json::{Value, json};
use testkit::MemoryStore;

use super::*;
use crate::hook::{Hook, Share};
use crate::record::{Basis, Decided, tests::decided};
use crate::sight::Sight;

const VERIFIER: &str = "https://example.test/gate";

fn image() -> Digest {
    Digest::sha256_of(b"image")
}

fn repository() -> Repository {
    "reg.example/app".parse().unwrap()
}

/// A decision from which a verdict may be made.
fn passed() -> Decided {
    let document = json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
        "spec": {"background": false, "rules": [{
            "name": "r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce"}],
        }]},
    });
    let policies = load("p.yaml", &[document]).policies.into_iter().map(Arc::new).collect();
    let outcome = |finding| RuleOutcome {
        rule: "r".to_owned(),
        image: Some(format!("{}@{}", repository(), image())),
        status: Status::Pass,
        finding,
        action: Action::Enforce,
        tells: false,
    };
    let policy = PolicyOutcome {
        name: "p".to_owned(),
        namespace: String::new(),
        failure_policy: FailurePolicy::Fail,
        scored: true,
        verified: vec![outcome(Finding::Attestations)],
        checked: vec![outcome(Finding::Checked(Vec::new()))],
    };
    let judgement = Judgement {
        policies: vec![policy],
        errors_deny: true,
        operations: Vec::new(),
        object: Value::Null,
        notes: Vec::new(),
    };
    Decided {
        hook: Hook::Validate(Share::All),
        authenticated: true,
        judgement: Some(judgement),
        sight: Arc::new(Sight { epoch: 1, policies, ..Sight::default() }),
        at: Timestamp::from_second(1_000_000).unwrap(),
        ..decided(json!({"kind": "Pod"}), true)
    }
}

#[test]
fn only_a_plain_pass_of_a_known_caller_is_vouched_for() {
    let all = plain_passes(&passed());
    assert_eq!(all.len(), 1);
    assert_eq!((&all[0].image, &all[0].repository), (&image(), &repository()));
    assert_eq!(all[0].policy, "urn:provost:kyverno.io:clusterpolicy:p");
    type Change = fn(&mut Decided);
    let changes: [(&str, Change); 11] = [
        ("nobody known asked", |d| d.authenticated = false),
        ("a dry run", |d| d.dry_run = true),
        ("denied", |d| d.response = json!({"allowed": false})),
        ("not judged", |d| d.basis = Basis::Unchanged),
        ("the mutating webhook", |d| d.hook = Hook::Mutate(Share::All)),
        ("a warning", |d| d.judgement.as_mut().unwrap().notes.push("missed".to_owned())),
        ("skipped", |d| {
            let extra = d.judgement.as_ref().unwrap().policies[0].verified[0].clone();
            let extra = RuleOutcome {
                status: Status::Skip,
                finding: Finding::Excepted(vec!["n/e".to_owned()]),
                ..extra
            };
            d.judgement.as_mut().unwrap().policies[0].verified.push(extra);
        }),
        ("audited", |d| d.judgement.as_mut().unwrap().policies[0].verified[0].action = Action::Audit),
        ("only pinned", |d| d.judgement.as_mut().unwrap().policies[0].verified[0].finding = Finding::Pinned),
        ("a tag", |d| {
            d.judgement.as_mut().unwrap().policies[0].verified[0].image =
                Some("reg.example/app:v1".to_owned());
        }),
        ("a policy that is gone", |d| d.sight = Arc::new(Sight::default())),
    ];
    for (what, change) in changes {
        let mut decided = passed();
        change(&mut decided);
        assert_eq!(plain_passes(&decided), [], "{what}");
    }
}

fn expected() -> Expected {
    Expected {
        verifier: VERIFIER.to_owned(),
        resource_uri: resource_uri(&repository()),
        policy_digest: plain_passes(&passed())[0].policy_digest.clone(),
        most_age: Duration::from_secs(3600),
    }
}

#[test]
fn each_step_of_accepting_refuses_by_itself() {
    let summary = &plain_passes(&passed())[0];
    let good: Value = serde_json::from_slice(&summary.statement(VERIFIER)).unwrap();
    let now = summary.at + Duration::from_secs(60);
    let judged = |statement: &Value, now| {
        let statement = Statement::parse(statement.to_string().as_bytes()).unwrap();
        judge(&statement, &image(), &expected(), now)
    };
    assert!(judged(&good, now).is_ok());
    let cases = [
        ("/subject/0/digest/sha256", json!("00"), "not about"),
        ("/predicateType", json!("https://slsa.dev/verification_summary/v2"), "predicate type"),
        (
            "/predicate/verifier/id",
            json!("https://example.test/other"),
            "verifier.id is \"https://example.test/other\"",
        ),
        ("/predicate/resourceUri", json!("oci://reg.example/other"), "resourceUri"),
        (
            "/predicate/verificationResult",
            json!("FAILED"),
            "verificationResult is \"FAILED\", expected \"PASSED\"",
        ),
        ("/predicate/verifiedLevels", json!(["FAILED"]), "verifiedLevels"),
        ("/predicate/verifiedLevels", json!(LEVEL), "verifiedLevels"),
        ("/predicate/verifiedLevels", json!([LEVEL, "SLSA_BUILD_LEVEL_3"]), "verifiedLevels"),
        ("/predicate/verifiedLevels", json!([LEVEL, "FAILED"]), "verifiedLevels"),
        ("/predicate/verifiedLevels", json!([LEVEL, 3]), "verifiedLevels"),
        ("/predicate/policy/digest/sha256", json!("11"), "policy.digest"),
        ("/predicate/timeVerified", json!("yesterday"), "timeVerified"),
        ("/predicate/timeVerified", Value::Null, "timeVerified is null"),
    ];
    for (pointer, value, words) in cases {
        let mut statement = good.clone();
        *statement.pointer_mut(pointer).unwrap() = value.clone();
        let refused = judged(&statement, now).unwrap_err().to_string();
        assert!(refused.contains(words), "{pointer} = {value}: {refused}");
    }
    let old = judged(&good, summary.at + Duration::from_secs(3601)).unwrap_err();
    assert!(matches!(old, Refused::Age { .. }), "{old}");
    let early = judged(&good, summary.at - Duration::from_secs(61)).unwrap_err();
    assert!(matches!(early, Refused::Age { .. }), "{early}");
}

fn summarizer(store: &Arc<MemoryStore>, key: &Arc<PrivateKey>) -> Summarizer {
    Summarizer {
        store: store.clone(),
        key: key.clone(),
        verifier: VERIFIER.to_owned(),
        renewal: Duration::from_secs(1800),
        say: Arc::new(|_| {}),
    }
}

#[tokio::test]
async fn a_verdict_lies_beside_the_image_and_is_accepted_under_its_key_alone() {
    let store = Arc::new(MemoryStore::new());
    let key = Arc::new(PrivateKey::generate().unwrap());
    let summary = plain_passes(&passed()).remove(0);
    let now = summary.at + Duration::from_secs(60);
    let nothing = accept(store.as_ref(), &repository(), &image(), &key.public_key(), &expected(), now).await;
    assert_eq!(nothing, Err(Refused::Unsigned));
    assert!(summarizer(&store, &key).store(&summary).await.unwrap());
    let accepted = accept(store.as_ref(), &repository(), &image(), &key.public_key(), &expected(), now).await;
    assert_eq!(accepted, Ok(Accepted { policy: summary.policy.clone(), at: summary.at }));
    let stranger = PrivateKey::generate().unwrap().public_key();
    let refused = accept(store.as_ref(), &repository(), &image(), &stranger, &expected(), now).await;
    assert_eq!(refused, Err(Refused::Unsigned));
}

#[tokio::test]
async fn an_image_has_one_verdict_for_each_policy() {
    let store = Arc::new(MemoryStore::new());
    let key = Arc::new(PrivateKey::generate().unwrap());
    let first = plain_passes(&passed()).remove(0);
    let soon = Summary { at: first.at + Duration::from_secs(60), ..first.clone() };
    let later = Summary { at: first.at + Duration::from_secs(2000), ..first.clone() };
    let changed = Summary { policy_digest: Digest::sha256_of(b"other"), ..later.clone() };
    let other = Summary { policy: "urn:other".to_owned(), ..later.clone() };
    let writer = summarizer(&store, &key);
    for (summary, written) in
        [(&first, true), (&soon, false), (&later, true), (&changed, true), (&other, true)]
    {
        assert_eq!(writer.store(summary).await.unwrap(), written, "{summary:?}");
    }
    let tag = provost_oci::Selector::Tag(provost_verify::find::scheme_tag(&image(), "att"));
    let manifest = provost_registry::Store::manifest(store.as_ref(), &repository(), &tag).await.unwrap();
    let manifest: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_seen_is_not_accepted() {
    let store = Arc::new(MemoryStore::new());
    let key = Arc::new(PrivateKey::generate().unwrap());
    let summary = plain_passes(&passed()).remove(0);
    summarizer(&store, &key).store(&summary).await.unwrap();
    let error = provost_registry::StoreError::Status {
        request: "GET x".to_owned(),
        status: 500,
        errors: Vec::new(),
        body: String::new(),
    };
    store.fail_always(testkit::Request::Manifest, error);
    let found =
        accept(store.as_ref(), &repository(), &image(), &key.public_key(), &expected(), summary.at).await;
    assert!(matches!(found, Err(Refused::Unchecked(_))), "{found:?}");
}

#[tokio::test]
async fn decisions_become_verdicts_through_the_backlog() {
    use crate::record::Hears as _;
    let store = Arc::new(MemoryStore::new());
    let key = Arc::new(PrivateKey::generate().unwrap());
    let (backlog, waiting) = hears();
    let load = backlog.load();
    backlog.heard(&Arc::new(passed()));
    backlog.heard(&Arc::new(passed()));
    backlog.heard(&Arc::new(Decided { authenticated: false, ..passed() }));
    drop(backlog);
    summarizer(&store, &key).write(waiting, load.clone()).await;
    assert_eq!(load.dropped(), 0);
    let now = passed().at;
    let found = accept(store.as_ref(), &repository(), &image(), &key.public_key(), &expected(), now).await;
    assert!(found.is_ok(), "{found:?}");
}
