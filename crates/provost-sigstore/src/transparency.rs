//! Whether a transparency log really has an entry: its promise, and the proof under its signed checkpoint.

use jiff::Timestamp;
use provost_keys::{HashChoice, PublicKey};
use sigstore_types::{Checkpoint, Sha256Hash};

use crate::log_entry::{InclusionProof, LogEntry};
use crate::window::Window;

/// The most entries of one bundle that are looked at, sigstore-go's limit.
pub const MAX_ENTRIES: usize = 32;

/// A log that is trusted.
#[derive(Clone, Debug)]
pub struct Log {
    /// What entries name it by.
    pub id: Vec<u8>,
    /// Its key.
    pub key: PublicKey,
    /// Where it is; its host stands in the checkpoints of Rekor v2. Empty where only the key is known.
    pub url: String,
    /// From when to when the key is the log's.
    pub valid: Window,
}

/// An entry that a trusted log has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Which log: its id.
    pub log: Vec<u8>,
    /// When the log took it in; only where the log signed that time.
    pub at: Option<Timestamp>,
}

/// Why an entry is not known to be in a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogFault {
    /// It names a log that is not trusted.
    #[error("the log entry is of a log that is not trusted: {id}")]
    UnknownLog {
        /// The log's id in hexadecimal digits.
        id: String,
    },
    /// It has neither a promise nor a proof.
    #[error("the log entry has neither an inclusion proof nor a promise")]
    NothingShown,
    /// Rekor v2 gives no promises, so a proof must be there.
    #[error("an entry of Rekor v2 needs an inclusion proof")]
    NoProof,
    /// The promise is not the log's.
    #[error("the log has not signed this entry's timestamp")]
    Promise,
    /// The promise is of a time at which the key was not the log's.
    #[error("the entry is of a time at which the log's key did not hold")]
    KeyNotValid,
    /// The log's key has an end, and nothing that is trusted says that the entry is from before it.
    #[error(
        "the log's key has an end date, and no timestamp of a trusted authority says that the entry is older"
    )]
    Untimed,
    /// The hashes do not lead from the entry to the root.
    #[error("the inclusion proof does not lead to the log's root: {0}")]
    Proof(String),
    /// The checkpoint is none, is about another root, or is not the log's.
    #[error("the log has not signed the checkpoint of the inclusion proof: {0}")]
    Checkpoint(&'static str),
}

/// Checks everything an entry shows against the trusted logs.
///
/// Of promise and proof what is there must hold. The time counts only under a promise: a proof covers the entry's body,
/// not the time beside it. Without a promise a log whose key has an end date is believed only where `stamped`, the time
/// of a trusted timestamp authority, lies within the key's days: whoever has a retired key can sign checkpoints today.
///
/// # Errors
/// See [`LogFault`].
pub fn verify_entry(
    entry: &LogEntry,
    logs: &[Log],
    stamped: impl FnOnce() -> Option<Timestamp>,
) -> Result<Logged, LogFault> {
    let second = is_rekor_v2(entry);
    let log = logs
        .iter()
        .find(|log| log.id == entry.log_id)
        .ok_or_else(|| LogFault::UnknownLog { id: hex::encode(&entry.log_id) })?;
    if entry.promise.is_none() && entry.proof.is_none() {
        return Err(LogFault::NothingShown);
    }
    if second && entry.proof.is_none() {
        return Err(LogFault::NoProof);
    }
    let mut at = None;
    if let Some(promise) = &entry.promise {
        let time = Timestamp::from_second(entry.integrated_time).map_err(|_| LogFault::Promise)?;
        if !log.valid.contains(time) {
            return Err(LogFault::KeyNotValid);
        }
        log.key
            .verify(promised(entry).as_bytes(), promise, HashChoice::Usual)
            .map_err(|_| LogFault::Promise)?;
        at = (entry.integrated_time != 0 && !second).then_some(time);
    }
    if let Some(proof) = &entry.proof {
        verify_proof(entry, proof, log, second)?;
    }
    if entry.promise.is_none()
        && log.valid.end.is_some()
        && !stamped().is_some_and(|at| log.valid.contains(at))
    {
        return Err(LogFault::Untimed);
    }
    Ok(Logged { log: log.id.clone(), at })
}

/// Whether an entry has the form of Rekor v2, which promises nothing and gives no time.
#[must_use]
pub fn is_rekor_v2(entry: &LogEntry) -> bool {
    entry.version == "0.0.2" && entry.kind != "intoto"
}

/// What a promise covers: four fields as canonical JSON.
fn promised(entry: &LogEntry) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    format!(
        r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
        STANDARD.encode(&entry.body),
        entry.integrated_time,
        hex::encode(&entry.log_id),
        entry.log_index
    )
}

fn verify_proof(entry: &LogEntry, proof: &InclusionProof, log: &Log, second: bool) -> Result<(), LogFault> {
    let checkpoint =
        Checkpoint::from_text(&proof.checkpoint).map_err(|_| LogFault::Checkpoint("it cannot be read"))?;
    let root = *checkpoint.root_hash();
    let size = checkpoint.tree_size();
    if !second && (proof.root_hash != root.as_bytes() || u64::try_from(proof.tree_size) != Ok(size)) {
        return Err(LogFault::Checkpoint("it is about another tree than the proof"));
    }
    if second && !named_by(&log.url, checkpoint.origin()) {
        return Err(LogFault::Checkpoint("its origin is not the log's host"));
    }
    let signed = checkpoint.signatures().iter().any(|signature| {
        log.key.verify(checkpoint.signed_data(), signature.signature.as_bytes(), HashChoice::Usual).is_ok()
    });
    if !signed {
        return Err(LogFault::Checkpoint("no signature is by the log's key"));
    }
    let index = if second { entry.log_index } else { proof.log_index };
    let index = u64::try_from(index).map_err(|_| LogFault::Proof("the index is negative".to_owned()))?;
    let hash = |bytes: &Vec<u8>| Sha256Hash::try_from(bytes.as_slice()).ok();
    let hashes: Option<Vec<Sha256Hash>> = proof.hashes.iter().map(hash).collect();
    let hashes = hashes.ok_or_else(|| LogFault::Proof("a hash has not 32 bytes".to_owned()))?;
    let leaf = sigstore_merkle::hash_leaf(&entry.body);
    sigstore_merkle::verify_inclusion_proof(&leaf, index, size, &hashes, &root)
        .map_err(|error| LogFault::Proof(error.to_string()))
}

/// Whether a checkpoint's origin is the host of this URL.
fn named_by(url: &str, origin: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    !host.is_empty() && origin == host
}

#[cfg(test)]
mod tests;
