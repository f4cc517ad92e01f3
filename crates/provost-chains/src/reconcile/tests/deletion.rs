//! Runs that are being deleted: signed if that can be, let go if not, and never for ever in the way.

use super::*;

const JUST_NOW: &str = "2026-01-01T00:59:50Z";
const LONG_AGO: &str = "2026-01-01T00:50:00Z";

/// A run that we hold and somebody deletes.
fn deleted(scene: &Scene, key: &Key, since: &str) {
    scene.merge(key, &json!({"metadata": {"finalizers": [key.kind.finalizer()]}}));
    scene.delete_since(key, since);
}

fn is_gone(scene: &Scene, key: &Key) -> bool {
    scene.annotation(key, SIGNED).is_none() && scene.finalizers(key).is_empty()
}

#[tokio::test]
async fn a_run_that_is_deleted_right_after_its_end_is_signed_first() {
    let scene = Scene::new();
    let key = scene.task_run("build", &ended());
    deleted(&scene, &key, JUST_NOW);
    assert_eq!(signed(&scene.reconcile(&key).await), (2, 2));
    assert!(is_gone(&scene, &key));
}

#[tokio::test]
async fn a_run_that_is_deleted_while_it_runs_is_waited_for_a_little() {
    let scene = Scene::new();
    let key = scene.task_run("build", &json!({}));
    deleted(&scene, &key, JUST_NOW);
    assert_eq!(reason(scene.reconcile(&key).await), Reason::NeverEnded);
    assert_eq!(scene.finalizers(&key), [FINALIZER]);
    deleted(&scene, &key, LONG_AGO);
    assert!(matches!(scene.reconcile(&key).await, Outcome::GivenUp(_)));
    assert!(is_gone(&scene, &key));
}

#[tokio::test]
async fn a_registry_that_is_away_keeps_a_deleted_run_for_the_grace_and_no_longer() {
    let scene = Scene::new();
    let key = scene.task_run("build", &ended());
    scene.registry.fail_always(Request::Manifest, unreachable_registry());
    deleted(&scene, &key, "2026-01-01T00:50:01Z");
    assert!(matches!(scene.reconcile(&key).await, Outcome::Failed(_)));
    deleted(&scene, &key, LONG_AGO);
    assert!(matches!(scene.reconcile(&key).await, Outcome::GivenUp(_)));
    assert!(is_gone(&scene, &key));
}

#[tokio::test]
async fn a_deleted_run_that_can_never_be_attested_is_let_go_at_once() {
    let scene = Scene::new();
    let key = scene.task_run("bad", &ended());
    scene.merge(&key, &json!({"status": {"steps": [{"name": "s", "imageID": ""}]}}));
    deleted(&scene, &key, JUST_NOW);
    assert!(matches!(scene.reconcile(&key).await, Outcome::GivenUp(_)));
    assert!(is_gone(&scene, &key));
}

#[tokio::test]
async fn a_deleted_pipeline_run_is_signed_with_its_deleted_children() {
    let scene = Scene::new();
    let child = scene.task_run("child", &ended());
    let key = scene.pipeline_run("pipeline", &["child"]);
    deleted(&scene, &child, JUST_NOW);
    deleted(&scene, &key, JUST_NOW);
    assert_eq!(reason(scene.reconcile(&key).await), Reason::WaitingForChildren);
    signed(&scene.reconcile(&child).await);
    assert_eq!(scene.finalizers(&child), [FINALIZER], "its PipelineRun still needs it");
    signed(&scene.reconcile(&key).await);
    assert!(is_gone(&scene, &child) && is_gone(&scene, &key));
}

#[tokio::test]
async fn a_pipeline_run_that_never_ends_takes_its_children_with_it() {
    let scene = Scene::new();
    let child = scene.task_run("child", &ended());
    let key = scene.pipeline_run("pipeline", &["child"]);
    signed(&scene.reconcile(&child).await);
    scene.merge(&key, &json!({"status": {"conditions": [{"type": "Succeeded", "status": "Unknown"}]}}));
    deleted(&scene, &child, LONG_AGO);
    deleted(&scene, &key, LONG_AGO);
    assert!(matches!(scene.reconcile(&key).await, Outcome::GivenUp(_)));
    assert!(is_gone(&scene, &child) && is_gone(&scene, &key));
}

#[tokio::test]
async fn a_child_whose_pipeline_run_is_gone_is_signed_and_goes() {
    let scene = Scene::new();
    let child = scene.task_run("child", &ended());
    let key = scene.pipeline_run("pipeline", &["child"]);
    scene.remove(&key);
    deleted(&scene, &child, JUST_NOW);
    signed(&scene.reconcile(&child).await);
    assert!(is_gone(&scene, &child));
}

#[tokio::test]
async fn what_we_do_not_hold_is_not_in_our_hands() {
    let scene = Scene::new();
    let key = scene.task_run("build", &json!({}));
    scene.merge(&key, &json!({"metadata": {"finalizers": ["other/one"]}}));
    scene.delete_since(&key, JUST_NOW);
    assert_eq!(scene.reconcile(&key).await, Outcome::Settled);
    scene.merge(&key, &json!({"status": ended()}));
    signed(&scene.reconcile(&key).await);
    assert_eq!(scene.finalizers(&key), ["other/one"]);
}
