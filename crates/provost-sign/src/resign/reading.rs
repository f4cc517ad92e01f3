//! Reading what lies beside an image, and judging whether the old key signed it about this image.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::PublicKey;
use provost_oci::{Descriptor, ImageManifest, Selector};
use provost_registry::Store;
use provost_sigstore::bundle_reading::{BUNDLE_MEDIA_TYPE, Bundle, BundleContent};
use provost_statement::simple_signing::COSIGN_SIGNATURE;
use provost_statement::tag_scheme::{ENVELOPE_LAYER, MAX_LAYERS, SIGNATURE_ANNOTATION, SIGNATURE_LAYER};
use provost_statement::{Envelope, IN_TOTO_PAYLOAD, SimpleSigning, Statement};

use super::{BUNDLES_LIMIT, Form, Image, Judged, Read, Refusal, ResignError, holds};

/// The two keys.
struct Keys<'a> {
    old: &'a PublicKey,
    new: &'a PublicKey,
}

/// Something before it is judged.
struct Seen {
    judged: Judged,
    payload: Option<Vec<u8>>,
    names_key: bool,
}

impl Seen {
    fn refused(refusal: impl Into<Refusal>) -> Self {
        Self { judged: Judged::Refused(refusal.into()), payload: None, names_key: false }
    }
}

/// Everything that lies beside an image by its tags and as referrers.
pub(super) async fn read(
    store: &dyn Store,
    image: &Image<'_>,
    old: &PublicKey,
    new: &PublicKey,
) -> Result<Vec<Read>, ResignError> {
    let keys = Keys { old, new };
    let mut all = Vec::new();
    for (tag, form) in image.tags.into_iter().zip([Form::Attestation, Form::Signature]) {
        for layer in layers(store, image, tag).await? {
            let seen = of_layer(store, image, &keys, form, &layer).await?;
            all.push(Read {
                place: tag.to_owned(),
                digest: layer.digest,
                form,
                judged: seen.judged,
                payload: seen.payload,
                names_key: seen.names_key,
                annotations: layer.annotations.into_keys().collect(),
            });
        }
    }
    let listed = match store.referrers(image.repository, image.digest).await {
        Ok(listed) => listed,
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    for descriptor in listed.into_iter().take(BUNDLES_LIMIT) {
        if let Some(seen) = of_referrer(store, image, &keys, &descriptor).await? {
            all.push(Read {
                place: "referrer".to_owned(),
                digest: descriptor.digest,
                form: Form::Bundle,
                judged: seen.judged,
                payload: seen.payload,
                names_key: seen.names_key,
                annotations: Vec::new(),
            });
        }
    }
    Ok(all)
}

async fn layers(store: &dyn Store, image: &Image<'_>, tag: &str) -> Result<Vec<Descriptor>, ResignError> {
    let unreadable = |reason: String| ResignError::Unreadable {
        repository: image.repository.to_string(),
        tag: tag.to_owned(),
        reason,
    };
    let manifest = match store.manifest(image.repository, &Selector::Tag(tag.to_owned())).await {
        Ok(manifest) => manifest,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let manifest: ImageManifest =
        serde_json::from_slice(&manifest.bytes).map_err(|error| unreadable(error.to_string()))?;
    if manifest.layers.len() > MAX_LAYERS {
        return Err(unreadable(format!("{} layers, at most {MAX_LAYERS} are read", manifest.layers.len())));
    }
    Ok(manifest.layers)
}

async fn of_layer(
    store: &dyn Store,
    image: &Image<'_>,
    keys: &Keys<'_>,
    form: Form,
    layer: &Descriptor,
) -> Result<Seen, ResignError> {
    let expected = if form == Form::Attestation { ENVELOPE_LAYER } else { SIGNATURE_LAYER };
    if layer.media_type != expected {
        return Ok(Seen::refused(Refusal::OtherKind { what: layer.media_type.clone() }));
    }
    if layer.size > image.limit {
        return Ok(Seen::refused(Refusal::TooLong { size: layer.size, limit: image.limit }));
    }
    let bytes = store.blob(image.repository, &layer.digest, image.limit).await?;
    Ok(match form {
        Form::Signature => signature(image, keys, &layer.annotations, &bytes),
        Form::Attestation | Form::Bundle => match Envelope::parse(&bytes) {
            Ok(envelope) => attestation(image, keys, envelope),
            Err(error) => Seen::refused(error),
        },
    })
}

fn signature(
    image: &Image<'_>,
    keys: &Keys<'_>,
    annotations: &BTreeMap<String, String>,
    payload: &[u8],
) -> Seen {
    let text = annotations.get(SIGNATURE_ANNOTATION).map(String::as_str).unwrap_or_default();
    let signature = STANDARD.decode(text).unwrap_or_default();
    let judged = if holds(keys.new, payload, &signature) {
        Judged::New
    } else if !holds(keys.old, payload, &signature) {
        Judged::Refused(Refusal::OtherKey)
    } else {
        match SimpleSigning::parse(payload) {
            Err(error) => Judged::Refused(error.into()),
            Ok(read) if read.kind != COSIGN_SIGNATURE => {
                Judged::Refused(Refusal::OtherKind { what: format!("critical.type is {:?}", read.kind) })
            }
            Ok(read) if read.digest != *image.digest => {
                Judged::Refused(Refusal::OtherSubject { about: read.digest.to_string() })
            }
            Ok(_) => Judged::Old { predicate_type: None },
        }
    };
    seen(judged, payload.to_vec(), false)
}

fn attestation(image: &Image<'_>, keys: &Keys<'_>, envelope: Envelope) -> Seen {
    let message = envelope.signed_bytes();
    let of = |key: &PublicKey| {
        let signed = |one: &&provost_statement::EnvelopeSignature| {
            holds(key, &message, one.signature.as_deref().unwrap_or_default())
        };
        envelope.signatures.iter().find(signed)
    };
    let (old, new) = (of(keys.old), of(keys.new));
    let names_key = old.is_some_and(|one| !one.keyid.is_empty());
    let judged = if new.is_some() {
        Judged::New
    } else if old.is_none() {
        Judged::Refused(Refusal::OtherKey)
    } else if envelope.payload_type != IN_TOTO_PAYLOAD {
        Judged::Refused(Refusal::OtherKind { what: format!("its payload is {}", envelope.payload_type) })
    } else {
        match Statement::parse(&envelope.payload) {
            Err(error) => Judged::Refused(error.into()),
            Ok(statement) if statement.is_about(image.digest) => {
                Judged::Old { predicate_type: Some(statement.predicate_type) }
            }
            Ok(statement) => {
                let digests = statement.subjects.first().and_then(|one| one.digests.first_key_value());
                let about = digests.map(|(algorithm, hex)| format!("{algorithm}:{hex}"));
                Judged::Refused(Refusal::OtherSubject { about: about.unwrap_or_else(|| "none".to_owned()) })
            }
        }
    };
    seen(judged, envelope.payload, names_key)
}

/// Only what a key of ours signed is kept: strangers may have put much there.
fn seen(judged: Judged, payload: Vec<u8>, names_key: bool) -> Seen {
    let payload = (!matches!(judged, Judged::Refused(_))).then_some(payload);
    Seen { judged, payload, names_key }
}

/// A referrer; nothing where it has gone meanwhile.
async fn of_referrer(
    store: &dyn Store,
    image: &Image<'_>,
    keys: &Keys<'_>,
    descriptor: &Descriptor,
) -> Result<Option<Seen>, ResignError> {
    let other = |what: &str| Some(Seen::refused(Refusal::OtherKind { what: what.to_owned() }));
    // The kind stands outside as a hint only; what says nothing, or says bundle, is looked into.
    if let Some(kind) = descriptor.artifact_type.as_deref().filter(|kind| !kind.is_empty())
        && !kind.starts_with(BUNDLE_MEDIA_TYPE)
    {
        return Ok(other(kind));
    }
    let which = Selector::Digest(descriptor.digest.clone());
    let manifest = match store.manifest(image.repository, &which).await {
        Ok(manifest) => manifest,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Ok(view) = serde_json::from_slice::<ImageManifest>(&manifest.bytes) else {
        return Ok(other(&manifest.media_type));
    };
    let Some(layer) = view.layers.first() else { return Ok(other("a manifest without layers")) };
    if !layer.media_type.starts_with(BUNDLE_MEDIA_TYPE) {
        return Ok(other(&layer.media_type));
    }
    if layer.size > image.limit {
        return Ok(Some(Seen::refused(Refusal::TooLong { size: layer.size, limit: image.limit })));
    }
    let bytes = store.blob(image.repository, &layer.digest, image.limit).await?;
    Ok(Some(match Bundle::parse(&bytes) {
        Ok(Bundle { content: BundleContent::Envelope(envelope), .. }) => attestation(image, keys, envelope),
        Ok(_) => Seen::refused(Refusal::OtherKind { what: "a bundle without an envelope".to_owned() }),
        Err(error) => Seen::refused(Refusal::Bundle(error.to_string())),
    }))
}
