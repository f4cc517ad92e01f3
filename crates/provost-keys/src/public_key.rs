//! Public keys: read and prepared once, then asked whether signatures are theirs.

use std::fmt;
use std::hash::{Hash as StdHash, Hasher};
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA224_ASN1, ECDSA_P521_SHA256_ASN1,
    ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Digest, Sha512, VerifyingKey};
use p256::ecdsa::signature::hazmat::PrehashVerifier;

use crate::error::{KeyError, PublicKeyFault, SignatureError};
use crate::kind::{Hash, HashChoice, KeyKind};
use crate::memory::Proven;
use crate::spki::{self, Parts};
use crate::{pem, ssh};

/// The PEM type of PKIX keys.
const PKIX: &str = "PUBLIC KEY";
/// The PEM type of PKCS#1 keys.
const PKCS1: &str = "RSA PUBLIC KEY";
/// The RSA lengths that can be checked, in bits: aws-lc's own bounds.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// A public key, parsed and prepared once; clones share it.
#[derive(Clone)]
pub struct PublicKey {
    prepared: Arc<Prepared>,
    /// Where it looks first whether a signature held before, if anywhere.
    proven: Option<Arc<Proven>>,
}

struct Prepared {
    parts: Parts,
    der: Vec<u8>,
    /// One entry a hash aws-lc checks with this key; pure Ed25519 stands under SHA-512.
    schemes: Vec<(Hash, ParsedPublicKey)>,
    prehashed: Option<VerifyingKey>,
}

impl PublicKey {
    /// The key in the first PEM block: `PUBLIC KEY` (PKIX) or `RSA PUBLIC KEY` (PKCS#1), as cosign reads them.
    ///
    /// # Errors
    /// [`KeyError::NoPublicPem`], [`KeyError::UnknownPublicPemType`], [`KeyError::PublicKey`] or
    /// [`KeyError::TooLarge`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let block = pem::first_block(pem)?.ok_or(KeyError::NoPublicPem)?;
        match block.label.as_str() {
            PKIX => Self::from_der(&block.body),
            PKCS1 => Self::prepare(spki::read_pkcs1(&block.body).map_err(KeyError::PublicKey)?),
            _ => Err(KeyError::UnknownPublicPemType { found: block.label }),
        }
    }

    /// The key in a DER `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// [`KeyError::PublicKey`] where it is no usable key.
    pub fn from_der(spki: &[u8]) -> Result<Self, KeyError> {
        Self::prepare(spki::read(spki).map_err(KeyError::PublicKey)?)
    }

    /// The Ed25519 key of these 32 bytes, as services and tokens hand it out.
    ///
    /// # Errors
    /// [`KeyError::PublicKey`] where they are no usable point.
    pub fn from_ed25519(raw: &[u8]) -> Result<Self, KeyError> {
        Self::prepare(Parts { kind: KeyKind::Ed25519, inner: raw.to_vec() })
    }

    /// The ECDSA key whose uncompressed point has these coordinates, big-endian, as JSON Web Keys hold them.
    ///
    /// # Errors
    /// [`KeyError::PublicKey`] where they are no point of the curve, or the kind is no curve.
    pub fn from_point(kind: KeyKind, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let width = match kind {
            KeyKind::EcdsaP256 => 32,
            KeyKind::EcdsaP384 => 48,
            KeyKind::EcdsaP521 => 66,
            KeyKind::Rsa { .. } | KeyKind::Ed25519 => {
                return Err(KeyError::PublicKey(PublicKeyFault::Malformed));
            }
        };
        let mut inner = vec![spki::UNCOMPRESSED];
        for coordinate in [x, y] {
            let missing = width_missing(width, coordinate)?;
            inner.extend(std::iter::repeat_n(0, missing));
            inner.extend_from_slice(coordinate);
        }
        Self::prepare(Parts { kind, inner })
    }

    /// The RSA key of this modulus and exponent, big-endian, as JSON Web Keys and tokens hold them.
    ///
    /// # Errors
    /// [`KeyError::PublicKey`] where the numbers are no key, or one too short or long.
    pub fn from_rsa_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let inner = spki::write_pkcs1(modulus, exponent).map_err(KeyError::PublicKey)?;
        Self::prepare(spki::read_pkcs1(&inner).map_err(KeyError::PublicKey)?)
    }

    pub(crate) fn prepare(parts: Parts) -> Result<Self, KeyError> {
        if let KeyKind::Rsa { bits } = parts.kind
            && !RSA_BITS.contains(&bits)
        {
            return Err(KeyError::PublicKey(PublicKeyFault::RsaSize { bits }));
        }
        let prehashed = match parts.kind {
            KeyKind::Ed25519 => Some(ed25519(&parts.inner).map_err(KeyError::PublicKey)?),
            _ => None,
        };
        let mut schemes = Vec::new();
        for (hash, algorithm) in algorithms(parts.kind) {
            let parsed = ParsedPublicKey::new(*algorithm, &parts.inner);
            schemes.push((*hash, parsed.map_err(|_| KeyError::PublicKey(PublicKeyFault::Rejected))?));
        }
        let der = spki::write(&parts).map_err(KeyError::PublicKey)?;
        Ok(Self { prepared: Arc::new(Prepared { parts, der, schemes, prehashed }), proven: None })
    }

    /// The same key, which remembers there what it verifies.
    pub(crate) fn remembering(self, proven: Arc<Proven>) -> Self {
        Self { proven: Some(proven), ..self }
    }

    /// The key as `cosign.pub` holds it: PKIX in PEM with a final line break.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::block(PKIX, &self.prepared.der)
    }

    /// The DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn to_der(&self) -> &[u8] {
        &self.prepared.der
    }

    /// The point, or the PKCS#1 numbers in DER.
    pub(crate) fn inner(&self) -> &[u8] {
        &self.prepared.parts.inner
    }

    /// The family and size of the key.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.prepared.parts.kind
    }

    /// `SHA256:` and the unpadded base64 of the hash of the OpenSSH wire form: the DSSE `keyid` Chains writes.
    #[must_use]
    pub fn ssh_fingerprint(&self) -> String {
        ssh::fingerprint(&self.prepared.parts)
    }

    /// The base64 of the SHA-256 of the PKIX DER: the `publicKey.hint` of cosign's bundles.
    #[must_use]
    pub fn hint(&self) -> String {
        STANDARD.encode(digest::digest(&digest::SHA256, &self.prepared.der))
    }

    /// Whether `signature` is this key's over `message`: ECDSA as ASN.1 DER, RSA as PKCS#1 v1.5.
    ///
    /// # Errors
    /// The family of the signature that does not hold; [`SignatureError::Unsupported`] where the pair of key and hash
    /// cannot be checked (RSA over SHA-224), which is neither pass nor fail.
    pub fn verify(&self, message: &[u8], signature: &[u8], hash: HashChoice) -> Result<(), SignatureError> {
        let Some(proven) = &self.proven else { return self.verified(message, signature, hash) };
        let proof = Proven::proof(&self.prepared.der, hash, message, signature);
        if !proven.holds(&proof) {
            self.verified(message, signature, hash)?;
            proven.remember(proof);
        }
        Ok(())
    }

    fn verified(&self, message: &[u8], signature: &[u8], hash: HashChoice) -> Result<(), SignatureError> {
        let invalid = SignatureError::invalid(self.kind());
        match (hash, self.kind()) {
            (HashChoice::Exactly(_), KeyKind::Ed25519) => self.by_scheme(message, signature, Hash::Sha512),
            (HashChoice::Exactly(hash), _) => self.by_scheme(message, signature, hash),
            (HashChoice::Usual, KeyKind::Ed25519) => self
                .by_prehash(message, signature)
                .or_else(|_| self.by_scheme(message, signature, Hash::Sha512)),
            (HashChoice::Usual, kind) => {
                let holds = usual(kind).iter().any(|hash| self.by_scheme(message, signature, *hash).is_ok());
                holds.then_some(()).ok_or(invalid)
            }
        }
    }

    /// Whether `signature` is this key's over a message of which only this digest is known.
    ///
    /// # Errors
    /// As [`PublicKey::verify`]; [`SignatureError::Unsupported`] for Ed25519, which signs the message itself or in a form
    /// of its own, and for a hash that is not the one chosen, or not one cosign signs with under this kind of key.
    pub fn verify_digest(
        &self,
        digest: &[u8],
        hash: Hash,
        signature: &[u8],
        chosen: HashChoice,
    ) -> Result<(), SignatureError> {
        let kind = self.kind();
        let unsupported = SignatureError::Unsupported { kind, hash };
        let fits = match chosen {
            HashChoice::Exactly(chosen) => chosen == hash,
            HashChoice::Usual => usual(kind).contains(&hash),
        };
        let scheme = self.prepared.schemes.iter().find(|(scheme, _)| *scheme == hash);
        let (Some((_, key)), true) = (scheme, fits && kind != KeyKind::Ed25519) else {
            return Err(unsupported);
        };
        let digest = digest::Digest::import_less_safe(digest, hash.algorithm()).map_err(|_| unsupported)?;
        key.verify_digest_sig(&digest, signature).map_err(|_| SignatureError::invalid(kind))
    }

    fn by_scheme(&self, message: &[u8], signature: &[u8], hash: Hash) -> Result<(), SignatureError> {
        let invalid = SignatureError::invalid(self.kind());
        if let Some((_, key)) = self.prepared.schemes.iter().find(|(scheme, _)| *scheme == hash) {
            return key.verify_sig(message, signature).map_err(|_| invalid);
        }
        // The gaps of aws-lc: P-256 and P-384 over SHA-224, which Kyverno's `signatureAlgorithm` can ask for.
        let digest = digest::digest(hash.algorithm(), message);
        let point = self.prepared.parts.inner.as_slice();
        let holds = match self.kind() {
            KeyKind::EcdsaP256 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point);
                let signature = p256::ecdsa::DerSignature::try_from(signature);
                key.and_then(|key| key.verify_prehash(digest.as_ref(), &signature?))
            }
            KeyKind::EcdsaP384 => {
                let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point);
                let signature = p384::ecdsa::DerSignature::try_from(signature);
                key.and_then(|key| key.verify_prehash(digest.as_ref(), &signature?))
            }
            kind => return Err(SignatureError::Unsupported { kind, hash }),
        };
        holds.map_err(|_| invalid)
    }

    /// Ed25519ph without a context, what cosign makes with Ed25519 key files.
    fn by_prehash(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let key = self.prepared.prehashed.as_ref().ok_or(SignatureError::Ed25519)?;
        let signature =
            ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureError::Ed25519)?;
        key.verify_prehashed_strict(Sha512::new_with_prefix(message), None, &signature)
            .map_err(|_| SignatureError::Ed25519)
    }
}

/// How many leading zeros a coordinate lost.
fn width_missing(width: usize, coordinate: &[u8]) -> Result<usize, KeyError> {
    width.checked_sub(coordinate.len()).ok_or(KeyError::PublicKey(PublicKeyFault::Malformed))
}

/// The point, unless it is one of the eight for which any signature can be made to hold.
fn ed25519(inner: &[u8]) -> Result<VerifyingKey, PublicKeyFault> {
    let bytes = inner.try_into().map_err(|_| PublicKeyFault::Malformed)?;
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| PublicKeyFault::Rejected)?;
    if key.is_weak() { Err(PublicKeyFault::SmallOrder) } else { Ok(key) }
}

/// The hashes with which cosign and Chains really sign, most likely first.
fn usual(kind: KeyKind) -> &'static [Hash] {
    match kind {
        KeyKind::EcdsaP256 => &[Hash::Sha256],
        KeyKind::EcdsaP384 => &[Hash::Sha384, Hash::Sha256],
        KeyKind::EcdsaP521 => &[Hash::Sha512, Hash::Sha256],
        KeyKind::Rsa { .. } => &[Hash::Sha256, Hash::Sha384, Hash::Sha512],
        KeyKind::Ed25519 => &[Hash::Sha512],
    }
}

type Algorithms = &'static [(Hash, &'static dyn VerificationAlgorithm)];

fn algorithms(kind: KeyKind) -> Algorithms {
    const P256: Algorithms = &[
        (Hash::Sha256, &ECDSA_P256_SHA256_ASN1),
        (Hash::Sha384, &ECDSA_P256_SHA384_ASN1),
        (Hash::Sha512, &ECDSA_P256_SHA512_ASN1),
    ];
    const P384: Algorithms = &[
        (Hash::Sha256, &ECDSA_P384_SHA256_ASN1),
        (Hash::Sha384, &ECDSA_P384_SHA384_ASN1),
        (Hash::Sha512, &ECDSA_P384_SHA512_ASN1),
    ];
    const P521: Algorithms = &[
        (Hash::Sha224, &ECDSA_P521_SHA224_ASN1),
        (Hash::Sha256, &ECDSA_P521_SHA256_ASN1),
        (Hash::Sha384, &ECDSA_P521_SHA384_ASN1),
        (Hash::Sha512, &ECDSA_P521_SHA512_ASN1),
    ];
    const RSA: Algorithms = &[
        (Hash::Sha256, &RSA_PKCS1_2048_8192_SHA256),
        (Hash::Sha384, &RSA_PKCS1_2048_8192_SHA384),
        (Hash::Sha512, &RSA_PKCS1_2048_8192_SHA512),
    ];
    const ED: Algorithms = &[(Hash::Sha512, &ED25519)];
    match kind {
        KeyKind::EcdsaP256 => P256,
        KeyKind::EcdsaP384 => P384,
        KeyKind::EcdsaP521 => P521,
        KeyKind::Rsa { .. } => RSA,
        KeyKind::Ed25519 => ED,
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.kind(), self.hint())
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.prepared.der == other.prepared.der
    }
}

impl Eq for PublicKey {}

impl StdHash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.prepared.der.hash(state);
    }
}
