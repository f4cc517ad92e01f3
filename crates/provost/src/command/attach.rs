//! `provost attach`: put a signature or attestation made elsewhere beside an image, by the tag scheme or as a bundle.
//!
//! Follows cosign 3.1 (cosign.md §2.1, §3.6). Nothing is verified here: whoever reads it verifies it.

mod sbom;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use provost_oci::{Digest, Reference, Selector};
use provost_registry::Store;
use provost_sign::layer::{CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION, LOG_ANNOTATION, TIMESTAMP_ANNOTATION};
use provost_sign::{AttachedLayer, BundlePlace, Dedup, attach, attach_bundle};
use provost_sigstore::annotation;
use provost_statement::tag_scheme::SIGNATURE_LAYER;
use provost_statement::{Envelope, IN_TOTO_PAYLOAD, Limits, SimpleSigning, json as strict};
use provost_verify::bundle::BUNDLE_MEDIA_TYPE;
use provost_verify::dialect::go_text;
use provost_verify::find::{ENVELOPE_LAYER, MAX_LAYERS, SIGNATURE_ANNOTATION};
use serde_json::{Value, json};

use super::download;
use super::sign::now;
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
    /// The signature in base64: a file, - for standard input, or the text itself.
    #[arg(long, default_value = "", value_name = "SIGNATURE")]
    signature: String,
    /// The file with the payload that was signed [default: the payload `sign` makes for the image], or with a bundle.
    #[arg(long, alias = "bundle", value_name = "FILE")]
    payload: Option<String>,
    /// The certificate of whoever signed, in PEM.
    #[arg(long, alias = "cert", value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The certificates above it, in PEM.
    #[arg(long, alias = "cert-chain", value_name = "FILE")]
    certificate_chain: Option<PathBuf>,
    /// The response of a timestamp authority, in DER.
    #[arg(long, value_name = "FILE")]
    tsr: Option<PathBuf>,
    /// A bundle of cosign's older form, of which the log entry is attached.
    #[arg(long, value_name = "FILE")]
    rekor_response: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// The image.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Attach attestations to an image.
#[derive(clap::Args, Debug)]
struct AttestationArgs {
    /// A file with one envelope, or several one after another, or a bundle; repeatable.
    #[arg(long, value_delimiter = ',', value_name = "FILE")]
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
    let limit = attachment_limit(face)?;
    let store = args.registry.remote_by_prefix(face)?;
    let digest = resolved(&store, &image).await?;
    let payload = args.payload.as_deref().filter(|file| !file.is_empty());
    let payload = payload.map(|file| go_os::read(Path::new(file), limit)).transpose()?;
    if let Some(predicate_type) = payload.as_deref().map(bundled).transpose()?.flatten() {
        let bundle = payload.unwrap_or_default();
        return attach_as_referrer(&store, &image, &digest, &predicate_type, bundle, face).await;
    }
    let text = signature_text(&args.signature)?;
    let mut annotations = BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), text)]);
    let read = |file: &PathBuf| go_os::read(file, limit);
    let pem = |file: &PathBuf| read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if let Some(file) = &args.certificate {
        annotations.insert(CERTIFICATE_ANNOTATION.to_owned(), pem(file)?);
        let chain = args.certificate_chain.as_ref().map(pem).transpose()?;
        annotations.insert(CHAIN_ANNOTATION.to_owned(), chain.unwrap_or_default());
    }
    if let Some(file) = &args.tsr {
        let response = json!({"SignedRFC3161Timestamp": STANDARD.encode(read(file)?)});
        annotations.insert(TIMESTAMP_ANNOTATION.to_owned(), response.to_string());
    }
    if let Some(file) = &args.rekor_response {
        let document: Value = serde_json::from_slice(&read(file)?)?;
        let entry = document.get("rekorBundle").and_then(annotation::log_entry_of);
        let missing = || Failure::new(format!("{}: the file holds no rekorBundle", file.display()));
        annotations.insert(LOG_ANNOTATION.to_owned(), entry.ok_or_else(missing)?.to_annotation());
    }
    let unsigned = || SimpleSigning::payload(&image.repository().to_string(), &digest, &Value::Null);
    let layer = AttachedLayer {
        media_type: SIGNATURE_LAYER.to_owned(),
        bytes: Bytes::from(payload.unwrap_or_else(unsigned)),
        annotations,
    };
    let repository = attestation_repository(image.repository(), face)?;
    let tag = args.registry.tag(&digest, "sig");
    attach(&store, &repository, &tag, &layer, Dedup::Never).await?;
    Ok(())
}

/// The signature's base64: out of a file, from standard input, or as it stands.
fn signature_text(given: &str) -> Result<String, Failure> {
    let bytes = match given {
        "-" => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(MAX_SIGNATURE_BYTES).read_to_end(&mut bytes)?;
            bytes
        }
        file if Path::new(file).is_file() => go_os::read(Path::new(file), MAX_SIGNATURE_BYTES)?,
        text => text.as_bytes().to_vec(),
    };
    let text = String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
    if text.is_empty() {
        return Err(Failure::new("empty signature"));
    }
    match STANDARD.decode(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(Failure::new(format!("the signature {given} is no base64"))),
    }
}

/// The predicate type of the statement in a bundle; none where the bytes are no bundle.
fn bundled(bytes: &[u8]) -> Result<Option<String>, Failure> {
    let Ok(document) = strict::parse(bytes, Limits::ENVELOPE) else { return Ok(None) };
    let kind = document.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    if !kind.starts_with(BUNDLE_MEDIA_TYPE) {
        return Ok(None);
    }
    let envelope = document.get("dsseEnvelope");
    let envelope = envelope.ok_or_else(|| Failure::new("bundle does not have DSSE envelope"))?;
    let payload = envelope.get("payload").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
    let statement = payload.and_then(|payload| strict::parse(&payload, Limits::STATEMENT).ok());
    let predicate_type = statement.as_ref().and_then(|statement| statement.get("predicateType"));
    let predicate_type = predicate_type.and_then(Value::as_str).map(str::to_owned);
    match predicate_type {
        Some(predicate_type) => Ok(Some(predicate_type)),
        None => Err(Failure::new("unable to understand bundle envelope statement")),
    }
}

async fn attach_as_referrer(
    store: &dyn Store,
    image: &Reference,
    digest: &Digest,
    predicate_type: &str,
    bundle: Vec<u8>,
    face: &Face,
) -> Result<(), Failure> {
    let place = BundlePlace {
        image: image.repository(),
        repository: &attestation_repository(image.repository(), face)?,
        digest,
        predicate_type,
        created: &now(face)?,
    };
    let stored = attach_bundle(store, &place, bundle).await;
    stored.map(drop).map_err(|error| Failure::new(go_text::store(&error)))
}

async fn attestation(args: AttestationArgs, face: &Face) -> Result<(), Failure> {
    let image = download::only(&args.images)?.1;
    if args.attestation.is_empty() {
        return Err(Failure::new("required flag(s) \"attestation\" not set"));
    }
    // All files are read and judged before anything is stored.
    let (mut layers, mut bundles) = (Vec::new(), Vec::new());
    for file in &args.attestation {
        let bytes = go_os::read(Path::new(file), attachment_limit(face)?)?;
        match bundled(&bytes).map_err(|failure| failure.context(file))? {
            Some(predicate_type) => bundles.push((predicate_type, bytes)),
            None => envelopes(&bytes, &mut layers).map_err(|failure| failure.context(file))?,
        }
    }
    let store = args.registry.remote_by_prefix(face)?;
    let digest = resolved(&store, &image).await?;
    let repository = attestation_repository(image.repository(), face)?;
    for layer in &layers {
        attach(&store, &repository, &args.registry.tag(&digest, "att"), layer, Dedup::Never).await?;
    }
    for (predicate_type, bundle) in bundles {
        attach_as_referrer(&store, &image, &digest, &predicate_type, bundle, face).await?;
    }
    Ok(())
}

/// The envelopes of a file, one after another, as layers.
fn envelopes(bytes: &[u8], layers: &mut Vec<AttachedLayer>) -> Result<(), Failure> {
    let mut documents = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let (mut start, before) = (0, layers.len());
    while let Some(document) = documents.next() {
        document?;
        let end = documents.byte_offset();
        let text = bytes.get(start..end).unwrap_or_default();
        start = end;
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
