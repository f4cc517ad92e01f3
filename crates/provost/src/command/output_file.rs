//! Files that signing writes: whole or not at all, for their owner alone.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// cosign writes signatures and bundles for their owner alone.
const PRIVATE: u32 = 0o600;

/// Writes a file. What is there and is no file, such as a pipe or `/dev/stdout`, is written to.
///
/// # Errors
/// `open PATH: …` in the system's words.
pub(crate) fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let told = |error: &io::Error| Failure::new(format!("open {}: {}", path.display(), go_os::cause(error)));
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let mut stream = OpenOptions::new().write(true).open(path).map_err(|error| told(&error))?;
        return stream.write_all(bytes).map_err(|error| told(&error));
    }
    if path.is_dir() {
        return Err(told(&io::ErrorKind::IsADirectory.into()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(PRIVATE))
        .tempfile_in(folder)
        .map_err(|error| told(&error))?;
    file.write_all(bytes).map_err(|error| told(&error))?;
    file.persist(path).map_err(|error| told(&error.error))?;
    Ok(())
}

/// Writes a bundle file, and says so.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn save_bundle(file: &Path, bytes: &[u8], face: &Face) -> Result<(), Failure> {
    save(file, bytes).map_err(|failure| failure.context("create bundle file"))?;
    face.say(format!("Wrote bundle to file {}", file.display()));
    Ok(())
}
