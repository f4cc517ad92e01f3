//! OpenSSH's fingerprint of a public key: the `keyid` Chains writes into its envelopes.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::kind::KeyKind;
use crate::spki::{self, Parts};

/// `SHA256:` and the unpadded base64 of the hash of the wire form (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4).
pub(crate) fn fingerprint(parts: &Parts) -> String {
    let mut wire = Vec::new();
    match parts.kind {
        KeyKind::EcdsaP256 => ecdsa(&mut wire, b"ecdsa-sha2-nistp256", b"nistp256", &parts.inner),
        KeyKind::EcdsaP384 => ecdsa(&mut wire, b"ecdsa-sha2-nistp384", b"nistp384", &parts.inner),
        KeyKind::EcdsaP521 => ecdsa(&mut wire, b"ecdsa-sha2-nistp521", b"nistp521", &parts.inner),
        KeyKind::Ed25519 => {
            string(&mut wire, b"ssh-ed25519");
            string(&mut wire, &parts.inner);
        }
        KeyKind::Rsa { .. } => {
            string(&mut wire, b"ssh-rsa");
            // The numbers were read when the key was; an unreadable key never gets here.
            if let Ok((modulus, exponent)) = spki::rsa_numbers(&parts.inner) {
                number(&mut wire, exponent);
                number(&mut wire, modulus);
            }
        }
    }
    format!("SHA256:{}", STANDARD_NO_PAD.encode(digest(&SHA256, &wire)))
}

fn ecdsa(wire: &mut Vec<u8>, name: &[u8], curve: &[u8], point: &[u8]) {
    string(wire, name);
    string(wire, curve);
    string(wire, point);
}

fn string(wire: &mut Vec<u8>, bytes: &[u8]) {
    length(wire, bytes.len());
    wire.extend_from_slice(bytes);
}

/// A positive number: a zero byte in front where the highest bit is set.
fn number(wire: &mut Vec<u8>, bytes: &[u8]) {
    let sign = bytes.first().is_some_and(|first| *first >= 0x80);
    length(wire, bytes.len() + usize::from(sign));
    wire.extend(sign.then_some(0));
    wire.extend_from_slice(bytes);
}

/// Four bytes; keys are at most 128 KiB long.
fn length(wire: &mut Vec<u8>, length: usize) {
    wire.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}
