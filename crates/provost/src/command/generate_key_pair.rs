//! `provost generate-key-pair`.

use std::fs::Permissions;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use provost_keys::PrivateKey;

use crate::face::Face;
use crate::failure::Failure;
use crate::{go_os, password};

/// Makes an ECDSA P-256 key pair: PREFIX.key, encrypted with a password, and PREFIX.pub.
///
/// The password is COSIGN_PASSWORD where that is set, even empty; else it is asked for on a terminal, and read whole
/// from standard input elsewhere.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The beginning of both file names.
    #[arg(long, env = "COSIGN_OUTPUT_KEY_PREFIX", default_value = "cosign", value_name = "PREFIX")]
    output_key_prefix: PathBuf,
    /// Keys in a key management service are not made here yet; naming one is an error.
    #[arg(long, env = "COSIGN_KMS", value_name = "URI", hide = true)]
    kms: Option<String>,
    /// Keys in Kubernetes, GitLab and GitHub are not made here yet; naming one is an error.
    #[arg(value_name = "REFERENCE", hide = true)]
    reference: Option<String>,
}

/// Only its owner may read a private key.
const PRIVATE: u32 = 0o600;
/// Everyone may read a public key.
const PUBLIC: u32 = 0o644;
/// The longest answer to a question; people type one letter.
const ANSWER: u64 = 1024;

/// Asks, makes, writes.
///
/// # Errors
/// When the passwords differ, the question is declined, or a file cannot be written.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    if let Some(elsewhere) = args.kms.filter(|kms| !kms.is_empty()).or(args.reference) {
        return Err(Failure::new(format!(
            "{elsewhere}: key pairs are made in files only; give --output-key-prefix and store the files there yourself"
        )));
    }
    let password = password::new(face).await?;
    let private_file = with_suffix(&args.output_key_prefix, ".key");
    let public_file = with_suffix(&args.output_key_prefix, ".pub");
    let (key, pem) = tokio::task::spawn_blocking(move || {
        let key = PrivateKey::generate()?;
        let pem = key.to_encrypted_pem(&password)?;
        Ok::<_, provost_keys::KeyError>((key, pem))
    })
    .await??;
    if private_file.is_file() {
        face.say(format!("WARNING: File {} already exists. Overwrite?", private_file.display()));
        confirm()?;
    }
    write(&private_file, &pem, PRIVATE)?;
    face.say(format!("Private key written to {}", private_file.display()));
    write(&public_file, &key.public_key().to_pem(), PUBLIC)?;
    face.say(format!("Public key written to {}", public_file.display()));
    Ok(())
}

fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// cosign's question; nothing but y is a yes.
fn confirm() -> Result<(), Failure> {
    let _ = io::stderr().write_all(b"Are you sure you would like to continue? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().take(ANSWER).read_line(&mut answer)?;
    match answer.trim_end_matches('\n') {
        "y" | "Y" => Ok(()),
        "" | "n" | "N" => Err(Failure::new("user declined the prompt")),
        other => Err(Failure::new(format!("invalid input {other:?} (allowed values y, n)"))),
    }
}

/// Writes a file that appears whole, with its mode from the first byte on.
///
/// # Errors
/// `open PATH: …` in the system's words.
pub(super) fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let told = |error: &io::Error| Failure::new(format!("open {}: {}", path.display(), go_os::cause(error)));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)
        .map_err(|error| told(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| told(&error))?;
    // The process's umask took bits away when the file was made.
    file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(|error| told(&error))?;
    file.persist(path).map_err(|error| told(&error.error))?;
    Ok(())
}
