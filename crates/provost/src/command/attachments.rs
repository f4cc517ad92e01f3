//! The attachments of images as flags have them read: under tags with a prefix, only so many at once.

use async_trait::async_trait;
use bytes::Bytes;
use provost_oci::{Descriptor, Digest, Repository, Selector};
use provost_registry::{Manifest, Store, StoreError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A store whose tags are those of attachments. Nothing is written through it.
pub(crate) struct Attachments<'a> {
    store: &'a dyn Store,
    prefix: &'a str,
    turns: Semaphore,
}

impl<'a> Attachments<'a> {
    /// The attachments in a store: `--attachment-tag-prefix` and `--max-workers`.
    pub(crate) fn new(store: &'a dyn Store, prefix: Option<&'a str>, at_once: usize) -> Self {
        let turns = Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS));
        Self { store, prefix: prefix.unwrap_or_default(), turns }
    }

    fn named(&self, which: &Selector) -> Selector {
        match which {
            Selector::Tag(tag) => Selector::Tag(format!("{}{tag}", self.prefix)),
            by_digest @ Selector::Digest(_) => by_digest.clone(),
        }
    }

    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed, so there is always a turn.
        self.turns.acquire().await.ok()
    }

    fn refused(&self) -> StoreError {
        StoreError::Refused {
            request: self.prefix.to_owned(),
            reason: "attachments are only read here".to_owned(),
        }
    }
}

#[async_trait]
impl Store for Attachments<'_> {
    async fn manifest(&self, repository: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
        let _turn = self.turn().await;
        self.store.manifest(repository, &self.named(which)).await
    }

    async fn resolve(&self, repository: &Repository, which: &Selector) -> Result<Descriptor, StoreError> {
        let _turn = self.turn().await;
        self.store.resolve(repository, &self.named(which)).await
    }

    async fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        let _turn = self.turn().await;
        self.store.blob(repository, digest, limit).await
    }

    async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, StoreError> {
        let _turn = self.turn().await;
        self.store.has_blob(repository, digest).await
    }

    async fn put_blob(&self, _: &Repository, _: &str, _: Bytes) -> Result<Descriptor, StoreError> {
        Err(self.refused())
    }

    async fn put_manifest(&self, _: &Repository, _: &Selector, _: &Manifest) -> Result<Digest, StoreError> {
        Err(self.refused())
    }

    async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        let _turn = self.turn().await;
        self.store.referrers(repository, digest).await
    }

    async fn tags(&self, repository: &Repository) -> Result<Vec<String>, StoreError> {
        let _turn = self.turn().await;
        self.store.tags(repository).await
    }
}
