//! What a TUF repository vouches for, fetched into a folder that signing and verifying read: cosign's `initialize`.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sigstore_trust_root::SigstoreInstance;
use sigstore_trust_root::tuf::{SIGNING_CONFIG_TARGET, TRUSTED_ROOT_TARGET};
use sigstore_tuf::transport::FetchFuture;
use sigstore_tuf::{FileStore, HttpRepository, Repository, Updater, UpdaterConfig};

use crate::trust_root::{TRUSTED_ROOT_LIMIT, TrustMaterial, TrustedRootError};

#[cfg(test)]
mod tests;

/// Public Sigstore's repository.
pub const PUBLIC_MIRROR: &str = "https://tuf-repo-cdn.sigstore.dev";
/// The repository of public Sigstore's staging area.
pub const STAGING_MIRROR: &str = "https://tuf-repo-cdn.sigstage.dev";
/// The longest root read, 512 000 bytes as in TUF's reference client; public Sigstore's has under 8 KiB.
pub const ROOT_LIMIT: u64 = 512_000;
/// The longest `remote.json` read, 16 KiB: it holds one URL, and URLs beyond 2 KiB work nowhere.
const REMOTE_LIMIT: u64 = 16 * 1024;
/// Which mirror was initialized, in cosign's place and form.
const REMOTE: &str = "remote.json";
/// What an earlier walk has verified, kept so that no later one believes older metadata.
const FLOOR: [&str; 3] = ["timestamp.json", "snapshot.json", "targets.json"];
/// The roots that earlier walks have verified, one after another: where the next begins if they lead on from its own root,
/// so that a mirror cannot bring back keys that a later root has taken away.
const ROOTS: &str = "root_history";

/// What to fetch, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Initialization<'a> {
    /// The folder of all mirrors: `TUF_ROOT`, or `~/.sigstore/root`.
    pub cache: &'a Path,
    /// The repository: an `http`, `https` or `file` URL.
    pub mirror: &'a str,
    /// The root it is trusted by; none means the one compiled in, public Sigstore's or its staging area's.
    pub root: Option<&'a [u8]>,
}

/// Why nothing was fetched; what was there before stays.
#[derive(Debug, thiserror::Error)]
pub enum InitializeError {
    /// The mirror's URL is none that is read.
    #[error(
        "the mirror {mirror:?} is no repository: expected https://HOST/PATH, http://HOST/PATH or file:///FOLDER"
    )]
    Mirror {
        /// As it was given.
        mirror: String,
    },
    /// The repository cannot be reached, or what it says does not verify.
    #[error("the TUF repository {mirror}: {reason}")]
    Tuf {
        /// Where it lies.
        mirror: String,
        /// The cause and its causes.
        reason: String,
    },
    /// The target that everything is for is there and is none.
    #[error("{TRUSTED_ROOT_TARGET} of the TUF repository {mirror}: {cause}")]
    TrustedRoot {
        /// Where the repository lies.
        mirror: String,
        /// What is wrong with it.
        cause: TrustedRootError,
    },
    /// The cache cannot be read or written.
    #[error("{}: {cause}", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// The note about the mirror is malformed.
    #[error("{} is malformed: expected {{\"mirror\": URL}}, found {found}: run `initialize` again", path.display())]
    Remote {
        /// The note.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
}

#[derive(Deserialize, Serialize)]
struct Remote {
    mirror: String,
}

/// Fetches the trusted root, and the signing configuration where there is one, through one verified walk.
///
/// Nothing that was there changes until all of it has verified. Metadata older than what the same keys said before is
/// refused. Returns why there is no signing configuration, if so.
///
/// # Errors
/// See [`InitializeError`].
pub async fn initialize(
    what: Initialization<'_>,
    client: &reqwest::Client,
    now: Timestamp,
) -> Result<Option<String>, InitializeError> {
    walk(what, repository(what.mirror, client)?, now).await
}

async fn walk(
    what: Initialization<'_>,
    repository: Box<dyn Repository>,
    now: Timestamp,
) -> Result<Option<String>, InitializeError> {
    let folder = mirror_folder(what.cache, what.mirror)?;
    let at = |path: &Path| {
        let path = path.to_owned();
        move |cause| InitializeError::Cache { path, cause }
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(what.cache).map_err(at(what.cache))?;
    let fresh = tempfile::Builder::new().prefix(".new-").tempdir_in(what.cache).map_err(at(what.cache))?;
    for name in FLOOR {
        match fs::copy(folder.join(name), fresh.path().join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at(&folder.join(name))(error));
            }
            _ => {}
        }
    }
    carry_roots(&folder.join(ROOTS), &fresh.path().join(ROOTS)).map_err(at(&folder.join(ROOTS)))?;
    let failed = |reason: String| InitializeError::Tuf { mirror: what.mirror.to_owned(), reason };
    let refused = |error: sigstore_tuf::Error| failed(chain(&error));
    let root = what.root.unwrap_or_else(|| known_root(what.mirror));
    let mut updater = updater(repository, root).map_err(refused)?.with_store(FileStore::new(fresh.path()));
    updater.refresh(now).await.map_err(refused)?;
    let trusted_root = updater.get_target(TRUSTED_ROOT_TARGET, now).await.map_err(refused)?;
    TrustMaterial::from_trusted_root(&trusted_root)
        .map_err(|cause| InitializeError::TrustedRoot { mirror: what.mirror.to_owned(), cause })?;
    let signing_config = updater.get_target(SIGNING_CONFIG_TARGET, now).await;
    // The store drops what it cannot write, and a root that only seems to be there would mislead.
    let kept = fresh.path().join("targets").join(TRUSTED_ROOT_TARGET);
    fs::write(&kept, &trusted_root).map_err(at(&kept))?;
    place(fresh, &folder, what.cache).map_err(at(&folder))?;
    let note = what.cache.join(REMOTE);
    write_note(&note, what.mirror).map_err(at(&note))?;
    Ok(signing_config.err().map(|error| chain(&error)))
}

/// The mirror that was initialized last, with the folder that holds what it vouched for; `None` where none was.
///
/// # Errors
/// When the note about it cannot be read.
pub fn initialized(cache: &Path) -> Result<Option<(String, PathBuf)>, InitializeError> {
    let path = cache.join(REMOTE);
    let mut text = Vec::new();
    let read = fs::File::open(&path).and_then(|file| file.take(REMOTE_LIMIT).read_to_end(&mut text));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(InitializeError::Cache { path, cause }),
        Ok(_) => {}
    }
    let remote: Remote = serde_json::from_slice(&text)
        .map_err(|error| InitializeError::Remote { path, found: error.to_string() })?;
    let folder = mirror_folder(cache, &remote.mirror)?;
    Ok(Some((remote.mirror, folder)))
}

/// Where a mirror's files lie below the folder of all, named as cosign 3 names it.
///
/// # Errors
/// When the mirror is no URL that is read.
pub fn mirror_folder(cache: &Path, mirror: &str) -> Result<PathBuf, InitializeError> {
    let bad = || InitializeError::Mirror { mirror: mirror.to_owned() };
    let (scheme, rest) = mirror.split_once("://").ok_or_else(bad)?;
    let name = match scheme {
        "http" | "https" => rest,
        "file" if rest.starts_with('/') => mirror,
        _ => return Err(bad()),
    };
    let name = name.replace(['/', ':'], "-").to_lowercase();
    // What begins with a dot could lead out of the folder, or be one of the walks under way.
    if name.is_empty() || name.starts_with('.') || name.contains('\0') {
        return Err(bad());
    }
    Ok(cache.join(name))
}

/// The root compiled in: the staging area's for its mirror, else public Sigstore's.
#[must_use]
pub fn known_root(mirror: &str) -> &'static [u8] {
    match mirror {
        STAGING_MIRROR => SigstoreInstance::Staging.tuf_root(),
        _ => SigstoreInstance::PublicGood.tuf_root(),
    }
}

/// A walk from a root, held to this program's limits.
pub(crate) fn updater(repository: Box<dyn Repository>, root: &[u8]) -> sigstore_tuf::Result<Updater> {
    let mut config = UpdaterConfig::default();
    config.root_max_length = ROOT_LIMIT;
    config.target_max_length = TRUSTED_ROOT_LIMIT as u64;
    Ok(Updater::new(repository, root)?.with_config(config))
}

/// What answers for a mirror: its server, or its folder.
pub(crate) fn repository(
    mirror: &str,
    client: &reqwest::Client,
) -> Result<Box<dyn Repository>, InitializeError> {
    if let Some(folder) = mirror.strip_prefix("file://") {
        return Ok(Box::new(Folder(PathBuf::from(folder))));
    }
    let made =
        HttpRepository::new(mirror).map_err(|_| InitializeError::Mirror { mirror: mirror.to_owned() })?;
    Ok(Box::new(made.with_http_client(client.clone())))
}

/// A repository in a folder, for machines without network.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn read(&self, name: &str, limit: u64) -> sigstore_tuf::Result<Option<Vec<u8>>> {
        let path = self.0.join(name);
        let told = |cause: String| sigstore_tuf::Error::transport(format!("{}: {cause}", path.display()));
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(told(error.to_string())),
        };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| told(error.to_string()))?;
        if bytes.len() as u64 > limit {
            return Err(told(format!("longer than the {limit} bytes expected")));
        }
        Ok(Some(bytes))
    }
}

impl Repository for Folder {
    fn fetch_metadata<'a>(&'a self, name: &'a str, max_length: u64) -> FetchFuture<'a> {
        let read = self.read(name, max_length);
        Box::pin(async move { read })
    }

    fn fetch_target<'a>(&'a self, path: &'a str, max_length: u64) -> FetchFuture<'a> {
        let read = self.read(&format!("targets/{path}"), max_length);
        Box::pin(async move { read })
    }
}

/// Copies the roots that were verified; the walk verifies them again.
fn carry_roots(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    fs::create_dir(to)?;
    for entry in entries {
        let entry = entry?;
        if entry.metadata()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Puts the new folder in the old one's place.
fn place(fresh: tempfile::TempDir, folder: &Path, cache: &Path) -> io::Result<()> {
    let old = tempfile::Builder::new().prefix(".old-").tempdir_in(cache)?;
    match fs::rename(folder, old.path().join("was")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(fresh.keep(), folder)
}

fn write_note(path: &Path, mirror: &str) -> io::Result<()> {
    let text = serde_json::to_vec(&Remote { mirror: mirror.to_owned() })?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, &text)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !words.contains(&said) {
            words = format!("{words}: {said}");
        }
        next = cause.source();
    }
    words
}
