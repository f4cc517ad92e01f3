//! `--local-image`: an image in a folder that `save` has written, with what vouches for it.

use std::collections::BTreeMap;
use std::path::Path;

use provost_oci::{Descriptor, Digest, Repository};
use provost_registry::portable::{Portable, Saved};
use provost_verify::dialect::go_text;
use provost_verify::find::scheme_tag;

use super::save::{ATTESTATIONS, IMAGE, INDEX, KIND, SIGNATURES};
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// A folder has one repository; its name is shown nowhere.
const REPOSITORY: &str = "localhost/saved";

/// A saved image.
pub(crate) struct SavedImage {
    pub(crate) store: Saved,
    pub(crate) repository: Repository,
    pub(crate) digest: Digest,
}

/// Opens a folder; what vouches for its image has the tags it would have in a registry.
///
/// # Errors
/// cosign's words where it is no such folder.
pub(crate) fn open(folder: &str) -> Result<SavedImage, Failure> {
    let opened = read(folder);
    opened.map_err(|failure| failure.context("checking local image format"))
}

/// All folders of a command line.
///
/// # Errors
/// The first that is none.
pub(crate) fn open_all(folders: &[String]) -> Result<Vec<SavedImage>, Failure> {
    folders.iter().map(|folder| open(folder)).collect()
}

/// Warns of a flag that says where to look in a registry.
pub(crate) fn warn(prefix: Option<&str>, face: &Face) {
    if prefix.is_some_and(|prefix| !prefix.is_empty()) {
        face.say("WARNING: --attachment-tag-prefix names tags of a registry; a saved image has none.");
    }
}

fn read(folder: &str) -> Result<SavedImage, Failure> {
    let index = Path::new(folder).join("index.json");
    if let Err(error) = std::fs::metadata(&index) {
        let cause = go_os::cause(&error);
        let words = format!("loading OCI layout from {folder}: stat {}: {cause}", index.display());
        return Err(Failure::new(words));
    }
    let told = |error| Failure::new(go_text::store(&error)).context("getting image index");
    let layout = Portable::open(Path::new(folder)).map_err(told)?;
    let entries = layout.index().map_err(told)?;
    let of_kind = |kind: &str| -> Option<&Descriptor> {
        entries.iter().find(|entry| entry.annotations.get(KIND).is_some_and(|found| found == kind))
    };
    let Some(image) = of_kind(INDEX).or_else(|| of_kind(IMAGE)) else {
        return Err(Failure::new(format!(
            "{folder} holds no image: no entry of its index.json has {KIND} {IMAGE} or {INDEX}"
        )));
    };
    let digest = image.digest.clone();
    // The folder must hold the very image that is vouched for, not only its digest.
    layout.manifest(image).map_err(told)?;
    let tags: BTreeMap<String, Descriptor> = [(SIGNATURES, "sig"), (ATTESTATIONS, "att")]
        .into_iter()
        .filter_map(|(kind, suffix)| Some((scheme_tag(&digest, suffix), of_kind(kind)?.clone())))
        .collect();
    Ok(SavedImage { store: layout.as_store(tags), repository: REPOSITORY.parse()?, digest })
}
