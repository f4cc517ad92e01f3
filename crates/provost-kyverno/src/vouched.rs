//! Statements that were verified before, by all that their verification hangs on.
//!
//! Which statements a key signed among those that one manifest lists for one image is arithmetic over the manifest, which names
//! blobs by their digests: it hangs on no policy and no time. Only listings in which everything held are remembered. Whether
//! the manifest still lies beside the image, and what a policy wants of the statements, is looked at each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use provost_keys::HashChoice;
use provost_oci::Digest;
use provost_statement::Statement;
use provost_verify::{Facts, TrustedKey};

/// The most bytes of statements that are remembered, half of them the newest: read, they take about eight times as much, so
/// 4 MiB for some 250 provenances.
pub(crate) const STATEMENT_BYTES: usize = 512 * 1024;

/// A statement that counts, and what was found out beside.
#[derive(Debug)]
pub(crate) struct Vouched {
    /// What was signed.
    pub(crate) statement: Statement,
    /// Certificate, log, times.
    pub(crate) facts: Facts,
}

/// Statements that keys signed. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct StatementMemory(Arc<Mutex<Generations>>);

/// What was used lately, and what was used before that: when the first is full, the second is let go of.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Name, Arc<[Vouched]>>,
    old: HashMap<Name, Arc<[Vouched]>>,
    /// The bytes of the statements in `young`.
    bytes: usize,
}

/// An image, the manifest that lists its attestations, and a key with the hash its signatures are made with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    image: Digest,
    manifest: Digest,
    /// DER.
    key: Vec<u8>,
    hash: HashChoice,
}

impl Name {
    /// What this key signed of what this manifest lists for this image.
    pub(crate) fn of(image: &Digest, manifest: &Digest, trusted: &TrustedKey) -> Self {
        let key = trusted.key.to_der().to_vec();
        Self { image: image.clone(), manifest: manifest.clone(), key, hash: trusted.hash }
    }
}

impl StatementMemory {
    /// What was verified under this name.
    pub(crate) fn get(&self, name: &Name) -> Option<Arc<[Vouched]>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(all) = known.young.get(name) {
            return Some(Arc::clone(all));
        }
        let all = known.old.remove(name)?;
        known.remember(name.clone(), Arc::clone(&all));
        Some(all)
    }

    /// All of these were verified under this name.
    pub(crate) fn remember(&self, name: Name, all: Arc<[Vouched]>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remember(name, all);
    }
}

impl Generations {
    fn remember(&mut self, name: Name, all: Arc<[Vouched]>) {
        let bytes: usize = all.iter().map(|one| one.statement.bytes.len()).sum();
        if bytes > STATEMENT_BYTES / 2 {
            return;
        }
        if self.bytes + bytes > STATEMENT_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        if self.young.insert(name, all).is_none() {
            self.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use provost_keys::{Hash, PrivateKey};
    use serde_json::json;

    use super::*;

    fn vouched(size: usize) -> Arc<[Vouched]> {
        let document = json!({
            "_type": "https://in-toto.io/Statement/v1", "predicateType": "p", "predicate": {"fill": "x".repeat(size)},
        });
        let statement = Statement::parse(document.to_string().as_bytes()).unwrap();
        Arc::new([Vouched { statement, facts: Facts::default() }])
    }

    fn digest(text: &str) -> Digest {
        Digest::sha256_of(text.as_bytes())
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_used() {
        let memory = StatementMemory::default();
        let key = PrivateKey::generate().unwrap().public_key();
        let trusted = TrustedKey { key, hash: HashChoice::Exactly(Hash::Sha256) };
        let name = |number: usize| Name::of(&digest("image"), &digest(&number.to_string()), &trusted);
        memory.remember(name(0), vouched(1000));
        for number in 1..1000 {
            memory.remember(name(number), vouched(1000));
            assert!(memory.get(&name(0)).is_some(), "{number}");
        }
        memory.remember(name(1000), vouched(STATEMENT_BYTES / 2));
        let known = memory.0.lock().unwrap();
        assert!(known.bytes <= STATEMENT_BYTES / 2 && known.young.len() + known.old.len() < 520);
        let is_gone =
            |number| !known.young.contains_key(&name(number)) && !known.old.contains_key(&name(number));
        assert!(is_gone(1) && is_gone(1000));
    }
}
