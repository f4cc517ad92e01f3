//! `provost attach`: put a signature or attestation made elsewhere beside an image, by the tag scheme.
//!
//! Follows cosign 3.1 (cosign.md §2.1, §3.6). Nothing is verified here: whoever reads it verifies it.

mod sbom;

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use provost_oci::{Digest, Reference, Selector};
use provost_registry::Store;
use provost_sign::{AttachedLayer, Dedup, attach};
use provost_statement::tag_scheme::SIGNATURE_LAYER;
use provost_statement::{Envelope, IN_TOTO_PAYLOAD, SimpleSigning};
use provost_verify::bundle::BUNDLE_MEDIA_TYPE;
use provost_verify::dialect::go_text;
use provost_verify::find::{ENVELOPE_LAYER, MAX_LAYERS, SIGNATURE_ANNOTATION, scheme_tag};
use serde_json::Value;

use super::download;
use super::verify_attestation::{attachment_limit, attestation_repository};
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;
use crate::registry_flags::RegistryFlags;

/// The largest signature file read, 64 KiB: the longest signature, RSA-4096 in base64, has 684 bytes.
const MAX_SIGNATURE_BYTES: u64 = 64 * 1024;

/// Put a signature or attestation made elsewhere beside an image.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    Signature(Box<SignatureArgs>),
    Attestation(Box<AttestationArgs>),
    Sbom(Box<sbom::SbomArgs>),
}

/// Attach a signature to an image.
#[derive(clap::Args, Debug)]
struct SignatureArgs {
    /// The signature in base64: a file, or the text itself.
    #[arg(long, env = "COSIGN_SIGNATURE", value_name = "SIGNATURE")]
    signature: String,
    /// The file with the payload that was signed [default: the payload `sign` makes for the image].
    #[arg(long, env = "COSIGN_PAYLOAD", value_name = "FILE")]
    payload: Option<String>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The image.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Attach attestations to an image.
#[derive(clap::Args, Debug)]
struct AttestationArgs {
    /// A file with one envelope, or several one after another; repeatable.
    #[arg(long, env = "COSIGN_ATTESTATION", value_delimiter = ',', value_name = "FILE")]
    attestation: Vec<String>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The image.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Attaches what is given.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    match args.verb {
        Verb::Signature(args) => signature(*args, face).await,
        Verb::Attestation(args) => attestation(*args, face).await,
        Verb::Sbom(args) => sbom::run(*args, face).await,
    }
}

async fn signature(args: SignatureArgs, face: &Face) -> Result<(), Failure> {
    let image = download::only(&args.images)?.1;
    let text = match Path::new(&args.signature).exists() {
        true => go_os::read(Path::new(&args.signature), MAX_SIGNATURE_BYTES)?,
        false => args.signature.clone().into_bytes(),
    };
    let text = text.trim_ascii();
    if text.is_empty() || STANDARD.decode(text).is_err() {
        return Err(Failure::new(format!("the signature {} is no base64", args.signature)));
    }
    let store = args.registry.remote(face)?;
    let digest = resolved(&store, &image).await?;
    let payload = match &args.payload {
        Some(file) => go_os::read(Path::new(file), attachment_limit(face)?)?,
        None => SimpleSigning::payload(&image.repository().to_string(), &digest, &Value::Null),
    };
    let layer = AttachedLayer {
        media_type: SIGNATURE_LAYER.to_owned(),
        bytes: Bytes::from(payload),
        annotations: BTreeMap::from([(
            SIGNATURE_ANNOTATION.to_owned(),
            String::from_utf8_lossy(text).into_owned(),
        )]),
    };
    let repository = attestation_repository(image.repository(), face)?;
    attach(&store, &repository, &scheme_tag(&digest, "sig"), &layer, Dedup::Never).await?;
    Ok(())
}

async fn attestation(args: AttestationArgs, face: &Face) -> Result<(), Failure> {
    let image = download::only(&args.images)?.1;
    if args.attestation.is_empty() {
        return Err(Failure::new("required flag(s) \"attestation\" not set"));
    }
    // All files are read and judged before anything is stored.
    let mut layers = Vec::new();
    for file in &args.attestation {
        let bytes = go_os::read(Path::new(file), attachment_limit(face)?)?;
        envelopes(&bytes, &mut layers).map_err(|failure| failure.context(file))?;
    }
    let store = args.registry.remote(face)?;
    let digest = resolved(&store, &image).await?;
    let repository = attestation_repository(image.repository(), face)?;
    for layer in &layers {
        attach(&store, &repository, &scheme_tag(&digest, "att"), layer, Dedup::Never).await?;
    }
    Ok(())
}

/// The envelopes of a file, one after another, as layers.
fn envelopes(bytes: &[u8], layers: &mut Vec<AttachedLayer>) -> Result<(), Failure> {
    let mut documents = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let (mut start, before) = (0, layers.len());
    while let Some(document) = documents.next() {
        let document = document?;
        let end = documents.byte_offset();
        let text = bytes.get(start..end).unwrap_or_default();
        start = end;
        let kind = document.get("mediaType").and_then(Value::as_str).unwrap_or_default();
        if kind.starts_with(BUNDLE_MEDIA_TYPE) {
            return Err(Failure::new("attaching Sigstore bundles is not supported by this version"));
        }
        let envelope = Envelope::parse(text.trim_ascii())?;
        if envelope.payload_type != IN_TOTO_PAYLOAD {
            let found = envelope.payload_type;
            return Err(Failure::new(format!(
                "invalid payloadType {found} on envelope. Expected {IN_TOTO_PAYLOAD}"
            )));
        }
        if envelope.signatures.is_empty() {
            return Err(Failure::new("could not attach attestation without having signatures"));
        }
        if layers.len() == MAX_LAYERS {
            return Err(Failure::new(format!("more than {MAX_LAYERS} attestations, the most that are read")));
        }
        layers.push(AttachedLayer {
            media_type: ENVELOPE_LAYER.to_owned(),
            bytes: Bytes::from(download::line::envelope(text.trim_ascii())?),
            annotations: BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), String::new())]),
        });
    }
    if layers.len() == before {
        return Err(Failure::new("the file holds no attestation"));
    }
    Ok(())
}

/// What the image's name points to; a digest is taken as it stands.
async fn resolved(store: &dyn Store, image: &Reference) -> Result<Digest, Failure> {
    match image.selector() {
        Selector::Digest(digest) => Ok(digest),
        tag @ Selector::Tag(_) => {
            let found = store.resolve(image.repository(), &tag).await;
            Ok(found.map_err(|error| Failure::new(go_text::store(&error)))?.digest)
        }
    }
}
