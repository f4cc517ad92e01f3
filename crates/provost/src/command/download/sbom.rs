//! `provost download sbom`: the SBOM that was attached to an image by the tag scheme. Nothing is verified.

use provost_oci::{ImageManifest, Selector};
use provost_registry::{Store, StoreError};
use provost_verify::dialect::go_text;

use super::super::platform;
use super::super::triangulate::SBOM_DEPRECATED;
use super::super::verify_attestation::{attachment_limit, attestation_repository};
use super::only;
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// What cosign says beside it.
const UNSIGNED: &str = "WARNING: Downloading SBOMs this way does not ensure its authenticity. If you want to ensure a tamper-proof SBOM, download it using 'cosign download attestation <image uri>'.";

/// Print the SBOM attached to an image; it is not signed.
#[derive(clap::Args, Debug)]
pub(super) struct SbomArgs {
    /// The SBOM of the member for this platform: os/architecture[/variant].
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The image.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Prints it as it was attached.
pub(super) async fn run(args: SbomArgs, face: &Face) -> Result<(), Failure> {
    face.say(SBOM_DEPRECATED);
    face.say(UNSIGNED);
    let (_, image) = only(&args.images)?;
    let store = args.registry.remote_by_prefix(face)?;
    let failed = |error: StoreError| Failure::new(go_text::store(&error));
    // An SBOM can be had by digest also where the image itself is gone.
    let (mut digest, manifest) = match store.manifest(image.repository(), &image.selector()).await {
        Ok(manifest) => (manifest.digest.clone(), Some(manifest)),
        Err(error) if error.is_not_found() => match image.selector() {
            Selector::Digest(digest) => (digest, None),
            Selector::Tag(_) => {
                let words = format!("entity not found in registry, error: {}", go_text::store(&error));
                return Err(Failure::new(words));
            }
        },
        Err(error) => return Err(failed(error)),
    };
    let mut members = Vec::new();
    if let Some(wanted) = &args.platform {
        let absent = || Failure::new("specified reference is not a multiarch image");
        digest = platform::pick(manifest.as_ref().ok_or_else(absent)?, wanted)?;
    } else if let Some(manifest) = &manifest {
        members = platform::members(manifest)?;
    }
    let beside = attestation_repository(image.repository(), face)?;
    let tag = Selector::Tag(args.registry.tag(&digest, "sbom"));
    let attached = match store.manifest(&beside, &tag).await {
        Ok(attached) => attached,
        Err(error) if !error.is_not_found() => {
            return Err(failed(error).context("getting sbom attachment"));
        }
        Err(_)
            if manifest.is_some_and(|it| provost_oci::media_type::is_index(&it.media_type))
                && args.platform.is_none() =>
        {
            if !members.is_empty() {
                face.say(format!(
                    "\nThis multiarch image does not have an SBOM attached at the index level.\nTry using --platform with one of the following architectures:\n{}\n",
                    platform::shown(members.iter().map(|(_, platform)| platform))
                ));
            }
            return Err(Failure::new("no SBOM found attached to image index"));
        }
        Err(_) => return Err(Failure::new("no sbom attached to reference")),
    };
    let view: ImageManifest = serde_json::from_slice(&attached.bytes)?;
    let [layer] = view.layers.as_slice() else {
        return Err(Failure::new(format!(
            "{beside}:{tag} has {} layers, expected one: the SBOM",
            view.layers.len()
        )));
    };
    face.say(format!("Found SBOM of media type: {}", layer.media_type));
    let limit = attachment_limit(face)?;
    if layer.size > limit {
        return Err(Failure::new(format!("size of layer ({}) exceeded the limit ({limit})", layer.size)));
    }
    face.out_raw(store.blob(&beside, &layer.digest, layer.size).await.map_err(failed)?);
    Ok(())
}
