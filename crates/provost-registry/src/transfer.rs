//! Images carried from one repository to another: blobs first, members before the lists that name them.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use provost_oci::media_type::is_index;
use provost_oci::{Descriptor, Digest, ImageIndex, ImageManifest, Repository, Selector};

use crate::Remote;
use crate::limits::{CARRIED_AT_ONCE, INDEX_DEPTH, MEMBERS};
use crate::store::{MANIFEST_LIMIT, Manifest, Store, StoreError};

impl Remote {
    /// Copies an image, or a list with all its members, and names the copy by `which`.
    ///
    /// Blobs that are there stay; within a registry they are mounted, between two they pass through a file, so memory does
    /// not grow with them. Layers that may not be distributed are left where they are, as go-containerregistry leaves
    /// them.
    ///
    /// # Errors
    /// Whatever keeps a part from being read or written; also over [`MEMBERS`] manifests, or lists nested deeper than
    /// [`INDEX_DEPTH`].
    pub async fn copy_image(
        &self,
        manifest: &Manifest,
        from: &Repository,
        to: &Repository,
        which: &Selector,
    ) -> Result<(), StoreError> {
        let folder = tempfile::tempdir().map_err(|error| StoreError::Disk {
            path: std::env::temp_dir().display().to_string(),
            cause: error.to_string(),
        })?;
        for member in self.members(from, manifest).await? {
            let blobs = stream::iter(blobs(&member, from)?).map(async |blob| {
                if self.has_blob(to, &blob.digest).await? || self.mount_blob(to, &blob.digest, from).await? {
                    return Ok(());
                }
                let file = folder.path().join(blob.digest.hex());
                self.blob_to_file(from, &blob, &file).await?;
                self.put_blob_file(to, &blob.digest, &file).await?;
                // What fails here goes with the folder.
                let _ = tokio::fs::remove_file(&file).await;
                Ok::<(), StoreError>(())
            });
            blobs.buffer_unordered(CARRIED_AT_ONCE).try_collect::<()>().await?;
            let by_digest = Selector::Digest(member.digest.clone());
            let name = if member.digest == manifest.digest { which } else { &by_digest };
            self.put_manifest(to, name, &member).await?;
        }
        Ok(())
    }

    /// All manifests of an image: those that a list names, then the list.
    pub(crate) async fn members(
        &self,
        repository: &Repository,
        manifest: &Manifest,
    ) -> Result<Vec<Manifest>, StoreError> {
        let mut found = Carried::default();
        self.collect(repository, manifest.clone(), INDEX_DEPTH, &mut found).await?;
        Ok(found.into_manifests())
    }

    fn collect<'a>(
        &'a self,
        repository: &'a Repository,
        manifest: Manifest,
        depth: usize,
        found: &'a mut Carried,
    ) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>> {
        Box::pin(async move {
            let request = || format!("{repository}@{}", manifest.digest);
            for member in Carried::listed(&manifest, depth).map_err(|fault| fault.at(request()))? {
                if !found.has(&member.digest) {
                    let member = self.manifest(repository, &Selector::Digest(member.digest)).await?;
                    self.collect(repository, member, depth - 1, found).await?;
                }
            }
            found.add(manifest).map_err(|fault| fault.at(repository.to_string()))
        })
    }
}

/// The manifests of one image that is carried, members before the lists that name them: the limits of all ways of
/// carrying.
#[derive(Default)]
pub(crate) struct Carried {
    manifests: Vec<Manifest>,
    known: HashSet<Digest>,
    bytes: u64,
}

/// Why an image is not carried.
pub(crate) struct Uncarried(String);

impl Uncarried {
    /// The error, with what was asked for.
    pub(crate) fn at(self, request: String) -> StoreError {
        malformed(request, self.0)
    }
}

impl Carried {
    /// The members that a manifest names, where it is a list and lists may still be nested this deep.
    pub(crate) fn listed(manifest: &Manifest, depth: usize) -> Result<Vec<Descriptor>, Uncarried> {
        if !is_index(&manifest.media_type) {
            return Ok(Vec::new());
        }
        if depth == 0 {
            return Err(Uncarried(format!("lists nested deeper than {INDEX_DEPTH}")));
        }
        let index: Result<ImageIndex, _> = serde_json::from_slice(&manifest.bytes);
        Ok(index.map_err(|error| Uncarried(format!("no list of manifests: {error}")))?.manifests)
    }

    /// Whether a manifest has been added.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.known.contains(digest)
    }

    /// Adds a manifest, once.
    pub(crate) fn add(&mut self, manifest: Manifest) -> Result<(), Uncarried> {
        if self.has(&manifest.digest) {
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(manifest.bytes.len() as u64);
        if self.manifests.len() == MEMBERS || self.bytes > MANIFEST_LIMIT {
            let words = format!("over {MEMBERS} manifests or {MANIFEST_LIMIT} bytes of them in one image");
            return Err(Uncarried(words));
        }
        self.known.insert(manifest.digest.clone());
        self.manifests.push(manifest);
        Ok(())
    }

    /// All of them.
    pub(crate) fn into_manifests(self) -> Vec<Manifest> {
        self.manifests
    }
}

/// The blobs of one manifest, each once; none of a list.
pub(crate) fn blobs(manifest: &Manifest, at: &Repository) -> Result<Vec<Descriptor>, StoreError> {
    if is_index(&manifest.media_type) {
        return Ok(Vec::new());
    }
    let image: ImageManifest = serde_json::from_slice(&manifest.bytes)
        .map_err(|error| malformed(format!("{at}@{}", manifest.digest), format!("no manifest: {error}")))?;
    let mut blobs: Vec<Descriptor> = Vec::new();
    for blob in std::iter::once(image.config).chain(image.layers) {
        if is_distributable(&blob.media_type) && !blobs.iter().any(|known| known.digest == blob.digest) {
            blobs.push(blob);
        }
    }
    Ok(blobs)
}

/// Whether a layer may be passed on: the kinds that only their maker hands out say so.
fn is_distributable(media_type: &str) -> bool {
    !media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
        && media_type != "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
}

fn malformed(request: String, reason: String) -> StoreError {
    StoreError::Malformed { request, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(number: usize) -> Manifest {
        Manifest::new("application/vnd.oci.image.manifest.v1+json", number.to_string().into())
    }

    #[test]
    fn exactly_the_limit_is_carried_and_one_more_is_not() {
        let mut carried = Carried::default();
        for number in 0..MEMBERS {
            assert!(carried.add(manifest(number)).is_ok(), "{number}");
        }
        assert!(carried.add(manifest(0)).is_ok(), "what is there already is no more");
        let over = carried.add(manifest(MEMBERS)).err().map(|fault| fault.0);
        assert_eq!(over.unwrap(), "over 1000 manifests or 104857600 bytes of them in one image");
        assert_eq!(carried.into_manifests().len(), MEMBERS);
    }
}
