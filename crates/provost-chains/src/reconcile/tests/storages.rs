//! Storages besides registries: what fails there stands on the run, and is kept once it is well.

use provost_storage::StorageKind;

use super::*;
use crate::config::Storage;
use crate::elsewhere::tests::Memory;

/// A cluster whose runs go beside their images and to Archivista.
fn scene() -> (Scene, Key) {
    let scene = Scene::new();
    scene.configure(|config| {
        config.task_runs.storage = [Storage::Oci, Storage::Archivista].into();
    });
    let key = scene.task_run("build", &ended());
    (scene, key)
}

#[tokio::test]
async fn a_storage_that_is_not_in_the_build_is_named_and_nothing_is_signed() {
    let (scene, key) = scene();
    assert_eq!(reason(scene.reconcile(&key).await), Reason::Unsupported);
    let condition = scene.annotation(&key, CONDITION).unwrap();
    assert!(condition.contains("storage archivista is not in this build"), "{condition}");
    assert_eq!(scene.registry.asked_in_all(), 0);
}

#[tokio::test]
async fn a_storage_that_is_away_leaves_the_run_unsigned_and_is_caught_up_with() {
    let (scene, key) = scene();
    let archivista = Memory::new(StorageKind::Archivista);
    scene.backends.lock().unwrap().insert(StorageKind::Archivista, archivista.clone());
    *archivista.fails.lock().unwrap() = true;
    for _ in 0..3 {
        assert_eq!(reason(scene.reconcile(&key).await), Reason::StorageUnavailable);
    }
    assert_eq!((scene.annotation(&key, SIGNED), scene.finalizers(&key)), (None, vec![FINALIZER.to_owned()]));
    let condition = scene.annotation(&key, CONDITION).unwrap();
    assert!(condition.contains("storage archivista: PUT: connection refused"), "{condition}");
    *archivista.fails.lock().unwrap() = false;
    // Beside the image everything lies there since the first attempt.
    assert_eq!(signed(&scene.reconcile(&key).await), (2, 1));
    assert_eq!(archivista.count(), 1);
    let gitoid = scene.annotation(&key, "chains.tekton.dev/provost-gitoid-taskrun-uid-build");
    assert!(gitoid.is_some_and(|place| !place.is_empty()));
    // A kill before the mark: nothing is kept again.
    scene.merge(&key, &json!({"metadata": {"annotations": null}}));
    assert_eq!(signed(&scene.reconcile(&key).await), (2, 0));
    assert_eq!(archivista.count(), 1);
}
