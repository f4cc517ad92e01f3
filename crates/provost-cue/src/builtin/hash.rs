//! Packages crypto/*: digests, message authentication, and Ed25519 signatures.

use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};

use super::Builtin;
use super::call::Call;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

const OCTETS: Kinds = Kinds::STRING_OR_BYTES;

macro_rules! digest {
    ($name:literal, $hash:ty) => {
        Builtin::function($name, &[OCTETS], |c| {
            // A block of 64 bytes takes about as long as a step.
            c.context.spend(c.bytes(0).len() / 64 + 1)?;
            let digest = <$hash>::digest(c.bytes(0)).to_vec();
            c.octets(digest)
        })
    };
}

pub(super) static SHA256: &[Builtin] =
    &[digest!("crypto/sha256.Sum256", Sha256), digest!("crypto/sha256.Sum224", Sha224)];
pub(super) static SHA512: &[Builtin] = &[
    digest!("crypto/sha512.Sum512", Sha512),
    digest!("crypto/sha512.Sum384", Sha384),
    digest!("crypto/sha512.Sum512_224", Sha512_224),
    digest!("crypto/sha512.Sum512_256", Sha512_256),
];
pub(super) static SHA1: &[Builtin] = &[digest!("crypto/sha1.Sum", Sha1)];
pub(super) static MD5: &[Builtin] = &[digest!("crypto/md5.Sum", Md5)];
pub(super) static HMAC: &[Builtin] =
    &[Builtin::function("crypto/hmac.Sign", &[Kinds::STRING, OCTETS, OCTETS], sign)];
pub(super) static ED25519: &[Builtin] =
    &[Builtin::function("crypto/ed25519.Valid", &[OCTETS, OCTETS, OCTETS], verify)];

pub(super) static SHA256_SIZES: &[(&str, &str)] = &[("Size", "32"), ("Size224", "28"), ("BlockSize", "64")];
pub(super) static SHA512_SIZES: &[(&str, &str)] =
    &[("Size", "64"), ("Size224", "28"), ("Size256", "32"), ("Size384", "48"), ("BlockSize", "128")];
pub(super) static HMAC_NAMES: &[(&str, &str)] = &[
    ("MD5", "\"MD5\""),
    ("SHA1", "\"SHA1\""),
    ("SHA224", "\"SHA224\""),
    ("SHA256", "\"SHA256\""),
    ("SHA384", "\"SHA384\""),
    ("SHA512", "\"SHA512\""),
    ("SHA512_224", "\"SHA512_224\""),
    ("SHA512_256", "\"SHA512_256\""),
];

/// The code of a message under a key; keys may have any length.
fn code<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    mac.update(data);
    Some(mac.finalize().into_bytes().to_vec())
}

fn sign(c: &mut Call<'_, '_>) -> Eval {
    c.context.spend(c.bytes(2).len() / 64 + 1)?;
    let run = match &*c.text(0) {
        "MD5" => code::<Hmac<Md5>>,
        "SHA1" => code::<Hmac<Sha1>>,
        "SHA224" => code::<Hmac<Sha224>>,
        "SHA256" => code::<Hmac<Sha256>>,
        "SHA384" => code::<Hmac<Sha384>>,
        "SHA512" => code::<Hmac<Sha512>>,
        "SHA512_224" => code::<Hmac<Sha512_224>>,
        "SHA512_256" => code::<Hmac<Sha512_256>>,
        _ => return c.complain("unsupported hash function"),
    };
    match run(&c.bytes(1), &c.bytes(2)) {
        Some(code) => c.octets(code),
        None => c.complain("the key cannot be used"),
    }
}

fn verify(c: &mut Call<'_, '_>) -> Eval {
    let Ok(key) = <[u8; 32]>::try_from(&*c.bytes(0)) else {
        return c.complain("ed25519: publicKey must be 32 bytes");
    };
    c.context.spend(c.bytes(1).len() / 64 + 100)?;
    let key = VerifyingKey::from_bytes(&key);
    let signature = Signature::from_slice(&c.bytes(2));
    let valid = key.ok().zip(signature.ok()).is_some_and(|(key, signature)| {
        use ed25519_dalek::Verifier;
        key.verify(&c.bytes(1), &signature).is_ok()
    });
    Ok(Value::Bool(valid))
}
