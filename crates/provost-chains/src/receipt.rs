//! Receipts: what a run must carry to count as signed, because anybody who may edit runs can write `signed: "true"`.
//!
//! A receipt is our key's signature over the run's uid, the digests of what was signed, and the configuration it was signed
//! under. It is no use on another run, a copy has another uid, and nobody without the key can make one (security.md 28).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{HashChoice, KeyError, PublicKey, Signer};
use provost_statement::envelope::pre_authentication_encoding;
use provost_statement::{Limits, json};
use serde::{Deserialize, Serialize};

/// The annotation that holds a receipt.
pub const RECEIPT: &str = "chains.tekton.dev/provost-receipt";
/// What the signature says its bytes are, so that it can never stand for a statement's.
const PAYLOAD_TYPE: &str = "application/vnd.provost.receipt+json";
/// The longest receipt that is looked at: one digest takes 74 bytes and a run's results hold at most 4 KiB of image names,
/// so 16 KiB of base64 hold more digests than any run has.
pub const RECEIPT_LIMIT: usize = 16 * 1024;

/// What a receipt vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The run.
    pub uid: String,
    /// `sha256:…` of each payload that was signed, in the order of signing.
    pub payloads: Vec<String>,
    /// `sha256:…` of the configuration.
    pub configuration: String,
}

impl Receipt {
    /// The annotation's text: payload and signature, each in base64, with a dot between.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub async fn sign(&self, key: &dyn Signer) -> Result<String, KeyError> {
        // Strings and lists of strings always have a JSON form.
        let payload = serde_json::to_vec(self).unwrap_or_default();
        let signature = key.sign(&pre_authentication_encoding(PAYLOAD_TYPE, &payload)).await?;
        Ok(format!("{}.{}", STANDARD.encode(payload), STANDARD.encode(signature)))
    }

    /// The receipt in an annotation, if one of these keys signed it for this run; anything else counts for nothing.
    #[must_use]
    pub fn open(text: &str, uid: &str, keys: &[PublicKey]) -> Option<Self> {
        if text.len() > RECEIPT_LIMIT {
            return None;
        }
        let (payload, signature) = text.split_once('.')?;
        let (payload, signature) = (STANDARD.decode(payload).ok()?, STANDARD.decode(signature).ok()?);
        let bytes = pre_authentication_encoding(PAYLOAD_TYPE, &payload);
        let holds = |key: &PublicKey| key.verify(&bytes, &signature, HashChoice::Usual).is_ok();
        if !keys.iter().any(holds) {
            return None;
        }
        let read: Self = serde_json::from_value(json::parse(&payload, Limits::STATEMENT).ok()?).ok()?;
        (!uid.is_empty() && read.uid == uid).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use provost_keys::PrivateKey;

    use super::*;

    fn receipt() -> Receipt {
        let digest = format!("sha256:{}", "a".repeat(64));
        Receipt { uid: "u1".to_owned(), payloads: vec![digest.clone()], configuration: digest }
    }

    #[tokio::test]
    async fn a_receipt_counts_for_its_own_run_and_under_its_own_keys() {
        let (key, other) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        let text = receipt().sign(&key).await.unwrap();
        let keys = [other.public_key(), key.public_key()];
        assert_eq!(Receipt::open(&text, "u1", &keys), Some(receipt()));
        assert_eq!(Receipt::open(&text, "u2", &keys), None, "a copied run");
        assert_eq!(Receipt::open(&text, "u1", &[other.public_key()]), None, "a stranger's key");
        assert_eq!(Receipt::open(&text, "u1", &[]), None);
    }

    #[tokio::test]
    async fn what_is_altered_counts_for_nothing() {
        let key = PrivateKey::generate().unwrap();
        let text = receipt().sign(&key).await.unwrap();
        let keys = [key.public_key()];
        let (payload, signature) = text.split_once('.').unwrap();
        let forged = STANDARD.encode(serde_json::to_vec(&Receipt { uid: "u2".into(), ..receipt() }).unwrap());
        for bad in [
            String::new(),
            ".".into(),
            payload.into(),
            format!("{forged}.{signature}"),
            format!("{payload}."),
        ] {
            assert_eq!(Receipt::open(&bad, "u2", &keys), None, "{bad}");
            assert_eq!(Receipt::open(&bad, "u1", &keys), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_signature_of_a_statement_is_no_receipt() {
        let key = PrivateKey::generate().unwrap();
        let payload = serde_json::to_vec(&receipt()).unwrap();
        let bytes = pre_authentication_encoding(provost_statement::IN_TOTO_PAYLOAD, &payload);
        let signature = key.sign(&bytes).unwrap();
        let text = format!("{}.{}", STANDARD.encode(payload), STANDARD.encode(signature));
        assert_eq!(Receipt::open(&text, "u1", &[key.public_key()]), None);
    }

    #[tokio::test]
    async fn what_is_too_long_is_not_read() {
        let key = PrivateKey::generate().unwrap();
        let digest = format!("sha256:{}", "a".repeat(64));
        let long = Receipt { payloads: vec![digest; 170], ..receipt() };
        let text = long.sign(&key).await.unwrap();
        assert!(text.len() > RECEIPT_LIMIT);
        assert_eq!(Receipt::open(&text, "u1", &[key.public_key()]), None);
        let short = Receipt { payloads: long.payloads[..150].to_vec(), ..receipt() };
        let text = short.sign(&key).await.unwrap();
        assert_eq!(Receipt::open(&text, "u1", &[key.public_key()]), Some(short));
    }
}
