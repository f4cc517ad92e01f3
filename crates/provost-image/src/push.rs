//! Bringing an image to its registry: blobs side by side, then the manifest under its tag.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use provost_oci::{Descriptor, Repository, Selector};
use provost_registry::{Manifest, Store, StoreError};

/// Blobs on their way at the same time: enough to hide round trips, few enough for a small registry.
const SIDE_BY_SIDE: usize = 4;

/// Stores the blobs that are not there yet.
pub(crate) async fn blobs(
    store: &dyn Store,
    repository: &Repository,
    blobs: Vec<(Descriptor, Bytes)>,
) -> Result<(), StoreError> {
    let puts = blobs.into_iter().map(|(descriptor, bytes)| async move {
        store.put_blob(repository, &descriptor.media_type, bytes).await.map(drop)
    });
    stream::iter(puts).buffer_unordered(SIDE_BY_SIDE).try_collect().await
}

/// The layers of the base that the target's repository lacks.
pub(crate) async fn lacking(
    store: &dyn Store,
    repository: &Repository,
    layers: &[Descriptor],
) -> Result<Vec<Descriptor>, StoreError> {
    let asked = layers.iter().map(|layer| async move {
        let there = store.has_blob(repository, &layer.digest).await?;
        Ok::<_, StoreError>((!there).then(|| layer.clone()))
    });
    let found: Vec<Option<Descriptor>> = stream::iter(asked).buffered(SIDE_BY_SIDE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Stores the manifest under a tag, once everything it names is there.
pub(crate) async fn manifest(
    store: &dyn Store,
    repository: &Repository,
    tag: &Selector,
    manifest: &Manifest,
) -> Result<(), StoreError> {
    store.put_manifest(repository, tag, manifest).await.map(drop)
}
