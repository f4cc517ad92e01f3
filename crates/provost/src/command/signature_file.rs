//! A signature as flags give it: a file, a URL, a variable, or the base64 itself.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference::{self, Vouch};

/// The largest signature file read, 64 KiB: the longest signature, RSA-4096 in base64, has 684 bytes.
pub(crate) const MAX_SIGNATURE_BYTES: usize = 64 * 1024;

/// The signature; what is neither file, URL nor variable is taken for the signature itself, as in cosign.
///
/// # Errors
/// When a file, URL or variable that is named cannot be read.
pub(crate) async fn read(given: &str, face: &Face) -> Result<Vec<u8>, Failure> {
    let text = match given.contains("://") || Path::new(given).exists() {
        true => {
            key_reference::file_or_url(given, MAX_SIGNATURE_BYTES, Vouch::Signature, face).await?.to_vec()
        }
        false => given.to_owned().into_bytes(),
    };
    // Whatever is no base64 is the signature itself, as in cosign; line ends do not count.
    let compact: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    Ok(STANDARD.decode(&compact).unwrap_or(text))
}

/// A signature as payloads are stored with it.
pub(crate) fn base64(signature: &[u8]) -> String {
    STANDARD.encode(signature)
}
