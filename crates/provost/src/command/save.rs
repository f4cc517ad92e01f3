//! `provost save`: an image and what vouches for it as files in a folder.
//!
//! The folder is what cosign 3.1 writes (cosign.md §3.6): image, signatures and attestations by the tag scheme in
//! `index.json`, bundles among the blobs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use provost_oci::media_type::is_index;
use provost_oci::{ImageManifest, Reference, Selector};
use provost_registry::portable::Portable;
use provost_registry::{Manifest, Remote, Store, StoreError};
use provost_verify::dialect::go_text;

use super::entity::is_about;
use super::verify_attestation::attestation_repository;
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// The annotation that says what an entry of `index.json` is.
pub(super) const KIND: &str = "kind";
/// An image.
pub(super) const IMAGE: &str = "dev.cosignproject.cosign/image";
/// An image for several platforms.
pub(super) const INDEX: &str = "dev.cosignproject.cosign/imageIndex";
/// The manifest of its signatures.
pub(super) const SIGNATURES: &str = "dev.cosignproject.cosign/sigs";
/// The manifest of its attestations.
pub(super) const ATTESTATIONS: &str = "dev.cosignproject.cosign/atts";

/// Save an image, its signatures and its attestations in a folder.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The folder.
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The image.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Saves bundles, image, signatures, attestations.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let [text] = args.images.as_slice() else {
        return Err(Failure::new(format!("accepts 1 arg(s), received {}", args.images.len())));
    };
    let told =
        |words: &'static str| move |error: StoreError| Failure::new(go_text::store(&error)).context(words);
    let image: Reference =
        text.parse().map_err(|error| Failure::from(error).context(&format!("parsing image name {text}")))?;
    let store = args.registry.remote_by_prefix(face)?;
    let manifest = store.manifest(image.repository(), &image.selector()).await;
    let manifest = manifest.map_err(told("resolving digest"))?;
    let beside = attestation_repository(image.repository(), face)?;
    let layout = Portable::create(&args.dir).map_err(told("writing layout"))?;
    let referrers = store.referrers(&beside, &manifest.digest).await.map_err(told("getting referrers"))?;
    for referrer in referrers {
        match store.manifest(&beside, &Selector::Digest(referrer.digest)).await {
            Ok(found) if is_about(&found, &manifest.digest) => {
                layout.save(&store, &beside, &found).await.map_err(told("getting signed image"))?;
            }
            Ok(_) => {}
            // A list may name what has since been deleted.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(told("getting signed image")(error)),
        }
    }
    layout.save(&store, image.repository(), &manifest).await.map_err(told("appending signed image"))?;
    list(&layout, &manifest, if is_index(&manifest.media_type) { INDEX } else { IMAGE })?;
    for (suffix, kind, words) in
        [("sig", SIGNATURES, "appending signatures"), ("att", ATTESTATIONS, "appending atts")]
    {
        let tag = args.registry.tag(&manifest.digest, suffix);
        if let Some(found) = there(&store, &beside.tag(&tag)).await.map_err(told(words))? {
            layout.save(&store, &beside, &found).await.map_err(told(words))?;
            list(&layout, &found, kind)?;
        }
    }
    Ok(())
}

async fn there(store: &Remote, image: &Reference) -> Result<Option<Manifest>, StoreError> {
    match store.manifest(image.repository(), &image.selector()).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a manifest into `index.json`; like go-containerregistry with the kind of its configuration.
fn list(layout: &Portable, manifest: &Manifest, kind: &str) -> Result<(), Failure> {
    let mut entry = manifest.descriptor();
    entry.annotations = BTreeMap::from([(KIND.to_owned(), kind.to_owned())]);
    if !is_index(&manifest.media_type) {
        let view: ImageManifest = serde_json::from_slice(&manifest.bytes)?;
        entry.artifact_type = view.artifact_type.or(Some(view.config.media_type));
    }
    Ok(layout.list(entry)?)
}
