//! `provost bundle create`: a Sigstore bundle of what was signed elsewhere.
//!
//! Follows cosign 3.1.2 (cosign.md §3.6).

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{Hash, PublicKey};
use provost_registry::service_client;
use provost_sigstore::annotation;
use provost_sigstore::bundle_writing::{Content, Material, NewBundle};
use provost_sigstore::certificate::Certificate;
use provost_sigstore::log_entry::LogEntry;
use provost_sigstore::rekor_client::{LogSigner, digest};
use provost_sigstore::rekor_search;
use provost_statement::{Envelope, Limits, json};
use serde_json::Value;

use super::signing_config::written;
use super::{blob, signer, signing};
use crate::face::Face;
use crate::failure::Failure;
use crate::{go_os, key_reference};

/// The largest file read beside the artifact: cosign's limit for an attachment, 128 MiB.
const FILE_LIMIT: u64 = 128 << 20;
/// How cosign spells the media type here.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle+json;version=0.3";

/// Make a Sigstore bundle of what was signed elsewhere.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    Create(Box<CreateArgs>),
}

/// Create a bundle.
#[derive(clap::Args, Debug)]
struct CreateArgs {
    /// What was signed: a file, or - for standard input.
    #[arg(long, value_name = "FILE")]
    artifact: Option<String>,
    /// The envelope of an attestation about it.
    #[arg(long, value_name = "FILE")]
    attestation: Option<PathBuf>,
    /// A bundle of cosign's older form.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// The certificate, in PEM and base64.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Leave out the log.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    ignore_tlog: bool,
    /// The public key.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The file to write to, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The transparency log to find the entry in.
    #[arg(long, default_value = signer::REKOR, value_name = "URL")]
    rekor_url: String,
    /// The file with the timestamp.
    #[arg(long, value_name = "FILE")]
    rfc3161_timestamp: Option<PathBuf>,
    /// The file with the signature in base64.
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// The key is in a hardware token; not possible in this version.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    sk: bool,
    #[arg(long, value_name = "SLOT", hide = true)]
    slot: Option<String>,
}

/// Runs the verb.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    match args.verb {
        Verb::Create(args) => create(*args, face).await,
    }
}

/// What the files hold.
#[derive(Default)]
struct Parts {
    signature: Vec<u8>,
    envelope: Option<Envelope>,
    certificate: Option<Certificate>,
    log_entry: Option<LogEntry>,
    timestamp: Option<Vec<u8>>,
}

async fn create(args: CreateArgs, face: &Face) -> Result<(), Failure> {
    for (other, given) in [("certificate", &args.certificate), ("signature", &args.signature)] {
        if args.bundle.is_some() && given.is_some() {
            return Err(Failure::new(format!(
                "if any flags in the group [bundle {other}] are set none of the others can be; [bundle {other}] were all set"
            )));
        }
    }
    let artifact =
        signer::given(args.artifact.as_ref()).ok_or_else(|| Failure::new("must supply --artifact"))?;
    if args.bundle.is_none() && args.signature.is_none() {
        return Err(Failure::new("must at least supply signature via --bundle or --signature"));
    }
    if args.sk || args.slot.as_deref().is_some_and(|slot| !slot.is_empty()) {
        return Err(Failure::new(
            "keys on hardware tokens (--sk, --slot) are not supported: write the token's public key to a file and name it with --key",
        ));
    }
    let parts = parts(&args)?;
    let key = match signer::given(args.key.as_ref()) {
        Some(reference) => Some(key_reference::public_key(reference, face).await?),
        None => None,
    };
    let signer = match (&parts.certificate, &key) {
        (Some(certificate), _) => Material::Certificate(certificate.der().to_vec()),
        (None, Some(key)) => Material::PublicKey(key.hint()),
        (None, None) => {
            return Err(Failure::new(
                "validation error: missing verification material: give --key, --certificate, or a --bundle with a certificate",
            ));
        }
    };
    let content = match parts.envelope {
        Some(envelope) => Content::Envelope(envelope),
        None => {
            let message = blob::read(artifact)?;
            Content::Message {
                hash: Some(Hash::Sha256),
                digest: digest(Hash::Sha256, &message),
                signature: parts.signature,
            }
        }
    };
    let log_entries = if args.ignore_tlog {
        Vec::new()
    } else {
        // What a bundle carries is the log's own word; asking the log again would add nothing.
        match parts.log_entry {
            Some(entry) => vec![entry],
            None => vec![looked_up(&args, &content, &parts.certificate, key.as_ref(), face).await?],
        }
    };
    let bundle =
        NewBundle { content, signer, log_entries, timestamps: parts.timestamp.into_iter().collect() };
    written(args.out.as_deref(), &bundle.to_json_as(MEDIA_TYPE), face)
}

/// The log's entry of what was signed; whoever reads the bundle verifies it.
async fn looked_up(
    args: &CreateArgs,
    content: &Content,
    certificate: &Option<Certificate>,
    key: Option<&PublicKey>,
    face: &Face,
) -> Result<LogEntry, Failure> {
    let (key, der) = match (certificate, key) {
        (Some(certificate), _) => {
            let key = certificate.public_key();
            (key.map_err(|error| Failure::new(format!("the certificate: {error}")))?, certificate.der())
        }
        (None, Some(key)) => (key.clone(), key.to_der()),
        (None, None) => return Err(Failure::new("must supply --key or --certificate")),
    };
    let signer = LogSigner { kind: key.kind(), der, is_certificate: certificate.is_some() };
    let proposed = match (content, &args.attestation, signer::given(args.artifact.as_ref())) {
        (Content::Message { signature, .. }, _, Some(artifact)) if artifact != "-" => {
            rekor_search::message(&blob::read(artifact)?, signature, &signer)
        }
        (Content::Envelope(_), Some(file), _) => rekor_search::envelope(&read(file)?, &signer),
        _ => {
            return Err(Failure::new(
                "the log is asked about files: give --artifact or --attestation as a file, or --ignore-tlog",
            ));
        }
    };
    let client = service_client(&signing::options(face))?;
    let found = rekor_search::search(&client, &args.rekor_url, &proposed).await;
    let found = found.map_err(|error| Failure::from(error).context("searching log query"))?;
    let earliest = found.into_iter().min_by_key(|entry| entry.integrated_time);
    earliest.ok_or_else(|| Failure::new("signature not found in transparency log"))
}

fn parts(args: &CreateArgs) -> Result<Parts, Failure> {
    let mut parts = Parts::default();
    if let Some(file) = &args.bundle {
        older_bundle(&read(file)?, args.ignore_tlog, &mut parts)?;
    }
    if let Some(file) = &args.signature {
        parts.signature = decoded(&read(file)?, file)?;
    }
    if let Some(file) = &args.rfc3161_timestamp {
        parts.timestamp = Some(annotation::timestamp(&read(file)?)?);
    }
    if let Some(file) = &args.certificate {
        parts.certificate = Some(Certificate::from_pem(&read(file)?)?);
    }
    if let Some(file) = &args.attestation {
        parts.envelope = Some(Envelope::parse(&read(file)?)?).filter(|one| !one.signatures.is_empty());
    }
    Ok(parts)
}

/// Takes apart a bundle of cosign's older form.
fn older_bundle(bytes: &[u8], ignore_tlog: bool, parts: &mut Parts) -> Result<(), Failure> {
    let document = json::parse(bytes, Limits::ENVELOPE)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let entry = document.get("rekorBundle").and_then(annotation::log_entry_of);
    parts.log_entry = entry.map(LogEntry::named).transpose()?;
    let promised = parts.log_entry.as_ref().is_some_and(|entry| entry.promise.is_some());
    if ignore_tlog && promised {
        return Err(Failure::new(
            "cannot ignore transparency log when the provided bundle contains a Signed Entry Timestamp",
        ));
    }
    if let Some(certificate) = text("cert") {
        parts.certificate = Some(Certificate::from_pem(certificate.as_bytes())?);
    }
    if let Some(signature) = text("base64Signature") {
        let bytes = STANDARD.decode(signature)?;
        match Envelope::parse(&bytes) {
            Ok(envelope) if !envelope.signatures.is_empty() => parts.envelope = Some(envelope),
            _ => parts.signature = bytes,
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    go_os::read(file, FILE_LIMIT)
}

fn decoded(text: &[u8], file: &Path) -> Result<Vec<u8>, Failure> {
    STANDARD
        .decode(text.trim_ascii())
        .map_err(|error| Failure::new(format!("{}: the signature is no base64: {error}", file.display())))
}
