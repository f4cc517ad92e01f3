//! What carries a signature: a layer of the `.sig` manifest for an image, a Sigstore bundle for a blob.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use provost_keys::{KeyError, PublicKey, Signer};
use provost_oci::Digest;
use provost_statement::go_json;
use provost_statement::tag_scheme::{SIGNATURE_ANNOTATION, SIGNATURE_LAYER};

use crate::attach::AttachedLayer;

/// The layer cosign attaches for an image signature: the payload, and the base64 of the signature over it.
///
/// # Errors
/// When the key cannot sign.
pub async fn signature_layer(payload: Vec<u8>, key: &dyn Signer) -> Result<AttachedLayer, KeyError> {
    let signature = STANDARD.encode(key.sign(&payload).await?);
    Ok(AttachedLayer {
        media_type: SIGNATURE_LAYER.to_owned(),
        bytes: Bytes::from(payload),
        annotations: BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), signature)]),
    })
}

/// A Sigstore bundle (v0.3) around a signature over a blob's SHA-256, in protojson's order of fields.
#[must_use]
pub fn blob_bundle(blob: &[u8], signature: &[u8], key: &PublicKey) -> String {
    let digest = Digest::sha256_of(blob);
    let digest = STANDARD.encode(hex_bytes(digest.hex()));
    let text = |text: &str| String::from_utf8_lossy(&go_json::plain(&text)).into_owned();
    format!(
        r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":{}}}}},"messageSignature":{{"messageDigest":{{"algorithm":"SHA2_256","digest":{}}},"signature":{}}}}}"#,
        text(&key.hint()),
        text(&digest),
        text(&STANDARD.encode(signature)),
    )
}

/// The bytes behind hexadecimal digits.
fn hex_bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap_or_default();
    hex.as_bytes()
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |value, byte| (value << 4) | digit(*byte)))
        .collect()
}

#[cfg(test)]
mod tests {
    use provost_keys::{HashChoice, PrivateKey};

    use super::*;

    #[tokio::test]
    async fn the_annotation_holds_the_signature_of_the_bytes() {
        let key = PrivateKey::generate().unwrap();
        let layer = signature_layer(b"payload".to_vec(), &key).await.unwrap();
        let signature = STANDARD.decode(&layer.annotations[SIGNATURE_ANNOTATION]).unwrap();
        assert_eq!(key.public_key().verify(&layer.bytes, &signature, HashChoice::Usual), Ok(()));
        assert!(key.public_key().verify(b"other", &signature, HashChoice::Usual).is_err());
        assert_eq!((layer.media_type.as_str(), layer.annotations.len()), (SIGNATURE_LAYER, 1));
    }

    #[test]
    fn a_bundle_names_blob_and_key() {
        let key = PrivateKey::generate().unwrap().public_key();
        let bundle: serde_json::Value =
            serde_json::from_str(&blob_bundle(b"abc", b"signature", &key)).unwrap();
        // FIPS 180-2's example, ba7816bf…, in base64.
        let digest = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        assert_eq!(bundle["messageSignature"]["messageDigest"]["digest"], digest);
        assert_eq!(bundle["messageSignature"]["signature"], STANDARD.encode("signature"));
        assert_eq!(bundle["verificationMaterial"]["publicKey"]["hint"], key.hint());
    }
}
