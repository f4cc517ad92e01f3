//! Keys of a test authority: ECDSA P-256, made anew for every test.
#![expect(clippy::expect_used, reason = "a test without a key cannot go on")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::der;

const EC_PUBLIC_KEY: [u64; 6] = [1, 2, 840, 10045, 2, 1];
const P256: [u64; 7] = [1, 2, 840, 10045, 3, 1, 7];

/// A private key whose owner the tests are.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Panics
    /// Where the machine has no random numbers.
    #[must_use]
    pub fn generate() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .expect("random numbers");
        let pkcs8 = document.as_ref().to_vec();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).expect("a fresh key");
        Self { pair, pkcs8 }
    }

    /// Signs with SHA-256; the signature is ASN.1 DER.
    ///
    /// # Panics
    /// Where the machine has no random numbers.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).expect("random numbers").as_ref().to_vec()
    }

    /// The same signature as two numbers side by side, as JOSE has it.
    #[must_use]
    pub fn sign_fixed(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.sign(message);
        let (_, both, _) = der::read(&signature).unwrap_or_default();
        let (_, r, rest) = der::read(both).unwrap_or_default();
        let (_, s, _) = der::read(rest).unwrap_or_default();
        let padded = |number: &[u8]| {
            let number: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
            [vec![0; 32_usize.saturating_sub(number.len())], number].concat()
        };
        [padded(r), padded(s)].concat()
    }

    /// The public key: SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        let algorithm = der::sequence(&[&der::oid(&EC_PUBLIC_KEY), &der::oid(&P256)]);
        der::sequence(&[&algorithm, &der::bits(self.pair.public_key().as_ref())])
    }

    /// The public key in PEM.
    #[must_use]
    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }

    /// The private key in PKCS#8 PEM.
    #[must_use]
    pub fn private_pem(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8)
    }

    /// SHA-256 of the public key: what logs name themselves by.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        sha256(&self.spki())
    }
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}

/// A PEM block with lines of 64 characters.
#[must_use]
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for (position, character) in text.chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            out.push('\n');
        }
        out.push(character);
    }
    out.push_str(&format!("\n-----END {label}-----\n"));
    out
}
