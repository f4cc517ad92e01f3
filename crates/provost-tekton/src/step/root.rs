//! The root of a step: the machine's folders bound one by one into a fresh one, and the run's folders over them.
//!
//! A fresh root rather than mount points on the machine's, so that nothing is written to `/` and no right to do so is needed.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::FsFlags;
use nix::unistd::{chdir, pivot_root};

use super::{FolderMount, Namespace, StepError};
use crate::beneath::open_folder;

const NOTHING: Option<&str> = None;

/// Lays out the root and makes it this process's; this process must be alone in its mount namespace.
pub(super) fn enter(namespace: &Namespace) -> Result<(), StepError> {
    let root = &namespace.root;
    // Without this our mounts would spread to the machine's own namespace.
    mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)
        .map_err(|errno| StepError::refused("keeping apart the mounts of", "/", errno))?;
    mount(Some("tmpfs"), root, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
        .map_err(|errno| StepError::refused("mounting a fresh root on", root, errno))?;
    // While the machine's folders are bound the new root must not be bound into itself, where it lies below one of them.
    mount(NOTHING, root, NOTHING, MsFlags::MS_UNBINDABLE, NOTHING)
        .map_err(|errno| StepError::refused("keeping apart", root, errno))?;
    let mut mounts: Vec<(PathBuf, &FolderMount)> = Vec::new();
    for mount in &namespace.mounts {
        mounts.push((relative(&mount.at)?, mount));
    }
    // A folder is mounted before what lies beneath it.
    mounts.sort_by_key(|(at, _)| at.components().count());
    let points: Vec<&Path> = mounts.iter().map(|(at, _)| at.as_path()).collect();
    compose(Path::new("/"), root, &points)?;
    // The step itself may bind its root again, as builders of images do.
    mount(NOTHING, root, NOTHING, MsFlags::MS_PRIVATE, NOTHING)
        .map_err(|errno| StepError::refused("keeping apart", root, errno))?;
    fresh_proc(root);
    for (at, mount) in &mounts {
        lay(root, at, mount)?;
    }
    let refused = |errno| StepError::refused("changing the root to", root, errno);
    chdir(root).map_err(refused)?;
    // Both roots at one place, then the old one is let go: the form that needs no folder for the old root.
    pivot_root(".", ".").map_err(refused)?;
    umount2(".", MntFlags::MNT_DETACH).map_err(refused)?;
    chdir("/").map_err(refused)
}

/// The path below the root; an absolute one without `..` is expected.
fn relative(at: &Path) -> Result<PathBuf, StepError> {
    let mut out = PathBuf::new();
    for part in at.components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => out.push(name),
            Component::ParentDir | Component::Prefix(_) => {
                let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path holds ..");
                return Err(StepError::refused("mounting on", at, error));
            }
        }
    }
    if !at.is_absolute() || out.as_os_str().is_empty() {
        let error =
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "expected an absolute path below /");
        return Err(StepError::refused("mounting on", at, error));
    }
    Ok(out)
}

/// Binds every entry of `from` into `to`, which exists; folders in which a mount point must be made are opened up.
fn compose(from: &Path, to: &Path, points: &[&Path]) -> Result<(), StepError> {
    let entries = fs::read_dir(from).map_err(|error| StepError::refused("listing", from, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| StepError::refused("listing", from, error))?;
        let name: OsString = entry.file_name();
        let (source, target) = (from.join(&name), to.join(&name));
        let Ok(kind) = entry.file_type() else { continue };
        let inside: Vec<&Path> = points.iter().filter_map(|point| point.strip_prefix(&name).ok()).collect();
        if inside.iter().any(|rest| rest.as_os_str().is_empty()) {
            // It will be covered, so it only needs to be there.
            fs::create_dir(&target).map_err(|error| StepError::refused("making", &target, error))?;
        } else if kind.is_symlink() {
            let points_to =
                fs::read_link(&source).map_err(|error| StepError::refused("reading", &source, error))?;
            symlink(&points_to, &target).map_err(|error| StepError::refused("making", &target, error))?;
        } else if kind.is_dir() {
            fs::create_dir(&target).map_err(|error| StepError::refused("making", &target, error))?;
            if inside.iter().all(|rest| source.join(rest).is_dir()) {
                bind(&source, &target)?;
            } else {
                compose(&source, &target, &inside)?;
            }
        } else {
            fs::write(&target, []).map_err(|error| StepError::refused("making", &target, error))?;
            bind(&source, &target)?;
        }
    }
    Ok(())
}

fn bind(source: &Path, target: &Path) -> Result<(), StepError> {
    mount(Some(source), target, NOTHING, MsFlags::MS_BIND | MsFlags::MS_REC, NOTHING)
        .map_err(|errno| StepError::refused("binding", source, errno))
}

/// The process list of the new namespace.
///
/// Where the kernel refuses it (a container that hides parts of its own) the machine's stays; the runner has closed itself
/// to its steps, so what they could read there is other programs of the same user, as without a namespace.
fn fresh_proc(root: &Path) {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let _ = mount(Some("proc"), &root.join("proc"), Some("proc"), flags, NOTHING);
}

/// Lays one folder of the run over its mount point. Both ends go by descriptors that no symbolic link can bend.
fn lay(root: &Path, at: &Path, entry: &FolderMount) -> Result<(), StepError> {
    let folder = open_folder(&entry.folder, &entry.beneath, true)
        .map_err(|error| StepError::refused("opening", entry.folder.join(&entry.beneath), error))?;
    let point = open_folder(root, at, true)
        .map_err(|error| StepError::refused("making the mount point", &entry.at, error))?;
    let by_descriptor = |fd: i32| PathBuf::from(format!("/proc/self/fd/{fd}"));
    let (source, target) = (by_descriptor(folder.as_raw_fd()), by_descriptor(point.as_raw_fd()));
    let refused = |errno| StepError::refused("mounting on", &entry.at, errno);
    mount(Some(&source), &target, NOTHING, MsFlags::MS_BIND | MsFlags::MS_REC, NOTHING).map_err(refused)?;
    if entry.read_only {
        // The descriptor still names what lies below the mount, so the mount itself is looked up anew.
        let mounted =
            open_folder(root, at, false).map_err(|error| StepError::refused("opening", &entry.at, error))?;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | kept_flags(&mounted);
        mount(NOTHING, &by_descriptor(mounted.as_raw_fd()), NOTHING, flags, NOTHING).map_err(refused)?;
    }
    Ok(())
}

/// The flags a user namespace may not take away from a mount it inherited. Those of access times are not among them: a remount
/// that names none of them keeps what there is.
fn kept_flags(mounted: &OwnedFd) -> MsFlags {
    let now = nix::sys::statvfs::fstatvfs(mounted).map_or(FsFlags::empty(), |stat| stat.flags());
    let pairs = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
    ];
    pairs.into_iter().filter(|(have, _)| now.contains(*have)).map(|(_, keep)| keep).collect()
}
