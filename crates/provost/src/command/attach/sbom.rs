//! `provost attach sbom`: puts an SBOM beside an image, unsigned, by the tag scheme.
//!
//! Follows cosign 3.1 (cosign.md §3.6); `--registry-referrers-mode=oci-1-1` makes it a referrer instead.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use provost_oci::manifest::RootFs;
use provost_oci::media_type::{OCI_CONFIG, OCI_MANIFEST};
use provost_oci::{Descriptor, Digest, ImageConfig, ImageManifest, Reference, Selector};
use provost_registry::{Manifest, Remote, Store, StoreError};
use provost_statement::go_json;
use provost_verify::dialect::go_text;
use serde_json::json;

use super::super::download;
use super::super::entity::referrers_mode;
use super::super::triangulate::SBOM_DEPRECATED;
use super::super::verify_attestation::{attachment_limit, attestation_repository};
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;
use crate::registry_flags::RegistryFlags;

/// The kind of configuration by which a referrer is known as an SBOM.
const SBOM_ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sbom.v1+json";
/// Go's zero time, which cosign writes where it states none.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// Attach an SBOM to an image; it is not signed.
#[derive(clap::Args, Debug)]
pub(super) struct SbomArgs {
    /// The SBOM: a file, `-` for standard input, or the text itself.
    #[arg(long, value_name = "FILE")]
    sbom: Option<String>,
    /// Its kind: spdx, cyclonedx or syft.
    #[arg(long = "type", default_value = "spdx", value_name = "TYPE")]
    kind: String,
    /// Its format: json, xml or text.
    #[arg(long, value_name = "FORMAT")]
    input_format: Option<String>,
    /// How it is found from the image: legacy (a tag), or oci-1-1 (a referrer, with COSIGN_EXPERIMENTAL=1).
    #[arg(long, value_name = "MODE")]
    registry_referrers_mode: Option<String>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The image.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Uploads it.
pub(super) async fn run(args: SbomArgs, face: &Face) -> Result<(), Failure> {
    let as_referrer = referrers_mode(args.registry_referrers_mode.as_deref(), face)?;
    let image = download::only(&args.images)?.1;
    face.say(SBOM_DEPRECATED);
    let media_type = media_type(&args)?;
    let sbom = args.sbom.clone().unwrap_or_default();
    face.say(format!(
        "WARNING: Attaching SBOMs this way does not sign them. To sign them, use 'cosign attest --predicate {sbom} --key <key path>'."
    ));
    let bytes = Bytes::from(read(&sbom, attachment_limit(face)?)?);
    let store = args.registry.remote_by_prefix(face)?;
    match as_referrer {
        true => referrer(&store, &image, media_type, bytes, face).await,
        false => tagged(&store, &image, media_type, bytes, &args, face).await,
    }
}

/// The kind of layer for a kind and format of SBOM.
fn media_type(args: &SbomArgs) -> Result<&'static str, Failure> {
    let named = args.input_format.as_deref().unwrap_or_default();
    let is_json = named == "json" || args.sbom.as_deref().is_some_and(|file| file.ends_with(".json"));
    let (formats, words) = match args.kind.as_str() {
        "cyclonedx" => (["xml", "json"].as_slice(), "json|xml"),
        "spdx" => (["text", "json"].as_slice(), "json|text"),
        "syft" => (["json"].as_slice(), "json"),
        other => {
            let words = format!("unknown SBOM type: {other:?}, expected (spdx|cyclonedx|syft)");
            return Err(Failure::new(words));
        }
    };
    if !named.is_empty() && !formats.contains(&named) {
        return Err(Failure::new(format!("invalid SBOM input format: {named:?}, expected ({words})")));
    }
    Ok(match (args.kind.as_str(), is_json) {
        ("cyclonedx", true) => "application/vnd.cyclonedx+json",
        ("cyclonedx", false) => "application/vnd.cyclonedx+xml",
        ("spdx", true) => "text/spdx+json",
        ("spdx", false) => "text/spdx",
        _ => "application/vnd.syft+json",
    })
}

/// The SBOM's bytes: of a file, of standard input, or the text that is no file.
fn read(source: &str, limit: u64) -> Result<Vec<u8>, Failure> {
    if source.is_empty() {
        return Err(Failure::new("read .: is a directory"));
    }
    if source == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(Failure::new(format!("the SBOM on standard input is longer than {limit} bytes")));
        }
        return Ok(bytes);
    }
    match Path::new(source).exists() {
        true => go_os::read(Path::new(source), limit),
        false => Ok(source.as_bytes().to_vec()),
    }
}

/// Under the image's `.sbom` tag, in the place of what is there.
async fn tagged(
    store: &Remote,
    image: &Reference,
    media_type: &str,
    bytes: Bytes,
    args: &SbomArgs,
    face: &Face,
) -> Result<(), Failure> {
    let failed = |error: StoreError| Failure::new(go_text::store(&error));
    let digest = match image.selector() {
        Selector::Digest(digest) => digest,
        tag @ Selector::Tag(_) => store.manifest(image.repository(), &tag).await.map_err(failed)?.digest,
    };
    let beside = attestation_repository(image.repository(), face)?;
    let tag = args.registry.tag(&digest, "sbom");
    face.say(format!(
        "Uploading SBOM file for [{image}] to [{}] with mediaType [{media_type}].\n",
        beside.tag(&tag)
    ));
    let layer = store.put_blob(&beside, media_type, bytes).await.map_err(failed)?;
    let config = Bytes::from(go_json::escaped(&ImageConfig {
        architecture: String::new(),
        created: ZERO_TIME.to_owned(),
        history: vec![json!({"created": ZERO_TIME})],
        os: String::new(),
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids: vec![layer.digest.clone()] },
        config: json!({}),
    }));
    let config = store.put_blob(&beside, OCI_CONFIG, config).await.map_err(failed)?;
    let manifest = manifest(config, layer, None);
    store.put_manifest(&beside, &Selector::Tag(tag), &manifest).await.map_err(failed)?;
    Ok(())
}

/// As a referrer of the image.
async fn referrer(
    store: &Remote,
    image: &Reference,
    media_type: &str,
    bytes: Bytes,
    face: &Face,
) -> Result<(), Failure> {
    let failed = |error: StoreError| Failure::new(go_text::store(&error));
    let at = image.repository();
    let subject = store.resolve(at, &image.selector()).await.map_err(failed)?;
    let layer = store.put_blob(at, media_type, bytes).await.map_err(failed)?;
    let config = Bytes::from(go_json::escaped(&ImageConfig {
        architecture: String::new(),
        created: ZERO_TIME.to_owned(),
        history: vec![json!({})],
        os: String::new(),
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids: vec![layer.digest.clone()] },
        config: json!({}),
    }));
    let config = store.put_blob(at, SBOM_ARTIFACT, config).await.map_err(failed)?;
    let manifest = manifest(config, layer, Some(subject));
    face.say(format!(
        "Uploading SBOM file for [{image}] to [{}] with config.mediaType [{SBOM_ARTIFACT}] layers[0].mediaType [{media_type}].",
        at.digest(manifest.digest.clone())
    ));
    let which = Selector::Digest(manifest.digest.clone());
    store.put_manifest(at, &which, &manifest).await.map_err(failed)?;
    Ok(())
}

fn manifest(config: Descriptor, layer: Descriptor, subject: Option<Descriptor>) -> Manifest {
    let view = ImageManifest {
        schema_version: 2,
        media_type: OCI_MANIFEST.to_owned(),
        config,
        layers: vec![layer],
        annotations: BTreeMap::new(),
        subject,
        artifact_type: None,
    };
    let bytes = Bytes::from(go_json::escaped(&view));
    let digest = Digest::sha256_of(&bytes);
    Manifest { media_type: OCI_MANIFEST.to_owned(), digest, bytes }
}
