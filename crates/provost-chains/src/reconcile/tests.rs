//! Runs brought forward in a cluster in memory: signed once, held and let go, never believed about themselves.

use provost_keys::PrivateKey;
use provost_registry::StoreError;
use provost_registry::store::NetworkFailure;
use serde_json::json;
use testkit::Request;

use super::*;
use scene::{Scene, ended, image, settings};

mod deletion;
mod scene;
mod storages;

const FINALIZER: &str = "chains.tekton.dev/taskrun";

fn signed(outcome: &Outcome) -> (usize, usize) {
    match outcome {
        Outcome::Signed(done) => (done.payloads, done.stored),
        other => panic!("{other:?}"),
    }
}

fn reason(outcome: Outcome) -> Reason {
    match outcome {
        Outcome::Failed(trouble) | Outcome::GivenUp(trouble) | Outcome::Waiting(trouble) => trouble.reason,
        other => panic!("{other:?}"),
    }
}

fn unreachable_registry() -> StoreError {
    StoreError::Network {
        request: "GET http://reg.local/v2/".to_owned(),
        kind: NetworkFailure::Refused,
        address: "127.0.0.1:1".to_owned(),
        cause: "connection refused".to_owned(),
    }
}

#[tokio::test]
async fn a_run_that_has_ended_is_signed_with_one_patch_and_once() {
    let scene = Scene::new();
    let key = scene.task_run("build", &ended());
    assert_eq!(signed(&scene.reconcile(&key).await), (2, 2));
    assert_eq!((scene.patched(), scene.finalizers(&key)), (1, Vec::new()));
    assert_eq!(scene.annotation(&key, SIGNED).as_deref(), Some("true"));
    let access = Access {
        namespace: "ns".to_owned(),
        service_account: "builder".to_owned(),
        insecure: false,
        granted: None,
    };
    assert_eq!(*scene.accesses.lock().unwrap(), [access]);
    scene.registry.forget_counts();
    assert_eq!(scene.reconcile(&key).await, Outcome::Settled);
    assert_eq!((scene.patched(), scene.registry.asked_in_all()), (1, 0));
}

#[tokio::test]
async fn a_run_is_held_while_it_runs_and_let_go_once_signed() {
    let scene = Scene::new();
    let key = scene.task_run("build", &json!({"conditions": [{"type": "Succeeded", "status": "Unknown"}]}));
    scene.merge(&key, &json!({"metadata": {"finalizers": ["other/one"]}}));
    assert_eq!(scene.reconcile(&key).await, Outcome::Running);
    assert_eq!(scene.finalizers(&key), ["other/one", FINALIZER]);
    assert_eq!(scene.reconcile(&key).await, Outcome::Running);
    assert_eq!(scene.patched(), 1);
    scene.merge(&key, &json!({"status": ended()}));
    signed(&scene.reconcile(&key).await);
    assert_eq!((scene.patched(), scene.finalizers(&key)), (2, vec!["other/one".to_owned()]));
}

#[tokio::test]
async fn a_backlog_that_is_done_once_holds_nothing() {
    let scene = Scene::new();
    scene.rules.lock().unwrap().holds = false;
    let running = scene.task_run("running", &json!({}));
    assert_eq!(scene.reconcile(&running).await, Outcome::Running);
    let child = scene.task_run("child", &ended());
    scene.pipeline_run("pipeline", &["child"]);
    signed(&scene.reconcile(&child).await);
    assert_eq!((scene.finalizers(&running), scene.finalizers(&child)), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn marks_that_anybody_can_write_do_not_count() {
    let scene = Scene::new();
    for (name, annotations) in [
        ("marked", json!({SIGNED: "true"})),
        ("failed", json!({SIGNED: "failed", "chains.tekton.dev/retries": "3"})),
        ("words", json!({SIGNED: "true", RECEIPT: "e30=.AA=="})),
        ("payload", json!({SIGNED: "true", "chains.tekton.dev/payload-taskrun-uid-payload": "eA=="})),
    ] {
        let key = scene.task_run(name, &ended());
        scene.merge(&key, &json!({"metadata": {"annotations": annotations}}));
        signed(&scene.reconcile(&key).await);
        assert_eq!(scene.annotation(&key, SIGNED).as_deref(), Some("true"), "{name}");
    }
}

#[tokio::test]
async fn a_copied_run_is_a_run_of_its_own() {
    let scene = Scene::new();
    let first = scene.task_run("first", &ended());
    signed(&scene.reconcile(&first).await);
    let copy = scene.task_run("copy", &ended());
    let receipt = scene.annotation(&first, RECEIPT).unwrap();
    scene.merge(&copy, &json!({"metadata": {"annotations": {SIGNED: "true", RECEIPT: receipt}}}));
    // Its statement is word for word the first one's (nothing in v0.2 names the run), so nothing new is stored.
    assert_eq!(signed(&scene.reconcile(&copy).await), (2, 0));
    assert_ne!(scene.annotation(&copy, RECEIPT).unwrap(), receipt);
}

#[tokio::test]
async fn what_was_stored_before_the_kill_is_not_stored_again() {
    let scene = Scene::new();
    let key = scene.task_run("build", &ended());
    signed(&scene.reconcile(&key).await);
    scene.merge(&key, &json!({"metadata": {"annotations": null}}));
    assert_eq!(signed(&scene.reconcile(&key).await), (2, 0));
}

#[tokio::test]
async fn a_failure_stands_on_the_run_and_leaves_with_it() {
    let scene = Scene::new();
    let key = scene.task_run("build", &ended());
    scene.registry.fail_always(Request::Manifest, unreachable_registry());
    assert_eq!(reason(scene.reconcile(&key).await), Reason::StorageUnavailable);
    let first = scene.annotation(&key, CONDITION).unwrap();
    assert!(
        first.contains(r#""reason":"StorageUnavailable""#) && first.contains("connection refused"),
        "{first}"
    );
    assert_eq!(scene.finalizers(&key), [FINALIZER]);
    assert_eq!(scene.annotation(&key, SIGNED), None);
    // The same again is not written again.
    reason(scene.reconcile(&key).await);
    assert_eq!(scene.patched(), 1);
    scene.registry.heal();
    signed(&scene.reconcile(&key).await);
    assert_eq!((scene.annotation(&key, CONDITION), scene.finalizers(&key)), (None, Vec::new()));
    // What we wrote meanwhile is in no statement, so both attempts stored one and the same.
    assert_eq!(scene.patched(), 2);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let scene = Scene::new();
    let key = scene.task_run("build", &ended());
    let all = scene.settings.lock().unwrap().take();
    assert_eq!(reason(scene.reconcile(&key).await), Reason::ConfigurationMissing);
    *scene.settings.lock().unwrap() = all.map(|all| Settings { key: Err("no key".to_owned()), ..all });
    assert_eq!(reason(scene.reconcile(&key).await), Reason::KeyMissing);
    let bad = scene.task_run("bad", &ended());
    scene.merge(&bad, &json!({"status": {"steps": [{"name": "s", "imageID": ""}]}}));
    *scene.settings.lock().unwrap() = Some(settings(PrivateKey::generate().unwrap()));
    assert_eq!(reason(scene.reconcile(&bad).await), Reason::RunUnattestable);
    let subject = scene.task_run("subject", &ended());
    let result = json!([{"name": "X_ARTIFACT_URI", "value": "pkg:maven/x@1"},
        {"name": "X_ARTIFACT_DIGEST", "value": format!("sha256:{}", "b".repeat(64))}]);
    scene.merge(&subject, &json!({"status": {"results": result}}));
    assert_eq!(reason(scene.reconcile(&subject).await), Reason::SubjectUnplaceable);
}

#[tokio::test]
async fn a_busy_registry_makes_a_run_wait_without_a_word() {
    let scene = Scene::new();
    let key = scene.task_run("build", &ended());
    *scene.busy.lock().unwrap() = true;
    assert_eq!(scene.reconcile(&key).await, Outcome::Busy("reg.local".to_owned()));
    assert_eq!((scene.patched(), scene.registry.asked_in_all()), (0, 0));
}

#[tokio::test]
async fn runs_of_others_are_left_alone() {
    let scene = Scene::new();
    let key = scene.task_run("build", &ended());
    scene.merge(&key, &json!({"spec": {"managedBy": "somebody/else"}}));
    assert_eq!(scene.reconcile(&key).await, Outcome::Settled);
    scene.configure(|config| config.managed_by = ["somebody/else".to_owned()].into());
    scene.rules.lock().unwrap().namespaces = ["elsewhere".to_owned()].into();
    assert_eq!(scene.reconcile(&key).await, Outcome::Settled);
    scene.rules.lock().unwrap().namespaces.insert("ns".to_owned());
    signed(&scene.reconcile(&key).await);
}

#[tokio::test]
async fn old_marks_of_chains_are_adopted_where_that_is_asked_for() {
    let scene = Scene::new();
    let old = scene.task_run("old", &ended());
    scene.annotate(&old, SIGNED, "failed");
    scene.merge(&old, &json!({"metadata": {"finalizers": [FINALIZER]}}));
    scene.rules.lock().unwrap().adopt_before = Some("2026-01-01T00:00:00Z".parse().unwrap());
    signed(&scene.reconcile(&old).await);
    scene.merge(&old, &json!({"metadata": {"annotations": {RECEIPT: null}, "finalizers": [FINALIZER]}}));
    scene.rules.lock().unwrap().adopt_before = Some("2026-01-01T00:00:01Z".parse().unwrap());
    scene.registry.forget_counts();
    assert_eq!(scene.reconcile(&old).await, Outcome::Settled);
    assert_eq!((scene.finalizers(&old), scene.registry.asked_in_all()), (Vec::new(), 0));
}

#[tokio::test]
async fn receipts_of_the_key_before_still_count() {
    let scene = Scene::new();
    let key = scene.task_run("build", &ended());
    signed(&scene.reconcile(&key).await);
    let old = scene.settings.lock().unwrap().clone().unwrap().receipt_keys;
    let mut new = settings(PrivateKey::generate().unwrap());
    new.receipt_keys.extend(old);
    *scene.settings.lock().unwrap() = Some(new);
    assert_eq!(scene.reconcile(&key).await, Outcome::Settled);
    // A stranger's receipt does not.
    *scene.settings.lock().unwrap() = Some(settings(PrivateKey::generate().unwrap()));
    assert_eq!(signed(&scene.reconcile(&key).await), (2, 2));
}

#[tokio::test]
async fn a_pipeline_run_waits_for_its_children_and_lets_them_go() {
    let scene = Scene::new();
    let child = scene.task_run("child", &ended());
    let key = scene.pipeline_run("pipeline", &["child"]);
    assert_eq!(reason(scene.reconcile(&key).await), Reason::WaitingForChildren);
    assert_eq!(scene.finalizers(&key), ["chains.tekton.dev/pipelinerun"]);
    signed(&scene.reconcile(&child).await);
    assert_eq!(scene.finalizers(&child), [FINALIZER], "held until the PipelineRun is signed");
    assert_eq!(scene.reconcile(&child).await, Outcome::Settled);
    assert_eq!(scene.finalizers(&child), [FINALIZER]);
    signed(&scene.reconcile(&key).await);
    assert_eq!((scene.finalizers(&key), scene.finalizers(&child)), (Vec::new(), Vec::new()));
    let tag = format!("sha256-{}.att", image().rsplit(':').next().unwrap());
    let tag = provost_oci::Selector::Tag(tag);
    let manifest = scene.registry.manifest(&"reg.local/app".parse().unwrap(), &tag).await.unwrap();
    let manifest: provost_oci::ImageManifest = serde_json::from_slice(&manifest.bytes).unwrap();
    assert_eq!(manifest.layers.len(), 2, "one attestation of each kind of run");
}

#[tokio::test]
async fn a_child_that_was_not_let_go_before_a_kill_lets_go_by_itself() {
    let scene = Scene::new();
    let child = scene.task_run("child", &ended());
    let key = scene.pipeline_run("pipeline", &["child"]);
    for one in [&child, &key] {
        signed(&scene.reconcile(one).await);
    }
    scene.merge(&child, &json!({"metadata": {"finalizers": [FINALIZER]}}));
    assert_eq!(scene.reconcile(&child).await, Outcome::Settled);
    assert_eq!(scene.finalizers(&child), Vec::<String>::new());
}

#[tokio::test]
async fn children_belong_by_uid_alone() {
    let scene = Scene::new();
    scene.task_run("child", &ended());
    let key = scene.pipeline_run("pipeline", &["child"]);
    let child = Key::new(Kind::TaskRun, "ns", "child");
    for owner in [
        json!([]),
        json!([{"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": "pipeline", "uid": "other"}]),
    ] {
        scene.merge(&child, &json!({"metadata": {"ownerReferences": owner}}));
        assert_eq!(reason(scene.reconcile(&key).await), Reason::ChildUnreadable);
    }
    scene.remove(&child);
    assert_eq!(reason(scene.reconcile(&key).await), Reason::ChildUnreadable);
    assert!(scene.annotation(&key, CONDITION).unwrap().contains("cannot be read"));
}

#[tokio::test]
async fn children_of_other_kinds_and_children_that_failed_are_not_waited_for() {
    let scene = Scene::new();
    let child = scene.task_run("child", &ended());
    let key = scene.pipeline_run("pipeline", &["child"]);
    let custom = json!({"apiVersion": "tekton.dev/v1beta1", "kind": "CustomRun", "name": "custom"});
    let own = json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": "child"});
    scene.merge(&key, &json!({"status": {"childReferences": [custom, own]}}));
    scene.registry.fail_always(Request::Manifest, unreachable_registry());
    assert_eq!(reason(scene.reconcile(&child).await), Reason::StorageUnavailable);
    assert_eq!(reason(scene.reconcile(&key).await), Reason::StorageUnavailable);
    scene.registry.heal();
    signed(&scene.reconcile(&key).await);
    assert_eq!(scene.finalizers(&child), [FINALIZER], "it is not signed itself yet");
    signed(&scene.reconcile(&child).await);
    assert_eq!(scene.finalizers(&child), Vec::<String>::new(), "its PipelineRun is signed already");
}

#[tokio::test]
async fn a_pipeline_run_with_more_children_than_are_read_says_so() {
    let scene = Scene::new();
    let key = scene.pipeline_run("pipeline", &[]);
    let child = json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": "c"});
    let many = vec![child; children::CHILDREN_LIMIT + 1];
    scene.merge(&key, &json!({"status": {"childReferences": many}}));
    let Outcome::Failed(trouble) = scene.reconcile(&key).await else { panic!("it did not fail") };
    assert!(trouble.message.contains("at most 2000"), "{}", trouble.message);
}

#[tokio::test]
async fn what_is_switched_off_is_marked_all_the_same() {
    let scene = Scene::new();
    let child = scene.task_run("child", &ended());
    let key = scene.pipeline_run("pipeline", &["child"]);
    scene.configure(|config| {
        config.pipeline_runs.storage.clear();
        config.task_runs.storage.clear();
        config.images.storage.clear();
    });
    for one in [&child, &key] {
        assert_eq!(signed(&scene.reconcile(one).await), (0, 0));
        assert_eq!(scene.annotation(one, SIGNED).as_deref(), Some("true"));
        assert_eq!(
            scene.finalizers(one).len(),
            usize::from(one == &child && scene.annotation(&key, SIGNED).is_none())
        );
    }
    assert_eq!(scene.finalizers(&child), Vec::<String>::new());
    assert_eq!(scene.registry.asked_in_all(), 0);
}
