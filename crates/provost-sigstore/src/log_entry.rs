//! An entry of a transparency log: as servers answer it, as bundles carry it, as cosign's older annotation carries it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_statement::go_json;
use serde::Serialize;
use serde_json::Value;

/// The most hashes of an inclusion proof: a tree of 2^63 leaves, the most an index can count, needs 63.
pub const MAX_PROOF_HASHES: usize = 64;

/// What a log said about one entry. Nothing about it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The entry's place in the log.
    pub log_index: i64,
    /// The log's name: the hash of its key, or its checkpoint's key hash.
    pub log_id: Vec<u8>,
    /// `hashedrekord`, `dsse` or another kind of the log.
    pub kind: String,
    /// The version of that kind.
    pub version: String,
    /// When the log took the entry in, in seconds since 1970; zero where it does not say (Rekor v2).
    pub integrated_time: i64,
    /// The log's signed promise to take it in (SET).
    pub promise: Option<Vec<u8>>,
    /// The way from the entry to a signed root.
    pub proof: Option<InclusionProof>,
    /// The entry as the log hashed it.
    pub body: Vec<u8>,
}

/// The way from an entry to a root that the log signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The entry's place in this tree.
    pub log_index: i64,
    /// The root.
    pub root_hash: Vec<u8>,
    /// How many entries the tree had.
    pub tree_size: i64,
    /// The hashes on the way.
    pub hashes: Vec<Vec<u8>>,
    /// The signed note around the root.
    pub checkpoint: String,
}

/// Why an answer is no log entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogEntryError {
    /// A field is missing, or has another form.
    #[error("the log's answer has no usable {0}")]
    Field(&'static str),
    /// The proof is longer than any tree needs.
    #[error("the log's inclusion proof has {0} hashes, at most {MAX_PROOF_HASHES} are possible")]
    TooManyHashes(usize),
}

impl LogEntry {
    /// Reads one entry of Rekor v1's answer (`LogEntryAnon`: hexadecimal hashes, base64 body).
    ///
    /// # Errors
    /// See [`LogEntryError`].
    pub fn from_rekor_v1(answer: &Value) -> Result<Self, LogEntryError> {
        let body = base64_at(answer, "/body").ok_or(LogEntryError::Field("body"))?;
        let (kind, version) = kind_of(&body)?;
        let proof = match answer.pointer("/verification/inclusionProof").filter(|proof| !proof.is_null()) {
            Some(proof) => Some(InclusionProof {
                log_index: integer(proof, "/logIndex")
                    .ok_or(LogEntryError::Field("inclusionProof.logIndex"))?,
                root_hash: hex_at(proof, "/rootHash")
                    .ok_or(LogEntryError::Field("inclusionProof.rootHash"))?,
                tree_size: integer(proof, "/treeSize")
                    .ok_or(LogEntryError::Field("inclusionProof.treeSize"))?,
                hashes: hashes(proof, |text| hex::decode(text).ok())?,
                checkpoint: text_at(proof, "/checkpoint").unwrap_or_default(),
            }),
            None => None,
        };
        Ok(Self {
            log_index: integer(answer, "/logIndex").ok_or(LogEntryError::Field("logIndex"))?,
            log_id: hex_at(answer, "/logID").ok_or(LogEntryError::Field("logID"))?,
            kind,
            version,
            integrated_time: integer(answer, "/integratedTime")
                .ok_or(LogEntryError::Field("integratedTime"))?,
            promise: base64_at(answer, "/verification/signedEntryTimestamp"),
            proof,
            body,
        })
    }

    /// Reads an entry as bundles and Rekor v2's answers spell it (protobuf's JSON).
    ///
    /// # Errors
    /// See [`LogEntryError`].
    pub fn from_protobuf_json(entry: &Value) -> Result<Self, LogEntryError> {
        let body = base64_at(entry, "/canonicalizedBody").ok_or(LogEntryError::Field("canonicalizedBody"))?;
        let proof = match entry.pointer("/inclusionProof").filter(|proof| !proof.is_null()) {
            Some(proof) => Some(InclusionProof {
                log_index: integer(proof, "/logIndex").unwrap_or_default(),
                root_hash: base64_at(proof, "/rootHash")
                    .ok_or(LogEntryError::Field("inclusionProof.rootHash"))?,
                tree_size: integer(proof, "/treeSize")
                    .ok_or(LogEntryError::Field("inclusionProof.treeSize"))?,
                hashes: hashes(proof, |text| STANDARD.decode(text).ok())?,
                checkpoint: text_at(proof, "/checkpoint/envelope").unwrap_or_default(),
            }),
            None => None,
        };
        // Whether the rules of Rekor v2 hold hangs on both, so neither may be left open.
        let named = |path| text_at(entry, path).filter(|text| !text.is_empty());
        Ok(Self {
            log_index: integer(entry, "/logIndex").unwrap_or_default(),
            log_id: base64_at(entry, "/logId/keyId").ok_or(LogEntryError::Field("logId"))?,
            kind: named("/kindVersion/kind").ok_or(LogEntryError::Field("kindVersion"))?,
            version: named("/kindVersion/version").ok_or(LogEntryError::Field("kindVersion"))?,
            integrated_time: integer(entry, "/integratedTime").unwrap_or_default(),
            promise: base64_at(entry, "/inclusionPromise/signedEntryTimestamp"),
            proof,
            body,
        })
    }

    /// The same entry with the kind and version that its body states, which cosign's older form leaves out.
    ///
    /// # Errors
    /// When the body states none.
    pub fn named(self) -> Result<Self, LogEntryError> {
        let (kind, version) = kind_of(&self.body)?;
        Ok(Self { kind, version, ..self })
    }

    /// The entry as cosign's `dev.sigstore.cosign/bundle` annotation and `rekorBundle` field carry it.
    #[must_use]
    pub fn to_cosign(&self) -> CosignLogEntry {
        CosignLogEntry {
            promise: self.promise.as_ref().map(|set| STANDARD.encode(set)),
            payload: CosignPayload {
                body: STANDARD.encode(&self.body),
                integrated_time: self.integrated_time,
                log_index: self.log_index,
                log_id: hex::encode(&self.log_id),
            },
        }
    }

    /// The text of that annotation.
    #[must_use]
    pub fn to_annotation(&self) -> String {
        String::from_utf8_lossy(&go_json::escaped(&self.to_cosign())).into_owned()
    }

    pub(crate) fn wire(&self) -> Wire {
        let number = |number: i64| (number != 0).then(|| number.to_string());
        Wire {
            log_index: number(self.log_index),
            log_id: KeyId { key_id: STANDARD.encode(&self.log_id) },
            kind_version: KindVersion { kind: self.kind.clone(), version: self.version.clone() },
            integrated_time: number(self.integrated_time),
            inclusion_promise: self
                .promise
                .as_ref()
                .map(|set| Promise { signed_entry_timestamp: STANDARD.encode(set) }),
            inclusion_proof: self.proof.as_ref().map(|proof| Proof {
                log_index: number(proof.log_index),
                root_hash: STANDARD.encode(&proof.root_hash),
                tree_size: number(proof.tree_size),
                hashes: proof.hashes.iter().map(|hash| STANDARD.encode(hash)).collect(),
                checkpoint: Checkpoint { envelope: proof.checkpoint.clone() },
            }),
            canonicalized_body: STANDARD.encode(&self.body),
        }
    }
}

/// A log entry in cosign's older form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CosignLogEntry {
    #[serde(rename = "SignedEntryTimestamp")]
    promise: Option<String>,
    #[serde(rename = "Payload")]
    payload: CosignPayload,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct CosignPayload {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wire {
    #[serde(skip_serializing_if = "Option::is_none")]
    log_index: Option<String>,
    log_id: KeyId,
    kind_version: KindVersion,
    #[serde(skip_serializing_if = "Option::is_none")]
    integrated_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inclusion_promise: Option<Promise>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inclusion_proof: Option<Proof>,
    canonicalized_body: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyId {
    key_id: String,
}

#[derive(Serialize)]
struct KindVersion {
    kind: String,
    version: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Promise {
    signed_entry_timestamp: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    #[serde(skip_serializing_if = "Option::is_none")]
    log_index: Option<String>,
    root_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tree_size: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<String>,
    checkpoint: Checkpoint,
}

#[derive(Serialize)]
struct Checkpoint {
    envelope: String,
}

/// The kind and version an entry's body states.
fn kind_of(body: &[u8]) -> Result<(String, String), LogEntryError> {
    let document: Value = serde_json::from_slice(body).map_err(|_| LogEntryError::Field("body"))?;
    let kind = text_at(&document, "/kind").ok_or(LogEntryError::Field("kind"))?;
    Ok((kind, text_at(&document, "/apiVersion").ok_or(LogEntryError::Field("apiVersion"))?))
}

fn hashes(proof: &Value, decode: impl Fn(&str) -> Option<Vec<u8>>) -> Result<Vec<Vec<u8>>, LogEntryError> {
    let list = match proof.get("hashes") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(list) => list.as_array().ok_or(LogEntryError::Field("inclusionProof.hashes"))?,
    };
    if list.len() > MAX_PROOF_HASHES {
        return Err(LogEntryError::TooManyHashes(list.len()));
    }
    let each = list.iter().map(|hash| hash.as_str().and_then(&decode));
    each.collect::<Option<_>>().ok_or(LogEntryError::Field("inclusionProof.hashes"))
}

fn text_at(document: &Value, path: &str) -> Option<String> {
    document.pointer(path).and_then(Value::as_str).map(str::to_owned)
}

fn base64_at(document: &Value, path: &str) -> Option<Vec<u8>> {
    let text = document.pointer(path).and_then(Value::as_str)?;
    STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())
}

fn hex_at(document: &Value, path: &str) -> Option<Vec<u8>> {
    document.pointer(path).and_then(Value::as_str).and_then(|text| hex::decode(text).ok())
}

/// A number, also where protobuf's JSON writes it as text.
fn integer(document: &Value, path: &str) -> Option<i64> {
    let value = document.pointer(path)?;
    value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer() -> Value {
        json!({
            "body": STANDARD.encode(r#"{"apiVersion":"0.0.1","kind":"dsse","spec":{}}"#),
            "integratedTime": 7, "logID": "0a", "logIndex": 3,
            "verification": {
                "signedEntryTimestamp": "Ag==",
                "inclusionProof": {"checkpoint": "note", "hashes": ["0b"], "logIndex": 1, "rootHash": "0c", "treeSize": 2}
            }
        })
    }

    #[test]
    fn an_answer_of_rekor_v1_comes_back_from_a_bundle() {
        let entry = LogEntry::from_rekor_v1(&answer()).unwrap();
        assert_eq!((entry.kind.as_str(), entry.version.as_str(), entry.log_index), ("dsse", "0.0.1", 3));
        let wire = serde_json::to_value(entry.wire()).unwrap();
        assert_eq!(wire["inclusionProof"]["treeSize"], "2");
        assert_eq!(LogEntry::from_protobuf_json(&wire), Ok(entry.clone()));
        let annotation: Value = serde_json::from_str(&entry.to_annotation()).unwrap();
        assert_eq!(annotation["Payload"]["logID"], "0a");
        assert_eq!(annotation["SignedEntryTimestamp"], "Ag==");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (field, named) in [("body", "body"), ("logID", "logID"), ("logIndex", "logIndex")] {
            let mut broken = answer();
            broken.as_object_mut().unwrap().remove(field);
            assert_eq!(LogEntry::from_rekor_v1(&broken), Err(LogEntryError::Field(named)));
        }
        let mut long = answer();
        long["verification"]["inclusionProof"]["hashes"] = json!(vec!["00"; MAX_PROOF_HASHES + 1]);
        assert_eq!(LogEntry::from_rekor_v1(&long), Err(LogEntryError::TooManyHashes(MAX_PROOF_HASHES + 1)));
        assert_eq!(LogEntry::from_protobuf_json(&json!({})), Err(LogEntryError::Field("canonicalizedBody")));
    }
}
