//! Signatures in the forms of JOSE and COSE: RSASSA-PSS, and ECDSA as two numbers side by side.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::kind::KeyKind;
use crate::{PublicKey, SignatureError};

/// How a key signs in JOSE and COSE (RFC 7518, RFC 9053).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the algorithm of its name")]
pub enum JoseAlgorithm {
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
}

impl JoseAlgorithm {
    /// The algorithm that the Notary Project binds to a kind of key; `None` for keys it does not use.
    #[must_use]
    pub fn of(kind: KeyKind) -> Option<Self> {
        match kind {
            KeyKind::EcdsaP256 => Some(Self::Es256),
            KeyKind::EcdsaP384 => Some(Self::Es384),
            KeyKind::EcdsaP521 => Some(Self::Es512),
            KeyKind::Rsa { bits: 2048 } => Some(Self::Ps256),
            KeyKind::Rsa { bits: 3072 } => Some(Self::Ps384),
            KeyKind::Rsa { bits: 4096 } => Some(Self::Ps512),
            KeyKind::Rsa { .. } | KeyKind::Ed25519 => None,
        }
    }

    /// Its name in JOSE.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
            Self::Es256 => &ECDSA_P256_SHA256_FIXED,
            Self::Es384 => &ECDSA_P384_SHA384_FIXED,
            Self::Es512 => &ECDSA_P521_SHA512_FIXED,
        }
    }
}

impl PublicKey {
    /// Whether `signature` is this key's over `message` in the form of JOSE.
    ///
    /// # Errors
    /// The family of the signature that does not hold, also where the algorithm is not this kind of key's.
    pub fn verify_jose(
        &self,
        message: &[u8],
        signature: &[u8],
        algorithm: JoseAlgorithm,
    ) -> Result<(), SignatureError> {
        let invalid = SignatureError::invalid(self.kind());
        if JoseAlgorithm::of(self.kind()) != Some(algorithm) {
            return Err(invalid);
        }
        let key = UnparsedPublicKey::new(algorithm.verification(), self.inner());
        key.verify(message, signature).map_err(|_| invalid)
    }
}
