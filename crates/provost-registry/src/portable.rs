//! One image and what is about it in a plain OCI layout, to be carried on a stick: what `cosign save` writes.

mod saved;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use provost_oci::media_type::OCI_INDEX;
use provost_oci::{Descriptor, Digest, ImageIndex, ImageManifest, Repository, Selector};
use serde::Serialize;

pub use self::saved::Saved;
use crate::Remote;
use crate::limits::{CARRIED_AT_ONCE, INDEX_DEPTH, SAVED_MANIFEST_LIMIT};
use crate::store::{MANIFEST_LIMIT, Manifest, Store, StoreError};
use crate::transfer::{Carried, blobs};

/// What go-containerregistry writes into `oci-layout`.
const LAYOUT_FILE: &str = "{\n    \"imageLayoutVersion\": \"1.0.0\"\n}";

/// A folder that holds one image and what is about it.
#[derive(Clone, Debug)]
pub struct Portable {
    root: PathBuf,
}

impl Portable {
    /// Makes a folder a layout whose index is empty; blobs that are there stay.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn create(root: &Path) -> Result<Self, StoreError> {
        let layout = Self { root: root.to_owned() };
        fs::create_dir_all(root.join("blobs")).map_err(|error| failed(root, &error))?;
        layout.write("oci-layout", LAYOUT_FILE.as_bytes())?;
        layout.write_index(&[])?;
        Ok(layout)
    }

    /// A folder that is a layout.
    ///
    /// # Errors
    /// When it has no `index.json`.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let path = root.join("index.json");
        fs::metadata(&path).map_err(|error| failed(&path, &error))?;
        Ok(Self { root: root.to_owned() })
    }

    /// What the index lists.
    ///
    /// # Errors
    /// When it cannot be read, or is no index.
    pub fn index(&self) -> Result<Vec<Descriptor>, StoreError> {
        let path = self.root.join("index.json");
        let bytes = read(&path, MANIFEST_LIMIT)?;
        let index: ImageIndex = serde_json::from_slice(&bytes).map_err(|error| StoreError::Malformed {
            request: path.display().to_string(),
            reason: format!("no index: {error}"),
        })?;
        Ok(index.manifests)
    }

    /// Adds an entry to the index.
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub fn list(&self, entry: Descriptor) -> Result<(), StoreError> {
        let mut entries = self.index()?;
        entries.push(entry);
        self.write_index(&entries)
    }

    /// Stores a manifest, the manifests it lists, and all their blobs.
    ///
    /// # Errors
    /// Whatever keeps a part from being read or written.
    pub async fn save(
        &self,
        from: &Remote,
        repository: &Repository,
        manifest: &Manifest,
    ) -> Result<(), StoreError> {
        for member in from.members(repository, manifest).await? {
            let all = stream::iter(blobs(&member, repository)?).map(async |blob| {
                let place = self.place(&blob.digest);
                if place.exists() && hash_of(&place, &blob.digest)? == blob.digest {
                    return Ok(());
                }
                make_folder_of(&place)?;
                let draft = place.with_extension("part");
                from.blob_to_file(repository, &blob, &draft).await?;
                fs::rename(&draft, &place).map_err(|error| failed(&place, &error))
            });
            all.buffer_unordered(CARRIED_AT_ONCE).try_collect::<()>().await?;
            let place = self.place(&member.digest);
            make_folder_of(&place)?;
            fs::write(&place, &member.bytes).map_err(|error| failed(&place, &error))?;
        }
        Ok(())
    }

    /// Pushes a stored manifest, the manifests it lists, and all their blobs.
    ///
    /// # Errors
    /// Whatever keeps a part from being read or written; a file whose bytes are not those its name says is
    /// [`StoreError::DigestMismatch`].
    pub async fn load(
        &self,
        manifest: &Manifest,
        to: &Remote,
        repository: &Repository,
        which: &Selector,
    ) -> Result<(), StoreError> {
        let mut members = Carried::default();
        self.collect(manifest.clone(), INDEX_DEPTH, &mut members)?;
        for member in members.into_manifests() {
            let all = stream::iter(blobs(&member, repository)?).map(async |blob| {
                let place = self.place(&blob.digest);
                fs::metadata(&place).map_err(|error| failed(&place, &error))?;
                to.put_blob_file(repository, &blob.digest, &place).await
            });
            all.buffer_unordered(CARRIED_AT_ONCE).try_collect::<()>().await?;
            let by_digest = Selector::Digest(member.digest.clone());
            let name = if member.digest == manifest.digest { which } else { &by_digest };
            to.put_manifest(repository, name, &member).await?;
        }
        Ok(())
    }

    /// A stored manifest, checked against its digest.
    ///
    /// # Errors
    /// [`StoreError::Disk`] where it is not there, [`StoreError::DigestMismatch`] where it is another.
    pub fn manifest(&self, entry: &Descriptor) -> Result<Manifest, StoreError> {
        let place = self.place(&entry.digest);
        let bytes = read(&place, MANIFEST_LIMIT)?;
        let found = Digest::of(entry.digest.algorithm(), &bytes);
        if found != entry.digest {
            let (request, expected) = (place.display().to_string(), entry.digest.clone());
            return Err(StoreError::DigestMismatch { request, expected, found });
        }
        Ok(Manifest { media_type: entry.media_type.clone(), digest: found, bytes })
    }

    /// The stored manifests that name this digest as their subject, sorted by digest. They stand in no index, so every small
    /// file is looked at, as cosign does.
    ///
    /// # Errors
    /// When a file cannot be read, or its bytes are not those its name says.
    pub fn about(&self, subject: &Digest) -> Result<Vec<Manifest>, StoreError> {
        let folder = self.root.join("blobs").join("sha256");
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|error| failed(&folder, &error))? {
            let path = entry.map_err(|error| failed(&folder, &error))?.path();
            let length = fs::metadata(&path).map_err(|error| failed(&path, &error))?.len();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Ok(digest) = format!("sha256:{name}").parse::<Digest>() else { continue };
            if length > SAVED_MANIFEST_LIMIT {
                continue;
            }
            let bytes = read(&path, SAVED_MANIFEST_LIMIT)?;
            let Ok(view) = serde_json::from_slice::<ImageManifest>(&bytes) else { continue };
            if view.subject.is_some_and(|about| about.digest == *subject) {
                let entry = Descriptor::new(&view.media_type, length, digest);
                found.push(self.manifest(&entry)?);
            }
        }
        found.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok(found)
    }

    fn collect(&self, manifest: Manifest, depth: usize, found: &mut Carried) -> Result<(), StoreError> {
        let request = || format!("{}: {}", self.root.display(), manifest.digest);
        for member in Carried::listed(&manifest, depth).map_err(|fault| fault.at(request()))? {
            if !found.has(&member.digest) {
                self.collect(self.manifest(&member)?, depth - 1, found)?;
            }
        }
        found.add(manifest).map_err(|fault| fault.at(self.root.display().to_string()))
    }

    fn place(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }

    fn write_index(&self, manifests: &[Descriptor]) -> Result<(), StoreError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Index<'a> {
            schema_version: u32,
            media_type: &'a str,
            manifests: &'a [Descriptor],
        }
        let index = Index { schema_version: 2, media_type: OCI_INDEX, manifests };
        let mut text = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b"   ");
        let mut writer = serde_json::Serializer::with_formatter(&mut text, indent);
        index.serialize(&mut writer).map_err(|error| StoreError::Malformed {
            request: self.root.display().to_string(),
            reason: error.to_string(),
        })?;
        self.write("index.json", &text)
    }

    /// Writes a file whole: a reader sees the old one or the new one.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.root.join(name);
        let written = || {
            let mut draft = tempfile::NamedTempFile::new_in(&self.root)?;
            draft.write_all(bytes)?;
            draft.persist(&path).map_err(|error| error.error)?;
            Ok::<(), std::io::Error>(())
        };
        written().map_err(|error| failed(&path, &error))
    }
}

fn make_folder_of(place: &Path) -> Result<(), StoreError> {
    let folder = place.parent().unwrap_or(place);
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))
}

/// The digest of a file's bytes, by the algorithm of another.
fn hash_of(path: &Path, like: &Digest) -> Result<Digest, StoreError> {
    let mut file = fs::File::open(path).map_err(|error| failed(path, &error))?;
    let mut hasher = provost_oci::Hasher::new(like.algorithm());
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = std::io::Read::read(&mut file, &mut chunk).map_err(|error| failed(path, &error))?;
        match chunk.get(..read) {
            Some([]) | None => return Ok(hasher.finish()),
            Some(bytes) => hasher.update(bytes),
        }
    }
}

fn read(path: &Path, limit: u64) -> Result<Bytes, StoreError> {
    let file = fs::File::open(path).map_err(|error| failed(path, &error))?;
    let mut bytes = Vec::new();
    let mut bounded = std::io::Read::take(file, limit + 1);
    std::io::Read::read_to_end(&mut bounded, &mut bytes).map_err(|error| failed(path, &error))?;
    if bytes.len() as u64 > limit {
        let (request, found) = (path.display().to_string(), bytes.len() as u64);
        return Err(StoreError::Size { request, expected: limit, found });
    }
    Ok(bytes.into())
}

fn failed(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Disk { path: path.display().to_string(), cause: error.to_string() }
}
