//! `provost clean`: takes away what lies beside an image.
//!
//! Follows cosign 3.1 (cosign.md §3.6). What registries answer to a deletion differs: 404 is fine, 400 asks for the digest.

use provost_oci::media_type::is_index;
use provost_oci::{Descriptor, Digest, ImageManifest, Reference, Repository, Selector};
use provost_registry::{Remote, Store, StoreError};
use provost_verify::bundle::BUNDLE_MEDIA_TYPE;
use provost_verify::dialect::go_text;

use super::verify_attestation::attestation_repository;
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Signature,
    Attestation,
    Sbom,
    Referrer,
    All,
}

impl What {
    fn read(text: &str) -> Result<Self, &'static str> {
        Ok(match text {
            "signature" => Self::Signature,
            "attestation" => Self::Attestation,
            "sbom" => Self::Sbom,
            "referrer" => Self::Referrer,
            "all" => Self::All,
            _ => {
                return Err(r#"must be one of "signature", "attestation", "referrer", "sbom", or "all""#);
            }
        })
    }

    /// What is said before it happens.
    fn warning(self) -> &'static str {
        match self {
            Self::Signature => "this will remove all signatures from the image",
            Self::Sbom => "this will remove all SBOMs from the image",
            Self::Attestation => "this will remove all attestations from the image",
            Self::Referrer => "this will remove all referrer attestations and/or signatures from the image",
            Self::All => "this will remove all signatures, SBOMs and attestations from the image",
        }
    }

    fn tags(self) -> &'static [&'static str] {
        match self {
            Self::Signature => &["sig"],
            Self::Sbom => &["sbom"],
            Self::Attestation => &["att"],
            Self::Referrer => &[],
            Self::All => &["sig", "att", "sbom"],
        }
    }
}

/// Remove signatures, attestations and SBOMs from an image.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What to remove: signature, attestation, referrer, sbom, all.
    #[arg(long = "type", default_value = "all", value_name = "TYPE", value_parser = What::read)]
    what: What,
    /// Do not ask.
    #[arg(short = 'f', long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    force: bool,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The image.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Asks, looks, and removes.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let [text] = args.images.as_slice() else {
        return Err(Failure::new(format!("accepts 1 arg(s), received {}", args.images.len())));
    };
    if !args.force {
        face.say(format!("WARNING: {}", args.what.warning()));
        face.confirm()?;
    }
    let image: Reference = text.parse()?;
    let store = args.registry.remote_by_prefix(face)?;
    let failed = |error: StoreError| Failure::new(go_text::store(&error));
    let digest = match image.selector() {
        Selector::Digest(digest) => digest,
        tag @ Selector::Tag(_) => store.manifest(image.repository(), &tag).await.map_err(failed)?.digest,
    };
    let beside = attestation_repository(image.repository(), face)?;
    let (bundles, others) = bundles(&store, &beside, &digest).await.map_err(failed)?;
    if matches!(args.what, What::Signature | What::Attestation) && !bundles.is_empty() {
        face.say("WARNING: image has referrers, consider using --referrer");
    }
    let tags = args.what.tags().iter().map(|suffix| Selector::Tag(args.registry.tag(&digest, suffix)));
    let mut doomed: Vec<Selector> = tags.collect();
    if matches!(args.what, What::Referrer | What::All) {
        // The list by tag, where there is one, goes with the last that stands in it.
        let list = Selector::Tag(format!("{}-{}", digest.algorithm().name(), digest.hex()));
        if let (0, Ok(list)) = (others, store.manifest(&beside, &list).await)
            && is_index(&list.media_type)
        {
            doomed.push(Selector::Digest(list.digest));
        }
        doomed.extend(bundles.into_iter().map(Selector::Digest));
    }
    for which in doomed {
        remove(&store, &beside, &which, text, face).await;
    }
    Ok(())
}

/// The referrers of an image that are bundles, and the number of those that are not.
async fn bundles(
    store: &Remote,
    at: &Repository,
    image: &Digest,
) -> Result<(Vec<Digest>, usize), StoreError> {
    let (mut found, mut others) = (Vec::new(), 0);
    for referrer in store.referrers(at, image).await? {
        let manifest = match store.manifest(at, &Selector::Digest(referrer.digest)).await {
            Ok(manifest) => manifest,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        let view = serde_json::from_slice::<ImageManifest>(&manifest.bytes);
        match view.is_ok_and(|view| is_bundle_of(&view, image)) {
            true => found.push(manifest.digest),
            false => others += 1,
        }
    }
    Ok((found, others))
}

/// Whether a manifest holds one bundle and nothing else, and names the image itself: a list by tag, which anybody may
/// have written, can name what belongs to others.
fn is_bundle_of(manifest: &ImageManifest, image: &Digest) -> bool {
    let about = manifest.subject.as_ref().is_some_and(|subject| subject.digest == *image);
    let bundle = |layer: &Descriptor| layer.media_type.starts_with(BUNDLE_MEDIA_TYPE);
    about && matches!(manifest.layers.as_slice(), [only] if bundle(only))
}

/// Removes one thing and says so; that it is not there, or stays, ends nothing.
async fn remove(store: &Remote, at: &Repository, which: &Selector, image: &str, face: &Face) {
    let name = match which {
        Selector::Tag(tag) => at.tag(tag),
        Selector::Digest(digest) => at.digest(digest.clone()),
    };
    let kept = |how: &str, error: &StoreError| {
        face.say(format!("could not delete {name}{how} from {image}:\n{}", go_text::store(error)));
    };
    match store.delete(at, which).await {
        Ok(()) => face.say(format!("Removed {name} from {image}")),
        Err(StoreError::NotFound { .. }) => {}
        // Docker's registry deletes by digest alone.
        Err(StoreError::Status { status: 400, .. }) if matches!(which, Selector::Tag(_)) => {
            let by_digest = async {
                let digest = store.resolve(at, which).await?.digest;
                store.delete(at, &Selector::Digest(digest)).await
            };
            match by_digest.await {
                Ok(()) => face.say(format!("Removed {name} from {image}")),
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => kept(" by digest", &error),
            }
        }
        Err(error) => kept("", &error),
    }
}
