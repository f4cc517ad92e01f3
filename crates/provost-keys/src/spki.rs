//! The DER of public keys: which algorithm, which curve, which numbers.

use pkcs8::ObjectIdentifier;
use pkcs8::der::asn1::{AnyRef, BitStringRef, UintRef};
use pkcs8::der::{self, Decode, Encode, Reader, SliceReader};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::error::PublicKeyFault;
use crate::kind::KeyKind;

pub(crate) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(crate) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
pub(crate) const P224: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.33");
pub(crate) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(crate) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// SEC 1's mark of an uncompressed point, the only form Go reads in a public key.
pub(crate) const UNCOMPRESSED: u8 = 4;

/// The parts of a public key: its kind and the bytes inside the bit string.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) kind: KeyKind,
    /// The uncompressed point, the PKCS#1 `RSAPublicKey`, or the 32 bytes of Ed25519.
    pub(crate) inner: Vec<u8>,
}

/// Reads a `SubjectPublicKeyInfo`; nothing may follow it.
pub(crate) fn read(spki: &[u8]) -> Result<Parts, PublicKeyFault> {
    let info = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| PublicKeyFault::Malformed)?;
    let inner = info.subject_public_key.as_bytes().ok_or(PublicKeyFault::Malformed)?;
    let kind = match info.algorithm.oid {
        EC => {
            if inner.first() != Some(&UNCOMPRESSED) {
                return Err(PublicKeyFault::Malformed);
            }
            curve(&info.algorithm)?
        }
        RSA => KeyKind::Rsa { bits: rsa_bits(rsa_numbers(inner)?.0) },
        ED25519 => KeyKind::Ed25519,
        other => return Err(PublicKeyFault::UnknownAlgorithm { oid: other.to_string() }),
    };
    let parts = Parts { kind, inner: inner.to_vec() };
    // Go takes one form of each key (RSA with NULL parameters, Ed25519 with none): the form it would write.
    if write(&parts)? == spki { Ok(parts) } else { Err(PublicKeyFault::Malformed) }
}

fn curve(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<KeyKind, PublicKeyFault> {
    match algorithm.parameters_oid() {
        Ok(P256) => Ok(KeyKind::EcdsaP256),
        Ok(P384) => Ok(KeyKind::EcdsaP384),
        Ok(P521) => Ok(KeyKind::EcdsaP521),
        Ok(P224) => Err(PublicKeyFault::P224),
        Ok(other) => Err(PublicKeyFault::UnknownCurve { oid: other.to_string() }),
        Err(_) => Err(PublicKeyFault::UnknownCurve { oid: String::new() }),
    }
}

/// Reads a PKCS#1 `RSAPublicKey`, whole.
pub(crate) fn read_pkcs1(inner: &[u8]) -> Result<Parts, PublicKeyFault> {
    let bits = rsa_bits(rsa_numbers(inner)?.0);
    Ok(Parts { kind: KeyKind::Rsa { bits }, inner: inner.to_vec() })
}

/// Writes a PKCS#1 `RSAPublicKey`.
pub(crate) fn write_pkcs1(modulus: &[u8], exponent: &[u8]) -> Result<Vec<u8>, PublicKeyFault> {
    let write = || -> der::Result<Vec<u8>> { vec![UintRef::new(modulus)?, UintRef::new(exponent)?].to_der() };
    write().map_err(|_| PublicKeyFault::Malformed)
}

/// The ASN.1 form of an ECDSA signature given as r and s side by side, as tokens and JSON Web Signatures have it.
#[must_use]
pub fn ecdsa_der(halves: &[u8]) -> Option<Vec<u8>> {
    if halves.is_empty() || !halves.len().is_multiple_of(2) {
        return None;
    }
    let (r, s) = halves.split_at_checked(halves.len() / 2)?;
    vec![UintRef::new(r).ok()?, UintRef::new(s).ok()?].to_der().ok()
}

/// Modulus and exponent, big-endian without leading zeros.
pub(crate) fn rsa_numbers(inner: &[u8]) -> Result<(&[u8], &[u8]), PublicKeyFault> {
    let read = || -> der::Result<_> {
        let mut reader = SliceReader::new(inner)?;
        let numbers = reader.sequence(|sequence| -> der::Result<_> {
            Ok((UintRef::decode(sequence)?.as_bytes(), UintRef::decode(sequence)?.as_bytes()))
        })?;
        reader.finish()?;
        Ok(numbers)
    };
    read().map_err(|_| PublicKeyFault::Malformed)
}

/// The length of a big-endian number in bits; key files are far shorter than 2^29 bytes.
pub(crate) fn rsa_bits(modulus: &[u8]) -> u32 {
    let whole = u32::try_from(modulus.len()).unwrap_or(u32::MAX).saturating_mul(8);
    whole.saturating_sub(modulus.first().map_or(0, |first| first.leading_zeros()))
}

/// Writes the `SubjectPublicKeyInfo` of these parts, byte for byte as Go's `x509.MarshalPKIXPublicKey`.
pub(crate) fn write(parts: &Parts) -> Result<Vec<u8>, PublicKeyFault> {
    let curve = match parts.kind {
        KeyKind::EcdsaP256 => Some(P256),
        KeyKind::EcdsaP384 => Some(P384),
        KeyKind::EcdsaP521 => Some(P521),
        KeyKind::Rsa { .. } | KeyKind::Ed25519 => None,
    };
    let (oid, parameters) = match (parts.kind, &curve) {
        (KeyKind::Rsa { .. }, _) => (RSA, Some(AnyRef::NULL)),
        (_, Some(curve)) => (EC, Some(curve.into())),
        (_, None) => (ED25519, None),
    };
    let subject_public_key = BitStringRef::from_bytes(&parts.inner).map_err(|_| PublicKeyFault::Malformed)?;
    let info =
        SubjectPublicKeyInfoRef { algorithm: AlgorithmIdentifierRef { oid, parameters }, subject_public_key };
    info.to_der().map_err(|_| PublicKeyFault::Malformed)
}
