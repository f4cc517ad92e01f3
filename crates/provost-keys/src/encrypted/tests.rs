//! The encrypted document under test: its layout, its costs, its faults.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Base64, Cipher, Costs, Derivation, Document, derive, open, seal};
use crate::error::KeyError;
use crate::secretbox;

/// A document with any cost, as older and stricter programs write.
fn sealed_with(cost: u8) -> Vec<u8> {
    let key = derive(b"p", b"salt", cost).unwrap();
    let document = Document {
        kdf: Derivation {
            name: "scrypt".to_owned(),
            params: Costs { n: 1 << cost, r: 8, p: 1 },
            salt: Base64(b"salt".to_vec()),
        },
        cipher: Cipher { name: "nacl/secretbox".to_owned(), nonce: Base64(vec![7; 24]) },
        ciphertext: Base64(secretbox::seal(&key, &[7; 24], b"the secret")),
    };
    serde_json::to_vec(&document).unwrap()
}

fn changed(change: impl Fn(&mut Value)) -> Result<Vec<u8>, KeyError> {
    let mut document: Value = serde_json::from_slice(&sealed_with(15)).unwrap();
    change(&mut document);
    open(document.to_string().as_bytes(), b"p").map(|plain| plain.to_vec())
}

#[test]
fn all_three_costs_open() {
    for cost in [15, 16, 17] {
        assert_eq!(open(&sealed_with(cost), b"p").unwrap().as_slice(), b"the secret", "{cost}");
    }
}

#[test]
fn any_other_cost_is_refused_before_anything_is_computed() {
    let started = Instant::now();
    for (n, r, p) in [
        (1_u64 << 62, 8, 1),
        (1 << 18, 8, 1),
        (1 << 14, 8, 1),
        (65537, 8, 1),
        (0, 8, 1),
        (65536, 1 << 40, 1),
        (65536, 8, u64::MAX),
        (65536, 0, 0),
    ] {
        let refused = changed(|document| document["kdf"]["params"] = json!({"N": n, "r": r, "p": p}));
        assert_eq!(refused, Err(KeyError::UnsupportedScryptParameters { n, r, p }));
    }
    let none = changed(|document| document["kdf"]["params"] = json!({}));
    assert_eq!(none, Err(KeyError::UnsupportedScryptParameters { n: 0, r: 0, p: 0 }));
    // Nine small sealings for the input are the only scrypt there is; N = 2^62 would never end.
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn names_lengths_and_shapes_have_their_own_errors() {
    assert_eq!(
        changed(|d| d["kdf"]["name"] = "argon2".into()),
        Err(KeyError::UnknownKdf { found: "argon2".to_owned() })
    );
    assert_eq!(
        changed(|d| d["cipher"]["name"] = "aes".into()),
        Err(KeyError::UnknownCipher { found: "aes".to_owned() })
    );
    assert_eq!(changed(|d| d["cipher"]["nonce"] = "AAAA".into()), Err(KeyError::NonceLength { found: 3 }));
    assert_eq!(changed(|d| d["ciphertext"] = "AAAA".into()), Err(KeyError::DecryptionFailed));
    assert_eq!(changed(|d| d["ciphertext"] = "".into()), Err(KeyError::DecryptionFailed));
    for shape in ["7", "null", r#"{"kdf": 7}"#, r#"{"kdf": {"params": {"N": -1}}}"#] {
        let refused = open(shape.as_bytes(), b"p").unwrap_err();
        assert!(matches!(refused, KeyError::EncryptedJson { syntax: false, .. }), "{shape}: {refused:?}");
    }
    for broken in ["", "{", "not json", "{\"kdf\":"] {
        let refused = open(broken.as_bytes(), b"p").unwrap_err();
        assert!(matches!(refused, KeyError::EncryptedJson { syntax: true, .. }), "{broken}: {refused:?}");
    }
    let doubled = br#"{"kdf":{"name":"scrypt","name":"scrypt"}}"#;
    assert!(matches!(open(doubled, b"p"), Err(KeyError::EncryptedJson { .. })));
    assert!(matches!(open(b"{}", b"p"), Err(KeyError::UnknownKdf { .. })));
}

#[test]
fn deep_nesting_ends_in_an_error() {
    let deep = "[".repeat(100_000);
    assert!(matches!(open(deep.as_bytes(), b"p"), Err(KeyError::EncryptedJson { .. })));
}

#[test]
fn the_layout_is_cosigns() {
    let text = String::from_utf8(seal(b"the secret", b"").unwrap()).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let part = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    let expected = format!(
        r#"{{"kdf":{{"name":"scrypt","params":{{"N":65536,"r":8,"p":1}},"salt":"{}"}},"cipher":{{"name":"nacl/secretbox","nonce":"{}"}},"ciphertext":"{}"}}"#,
        part("/kdf/salt"),
        part("/cipher/nonce"),
        part("/ciphertext"),
    );
    assert_eq!(text, expected);
    assert_eq!((part("/kdf/salt").len(), part("/cipher/nonce").len()), (44, 32));
    assert_eq!(open(text.as_bytes(), b"").unwrap().as_slice(), b"the secret");
    assert_ne!(seal(b"the secret", b"").unwrap(), text.into_bytes(), "salt and nonce are fresh each time");
}
