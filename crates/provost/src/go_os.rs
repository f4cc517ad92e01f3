//! Reading files, failing in the words Go's `os` package uses, which cosign's users know.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::failure::Failure;

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// `open PATH: no such file or directory` and its like; a file that is too long is named with the limit.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let told =
        |verb: &str, error: &io::Error| Failure::new(format!("{verb} {}: {}", path.display(), cause(error)));
    let file = File::open(path).map_err(|error| told("open", &error))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| told("read", &error))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::new(format!("read {}: the file is longer than {limit} bytes", path.display())));
    }
    Ok(bytes)
}

/// The system's words for an error, lower-case and without the number, as Go prints them.
pub(crate) fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        io::ErrorKind::AlreadyExists => "file exists".to_owned(),
        _ => {
            let words = error.to_string();
            let words = words.split(" (os error").next().unwrap_or_default();
            words.to_lowercase()
        }
    }
}
