//! What is remembered, within a number of bytes of which nobody takes more than a share.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use provost_oci::{Descriptor, Digest, Repository};
use provost_registry::{Manifest, StoreError};
use tokio::time::Instant;

/// What an entry costs besides its bytes: key, times and its places in the orders, about 400 bytes by measure.
pub(super) const ENTRY: usize = 400;
/// What a descriptor in a list costs.
const LISTED: usize = 300;

/// What is asked of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Question {
    /// The manifest under this tag or digest.
    Manifest(String),
    /// The manifests that refer to this one.
    Referrers(Digest),
    /// A blob of at most so many bytes.
    Blob(Digest, u64),
}

/// Under which key something is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// An answer to whoever has these credentials.
    Answer(Digest, Repository, Question),
    /// A blob of a repository.
    Blob(Repository, Digest),
}

/// What a registry answered.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Manifest(Manifest),
    Referrers(Vec<Descriptor>),
    Blob(Bytes),
    /// There is no such thing.
    Absent(StoreError),
}

impl Answer {
    fn size(&self) -> usize {
        let bytes = match self {
            Self::Manifest(manifest) => manifest.bytes.len(),
            Self::Referrers(list) => list.len() * LISTED,
            Self::Blob(bytes) => bytes.len(),
            Self::Absent(_) => LISTED,
        };
        bytes + ENTRY
    }
}

/// Something that is remembered.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) answer: Answer,
    pub(super) since: Instant,
}

/// For whom something is remembered: a namespace, and the registry host it came from.
type Owner = (Arc<str>, Arc<str>);

struct Entry {
    known: Known,
    owner: Owner,
    used: u64,
    size: usize,
}

/// What is remembered.
pub(super) struct Kept {
    limit: usize,
    share: usize,
    bytes: usize,
    turn: u64,
    entries: HashMap<Key, Entry>,
    /// Of each owner what it has, by when it was last used.
    owned: HashMap<Owner, Owned>,
}

#[derive(Default)]
struct Owned {
    bytes: usize,
    order: BTreeMap<u64, Key>,
}

impl Kept {
    /// At most so many bytes, of which a namespace or a host has at most `share` percent.
    pub(super) fn new(limit: usize, share: usize) -> Self {
        let share = limit / 100 * share.min(100);
        Self { limit, share, bytes: 0, turn: 0, entries: HashMap::new(), owned: HashMap::new() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is known under a key, used now.
    pub(super) fn get(&mut self, key: &Key) -> Option<Known> {
        let entry = self.entries.get_mut(key)?;
        self.turn += 1;
        if let Some(owned) = self.owned.get_mut(&entry.owner) {
            owned.order.remove(&entry.used);
            owned.order.insert(self.turn, key.clone());
        }
        entry.used = self.turn;
        Some(entry.known.clone())
    }

    pub(super) fn remove(&mut self, key: &Key) {
        let Some(entry) = self.entries.remove(key) else { return };
        self.bytes -= entry.size;
        if let Some(owned) = self.owned.get_mut(&entry.owner) {
            owned.bytes -= entry.size;
            owned.order.remove(&entry.used);
            if owned.order.is_empty() {
                self.owned.remove(&entry.owner);
            }
        }
    }

    /// Remembers something, in place of what has not been used for longest: first of the owner's own where he has his share.
    pub(super) fn put(&mut self, key: Key, known: Known, owner: Owner) {
        self.remove(&key);
        let size = known.answer.size();
        if size > self.share.min(self.limit) {
            return;
        }
        while self.of_namespace(&owner.0) + size > self.share
            && self.let_go(|(namespace, _)| *namespace == owner.0)
        {}
        while self.of_host(&owner.1) + size > self.share && self.let_go(|(_, host)| *host == owner.1) {}
        while self.bytes + size > self.limit && self.let_go(|_| true) {}
        self.turn += 1;
        self.bytes += size;
        let owned = self.owned.entry(owner.clone()).or_default();
        owned.bytes += size;
        owned.order.insert(self.turn, key.clone());
        self.entries.insert(key, Entry { known, owner, used: self.turn, size });
    }

    fn of_namespace(&self, namespace: &str) -> usize {
        let mine = self.owned.iter().filter(|((name, _), _)| **name == *namespace);
        mine.map(|(_, owned)| owned.bytes).sum()
    }

    fn of_host(&self, host: &str) -> usize {
        let mine = self.owned.iter().filter(|((_, name), _)| **name == *host);
        mine.map(|(_, owned)| owned.bytes).sum()
    }

    /// Lets go of what these owners have not used for longest; whether there was anything.
    fn let_go(&mut self, of: impl Fn(&Owner) -> bool) -> bool {
        let theirs = self.owned.iter().filter(|(owner, _)| of(owner));
        let oldest =
            theirs.filter_map(|(_, owned)| owned.order.first_key_value()).min_by_key(|(used, _)| **used);
        let Some(key) = oldest.map(|(_, key)| key.clone()) else { return false };
        self.remove(&key);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(kept: &mut Kept, name: &str, size: usize, namespace: &str, host: &str) {
        let known = Known { answer: Answer::Blob(vec![0; size].into()), since: Instant::now() };
        kept.put(key(name), known, (namespace.into(), host.into()));
    }

    fn key(name: &str) -> Key {
        Key::Blob("r.local/app".parse().unwrap(), Digest::sha256_of(name.as_bytes()))
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut kept = Kept::new(3 * (ENTRY + 100), 100);
        for name in ["a", "b", "c"] {
            put(&mut kept, name, 100, "n", "h");
        }
        assert!(kept.get(&key("a")).is_some());
        put(&mut kept, "d", 100, "n", "h");
        let there = ["a", "b", "c", "d"].map(|name| kept.get(&key(name)).is_some());
        assert_eq!((there, kept.bytes()), ([true, false, true, true], 3 * (ENTRY + 100)));
    }

    #[test]
    fn nobody_pushes_out_what_others_have_beyond_his_share() {
        let one = ENTRY + 100;
        for (namespace, host) in [("greedy", "other"), ("other", "greedy")] {
            let mut kept = Kept::new(100 * one, 75);
            for number in 0..25 {
                put(&mut kept, &format!("quiet {number}"), 100, "quiet", "quiet");
            }
            for number in 0..1000 {
                put(&mut kept, &format!("greedy {number}"), 100, namespace, host);
            }
            let quiet = (0..25).filter(|number| kept.get(&key(&format!("quiet {number}"))).is_some());
            assert_eq!((quiet.count(), kept.bytes() <= 100 * one), (25, true));
        }
    }

    #[test]
    fn what_is_larger_than_a_share_is_not_kept() {
        let mut kept = Kept::new(10_000, 50);
        put(&mut kept, "a", 6_000, "n", "h");
        assert_eq!((kept.bytes(), kept.get(&key("a")).is_none()), (0, true));
    }
}
