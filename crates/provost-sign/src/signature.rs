//! What carries a key's signature of an image: a layer of the `.sig` manifest.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use provost_keys::{KeyError, Signer};
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
}
