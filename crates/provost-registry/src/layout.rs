//! Images in a folder: an OCI image layout that holds many repositories.
//!
//! ```text
//! oci-layout, index.json            what makes it a layout; index.json stays empty
//! blobs/<alg>/<hex>                 blobs and manifests, once each, whatever repository they belong to
//! repositories/<path>/_manifests/<alg>/<hex>            a descriptor: this manifest is in this repository
//! repositories/<path>/_tags/<tag>                       a descriptor: what the tag names
//! repositories/<path>/_referrers/<alg>/<hex>/<manifest> a descriptor: this manifest is about that digest
//! repositories/<path>/_blobs/<alg>/<hex>                empty: this blob is in this repository
//! uploads/w-…/                      what one process has not finished; removed when that process is dead
//! garbage/<alg>-<hex>               this digest has lost a link; looked at when a process starts alone
//! ```
//!
//! Every file appears whole: written under `uploads`, synced, renamed. What has been acknowledged is durable, and
//! no file is ever changed in place, so tasks and processes may write side by side and be killed at any moment.
//! docs/adr/0003-layout-on-disk.md says why it is so.

mod blobs;
mod disk;
mod garbage;
mod links;
mod manifests;
mod name;
mod plain;
mod store;
mod upload;
mod work;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use provost_oci::{Descriptor, Digest, ErrorCode, ErrorEntry, Selector};

pub use self::blobs::OpenBlob;
pub use self::manifests::PutManifest;
pub use self::name::{NAME_LIMIT, Name, NameError, TAG_LIMIT, is_tag};
pub use self::upload::Upload;

use crate::StoreError;

/// What stands in `oci-layout`.
const LAYOUT_VERSION: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
/// What stands in the `index.json` of a layout of ours.
const EMPTY_INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
/// The largest `oci-layout` file read: the specification's has 30 bytes.
const LAYOUT_FILE_LIMIT: u64 = 4096;

/// Images in a folder. Clones share everything.
///
/// The registry part of a [`provost_oci::Repository`] plays no role here: only its path is looked at.
#[derive(Clone)]
pub struct Layout {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    /// `None` where the folder may only be read.
    work: Option<work::Work>,
    folders: disk::Folders,
    checked: Mutex<HashMap<Digest, blobs::Look>>,
    plain: Vec<plain::Entry>,
}

impl Layout {
    /// Opens a folder for reading and writing, makes it a layout where it is none, and clears away what dead
    /// processes left.
    ///
    /// # Errors
    /// When the disk fails, or the folder holds something else, is a layout of another version, or its
    /// `index.json` cannot be read.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = root.as_ref();
        fs::create_dir_all(root).map_err(|e| disk::failed(root, &e))?;
        let root = absolute(root)?;
        refuse_foreign(&root)?;
        let (work, start) = work::Work::begin(&root)?;
        let mut inner = Inner {
            root,
            work: Some(work),
            folders: disk::Folders::default(),
            checked: Mutex::default(),
            plain: Vec::new(),
        };
        inner.write_if_absent("index.json", EMPTY_INDEX)?;
        inner.write_if_absent("oci-layout", LAYOUT_VERSION)?;
        check_version(&inner.root)?;
        inner.plain = plain::entries(&inner.root)?;
        if start.alone {
            inner.collect()?;
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens a folder for reading; nothing in it is touched, and writes are refused.
    ///
    /// # Errors
    /// When it is no layout, or cannot be read.
    pub fn open_read_only(root: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = absolute(root.as_ref())?;
        check_version(&root)?;
        let plain = plain::entries(&root)?;
        let folders = disk::Folders::default();
        let inner = Inner { root, work: None, folders, checked: Mutex::default(), plain };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// The bytes that blobs, manifests and unfinished uploads take, by walking over them.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn usage(&self) -> Result<u64, StoreError> {
        Self::blocking(&self.inner, |inner| {
            let mut total: u64 = 0;
            for top in ["blobs", "uploads"] {
                let top = inner.root.join(top);
                for folder in disk::names(&top)? {
                    let folder = top.join(folder);
                    for name in disk::names(&folder)? {
                        // A draft may be renamed while we look.
                        let length = fs::metadata(folder.join(name)).map_or(0, |file| file.len());
                        total = total.saturating_add(length);
                    }
                }
            }
            Ok(total)
        })
        .await
    }

    /// Every repository that holds a manifest, sorted.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn repositories(&self) -> Result<Vec<Name>, StoreError> {
        Self::blocking(&self.inner, Inner::repositories).await
    }

    /// Begins a blob.
    ///
    /// # Errors
    /// When the disk fails, or the layout is open for reading only.
    pub async fn begin(&self) -> Result<Upload, StoreError> {
        let inner = Arc::clone(&self.inner);
        Self::blocking(&self.inner, move |_| Upload::begin(&inner)).await
    }

    /// Opens a blob whose bytes have just been, or were once, checked against its digest; read too, where it is at most
    /// `ahead` bytes, so that the disk is gone to once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the repository has no such blob, [`StoreError::DigestMismatch`] naming the
    /// file where it is torn or corrupt.
    pub async fn open_blob(&self, name: &Name, digest: &Digest, ahead: u64) -> Result<OpenBlob, StoreError> {
        let (name, digest) = (name.clone(), digest.clone());
        Self::blocking(&self.inner, move |inner| {
            let (file, length) = inner.open_blob(&name, &digest)?;
            let whole = (length <= ahead).then(|| inner.whole(&file, length, &digest)).transpose()?;
            Ok(OpenBlob { file, length, whole })
        })
        .await
    }

    /// Makes a blob of one repository one of another too; false where the first does not have it.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn mount_blob(&self, from: &Name, to: &Name, digest: &Digest) -> Result<bool, StoreError> {
        let (from, to, digest) = (from.clone(), to.clone(), digest.clone());
        Self::blocking(&self.inner, move |inner| {
            inner.work()?;
            inner.mount_blob(&from, &to, &digest)
        })
        .await
    }

    /// Takes a blob out of a repository.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the repository has no such blob.
    pub async fn delete_blob(&self, name: &Name, digest: &Digest) -> Result<(), StoreError> {
        let (name, digest) = (name.clone(), digest.clone());
        Self::blocking(&self.inner, move |inner| {
            inner.work()?;
            inner.delete_blob(&name, &digest)
        })
        .await
    }

    /// What a tag or digest points to.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] with `MANIFEST_UNKNOWN` or `NAME_UNKNOWN`.
    pub async fn resolve_in(&self, name: &Name, which: &Selector) -> Result<Descriptor, StoreError> {
        let (name, which) = (name.clone(), which.clone());
        Self::blocking(&self.inner, move |inner| inner.resolve(&name, &which)).await
    }

    /// A manifest's pointer and its bytes, checked.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or [`StoreError::DigestMismatch`] naming the file.
    pub async fn manifest_in(
        &self,
        name: &Name,
        which: &Selector,
    ) -> Result<(Descriptor, Bytes), StoreError> {
        let (name, which) = (name.clone(), which.clone());
        Self::blocking(&self.inner, move |inner| {
            let stored = inner.manifest(&name, &which)?;
            Ok((stored.descriptor, stored.bytes.into()))
        })
        .await
    }

    /// Stores a manifest whose blobs are there under its digest and, where it is one, a tag; durable on return.
    ///
    /// # Errors
    /// [`StoreError::DigestMismatch`] for another digest than asked for; [`StoreError::Status`] 400 with
    /// `MANIFEST_INVALID` or `MANIFEST_BLOB_UNKNOWN`.
    pub async fn put_manifest_in(
        &self,
        name: &Name,
        which: &Selector,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<PutManifest, StoreError> {
        let (name, which, media_type) = (name.clone(), which.clone(), media_type.to_owned());
        Self::blocking(&self.inner, move |inner| inner.put_manifest(&name, &which, &media_type, &bytes)).await
    }

    /// Removes a tag; or a manifest and all tags that name it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such tag or manifest.
    pub async fn delete_manifest(&self, name: &Name, which: &Selector) -> Result<(), StoreError> {
        let (name, which) = (name.clone(), which.clone());
        Self::blocking(&self.inner, move |inner| {
            inner.work()?;
            inner.delete_manifest(&name, &which)
        })
        .await
    }

    /// The manifests about this digest.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn referrers_in(&self, name: &Name, subject: &Digest) -> Result<Vec<Descriptor>, StoreError> {
        let (name, subject) = (name.clone(), subject.clone());
        Self::blocking(&self.inner, move |inner| inner.referrers(&name, &subject)).await
    }

    /// All tags of a repository, sorted.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] with `NAME_UNKNOWN` where nothing was ever pushed there.
    pub async fn tags_in(&self, name: &Name) -> Result<Vec<String>, StoreError> {
        let name = name.clone();
        Self::blocking(&self.inner, move |inner| inner.tags(&name)).await
    }

    /// Disk work happens on the threads kept for it, and runs to its end even where nobody waits any more.
    async fn blocking<T: Send + 'static>(
        inner: &Arc<Inner>,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(inner);
        match tokio::task::spawn_blocking(move || work(&shared)).await {
            Ok(outcome) => outcome,
            Err(error) => {
                Err(StoreError::Disk { path: inner.root.display().to_string(), cause: error.to_string() })
            }
        }
    }
}

impl Inner {
    fn work(&self) -> Result<&Path, StoreError> {
        match &self.work {
            Some(work) => Ok(work.folder()),
            None => Err(StoreError::Refused {
                request: self.root.display().to_string(),
                reason: "the layout is open for reading only".to_owned(),
            }),
        }
    }

    fn not_found(&self, what: &str, code: ErrorCode, detail: serde_json::Value) -> StoreError {
        let message = code.message().to_owned();
        let entry = ErrorEntry { code: code.as_str().to_owned(), message, detail: Some(detail) };
        let request = format!("{} in {}", what, self.root.display());
        StoreError::NotFound { request, status: 404, errors: vec![entry], body: String::new() }
    }

    fn write_if_absent(&self, file: &str, text: &str) -> Result<(), StoreError> {
        let path = self.root.join(file);
        if blobs::is_there(&path)? {
            return Ok(());
        }
        let mut draft = disk::Draft::new(self.work()?)?;
        draft.write(text.as_bytes())?;
        draft.place(&path)?;
        self.folders.sync(&self.root)
    }
}

/// A folder that holds other things is not made a layout: a mistyped `--dir` must not litter someone's home.
fn refuse_foreign(root: &Path) -> Result<(), StoreError> {
    let found = disk::names(root)?;
    // The latter two stand there for a moment while another process makes the same folder a layout.
    let ours = |name: &String| matches!(name.as_str(), "lost+found" | "uploads" | "index.json");
    match found.iter().find(|name| !ours(name)) {
        Some(other) if !found.iter().any(|name| name == "oci-layout") => Err(StoreError::Malformed {
            request: root.display().to_string(),
            reason: format!("neither empty nor an OCI image layout: it holds {other:?} and no oci-layout"),
        }),
        _ => Ok(()),
    }
}

fn absolute(root: &Path) -> Result<PathBuf, StoreError> {
    fs::canonicalize(root).map_err(|e| disk::failed(root, &e))
}

fn check_version(root: &Path) -> Result<(), StoreError> {
    let path = root.join("oci-layout");
    let fail = |reason: String| StoreError::Malformed { request: path.display().to_string(), reason };
    let bytes = disk::read(&path, LAYOUT_FILE_LIMIT)?
        .ok_or_else(|| fail("missing: the folder is no OCI image layout".to_owned()))?;
    let text: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| fail(e.to_string()))?;
    match text.get("imageLayoutVersion").and_then(serde_json::Value::as_str) {
        Some("1.0.0") => Ok(()),
        found => Err(fail(format!("imageLayoutVersion is {found:?}, expected \"1.0.0\""))),
    }
}

#[cfg(test)]
mod tests;
