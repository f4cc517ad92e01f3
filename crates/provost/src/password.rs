//! Where a private key's password comes from: `COSIGN_PASSWORD`, a prompt, or standard input.

use std::io::{self, IsTerminal, Read};

use zeroize::Zeroizing;

use crate::face::Face;
use crate::failure::Failure;

/// The longest password read from standard input: far above what people choose, and a key file pasted by
/// mistake is refused instead of hashed.
const LIMIT: u64 = 64 * 1024;

/// The password of a key that exists.
///
/// # Errors
/// When standard input cannot be read.
pub(crate) async fn existing(face: &Face) -> Result<Zeroizing<Vec<u8>>, Failure> {
    ask(face, false).await
}

/// The password of a key about to be made; a person types it twice.
///
/// # Errors
/// When standard input cannot be read, or the two differ.
pub(crate) async fn new(face: &Face) -> Result<Zeroizing<Vec<u8>>, Failure> {
    ask(face, true).await
}

async fn ask(face: &Face, twice: bool) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Set but empty is an answer, too.
    if let Some(password) = face.environment.text("COSIGN_PASSWORD") {
        return Ok(Zeroizing::new(password.into_bytes()));
    }
    if !io::stdin().is_terminal() {
        let mut password = Zeroizing::new(Vec::new());
        io::stdin().lock().take(LIMIT + 1).read_to_end(&mut password)?;
        if password.len() as u64 > LIMIT {
            return Err(Failure::new(format!("the password on standard input is longer than {LIMIT} bytes")));
        }
        return Ok(password);
    }
    let first = Zeroizing::new(rpassword::prompt_password("Enter password for private key: ")?.into_bytes());
    if twice {
        let again = rpassword::prompt_password("Enter password for private key again: ")?;
        if *first != *Zeroizing::new(again.into_bytes()) {
            return Err(Failure::new("passwords do not match"));
        }
    }
    Ok(first)
}
