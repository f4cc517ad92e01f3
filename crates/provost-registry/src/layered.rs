//! Stores that stand on another and change only some of what it answers.

use async_trait::async_trait;
use bytes::Bytes;
use provost_oci::{Descriptor, Digest, Repository, Selector};

use crate::store::{Manifest, Store, StoreError, Turn};

/// A store over another: what a layer does not say itself, the one below answers. Every method is as in [`Store`], which each
/// layer is.
///
/// What the store below does for itself goes past the layer: one that changes what [`Layered::manifest`] or
/// [`Layered::put_blob`] answer says what becomes of [`Layered::manifest_unless`] and [`Layered::put_new_blob`] too.
#[async_trait]
pub trait Layered: Send + Sync {
    /// The store below.
    fn below(&self) -> &dyn Store;

    /// As [`Store::manifest`].
    async fn manifest(&self, repository: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
        self.below().manifest(repository, which).await
    }

    /// As [`Store::manifest_unless`].
    async fn manifest_unless(
        &self,
        repository: &Repository,
        tag: &Selector,
        known: &Digest,
    ) -> Result<Option<Manifest>, StoreError> {
        self.below().manifest_unless(repository, tag, known).await
    }

    /// As [`Store::resolve`].
    async fn resolve(&self, repository: &Repository, which: &Selector) -> Result<Descriptor, StoreError> {
        self.below().resolve(repository, which).await
    }

    /// As [`Store::blob`].
    async fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        self.below().blob(repository, digest, limit).await
    }

    /// As [`Store::has_blob`].
    async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, StoreError> {
        self.below().has_blob(repository, digest).await
    }

    /// As [`Store::put_blob`].
    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        self.below().put_blob(repository, media_type, bytes).await
    }

    /// As [`Store::put_new_blob`].
    async fn put_new_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        self.below().put_new_blob(repository, media_type, bytes).await
    }

    /// As [`Store::turn`].
    async fn turn(&self, repository: &Repository) -> Turn {
        self.below().turn(repository).await
    }

    /// As [`Store::put_manifest`].
    async fn put_manifest(
        &self,
        repository: &Repository,
        which: &Selector,
        manifest: &Manifest,
    ) -> Result<Digest, StoreError> {
        self.below().put_manifest(repository, which, manifest).await
    }

    /// As [`Store::referrers`].
    async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        self.below().referrers(repository, digest).await
    }

    /// As [`Store::tags`].
    async fn tags(&self, repository: &Repository) -> Result<Vec<String>, StoreError> {
        self.below().tags(repository).await
    }
}

#[async_trait]
impl<T: Layered> Store for T {
    async fn manifest(&self, repository: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
        Layered::manifest(self, repository, which).await
    }

    async fn manifest_unless(
        &self,
        repository: &Repository,
        tag: &Selector,
        known: &Digest,
    ) -> Result<Option<Manifest>, StoreError> {
        Layered::manifest_unless(self, repository, tag, known).await
    }

    async fn resolve(&self, repository: &Repository, which: &Selector) -> Result<Descriptor, StoreError> {
        Layered::resolve(self, repository, which).await
    }

    async fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        Layered::blob(self, repository, digest, limit).await
    }

    async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, StoreError> {
        Layered::has_blob(self, repository, digest).await
    }

    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        Layered::put_blob(self, repository, media_type, bytes).await
    }

    async fn put_new_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        Layered::put_new_blob(self, repository, media_type, bytes).await
    }

    async fn turn(&self, repository: &Repository) -> Turn {
        Layered::turn(self, repository).await
    }

    async fn put_manifest(
        &self,
        repository: &Repository,
        which: &Selector,
        manifest: &Manifest,
    ) -> Result<Digest, StoreError> {
        Layered::put_manifest(self, repository, which, manifest).await
    }

    async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        Layered::referrers(self, repository, digest).await
    }

    async fn tags(&self, repository: &Repository) -> Result<Vec<String>, StoreError> {
        Layered::tags(self, repository).await
    }
}
