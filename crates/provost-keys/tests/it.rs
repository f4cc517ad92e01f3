//! Keys made by cosign and openssl, opened, used and broken through the public face of the crate.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read its own files stops")]

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{
    Hash, HashChoice, KEY_FILE_LIMIT, KeyError, KeyKind, PrivateKey, PrivateKeyFault, PublicKey,
    PublicKeyFault, SignatureError,
};
use serde_json::Value;

/// Keys made by cosign: name, kind, OpenSSH fingerprint (by `ssh-keygen -lf`), hint (by `openssl dgst`).
const COSIGN: [(&str, KeyKind, &str, &str); 5] = [
    (
        "alice",
        KeyKind::EcdsaP256,
        "SHA256:aTjcZ0tz3PUmDIobd36+T8Mw6T3xMKSNwOKDtBZetQw",
        "G9XlRhuT0mclv7wcEm3L1qel9zR3Xp458AKVWWKttYE=",
    ),
    (
        "p384",
        KeyKind::EcdsaP384,
        "SHA256:Qr0y9JyiwMh1fBMs307urqv7OL7C5UizWuy5xyEiUbE",
        "mKC2mGBELffOs3wp2U/QI4JeT2oVHGbdYHoHACyBDOM=",
    ),
    (
        "p521",
        KeyKind::EcdsaP521,
        "SHA256:yfklEPHBtrQdDwEitWps4yt2c9SMWHbEa/PiX1FDfkQ",
        "UfJY2lgeZOeo4c/bSHE3Y/Er3YG3vxMYaaIHP9U+VKM=",
    ),
    (
        "ed25519",
        KeyKind::Ed25519,
        "SHA256:jhqJEhEyiIhRXiynGOcuFFKPS4mQ6SqhzT8MkESqB88",
        "if7wku+0mAMZIfi/7dN53FYZAUeHTwU1qlA/pBJ0zoM=",
    ),
    (
        "rsa2048",
        KeyKind::Rsa { bits: 2048 },
        "SHA256:RixVOHa2dWm9CnxAx14Y1QQ+PdwGYsoP8VTeXL2zA/I",
        "KDtC5NLUXcLsYHvaeTLv1zXcipdIzLsmpiBlLBXU9ww=",
    ),
];

fn corpus(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/keys").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn public(name: &str) -> PublicKey {
    PublicKey::from_pem(&corpus(&format!("{name}.pub"))).unwrap()
}

/// The pre-authentication encoding of a DSSE envelope, and its signature.
fn dsse(name: &str) -> (Vec<u8>, Vec<u8>) {
    let envelope: Value = serde_json::from_slice(&corpus(&format!("{name}.dsse.json"))).unwrap();
    let part = |pointer: &str| envelope.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    let payload = STANDARD.decode(part("/payload")).unwrap();
    let kind = part("/payloadType");
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend(payload);
    (message, STANDARD.decode(part("/signatures/0/sig")).unwrap())
}

#[test]
fn keys_made_by_cosign_open_sign_and_are_who_they_say() {
    for (name, kind, fingerprint, hint) in COSIGN {
        let key = PrivateKey::from_encrypted_pem(&corpus(&format!("{name}.key")), b"pw").unwrap();
        let public = public(name);
        assert_eq!(key.public_key(), public, "{name}");
        assert_eq!((key.kind(), public.kind()), (kind, kind), "{name}");
        assert_eq!(public.ssh_fingerprint(), fingerprint, "{name}");
        assert_eq!(public.hint(), hint, "{name}");
        assert_eq!(public.to_pem().into_bytes(), corpus(&format!("{name}.pub")), "{name}");
        assert_eq!(PublicKey::from_der(public.to_der()).unwrap(), public, "{name}");
        let signature = key.sign(b"message").unwrap();
        assert_eq!(public.verify(b"message", &signature, HashChoice::Usual), Ok(()), "{name}");
        assert!(public.verify(b"another", &signature, HashChoice::Usual).is_err(), "{name}");
        assert!(!format!("{key:?} {public:?}").contains("BEGIN"), "{name}");
    }
}

#[test]
fn signatures_made_by_cosign_verify_and_their_changes_do_not() {
    for (name, kind, ..) in COSIGN {
        let key = public(name);
        let (message, signature) = dsse(name);
        assert_eq!(key.verify(&message, &signature, HashChoice::Usual), Ok(()), "{name}");
        let invalid = match kind {
            KeyKind::Ed25519 => SignatureError::Ed25519,
            KeyKind::Rsa { .. } => SignatureError::Rsa,
            _ => SignatureError::Ecdsa,
        };
        for at in 0..signature.len() {
            let mut flipped = signature.clone();
            flipped[at] ^= 1;
            assert_eq!(key.verify(&message, &flipped, HashChoice::Usual), Err(invalid), "{name} byte {at}");
        }
        for length in 0..signature.len() {
            let cut = &signature[..length];
            assert_eq!(key.verify(&message, cut, HashChoice::Usual), Err(invalid), "{name} length {length}");
        }
        let longer = [signature.as_slice(), b"\0"].concat();
        assert_eq!(key.verify(&message, &longer, HashChoice::Usual), Err(invalid), "{name}");
        for (other, ..) in COSIGN.iter().filter(|(other, ..)| *other != name) {
            assert!(
                public(other).verify(&message, &signature, HashChoice::Usual).is_err(),
                "{name} by {other}"
            );
        }
    }
    let blob = STANDARD.decode(corpus("blob.sig").trim_ascii()).unwrap();
    assert_eq!(public("alice").verify(&corpus("blob.txt"), &blob, HashChoice::Exactly(Hash::Sha256)), Ok(()));
}

#[test]
fn a_policys_hash_is_taken_at_its_word() {
    let hashes = [Hash::Sha224, Hash::Sha256, Hash::Sha384, Hash::Sha512];
    for (name, kind, ..) in COSIGN {
        let key = PrivateKey::from_encrypted_pem(&corpus(&format!("{name}.key")), b"pw").unwrap();
        let public = key.public_key();
        for made in hashes {
            if (kind, made) == (KeyKind::Rsa { bits: 2048 }, Hash::Sha224) {
                assert_eq!(key.sign_exactly(b"m", made), Err(KeyError::UnsupportedHash { kind, hash: made }));
                let unchecked = public.verify(b"m", &[0; 256], HashChoice::Exactly(made)).unwrap_err();
                assert!(unchecked.is_unchecked(), "neither pass nor fail");
                continue;
            }
            let signature = key.sign_exactly(b"m", made).unwrap();
            for asked in hashes {
                let holds = public.verify(b"m", &signature, HashChoice::Exactly(asked)).is_ok();
                assert_eq!(
                    holds,
                    kind == KeyKind::Ed25519 || made == asked,
                    "{name}: {made} read as {asked}"
                );
            }
            let usual = match kind {
                KeyKind::EcdsaP256 => made == Hash::Sha256,
                KeyKind::EcdsaP384 => matches!(made, Hash::Sha384 | Hash::Sha256),
                KeyKind::EcdsaP521 => matches!(made, Hash::Sha512 | Hash::Sha256),
                KeyKind::Rsa { .. } | KeyKind::Ed25519 => true,
            };
            assert_eq!(public.verify(b"m", &signature, HashChoice::Usual).is_ok(), usual, "{name}: {made}");
        }
    }
    let prehashed = dsse("ed25519");
    let pure = HashChoice::Exactly(Hash::Sha512);
    assert_eq!(public("ed25519").verify(&prehashed.0, &prehashed.1, pure), Err(SignatureError::Ed25519));
}

#[test]
fn a_made_key_is_written_as_cosign_writes_and_opens_with_its_password_alone() {
    for password in [b"".as_slice(), b"pw", b"with a line break\n", &[0xff, 0, 0x80]] {
        let key = PrivateKey::generate().unwrap();
        assert_eq!(key.kind(), KeyKind::EcdsaP256);
        let text = key.to_encrypted_pem(password).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
        assert!(text.ends_with("\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
        let opened = PrivateKey::from_encrypted_pem(text.as_bytes(), password).unwrap();
        assert_eq!(opened.public_key(), key.public_key());
        let wrong = PrivateKey::from_encrypted_pem(text.as_bytes(), b"wrong").unwrap_err();
        assert_eq!(wrong, KeyError::DecryptionFailed);
        let older = text.replace("SIGSTORE", "COSIGN");
        assert!(PrivateKey::from_encrypted_pem(older.as_bytes(), password).is_ok());
    }
    let ours = PrivateKey::generate().unwrap().to_encrypted_pem(b"pw").unwrap();
    let theirs = String::from_utf8(corpus("alice.key")).unwrap();
    assert_eq!(
        ours.lines().map(str::len).collect::<Vec<_>>(),
        theirs.lines().map(str::len).collect::<Vec<_>>()
    );
}

#[test]
fn every_kind_is_written_and_read_back() {
    for name in ["import-pkcs8-p256", "import-sec1-p384", "import-pkcs8-ed25519", "import-pkcs1-2048"] {
        let key = PrivateKey::from_pem(&corpus(&format!("{name}.pem"))).unwrap();
        let text = key.to_encrypted_pem(b"pw").unwrap();
        let opened = PrivateKey::from_encrypted_pem(text.as_bytes(), b"pw").unwrap();
        assert_eq!(opened.public_key(), key.public_key(), "{name}");
        let signature = opened.sign(b"message").unwrap();
        assert_eq!(key.public_key().verify(b"message", &signature, HashChoice::Usual), Ok(()), "{name}");
    }
    for name in ["import-sec1-p384", "import-pkcs1-2048"] {
        let key = PrivateKey::from_pem(&corpus(&format!("{name}.pem"))).unwrap();
        assert_eq!(key.public_key(), public(name), "{name}");
    }
    assert_eq!(public("pkcs1-2048"), public("import-pkcs1-2048"));
}

#[test]
fn what_import_does_not_take_is_named() {
    let refused = |name: &str| PrivateKey::from_pem(&corpus(name)).unwrap_err();
    let fault = PrivateKeyFault::RsaParameters { bits: 2048, exponent: 3 };
    assert_eq!(refused("import-pkcs1-exponent-3.pem"), KeyError::PrivateKey(fault));
    let found = "PUBLIC KEY".to_owned();
    assert_eq!(refused("alice.pub"), KeyError::UnsupportedPrivateKey { found });
    let found = "ENCRYPTED SIGSTORE PRIVATE KEY".to_owned();
    assert_eq!(refused("alice.key"), KeyError::UnsupportedPrivateKey { found });
    assert_eq!(PrivateKey::from_pem(b"garbage").unwrap_err(), KeyError::NoPrivatePem);
    let relabelled = |from: &str, to: &str, name: &str| {
        let text = String::from_utf8(corpus(name)).unwrap().replace(from, to);
        PrivateKey::from_pem(text.as_bytes()).unwrap_err()
    };
    let sec1 = relabelled("EC PRIVATE KEY", "PRIVATE KEY", "import-sec1-p384.pem");
    assert_eq!(sec1, KeyError::PrivateKey(PrivateKeyFault::Sec1));
    let pkcs1 = relabelled("RSA PRIVATE KEY", "PRIVATE KEY", "import-pkcs1-2048.pem");
    assert_eq!(pkcs1, KeyError::PrivateKey(PrivateKeyFault::Pkcs1));
}

#[test]
fn public_keys_that_cannot_be_used_say_why() {
    let refused = |name: &str| PublicKey::from_pem(&corpus(name)).unwrap_err();
    let oid = |text: &str| text.to_owned();
    for (name, fault) in [
        ("p224.pub", PublicKeyFault::P224),
        ("secp256k1.pub", PublicKeyFault::UnknownCurve { oid: oid("1.3.132.0.10") }),
        ("x25519.pub", PublicKeyFault::UnknownAlgorithm { oid: oid("1.3.101.110") }),
        ("rsa1024.pub", PublicKeyFault::RsaSize { bits: 1024 }),
        ("small-order.pub", PublicKeyFault::SmallOrder),
        ("compressed.pub", PublicKeyFault::Malformed),
    ] {
        assert_eq!(refused(name), KeyError::PublicKey(fault), "{name}");
    }
    assert_eq!(
        refused("alice.key").to_string(),
        "unknown Public key PEM file type: ENCRYPTED SIGSTORE PRIVATE KEY. Are you passing the correct public key?"
    );
    for nothing in [b"".as_slice(), b"garbage"] {
        assert_eq!(PublicKey::from_pem(nothing).unwrap_err().to_string(), "PEM decoding failed");
    }
    assert!(matches!(PublicKey::from_pem(&vec![b'-'; KEY_FILE_LIMIT + 1]), Err(KeyError::TooLarge { .. })));
}

#[test]
fn only_the_first_block_counts() {
    let both = [corpus("alice.pub"), corpus("p384.pub")].concat();
    assert_eq!(PublicKey::from_pem(&both).unwrap(), public("alice"));
    let hidden = [corpus("alice.key"), corpus("alice.pub")].concat();
    assert!(matches!(PublicKey::from_pem(&hidden), Err(KeyError::UnknownPublicPemType { .. })));
}

#[test]
fn broken_public_keys_are_errors() {
    for (name, ..) in COSIGN {
        let der = public(name).to_der().to_vec();
        for length in 0..der.len() {
            assert!(PublicKey::from_der(&der[..length]).is_err(), "{name} length {length}");
        }
        assert!(PublicKey::from_der(&[der.as_slice(), b"\0"].concat()).is_err(), "{name} with a tail");
        for at in 0..der.len() {
            let mut flipped = der.clone();
            flipped[at] ^= 0x10;
            // Some flips make another key; none may make the same one, and none may end the program.
            assert_ne!(PublicKey::from_der(&flipped).ok(), Some(public(name)), "{name} byte {at}");
        }
    }
}

#[test]
fn broken_private_key_files_are_errors() {
    let whole = corpus("alice.key");
    for length in 0..whole.len() - 1 {
        assert_eq!(
            PrivateKey::from_encrypted_pem(&whole[..length], b"pw").unwrap_err(),
            KeyError::NoPrivatePem,
            "{length}"
        );
    }
    assert_eq!(
        PrivateKey::from_encrypted_pem(&corpus("alice.pub"), b"pw").unwrap_err().to_string(),
        "unsupported pem type: PUBLIC KEY"
    );
    // A flipped bit in the ciphertext and one in the salt: each costs one scrypt, so two stand for all.
    let document: Value = {
        let text = String::from_utf8(whole).unwrap();
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        serde_json::from_slice(&STANDARD.decode(body).unwrap()).unwrap()
    };
    for pointer in ["/ciphertext", "/kdf/salt", "/cipher/nonce"] {
        let mut changed = document.clone();
        let field = changed.pointer_mut(pointer).unwrap();
        let mut bytes = STANDARD.decode(field.as_str().unwrap()).unwrap();
        bytes[0] ^= 1;
        *field = STANDARD.encode(bytes).into();
        let body = STANDARD.encode(changed.to_string());
        let pem = format!(
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n{body}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
        );
        let refused = PrivateKey::from_encrypted_pem(pem.as_bytes(), b"pw").unwrap_err();
        assert_eq!(refused.to_string(), "decrypt: encrypted: decryption failed", "{pointer}");
    }
}

#[test]
fn a_box_around_something_else_fails_while_parsing() {
    // An encrypted key of one kind whose inside is cut: made by sealing through the only door there is, PEM import.
    let text = String::from_utf8(corpus("import-pkcs8-p256.pem")).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).unwrap();
    for length in 0..der.len() {
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(&der[..length])
        );
        let refused = PrivateKey::from_pem(pem.as_bytes()).unwrap_err();
        assert!(matches!(refused, KeyError::PrivateKey(_)), "{length}: {refused}");
    }
}
