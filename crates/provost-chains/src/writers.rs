//! Writers of this process take turns at a tag: two runs that made the same image would both find nothing there, and both
//! store what says the same.
//!
//! Replicas never work on one run at once, but may on two runs that made one image; then its signature can stand there twice.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// From how many names on those that nobody holds are forgotten: a few hundred bytes each.
const NAMES: usize = 1024;

type Known = HashMap<String, Weak<AsyncMutex<()>>>;

/// Who writes where just now.
#[derive(Clone, Debug, Default)]
pub struct Writers(Arc<Mutex<Known>>);

impl Writers {
    /// Waits until nobody else writes under any of these names, and keeps others waiting until the answer is dropped.
    ///
    /// Everybody takes names in their order, so nobody waits for one who waits for them.
    pub async fn hold(&self, names: BTreeSet<String>) -> Vec<OwnedMutexGuard<()>> {
        let mut held = Vec::new();
        for name in names {
            let turn = self.turn(name);
            held.push(turn.lock_owned().await);
        }
        held
    }

    fn turn(&self, name: String) -> Arc<AsyncMutex<()>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= NAMES {
            known.retain(|_, turn| turn.strong_count() > 0);
        }
        if let Some(turn) = known.get(&name).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(AsyncMutex::new(()));
        known.insert(name, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use bytes::Bytes;
    use provost_keys::PrivateKey;
    use provost_oci::{Descriptor, Digest, ImageManifest, Repository, Selector};
    use provost_registry::{Layered, Manifest, Store, StoreError};
    use serde_json::json;
    use testkit::MemoryStore;

    use super::*;
    use crate::config::ChainsConfig;
    use crate::run::Run;
    use crate::sign_run::{Means, sign_run};
    use crate::vouching::Others;

    #[tokio::test]
    async fn names_that_nobody_holds_are_forgotten_and_those_held_are_not() {
        let writers = Writers::default();
        let held = writers.hold(BTreeSet::from(["kept".to_owned()])).await;
        for number in 0..2 * NAMES {
            writers.hold(BTreeSet::from([number.to_string()])).await;
        }
        assert!(writers.0.lock().unwrap().len() <= NAMES);
        assert!(writers.turn("kept".to_owned()).try_lock().is_err());
        drop(held);
        assert!(writers.turn("kept".to_owned()).try_lock().is_ok());
    }

    /// A registry that lets others in between any two requests, as a network does.
    struct Slow(MemoryStore);

    #[async_trait]
    impl Layered for Slow {
        fn below(&self) -> &dyn Store {
            &self.0
        }

        async fn manifest(&self, place: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
            let found = self.0.manifest(place, which).await;
            tokio::task::yield_now().await;
            found
        }
        async fn manifest_unless(
            &self,
            place: &Repository,
            tag: &Selector,
            known: &Digest,
        ) -> Result<Option<Manifest>, StoreError> {
            let found = Layered::manifest(self, place, tag).await?;
            Ok((found.digest != *known).then_some(found))
        }
        async fn put_blob(
            &self,
            place: &Repository,
            kind: &str,
            bytes: Bytes,
        ) -> Result<Descriptor, StoreError> {
            tokio::task::yield_now().await;
            self.0.put_blob(place, kind, bytes).await
        }
        async fn put_new_blob(
            &self,
            place: &Repository,
            kind: &str,
            bytes: Bytes,
        ) -> Result<Descriptor, StoreError> {
            Layered::put_blob(self, place, kind, bytes).await
        }
        async fn put_manifest(
            &self,
            place: &Repository,
            which: &Selector,
            manifest: &Manifest,
        ) -> Result<Digest, StoreError> {
            tokio::task::yield_now().await;
            self.0.put_manifest(place, which, manifest).await
        }
    }

    /// How many layers lie under the image's tags after eight equal runs were signed at once.
    async fn layers(others: Option<&Others>) -> [usize; 2] {
        let (store, key) = (Slow(MemoryStore::new()), PrivateKey::generate().unwrap());
        let mut config = ChainsConfig::default();
        config.task_runs.storage = config.images.storage.clone();
        let digest = Digest::sha256_of(b"image");
        let run: provost_tekton::TaskRun = serde_json::from_value(json!({
            "metadata": {"name": "build", "uid": "u1"},
            "status": {"conditions": [{"type": "Succeeded", "status": "True"}],
                "results": [{"name": "IMAGES", "value": format!("reg.local/app@{digest}")}]},
        }))
        .unwrap();
        let new = AtomicUsize::new(0);
        let sign = |_| async {
            let now = "2026-01-01T00:00:00Z".parse().unwrap();
            let means = Means { key: &key, store: &store, backends: &Default::default(), now, others };
            let done = sign_run(&config, &Run::Task(&run), &means).await.unwrap();
            new.fetch_add(done.placed.iter().filter(|one| one.new).count(), Ordering::Relaxed);
        };
        futures_util::future::join_all((0..8).map(sign)).await;
        let mut counts = [0, 0];
        for (count, suffix) in counts.iter_mut().zip(["att", "sig"]) {
            let tag = Selector::Tag(format!("sha256-{}.{suffix}", digest.hex()));
            let manifest = store.0.manifest(&"reg.local/app".parse().unwrap(), &tag).await.unwrap();
            *count = serde_json::from_slice::<ImageManifest>(&manifest.bytes).unwrap().layers.len();
        }
        assert_eq!(new.load(Ordering::Relaxed), counts.iter().sum::<usize>());
        counts
    }

    #[tokio::test]
    async fn equal_statements_of_workers_side_by_side_are_stored_once() {
        assert_eq!(layers(Some(&Others::default())).await, [1, 1]);
        // What the turns prevent, without them.
        assert!(layers(None).await.iter().all(|count| *count > 1));
    }
}
