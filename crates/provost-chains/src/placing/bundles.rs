//! `storage.oci.encoding-format: sigstore-bundle`: attestations and signatures as referrers of their images.
//!
//! An attestation's bundle holds the envelope Chains signs. An image signature's holds a statement of cosign's own type, which
//! cosign and we verify; Chains puts its raw signature of the simple signing payload into an envelope, which nobody can.

use jiff::Timestamp;
use provost_keys::{KeyError, PublicKey, Signer};
use provost_oci::{Descriptor, Digest, ImageManifest, Repository, Selector};
use provost_registry::Store;
use provost_sign::referrer::PREDICATE_TYPE;
use provost_sign::statement::{SIGN_PREDICATE, signing_statement};
use provost_sign::{BundlePlace, KeyHint, attach_bundle, sign_envelope};
use provost_sigstore::bundle_reading::{Bundle, BundleContent, BundleSigner};
use provost_sigstore::bundle_writing::{BUNDLE_V03, Content, NewBundle};
use provost_sigstore::certificate::Certificate;
use provost_statement::Envelope;
use serde_json::Map;

use super::{About, COPY_LIMIT, PlaceError, Placed, is_ours, targets};
use crate::config::StorageSettings;
use crate::signing::Signed;
use crate::vouching::Vouched;

/// How many bundles beside one image are looked at for ours: cosign's limit of attachments.
pub(super) const BUNDLES_LIMIT: usize = 1000;

/// What goes into a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct Sealed {
    /// The statement.
    pub statement: Vec<u8>,
    /// Its predicate type.
    pub predicate_type: String,
    /// The statement, signed.
    pub envelope: Envelope,
    /// What vouches for it besides the key.
    pub vouched: Vouched,
}

/// Signs what a bundle holds of an image, which is not what the tag scheme holds, so that a log can be told of it.
pub(crate) async fn seal_image(signed: &mut Signed, key: &dyn Signer) -> Result<(), KeyError> {
    let made = seal(signed, key).await?;
    if let Signed::Image { sealed, .. } = signed {
        *sealed = Some(Box::new(made));
    }
    Ok(())
}

/// Stores a bundle beside every image that something signed is about, unless one that verifies lies there.
///
/// # Errors
/// See [`PlaceError`].
pub async fn place_bundles(
    signed: &Signed,
    key: &dyn Signer,
    settings: &StorageSettings,
    store: &dyn Store,
    now: Timestamp,
) -> Result<Vec<Placed>, PlaceError> {
    let (about, own) = match signed {
        Signed::Attestation { statement, .. } => (About::Statement(statement), None),
        Signed::Image { image, .. } => (About::Image(image), image.repository()),
    };
    let sealed = seal(signed, key).await.map_err(PlaceError::Key)?;
    let created = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut placed = Vec::new();
    for (repository, digest) in targets(&about, settings)? {
        // The image lies where its name says, also where its bundles go elsewhere.
        let image = match (&about, &settings.repository) {
            (_, None) => repository.clone(),
            (About::Image(_), Some(_)) => own.clone().unwrap_or_else(|| repository.clone()),
            (About::Statement(_), Some(_)) => repository.clone(),
        };
        let _turn = store.turn(&repository).await;
        let there = stored(&sealed, &key.public_key(), store, &repository, &digest).await?;
        let place = BundlePlace {
            image: &image,
            repository: &repository,
            digest: &digest,
            predicate_type: &sealed.predicate_type,
            created: &created,
        };
        let (tag, new) = match there {
            Some(there) => (there.to_string(), false),
            None => {
                let bundle = NewBundle {
                    content: Content::Envelope(sealed.envelope.clone()),
                    signer: sealed.vouched.material(&key.public_key()),
                    log_entries: sealed.vouched.entry.iter().cloned().collect(),
                    timestamps: Vec::new(),
                };
                (attach_bundle(store, &place, bundle.to_json()).await?.to_string(), true)
            }
        };
        placed.push(Placed { repository, tag, new });
    }
    Ok(placed)
}

async fn seal(signed: &Signed, key: &dyn Signer) -> Result<Sealed, KeyError> {
    let statement = match signed {
        Signed::Attestation { statement, envelope, .. } => {
            if let Ok(envelope) = Envelope::parse(envelope) {
                let predicate_type = statement.predicate_type().to_owned();
                let (statement, vouched) = (statement.to_bytes(), signed.vouched().clone());
                return Ok(Sealed { statement, predicate_type, envelope, vouched });
            }
            statement.to_bytes()
        }
        Signed::Image { sealed: Some(sealed), .. } => return Ok(sealed.as_ref().clone()),
        Signed::Image { image, .. } => {
            let digest = &image.digest;
            signing_statement(digest.algorithm().name(), digest.hex(), &Map::new())
        }
    };
    let envelope = sign_envelope(&statement, key, KeyHint::None).await?;
    let vouched = signed.vouched().clone();
    Ok(Sealed { statement, predicate_type: SIGN_PREDICATE.to_owned(), envelope, vouched })
}

/// Whether a bundle that says the same lies beside every image already.
pub(super) async fn lie_everywhere(
    signed: &Signed,
    key: &PublicKey,
    targets: &[(Repository, Digest)],
    store: &dyn Store,
) -> Result<bool, PlaceError> {
    let sealed = match signed {
        Signed::Image { sealed: Some(sealed), .. } => sealed.as_ref().clone(),
        // Only its words are compared.
        Signed::Attestation { statement, vouched, .. } => Sealed {
            statement: statement.to_bytes(),
            predicate_type: statement.predicate_type().to_owned(),
            envelope: Envelope { payload_type: String::new(), payload: Vec::new(), signatures: Vec::new() },
            vouched: vouched.clone(),
        },
        Signed::Image { .. } => return Ok(false),
    };
    for (repository, digest) in targets {
        if stored(&sealed, key, store, repository, digest).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn certificate(signer: &BundleSigner) -> Option<&Certificate> {
    match signer {
        BundleSigner::Certificates(list) => list.first(),
        BundleSigner::Key => None,
    }
}

/// The bundle that says the same and verifies under the key, if one lies beside the image.
async fn stored(
    sealed: &Sealed,
    key: &PublicKey,
    store: &dyn Store,
    repository: &Repository,
    digest: &Digest,
) -> Result<Option<Digest>, PlaceError> {
    let listed = match store.referrers(repository, digest).await {
        Ok(listed) => listed,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // A hint that is wrong costs one more copy, and nothing else.
    let likely = |one: &&Descriptor| {
        one.artifact_type.as_deref().is_none_or(|kind| kind == BUNDLE_V03)
            && one.annotations.get(PREDICATE_TYPE).is_none_or(|kind| *kind == sealed.predicate_type)
    };
    for descriptor in listed.iter().filter(likely).take(BUNDLES_LIMIT) {
        let manifest = match store.manifest(repository, &Selector::Digest(descriptor.digest.clone())).await {
            Ok(manifest) => manifest,
            // Listed and gone: an index that somebody did not clean.
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        };
        let Ok(view) = serde_json::from_slice::<ImageManifest>(&manifest.bytes) else { continue };
        let Some(layer) = view.layers.first().filter(|layer| layer.media_type == BUNDLE_V03) else {
            continue;
        };
        if layer.size > COPY_LIMIT {
            continue;
        }
        let bytes = store.blob(repository, &layer.digest, COPY_LIMIT).await?;
        if let Ok(Bundle { content: BundleContent::Envelope(envelope), signer, .. }) = Bundle::parse(&bytes)
            && let Some(key) = sealed.vouched.key_of_copy(key, certificate(&signer))
            && is_ours(&envelope, &key, &sealed.statement)
        {
            return Ok(Some(descriptor.digest.clone()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use provost_keys::PrivateKey;
    use provost_oci::media_type;
    use provost_registry::Manifest;
    use serde_json::json;
    use testkit::MemoryStore;

    use super::*;
    use crate::config::ChainsConfig;
    use crate::run::Run;
    use crate::signable::signables;

    async fn scene() -> (MemoryStore, Repository, Digest) {
        let (store, repository) = (MemoryStore::new(), "reg.local/app".parse().unwrap());
        let manifest = Manifest::new(media_type::OCI_MANIFEST, Bytes::from_static(br#"{"schemaVersion":2}"#));
        let digest = manifest.digest.clone();
        store.put_manifest(&repository, &Selector::Digest(digest.clone()), &manifest).await.unwrap();
        (store, repository, digest)
    }

    async fn place(digest: &Digest, key: &PrivateKey, store: &MemoryStore) -> Result<Vec<bool>, PlaceError> {
        let run: provost_tekton::TaskRun = serde_json::from_value(json!({
            "metadata": {"name": "build", "uid": "u1"},
            "status": {"conditions": [{"type": "Succeeded", "status": "True"}],
                "results": [{"name": "IMAGES", "value": format!("reg.local/app@{digest}")}]},
        }))
        .unwrap();
        let mut new = Vec::new();
        for one in signables(&ChainsConfig::default(), &Run::Task(&run)).unwrap().list {
            let signed = Signed::new(&one, key).await.unwrap();
            let settings = StorageSettings::default();
            let now = "2026-01-01T00:00:00Z".parse().unwrap();
            let placed = place_bundles(&signed, key, &settings, store, now).await?;
            new.extend(placed.into_iter().map(|placed| placed.new));
        }
        Ok(new)
    }

    #[tokio::test]
    async fn both_are_referrers_once_for_each_key() {
        let (store, repository, digest) = scene().await;
        let (key, other) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        assert_eq!(place(&digest, &key, &store).await, Ok(vec![true, true]));
        assert_eq!(place(&digest, &key, &store).await, Ok(vec![false, false]));
        assert_eq!(place(&digest, &other, &store).await, Ok(vec![true, true]));
        let listed = store.referrers(&repository, &digest).await.unwrap();
        let kinds: Vec<&str> = listed.iter().map(|one| one.annotations[PREDICATE_TYPE].as_str()).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == SIGN_PREDICATE).count(), 2);
        assert_eq!(kinds.iter().filter(|kind| kind.contains("slsa.dev/provenance")).count(), 2);
    }

    #[tokio::test]
    async fn an_image_that_is_not_there_gets_no_bundle() {
        let (store, _, _) = scene().await;
        let other = Digest::sha256_of(b"other");
        let placed = place(&other, &PrivateKey::generate().unwrap(), &store).await;
        assert!(matches!(placed, Err(PlaceError::Store(error)) if error.is_not_found()));
    }
}
