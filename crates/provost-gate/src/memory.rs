//! What the gate remembers of registries, so that one verification serves many requests (security.md 11, 16).
//!
//! - The set of attestations of a digest (the manifest of its tags `sha256-….att` and `.sig`, the list of its referrers) is
//!   reused for a minute by requests with the same credentials; that there is none, for two seconds; under `useCache: false`
//!   not at all. What failed is never remembered.
//! - Blobs are their digest, so they are kept as long as there is room, and shared with whoever has just been handed a
//!   manifest of the same repository under credentials of his own.
//! - Tags of images are asked for each time.
//! - A question that is on its way is joined by all who ask it under the same credentials.
//!
//! Verdicts are not remembered: what counts and which conditions hold is looked at anew, by the keys and policies of the
//! moment. Only which statements a key signed among those that a manifest lists is not computed twice
//! (`provost_keys::KeyMemory`, `provost_kyverno::anchors`).

mod asked;
mod flights;
mod kept;
mod packed;
mod permits;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use provost_kyverno::{Access, Stores};
use provost_oci::Digest;
use provost_registry::Store;
use tokio::time::Instant;

use asked::AskedStore;
use flights::Flights;
use kept::Kept;
use permits::Permits;

/// How long the set of attestations of a digest is reused (security.md 11).
pub const LIFE: Duration = Duration::from_secs(60);
/// How long it is remembered that there is none: a build that is just ending stores its attestation within seconds.
pub const ABSENT_LIFE: Duration = Duration::from_secs(2);

/// How much is remembered, and how much is asked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of answers and packed blobs, with what it takes to find them again. 36 MiB, so 27 MiB for one registry: 10,000
    /// images with a manifest of 700 bytes and an attestation of 3 KiB, packed to 1.3, each.
    pub bytes: usize,
    /// The share of these bytes that requests of one namespace, or answers of one registry host, may fill, in percent.
    pub share: usize,
    /// Questions under way at once for one namespace. A Pod asks a handful.
    pub namespace: usize,
    /// Questions under way at once to one registry host: four namespaces' worth.
    pub host: usize,
    /// How long the set of attestations of a digest is reused: [`LIFE`] or less.
    pub life: Duration,
    /// For how long past its life an answer is used when its registry gives none: no connection, 429 or 5xx. Zero unless the
    /// operator asks for it.
    pub stale_if_error: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 36 * 1024 * 1024,
            share: 75,
            namespace: 64,
            host: 256,
            life: LIFE,
            stale_if_error: Duration::ZERO,
        }
    }
}

/// What was counted since the start.
#[derive(Debug, Default)]
pub struct Counts {
    remembered: AtomicU64,
    joined: AtomicU64,
    asked: AtomicU64,
    stale: AtomicU64,
}

impl Counts {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Questions that were answered from memory.
    #[must_use]
    pub fn remembered(&self) -> u64 {
        self.remembered.load(Ordering::Relaxed)
    }

    /// Questions that joined one that was on its way.
    #[must_use]
    pub fn joined(&self) -> u64 {
        self.joined.load(Ordering::Relaxed)
    }

    /// Questions that went to a registry.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Questions that were answered by what had outlived its time, because the registry gave no answer.
    #[must_use]
    pub fn stale(&self) -> u64 {
        self.stale.load(Ordering::Relaxed)
    }
}

/// The registries, and what is remembered of them.
pub struct Memory {
    inner: Arc<dyn Stores>,
    shared: Arc<Shared>,
}

/// What all requests share.
struct Shared {
    limits: Limits,
    kept: Mutex<Kept>,
    flights: Flights,
    permits: Permits,
    counts: Arc<Counts>,
    say: Box<dyn Fn(&str) + Send + Sync>,
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Remembers what these registries answer; `say` hears of answers that are used although they are stale.
    #[must_use]
    pub fn new(inner: Arc<dyn Stores>, limits: Limits, say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let shared = Shared {
            limits,
            kept: Mutex::new(Kept::new(limits.bytes, limits.share)),
            flights: Flights::default(),
            permits: Permits::new(limits.namespace, limits.host),
            counts: Arc::default(),
            say: Box::new(say),
        };
        Self { inner, shared: Arc::new(shared) }
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.shared.counts)
    }

    /// How many bytes are remembered.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shared.kept().bytes()
    }

    /// The registries as one request of a namespace asks them, until `deadline`: whatever has no answer by then is a timeout,
    /// which is no verdict.
    #[must_use]
    pub fn of_request(&self, namespace: &str, deadline: Instant) -> Asking<'_> {
        Asking { memory: self, namespace: namespace.into(), deadline, stale: Arc::default() }
    }
}

/// The registries as one request asks them.
pub struct Asking<'a> {
    memory: &'a Memory,
    namespace: Arc<str>,
    deadline: Instant,
    stale: Arc<Stale>,
}

/// The answers that one request used although they had outlived their time, in words.
#[derive(Debug, Default)]
struct Stale(Mutex<BTreeSet<String>>);

/// How many of them are told of one request: all are alike, of one registry that is away.
const STALE_TOLD: usize = 8;

impl Stale {
    fn used(&self, words: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < STALE_TOLD {
            all.insert(words);
        }
    }
}

impl Asking<'_> {
    /// The answers that were used so far although they had outlived their time, in words.
    #[must_use]
    pub fn stale(&self) -> Vec<String> {
        self.stale.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Stores for Asking<'_> {
    fn store(&self, registry: &str, access: &Access) -> Result<Arc<dyn Store>, String> {
        // Who asks anew asks under the same credentials all the same, and what he hears is news for the others.
        let credentials = Access { fresh: false, ..access.clone() };
        let inner = self.memory.inner.store(registry, &credentials)?;
        Ok(Arc::new(AskedStore {
            inner,
            shared: Arc::clone(&self.memory.shared),
            host: registry.into(),
            namespace: Arc::clone(&self.namespace),
            credentials: digest_of(&credentials),
            fresh: access.fresh,
            deadline: self.deadline,
            stale: Arc::clone(&self.stale),
        }))
    }
}

/// The credentials as part of a key: two that differ in anything share nothing.
fn digest_of(access: &Access) -> Digest {
    let mut text = vec![u8::from(access.allow_http)];
    for secret in &access.secrets {
        for part in [secret.name.as_bytes(), &secret.json] {
            text.extend_from_slice(&part.len().to_le_bytes());
            text.extend_from_slice(part);
        }
    }
    Digest::sha256_of(&text)
}

#[cfg(test)]
mod tests;
