//! Looking a signature up in a log of Rekor v1: what would be entered is proposed, and the entries there are come back.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::Hash;
use reqwest::Client;
use serde_json::{Value, json};
use sigstore_types::Sha256Hash;

use crate::log_entry::LogEntry;
use crate::rekor_client::{LogSigner, digest, posted};
use crate::service_client::ServiceError;
use crate::transparency::MAX_ENTRIES;

/// Where entries are looked up.
const PATH: &str = "/api/v1/log/entries/retrieve";
/// The hexadecimal digits of an entry's hash; what stands before them in an entry's name is the tree's.
const HASH_DIGITS: usize = 64;

/// What cosign's `sign` would have entered for this signature: its message by its hashes.
///
/// Besides SHA-256, which cosign always takes, the hash that the key itself signs with is proposed.
#[must_use]
pub fn message(message: &[u8], signature: &[u8], signer: &LogSigner<'_>) -> Vec<Value> {
    let own = signer.kind.signing_hash();
    let hashes = [Some(Hash::Sha256), Some(own).filter(|own| *own != Hash::Sha256)];
    let proposed = |hash: Hash| {
        json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": {"hash": {"algorithm": hash.as_str(), "value": hex::encode(digest(hash, message))}},
                "signature": {
                    "content": STANDARD.encode(signature),
                    "publicKey": {"content": STANDARD.encode(signer.pem())},
                },
            },
        })
    };
    hashes.into_iter().flatten().map(proposed).collect()
}

/// What cosign's `attest` would have entered for this envelope, as it is stored: of either kind.
#[must_use]
pub fn envelope(stored: &[u8], signer: &LogSigner<'_>) -> Vec<Value> {
    let key = STANDARD.encode(signer.pem());
    let text = String::from_utf8_lossy(stored);
    let hash = json!({"algorithm": "sha256", "value": hex::encode(digest(Hash::Sha256, stored))});
    vec![
        json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {"proposedContent": {"envelope": text, "verifiers": [key]}},
        }),
        json!({
            "apiVersion": "0.0.1",
            "kind": "intoto",
            "spec": {"content": {"envelope": text, "hash": hash}, "publicKey": key},
        }),
    ]
}

/// The entries a log has of those proposed. They are the server's word and nothing more: each has yet to be verified
/// against the keys of trusted logs, and compared with the signature.
///
/// An entry whose name is not the hash of its body, or that lacks the log's promise or an inclusion proof, is left out,
/// as in cosign.
///
/// # Errors
/// When the log does not answer, or what it answers is no list of at most [`MAX_ENTRIES`] entries.
pub async fn search(client: &Client, rekor: &str, proposed: &[Value]) -> Result<Vec<LogEntry>, ServiceError> {
    let ask = posted(rekor, PATH, &json!({"entries": proposed}));
    let answer = ask.send(client).await?;
    if answer.status != 200 {
        return Err(ask.refused(&answer));
    }
    let found: Vec<BTreeMap<String, Value>> =
        serde_json::from_slice(&answer.body).map_err(|error| ask.unreadable(error))?;
    let count: usize = found.iter().map(BTreeMap::len).sum();
    if count > MAX_ENTRIES {
        return Err(
            ask.unreadable(format!("the answer holds {count} entries, expected at most {MAX_ENTRIES}"))
        );
    }
    Ok(found.iter().flatten().filter_map(|(name, entry)| usable(name, entry)).collect())
}

fn usable(name: &str, entry: &Value) -> Option<LogEntry> {
    let entry = LogEntry::from_rekor_v1(entry).ok()?;
    let hash: Sha256Hash = sigstore_merkle::hash_leaf(&entry.body);
    let digits = name.len().checked_sub(HASH_DIGITS).and_then(|start| name.get(start..))?;
    let named = hex::decode(digits).ok()?;
    (named == hash.as_bytes() && entry.promise.is_some() && entry.proof.is_some()).then_some(entry)
}

#[cfg(test)]
mod tests {
    use provost_keys::KeyKind;

    use super::*;

    fn signer(kind: KeyKind) -> LogSigner<'static> {
        LogSigner { kind, der: b"der", is_certificate: false }
    }

    #[test]
    fn a_message_is_proposed_by_sha256_and_by_the_keys_own_hash() {
        let hashes = |kind| {
            let proposed = message(b"m", &[1], &signer(kind));
            let names = proposed.iter().map(|one| one["spec"]["data"]["hash"]["algorithm"].clone());
            names.collect::<Vec<_>>()
        };
        assert_eq!(hashes(KeyKind::EcdsaP256), ["sha256"]);
        assert_eq!(hashes(KeyKind::EcdsaP384), ["sha256", "sha384"]);
    }

    #[test]
    fn an_envelope_is_proposed_as_it_is_stored_in_both_kinds() {
        let proposed = envelope(br#"{"a": 1}"#, &signer(KeyKind::EcdsaP256));
        assert_eq!(proposed[0]["spec"]["proposedContent"]["envelope"], r#"{"a": 1}"#);
        assert_eq!(proposed[1]["spec"]["content"]["envelope"], r#"{"a": 1}"#);
        assert_eq!([&proposed[0]["kind"], &proposed[1]["kind"]], ["dsse", "intoto"]);
    }

    #[test]
    fn an_answer_counts_under_the_name_of_its_body_only() {
        let log = testkit::authority::Log::new("rekor.test");
        let logged = log.append(br#"{"apiVersion":"0.0.1","kind":"dsse","spec":{}}"#, 1_700_000_000);
        let name = hex::encode(sigstore_merkle::hash_leaf(&logged.body).as_bytes());
        let answer = logged.for_api()[&name].clone();
        assert!(usable(&name, &answer).is_some());
        assert!(usable(&format!("24296fb24b8ad77a{name}"), &answer).is_some());
        let other = hex::encode(sigstore_merkle::hash_leaf(b"another").as_bytes());
        assert_eq!(usable(&other, &answer), None);
        assert_eq!(usable("short", &answer), None);
        for field in ["inclusionProof", "signedEntryTimestamp"] {
            let mut answer = answer.clone();
            answer["verification"].as_object_mut().unwrap().remove(field);
            assert_eq!(usable(&name, &answer), None, "{field}");
        }
    }
}
