//! Putting attestations and signatures beside images: the tags `sha256-….att` and `.sig`, with Chains'
//! annotations, or bundles ([`bundles`]).
//!
//! What is there already is kept, and nothing is put twice: a stored copy counts as ours only if its signature
//! verifies under the key that signs now, so a new key signs anew.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use provost_keys::{HashChoice, KeyError, PublicKey};
use provost_oci::{Digest, ImageManifest, Repository, Selector};
use provost_registry::{Manifest, Store, StoreError};
use provost_sign::{AttachError, AttachOptions, AttachedLayer, Attaching, Dedup, Step};
use provost_sigstore::annotation::{
    BUNDLE_ANNOTATION, CERTIFICATE_ANNOTATION as CERTIFICATE, CHAIN_ANNOTATION as CHAIN,
};
use provost_sigstore::certificate::Certificate;
use provost_statement::tag_scheme::{ENVELOPE_LAYER, MAX_LAYERS, SIGNATURE_ANNOTATION, SIGNATURE_LAYER};
use provost_statement::{Envelope, IN_TOTO_PAYLOAD, Limits, json};
use serde_json::Value;

use crate::config::{Encoding, StorageSettings};
use crate::image_ref::ImageRef;
use crate::members::MEMBERS_LIMIT;
use crate::signable::Payload;
use crate::signing::Signed;
use crate::statement::Statement;

pub mod bundles;

/// The largest stored copy that is read, cosign's limit for an attachment (128 MiB); what is larger is not ours,
/// because verifiers would refuse it.
const COPY_LIMIT: u64 = 128 * 1024 * 1024;

/// How many things are stored at once: of one run, and of one statement beside its images.
pub(crate) const PLACED_AT_ONCE: usize = 4;

/// Where something lies now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The repository.
    pub repository: Repository,
    /// The tag, or the digest of a bundle's manifest.
    pub tag: String,
    /// Whether this call put it there; otherwise a copy that verifies lay there already.
    pub new: bool,
}

/// Why something was not put beside its images.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// A subject that lies in no registry cannot carry an attestation; nothing was stored for any subject.
    #[error(
        "subject {name:?} is no image reference with a SHA-256 digest: an attestation of it cannot go to OCI storage"
    )]
    NoImage {
        /// The subject's name.
        name: String,
    },
    /// `storage.oci.repository` is no repository.
    #[error("storage.oci.repository: {0:?} is no repository")]
    Repository(String),
    /// An index has more members than are signed.
    #[error("{image} has more than {MEMBERS_LIMIT} members, the most that provost.index-children signs")]
    TooManyMembers {
        /// The index.
        image: String,
    },
    /// The key did not sign what an image's bundle holds.
    #[error(transparent)]
    Key(KeyError),
    /// What lies under the tag cannot be read, so whether ours is among it cannot be told.
    #[error("{repository}:{tag}: {reason}")]
    Unreadable {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry did not take part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The layer was not appended.
    #[error(transparent)]
    Attach(#[from] AttachError),
}

/// Puts something signed beside every image it is about; `key` is the public half of the key that signed.
///
/// A statement without subjects goes nowhere, as in Chains.
///
/// # Errors
/// See [`PlaceError`]; images before the one that failed may have theirs, and a repetition leaves them alone.
pub async fn place(
    signed: &Signed,
    key: &PublicKey,
    settings: &StorageSettings,
    store: &dyn Store,
) -> Result<Vec<Placed>, PlaceError> {
    let (suffix, layer) = (suffix(signed), layer(signed));
    let about = match signed {
        Signed::Attestation { statement, .. } => About::Statement(statement),
        Signed::Image { image, .. } => About::Image(image),
    };
    // Two names of one image are one place.
    let mut places = targets(&about, settings)?;
    let mut known = HashSet::new();
    places.retain(|place| known.insert(place.clone()));
    // Each waits for its tag to be read back, so they wait together.
    let placing = places.into_iter().map(|(repository, digest)| {
        let tag = format!("{}-{}.{suffix}", digest.algorithm().name(), digest.hex());
        place_one(signed, &layer, key, store, repository, tag).boxed()
    });
    stream::iter(placing.collect::<Vec<_>>()).buffered(PLACED_AT_ONCE).try_collect().await
}

/// Puts something beside one image; while it waits to read the tag back, others have their turn at the registry.
async fn place_one(
    signed: &Signed,
    layer: &AttachedLayer,
    key: &PublicKey,
    store: &dyn Store,
    repository: Repository,
    tag: String,
) -> Result<Placed, PlaceError> {
    let turn = store.turn(&repository).await;
    let began = Instant::now();
    let manifest = match store.manifest(&repository, &Selector::Tag(tag.clone())).await {
        Ok(manifest) => Some(manifest),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(manifest) = &manifest
        && is_there(signed, key, store, (&repository, &tag), manifest).await?
    {
        return Ok(Placed { repository, tag, new: false });
    }
    let options = AttachOptions::default();
    let attaching = Attaching::new(store, &repository, &tag, layer, Dedup::Never, &options);
    let mut attaching = attaching.having_found(manifest, began);
    let mut step = attaching.step().await?;
    // Another look is one small request, and ends what others behind it would make last longer: it waits for no turn.
    drop(turn);
    while let Step::LookAgain(wait) = step {
        tokio::time::sleep(wait).await;
        step = attaching.step().await?;
    }
    Ok(Placed { repository, tag, new: true })
}

/// Whether a copy of ours lies beside every image already.
pub(crate) async fn lies_everywhere(
    signed: &Signed,
    key: &PublicKey,
    settings: &StorageSettings,
    store: &dyn Store,
) -> Result<bool, PlaceError> {
    let about = match signed {
        Signed::Attestation { statement, .. } => About::Statement(statement),
        Signed::Image { image, .. } => About::Image(image),
    };
    let targets = targets(&about, settings)?;
    if settings.encoding == Encoding::SigstoreBundle {
        return bundles::lie_everywhere(signed, key, &targets, store).await;
    }
    for (repository, digest) in &targets {
        let tag = format!("{}-{}.{}", digest.algorithm().name(), digest.hex(), suffix(signed));
        let manifest = match store.manifest(repository, &Selector::Tag(tag.clone())).await {
            Ok(manifest) => manifest,
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if !is_there(signed, key, store, (repository, &tag), &manifest).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn suffix(signed: &Signed) -> &'static str {
    match signed {
        Signed::Attestation { .. } => "att",
        Signed::Image { .. } => "sig",
    }
}

fn layer(signed: &Signed) -> AttachedLayer {
    let (media_type, bytes, signature) = match signed {
        Signed::Attestation { envelope, .. } => (ENVELOPE_LAYER, envelope, String::new()),
        Signed::Image { payload, signature, .. } => (SIGNATURE_LAYER, payload, STANDARD.encode(signature)),
    };
    // Chains writes certificate and chain also when a plain key signed, empty; and the log's entry beside attestations.
    let [certificate, chain] = signed.vouched().pems();
    let annotations = [(SIGNATURE_ANNOTATION, signature), (CERTIFICATE, certificate), (CHAIN, chain)];
    let entry = match signed {
        Signed::Attestation { vouched, .. } => vouched.entry.as_ref(),
        Signed::Image { .. } => None,
    };
    let entry = entry.map(|entry| (BUNDLE_ANNOTATION, entry.to_annotation()));
    AttachedLayer {
        media_type: media_type.to_owned(),
        bytes: Bytes::copy_from_slice(bytes),
        annotations: annotations.into_iter().chain(entry).map(|(k, text)| (k.to_owned(), text)).collect(),
    }
}

/// What something signed is about.
enum About<'a> {
    Image(&'a ImageRef),
    Statement(&'a Statement),
}

/// The repositories that what is to be signed would be stored in.
///
/// # Errors
/// [`PlaceError::NoImage`] or [`PlaceError::Repository`], as [`place`] would say later.
pub fn repositories(payload: &Payload, settings: &StorageSettings) -> Result<Vec<Repository>, PlaceError> {
    let about = match payload {
        Payload::Attestation(statement) => About::Statement(statement),
        Payload::ImageSignature { image, .. } => About::Image(image),
    };
    Ok(targets(&about, settings)?.into_iter().map(|(repository, _)| repository).collect())
}

/// Names for the places that something signed goes to.
///
/// # Errors
/// As [`place`] would say later.
pub(crate) fn names(signed: &Signed, settings: &StorageSettings) -> Result<BTreeSet<String>, PlaceError> {
    let about = match signed {
        Signed::Attestation { statement, .. } => About::Statement(statement),
        Signed::Image { image, .. } => About::Image(image),
    };
    let suffix = suffix(signed);
    let name = |(repository, digest): (Repository, Digest)| format!("{repository}@{digest}.{suffix}");
    Ok(targets(&about, settings)?.into_iter().map(name).collect())
}

/// The images, each with the repository its copy goes to; all are checked before anything is stored.
fn targets(about: &About<'_>, settings: &StorageSettings) -> Result<Vec<(Repository, Digest)>, PlaceError> {
    let override_ = match &settings.repository {
        Some(text) => Some(text.parse::<Repository>().map_err(|_| PlaceError::Repository(text.clone()))?),
        None => None,
    };
    let target = |name: &str, image: Option<ImageRef>| {
        let found = image.and_then(|image| Some((image.repository()?, image.digest)));
        let (own, digest) = found.ok_or_else(|| PlaceError::NoImage { name: name.to_owned() })?;
        Ok((override_.clone().unwrap_or(own), digest))
    };
    match about {
        About::Image(image) => Ok(vec![target(&image.name, Some((*image).clone()))?]),
        About::Statement(statement) => statement
            .subjects()
            .iter()
            .map(|subject| {
                let hex = subject.digest.get("sha256").map(String::as_str).unwrap_or_default();
                target(&subject.name, ImageRef::parse(&format!("{}@sha256:{hex}", subject.name)).ok())
            })
            .collect(),
    }
}

/// Whether a copy that verifies under the key lies in what was found under a tag.
async fn is_there(
    signed: &Signed,
    key: &PublicKey,
    store: &dyn Store,
    (repository, tag): (&Repository, &str),
    manifest: &Manifest,
) -> Result<bool, PlaceError> {
    let unreadable = |reason: String| PlaceError::Unreadable {
        repository: repository.to_string(),
        tag: tag.to_owned(),
        reason,
    };
    let manifest: ImageManifest =
        serde_json::from_slice(&manifest.bytes).map_err(|error| unreadable(error.to_string()))?;
    if manifest.layers.len() > MAX_LAYERS {
        return Err(unreadable(format!("{} layers, at most {MAX_LAYERS} are read", manifest.layers.len())));
    }
    for layer in &manifest.layers {
        let beside = layer.annotations.get(CERTIFICATE).filter(|text| !text.is_empty());
        let beside = beside.and_then(|text| Certificate::from_pem(text.as_bytes()).ok());
        let Some(key) = signed.vouched().key_of_copy(key, beside.as_ref()) else { continue };
        let ours = match signed {
            Signed::Image { payload, .. } => {
                layer.digest.matches(payload) && is_signature(&layer.annotations, &key, payload)
            }
            Signed::Attestation { .. } if layer.media_type != ENVELOPE_LAYER || layer.size > COPY_LIMIT => {
                false
            }
            Signed::Attestation { statement, .. } => {
                let bytes = store.blob(repository, &layer.digest, COPY_LIMIT).await?;
                is_attestation(&bytes, &key, &statement.to_bytes())
            }
        };
        if ours {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_signature(annotations: &BTreeMap<String, String>, key: &PublicKey, payload: &[u8]) -> bool {
    let signature = annotations.get(SIGNATURE_ANNOTATION).and_then(|text| STANDARD.decode(text).ok());
    signature.is_some_and(|signature| key.verify(payload, &signature, HashChoice::Usual).is_ok())
}

pub(crate) fn is_attestation(bytes: &[u8], key: &PublicKey, statement: &[u8]) -> bool {
    Envelope::parse(bytes).is_ok_and(|envelope| is_ours(&envelope, key, statement))
}

/// Whether an envelope's signature holds and its payload says the same, whatever its blanks.
fn is_ours(envelope: &Envelope, key: &PublicKey, statement: &[u8]) -> bool {
    if envelope.payload_type != IN_TOTO_PAYLOAD {
        return false;
    }
    let signed = envelope.signed_bytes();
    let holds = envelope.signatures.iter().any(|one| {
        let signature = one.signature.as_deref().unwrap_or_default();
        key.verify(&signed, signature, HashChoice::Usual).is_ok()
    });
    let said = |bytes| -> Option<Value> { json::parse(bytes, Limits::STATEMENT).ok() };
    holds && said(&envelope.payload).is_some_and(|stored| said(statement) == Some(stored))
}

#[cfg(test)]
mod tests;
