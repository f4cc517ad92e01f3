//! Blobs: kept once for all repositories under their digest, and linked from each repository that has them.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use bytes::Bytes;
use provost_oci::{Digest, ErrorCode, Hasher};

use super::Inner;
use super::disk::{Draft, failed, is_absent, lock};
use super::name::{Name, digest_path};
use crate::StoreError;

/// How many checked files are remembered, about 12 MB at 180 bytes each; beyond it they are checked again.
pub(super) const CHECKED_LIMIT: usize = 65_536;
/// The buffer files are hashed through: 256 KiB, so that a blob of any size costs that much memory.
const HASH_BUFFER: usize = 256 * 1024;

/// What a file looked like when its digest was checked; another file, or a changed one, looks different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    device: u64,
    inode: u64,
    length: u64,
    /// `ctime`, which no writer can set back.
    changed: (i64, i64),
}

impl Look {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A blob of a repository, opened after its bytes were checked.
pub struct OpenBlob {
    /// At its beginning, unless it was read ahead.
    pub file: File,
    /// Its length in bytes.
    pub length: u64,
    /// All of it, where it was short enough to be read ahead.
    pub whole: Option<Bytes>,
}

impl Inner {
    /// The file of a digest, relative to the root: how it is named to users.
    pub(super) fn content_name(digest: &Digest) -> String {
        format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
    }

    pub(super) fn content_path(&self, digest: &Digest) -> PathBuf {
        digest_path(&self.root.join("blobs"), digest)
    }

    /// Opens the content of a digest once its bytes have been checked against it; `None` where there is none.
    ///
    /// Files are replaced by renames only, so what is read from the opened file stays what was checked.
    pub(super) fn open_content(&self, digest: &Digest) -> Result<Option<(File, u64)>, StoreError> {
        let path = self.content_path(digest);
        let fail = |e: &io::Error| failed(&path, e);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(fail(&error)),
        };
        let metadata = file.metadata().map_err(|e| fail(&e))?;
        if !metadata.is_file() {
            let reason = "expected a file".to_owned();
            return Err(StoreError::Malformed { request: Self::content_name(digest), reason });
        }
        let look = Look::of(&metadata);
        if lock(&self.checked).get(digest) != Some(&look) {
            let found = hash(&file, digest).map_err(|e| fail(&e))?;
            if found != *digest {
                return Err(StoreError::DigestMismatch {
                    request: Self::content_name(digest),
                    expected: digest.clone(),
                    found,
                });
            }
            file.seek(SeekFrom::Start(0)).map_err(|e| fail(&e))?;
            self.remember(digest, look);
        }
        Ok(Some((file, metadata.len())))
    }

    pub(super) fn remember(&self, digest: &Digest, look: Look) {
        let mut checked = lock(&self.checked);
        if checked.len() >= CHECKED_LIMIT {
            checked.clear();
        }
        checked.insert(digest.clone(), look);
    }

    fn blob_link(&self, name: &Name, digest: &Digest) -> PathBuf {
        digest_path(&name.folder(&self.root).join("_blobs"), digest)
    }

    /// Whether this repository has a link to this blob; in a folder of another tool every blob is the one
    /// repository's.
    fn is_linked(&self, name: &Name, digest: &Digest) -> Result<bool, StoreError> {
        if self.plain.iter().any(|entry| entry.repository == *name) {
            return Ok(true);
        }
        let link = self.blob_link(name, digest);
        // The manifests of a repository can be fetched as blobs too, as docker-registry has it.
        let manifest = self.manifest_link(name, digest);
        Ok(is_there(&link)? || is_there(&manifest)?)
    }

    /// Opens a blob of a repository, checked; `NotFound` where the repository has no such blob.
    pub(super) fn open_blob(&self, name: &Name, digest: &Digest) -> Result<(File, u64), StoreError> {
        let missing = || self.blob_unknown(name, digest);
        if !self.is_linked(name, digest)? {
            return Err(missing());
        }
        self.open_content(digest)?.ok_or_else(missing)
    }

    /// The bytes of an opened file of this length.
    pub(super) fn whole(&self, file: &File, length: u64, digest: &Digest) -> Result<Bytes, StoreError> {
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        let read = file.take(length).read_to_end(&mut bytes);
        read.map_err(|error| failed(&self.content_path(digest), &error))?;
        Ok(bytes.into())
    }

    /// Puts a finished draft in its place and links it; returns whether its bytes were new. Durable on return.
    pub(super) fn store_blob(&self, name: &Name, digest: &Digest, draft: Draft) -> Result<bool, StoreError> {
        // Linked first: a kill in between leaves a link to nothing, which is "not there", and no orphaned bytes.
        self.link_blob(name, digest)?;
        let new = self.store_content(digest, draft)?;
        self.sync_link(name, digest)?;
        Ok(new)
    }

    /// Puts content in its place unless it is there whole; returns whether it was new. Durable on return.
    pub(super) fn store_content(&self, digest: &Digest, draft: Draft) -> Result<bool, StoreError> {
        let folder = self.root.join("blobs").join(digest.algorithm().name());
        self.folders.ensure(&self.root, &folder)?;
        // A torn or corrupt file is no obstacle: it is replaced.
        let new = !matches!(self.open_content(digest), Ok(Some(_)));
        if new {
            let path = self.content_path(digest);
            draft.place(&path)?;
            let metadata = fs::metadata(&path).map_err(|e| failed(&path, &e))?;
            self.remember(digest, Look::of(&metadata));
        }
        self.folders.sync(&folder)?;
        Ok(new)
    }

    fn blob_unknown(&self, name: &Name, digest: &Digest) -> StoreError {
        self.not_found(&format!("{name}@{digest}"), ErrorCode::BlobUnknown, digest.to_string().into())
    }

    fn link_blob(&self, name: &Name, digest: &Digest) -> Result<(), StoreError> {
        let link = self.blob_link(name, digest);
        if let Some(folder) = link.parent() {
            self.folders.ensure(&self.root, folder)?;
        }
        File::create(&link).map(drop).map_err(|e| failed(&link, &e))
    }

    /// Makes the blob links of a repository durable that lie beside this one.
    pub(super) fn sync_link(&self, name: &Name, digest: &Digest) -> Result<(), StoreError> {
        let link = self.blob_link(name, digest);
        match link.parent() {
            Some(folder) if folder.is_dir() => self.folders.sync(folder),
            _ => Ok(()),
        }
    }

    /// Links a blob of one repository into another; false where the first does not have it whole.
    pub(super) fn mount_blob(&self, from: &Name, to: &Name, digest: &Digest) -> Result<bool, StoreError> {
        match self.open_blob(from, digest) {
            Ok(_) => {}
            Err(StoreError::NotFound { .. } | StoreError::DigestMismatch { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        self.link_blob(to, digest)?;
        // Another process may have placed the content without having synced its folder yet.
        self.folders.sync(&self.root.join("blobs").join(digest.algorithm().name()))?;
        self.sync_link(to, digest)?;
        Ok(true)
    }

    /// Unlinks a blob from a repository; its bytes are collected at a later start unless linked elsewhere.
    pub(super) fn delete_blob(&self, name: &Name, digest: &Digest) -> Result<(), StoreError> {
        let link = self.blob_link(name, digest);
        if !is_there(&link)? {
            return Err(self.blob_unknown(name, digest));
        }
        self.mark_garbage(digest)?;
        remove(&link)?;
        self.sync_link(name, digest)
    }
}

/// Whether a file is there.
pub(super) fn is_there(path: &std::path::Path) -> Result<bool, StoreError> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &std::path::Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if !is_absent(&error) => Err(failed(path, &error)),
        _ => Ok(()),
    }
}

/// The digest of a file's bytes, by the algorithm of another digest.
pub(super) fn hash(mut file: &File, like: &Digest) -> Result<Digest, io::Error> {
    let mut hasher = Hasher::new(like.algorithm());
    let mut buffer = vec![0; HASH_BUFFER];
    file.seek(SeekFrom::Start(0))?;
    loop {
        let count = file.read(&mut buffer)?;
        match buffer.get(..count) {
            Some(bytes) if count > 0 => hasher.update(bytes),
            _ => return Ok(hasher.finish()),
        }
    }
}
