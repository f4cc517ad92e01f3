//! `provost public-key`.

use std::path::PathBuf;

use super::generate_key_pair;
use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference;

/// Prints the public key of a private one; the password of a key in a file is needed.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The private key: a file, env://VARIABLE, a URL, k8s://NAMESPACE/SECRET, or a key service's reference.
    #[arg(long, env = "COSIGN_KEY", value_name = "KEY")]
    key: Option<String>,
    /// Read the key of a hardware token; refused: see --key pkcs11:….
    #[arg(long, env = "COSIGN_SK", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide = true)]
    sk: bool,
    /// The token's slot.
    #[arg(long, env = "COSIGN_SLOT", value_name = "SLOT", hide = true)]
    slot: Option<String>,
    /// The file to write to instead of standard output.
    #[arg(long, env = "COSIGN_OUTFILE", value_name = "FILE")]
    outfile: Option<PathBuf>,
}

/// cosign writes the file for its owner alone.
const PRIVATE: u32 = 0o600;

impl Args {
    /// Whether a service, a server or a cluster is asked.
    pub(crate) fn goes_out(&self) -> bool {
        self.key.as_deref().is_some_and(key_reference::goes_out)
    }
}

/// Opens the private key and writes its public half.
///
/// # Errors
/// When there is no such key, the password is wrong, or the file cannot be written.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let key = args.key.filter(|key| !key.is_empty());
    let reference = match (key, args.sk) {
        (Some(key), false) => key,
        (None, true) => {
            return Err(Failure::new(
                "opening piv token: --sk is not supported: name the token's key by --key 'pkcs11:token=…;object=…?module-path=…'",
            ));
        }
        _ => {
            return Err(Failure::new(
                "exactly one of: key reference (--key), or hardware token (--sk) must be provided",
            ));
        }
    };
    let key = key_reference::signer(&reference, face).await?;
    let pem = key.public_key().to_pem();
    match args.outfile.filter(|file| !file.as_os_str().is_empty()) {
        Some(file) => {
            generate_key_pair::write(&file, &pem, PRIVATE)?;
            face.say(format!("Public key written to {}", file.display()));
        }
        None => face.out_raw(pem),
    }
    Ok(())
}
