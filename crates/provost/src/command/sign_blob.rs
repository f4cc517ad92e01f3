//! `provost sign-blob`: sign a file with a key.
//!
//! Follows cosign 3.1 without a log (cosign.md §3.5): the signature alone, or a Sigstore bundle around it.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::Hash;
use provost_sign::signature::blob_bundle;

use super::signer::SignerFlags;
use super::{blob, generate_key_pair};
use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference;

/// Sign a file.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    signer: SignerFlags,
    /// The file to write a Sigstore bundle to.
    #[arg(long, env = "COSIGN_BUNDLE", value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// The file to write the signature to, instead of standard output.
    #[arg(long, env = "COSIGN_OUTPUT_SIGNATURE", value_name = "FILE")]
    output_signature: Option<PathBuf>,
    /// The file, or - for standard input.
    #[arg(value_name = "BLOB")]
    blobs: Vec<String>,
}

/// cosign writes signatures for their owner alone.
const PRIVATE: u32 = 0o600;

/// Signs, and writes what was asked for.
///
/// # Errors
/// When there is no such file or key, or what was asked for cannot be made.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let name = blob::only(&args.blobs)?;
    let reference = args.signer.blob_reference(args.bundle.is_some())?;
    let key = key_reference::signer(reference, face).await?;
    let hash = key.hash();
    if args.bundle.is_some() && hash != Hash::Sha256 {
        return Err(Failure::new(format!(
            "bundles around signatures by a key of kind {} are not supported by this version: leave out --bundle",
            key.kind()
        )));
    }
    let bytes = blob::read(name)?;
    face.say(format!("Using payload from: {name}"));
    // Without a log cosign signs blobs with pure Ed25519, not prehashed.
    let signature = key.sign_exactly(&bytes, hash).await?;
    if let Some(file) = &args.bundle {
        generate_key_pair::write(file, &blob_bundle(&bytes, &signature, &key.public_key()), PRIVATE)?;
        face.say(format!("Wrote bundle to file {}", file.display()));
    }
    let text = STANDARD.encode(&signature);
    match &args.output_signature {
        Some(file) => {
            generate_key_pair::write(file, &text, PRIVATE)?;
            face.say(format!("Wrote signature to file {}", file.display()));
        }
        None => face.out(text),
    }
    Ok(())
}
