//! cosign's encrypted key document: scrypt, secretbox and the JSON around them.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use scrypt::Params;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::secretbox;

/// The scrypt costs cosign has written, as powers of two: N 32768 (old files), 65536 (today), 131072.
/// The memory for one is 128 · r · N = 32, 64 or 128 MiB.
const COSTS: [u8; 3] = [15, 16, 17];
const COST_WRITTEN: u8 = 16;
const BLOCK_SIZE: u64 = 8;
const PARALLELISM: u64 = 1;
const SALT: usize = 32;
const SCRYPT: &str = "scrypt";
const SECRETBOX: &str = "nacl/secretbox";

#[derive(Serialize, Deserialize)]
struct Document {
    #[serde(default)]
    kdf: Derivation,
    #[serde(default)]
    cipher: Cipher,
    #[serde(default)]
    ciphertext: Base64,
}

#[derive(Default, Serialize, Deserialize)]
struct Derivation {
    #[serde(default)]
    name: String,
    #[serde(default)]
    params: Costs,
    #[serde(default)]
    salt: Base64,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Costs {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Cipher {
    name: String,
    nonce: Base64,
}

/// Bytes that are a base64 string in JSON, as Go's `[]byte` is.
#[derive(Default)]
struct Base64(Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Opens a document; nothing is derived before its costs are known to be one of the three.
pub(crate) fn open(document: &[u8], password: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let document: Document = serde_json::from_slice(document).map_err(|fault| KeyError::EncryptedJson {
        line: fault.line(),
        column: fault.column(),
        syntax: !fault.is_data(),
    })?;
    if document.kdf.name != SCRYPT {
        return Err(KeyError::UnknownKdf { found: document.kdf.name });
    }
    if document.cipher.name != SECRETBOX {
        return Err(KeyError::UnknownCipher { found: document.cipher.name });
    }
    let Costs { n, r, p } = document.kdf.params;
    let cost = COSTS.into_iter().find(|cost| n == 1 << cost && r == BLOCK_SIZE && p == PARALLELISM);
    let cost = cost.ok_or(KeyError::UnsupportedScryptParameters { n, r, p })?;
    let nonce = document.cipher.nonce.0;
    let nonce = nonce.as_slice().try_into().map_err(|_| KeyError::NonceLength { found: nonce.len() })?;
    let key = derive(password, &document.kdf.salt.0, cost)?;
    secretbox::open(&key, nonce, &document.ciphertext.0).ok_or(KeyError::DecryptionFailed)
}

/// Writes a document as cosign 3.1 does: compact, fields in its order, fresh salt and nonce.
pub(crate) fn seal(plain: &[u8], password: &[u8]) -> Result<Vec<u8>, KeyError> {
    let no_random = |_| KeyError::Library { doing: "reading random bytes" };
    let mut salt = vec![0_u8; SALT];
    let mut nonce = [0_u8; secretbox::NONCE];
    rand::fill(&mut salt).map_err(no_random)?;
    rand::fill(&mut nonce).map_err(no_random)?;
    let key = derive(password, &salt, COST_WRITTEN)?;
    let document = Document {
        kdf: Derivation {
            name: SCRYPT.to_owned(),
            params: Costs { n: 1 << COST_WRITTEN, r: BLOCK_SIZE, p: PARALLELISM },
            salt: Base64(salt),
        },
        cipher: Cipher { name: SECRETBOX.to_owned(), nonce: Base64(nonce.to_vec()) },
        ciphertext: Base64(secretbox::seal(&key, &nonce, plain)),
    };
    serde_json::to_vec(&document).map_err(|_| KeyError::Library { doing: "writing the key document" })
}

fn derive(password: &[u8], salt: &[u8], cost: u8) -> Result<Zeroizing<[u8; secretbox::KEY]>, KeyError> {
    let failed = KeyError::Library { doing: "deriving a key from the password" };
    let params = Params::new(cost, BLOCK_SIZE as u32, PARALLELISM as u32).map_err(|_| failed.clone())?;
    let mut key = Zeroizing::new([0_u8; secretbox::KEY]);
    scrypt::scrypt(password, salt, &params, key.as_mut()).map_err(|_| failed)?;
    Ok(key)
}

#[cfg(test)]
mod tests;
