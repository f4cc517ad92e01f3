//! `provost triangulate`: under which tag the signatures, attestations or SBOMs of an image lie.

use provost_oci::{Reference, Selector};
use provost_registry::Store;
use provost_verify::dialect::go_text;

use super::verify_attestation::attestation_repository;
use crate::face::Face;
use crate::failure::Failure;
use crate::registry_flags::RegistryFlags;

/// What cosign says of SBOM attachments.
pub(super) const SBOM_DEPRECATED: &str = "WARNING: SBOM attachments are deprecated and support will be removed in a Cosign release soon after 2024-02-22 (see https://github.com/sigstore/cosign/issues/2755). Instead, please use SBOM attestations.";

/// Print where the signatures, attestations or SBOMs of an image lie by the tag scheme.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What to locate: signature, attestation, sbom, or digest.
    #[arg(long = "type", env = "COSIGN_TYPE", default_value = "signature", value_name = "TYPE")]
    kind: String,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The image.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Resolves the image and prints the tag.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let [text] = args.images.as_slice() else {
        return Err(Failure::new(format!("accepts 1 arg(s), received {}", args.images.len())));
    };
    let image: Reference = text.parse()?;
    let suffix = match args.kind.as_str() {
        "signature" => "sig",
        "attestation" => "att",
        "sbom" => {
            face.say(SBOM_DEPRECATED);
            "sbom"
        }
        "digest" => "",
        other => return Err(Failure::new(format!("unknown attachment type {other}"))),
    };
    let digest = match image.selector() {
        Selector::Digest(digest) => digest,
        tag @ Selector::Tag(_) => {
            let store = args.registry.remote_by_prefix(face)?;
            let manifest = store.manifest(image.repository(), &tag).await;
            manifest.map_err(|error| Failure::new(go_text::store(&error)))?.digest
        }
    };
    if suffix.is_empty() {
        face.out(image.repository().digest(digest).to_string());
        return Ok(());
    }
    let repository = attestation_repository(image.repository(), face)?;
    face.out(repository.tag(&args.registry.tag(&digest, suffix)).to_string());
    Ok(())
}
