//! A layout folder that another tool wrote: its images stand in `index.json`, and it has one repository or a few.

use std::path::Path;

use provost_oci::{Descriptor, ImageIndex, Reference};

use super::disk::read;
use super::name::{Name, is_tag};
use crate::StoreError;
use crate::store::MANIFEST_LIMIT;

/// The annotation that names an image in an index (image specification): a tag, or a whole reference.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The repository of images whose folder has no name that could be one.
const NAMELESS: &str = "image";

/// One image of `index.json`.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) repository: Name,
    pub(super) tag: Option<String>,
    pub(super) descriptor: Descriptor,
}

/// Reads `index.json`; a layout of our own has an empty one.
pub(super) fn entries(root: &Path) -> Result<Vec<Entry>, StoreError> {
    let path = root.join("index.json");
    let Some(bytes) = read(&path, MANIFEST_LIMIT)? else { return Ok(Vec::new()) };
    let fail = |reason: String| StoreError::Malformed { request: path.display().to_string(), reason };
    let index: ImageIndex = serde_json::from_slice(&bytes).map_err(|e| fail(e.to_string()))?;
    let folder = root.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let fallback = folder.parse::<Name>().or_else(|_| NAMELESS.parse()).map_err(|e| fail(e.to_string()))?;
    let alone = index.manifests.len() == 1;
    let entry = |mut descriptor: Descriptor| {
        let given = descriptor.annotations.remove(REF_NAME);
        let (repository, tag) = match given {
            Some(tag) if is_tag(&tag) => (fallback.clone(), Some(tag)),
            Some(text) => match named(&text) {
                Some((repository, tag)) => (repository, tag),
                None => (fallback.clone(), None),
            },
            // `podman save` and others leave the only image nameless.
            None => (fallback.clone(), alone.then(|| "latest".to_owned())),
        };
        Entry { repository, tag, descriptor }
    };
    Ok(index.manifests.into_iter().map(entry).collect())
}

/// `registry/path:tag`, as buildkit and containerd write it.
fn named(text: &str) -> Option<(Name, Option<String>)> {
    let reference: Reference = text.parse().ok()?;
    let name = reference.repository().path().parse().ok()?;
    Some((name, reference.given_tag().filter(|tag| is_tag(tag)).map(str::to_owned)))
}
