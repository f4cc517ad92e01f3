//! `provost load`: what `save` wrote, pushed to a registry.
//!
//! Follows cosign 3.1 (cosign.md §3.6), except that bundles are pushed also where the tag scheme holds attestations.

use std::path::PathBuf;

use provost_oci::{Descriptor, Reference, Selector};
use provost_registry::StoreError;
use provost_registry::portable::Portable;
use provost_verify::dialect::go_text;

use super::save::{ATTESTATIONS, IMAGE, INDEX, KIND, SIGNATURES};
use super::verify_attestation::attestation_repository;
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;
use crate::registry_flags::RegistryFlags;

/// Push an image that was saved in a folder, with what vouches for it.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The folder.
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    #[command(flatten)]
    registry: RegistryFlags,
    /// Where the image goes.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Pushes image, signatures, attestations, bundles.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let [text] = args.images.as_slice() else {
        return Err(Failure::new(format!("accepts 1 arg(s), received {}", args.images.len())));
    };
    let told =
        |words: &'static str| move |error: StoreError| Failure::new(go_text::store(&error)).context(words);
    let target: Reference =
        text.parse().map_err(|error| Failure::from(error).context(&format!("parsing image name {text}")))?;
    let index = args.dir.join("index.json");
    if let Err(error) = std::fs::metadata(&index) {
        let cause = go_os::cause(&error);
        return Err(Failure::new(format!("signed image index: stat {}: {cause}", index.display())));
    }
    let layout = Portable::open(&args.dir).map_err(told("signed image index"))?;
    let entries = layout.index().map_err(told("signed image index"))?;
    let of_kind = |kind: &str| -> Option<&Descriptor> {
        entries.iter().find(|entry| entry.annotations.get(KIND).is_some_and(|found| found == kind))
    };
    let store = args.registry.remote_by_prefix(face)?;
    let mut image = None;
    for (kind, words) in [(INDEX, "writing index"), (IMAGE, "remote write")] {
        let Some(entry) = of_kind(kind) else { continue };
        let manifest = layout.manifest(entry).map_err(told(words))?;
        let pushed = layout.load(&manifest, &store, target.repository(), &target.selector()).await;
        pushed.map_err(told(words))?;
        image = Some(manifest.digest);
    }
    let Some(image) = image else {
        return Err(Failure::new(format!(
            "{} holds no image: no entry of its index.json has {KIND} {IMAGE} or {INDEX}",
            args.dir.display()
        )));
    };
    let beside = attestation_repository(target.repository(), face)?;
    for (kind, suffix) in [(SIGNATURES, "sig"), (ATTESTATIONS, "att")] {
        let Some(entry) = of_kind(kind) else { continue };
        let manifest = layout.manifest(entry).map_err(told("remote write"))?;
        let tag = Selector::Tag(args.registry.tag(&image, suffix));
        layout.load(&manifest, &store, &beside, &tag).await.map_err(told("remote write"))?;
    }
    for referrer in layout.about(&image).map_err(told("reading layout"))? {
        let which = Selector::Digest(referrer.digest.clone());
        let pushed = layout.load(&referrer, &store, &beside, &which).await;
        pushed.map_err(told("failed to upload manifest"))?;
    }
    Ok(())
}
