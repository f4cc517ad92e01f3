//! Signing the same bytes with the new key, and storing them in the form they had.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use provost_keys::Signer;
use provost_registry::Store;
use provost_sigstore::bundle_writing::{Content, Material, NewBundle};
use provost_statement::Envelope;
use provost_statement::tag_scheme::{ENVELOPE_LAYER, SIGNATURE_ANNOTATION, SIGNATURE_LAYER};

use super::{Form, Image, Judged, Read, ResignError, holds};
use crate::attach::{AttachedLayer, Dedup, attach};
use crate::envelope::{KeyHint, sign_envelope};
use crate::layer::{CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION};
use crate::referrer::{BundlePlace, attach_bundle};

/// The annotation by which cosign names an attestation's predicate type.
const PREDICATE_TYPE: &str = "predicateType";

/// Signs one payload anew, and stores it beside what it was.
pub(super) async fn write(
    store: &dyn Store,
    image: &Image<'_>,
    one: &Read,
    new: &dyn Signer,
) -> Result<(), ResignError> {
    let payload = one.payload.as_deref().unwrap_or_default();
    let predicate_type = match &one.judged {
        Judged::Old { predicate_type: Some(kind) } => kind.as_str(),
        _ => "",
    };
    let [attestations, signatures] = image.tags;
    match one.form {
        Form::Signature => {
            let signature = new.sign(payload).await?;
            check(new, payload, &signature)?;
            let mut annotations = carried(one, predicate_type);
            annotations.insert(SIGNATURE_ANNOTATION.to_owned(), STANDARD.encode(signature));
            let layer = AttachedLayer {
                media_type: SIGNATURE_LAYER.to_owned(),
                bytes: Bytes::copy_from_slice(payload),
                annotations,
            };
            attach(store, image.repository, signatures, &layer, Dedup::Never).await?;
        }
        Form::Attestation => {
            let envelope = envelope(payload, one.names_key, new).await?;
            let bytes = if one.names_key { envelope.to_chains_json() } else { envelope.to_json() };
            let mut annotations = carried(one, predicate_type);
            annotations.insert(SIGNATURE_ANNOTATION.to_owned(), String::new());
            let layer = AttachedLayer {
                media_type: ENVELOPE_LAYER.to_owned(),
                bytes: Bytes::from(bytes),
                annotations,
            };
            attach(store, image.repository, attestations, &layer, Dedup::Never).await?;
        }
        Form::Bundle => {
            let bundle = NewBundle {
                content: Content::Envelope(envelope(payload, one.names_key, new).await?),
                signer: Material::PublicKey(new.public_key().hint()),
                log_entries: Vec::new(),
                timestamps: Vec::new(),
            };
            let place = BundlePlace {
                image: image.image,
                repository: image.repository,
                digest: image.digest,
                predicate_type,
                created: image.created,
            };
            attach_bundle(store, &place, bundle.to_json()).await?;
        }
    }
    Ok(())
}

async fn envelope(payload: &[u8], names_key: bool, new: &dyn Signer) -> Result<Envelope, ResignError> {
    let hint = if names_key { KeyHint::SshFingerprint } else { KeyHint::None };
    let envelope = sign_envelope(payload, new, hint).await?;
    let signature = envelope.signatures.first().and_then(|one| one.signature.as_deref());
    check(new, &envelope.signed_bytes(), signature.unwrap_or_default())?;
    Ok(envelope)
}

/// A signature that nobody could verify is not stored.
fn check(new: &dyn Signer, message: &[u8], signature: &[u8]) -> Result<(), ResignError> {
    holds(&new.public_key(), message, signature).then_some(()).ok_or(ResignError::OwnSignature)
}

/// The annotations that a layer of this kind had and that a plain key's have too: Chains' empty certificate, cosign's
/// predicate type. What services said was about the old signature.
fn carried(one: &Read, predicate_type: &str) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    for name in &one.annotations {
        if name == CERTIFICATE_ANNOTATION || name == CHAIN_ANNOTATION {
            annotations.insert(name.clone(), String::new());
        } else if name == PREDICATE_TYPE && !predicate_type.is_empty() {
            annotations.insert(name.clone(), predicate_type.to_owned());
        }
    }
    annotations
}
