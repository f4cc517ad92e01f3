//! A layout as a place that holds images, like any other.

use async_trait::async_trait;
use bytes::Bytes;
use provost_oci::{Descriptor, Digest, Repository, Selector};

use super::{Inner, Layout, Name};
use crate::{Manifest, Store, StoreError};

#[async_trait]
impl Store for Layout {
    async fn manifest(&self, repository: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
        let (descriptor, bytes) = self.manifest_in(&repository.try_into()?, which).await?;
        Ok(Manifest { media_type: descriptor.media_type, digest: descriptor.digest, bytes })
    }

    async fn resolve(&self, repository: &Repository, which: &Selector) -> Result<Descriptor, StoreError> {
        self.resolve_in(&repository.try_into()?, which).await
    }

    async fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        let (name, digest) = (Name::try_from(repository)?, digest.clone());
        Self::blocking(&self.inner, move |inner| {
            let (file, length) = inner.open_blob(&name, &digest)?;
            let request = Inner::content_name(&digest);
            if length > limit {
                return Err(StoreError::Size { request, expected: limit, found: length });
            }
            inner.whole(&file, length, &digest)
        })
        .await
    }

    async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, StoreError> {
        match self.open_blob(&repository.try_into()?, digest, 0).await {
            Ok(_) => Ok(true),
            // A corrupt file is not the blob; storing the blob again replaces it.
            Err(StoreError::NotFound { .. } | StoreError::DigestMismatch { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        let name = Name::try_from(repository)?;
        let descriptor = Descriptor::of(media_type, &bytes);
        // Another task may have linked it without being done: mounting it onto itself makes it durable.
        if self.mount_blob(&name, &name, &descriptor.digest).await? {
            return Ok(descriptor);
        }
        let upload = self.begin().await?;
        upload.write(vec![bytes]).await?;
        upload.finish(&name, &descriptor.digest).await?;
        Ok(descriptor)
    }

    async fn put_manifest(
        &self,
        repository: &Repository,
        which: &Selector,
        manifest: &Manifest,
    ) -> Result<Digest, StoreError> {
        let name = Name::try_from(repository)?;
        let bytes = manifest.bytes.clone();
        Ok(self.put_manifest_in(&name, which, &manifest.media_type, bytes).await?.digest)
    }

    async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        self.referrers_in(&repository.try_into()?, digest).await
    }

    async fn tags(&self, repository: &Repository) -> Result<Vec<String>, StoreError> {
        self.tags_in(&repository.try_into()?).await
    }
}
