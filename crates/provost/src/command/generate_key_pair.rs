//! `provost generate-key-pair`: in files, in a Secret of a cluster, or in a key service.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use provost_keys::{KeyError, PrivateKey, PublicKey};
use provost_kube::key_secret::{KeySecret, SecretReference};
use provost_kube::{Cluster, ClusterError};
use zeroize::Zeroizing;

use crate::face::Face;
use crate::failure::Failure;
use crate::{go_os, key_reference, password};

/// Makes an ECDSA P-256 key pair: PREFIX.key, encrypted with a password, and PREFIX.pub.
///
/// The password is COSIGN_PASSWORD where that is set, even empty; else it is asked for on a terminal, and read whole
/// from standard input elsewhere.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The beginning of both file names.
    #[arg(long, env = "COSIGN_OUTPUT_KEY_PREFIX", default_value = "cosign", value_name = "PREFIX")]
    output_key_prefix: PathBuf,
    /// Make the key in a key service instead: hashivault://KEY, awskms:///alias/NAME, a plugin's …
    #[arg(long, env = "COSIGN_KMS", value_name = "URI")]
    kms: Option<String>,
    /// Store the pair in a Secret instead: k8s://NAMESPACE/NAME.
    #[arg(value_name = "REFERENCE")]
    reference: Vec<String>,
}

/// Only its owner may read a private key.
const PRIVATE: u32 = 0o600;
/// Everyone may read a public key.
const PUBLIC: u32 = 0o644;
/// The public key that belongs to a pair in a Secret, beside it in the working folder.
const BESIDE: &str = "cosign.pub";

impl Args {
    /// Whether a service or a cluster is asked.
    pub(crate) fn goes_out(&self) -> bool {
        self.kms.as_deref().is_some_and(key_reference::goes_out)
            || self.reference.first().is_some_and(|reference| key_reference::goes_out(reference))
    }
}

/// Asks, makes, writes.
///
/// # Errors
/// When the passwords differ, the question is declined, or the pair cannot be written.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let public_file = with_suffix(&args.output_key_prefix, ".pub");
    if let Some(kms) = args.kms.as_deref().filter(|kms| !kms.is_empty()) {
        let public = key_reference::create(kms, face).await?;
        // cosign keeps this one for its owner.
        write(&public_file, &public.to_pem(), PRIVATE)?;
        face.say(format!("Public key written to {}", public_file.display()));
        return Ok(());
    }
    if let Some(reference) = args.reference.first() {
        return elsewhere(reference, face).await;
    }
    let password = password::new(face).await?;
    let (public, pem) = make(password).await?;
    write_pair(&args.output_key_prefix, &pem, &public, Overwrite::Ask, face)
}

/// A pair for one of cosign's providers.
async fn elsewhere(reference: &str, face: &Face) -> Result<(), Failure> {
    let Some((provider, target)) = reference.split_once("://") else {
        return Err(Failure::new("could not parse scheme, use <scheme>://<ref> format"));
    };
    match provider {
        "k8s" => in_secret(target, face).await,
        "github" => Err(Failure::new(format!(
            "{reference}: secrets of GitHub are not written: make files without {reference}, then store them: gh secret set COSIGN_PRIVATE_KEY --repo {target} < cosign.key, gh secret set COSIGN_PASSWORD --repo {target}, gh secret set COSIGN_PUBLIC_KEY --repo {target} < cosign.pub"
        ))),
        "gitlab" => Err(Failure::new(format!(
            "{reference}: variables of GitLab are not written: make files without {reference}, then store cosign.key, its password and cosign.pub as the project's variables COSIGN_PRIVATE_KEY, COSIGN_PASSWORD and COSIGN_PUBLIC_KEY"
        ))),
        other => Err(Failure::new(format!("undefined provider: {other}"))),
    }
}

async fn in_secret(target: &str, face: &Face) -> Result<(), Failure> {
    let reference: SecretReference = target.parse()?;
    let SecretReference { namespace, name } = reference.clone();
    let password = password::new(face).await.map_err(|failure| failure.context("generating key pair"))?;
    let (public, pem) = make(password.clone()).await?;
    let public = public.to_pem();
    let secret = KeySecret::new(reference, pem.into_bytes(), public.clone().into_bytes(), password);
    let cluster = Cluster::connect().await?;
    secret.write(&cluster).await.map_err(|error| match error {
        ClusterError::Request { ref doing, status: Some(422), .. } if doing.starts_with("updating") => {
            Failure::from(error).context(&format!(
                "an immutable secret is not changed: delete secret {name} in namespace {namespace} first, or choose another name"
            ))
        }
        other => other.into(),
    })?;
    face.say(format!("Successfully created secret {name} in namespace {namespace}"));
    write(Path::new(BESIDE), &public, PRIVATE)?;
    face.say(format!("Public key written to {BESIDE}"));
    Ok(())
}

/// A new pair, its private half encrypted; scrypt takes a sixth of a second.
async fn make(password: Zeroizing<Vec<u8>>) -> Result<(PublicKey, String), Failure> {
    let made = tokio::task::spawn_blocking(move || {
        let key = PrivateKey::generate()?;
        let pem = key.to_encrypted_pem(&password)?;
        Ok::<_, KeyError>((key.public_key(), pem))
    });
    Ok(made.await??)
}

/// What happens to a private key file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overwrite {
    /// A question, and nothing but y is a yes.
    Ask,
    /// It is replaced, after a warning.
    Yes,
}

/// Writes PREFIX.key and PREFIX.pub, and says so.
///
/// # Errors
/// When the question is declined, or a file cannot be written.
pub(super) fn write_pair(
    prefix: &Path,
    private: &str,
    public: &PublicKey,
    overwrite: Overwrite,
    face: &Face,
) -> Result<(), Failure> {
    let (private_file, public_file) = (with_suffix(prefix, ".key"), with_suffix(prefix, ".pub"));
    if private_file.is_file() {
        face.say(format!("WARNING: File {} already exists. Overwrite?", private_file.display()));
        if overwrite == Overwrite::Ask {
            face.confirm()?;
        }
    }
    write(&private_file, private, PRIVATE)?;
    face.say(format!("Private key written to {}", private_file.display()));
    write(&public_file, &public.to_pem(), PUBLIC)?;
    face.say(format!("Public key written to {}", public_file.display()));
    Ok(())
}

fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
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
