//! A store that asks each question once, so that all entries and policies see one and the same image.
//!
//! A tag is resolved once (invariant 3): whatever is verified, pinned and checked in one judgement is the image the
//! tag named when it was first looked at. Nothing is kept beyond the judgement it belongs to.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use provost_oci::{Descriptor, Digest, Repository, Selector};
use provost_registry::{Layered, Manifest, Store, StoreError};

/// The largest blob remembered, in bytes: provenances stay below 100 KiB, and a thousand layers of this size, all that
/// one image may have, take 256 MiB. Larger ones are asked for again.
pub(crate) const REMEMBERED: u64 = 256 * 1024;

type Answer<T> = Shared<BoxFuture<'static, Result<T, StoreError>>>;
type Answers<K, T> = Mutex<HashMap<K, Answer<T>>>;

/// The questions asked so far, and their answers.
pub struct Memo {
    store: Arc<dyn Store>,
    manifests: Answers<(Repository, Selector), Manifest>,
    blobs: Answers<(Repository, Digest, u64), Bytes>,
    referrers: Answers<(Repository, Digest), Vec<Descriptor>>,
}

impl Memo {
    /// Remembers what this store answers.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, manifests: Mutex::default(), blobs: Mutex::default(), referrers: Mutex::default() }
    }
}

/// The answer to a question, asked now unless it has been.
async fn once<K, T>(
    answers: &Answers<K, T>,
    key: K,
    ask: impl FnOnce() -> BoxFuture<'static, Result<T, StoreError>>,
) -> Result<T, StoreError>
where
    K: Eq + Hash,
    T: Clone,
{
    let answer = {
        let mut known = answers.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(key).or_insert_with(|| ask().shared()).clone()
    };
    answer.await
}

#[async_trait]
impl Layered for Memo {
    fn below(&self) -> &dyn Store {
        self.store.as_ref()
    }

    async fn manifest(&self, repository: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
        let key = (repository.clone(), which.clone());
        let (store, (repository, which)) = (Arc::clone(&self.store), key.clone());
        once(&self.manifests, key, || async move { store.manifest(&repository, &which).await }.boxed()).await
    }

    /// Through the manifest too: who asks twice sees what he saw before.
    async fn manifest_unless(
        &self,
        repository: &Repository,
        tag: &Selector,
        known: &Digest,
    ) -> Result<Option<Manifest>, StoreError> {
        let found = Layered::manifest(self, repository, tag).await?;
        Ok((found.digest != *known).then_some(found))
    }

    /// Through the manifest, so that the digest and the bytes come out of one answer.
    async fn resolve(&self, repository: &Repository, which: &Selector) -> Result<Descriptor, StoreError> {
        Layered::manifest(self, repository, which).await.map(|manifest| manifest.descriptor())
    }

    async fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        if limit > REMEMBERED {
            return self.store.blob(repository, digest, limit).await;
        }
        let key = (repository.clone(), digest.clone(), limit);
        let (store, (repository, digest, limit)) = (Arc::clone(&self.store), key.clone());
        once(&self.blobs, key, || async move { store.blob(&repository, &digest, limit).await }.boxed()).await
    }

    async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        let key = (repository.clone(), digest.clone());
        let (store, (repository, digest)) = (Arc::clone(&self.store), key.clone());
        once(&self.referrers, key, || async move { store.referrers(&repository, &digest).await }.boxed())
            .await
    }
}

#[cfg(test)]
mod tests {
    use testkit::{MemoryStore, Request};

    use super::*;

    #[tokio::test]
    async fn small_blobs_are_asked_for_once_and_large_ones_are_let_go_of() {
        let store = Arc::new(MemoryStore::new());
        let repository: Repository = "reg.example/app".parse().unwrap();
        let blob = store.put_blob(&repository, "m", Bytes::from_static(b"x")).await.unwrap();
        for (limit, asked) in [(REMEMBERED, 1), (REMEMBERED + 1, 2)] {
            let memo = Memo::new(store.clone());
            store.forget_counts();
            for _ in 0..2 {
                assert_eq!(Store::blob(&memo, &repository, &blob.digest, limit).await.unwrap(), "x");
            }
            assert_eq!(store.asked(Request::Blob), asked, "{limit}");
        }
    }
}
