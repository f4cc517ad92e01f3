//! Files that appear whole, and folders whose entries last: the only place that writes to the disk.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::StoreError;

/// How many folders are remembered as durable, about 16 MB at 250 bytes each; beyond it they are synced again.
pub(super) const KNOWN_FOLDERS_LIMIT: usize = 65_536;

/// The error of a failed disk operation on this path.
pub(super) fn failed(path: &Path, cause: &io::Error) -> StoreError {
    StoreError::Disk { path: path.display().to_string(), cause: cause.to_string() }
}

/// A lock that a panic elsewhere does not take away: what it guards is whole between any two statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a whole file of at most `limit` bytes; `None` where there is none.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(failed(path, &error)),
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| failed(path, &e))?;
    if bytes.len() as u64 > limit {
        let request = path.display().to_string();
        return Err(StoreError::Size { request, expected: limit, found: bytes.len() as u64 });
    }
    Ok(Some(bytes))
}

/// Whether the error says that there is no such file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The names in a folder; none where there is no folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder, &error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| failed(folder, &e))?;
        // What is not UTF-8 was not written by us.
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// A file under way in the process's own work folder: gone when dropped, unless it was put in place.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    file: File,
    placed: bool,
}

impl Draft {
    /// An empty file of a name never used before in this folder.
    pub(super) fn new(work: &Path) -> Result<Self, StoreError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = work.join(format!("draft-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|e| failed(&path, &e))?;
        Ok(Self { path, file, placed: false })
    }

    /// Adds bytes at the end.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(|e| failed(&self.path, &e))
    }

    /// The file, to be read again.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Makes the bytes durable and gives them their name; the folder is still to be synced.
    pub(super) fn place(mut self, to: &Path) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|e| failed(&self.path, &e))?;
        fs::rename(&self.path, to).map_err(|e| failed(to, &e))?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.placed {
            // What stays behind is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Folders made durable, writers of one folder sharing one fsync.
///
/// A caller is answered once an fsync that began after its own change has ended; all callers who came while one
/// was under way share the next, so that many writers cost about two of them at a time.
#[derive(Default)]
pub(super) struct Folders {
    groups: Mutex<HashMap<PathBuf, Arc<Group>>>,
    pub(super) known: Mutex<HashSet<PathBuf>>,
}

#[derive(Default)]
struct Group {
    state: Mutex<GroupState>,
    ended: Condvar,
}

#[derive(Default)]
struct GroupState {
    waiting: usize,
    started: u64,
    done: u64,
    running: bool,
    /// After a failed fsync the kernel may call later ones good, so the first failure stands.
    broken: Option<String>,
}

impl Folders {
    /// Makes a folder and all above it down from `root`, durably; `root` itself must be there.
    pub(super) fn ensure(&self, root: &Path, folder: &Path) -> Result<(), StoreError> {
        if lock(&self.known).contains(folder) {
            return Ok(());
        }
        if folder != root
            && let Some(parent) = folder.parent()
        {
            self.ensure(root, parent)?;
            match fs::create_dir(folder) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(folder, &error)),
            }
            // Also where another process made it: nobody knows whether that one has synced yet.
            self.sync(parent)?;
        }
        let mut known = lock(&self.known);
        if known.len() >= KNOWN_FOLDERS_LIMIT {
            known.clear();
        }
        known.insert(folder.to_owned());
        Ok(())
    }

    /// Makes the entries of a folder durable.
    pub(super) fn sync(&self, folder: &Path) -> Result<(), StoreError> {
        let group = Arc::clone(lock(&self.groups).entry(folder.to_owned()).or_default());
        let mut state = lock(&group.state);
        state.waiting += 1;
        let mine = state.started + 1;
        while state.done < mine && state.broken.is_none() {
            if state.running {
                state = group.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.running = true;
            state.started += 1;
            let this = state.started;
            drop(state);
            let outcome = File::open(folder).and_then(|file| file.sync_all());
            state = lock(&group.state);
            state.running = false;
            match outcome {
                Ok(()) => state.done = this,
                Err(error) => state.broken = Some(error.to_string()),
            }
            group.ended.notify_all();
        }
        state.waiting -= 1;
        let broken = state.broken.clone();
        let idle = state.waiting == 0 && broken.is_none();
        drop(state);
        if idle {
            // Nobody else holds it if only the map and we do; a newcomer clones under the map's lock.
            let mut groups = lock(&self.groups);
            if Arc::strong_count(&group) == 2 {
                groups.remove(folder);
            }
        }
        match broken {
            None => Ok(()),
            Some(cause) => Err(StoreError::Disk { path: folder.display().to_string(), cause }),
        }
    }
}
