//! A saved image as a place that holds images, so that it is verified like one in a registry.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use provost_oci::media_type::OCI_MANIFEST;
use provost_oci::{Descriptor, Digest, ImageManifest, Repository, Selector};

use super::{Portable, read};
use crate::referrers::subject_of;
use crate::store::{Manifest, Store, StoreError};

/// A saved layout whose entries have tags. It has one repository, so none is asked for; nothing is written to it.
#[derive(Clone, Debug)]
pub struct Saved {
    layout: Portable,
    tags: BTreeMap<String, Descriptor>,
}

impl Portable {
    /// The folder as a place that holds images, with these tags.
    #[must_use]
    pub fn as_store(self, tags: BTreeMap<String, Descriptor>) -> Saved {
        Saved { layout: self, tags }
    }
}

impl Saved {
    fn by_digest(&self, digest: &Digest) -> Result<Manifest, StoreError> {
        let place = self.layout.place(digest);
        if !place.exists() {
            return Err(missing(place.display().to_string()));
        }
        let manifest = self.layout.manifest(&Descriptor::new(OCI_MANIFEST, 0, digest.clone()))?;
        let stated = serde_json::from_slice::<ImageManifest>(&manifest.bytes).map(|view| view.media_type);
        let media_type = stated.unwrap_or_else(|_| OCI_MANIFEST.to_owned());
        Ok(Manifest { media_type, ..manifest })
    }

    fn refused(&self) -> StoreError {
        StoreError::Refused {
            request: self.layout.root.display().to_string(),
            reason: "a saved image is only read".to_owned(),
        }
    }
}

fn missing(request: String) -> StoreError {
    StoreError::NotFound { request, status: 404, errors: Vec::new(), body: String::new() }
}

#[async_trait]
impl Store for Saved {
    async fn manifest(&self, _: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
        match which {
            Selector::Digest(digest) => self.by_digest(digest),
            Selector::Tag(tag) => match self.tags.get(tag) {
                Some(entry) => self.layout.manifest(entry),
                None => Err(missing(format!("{tag} in {}", self.layout.root.display()))),
            },
        }
    }

    async fn resolve(&self, repository: &Repository, which: &Selector) -> Result<Descriptor, StoreError> {
        Ok(self.manifest(repository, which).await?.descriptor())
    }

    async fn blob(&self, _: &Repository, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        let place = self.layout.place(digest);
        let bytes = read(&place, limit)?;
        let found = Digest::of(digest.algorithm(), &bytes);
        if found == *digest {
            return Ok(bytes);
        }
        let (request, expected) = (place.display().to_string(), digest.clone());
        Err(StoreError::DigestMismatch { request, expected, found })
    }

    async fn has_blob(&self, _: &Repository, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.layout.place(digest).exists())
    }

    async fn put_blob(&self, _: &Repository, _: &str, _: Bytes) -> Result<Descriptor, StoreError> {
        Err(self.refused())
    }

    async fn put_manifest(&self, _: &Repository, _: &Selector, _: &Manifest) -> Result<Digest, StoreError> {
        Err(self.refused())
    }

    async fn referrers(&self, _: &Repository, digest: &Digest) -> Result<Vec<Descriptor>, StoreError> {
        let about = self.layout.about(digest)?;
        Ok(about.iter().filter_map(subject_of).map(|(_, entry)| entry).collect())
    }

    async fn tags(&self, _: &Repository) -> Result<Vec<String>, StoreError> {
        Ok(self.tags.keys().cloned().collect())
    }
}
