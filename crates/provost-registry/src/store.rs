//! What every place that holds images can be asked, whether it is far away or a folder.

use std::any::Any;

use async_trait::async_trait;
use bytes::Bytes;
use provost_oci::{Descriptor, Digest, ErrorEntry, Repository, Selector};

/// The largest manifest read: go-containerregistry's own limit, 100 MiB.
pub const MANIFEST_LIMIT: u64 = 100 * 1024 * 1024;

/// A manifest as it was stored: its bytes, and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The kind the registry stated, or the manifest's own.
    pub media_type: String,
    /// The digest of the bytes, computed here.
    pub digest: Digest,
    /// The bytes the digest covers.
    pub bytes: Bytes,
}

impl Manifest {
    /// A manifest of these bytes.
    #[must_use]
    pub fn new(media_type: &str, bytes: Bytes) -> Self {
        let digest = Digest::sha256_of(&bytes);
        Self { media_type: media_type.to_owned(), digest, bytes }
    }

    /// A pointer to it.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.bytes.len() as u64, self.digest.clone())
    }
}

/// The right to work with a registry, given back when dropped; see [`Store::turn`].
#[derive(Default)]
pub struct Turn {
    _held: Option<Box<dyn Any + Send>>,
}

impl Turn {
    /// A turn that lasts as long as this value.
    pub fn new(held: impl Any + Send) -> Self {
        Self { _held: Some(Box::new(held)) }
    }
}

/// A place that holds images.
///
/// Implementations check digest and size of everything they return. A missing thing is
/// [`StoreError::NotFound`]; every other error means "could not check", never "is not there".
#[async_trait]
pub trait Store: Send + Sync {
    /// The manifest of a tag or digest. Asked for a digest, the bytes returned have that digest.
    async fn manifest(&self, repository: &Repository, which: &Selector) -> Result<Manifest, StoreError>;

    /// What a tag points to now, unless that is still the manifest of this digest: `None` then. It asks for less than
    /// [`Store::manifest`] where the registry compares ETags (RFC 9110 §13.1.2), as those of distribution do.
    async fn manifest_unless(
        &self,
        repository: &Repository,
        tag: &Selector,
        known: &Digest,
    ) -> Result<Option<Manifest>, StoreError> {
        let found = self.manifest(repository, tag).await?;
        Ok((found.digest != *known).then_some(found))
    }

    /// What a tag or digest points to, without its bytes (`HEAD`); falls back to [`Store::manifest`] where the
    /// answer lacks a digest or a length.
    async fn resolve(&self, repository: &Repository, which: &Selector) -> Result<Descriptor, StoreError>;

    /// A blob of at most `limit` bytes, checked against its digest.
    async fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Bytes, StoreError>;

    /// Whether a blob is there, without its bytes.
    async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, StoreError>;

    /// Stores a blob unless it is there already; returns its pointer with the given media type.
    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError>;

    /// The same for a blob that is most likely new, such as a fresh signature: nobody is asked first whether it is there.
    async fn put_new_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        self.put_blob(repository, media_type, bytes).await
    }

    /// The right to work with this repository's registry now. A store that bounds how many do makes its callers wait here;
    /// whoever then waits for something else lets go of it meanwhile.
    async fn turn(&self, _repository: &Repository) -> Turn {
        Turn::default()
    }

    /// Stores a manifest under a tag or its own digest; returns its digest.
    async fn put_manifest(
        &self,
        repository: &Repository,
        which: &Selector,
        manifest: &Manifest,
    ) -> Result<Digest, StoreError>;

    /// The manifests that name this digest as their subject (OCI 1.1), through the referrers API or, where the
    /// registry has none, the fallback tag `sha256-<hex>`. Empty when there are none. Failures other than
    /// "no such API" are errors (security.md 6).
    async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError>;

    /// All tags of a repository, sorted.
    async fn tags(&self, repository: &Repository) -> Result<Vec<String>, StoreError>;
}

/// Why a store did not do what it was asked.
///
/// The parts are data: cosign's, Kyverno's and our own sentences are made from them where those dialects live.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The registry answered that there is no such manifest, blob, tag or repository (404).
    #[error("{request}: {}", shown(status, errors, body))]
    NotFound {
        /// Method and URL, or the file, that was asked for.
        request: String,
        /// The HTTP status; 404 also for folders.
        status: u16,
        /// The parsed error answer, at most the first few entries, controls removed.
        errors: Vec<ErrorEntry>,
        /// The first 512 bytes of an answer that was no error document, controls removed.
        body: String,
    },
    /// The registry refused or failed with any other status.
    #[error("{request}: {}", shown(status, errors, body))]
    Status {
        /// Method and URL that were asked for.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The parsed error answer.
        errors: Vec<ErrorEntry>,
        /// The first 512 bytes of an answer that was no error document.
        body: String,
    },
    /// No connection, or it broke: name not found, refused, TLS, timeout.
    #[error("{request}: {cause}")]
    Network {
        /// Method and URL that were asked for; twice, with `; ` between, where https and http were tried side by
        /// side and neither connected (see [`StoreError::requests`]).
        request: String,
        /// What kind of failure.
        kind: NetworkFailure,
        /// The address that was dialled, where one is known (`127.0.0.1:5000`).
        address: String,
        /// The cause in the words of the library or the system.
        cause: String,
    },
    /// What came back is not what was asked for: another digest.
    #[error("{request}: the content has digest {found}, expected {expected}")]
    DigestMismatch {
        /// What was asked for.
        request: String,
        /// The digest asked for.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// What came back is longer than allowed, or not as long as stated.
    #[error("{request}: the content has {found} bytes, expected {expected}")]
    Size {
        /// What was asked for.
        request: String,
        /// The length stated, or the limit.
        expected: u64,
        /// The length found, or at which reading stopped.
        found: u64,
    },
    /// What came back cannot be read as what it should be.
    #[error("{request}: {reason}")]
    Malformed {
        /// What was asked for.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address may not be asked here (security.md 24), or credentials may not go there.
    #[error("{request}: refused: {reason}")]
    Refused {
        /// What would have been asked.
        request: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// Credentials could not be read: docker configuration, helper, token service.
    #[error("credentials for {registry}: {reason}")]
    Credentials {
        /// The registry they are for.
        registry: String,
        /// What failed.
        reason: String,
    },
    /// The disk failed.
    #[error("{path}: {cause}")]
    Disk {
        /// The file or folder.
        path: String,
        /// The system's words.
        cause: String,
    },
}

/// The kinds of broken connection that the dialects tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFailure {
    /// The port is closed.
    Refused,
    /// The name has no address.
    NoSuchHost,
    /// Nothing came in time.
    Timeout,
    /// The TLS handshake failed.
    Tls,
    /// The connection broke in the middle.
    Reset,
    /// Anything else.
    Other,
}

impl StoreError {
    /// Whether the store said the thing is not there, as opposed to not having been able to tell.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// The requests that failed, each as method and URL: two where https and http were tried side by side and
    /// neither connected. Empty for what was no request (a file, a repository's name).
    pub fn requests(&self) -> impl Iterator<Item = (&str, &str)> {
        let line = match self {
            Self::NotFound { request, .. }
            | Self::Status { request, .. }
            | Self::Network { request, .. }
            | Self::DigestMismatch { request, .. }
            | Self::Size { request, .. }
            | Self::Malformed { request, .. }
            | Self::Refused { request, .. } => request.as_str(),
            Self::Credentials { .. } | Self::Disk { .. } => "",
        };
        line.split("; ").filter_map(|one| one.split_once(' ')).filter(|(_, url)| url.contains("://"))
    }

    /// What a user can do about it, where there is something particular: the switch for a registry whose referrers
    /// API fails (security.md 6).
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        let about_referrers = self.requests().any(|(_, url)| url.contains("/referrers/sha"));
        (about_referrers && !self.is_not_found())
            .then_some("if this registry has no working referrers API, PROVOST_REFERRERS=off skips it")
    }
}

fn shown(status: &u16, errors: &[ErrorEntry], body: &str) -> String {
    match errors {
        [] if body.is_empty() => format!("status {status}"),
        [] => format!("status {status}: {body}"),
        entries => {
            let each: Vec<_> = entries.iter().map(|e| format!("{}: {}", e.code, e.message)).collect();
            each.join("; ")
        }
    }
}
