//! `provost tree`: what lies beside an image, by the tag scheme and as referrers.

use provost_oci::{Digest, ImageManifest, Reference, Repository, Selector};
use provost_registry::{Store, StoreError};
use provost_verify::dialect::go_text;
use provost_verify::find::MAX_LAYERS;

use super::entity::{entity, referrers_mode};
use super::verify_attestation::attestation_repository;
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// The annotation in which cosign repeats the predicate type of a bundle; here it is only shown.
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// Show the signatures, attestations, SBOMs and referrers of an image.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    registry: RegistryFlags,
    /// Show referrers too; cosign's name for it.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    experimental_oci11: bool,
    /// How things are found from the image: legacy (tags), or oci-1-1 (referrers, with COSIGN_EXPERIMENTAL=1).
    #[arg(long, value_name = "MODE")]
    registry_referrers_mode: Option<String>,
    /// The image.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// One artifact beside the image: its heading, and its layers.
struct Branch {
    heading: String,
    leaves: Vec<Digest>,
}

/// Looks at all places and prints what is there, in a stable order.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let [text] = args.images.as_slice() else {
        return Err(Failure::new(format!("accepts 1 arg(s), received {}", args.images.len())));
    };
    let with_referrers =
        referrers_mode(args.registry_referrers_mode.as_deref(), face)? || args.experimental_oci11;
    let image: Reference = text.parse()?;
    let store = args.registry.remote_by_prefix(face)?;
    let failed = |error: StoreError| Failure::new(go_text::store(&error));
    face.out(format!("📦 Supply Chain Security Related artifacts for an image: {text}"));
    let digest = entity(&store, &image).await?.digest;
    let repository = attestation_repository(image.repository(), face)?;
    let mut branches = Vec::new();
    for (icon, what, suffix) in
        [("🔐", "Signatures", "sig"), ("💾", "Attestations", "att"), ("📦", "SBOMs", "sbom")]
    {
        let tag = args.registry.tag(&digest, suffix);
        if let Some(manifest) = manifest(&store, &repository, &Selector::Tag(tag.clone())).await? {
            let heading = format!("{icon} {what} for an image tag: {repository}:{tag}");
            branches.push(branch(heading, &manifest));
        }
    }
    let referrers = match with_referrers {
        true => store.referrers(&repository, &digest).await.map_err(failed)?,
        false => Vec::new(),
    };
    if referrers.len() > MAX_LAYERS {
        return Err(Failure::new(format!(
            "{text} has {} referrers, at most {MAX_LAYERS} are shown",
            referrers.len()
        )));
    }
    for referrer in referrers {
        let at = repository.digest(referrer.digest.clone());
        let Some(manifest) = manifest(&store, &repository, &Selector::Digest(referrer.digest)).await? else {
            continue;
        };
        let kind = manifest.annotations.get(PREDICATE_TYPE).or(manifest.artifact_type.as_ref());
        let kind = kind.map_or(manifest.config.media_type.as_str(), String::as_str);
        branches.push(branch(format!("🔗 {kind} artifacts via OCI referrer: {at}"), &manifest));
    }
    branches.retain(|branch| !branch.leaves.is_empty());
    if branches.is_empty() {
        face.out_raw(format!(
            "No Supply Chain Security Related Artifacts found for image {text},\n start creating one with simply running$ cosign sign <img>"
        ));
    }
    for Branch { heading, leaves } in branches {
        face.out(format!("└── {}", printable(&heading)));
        let last = leaves.len();
        for (n, leaf) in leaves.iter().enumerate() {
            face.out(format!("   {} 🍒 {leaf}", if n + 1 == last { "└──" } else { "├──" }));
        }
    }
    Ok(())
}

fn branch(heading: String, manifest: &ImageManifest) -> Branch {
    Branch { heading, leaves: manifest.layers.iter().map(|layer| layer.digest.clone()).collect() }
}

/// Control characters of a stranger's annotation do not reach the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// The manifest, or `None` where there is none.
async fn manifest(
    store: &dyn Store,
    repository: &Repository,
    which: &Selector,
) -> Result<Option<ImageManifest>, Failure> {
    match store.manifest(repository, which).await {
        Ok(manifest) => serde_json::from_slice(&manifest.bytes)
            .map(Some)
            .map_err(|error| Failure::new(format!("{repository} {which}: {error}"))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(Failure::new(go_text::store(&error))),
    }
}
