//! Bytes that nothing links any more: marked when unlinked, collected when a process starts alone.

use std::fs::File;
use std::path::PathBuf;

use provost_oci::Digest;

use super::Inner;
use super::blobs::{is_there, remove};
use super::disk::{failed, names};
use super::name::digest_path;
use crate::StoreError;

impl Inner {
    fn garbage_folder(&self) -> PathBuf {
        self.root.join("garbage")
    }

    /// Notes that a digest is about to lose a link; only noted digests are ever collected.
    pub(super) fn mark_garbage(&self, digest: &Digest) -> Result<(), StoreError> {
        let folder = self.garbage_folder();
        self.folders.ensure(&self.root, &folder)?;
        let mark = folder.join(format!("{}-{}", digest.algorithm().name(), digest.hex()));
        File::create(&mark).map_err(|e| failed(&mark, &e))?;
        self.folders.sync(&folder)
    }

    /// Removes the bytes of marked digests that no repository links; the caller holds the start lock alone.
    pub(super) fn collect(&self) -> Result<(), StoreError> {
        // Another tool's index may reach any blob through manifests we did not write.
        if !self.plain.is_empty() {
            return Ok(());
        }
        let marks = names(&self.garbage_folder())?;
        if marks.is_empty() {
            return Ok(());
        }
        let repositories = self.every_folder()?;
        for mark in marks {
            if let Ok(digest) = mark.replacen('-', ":", 1).parse::<Digest>() {
                let mut linked = false;
                for folder in &repositories {
                    linked |= is_there(&digest_path(&folder.join("_blobs"), &digest))?
                        || is_there(&digest_path(&folder.join("_manifests"), &digest))?;
                }
                if !linked {
                    remove(&self.content_path(&digest))?;
                }
            }
            remove(&self.garbage_folder().join(&mark))?;
        }
        Ok(())
    }

    /// Every folder below `repositories` that can hold links, whether its repository has manifests or not.
    fn every_folder(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut found = Vec::new();
        let mut open = vec![self.root.join("repositories")];
        while let Some(folder) = open.pop() {
            for part in names(&folder)?.into_iter().filter(|part| !part.starts_with('_')) {
                let below = folder.join(part);
                if std::fs::symlink_metadata(&below).map_err(|e| failed(&below, &e))?.is_dir() {
                    open.push(below);
                }
            }
            found.push(folder);
        }
        Ok(found)
    }
}
