//! What the console remembers: the last decisions, and the facts of the images they were about, within stated bounds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use provost_gate::record::{Decided, Hears};
use provost_kyverno::witness::{Said, Witness};

use crate::explain::Entry;
use crate::facts::{Image, Place, Testimony};
use crate::text::{SHORT, clip};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most decisions.
    pub decisions: usize,
    /// The most bytes of all decisions.
    pub decision_bytes: usize,
    /// The most images.
    pub images: usize,
    /// The most bytes of all that is known of images.
    pub image_bytes: usize,
}

impl Default for Limits {
    /// 24 MiB at most: 2,000 decisions of 4 KiB, which is an ordinary denial, and 2,000 images of 8 KiB, which is one with two
    /// provenances of ten materials and twenty places. Larger ones go the sooner.
    fn default() -> Self {
        Self { decisions: 2_000, decision_bytes: 8 << 20, images: 2_000, image_bytes: 16 << 20 }
    }
}

/// What is remembered.
pub struct Record {
    limits: Limits,
    /// Since when.
    pub since: Timestamp,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    decisions: VecDeque<Arc<Entry>>,
    decision_bytes: usize,
    /// By digest.
    images: BTreeMap<String, Image>,
    image_bytes: usize,
    /// The digest of what objects call so; no more than there are names of images.
    digests: BTreeMap<String, String>,
    heard: u64,
    denied: u64,
    unchecked: u64,
}

/// How often what was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Decisions heard of.
    pub heard: u64,
    /// Of these, denials.
    pub denied: u64,
    /// Of these, those in which something could not be checked.
    pub unchecked: u64,
}

impl Record {
    /// Nothing, with room for so much.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, since: Timestamp::now(), inner: Mutex::default() }
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes that decisions and images take now.
    #[must_use]
    pub fn weight(&self) -> (usize, usize) {
        let inner = self.locked();
        (inner.decision_bytes, inner.image_bytes)
    }

    /// The decisions, newest first.
    #[must_use]
    pub fn decisions(&self) -> Vec<Arc<Entry>> {
        self.locked().decisions.iter().rev().cloned().collect()
    }

    /// The images, in the order of their digests.
    #[must_use]
    pub fn images(&self) -> Vec<Image> {
        self.locked().images.values().cloned().collect()
    }

    /// The digest of an image that objects call so.
    #[must_use]
    pub fn digest_of(&self, name: &str) -> Option<String> {
        self.locked().digests.get(name).cloned()
    }

    pub(crate) fn counts(&self) -> Counts {
        let inner = self.locked();
        Counts { heard: inner.heard, denied: inner.denied, unchecked: inner.unchecked }
    }

    /// Takes a decision in.
    pub fn take(&self, entry: Entry) {
        let weight = entry.weight();
        let mut inner = self.locked();
        inner.heard += 1;
        inner.denied += u64::from(!entry.allowed);
        inner.unchecked += u64::from(entry.is_unchecked());
        if !entry.dry_run {
            let place = Place {
                namespace: entry.namespace.clone(),
                kind: entry.kind.clone(),
                name: entry.name.clone(),
            };
            let images: Vec<String> =
                entry.images().filter_map(|name| inner.digests.get(name).cloned()).collect();
            for digest in images {
                inner.change(&digest, |image| image.decided(place.clone(), entry.allowed, entry.at));
            }
        }
        inner.decisions.push_back(Arc::new(entry));
        inner.decision_bytes += weight;
        while inner.decisions.len() > self.limits.decisions
            || inner.decision_bytes > self.limits.decision_bytes
        {
            let Some(oldest) = inner.decisions.pop_front() else { break };
            inner.decision_bytes = inner.decision_bytes.saturating_sub(oldest.weight());
        }
        inner.shrink(self.limits);
    }
}

impl Inner {
    /// Changes what is known of an image, and keeps account of its bytes.
    fn change(&mut self, digest: &str, change: impl FnOnce(&mut Image)) {
        let Some(image) = self.images.get_mut(digest) else { return };
        let before = image.weight();
        change(image);
        self.image_bytes = self.image_bytes.saturating_sub(before) + image.weight();
    }

    /// Makes room for an image that nothing is known of yet.
    fn meet(&mut self, digest: &str) {
        if !self.images.contains_key(digest) {
            let image = Image { digest: digest.to_owned(), ..Image::default() };
            self.image_bytes += image.weight();
            self.images.insert(digest.to_owned(), image);
        }
    }

    /// Lets go of the images that were not heard of for longest: a tenth at a time, so that finding them costs little.
    fn shrink(&mut self, limits: Limits) {
        while self.images.len() > limits.images || self.image_bytes > limits.image_bytes {
            let mut ages: Vec<(Timestamp, String)> =
                self.images.values().map(|image| (image.heard, image.digest.clone())).collect();
            ages.sort();
            let some = (ages.len() / 10).max(1);
            if ages.is_empty() {
                return;
            }
            for (_, digest) in ages.into_iter().take(some) {
                if let Some(image) = self.images.remove(&digest) {
                    self.image_bytes = self.image_bytes.saturating_sub(image.weight());
                }
                self.digests.retain(|_, of| *of != digest);
            }
        }
    }
}

impl Hears for Record {
    fn heard(&self, decided: &Arc<Decided>) {
        self.take(Entry::of(decided));
    }
}

impl Witness for Record {
    fn said(&self, said: &Said<'_>) {
        let testimony = Testimony::of(said);
        let digest = said.image.to_string();
        let name = clip(said.name, SHORT);
        let mut inner = self.locked();
        inner.meet(&digest);
        inner.change(&digest, |image| {
            image.called(&name);
            image.testified(testimony);
            image.heard = Timestamp::now();
        });
        inner.digests.insert(name, digest);
        // Names that no image has any more: each has sixteen at most.
        if inner.digests.len() > 16 * self.limits.images {
            let Inner { digests, images, .. } = &mut *inner;
            digests.retain(|name, digest| {
                images.get(digest).is_some_and(|image| image.names.iter().any(|known| known == name))
            });
        }
        inner.shrink(self.limits);
    }
}
