//! A transparency log in memory: entries, their promises, inclusion proofs and checkpoints.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::key::{SigningKey, sha256};

/// The tree that Rekor v1's checkpoints name behind the host.
const TREE_ID: u64 = 1_193_050_959_916_656_506;

/// A log as Rekor keeps it.
pub struct Log {
    /// The log's key.
    pub key: SigningKey,
    /// What it calls itself in checkpoints.
    pub origin: String,
    bodies: Mutex<Vec<Vec<u8>>>,
}

/// An entry of the log, as the log answers with it.
#[derive(Clone, Debug)]
pub struct LoggedEntry {
    /// The entry, canonical JSON.
    pub body: Vec<u8>,
    /// Its place.
    pub index: u64,
    /// When it came, in seconds since 1970; Rekor v2 does not say.
    pub time: i64,
    /// The log's identity: SHA-256 of its key.
    pub log_id: [u8; 32],
    /// The signed entry timestamp.
    pub promise: Vec<u8>,
    /// How many entries the tree of the proof has.
    pub tree_size: u64,
    /// The root of that tree.
    pub root: [u8; 32],
    /// The hashes from the leaf to the root.
    pub hashes: Vec<[u8; 32]>,
    /// The signed note about that tree as Rekor v2 writes it, whose origin is the log's host.
    pub checkpoint: String,
    /// The same as Rekor v1 writes it, whose origin names the tree behind the host.
    pub tree_checkpoint: String,
}

impl Log {
    /// An empty log.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        Self { key: SigningKey::generate(), origin: origin.to_owned(), bodies: Mutex::new(Vec::new()) }
    }

    /// Takes an entry in and answers for it.
    #[must_use]
    pub fn append(&self, body: &[u8], time: i64) -> LoggedEntry {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.push(body.to_vec());
        let leaves: Vec<[u8; 32]> = bodies.iter().map(|body| leaf_hash(body)).collect();
        let index = leaves.len() - 1;
        let root = tree_hash(&leaves);
        let log_id = self.key.id();
        let promise = self.promise(body, time, index as u64, log_id);
        LoggedEntry {
            body: body.to_vec(),
            index: index as u64,
            time,
            log_id,
            promise,
            tree_size: leaves.len() as u64,
            root,
            hashes: path(index, &leaves),
            checkpoint: self.checkpoint(leaves.len(), &root),
            tree_checkpoint: self.tree_checkpoint(leaves.len(), &root),
        }
    }

    /// The signed entry timestamp: the canonical JSON of four fields, signed.
    #[must_use]
    pub fn promise(&self, body: &[u8], time: i64, index: u64, log_id: [u8; 32]) -> Vec<u8> {
        let text = format!(
            r#"{{"body":"{}","integratedTime":{time},"logID":"{}","logIndex":{index}}}"#,
            STANDARD.encode(body),
            hex(&log_id)
        );
        self.key.sign(text.as_bytes())
    }

    /// The signed note about a tree of this size and root, as Rekor v2 writes it.
    #[must_use]
    pub fn checkpoint(&self, size: usize, root: &[u8; 32]) -> String {
        self.note(&self.origin, size, root)
    }

    /// The signed note about a tree of this size and root, as Rekor v1 writes it: `HOST - TREEID`.
    #[must_use]
    pub fn tree_checkpoint(&self, size: usize, root: &[u8; 32]) -> String {
        self.note(&format!("{} - {TREE_ID}", self.origin), size, root)
    }

    fn note(&self, origin: &str, size: usize, root: &[u8; 32]) -> String {
        let note = format!("{origin}\n{size}\n{}\n", STANDARD.encode(root));
        let mut signature = self.key.id().iter().take(4).copied().collect::<Vec<u8>>();
        signature.extend(self.key.sign(note.as_bytes()));
        format!("{note}\n\u{2014} {} {}\n", self.origin, STANDARD.encode(signature))
    }
}

impl LoggedEntry {
    /// The entry inside a Sigstore bundle (v0.2 and up: promise and proof), as Rekor v1 is stored there.
    #[must_use]
    pub fn for_bundle(&self, kind: &str, version: &str) -> Value {
        let mut entry = self.for_bundle_v2(kind, version);
        if let Some(fields) = entry.as_object_mut() {
            fields.insert("integratedTime".to_owned(), json!(self.time.to_string()));
            if let Some(Value::Object(proof)) = fields.get_mut("inclusionProof") {
                proof.insert("checkpoint".to_owned(), json!({"envelope": self.tree_checkpoint}));
            }
            let promise = json!({"signedEntryTimestamp": STANDARD.encode(&self.promise)});
            fields.insert("inclusionPromise".to_owned(), promise);
        }
        entry
    }

    /// The entry inside a Sigstore bundle as Rekor v2 is stored there: a proof, and no time.
    #[must_use]
    pub fn for_bundle_v2(&self, kind: &str, version: &str) -> Value {
        let hashes: Vec<String> = self.hashes.iter().map(|hash| STANDARD.encode(hash)).collect();
        json!({
            "logIndex": self.index.to_string(),
            "logId": {"keyId": STANDARD.encode(self.log_id)},
            "kindVersion": {"kind": kind, "version": version},
            "inclusionProof": {
                "logIndex": self.index.to_string(),
                "rootHash": STANDARD.encode(self.root),
                "treeSize": self.tree_size.to_string(),
                "hashes": hashes,
                "checkpoint": {"envelope": self.checkpoint},
            },
            "canonicalizedBody": STANDARD.encode(&self.body),
        })
    }

    /// The entry as cosign's annotation `dev.sigstore.cosign/bundle` holds it.
    #[must_use]
    pub fn for_annotation(&self) -> String {
        json!({
            "SignedEntryTimestamp": STANDARD.encode(&self.promise),
            "Payload": {
                "body": STANDARD.encode(&self.body),
                "integratedTime": self.time,
                "logIndex": self.index,
                "logID": hex(&self.log_id),
            },
        })
        .to_string()
    }

    /// The entry as Rekor v1's API answers with it: an object of one entry by its identity.
    #[must_use]
    pub fn for_api(&self) -> Value {
        let uuid = hex(&leaf_hash(&self.body));
        let hashes: Vec<String> = self.hashes.iter().map(|hash| hex(hash)).collect();
        json!({ uuid: {
            "body": STANDARD.encode(&self.body),
            "integratedTime": self.time,
            "logID": hex(&self.log_id),
            "logIndex": self.index,
            "verification": {
                "inclusionProof": {
                    "checkpoint": self.tree_checkpoint,
                    "hashes": hashes,
                    "logIndex": self.index,
                    "rootHash": hex(&self.root),
                    "treeSize": self.tree_size,
                },
                "signedEntryTimestamp": STANDARD.encode(&self.promise),
            },
        }})
    }
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 6962's hash of a leaf.
#[must_use]
pub fn leaf_hash(body: &[u8]) -> [u8; 32] {
    sha256(&[&[0], body].concat())
}

/// RFC 6962's hash of a tree.
fn tree_hash(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => sha256(b""),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            sha256(&[&[1], tree_hash(left).as_slice(), &tree_hash(right)].concat())
        }
    }
}

/// The hashes that lead from a leaf to the root.
fn path(index: usize, leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut hashes, other) = match index.checked_sub(middle) {
        None => (path(index, left), tree_hash(right)),
        Some(index) => (path(index, right), tree_hash(left)),
    };
    hashes.push(other);
    hashes
}

/// The largest power of two below this number, which is at least 2.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}
