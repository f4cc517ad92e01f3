//! The context: the one folder files are copied from. Nothing outside it is read.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Limits;
use crate::error::{BuildError, Fault};
use crate::pattern::{Ignore, Part};

/// The bytes in which an archive shows itself: a tar header is 512 bytes with its mark at 257.
const HEAD: usize = 512;

/// Why a source cannot be copied: its own fault, or the disk's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Fault(Fault),
    Disk { path: String, cause: String },
}

impl Trouble {
    /// The error of a whole build, for the instruction on this line.
    pub(crate) fn at(self, file: &str, line: usize) -> BuildError {
        match self {
            Self::Fault(fault) => BuildError::Dockerfile { file: file.to_owned(), line, fault },
            Self::Disk { path, cause } => BuildError::Disk { path, cause },
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The disk's fault with a file.
pub(crate) fn disk(path: &Path, error: &io::Error) -> Trouble {
    Trouble::Disk { path: path.display().to_string(), cause: system_words(error) }
}

/// The system's words without its number.
pub(crate) fn system_words(error: &io::Error) -> String {
    let words = error.to_string();
    words.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// A source found in the context.
#[derive(Debug)]
pub(crate) struct Found {
    /// The last part of its name as written.
    pub(crate) name: String,
    pub(crate) is_folder: bool,
    /// A folder's content, without itself; or the file alone, with an empty name.
    pub(crate) entries: Vec<Entry>,
}

/// One file, folder or link to copy.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Relative to the folder that is copied.
    pub(crate) name: String,
    pub(crate) mode: u32,
    pub(crate) content: Content,
}

/// What an entry holds.
#[derive(Debug)]
pub(crate) enum Content {
    Folder,
    File { path: PathBuf, size: u64 },
    Link(String),
}

/// The context folder, what it ignores, and how much may still be taken from it.
pub(crate) struct Context {
    root: PathBuf,
    ignore: Ignore,
    limits: Limits,
    entries: usize,
    bytes: u64,
}

impl Context {
    /// Opens a folder.
    pub(crate) fn open(root: &Path, ignore: Ignore, limits: Limits) -> Result<Self, Trouble> {
        let root = root.canonicalize().map_err(|error| disk(root, &error))?;
        // Listed once so that a file in a folder's place fails here, by its name.
        fs::read_dir(&root).map_err(|error| disk(&root, &error))?;
        Ok(Self { root, ignore, limits, entries: 0, bytes: 0 })
    }

    /// What a source names, patterns filled in, in the order of names.
    pub(crate) fn find(&mut self, source: &str) -> Result<Vec<Found>, Trouble> {
        let parts = inside(source)?;
        let mut candidates = vec![String::new()];
        for part in &parts {
            candidates = self.step(candidates, part)?;
        }
        let mut ignored = false;
        let mut all = Vec::new();
        for name in candidates {
            let Some(real) = self.real(&name)? else { continue };
            if self.ignore.ignores(&name) || self.ignore.ignores(&self.relative(&real)?) {
                ignored = true;
                // A folder that is left out may hold what is taken back in.
                if !(self.ignore.has_exceptions() && real.is_dir()) {
                    continue;
                }
            }
            all.extend(self.take(&name, &real)?);
        }
        if all.is_empty() {
            return Err(Fault::NoSource { source_name: source.to_owned(), ignored }.into());
        }
        Ok(all)
    }

    fn step(&self, folders: Vec<String>, part: &str) -> Result<Vec<String>, Trouble> {
        let Some(pattern) = Part::read(part)? else {
            return Ok(folders.into_iter().map(|folder| join(&folder, part)).collect());
        };
        let mut found = Vec::new();
        for folder in folders {
            let Some(real) = self.real(&folder)?.filter(|real| real.is_dir()) else { continue };
            let names = self.list(&real)?;
            found.extend(
                names.into_iter().filter(|name| pattern.matches(name)).map(|name| join(&folder, &name)),
            );
        }
        Ok(found)
    }

    /// Where a name leads once its links are followed; `None` where there is nothing.
    fn real(&self, name: &str) -> Result<Option<PathBuf>, Trouble> {
        let path = self.root.join(name);
        match path.canonicalize() {
            Ok(real) if real.starts_with(&self.root) => Ok(Some(real)),
            Ok(_) => Err(Fault::OutsideContext { source_name: name.to_owned() }.into()),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(disk(&path, &error)),
        }
    }

    fn relative(&self, real: &Path) -> Result<String, Fault> {
        let below = real.strip_prefix(&self.root).unwrap_or(real);
        let text = below.to_str().ok_or_else(|| Fault::FileName { name: below.display().to_string() });
        text.map(str::to_owned)
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>, Trouble> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| disk(folder, &error))? {
            let name = entry.map_err(|error| disk(folder, &error))?.file_name();
            let name =
                name.into_string().map_err(|name| Fault::FileName { name: name.to_string_lossy().into() })?;
            names.push(name);
            if names.len() > self.limits.entries {
                return Err(Fault::TooManyEntries { limit: self.limits.entries }.into());
            }
        }
        names.sort();
        Ok(names)
    }

    fn take(&mut self, name: &str, real: &Path) -> Result<Option<Found>, Trouble> {
        let metadata = fs::metadata(real).map_err(|error| disk(real, &error))?;
        let last = name.rsplit('/').next().unwrap_or(name).to_owned();
        if metadata.is_dir() {
            let entries = self.walk(real)?;
            return Ok(Some(Found { name: last, is_folder: true, entries }));
        }
        let entry = self.entry(String::new(), name, real, &metadata)?;
        Ok(Some(Found { name: last, is_folder: false, entries: vec![entry] }))
    }

    /// Everything below a folder, links not followed.
    fn walk(&mut self, top: &Path) -> Result<Vec<Entry>, Trouble> {
        let mut entries = Vec::new();
        let mut open = vec![(String::new(), top.to_path_buf())];
        while let Some((prefix, folder)) = open.pop() {
            for name in self.list(&folder)? {
                let path = folder.join(&name);
                let name = join(&prefix, &name);
                let in_context = self.relative(&path)?;
                let metadata = fs::symlink_metadata(&path).map_err(|error| disk(&path, &error))?;
                let ignored = self.ignore.ignores(&in_context);
                if metadata.is_dir() && (!ignored || self.ignore.has_exceptions()) {
                    open.push((name.clone(), path.clone()));
                }
                if !ignored {
                    entries.push(self.entry(name, &in_context, &path, &metadata)?);
                }
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn entry(
        &mut self,
        name: String,
        in_context: &str,
        path: &Path,
        metadata: &Metadata,
    ) -> Result<Entry, Trouble> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Fault::TooManyEntries { limit: self.limits.entries }.into());
        }
        let mode = metadata.permissions().mode() & 0o7777;
        let kind = metadata.file_type();
        let content = if kind.is_dir() {
            Content::Folder
        } else if kind.is_symlink() {
            let target = fs::read_link(path).map_err(|error| disk(path, &error))?;
            let target = target.into_os_string().into_string();
            Content::Link(target.map_err(|target| Fault::FileName { name: target.to_string_lossy().into() })?)
        } else if kind.is_file() {
            self.bytes = self.bytes.saturating_add(metadata.len());
            if self.bytes > self.limits.bytes {
                return Err(Fault::TooManyBytes { limit: self.limits.bytes }.into());
            }
            Content::File { path: path.to_path_buf(), size: metadata.len() }
        } else {
            return Err(Fault::SpecialFile { name: in_context.to_owned() }.into());
        };
        Ok(Entry { name, mode, content })
    }
}

/// The parts of a source, seen from the context whatever it begins with.
fn inside(source: &str) -> Result<Vec<&str>, Fault> {
    let mut parts = Vec::new();
    for part in source.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => {
                return Err(Fault::OutsideContext { source_name: source.to_owned() });
            }
            ".." => {}
            part => parts.push(part),
        }
    }
    Ok(parts)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Whether a file is one Docker's `ADD` would unpack: tar, or compressed by gzip, bzip2, xz or zstd.
pub(crate) fn is_archive(path: &Path) -> Result<bool, Trouble> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(|error| disk(path, &error))?;
    file.take(HEAD as u64).read_to_end(&mut head).map_err(|error| disk(path, &error))?;
    let compressed: [&[u8]; 4] = [b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    let tar = head.get(257..262) == Some(b"ustar");
    Ok(tar || compressed.iter().any(|mark| head.starts_with(mark)))
}
