//! Private keys: opened from files, made, written encrypted, signing as cosign and Chains do.

use std::fmt;

use aws_lc_rs::digest::digest;
use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA224_ASN1_SIGNING,
    ECDSA_P521_SHA256_ASN1_SIGNING, ECDSA_P521_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
};
use ed25519_dalek::{Digest, Sha512, SigningKey};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::asn1::{OctetStringRef, UintRef};
use pkcs8::der::{self, Decode, Reader, SliceReader};
use zeroize::Zeroizing;

use crate::error::{KeyError, PrivateKeyFault};
use crate::kind::{Hash, KeyKind};
use crate::public_key::PublicKey;
use crate::spki::{self, Parts};
use crate::{encrypted, pem};

/// The PEM types of cosign's encrypted keys: what it writes, and what older files carry.
const ENCRYPTED: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];

/// The RSA lengths and the exponent that `import-key-pair` takes.
const RSA_BITS: [u32; 3] = [2048, 3072, 4096];
const RSA_EXPONENT: u64 = 65537;

/// A private key. Its copies in memory are wiped when it is dropped, and it prints only its kind.
pub struct PrivateKey {
    secret: Secret,
    /// PKCS#8 version 1, as Go's `x509.MarshalPKCS8PrivateKey` writes it.
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

enum Secret {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519 { pure: Ed25519KeyPair, prehashed: Box<SigningKey> },
}

impl PrivateKey {
    /// Makes an ECDSA P-256 key, the kind `generate-key-pair` makes.
    ///
    /// # Errors
    /// [`KeyError::Library`] where the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let failed = KeyError::Library { doing: "making a key" };
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| failed)?;
        Self::from_ecdsa(pair, KeyKind::EcdsaP256)
    }

    /// Makes a key of this kind, for one signature and its certificate.
    ///
    /// # Errors
    /// [`KeyError::Library`] where the system gives no randomness; [`KeyError::UnsupportedHash`] for kinds that are not
    /// made: Ed25519, and RSA of other lengths than 2048, 3072 and 4096 bits.
    pub fn generate_of(kind: KeyKind) -> Result<Self, KeyError> {
        let failed = KeyError::Library { doing: "making a key" };
        let size = match kind {
            KeyKind::EcdsaP256 | KeyKind::EcdsaP384 | KeyKind::EcdsaP521 => {
                let pair = EcdsaKeyPair::generate(signing_algorithm(kind)).map_err(|_| failed)?;
                return Self::from_ecdsa(pair, kind);
            }
            KeyKind::Rsa { bits: 2048 } => KeySize::Rsa2048,
            KeyKind::Rsa { bits: 3072 } => KeySize::Rsa3072,
            KeyKind::Rsa { bits: 4096 } => KeySize::Rsa4096,
            KeyKind::Rsa { .. } | KeyKind::Ed25519 => {
                return Err(KeyError::UnsupportedHash { kind, hash: kind.signing_hash() });
            }
        };
        Self::from_rsa(RsaKeyPair::generate(size).map_err(|_| failed)?)
    }

    /// Opens a key file of cosign: `ENCRYPTED SIGSTORE PRIVATE KEY` or `ENCRYPTED COSIGN PRIVATE KEY`.
    ///
    /// Takes about 0.16 s and 64 MiB for scrypt with N = 65536. The password is used as it is, a trailing line break
    /// included.
    ///
    /// # Errors
    /// [`KeyError`], each variant with cosign's own words for it.
    pub fn from_encrypted_pem(pem: &[u8], password: &[u8]) -> Result<Self, KeyError> {
        let block = pem::first_block(pem)?.ok_or(KeyError::NoPrivatePem)?;
        if !ENCRYPTED.contains(&block.label.as_str()) {
            return Err(KeyError::UnsupportedPemType { found: block.label });
        }
        let pkcs8 = encrypted::open(&block.body, password)?;
        Self::from_pkcs8(&pkcs8)
    }

    /// Reads an unencrypted key: `PRIVATE KEY` (PKCS#8), `EC PRIVATE KEY` (SEC 1) or `RSA PRIVATE KEY` (PKCS#1), with
    /// the checks of `import-key-pair`: RSA of 2048, 3072 or 4096 bits with exponent 65537, ECDSA on P-256, P-384 or
    /// P-521, Ed25519.
    ///
    /// # Errors
    /// [`KeyError::NoPrivatePem`], [`KeyError::UnsupportedPrivateKey`] or [`KeyError::PrivateKey`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let block = pem::first_block(pem)?.ok_or(KeyError::NoPrivatePem)?;
        let key = match block.label.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8(&block.body)?,
            "EC PRIVATE KEY" => Self::from_sec1(&block.body)?,
            "RSA PRIVATE KEY" => {
                let pair =
                    RsaKeyPair::from_der(&block.body).map_err(|_| fault(PrivateKeyFault::Malformed))?;
                Self::from_rsa(pair)?
            }
            _ => return Err(KeyError::UnsupportedPrivateKey { found: block.label }),
        };
        key.check_for_import()?;
        Ok(key)
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::try_from(pkcs8).map_err(|_| fault(other_container(pkcs8)))?;
        match info.algorithm.oid {
            spki::EC => {
                let kind = match info.algorithm.parameters_oid() {
                    Ok(spki::P256) => KeyKind::EcdsaP256,
                    Ok(spki::P384) => KeyKind::EcdsaP384,
                    Ok(spki::P521) => KeyKind::EcdsaP521,
                    Ok(other) => return Err(fault(PrivateKeyFault::UnknownCurve { oid: other.to_string() })),
                    Err(_) => return Err(fault(PrivateKeyFault::UnknownCurve { oid: String::new() })),
                };
                let pair = EcdsaKeyPair::from_pkcs8(signing_algorithm(kind), pkcs8);
                Self::from_ecdsa(pair.map_err(|_| fault(PrivateKeyFault::Rejected))?, kind)
            }
            spki::RSA => {
                Self::from_rsa(RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| fault(PrivateKeyFault::Rejected))?)
            }
            spki::ED25519 => {
                let inner = <&OctetStringRef>::from_der(info.private_key.as_bytes());
                Self::from_ed25519(inner.map_err(|_| fault(PrivateKeyFault::Malformed))?.as_bytes())
            }
            other => Err(fault(PrivateKeyFault::UnknownAlgorithm { oid: other.to_string() })),
        }
    }

    fn from_sec1(sec1: &[u8]) -> Result<Self, KeyError> {
        for kind in [KeyKind::EcdsaP256, KeyKind::EcdsaP384, KeyKind::EcdsaP521] {
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(signing_algorithm(kind), sec1) {
                return Self::from_ecdsa(pair, kind);
            }
        }
        Err(fault(PrivateKeyFault::Malformed))
    }

    fn from_ecdsa(pair: EcdsaKeyPair, kind: KeyKind) -> Result<Self, KeyError> {
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Library { doing: "encoding a key" })?;
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        let public = PublicKey::prepare(Parts { kind, inner: pair.public_key().as_ref().to_vec() })?;
        Ok(Self { secret: Secret::Ecdsa(pair), pkcs8, public })
    }

    fn from_rsa(pair: RsaKeyPair) -> Result<Self, KeyError> {
        let der: Result<Pkcs8V1Der<'static>, _> = pair.as_der();
        let der = der.map_err(|_| KeyError::Library { doing: "encoding a key" })?;
        let pkcs8 = Zeroizing::new(der.as_ref().to_vec());
        let parts = spki::read_pkcs1(pair.public_key().as_ref()).map_err(KeyError::PublicKey)?;
        Ok(Self { secret: Secret::Rsa(pair), pkcs8, public: PublicKey::prepare(parts)? })
    }

    fn from_ed25519(seed: &[u8]) -> Result<Self, KeyError> {
        let seed = seed.try_into().map_err(|_| fault(PrivateKeyFault::Malformed))?;
        let prehashed = Box::new(SigningKey::from_bytes(seed));
        let pure = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| fault(PrivateKeyFault::Rejected))?;
        let pkcs8 = pure.to_pkcs8v1().map_err(|_| KeyError::Library { doing: "encoding a key" })?;
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        let inner = prehashed.verifying_key().to_bytes().to_vec();
        let public = PublicKey::prepare(Parts { kind: KeyKind::Ed25519, inner })?;
        Ok(Self { secret: Secret::Ed25519 { pure, prehashed }, pkcs8, public })
    }

    fn check_for_import(&self) -> Result<(), KeyError> {
        let Secret::Rsa(pair) = &self.secret else { return Ok(()) };
        let (modulus, exponent) =
            spki::rsa_numbers(pair.public_key().as_ref()).map_err(KeyError::PublicKey)?;
        let bits = spki::rsa_bits(modulus);
        let exponent =
            exponent.iter().fold(0_u64, |sum, byte| sum.saturating_mul(256).saturating_add((*byte).into()));
        if RSA_BITS.contains(&bits) && exponent == RSA_EXPONENT {
            return Ok(());
        }
        Err(fault(PrivateKeyFault::RsaParameters { bits, exponent }))
    }

    /// The key as `cosign.key` holds it: `ENCRYPTED SIGSTORE PRIVATE KEY`, scrypt with N = 65536, secretbox.
    ///
    /// # Errors
    /// [`KeyError::Library`] where the system gives no randomness.
    pub fn to_encrypted_pem(&self, password: &[u8]) -> Result<String, KeyError> {
        let document = encrypted::seal(&self.pkcs8, password)?;
        let [label, _] = ENCRYPTED;
        Ok(pem::block(label, &document))
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public.clone()
    }

    /// The family and size of the key.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.public.kind()
    }

    /// Signs as cosign does with a key file of this kind: P-256 and RSA (PKCS#1 v1.5) over SHA-256, P-384 over SHA-384,
    /// P-521 over SHA-512, Ed25519 prehashed. ECDSA signatures are ASN.1 DER.
    ///
    /// # Errors
    /// [`KeyError::Library`] where the library does not sign.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        if let Secret::Ed25519 { prehashed, .. } = &self.secret {
            let signature = prehashed.sign_prehashed(Sha512::new_with_prefix(message), None);
            return signature.map(|s| s.to_vec()).map_err(|_| failed());
        }
        self.sign_exactly(message, self.kind().signing_hash())
    }

    /// Signs with this hash, as sigstore's `LoadSigner(key, hash)` does: Chains signs with SHA-256 whatever the curve of
    /// its `x509.pem`, and Ed25519 is pure whatever the hash.
    ///
    /// # Errors
    /// [`KeyError::UnsupportedHash`] for RSA over SHA-224, [`KeyError::Library`] where the library does not sign.
    pub fn sign_exactly(&self, message: &[u8], hash: Hash) -> Result<Vec<u8>, KeyError> {
        match &self.secret {
            Secret::Ed25519 { pure, .. } => Ok(pure.sign(message).as_ref().to_vec()),
            Secret::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match hash {
                    Hash::Sha256 => &RSA_PKCS1_SHA256,
                    Hash::Sha384 => &RSA_PKCS1_SHA384,
                    Hash::Sha512 => &RSA_PKCS1_SHA512,
                    Hash::Sha224 => return Err(KeyError::UnsupportedHash { kind: self.kind(), hash }),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).map_err(|_| failed())?;
                Ok(signature)
            }
            Secret::Ecdsa(pair) if hash == self.kind().signing_hash() => {
                let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| failed())?;
                Ok(signature.as_ref().to_vec())
            }
            Secret::Ecdsa(pair) => self.sign_off_curve(pair, message, hash),
        }
    }

    /// ECDSA with a hash other than the curve's own.
    fn sign_off_curve(&self, pair: &EcdsaKeyPair, message: &[u8], hash: Hash) -> Result<Vec<u8>, KeyError> {
        if self.kind() == KeyKind::EcdsaP521 {
            let algorithm = match hash {
                Hash::Sha224 => &ECDSA_P521_SHA224_ASN1_SIGNING,
                Hash::Sha256 => &ECDSA_P521_SHA256_ASN1_SIGNING,
                Hash::Sha384 => &ECDSA_P521_SHA384_ASN1_SIGNING,
                Hash::Sha512 => &ECDSA_P521_SHA512_ASN1_SIGNING,
            };
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, &self.pkcs8).map_err(|_| failed())?;
            let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| failed())?;
            return Ok(signature.as_ref().to_vec());
        }
        // The gap of aws-lc: it signs P-256 and P-384 with one hash each.
        let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(|_| failed())?;
        let prehash = digest(hash.algorithm(), message);
        let signature = if self.kind() == KeyKind::EcdsaP256 {
            let key = p256::ecdsa::SigningKey::from_slice(scalar.as_ref()).map_err(|_| failed())?;
            let signature: p256::ecdsa::DerSignature =
                key.sign_prehash(prehash.as_ref()).map_err(|_| failed())?;
            signature.as_bytes().to_vec()
        } else {
            let key = p384::ecdsa::SigningKey::from_slice(scalar.as_ref()).map_err(|_| failed())?;
            let signature: p384::ecdsa::DerSignature =
                key.sign_prehash(prehash.as_ref()).map_err(|_| failed())?;
            signature.as_bytes().to_vec()
        };
        Ok(signature)
    }
}

fn failed() -> KeyError {
    KeyError::Library { doing: "signing" }
}

fn fault(fault: PrivateKeyFault) -> KeyError {
    KeyError::PrivateKey(fault)
}

fn signing_algorithm(kind: KeyKind) -> &'static EcdsaSigningAlgorithm {
    match kind {
        KeyKind::EcdsaP384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        KeyKind::EcdsaP521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
        _ => &ECDSA_P256_SHA256_ASN1_SIGNING,
    }
}

/// What stands where PKCS#8 belongs: SEC 1 and PKCS#1 begin with a number too, then an octet string or a modulus.
fn other_container(bytes: &[u8]) -> PrivateKeyFault {
    let second = || -> der::Result<der::Tag> {
        SliceReader::new(bytes)?.sequence(|sequence| -> der::Result<_> {
            UintRef::decode(sequence)?;
            let tag = der::Tag::peek(sequence)?;
            sequence.read_slice(sequence.remaining_len())?;
            Ok(tag)
        })
    };
    match second() {
        Ok(der::Tag::OctetString) => PrivateKeyFault::Sec1,
        Ok(der::Tag::Integer) => PrivateKeyFault::Pkcs1,
        _ => PrivateKeyFault::Malformed,
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, …)", self.kind())
    }
}
