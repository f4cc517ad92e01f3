//! A [`Store`] in memory.
//!
//! It behaves as a registry with the referrers API: manifests that name a subject are listed under it, and what
//! does not have its digest is refused as the remote client refuses it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use provost_oci::{Descriptor, Digest, ErrorCode, ErrorEntry, Repository, Selector};
use provost_registry::{Manifest, Store, StoreError, subject_of};

/// The kinds of request a store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Request {
    /// [`Store::manifest`]
    Manifest,
    /// [`Store::resolve`]
    Resolve,
    /// [`Store::blob`]
    Blob,
    /// [`Store::has_blob`]
    HasBlob,
    /// [`Store::put_blob`]
    PutBlob,
    /// [`Store::put_manifest`]
    PutManifest,
    /// [`Store::referrers`]
    Referrers,
    /// [`Store::tags`]
    Tags,
}

/// Images in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    manifests: BTreeMap<(Repository, Digest), Manifest>,
    tags: BTreeMap<Repository, BTreeMap<String, Digest>>,
    blobs: BTreeMap<(Repository, Digest), Bytes>,
    asked: BTreeMap<Request, usize>,
    failures: Vec<Failure>,
    hangs: bool,
    waiting: Vec<Waker>,
}

#[derive(Debug)]
struct Failure {
    request: Request,
    /// The tag or digest it is for, as text; any where there is none.
    target: Option<String>,
    once: bool,
    error: StoreError,
}

impl MemoryStore {
    /// A store without images.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How often it was asked this.
    #[must_use]
    pub fn asked(&self, request: Request) -> usize {
        self.state().asked.get(&request).copied().unwrap_or(0)
    }

    /// How often it was asked anything.
    #[must_use]
    pub fn asked_in_all(&self) -> usize {
        self.state().asked.values().sum()
    }

    /// Forgets how often it was asked.
    pub fn forget_counts(&self) {
        self.state().asked.clear();
    }

    /// The next request of this kind fails.
    pub fn fail_once(&self, request: Request, error: StoreError) {
        self.state().failures.push(Failure { request, target: None, once: true, error });
    }

    /// Every request of this kind fails.
    pub fn fail_always(&self, request: Request, error: StoreError) {
        self.state().failures.push(Failure { request, target: None, once: false, error });
    }

    /// The next request of this kind for this tag or digest fails.
    pub fn fail_once_at(&self, request: Request, target: &str, error: StoreError) {
        let target = Some(target.to_owned());
        self.state().failures.push(Failure { request, target, once: true, error });
    }

    /// Every request of this kind for this tag or digest fails.
    pub fn fail_always_at(&self, request: Request, target: &str, error: StoreError) {
        let target = Some(target.to_owned());
        self.state().failures.push(Failure { request, target, once: false, error });
    }

    /// No request is answered until all is healed.
    pub fn hang(&self) {
        self.state().hangs = true;
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        let mut state = self.state();
        state.failures.clear();
        state.hangs = false;
        state.waiting.drain(..).for_each(Waker::wake);
    }

    /// Puts other bytes in the place of a blob or manifest, as a lying registry would: asking for it then fails
    /// with [`StoreError::DigestMismatch`].
    pub fn tamper(&self, repository: &Repository, digest: &Digest, bytes: &[u8]) {
        let mut state = self.state();
        let key = (repository.clone(), digest.clone());
        if let Some(manifest) = state.manifests.get_mut(&key) {
            manifest.bytes = Bytes::copy_from_slice(bytes);
        } else {
            state.blobs.insert(key, Bytes::copy_from_slice(bytes));
        }
    }

    /// Takes a blob or manifest away; tags that named it lead nowhere.
    pub fn remove(&self, repository: &Repository, digest: &Digest) {
        let mut state = self.state();
        let key = (repository.clone(), digest.clone());
        state.manifests.remove(&key);
        state.blobs.remove(&key);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the request, lets others have their turn as a network would, and fails where that was asked for.
    async fn begin(&self, request: Request, target: &str) -> Result<(), StoreError> {
        *self.state().asked.entry(request).or_default() += 1;
        give_way().await;
        std::future::poll_fn(|context| {
            let mut state = self.state();
            if !state.hangs {
                return Poll::Ready(());
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
        let mut state = self.state();
        let meant = |failure: &Failure| {
            failure.request == request && failure.target.as_deref().is_none_or(|meant| meant == target)
        };
        let Some(at) = state.failures.iter().position(meant) else { return Ok(()) };
        let (once, error) = state.failures.get(at).map(|f| (f.once, f.error.clone())).unzip();
        if once == Some(true) {
            state.failures.remove(at);
        }
        error.map_or(Ok(()), Err)
    }

    fn find(&self, method: &str, repository: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
        let state = self.state();
        let digest = match which {
            Selector::Digest(digest) => Some(digest),
            Selector::Tag(tag) => state.tags.get(repository).and_then(|tags| tags.get(tag)),
        };
        let found = digest.and_then(|digest| state.manifests.get(&(repository.clone(), digest.clone())));
        let request = line(method, repository, "manifests", &which.to_string());
        let manifest = found.ok_or_else(|| missing(&request, ErrorCode::ManifestUnknown))?;
        check(request, &manifest.digest, &manifest.bytes)?;
        Ok(manifest.clone())
    }
}

/// Comes back at the second poll, so that tasks that run side by side do interleave.
async fn give_way() {
    let mut polled = false;
    std::future::poll_fn(|context| {
        if polled {
            return Poll::Ready(());
        }
        polled = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn line(method: &str, repository: &Repository, kind: &str, what: &str) -> String {
    format!("{method} http://{}/v2/{}/{kind}/{what}", repository.registry(), repository.path())
}

fn missing(request: &str, code: ErrorCode) -> StoreError {
    let entry =
        ErrorEntry { code: code.as_str().to_owned(), message: code.message().to_owned(), detail: None };
    // An answer to HEAD has no body, so it says no more than its status.
    let errors = if request.starts_with("HEAD") { Vec::new() } else { vec![entry] };
    StoreError::NotFound { request: request.to_owned(), status: 404, errors, body: String::new() }
}

fn check(request: String, expected: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
    let found = Digest::of(expected.algorithm(), bytes);
    if found == *expected {
        return Ok(());
    }
    Err(StoreError::DigestMismatch { request, expected: expected.clone(), found })
}

#[async_trait]
impl Store for MemoryStore {
    async fn manifest(&self, repository: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
        self.begin(Request::Manifest, &which.to_string()).await?;
        self.find("GET", repository, which)
    }

    async fn resolve(&self, repository: &Repository, which: &Selector) -> Result<Descriptor, StoreError> {
        self.begin(Request::Resolve, &which.to_string()).await?;
        Ok(self.find("HEAD", repository, which)?.descriptor())
    }

    async fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        self.begin(Request::Blob, &digest.to_string()).await?;
        let request = line("GET", repository, "blobs", &digest.to_string());
        let found = self.state().blobs.get(&(repository.clone(), digest.clone())).cloned();
        let bytes = found.ok_or_else(|| missing(&request, ErrorCode::BlobUnknown))?;
        let length = bytes.len() as u64;
        if length > limit {
            return Err(StoreError::Size { request, expected: limit, found: length });
        }
        check(request, digest, &bytes)?;
        Ok(bytes)
    }

    async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, StoreError> {
        self.begin(Request::HasBlob, &digest.to_string()).await?;
        Ok(self.state().blobs.contains_key(&(repository.clone(), digest.clone())))
    }

    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        let descriptor = Descriptor::of(media_type, &bytes);
        self.begin(Request::PutBlob, &descriptor.digest.to_string()).await?;
        self.state().blobs.insert((repository.clone(), descriptor.digest.clone()), bytes);
        Ok(descriptor)
    }

    async fn put_manifest(
        &self,
        repository: &Repository,
        which: &Selector,
        manifest: &Manifest,
    ) -> Result<Digest, StoreError> {
        self.begin(Request::PutManifest, &which.to_string()).await?;
        let request = line("PUT", repository, "manifests", &which.to_string());
        let expected = match which {
            Selector::Digest(digest) => digest,
            Selector::Tag(_) => &manifest.digest,
        };
        check(request, expected, &manifest.bytes)?;
        let mut state = self.state();
        if let Selector::Tag(tag) = which {
            state.tags.entry(repository.clone()).or_default().insert(tag.clone(), expected.clone());
        }
        let stored = Manifest { digest: expected.clone(), ..manifest.clone() };
        state.manifests.insert((repository.clone(), expected.clone()), stored);
        Ok(expected.clone())
    }

    async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        self.begin(Request::Referrers, &digest.to_string()).await?;
        let state = self.state();
        let own = state.manifests.iter().filter(|((of, _), _)| of == repository);
        let about = own.filter_map(|(_, manifest)| subject_of(manifest));
        Ok(about.filter(|(subject, _)| subject == digest).map(|(_, entry)| entry).collect())
    }

    async fn tags(&self, repository: &Repository) -> Result<Vec<String>, StoreError> {
        self.begin(Request::Tags, "").await?;
        let state = self.state();
        let known: BTreeSet<&Repository> =
            state.manifests.keys().chain(state.blobs.keys()).map(|(repository, _)| repository).collect();
        if !known.contains(repository) {
            return Err(missing(&line("GET", repository, "tags", "list?n=1000"), ErrorCode::NameUnknown));
        }
        Ok(state.tags.get(repository).into_iter().flatten().map(|(tag, _)| tag.clone()).collect())
    }
}

#[cfg(test)]
mod tests;
