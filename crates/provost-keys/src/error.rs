//! Why a key cannot be used, and why a signature does not hold.

use crate::kind::{Hash, KeyKind};

/// Why a key could not be read, opened, made or written.
///
/// The texts of the variants without Go wording are cosign 3.1's own; the faults inside
/// [`KeyError::PrivateKey`] and [`KeyError::PublicKey`] are data for the dialects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file is longer than any key.
    #[error("the key has {found} bytes, more than the {limit} allowed")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
        /// The length found.
        found: usize,
    },
    /// A private key file without a PEM block.
    #[error("invalid pem block")]
    NoPrivatePem,
    /// An encrypted private key was expected, the first PEM block is something else.
    #[error("unsupported pem type: {found}")]
    UnsupportedPemType {
        /// The type of the block.
        found: String,
    },
    /// An unencrypted private key was expected, the first PEM block is something else.
    #[error("unsupported private key")]
    UnsupportedPrivateKey {
        /// The type of the block.
        found: String,
    },
    /// A public key file without a PEM block.
    #[error("PEM decoding failed")]
    NoPublicPem,
    /// A public key was expected, the first PEM block is something else.
    #[error("unknown Public key PEM file type: {found}. Are you passing the correct public key?")]
    UnknownPublicPemType {
        /// The type of the block.
        found: String,
    },
    /// The body of an encrypted key is not the JSON it should be.
    #[error(
        "decrypt: the encrypted key is no valid JSON document of its kind (line {line}, column {column})"
    )]
    EncryptedJson {
        /// The line of the fault, from 1.
        line: usize,
        /// The column of the fault, from 1; 0 at the very start.
        column: usize,
        /// Whether the document is no JSON at all, as opposed to JSON of another shape.
        syntax: bool,
    },
    /// The key derivation is not scrypt.
    #[error("decrypt: encrypted: unknown kdf name {found:?}")]
    UnknownKdf {
        /// The name found.
        found: String,
    },
    /// The cipher is not nacl/secretbox.
    #[error("decrypt: encrypted: unknown cipher name {found:?}")]
    UnknownCipher {
        /// The name found.
        found: String,
    },
    /// scrypt with a cost other than the three that cosign has ever written; nothing was computed.
    #[error("decrypt: unsupported scrypt parameters")]
    UnsupportedScryptParameters {
        /// The cost found.
        n: u64,
        /// The block size found.
        r: u64,
        /// The parallelism found.
        p: u64,
    },
    /// The nonce is not 24 bytes long.
    #[error("decrypt: the nonce has {found} bytes, expected 24")]
    NonceLength {
        /// The length found in bytes.
        found: usize,
    },
    /// The password is wrong, or the file was changed: the two cannot be told apart.
    #[error("decrypt: encrypted: decryption failed")]
    DecryptionFailed,
    /// The private key is not one that can be used.
    #[error("parsing private key: {0}")]
    PrivateKey(PrivateKeyFault),
    /// The public key is not one that can be used.
    #[error("parsing public key: {0}")]
    PublicKey(PublicKeyFault),
    /// The cryptographic library failed: no randomness, or a signature it could not make.
    #[error("the cryptographic library failed while {doing}")]
    Library {
        /// What was being done.
        doing: &'static str,
    },
    /// The service that keeps the key did not sign, or not with something that verifies.
    #[error("signing with {reference}: {reason}")]
    Elsewhere {
        /// The reference that names the key.
        reference: String,
        /// What the service said, or why it could not be asked.
        reason: String,
    },
    /// No scheme signs with this key and hash.
    #[error("a key of kind {kind} does not sign with {hash}")]
    UnsupportedHash {
        /// The kind of the key.
        kind: KeyKind,
        /// The hash asked for.
        hash: Hash,
    },
}

/// What is wrong with a private key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyFault {
    /// SEC 1 (`EC PRIVATE KEY`) where PKCS#8 belongs.
    #[error("a SEC 1 key where PKCS#8 was expected")]
    Sec1,
    /// PKCS#1 (`RSA PRIVATE KEY`) where PKCS#8 belongs.
    #[error("a PKCS#1 key where PKCS#8 was expected")]
    Pkcs1,
    /// Not DER, or cut short.
    #[error("not a DER private key")]
    Malformed,
    /// An algorithm other than ECDSA, RSA and Ed25519.
    #[error("unsupported algorithm {oid}")]
    UnknownAlgorithm {
        /// Its object identifier.
        oid: String,
    },
    /// A curve other than P-256, P-384 and P-521.
    #[error("unsupported curve {oid}, expected P-256, P-384 or P-521")]
    UnknownCurve {
        /// Its object identifier; empty where the key names none.
        oid: String,
    },
    /// An RSA key that `import-key-pair` does not take.
    #[error(
        "unsupported RSA key of {bits} bits with exponent {exponent}, expected 2048, 3072 or 4096 bits with 65537"
    )]
    RsaParameters {
        /// The length of the modulus in bits.
        bits: u32,
        /// The public exponent, as far as it fits.
        exponent: u64,
    },
    /// Well formed, but its numbers are no key.
    #[error("the numbers of the key are not consistent")]
    Rejected,
}

/// What is wrong with a public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyFault {
    /// Not DER, or cut short, or something follows.
    #[error("not a DER public key")]
    Malformed,
    /// An algorithm other than ECDSA, RSA and Ed25519.
    #[error("unsupported algorithm {oid}")]
    UnknownAlgorithm {
        /// Its object identifier.
        oid: String,
    },
    /// NIST P-224, which Go reads and nobody signs with.
    #[error("unsupported curve P-224, expected P-256, P-384 or P-521")]
    P224,
    /// Another curve.
    #[error("unsupported curve {oid}, expected P-256, P-384 or P-521")]
    UnknownCurve {
        /// Its object identifier; empty where the key names none.
        oid: String,
    },
    /// An RSA modulus shorter than 2048 or longer than 8192 bits.
    #[error("unsupported RSA key of {bits} bits, expected 2048 to 8192")]
    RsaSize {
        /// The length of the modulus in bits.
        bits: u32,
    },
    /// An Ed25519 point of small order: everyone can sign for it.
    #[error("an Ed25519 key of small order, for which everyone can sign")]
    SmallOrder,
    /// Well formed, but its numbers are no key.
    #[error("the numbers of the key are not a point or modulus")]
    Rejected,
}

/// Why a signature does not hold, by the family of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// No ECDSA signature of this message by this key, or no ASN.1 signature at all.
    #[error("the ECDSA signature does not verify")]
    Ecdsa,
    /// No RSA PKCS#1 v1.5 signature of this message by this key.
    #[error("the RSA signature does not verify")]
    Rsa,
    /// No Ed25519 signature of this message by this key.
    #[error("the Ed25519 signature does not verify")]
    Ed25519,
    /// The pair of key and hash cannot be checked here: neither pass nor fail.
    #[error("signatures by a key of kind {kind} over {hash} cannot be checked")]
    Unsupported {
        /// The kind of the key.
        kind: KeyKind,
        /// The hash asked for.
        hash: Hash,
    },
}

impl SignatureError {
    /// Whether the signature could not be checked at all, as opposed to being wrong.
    #[must_use]
    pub fn is_unchecked(self) -> bool {
        matches!(self, Self::Unsupported { .. })
    }

    pub(crate) fn invalid(kind: KeyKind) -> Self {
        match kind {
            KeyKind::EcdsaP256 | KeyKind::EcdsaP384 | KeyKind::EcdsaP521 => Self::Ecdsa,
            KeyKind::Rsa { .. } => Self::Rsa,
            KeyKind::Ed25519 => Self::Ed25519,
        }
    }
}
