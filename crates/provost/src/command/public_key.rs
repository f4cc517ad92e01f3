//! `provost public-key`.

use std::path::PathBuf;

use super::generate_key_pair;
use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference;

/// Prints the public key of a private one; the private key's password is needed.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The private key: a file, or env://VARIABLE.
    #[arg(long, env = "COSIGN_KEY", value_name = "KEY")]
    key: String,
    /// The file to write to instead of standard output.
    #[arg(long, env = "COSIGN_OUTFILE", value_name = "FILE")]
    outfile: Option<PathBuf>,
}

/// Everyone may read a public key.
const PUBLIC: u32 = 0o644;

/// Opens the private key and writes its public half.
///
/// # Errors
/// When there is no such key, the password is wrong, or the file cannot be written.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let key = key_reference::signer(&args.key, face).await?;
    let pem = key.public_key().to_pem();
    match args.outfile.filter(|file| !file.as_os_str().is_empty()) {
        Some(file) => {
            generate_key_pair::write(&file, &pem, PUBLIC)?;
            face.say(format!("Public key written to {}", file.display()));
        }
        None => face.out_raw(pem),
    }
    Ok(())
}
