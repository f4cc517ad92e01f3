//! `provost import-key-pair`: a key made elsewhere becomes a key pair of cosign's form.

use std::path::{Path, PathBuf};

use provost_keys::{KEY_FILE_LIMIT, KeyError, PrivateKey, PrivateKeyFault, pem_label};
use zeroize::Zeroizing;

use super::generate_key_pair::{Overwrite, write_pair};
use crate::face::Face;
use crate::failure::Failure;
use crate::{go_os, password};

/// Imports an unencrypted private key: PKCS#1, SEC 1 or PKCS#8; RSA of 2048, 3072 or 4096 bits, ECDSA or Ed25519.
///
/// The password for the new file is COSIGN_PASSWORD where that is set, even empty; else it is asked for on a terminal,
/// and read whole from standard input elsewhere.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The private key, in PEM.
    #[arg(short = 'k', long, env = "COSIGN_KEY", default_value = "", value_name = "FILE")]
    key: PathBuf,
    /// The beginning of both file names.
    #[arg(
        short = 'o',
        long,
        env = "COSIGN_OUTPUT_KEY_PREFIX",
        default_value = "import-cosign",
        value_name = "PREFIX"
    )]
    output_key_prefix: PathBuf,
    /// Replace files without asking.
    #[arg(short = 'y', long, env = "COSIGN_YES", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    yes: bool,
}

/// Reads, checks, encrypts, writes.
///
/// # Errors
/// When the key is none that can be used, the passwords differ, the question is declined, or a file cannot be written.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    // Go cleans an empty path to the folder itself, which then cannot be read.
    let file = if args.key.as_os_str().is_empty() { Path::new(".") } else { &args.key };
    let pem = Zeroizing::new(go_os::read(file, KEY_FILE_LIMIT as u64)?);
    let key = PrivateKey::from_pem(&pem).map_err(|error| refused(&error, &pem))?;
    let public = key.public_key();
    let password = password::new(face).await?;
    let sealed = tokio::task::spawn_blocking(move || key.to_encrypted_pem(&password)).await??;
    let overwrite = if args.yes { Overwrite::Yes } else { Overwrite::Ask };
    write_pair(&args.output_key_prefix, &sealed, &public, overwrite, face)
}

/// cosign's words, which name the container the key is in; what stands after them is ours.
fn refused(error: &KeyError, pem: &[u8]) -> Failure {
    let KeyError::PrivateKey(fault) = error else { return Failure::new(error.to_string()) };
    let label = pem_label(pem).unwrap_or_default();
    let invalid = match fault {
        PrivateKeyFault::RsaParameters { bits, .. } if !matches!(bits, 2048 | 3072 | 4096) => {
            Some(format!("error validating rsa key: key size not supported: {bits}"))
        }
        PrivateKeyFault::RsaParameters { .. } => {
            Some(format!("error validating rsa key: key exponent must be 65537: {fault}"))
        }
        _ => None,
    };
    Failure::new(match (invalid, label.as_str()) {
        (Some(words), _) => words,
        (None, "RSA PRIVATE KEY") => format!("error parsing rsa private key: {fault}"),
        (None, "EC PRIVATE KEY") => "error parsing ecdsa private key".to_owned(),
        _ => "error parsing pkcs #8 private key".to_owned(),
    })
}
