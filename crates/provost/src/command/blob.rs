//! The file, or standard input, that `sign-blob` and `verify-blob` are about.

use std::io::Read;
use std::path::Path;

use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference::Vouch;
use crate::{go_os, key_reference};

/// The largest blob read, 1 GiB: it lies in memory once, while it is signed or checked.
const MAX_BLOB_BYTES: u64 = 1 << 30;

/// The one blob of the command line.
///
/// # Errors
/// When there is none, or more than one.
pub(crate) fn only(blobs: &[String]) -> Result<&str, Failure> {
    match blobs {
        [one] => Ok(one),
        _ => Err(Failure::new(format!("accepts 1 arg(s), received {}", blobs.len()))),
    }
}

/// Reads a blob; `-` is standard input.
///
/// # Errors
/// When it cannot be read, or is longer than one GiB.
pub(crate) fn read(blob: &str) -> Result<Vec<u8>, Failure> {
    if blob != "-" {
        return go_os::read(Path::new(blob), MAX_BLOB_BYTES);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MAX_BLOB_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BLOB_BYTES {
        return Err(Failure::new(format!("standard input is longer than {MAX_BLOB_BYTES} bytes")));
    }
    Ok(bytes)
}

/// The same where cosign also takes a URL or `env://VARIABLE`.
///
/// # Errors
/// As [`read`]; also when nothing can be had there.
pub(crate) async fn read_or_fetch(blob: &str, face: &Face) -> Result<Vec<u8>, Failure> {
    if !blob.contains("://") {
        return read(blob);
    }
    let limit = usize::try_from(MAX_BLOB_BYTES).unwrap_or(usize::MAX);
    Ok(key_reference::file_or_url(blob, limit, Vouch::Signature, face).await?.to_vec())
}
