//! The folder in which one process keeps what it has not finished, and how the dead's are cleared away.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::disk::{failed, names};
use crate::StoreError;

/// The name of the lock file, both of the whole work area and of each process's folder.
const LOCK: &str = "lock";
/// How the folders of processes begin; whatever else lies beside them is not ours to remove.
const PREFIX: &str = "w-";

/// A process's own work folder, `uploads/w-…`, and the lock that says the process lives.
pub(super) struct Work {
    folder: TempDir,
    // The kernel lets go of it when the process dies, however it dies.
    _alive: File,
}

/// Held while a process starts: nobody else can start, so nobody else can come alive.
pub(super) struct Start {
    _lock: File,
    /// Whether no other process has this layout open.
    pub(super) alone: bool,
}

impl Work {
    /// Removes the work folders of processes that have died, and makes one for this process.
    pub(super) fn begin(root: &Path) -> Result<(Self, Start), StoreError> {
        let area = root.join("uploads");
        fs::create_dir_all(&area).map_err(|e| failed(&area, &e))?;
        let start = open_lock(&area.join(LOCK))?;
        start.lock().map_err(|e| failed(&area.join(LOCK), &e))?;
        let mut alone = true;
        for name in names(&area)?.into_iter().filter(|name| name.starts_with(PREFIX)) {
            alone &= clear(&area.join(name))?;
        }
        let folder =
            tempfile::Builder::new().prefix(PREFIX).tempdir_in(&area).map_err(|e| failed(&area, &e))?;
        let path = folder.path().join(LOCK);
        let alive = open_lock(&path)?;
        alive.lock().map_err(|e| failed(&path, &e))?;
        Ok((Self { folder, _alive: alive }, Start { _lock: start, alone }))
    }

    /// Where drafts are made.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes one leftover of a dead process; false where its owner lives.
fn clear(leftover: &Path) -> Result<bool, StoreError> {
    if !leftover.is_dir() {
        fs::remove_file(leftover).map_err(|e| failed(leftover, &e))?;
        return Ok(true);
    }
    let path: PathBuf = leftover.join(LOCK);
    match OpenOptions::new().write(true).open(&path) {
        Ok(file) => match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(failed(&path, &error)),
        },
        // Its owner died between making the folder and the lock: it held the start lock, which is ours now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&path, &error)),
    }
    match fs::remove_dir_all(leftover) {
        Ok(()) => Ok(true),
        // A process that ends well removes its own folder without asking.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(failed(leftover, &error)),
    }
}

fn open_lock(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(|e| failed(path, &e))
}
