//! `provost verify-blob`: did a key sign this file?
//!
//! Follows cosign 3.1 (cosign.md §3.5): a bare signature, or one inside a bundle of either form.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_verify::blob::{BlobSignature, blob_signature};
use provost_verify::dialect::cosign;
use provost_verify::find::MAX_LAYER_BYTES;

use super::blob;
use super::verifier::VerifierFlags;
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// The largest signature file read, 64 KiB: the longest signature, RSA-4096 in base64, has 684 bytes.
const MAX_SIGNATURE_BYTES: u64 = 64 * 1024;

/// Verify the signature of a file.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    verifier: VerifierFlags,
    /// The signature: a file, or the base64 itself.
    #[arg(long, env = "COSIGN_SIGNATURE", value_name = "SIGNATURE")]
    signature: Option<String>,
    /// A bundle file that holds the signature.
    #[arg(long, env = "COSIGN_BUNDLE", value_name = "FILE")]
    bundle: Option<String>,
    /// The file, or - for standard input.
    #[arg(value_name = "BLOB")]
    blobs: Vec<String>,
}

/// Says `Verified OK`, or why not.
///
/// # Errors
/// When the signature is not the key's over these bytes, or cannot be checked.
pub(crate) async fn run(args: &Args, face: &Face) -> Result<(), Failure> {
    let name = blob::only(&args.blobs)?;
    args.verifier.warn("blob", face);
    if args.verifier.is_empty() && args.bundle.is_none() {
        return Err(Failure::new(
            "provide a key with --key or --sk, a certificate to verify against with --certificate, or a bundle with --bundle",
        ));
    }
    args.verifier.reference()?;
    if name.starts_with("sha256:") && !Path::new(name).exists() {
        return Err(Failure::new(format!(
            "verifying {name} by its digest is not supported by this version: give the file itself"
        )));
    }
    let signature = signature(args)?;
    let trusted = args.verifier.trusted("", face).await?;
    let bytes = blob::read(name)?;
    trusted.key.verify(&bytes, &signature.bytes, trusted.hash).map_err(|error| {
        let words = cosign::payload_signature(&error);
        Failure::new(match signature.sigstore {
            true => format!("failed to verify signature: could not verify message: {words}"),
            false => words,
        })
    })?;
    face.say("Verified OK");
    Ok(())
}

fn signature(args: &Args) -> Result<BlobSignature, Failure> {
    match (&args.signature, &args.bundle) {
        (Some(_), Some(_)) => {
            Err(Failure::new("--signature and --bundle exclude each other: give one of them"))
        }
        (None, None) => Err(Failure::new("missing flag '--signature'")),
        (None, Some(file)) => {
            let bytes = go_os::read(Path::new(file), MAX_LAYER_BYTES)?;
            blob_signature(&bytes).map_err(|fault| Failure::from(fault).context(file))
        }
        (Some(given), None) => {
            let text = match Path::new(given).exists() {
                true => go_os::read(Path::new(given), MAX_SIGNATURE_BYTES)?,
                false => given.clone().into_bytes(),
            };
            // Whatever is no base64 is the signature itself, as in cosign; line ends do not count.
            let compact: Vec<u8> =
                text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
            let bytes = STANDARD.decode(&compact).unwrap_or(text);
            Ok(BlobSignature { bytes, sigstore: false })
        }
    }
}
