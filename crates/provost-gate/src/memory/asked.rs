//! A registry as one request asks it: from memory where that is still true, together with others, and in time.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use provost_oci::{Descriptor, Digest, Repository, Selector};
use provost_registry::store::NetworkFailure;
use provost_registry::{Manifest, Store, StoreError};
use tokio::time::{Instant, timeout_at};

use super::flights::Asked;
use super::kept::{Answer, Key, Known, Question};
use super::{ABSENT_LIFE, Counts, LIFE, Shared, Stale};

/// The largest blob that is remembered, in bytes: provenances stay below 100 KiB, and a large SBOM would push out a hundred
/// of them.
pub(super) const REMEMBERED: u64 = 256 * 1024;

/// A store for one request.
pub(super) struct AskedStore {
    pub(super) inner: Arc<dyn Store>,
    pub(super) shared: Arc<Shared>,
    pub(super) host: Arc<str>,
    pub(super) namespace: Arc<str>,
    /// The digest of the credentials.
    pub(super) credentials: Digest,
    /// Whether sets of attestations are to be asked for anew.
    pub(super) fresh: bool,
    pub(super) deadline: Instant,
    pub(super) stale: Arc<Stale>,
}

/// How an answer may be reused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reuse {
    /// Not at all: the tag of an image.
    Never,
    /// While it is fresh, by those who do not ask anew: a set of attestations.
    Set,
    /// While it is fresh: a manifest by its digest.
    Content,
}

impl AskedStore {
    fn key(&self, repository: &Repository, question: &Question) -> Key {
        Key::answer(&self.credentials, repository, question)
    }

    /// The answer to a question, from memory, from one that is on its way, or from the registry.
    async fn answer(
        &self,
        repository: &Repository,
        question: Question,
        reuse: Reuse,
    ) -> Result<Answer, StoreError> {
        let key = self.key(repository, &question);
        let usable = reuse == Reuse::Content || (reuse == Reuse::Set && !self.fresh);
        if usable && let Some(answer) = self.remembered(&key) {
            Counts::add(&self.shared.counts.remembered);
            return settled(answer);
        }
        let asked = (self.credentials.clone(), repository.clone(), question);
        let late = || self.late(&asked);
        let outcome = timeout_at(self.deadline, self.together(asked.clone(), reuse)).await;
        match outcome.unwrap_or_else(|_| Err(late())) {
            Ok(answer) => settled(answer),
            Err(error) if usable => self.stale(&key, error).and_then(settled),
            Err(error) => Err(error),
        }
    }

    fn remembered(&self, key: &Key) -> Option<Answer> {
        let known = self.shared.kept().get(key)?;
        let life = self.shared.limits.life;
        let life = if known.is_absent() { ABSENT_LIFE.min(life) } else { life };
        if known.since.elapsed() > life {
            return None;
        }
        known.answer()
    }

    /// What outlived its time, where the operator allows it and the registry gave no answer at all.
    fn stale(&self, key: &Key, error: StoreError) -> Result<Answer, StoreError> {
        let allowed = self.shared.limits.stale_if_error;
        if allowed.is_zero() || !is_silence(&error) {
            return Err(error);
        }
        let known = self.shared.kept().get(key);
        let known = known.filter(|known| known.since.elapsed() <= self.shared.limits.life + allowed);
        match known.and_then(|known| Some((known.answer()?, known.since))) {
            Some((Answer::Absent(_), _)) | None => Err(error),
            Some((answer, since)) => {
                Counts::add(&self.shared.counts.stale);
                let age = since.elapsed().as_secs();
                let words =
                    format!("stale: an answer of {} that is {age} s old was used: {error}", self.host);
                (self.shared.say)(&words);
                self.stale.used(words);
                Ok(answer)
            }
        }
    }

    /// Joins the question where it is on its way, or sends it out when there is room for it.
    async fn together(&self, asked: Asked, reuse: Reuse) -> Result<Answer, StoreError> {
        let shared = &self.shared;
        if let Some(flight) = shared.flights.join(&asked) {
            Counts::add(&shared.counts.joined);
            return flight.await;
        }
        let permit = shared.permits.wait(&self.namespace, &self.host).await;
        if let Some(flight) = shared.flights.join(&asked) {
            Counts::add(&shared.counts.joined);
            drop(permit);
            return flight.await;
        }
        Counts::add(&shared.counts.asked);
        let (store, memory) = (Arc::clone(&self.inner), Arc::clone(shared));
        let owner = (Arc::clone(&self.namespace), Arc::clone(&self.host));
        let (credentials, repository, question) = asked.clone();
        let before = match reuse {
            Reuse::Set => self.known_manifest(&repository, &question),
            Reuse::Never | Reuse::Content => None,
        };
        let ask = async move {
            let began = Instant::now();
            let answer = ask(store.as_ref(), &repository, &question, before).await;
            drop(permit);
            if let Ok(found) = &answer {
                if matches!(found, Answer::Manifest(_)) {
                    let shown = Key::answer(&credentials, &repository, &ADMITTED);
                    let admission = Known::new(&Answer::Referrers(Vec::new()), began);
                    memory.kept().put(shown, admission, owner.clone());
                }
                let key = match &question {
                    Question::Blob(digest, _) => Key::blob(&repository, digest),
                    _ => Key::answer(&credentials, &repository, &question),
                };
                let is_kept = match found {
                    Answer::Blob(bytes) => bytes.len() as u64 <= REMEMBERED,
                    Answer::Manifest(_) | Answer::Referrers(_) => reuse != Reuse::Never,
                    Answer::Absent(_) => reuse == Reuse::Set,
                };
                if is_kept {
                    let known = Known::new(found, began);
                    memory.kept().put(key, known, owner);
                }
            }
            answer
        };
        shared.flights.send(asked, ask).await
    }

    /// The manifest that a tag had when these credentials last asked, however long ago: the registry is asked whether it still
    /// has it, and need not send it again.
    fn known_manifest(&self, repository: &Repository, question: &Question) -> Option<Manifest> {
        let known = self.shared.kept().get(&self.key(repository, question))?;
        match known.answer()? {
            Answer::Manifest(manifest) => Some(manifest),
            _ => None,
        }
    }

    /// The deadline has passed.
    fn late(&self, (_, repository, question): &Asked) -> StoreError {
        let what = match question {
            Question::Manifest(which) => format!("manifests/{which}"),
            Question::Referrers(digest) => format!("referrers/{digest}"),
            Question::Blob(digest, _) => format!("blobs/{digest}"),
        };
        StoreError::Network {
            request: format!("GET https://{}/v2/{}/{what}", self.host, repository.path()),
            kind: NetworkFailure::Timeout,
            address: self.host.to_string(),
            cause: "context deadline exceeded".to_owned(),
        }
    }

    /// A blob that is remembered, for one who has just been handed a manifest of its repository.
    fn shared_blob(&self, repository: &Repository, digest: &Digest) -> Option<Bytes> {
        let known = {
            let mut kept = self.shared.kept();
            let admission = kept.get(&self.key(repository, &ADMITTED))?;
            if admission.since.elapsed() > LIFE {
                return None;
            }
            kept.get(&Key::blob(repository, digest))?
        };
        match known.answer()? {
            Answer::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// The key under which it is remembered when a repository was last shown: no manifest has an empty name.
const ADMITTED: Question = Question::Manifest(String::new());

/// Asks a registry; that there is no such thing is an answer too. `before` is what a tag had when it was last asked for.
async fn ask(
    store: &dyn Store,
    repository: &Repository,
    question: &Question,
    before: Option<Manifest>,
) -> Result<Answer, StoreError> {
    let found = match question {
        Question::Manifest(which) => match (which.parse(), before) {
            (Ok(digest), _) => store.manifest(repository, &Selector::Digest(digest)).await,
            (Err(_), None) => store.manifest(repository, &Selector::Tag(which.clone())).await,
            (Err(_), Some(before)) => {
                let tag = Selector::Tag(which.clone());
                let now = store.manifest_unless(repository, &tag, &before.digest).await;
                now.map(|other| other.unwrap_or(before))
            }
        }
        .map(Answer::Manifest),
        Question::Referrers(digest) => store.referrers(repository, digest).await.map(Answer::Referrers),
        Question::Blob(digest, limit) => store.blob(repository, digest, *limit).await.map(Answer::Blob),
    };
    match found {
        Err(error) if error.is_not_found() => Ok(Answer::Absent(error)),
        other => other,
    }
}

fn settled(answer: Answer) -> Result<Answer, StoreError> {
    match answer {
        Answer::Absent(error) => Err(error),
        other => Ok(other),
    }
}

/// Whether a registry gave no answer of its own: no connection, too many questions, out of order.
fn is_silence(error: &StoreError) -> bool {
    match error {
        StoreError::Network { .. } => true,
        StoreError::Status { status, .. } => *status == 429 || *status >= 500,
        _ => false,
    }
}

/// What comes of an answer of another kind than was asked for, which no registry gives.
fn odd(repository: &Repository) -> StoreError {
    let reason = "the answer to another question".to_owned();
    StoreError::Malformed { request: repository.to_string(), reason }
}

/// Whether a tag is one of the tag scheme or the fallback for referrers: what lies beside a digest.
fn is_beside(tag: &str) -> bool {
    const HEX: usize = 64;
    let Some(rest) = tag.strip_prefix("sha256-") else { return false };
    let (hex, suffix) = rest.split_at_checked(HEX).unwrap_or(("", ""));
    hex.len() == HEX
        && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && matches!(suffix, "" | ".sig" | ".att" | ".sbom")
}

#[async_trait]
impl Store for AskedStore {
    async fn manifest(&self, repository: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
        let (name, reuse) = match which {
            Selector::Digest(digest) => (digest.to_string(), Reuse::Content),
            Selector::Tag(tag) if is_beside(tag) => (tag.clone(), Reuse::Set),
            Selector::Tag(tag) => (tag.clone(), Reuse::Never),
        };
        match self.answer(repository, Question::Manifest(name), reuse).await? {
            Answer::Manifest(manifest) => Ok(manifest),
            _ => Err(odd(repository)),
        }
    }

    /// Through the manifest, so that the digest and the bytes come out of one answer.
    async fn resolve(&self, repository: &Repository, which: &Selector) -> Result<Descriptor, StoreError> {
        self.manifest(repository, which).await.map(|manifest| manifest.descriptor())
    }

    async fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        if let Some(bytes) = self.shared_blob(repository, digest)
            && bytes.len() as u64 <= limit
        {
            Counts::add(&self.shared.counts.remembered);
            return Ok(bytes);
        }
        match self.answer(repository, Question::Blob(digest.clone(), limit), Reuse::Never).await? {
            Answer::Blob(bytes) => Ok(bytes),
            _ => Err(odd(repository)),
        }
    }

    async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, StoreError> {
        self.inner.has_blob(repository, digest).await
    }

    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        self.inner.put_blob(repository, media_type, bytes).await
    }

    async fn put_manifest(
        &self,
        repository: &Repository,
        which: &Selector,
        manifest: &Manifest,
    ) -> Result<Digest, StoreError> {
        self.inner.put_manifest(repository, which, manifest).await
    }

    async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        match self.answer(repository, Question::Referrers(digest.clone()), Reuse::Set).await? {
            Answer::Referrers(list) => Ok(list),
            _ => Err(odd(repository)),
        }
    }

    async fn tags(&self, repository: &Repository) -> Result<Vec<String>, StoreError> {
        self.inner.tags(repository).await
    }
}
