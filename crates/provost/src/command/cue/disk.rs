//! The disk as the CUE loader sees it.

use std::fs;
use std::io::{self, ErrorKind, Read};

use provost_cue::{DataFile, FileError, FileKind, Files};

use super::decode;

/// Reads files from the disk and `-` from standard input, none larger than a limit.
pub(super) struct Disk {
    /// Bytes of one file.
    pub(super) limit: usize,
}

impl Files for Disk {
    fn kind(&self, path: &str) -> Result<Option<FileKind>, FileError> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(Some(FileKind::Directory)),
            Ok(_) => Ok(Some(FileKind::File)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(FileError(error.to_string())),
        }
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let words = |error: io::Error| FileError(error.to_string());
        let mut bytes = Vec::new();
        let bound = self.limit as u64 + 1;
        match path {
            "-" => io::stdin().lock().take(bound).read_to_end(&mut bytes).map_err(words)?,
            path => {
                fs::File::open(path).map_err(words)?.take(bound).read_to_end(&mut bytes).map_err(words)?
            }
        };
        match bytes.len() > self.limit {
            true => Err(FileError(format!("larger than {} bytes", self.limit))),
            false => Ok(bytes),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<(String, FileKind)>, FileError> {
        let words = |error: io::Error| FileError(error.to_string());
        let mut out = Vec::new();
        for entry in fs::read_dir(path).map_err(words)? {
            let entry = entry.map_err(words)?;
            // A name that is no UTF-8 cannot be imported or named in an error, so it is no part of a package.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = match fs::metadata(entry.path()) {
                Ok(found) if found.is_dir() => FileKind::Directory,
                Ok(_) => FileKind::File,
                Err(_) => continue,
            };
            out.push((name, kind));
        }
        Ok(out)
    }

    fn is_link(&self, path: &str) -> Result<bool, FileError> {
        match fs::symlink_metadata(path) {
            Ok(found) => Ok(found.is_symlink()),
            Err(error) => Err(FileError(error.to_string())),
        }
    }

    fn documents(&self, file: &DataFile) -> Result<Vec<String>, FileError> {
        let documents = decode::documents(file).map_err(|error| FileError(error.to_string()))?;
        Ok(documents.into_iter().map(|document| document.text).collect())
    }
}
