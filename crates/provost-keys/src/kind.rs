//! The families of keys and hashes that cosign and Chains produce.

use std::fmt;

use aws_lc_rs::digest;

/// The family of a key, and its size where that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// ECDSA on NIST P-256, what `generate-key-pair` makes.
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
    /// ECDSA on NIST P-521.
    EcdsaP521,
    /// RSA, signing with PKCS#1 v1.5.
    Rsa {
        /// The length of the modulus in bits.
        bits: u32,
    },
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// The hash cosign signs with for this kind of key (SHA-512 of Ed25519 is its prehash).
    #[must_use]
    pub fn signing_hash(self) -> Hash {
        match self {
            Self::EcdsaP256 | Self::Rsa { .. } => Hash::Sha256,
            Self::EcdsaP384 => Hash::Sha384,
            Self::EcdsaP521 | Self::Ed25519 => Hash::Sha512,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ECDSA P-256"),
            Self::EcdsaP384 => f.write_str("ECDSA P-384"),
            Self::EcdsaP521 => f.write_str("ECDSA P-521"),
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// The hashes of `--signature-digest-algorithm` and of Kyverno's `signatureAlgorithm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the hash of the same name")]
pub enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// The word flags and policies use: `sha224`, `sha256`, `sha384`, `sha512`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The hash of that name, as flags and policies write it (lower case).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|h| h.as_str() == name)
    }

    /// The hash of these bytes.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        digest::digest(self.algorithm(), bytes).as_ref().to_vec()
    }

    pub(crate) fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which hashes a signature may have been made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashChoice {
    /// This one alone: the word of a policy or flag. Ed25519 keys then mean pure Ed25519 whatever the word, as in
    /// sigstore's `LoadVerifier`.
    Exactly(Hash),
    /// Every scheme cosign or Chains really produce with this kind of key: P-256 sha256; P-384 sha384 or sha256;
    /// P-521 sha512 or sha256; RSA PKCS#1 v1.5 with sha256, sha384 or sha512; Ed25519 prehashed or pure.
    Usual,
}
