//! Manifests of a repository, the tags that name them, and the referrers that are about them.

use std::fs;
use std::path::PathBuf;

use provost_oci::{Descriptor, Digest, ErrorCode, Selector};
use serde_json::json;

use super::Inner;
use super::blobs::{is_there, remove};
use super::disk::{Draft, failed, names, read};
use super::links::{Links, media_type_of, refused};
use super::name::{Name, digest_path, is_tag};
use crate::StoreError;
use crate::store::MANIFEST_LIMIT;

/// A manifest as it lies on disk.
pub(super) struct Stored {
    pub(super) descriptor: Descriptor,
    pub(super) bytes: Vec<u8>,
}

/// What storing a manifest has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutManifest {
    /// The digest of the bytes.
    pub digest: Digest,
    /// What the manifest says it is about, for the answer's `OCI-Subject`.
    pub subject: Option<Digest>,
    /// Whether the layout has grown by its bytes.
    pub new: bool,
}

impl Inner {
    pub(super) fn manifest_link(&self, name: &Name, digest: &Digest) -> PathBuf {
        digest_path(&name.folder(&self.root).join("_manifests"), digest)
    }

    fn tag_link(&self, name: &Name, tag: &str) -> PathBuf {
        name.folder(&self.root).join("_tags").join(tag)
    }

    fn referrers_folder(&self, name: &Name, subject: &Digest) -> PathBuf {
        digest_path(&name.folder(&self.root).join("_referrers"), subject)
    }

    /// Whether anything was ever pushed to this repository.
    pub(super) fn is_known(&self, name: &Name) -> Result<bool, StoreError> {
        let folder = name.folder(&self.root);
        Ok(self.plain.iter().any(|entry| entry.repository == *name)
            || is_there(&folder.join("_manifests"))?
            || is_there(&folder.join("_blobs"))?)
    }

    /// What a tag or digest points to.
    pub(super) fn resolve(&self, name: &Name, which: &Selector) -> Result<Descriptor, StoreError> {
        let missing = || self.manifest_unknown(name, which);
        let digest = match which {
            Selector::Tag(tag) if !is_tag(tag) => None,
            Selector::Tag(tag) => match self.read_link(&self.tag_link(name, tag))? {
                Some(link) => Some(link.digest),
                None => self.plain_tag(name, tag),
            },
            Selector::Digest(digest) => Some(digest.clone()),
        };
        let Some(digest) = digest else { return Err(missing()) };
        if let Some(link) = self.read_link(&self.manifest_link(name, &digest))? {
            return Ok(link);
        }
        match self.plain_manifest(name, &digest)? {
            Some(descriptor) => Ok(descriptor),
            None => Err(missing()),
        }
    }

    /// docker-registry's answer, whose detail cosign prints.
    fn manifest_unknown(&self, name: &Name, which: &Selector) -> StoreError {
        let detail = match which {
            Selector::Tag(tag) => json!({"Tag": tag}),
            Selector::Digest(digest) => json!({"Name": name.as_str(), "Revision": digest}),
        };
        self.not_found(&shown(name, which), ErrorCode::ManifestUnknown, detail)
    }

    fn read_link(&self, path: &std::path::Path) -> Result<Option<Descriptor>, StoreError> {
        let Some(bytes) = read(path, MANIFEST_LIMIT)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| StoreError::Malformed {
            request: path.strip_prefix(&self.root).unwrap_or(path).display().to_string(),
            reason: error.to_string(),
        })
    }

    /// A manifest and its bytes, checked against its digest.
    pub(super) fn manifest(&self, name: &Name, which: &Selector) -> Result<Stored, StoreError> {
        let descriptor = self.resolve(name, which)?;
        match self.read_content(&descriptor.digest, MANIFEST_LIMIT)? {
            Some(bytes) => Ok(Stored { descriptor, bytes }),
            None => Err(self.manifest_unknown(name, which)),
        }
    }

    /// Content of at most `limit` bytes, checked against its digest; `None` where there is none.
    pub(super) fn read_content(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(bytes) = read(&self.content_path(digest), limit)? else { return Ok(None) };
        let found = Digest::of(digest.algorithm(), &bytes);
        if found == *digest {
            return Ok(Some(bytes));
        }
        Err(StoreError::DigestMismatch {
            request: Self::content_name(digest),
            expected: digest.clone(),
            found,
        })
    }

    /// Stores a manifest whose blobs are there, under its digest and a tag; durable on return.
    pub(super) fn put_manifest(
        &self,
        name: &Name,
        which: &Selector,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<PutManifest, StoreError> {
        let request = shown(name, which);
        let digest = match which {
            Selector::Digest(expected) => {
                let found = Digest::of(expected.algorithm(), bytes);
                if found != *expected {
                    return Err(StoreError::DigestMismatch { request, expected: expected.clone(), found });
                }
                found
            }
            Selector::Tag(tag) if !is_tag(tag) => {
                let reason = format!("{tag:?} is no tag: expected 1 to 128 of A-Z a-z 0-9 _ - .");
                return Err(refused(&request, ErrorCode::ManifestInvalid, reason));
            }
            Selector::Tag(_) => Digest::sha256_of(bytes),
        };
        let links = Links::read(&request, media_type, bytes)?;
        self.require(name, &request, &links)?;

        let work = self.work()?;
        let mut draft = Draft::new(work)?;
        draft.write(bytes)?;
        let new = self.store_content(&digest, draft)?;

        let pointer = Descriptor::new(media_type, bytes.len() as u64, digest.clone());
        let mut written = vec![self.write_link(&self.manifest_link(name, &digest), &pointer)?];
        if let Some(subject) = &links.subject {
            let mut referrer = pointer.clone();
            referrer.artifact_type = links.artifact_type;
            referrer.annotations = links.annotations;
            let file = format!("{}-{}", digest.algorithm().name(), digest.hex());
            written.push(self.write_link(&self.referrers_folder(name, subject).join(file), &referrer)?);
        }
        for folder in written.drain(..) {
            self.folders.sync(&folder)?;
        }
        // The tag comes last, so that it never names what is not durable.
        if let Selector::Tag(tag) = which {
            let folder = self.write_link(&self.tag_link(name, tag), &pointer)?;
            self.folders.sync(&folder)?;
        }
        Ok(PutManifest { digest, subject: links.subject, new })
    }

    /// Everything the manifest points to must be in the repository, whole and durable.
    fn require(&self, name: &Name, request: &str, links: &Links) -> Result<(), StoreError> {
        for blob in &links.blobs {
            match self.open_blob(name, blob) {
                Ok(_) => {}
                // A corrupt file is not the blob: the answer makes its pusher bring it again, which replaces it.
                Err(StoreError::NotFound { .. } | StoreError::DigestMismatch { .. }) => {
                    return Err(missing(request, blob));
                }
                Err(error) => return Err(error),
            }
        }
        for member in &links.manifests {
            let there = self.resolve(name, &Selector::Digest(member.clone())).map(|_| ());
            match there.and_then(|()| self.open_content(member)) {
                Ok(Some(_)) => {}
                Ok(None) | Err(StoreError::NotFound { .. } | StoreError::DigestMismatch { .. }) => {
                    return Err(missing(request, member));
                }
                Err(error) => return Err(error),
            }
        }
        // Seen is not yet synced: whoever is pushing them may not have been answered. One fsync a folder covers
        // all; that of the contents' folder follows when the manifest itself is placed there.
        let mut algorithms: Vec<_> = links.blobs.iter().chain(&links.manifests).collect();
        algorithms.sort_unstable_by_key(|digest| digest.algorithm());
        algorithms.dedup_by_key(|digest| digest.algorithm());
        for digest in algorithms {
            self.folders.sync(&self.root.join("blobs").join(digest.algorithm().name()))?;
            self.sync_link(name, digest)?;
        }
        Ok(())
    }

    /// Writes a descriptor to a small file that appears whole; returns the folder still to be synced.
    fn write_link(&self, path: &std::path::Path, pointer: &Descriptor) -> Result<PathBuf, StoreError> {
        let folder = path.parent().unwrap_or(&self.root).to_owned();
        self.folders.ensure(&self.root, &folder)?;
        let text = serde_json::to_vec(pointer).map_err(|error| StoreError::Malformed {
            request: path.display().to_string(),
            reason: error.to_string(),
        })?;
        let mut draft = Draft::new(self.work()?)?;
        draft.write(&text)?;
        draft.place(path)?;
        Ok(folder)
    }

    /// Removes a tag, or a manifest and every tag that names it, as docker-registry does.
    pub(super) fn delete_manifest(&self, name: &Name, which: &Selector) -> Result<(), StoreError> {
        let missing = || self.manifest_unknown(name, which);
        match which {
            Selector::Tag(tag) => {
                let link = self.tag_link(name, tag);
                if !is_tag(tag) || !is_there(&link)? {
                    return Err(missing());
                }
                self.remove_link(&link)
            }
            Selector::Digest(digest) => {
                let link = self.manifest_link(name, digest);
                if !is_there(&link)? {
                    return Err(missing());
                }
                self.mark_garbage(digest)?;
                for tag in names(&name.folder(&self.root).join("_tags"))? {
                    let path = self.tag_link(name, &tag);
                    if self.read_link(&path)?.is_some_and(|pointer| pointer.digest == *digest) {
                        self.remove_link(&path)?;
                    }
                }
                // A referrers entry without its manifest is skipped when read, so it may go at any time.
                if let Ok(Some(bytes)) = self.read_content(digest, MANIFEST_LIMIT)
                    && let Some(kind) = media_type_of(&bytes)
                    && let Ok(Links { subject: Some(subject), .. }) = Links::read("", &kind, &bytes)
                {
                    let file = format!("{}-{}", digest.algorithm().name(), digest.hex());
                    remove(&self.referrers_folder(name, &subject).join(file))?;
                }
                self.remove_link(&link)
            }
        }
    }

    fn remove_link(&self, path: &std::path::Path) -> Result<(), StoreError> {
        remove(path)?;
        self.folders.sync(path.parent().unwrap_or(&self.root))
    }

    /// The manifests about this digest, sorted by digest.
    pub(super) fn referrers(&self, name: &Name, subject: &Digest) -> Result<Vec<Descriptor>, StoreError> {
        let folder = self.referrers_folder(name, subject);
        let mut found = Vec::new();
        for file in names(&folder)? {
            let Some(entry) = self.read_link(&folder.join(&file))? else { continue };
            if is_there(&self.manifest_link(name, &entry.digest))? {
                found.push(entry);
            }
        }
        for entry in self.plain.iter().filter(|entry| entry.repository == *name) {
            let pointer = &entry.descriptor;
            let Some(bytes) = self.read_content(&pointer.digest, MANIFEST_LIMIT)? else { continue };
            let links = Links::read(&pointer.digest.to_string(), &pointer.media_type, &bytes)?;
            let new = !found.iter().any(|other: &Descriptor| other.digest == pointer.digest);
            if links.subject.as_ref() == Some(subject) && new {
                let mut referrer = pointer.clone();
                referrer.artifact_type = links.artifact_type;
                referrer.annotations = links.annotations;
                found.push(referrer);
            }
        }
        Ok(found)
    }

    /// All tags of a repository, sorted.
    pub(super) fn tags(&self, name: &Name) -> Result<Vec<String>, StoreError> {
        if !self.is_known(name)? {
            let detail = json!({"name": name.as_str()});
            return Err(self.not_found(name.as_str(), ErrorCode::NameUnknown, detail));
        }
        let mut tags = names(&name.folder(&self.root).join("_tags"))?;
        tags.retain(|tag| is_tag(tag));
        tags.extend(
            self.plain.iter().filter(|entry| entry.repository == *name).filter_map(|entry| entry.tag.clone()),
        );
        tags.sort_unstable();
        tags.dedup();
        Ok(tags)
    }

    /// Every repository, sorted.
    pub(super) fn repositories(&self) -> Result<Vec<Name>, StoreError> {
        let top = self.root.join("repositories");
        let mut found: Vec<Name> = self.plain.iter().map(|entry| entry.repository.clone()).collect();
        let mut folders = vec![String::new()];
        while let Some(prefix) = folders.pop() {
            for part in names(&top.join(&prefix))?.into_iter().filter(|part| !part.starts_with('_')) {
                let path = if prefix.is_empty() { part } else { format!("{prefix}/{part}") };
                // What is no name was not put there by us, and is not descended into: names are at most 255 bytes.
                let Ok(name) = path.parse::<Name>() else { continue };
                let folder = name.folder(&self.root);
                if !fs::metadata(&folder).map_err(|e| failed(&folder, &e))?.is_dir() {
                    continue;
                }
                if is_there(&folder.join("_manifests"))? {
                    found.push(name);
                }
                folders.push(path);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn plain_tag(&self, name: &Name, tag: &str) -> Option<Digest> {
        let entry =
            |entry: &&super::plain::Entry| entry.repository == *name && entry.tag.as_deref() == Some(tag);
        self.plain.iter().find(entry).map(|entry| entry.descriptor.digest.clone())
    }

    /// A manifest of another tool's folder: one of `index.json`, or a member of one, which only its bytes tell.
    fn plain_manifest(&self, name: &Name, digest: &Digest) -> Result<Option<Descriptor>, StoreError> {
        let mut mine = self.plain.iter().filter(|entry| entry.repository == *name).peekable();
        if mine.peek().is_none() {
            return Ok(None);
        }
        if let Some(entry) = mine.find(|entry| entry.descriptor.digest == *digest) {
            let pointer = &entry.descriptor;
            return Ok(Some(Descriptor::new(&pointer.media_type, pointer.size, pointer.digest.clone())));
        }
        let Some(bytes) = self.read_content(digest, MANIFEST_LIMIT)? else { return Ok(None) };
        let pointer = |kind: String| Descriptor::new(&kind, bytes.len() as u64, digest.clone());
        Ok(media_type_of(&bytes).map(pointer))
    }
}

fn missing(request: &str, digest: &Digest) -> StoreError {
    refused(request, ErrorCode::ManifestBlobUnknown, digest.to_string())
}

fn shown(name: &Name, which: &Selector) -> String {
    match which {
        Selector::Tag(tag) => format!("{name}:{tag}"),
        Selector::Digest(digest) => format!("{name}@{digest}"),
    }
}
