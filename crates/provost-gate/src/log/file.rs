//! Where lines go: a file that nobody else may read and that is followed by another when it is full, or a stream.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Who may read a log: its owner (security.md 18).
const MODE: u32 = 0o600;

/// Where a log is kept, and how much of it.
pub enum Place {
    /// In a file.
    File {
        /// The file; older parts have `.1`, `.2` … behind its name.
        path: PathBuf,
        /// The most bytes of one part.
        most_bytes: u64,
        /// How many older parts are kept.
        kept: usize,
    },
    /// In a stream, which somebody else keeps.
    Stream(Box<dyn Write + Send>),
}

/// A log that is open.
pub(super) enum Open {
    File(Rotating),
    Stream(Box<dyn Write + Send>),
}

impl Open {
    pub(super) fn at(place: Place) -> io::Result<Self> {
        Ok(match place {
            Place::File { path, most_bytes, kept } => Self::File(Rotating::open(path, most_bytes, kept)?),
            Place::Stream(stream) => Self::Stream(stream),
        })
    }

    /// Writes a line whole.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(line),
            Self::Stream(stream) => stream.write_all(line).and_then(|()| stream.flush()),
        }
    }
}

/// A file that is followed by another when it is full.
pub(super) struct Rotating {
    path: PathBuf,
    most_bytes: u64,
    kept: usize,
    file: File,
    written: u64,
}

impl Rotating {
    fn open(path: PathBuf, most_bytes: u64, kept: usize) -> io::Result<Self> {
        let (file, written) = opened(&path)?;
        Ok(Self { path, most_bytes, kept, file, written })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.written > 0 && self.written.saturating_add(line.len() as u64) > self.most_bytes {
            self.follow()?;
        }
        // One write a line, so that a kill leaves no half line behind in all but a full disk.
        self.file.write_all(line)?;
        self.written = self.written.saturating_add(line.len() as u64);
        Ok(())
    }

    /// Moves each part one number up; the last goes.
    fn follow(&mut self) -> io::Result<()> {
        if self.kept == 0 {
            fs::remove_file(&self.path)?;
        }
        for number in (1..=self.kept).rev() {
            let from = if number == 1 { self.path.clone() } else { part(&self.path, number - 1) };
            match fs::rename(&from, part(&self.path, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        (self.file, self.written) = opened(&self.path)?;
        Ok(())
    }
}

/// The file, for its owner alone whoever made it, and how much is in it.
fn opened(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        let why = "expected a file, found something else; `-` is standard output";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    if metadata.permissions().mode() & 0o777 != MODE {
        file.set_permissions(fs::Permissions::from_mode(MODE))?;
    }
    Ok((file, metadata.len()))
}

/// An older part of a log.
fn part(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(folder: &Path) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn parts_follow_one_another_and_the_last_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Rotating::open(path.clone(), 10, 2).unwrap();
        for line in ["aaaa\n", "bbbb\n", "cccc\n", "dddd\n", "eeee\n", "ffff\n", "longer than a part\n"] {
            log.write(line.as_bytes()).unwrap();
        }
        let named = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let expected = [
            named("log", "longer than a part\n"),
            named("log.1", "eeee\nffff\n"),
            named("log.2", "cccc\ndddd\n"),
        ];
        assert_eq!(texts(folder.path()), expected);
        for name in ["log", "log.1"] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, MODE, "{name}");
        }
    }

    #[test]
    fn a_file_that_is_there_is_gone_on_with_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "before\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let mut log = Rotating::open(path.clone(), 8, 0).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        log.write(b"more\n").unwrap();
        assert_eq!(texts(folder.path()), [("log".to_owned(), "more\n".to_owned())]);
        assert!(Rotating::open(folder.path().to_owned(), 8, 0).is_err());
    }
}
