//! PEM files, read within a limit.

use std::io::Read;
use std::path::Path;

/// The largest PEM file read: 1 MiB, a chain of three hundred certificates of 2 KiB each with their texts.
pub const FILE_LIMIT: u64 = 1024 * 1024;

/// A file's bytes, within the limit.
///
/// # Errors
/// The system's words, or that it is longer.
pub fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| error.to_string())?;
    opened.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    match bytes.len() as u64 > FILE_LIMIT {
        true => Err(format!("the file is longer than {FILE_LIMIT} bytes")),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_not_read_to_it() {
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err(), "the file is longer than 1048576 bytes");
        assert!(read(Path::new("/nosuch")).is_err());
    }
}
