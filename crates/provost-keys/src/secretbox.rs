//! NaCl's secretbox: XSalsa20 with a Poly1305 tag in front, as cosign's key files use it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

/// The length of the key in bytes.
pub(crate) const KEY: usize = 32;
/// The length of the nonce in bytes.
pub(crate) const NONCE: usize = 24;
const TAG: usize = 16;

/// Encrypts and authenticates: tag, then ciphertext.
pub(crate) fn seal(key: &[u8; KEY], nonce: &[u8; NONCE], plain: &[u8]) -> Vec<u8> {
    let (mut stream, authenticator) = begin(key, nonce);
    let mut cipher = plain.to_vec();
    stream.apply_keystream(&mut cipher);
    let mut out = authenticator.compute_unpadded(&cipher).to_vec();
    out.append(&mut cipher);
    out
}

/// Opens a box; `None` when key, nonce or any bit of the box is wrong.
pub(crate) fn open(key: &[u8; KEY], nonce: &[u8; NONCE], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (tag, cipher) = sealed.split_at_checked(TAG)?;
    let (mut stream, authenticator) = begin(key, nonce);
    verify_slices_are_equal(&authenticator.compute_unpadded(cipher), tag).ok()?;
    let mut plain = Zeroizing::new(cipher.to_vec());
    stream.apply_keystream(&mut plain);
    Some(plain)
}

/// The stream after its first 32 bytes, which are the key of the tag.
fn begin(key: &[u8; KEY], nonce: &[u8; NONCE]) -> (XSalsa20, Poly1305) {
    let mut stream = XSalsa20::new(key.into(), nonce.into());
    let mut first = Zeroizing::new([0_u8; 32]);
    stream.apply_keystream(first.as_mut());
    let authenticator = Poly1305::new((&*first).into());
    (stream, authenticator)
}
