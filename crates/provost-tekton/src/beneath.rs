//! Folders and files below a root, reached without following a symbolic link.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};

const FOLDER: OFlag =
    OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Whether `path` stays below the folder it is joined to: relative, and no `..`.
pub(crate) fn stays(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Opens the folder `beneath` below `root`, which itself is trusted; with `create`, missing folders are made.
///
/// A symbolic link on the way is an error, however it points: a step could have made it.
pub(crate) fn open_folder(root: &Path, beneath: &Path, create: bool) -> io::Result<OwnedFd> {
    let mut folder = open(root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    for part in beneath.components() {
        let name = match part {
            Component::Normal(name) => name,
            Component::CurDir => continue,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path leaves its folder")),
        };
        if create {
            match mkdirat(&folder, name, Mode::from_bits_truncate(0o777)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        folder = match openat(&folder, name, FOLDER, Mode::empty()) {
            Err(Errno::ELOOP | Errno::ENOTDIR) => {
                let message = format!("{} is no folder, or a symbolic link", Path::new(name).display());
                return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
            }
            other => other?,
        };
    }
    Ok(folder)
}
