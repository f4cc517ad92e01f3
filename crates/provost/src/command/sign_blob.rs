//! `provost sign-blob`: sign a file, into a bundle or as cosign 2 did.
//!
//! Follows cosign 3.1 (cosign.md §3.5).

use std::path::PathBuf;

use provost_keys::Hash;
use provost_sign::Payload;
use provost_sign::layer::{
    CertField, certificate_pem, cosign_bundle, signature_bytes, signature_text, timestamp_json,
};
use provost_sigstore::bundle_writing::NewBundle;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::blob;
use super::output_file::{save, save_bundle};
use super::signer::SignerFlags;
use super::signing::keypair::algorithm;
use super::signing::{Keypair, OldOutputs, Signing, privacy};
use crate::face::Face;
use crate::failure::Failure;

/// Sign a file.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    signer: SignerFlags,
    /// The file to write the bundle to.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Write signatures and certificates in base64; only without a bundle.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    b64: bool,
    /// The file to write the signature to, instead of standard output; only without a bundle.
    #[arg(long, value_name = "FILE")]
    output_signature: Option<PathBuf>,
    /// The older name of --output-signature.
    #[arg(long, value_name = "FILE", hide = true)]
    output: Option<PathBuf>,
    /// The file to write the certificate to; only without a bundle.
    #[arg(long, alias = "output-cert", value_name = "FILE")]
    output_certificate: Option<PathBuf>,
    /// The file to write the timestamp to; only without a bundle.
    #[arg(long, value_name = "FILE")]
    rfc3161_timestamp: Option<PathBuf>,
    /// The kind of key that is made where none is given.
    #[arg(long, default_value = "ecdsa-sha2-256-nistp256", value_name = "ALGORITHM")]
    signing_algorithm: String,
    /// The files, or - for standard input.
    #[arg(value_name = "BLOB")]
    blobs: Vec<String>,
}

/// Signs, and writes what was asked for.
///
/// # Errors
/// When there is no such file or key, or what was asked for cannot be made.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    if args.blobs.is_empty() {
        return Err(Failure::new("requires at least 1 arg(s), only received 0"));
    }
    if args.signer.new_bundle_format && args.bundle.is_none() {
        return Err(Failure::new("must specify --bundle with --new-bundle-format"));
    }
    algorithm(&args.signing_algorithm)?;
    let outputs = OldOutputs {
        signature: args.output_signature.as_deref(),
        certificate: args.output_certificate.as_deref(),
        timestamp: args.rfc3161_timestamp.as_deref(),
        ..OldOutputs::default()
    };
    let signing = Signing::prepare(&args.signer, outputs, args.bundle.is_some(), face).await?;
    let (mut keypair, mut agreed) = (None, false);
    for name in &args.blobs {
        if args.output.is_some() {
            face.say("WARNING: the '--output' flag is deprecated and will be removed in the future. Use '--output-signature'");
        }
        let signed = one(&args, &signing, name, &mut keypair, &mut agreed, face).await;
        signed.map_err(|failure| failure.context(&format!("signing {name}")))?;
    }
    Ok(())
}

async fn one(
    args: &Args,
    signing: &Signing<'_>,
    name: &str,
    kept: &mut Option<Keypair>,
    agreed: &mut bool,
    face: &Face,
) -> Result<(), Failure> {
    let flags = &args.signer;
    if signing.asks_about_upload() && flags.tlog_upload {
        privacy::agree(flags.yes, agreed, face).map_err(|failure| failure.context("upload to tlog"))?;
    }
    let services = signing.services(flags.tlog_upload);
    // Without a log cosign signs blobs with pure Ed25519, not prehashed.
    let logged = !services.logs.is_empty();
    let mut keypair = match kept.take() {
        Some(keypair) => keypair,
        None => {
            let opened = signing.keypair(Some(&args.signing_algorithm), &services, face).await;
            opened.map_err(|failure| failure.context("getting keypair and token"))?
        }
    };
    if name != "-" {
        face.say(format!("Using payload from: {name}"));
    }
    let bytes = blob::read(name).map_err(|failure| failure.context("getting payload"))?;
    let other_hash = keypair.signer.hash() != Hash::Sha256;
    if other_hash && !flags.new_bundle_format && (logged || flags.key().is_none()) {
        face.say("Non SHA256 hash function is not supported for old bundle format. Use --new-bundle-format to use the new bundle format or use different signing key/algorithm.");
        if !flags.yes {
            privacy::confirm()?;
        }
        face.say("Continuing with non SHA256 hash function and old bundle format");
    }
    let payload = Payload::Message { bytes, pure_ed25519: !logged };
    let bundle = signing.bundle(payload, &mut keypair, &services, face).await;
    let bundle = bundle.map_err(|failure| failure.context("signing bundle"))?;
    let key = keypair.signer.public_key();
    *kept = Some(keypair);
    if flags.new_bundle_format {
        return match &args.bundle {
            Some(file) => save_bundle(file, &bundle.to_json(), face),
            None => Ok(()),
        };
    }
    if let Some(file) = &args.bundle {
        save_bundle(file, &cosign_bundle(&bundle, &key, CertField::PemOrKey), face)?;
    }
    write_parts(args, &bundle, face)
}

/// Signature, certificate and timestamp, each where it was asked for.
fn write_parts(args: &Args, bundle: &NewBundle, face: &Face) -> Result<(), Failure> {
    let signature = if args.b64 { signature_text(bundle).into_bytes() } else { signature_bytes(bundle) };
    match args.output.as_ref().or(args.output_signature.as_ref()) {
        Some(file) => {
            save(file, &signature).map_err(|failure| failure.context("create signature file"))?;
            face.say(format!("Wrote signature to file {}", file.display()));
        }
        None if args.b64 => face.out(&signature),
        None => face.out_raw(&signature),
    }
    if let (Some(file), Some(pem)) = (&args.output_certificate, certificate_pem(bundle)) {
        let bytes = if args.b64 { STANDARD.encode(&pem).into_bytes() } else { pem.into_bytes() };
        save(file, &bytes).map_err(|failure| failure.context("create certificate file"))?;
        face.say(format!("Wrote certificate to file {}", file.display()));
    }
    if let (Some(file), Some(text)) = (&args.rfc3161_timestamp, timestamp_json(bundle)) {
        save(file, text.as_bytes()).map_err(|failure| failure.context("create timestamp file"))?;
        face.say(format!("Wrote timestamp to file {}", file.display()));
    }
    Ok(())
}
