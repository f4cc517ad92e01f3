//! Registries whose answers are timed and whose failures are counted.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use provost_kyverno::{Access, Stores};
use provost_oci::{Descriptor, Digest, Repository, Selector};
use provost_registry::{Manifest, Store, StoreError};

use super::Metrics;
use crate::codes;

/// Registries below whatever remembers them: what is timed here was really asked.
pub struct Timed {
    stores: Arc<dyn Stores>,
    metrics: Arc<Metrics>,
}

impl Timed {
    /// Times these registries.
    #[must_use]
    pub fn new(stores: Arc<dyn Stores>, metrics: Arc<Metrics>) -> Self {
        Self { stores, metrics }
    }
}

impl Stores for Timed {
    fn store(&self, registry: &str, access: &Access) -> Result<Arc<dyn Store>, String> {
        let store = self.stores.store(registry, access)?;
        Ok(Arc::new(TimedStore { store, metrics: Arc::clone(&self.metrics) }))
    }
}

struct TimedStore {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
}

impl TimedStore {
    async fn timed<T>(
        &self,
        repository: &Repository,
        asking: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let answer = asking.await;
        // That something is not there is an answer like any other.
        let code = answer.as_ref().err().filter(|error| !error.is_not_found()).map(codes::store);
        self.metrics.registry(repository.registry(), began.elapsed(), code);
        answer
    }
}

#[async_trait]
impl Store for TimedStore {
    async fn manifest(&self, repository: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
        self.timed(repository, self.store.manifest(repository, which)).await
    }

    async fn manifest_unless(
        &self,
        repository: &Repository,
        tag: &Selector,
        known: &Digest,
    ) -> Result<Option<Manifest>, StoreError> {
        self.timed(repository, self.store.manifest_unless(repository, tag, known)).await
    }

    async fn resolve(&self, repository: &Repository, which: &Selector) -> Result<Descriptor, StoreError> {
        self.timed(repository, self.store.resolve(repository, which)).await
    }

    async fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        self.timed(repository, self.store.blob(repository, digest, limit)).await
    }

    async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, StoreError> {
        self.timed(repository, self.store.has_blob(repository, digest)).await
    }

    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        self.timed(repository, self.store.put_blob(repository, media_type, bytes)).await
    }

    async fn put_manifest(
        &self,
        repository: &Repository,
        which: &Selector,
        manifest: &Manifest,
    ) -> Result<Digest, StoreError> {
        self.timed(repository, self.store.put_manifest(repository, which, manifest)).await
    }

    async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        self.timed(repository, self.store.referrers(repository, digest)).await
    }

    async fn tags(&self, repository: &Repository) -> Result<Vec<String>, StoreError> {
        self.timed(repository, self.store.tags(repository)).await
    }
}
