//! What is remembered, within a number of bytes of which nobody takes more than a share.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use provost_oci::{Descriptor, Digest, Repository};
use provost_registry::{Manifest, StoreError};
use tokio::time::Instant;

use super::packed::Packed;

/// What an entry costs besides its bytes: key, times and its places in the orders, about 300 bytes by measure.
pub(super) const ENTRY: usize = 300;
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

/// Under which key something is remembered: the SHA-256 of all that is asked, since the words themselves would take more room
/// than most answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// An answer to whoever has these credentials.
    pub(super) fn answer(credentials: &Digest, repository: &Repository, question: &Question) -> Self {
        let (kind, asked, limit) = match question {
            Question::Manifest(which) => ("manifest", which.as_str(), 0),
            Question::Referrers(digest) => ("referrers", digest.hex(), 0),
            Question::Blob(digest, limit) => ("blob", digest.hex(), *limit),
        };
        Self::of(&[
            kind,
            credentials.hex(),
            repository.registry(),
            repository.path(),
            asked,
            algorithm(question),
            &limit.to_string(),
        ])
    }

    /// A blob of a repository.
    pub(super) fn blob(repository: &Repository, digest: &Digest) -> Self {
        Self::of(&[
            "shared",
            repository.registry(),
            repository.path(),
            digest.algorithm().name(),
            digest.hex(),
        ])
    }

    /// Lengths keep the parts apart.
    fn of(parts: &[&str]) -> Self {
        let mut digest = Context::new(&SHA256);
        for part in parts {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(digest.finish().as_ref()) {
            *to = *from;
        }
        Self(key)
    }
}

fn algorithm(question: &Question) -> &'static str {
    match question {
        Question::Manifest(_) => "",
        Question::Referrers(digest) | Question::Blob(digest, _) => digest.algorithm().name(),
    }
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

/// Something that is remembered.
#[derive(Clone)]
pub(super) struct Known {
    stored: Arc<Stored>,
    pub(super) since: Instant,
}

/// An answer in as little room as it takes, and in bytes of its own: what came over a connection may hold on to all that came
/// with it. Manifests are read with each request and stay as they are; blobs are mostly read once, since what a key signed in
/// them is remembered as what it says.
enum Stored {
    Manifest { media_type: Box<str>, bytes: Box<[u8]> },
    Blob(Packed),
    Other(Answer),
}

impl Known {
    /// What was answered at a time, packed.
    pub(super) fn new(answer: &Answer, since: Instant) -> Self {
        let stored = match answer {
            Answer::Manifest(manifest) if manifest.digest == Digest::sha256_of(&manifest.bytes) => {
                let media_type = manifest.media_type.as_str().into();
                Stored::Manifest { media_type, bytes: manifest.bytes.as_ref().into() }
            }
            Answer::Blob(bytes) => Stored::Blob(Packed::of(bytes)),
            other => Stored::Other(other.clone()),
        };
        Self { stored: Arc::new(stored), since }
    }

    /// What was answered.
    pub(super) fn answer(&self) -> Option<Answer> {
        match self.stored.as_ref() {
            Stored::Manifest { media_type, bytes } => {
                Some(Answer::Manifest(Manifest::new(media_type, Bytes::copy_from_slice(bytes))))
            }
            Stored::Blob(packed) => packed.bytes().map(Answer::Blob),
            Stored::Other(answer) => Some(answer.clone()),
        }
    }

    /// Whether the answer was that there is no such thing.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self.stored.as_ref(), Stored::Other(Answer::Absent(_)))
    }

    fn size(&self) -> usize {
        let bytes = match self.stored.as_ref() {
            Stored::Manifest { bytes, .. } => bytes.len(),
            Stored::Blob(packed) => packed.len(),
            Stored::Other(Answer::Referrers(list)) => list.len() * LISTED,
            Stored::Other(Answer::Manifest(manifest)) => manifest.bytes.len(),
            Stored::Other(_) => LISTED,
        };
        bytes + ENTRY
    }
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
            owned.order.insert(self.turn, *key);
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
        let size = known.size();
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
        owned.order.insert(self.turn, key);
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
        let Some(key) = oldest.map(|(_, key)| *key) else { return false };
        self.remove(&key);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(kept: &mut Kept, name: &str, size: usize, namespace: &str, host: &str) {
        // Bytes that no compressor makes shorter: the digest of a digest, and so on.
        let next = |digest: &Digest| Some(Digest::sha256_of(digest.hex().as_bytes()));
        let noise = std::iter::successors(Some(Digest::sha256_of(name.as_bytes())), next);
        let noise =
            noise.flat_map(|digest| hex::decode(digest.hex()).unwrap()).take(size).collect::<Vec<_>>();
        let known = Known::new(&Answer::Blob(noise.into()), Instant::now());
        kept.put(key(name), known, (namespace.into(), host.into()));
    }

    fn key(name: &str) -> Key {
        Key::blob(&"r.local/app".parse().unwrap(), &Digest::sha256_of(name.as_bytes()))
    }

    #[test]
    fn whatever_differs_in_a_question_makes_another_key() {
        let digest = |text: &str| Digest::sha256_of(text.as_bytes());
        let repository = |text: &str| -> Repository { text.parse().unwrap() };
        let (one, app) = (digest("one"), repository("r.local/app"));
        let tag = |which: &str| Question::Manifest(which.to_owned());
        let keys = [
            Key::answer(&one, &app, &tag("v1")),
            Key::answer(&digest("other"), &app, &tag("v1")),
            Key::answer(&one, &repository("s.local/app"), &tag("v1")),
            Key::answer(&one, &repository("r.local/ap"), &tag("pv1")),
            Key::answer(&one, &app, &tag("")),
            Key::answer(&one, &app, &tag(one.hex())),
            Key::answer(&one, &app, &Question::Referrers(one.clone())),
            Key::answer(&one, &app, &Question::Blob(one.clone(), 0)),
            Key::answer(&one, &app, &Question::Blob(one.clone(), 1)),
            Key::blob(&app, &one),
            Key::blob(&app, &digest("other")),
        ];
        let different: std::collections::HashSet<Key> = keys.into_iter().collect();
        assert_eq!(different.len(), keys.len());
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
