//! Keys that are read once, and signatures that are verified once.
//!
//! Whether a signature is a key's over a message is arithmetic: it hangs on nothing else and cannot change, so what held once
//! may be remembered for ever. Nothing that did not hold is remembered.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};

use crate::error::KeyError;
use crate::kind::HashChoice;
use crate::public_key::PublicKey;

/// The most keys of one memory: a cluster's policies name some dozens. A P-256 key takes 1 KiB.
pub const KEY_LIMIT: usize = 1024;
/// The most signatures of one memory, half of them the newest: at some 50 bytes each, 2 MiB.
pub const SIGNATURE_LIMIT: usize = 40_000;

/// Public keys by their texts, and which signatures were found to be theirs. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct KeyMemory {
    keys: Arc<Mutex<HashMap<Vec<u8>, PublicKey>>>,
    proven: Arc<Proven>,
}

impl KeyMemory {
    /// The key in the first PEM block, as [`PublicKey::from_pem`] reads it. What it verifies is remembered here.
    ///
    /// # Errors
    /// As [`PublicKey::from_pem`]; a text without a key is read anew each time.
    pub fn from_pem(&self, pem: &[u8]) -> Result<PublicKey, KeyError> {
        if let Some(known) = locked(&self.keys).get(pem) {
            return Ok(known.clone());
        }
        let key = PublicKey::from_pem(pem)?.remembering(Arc::clone(&self.proven));
        let mut keys = locked(&self.keys);
        // Policies are written by people: a memory that is full holds what nobody names any more.
        if keys.len() >= KEY_LIMIT {
            keys.clear();
        }
        keys.insert(pem.to_vec(), key.clone());
        Ok(key)
    }
}

/// Signatures that held, by the digest of all they hang on.
#[derive(Debug, Default)]
pub(crate) struct Proven(Mutex<Generations>);

/// What was used lately, and what was used before that: when the first is full, the second is let go of.
#[derive(Debug, Default)]
struct Generations {
    young: HashSet<Proof>,
    old: HashSet<Proof>,
}

/// The SHA-256 of a key, a choice of hashes, a message and a signature.
pub(crate) type Proof = [u8; 32];

impl Proven {
    /// The name of a signature; lengths keep its parts apart.
    pub(crate) fn proof(key: &[u8], choice: HashChoice, message: &[u8], signature: &[u8]) -> Proof {
        let mut digest = Context::new(&SHA256);
        let choice = match choice {
            HashChoice::Usual => "usual",
            HashChoice::Exactly(hash) => hash.as_str(),
        };
        for part in [key, choice.as_bytes(), message] {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.update(signature);
        let mut proof = Proof::default();
        for (to, from) in proof.iter_mut().zip(digest.finish().as_ref()) {
            *to = *from;
        }
        proof
    }

    /// Whether it held before.
    pub(crate) fn holds(&self, proof: &Proof) -> bool {
        let mut known = locked(&self.0);
        if known.young.contains(proof) {
            return true;
        }
        let held = known.old.contains(proof);
        if held {
            known.remember(*proof);
        }
        held
    }

    /// It held.
    pub(crate) fn remember(&self, proof: Proof) {
        locked(&self.0).remember(proof);
    }
}

impl Generations {
    fn remember(&mut self, proof: Proof) {
        if self.young.len() >= SIGNATURE_LIMIT / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(proof);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hash, PrivateKey, SignatureError};

    #[test]
    fn what_held_is_remembered_and_nothing_else_holds_for_it() {
        let memory = KeyMemory::default();
        let (private, other) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        let key = memory.from_pem(private.public_key().to_pem().as_bytes()).unwrap();
        let stranger = memory.from_pem(other.public_key().to_pem().as_bytes()).unwrap();
        let signature = private.sign(b"message").unwrap();
        for _ in 0..2 {
            assert_eq!(key.verify(b"message", &signature, HashChoice::Usual), Ok(()));
            assert_eq!(key.verify(b"messagE", &signature, HashChoice::Usual), Err(SignatureError::Ecdsa));
            let sha384 = HashChoice::Exactly(Hash::Sha384);
            assert_eq!(key.verify(b"message", &signature, sha384), Err(SignatureError::Ecdsa));
            assert_eq!(
                stranger.verify(b"message", &signature, HashChoice::Usual),
                Err(SignatureError::Ecdsa)
            );
        }
        let known = locked(&memory.proven.0).young.len();
        assert_eq!((known, locked(&memory.keys).len()), (1, 2));
    }

    #[test]
    fn parts_cannot_be_moved_from_one_to_the_next() {
        let usual = HashChoice::Usual;
        assert_ne!(Proven::proof(b"k", usual, b"ab", b"c"), Proven::proof(b"k", usual, b"a", b"bc"));
        assert_ne!(Proven::proof(b"ke", usual, b"y", b"c"), Proven::proof(b"k", usual, b"ey", b"c"));
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_used() {
        let proven = Proven::default();
        let proof = |number: usize| Proven::proof(b"k", HashChoice::Usual, &number.to_le_bytes(), b"s");
        proven.remember(proof(0));
        for number in 1..3 * SIGNATURE_LIMIT {
            proven.remember(proof(number));
            assert!(proven.holds(&proof(0)), "{number}");
        }
        let known = locked(&proven.0);
        assert!(known.young.len() + known.old.len() <= SIGNATURE_LIMIT);
        assert!(!known.young.contains(&proof(1)) && !known.old.contains(&proof(1)));
    }

    #[test]
    fn keys_beyond_the_limit_push_the_others_out() {
        let memory = KeyMemory::default();
        let pem = PrivateKey::generate().unwrap().public_key().to_pem();
        for number in 0..=KEY_LIMIT {
            memory.from_pem(format!("{pem}{number}").as_bytes()).unwrap();
        }
        assert_eq!(locked(&memory.keys).len(), 1);
        assert!(memory.from_pem(b"no key").is_err());
    }
}
