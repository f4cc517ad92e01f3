//! One run from beginning to end: what to sign, signed, stored, and the annotations that say so.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use provost_keys::KeyError;
use provost_oci::Digest;
use provost_registry::Store;
use provost_storage::{Backend, Backends, Kept, StorageError, StorageKind};

use crate::config::{ChainsConfig, Encoding, Storage, Upload};
use crate::elsewhere::{GITOID, keep};
use crate::format_error::FormatError;
use crate::members;
use crate::placing::bundles::place_bundles;
use crate::placing::{PLACED_AT_ONCE, PlaceError, Placed, names, place, repositories};
use crate::run::Run;
use crate::signable::{Signable, Signables, signables};
use crate::signing::{SIGNED, Signed, TRANSPARENCY};
use crate::vouching::{Others, VouchError, Vouching, address};

/// By which a run asks for the transparency log where the configuration says `manual`.
const UPLOAD_REQUEST: &str = "chains.tekton.dev/transparency-upload";

/// What became of a run that was signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignedRun {
    /// The annotations for the run: `chains.tekton.dev/signed: "true"`, and with `tekton` storage the payloads
    /// and signatures.
    pub annotations: BTreeMap<String, String>,
    /// What lies beside images, in the order it was put there.
    pub placed: Vec<Placed>,
    /// `sha256:…` of each payload that was signed, in the order of signing.
    pub payloads: Vec<String>,
    /// What lies in other storages.
    pub kept: Vec<Kept>,
    /// How many of them a transparency log took.
    pub uploaded: usize,
    /// What the run's namespace may not claim, by name: neither subject nor signed.
    pub denied: Vec<String>,
}

/// With what a run is signed and stored.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// The key.
    pub key: &'a dyn provost_keys::Signer,
    /// The registries.
    pub store: &'a dyn Store,
    /// The other storages that the configuration names, as far as there are any.
    pub backends: &'a Backends,
    /// The time, for the bundles' creation.
    pub now: Timestamp,
    /// What signs and vouches besides the key; nothing where no services are spoken to.
    pub others: Option<&'a Others>,
}

/// Why a run was not signed, or not everything of it stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignRunError {
    /// The run cannot be attested.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Nobody vouched for the key, or for the signature.
    #[error(transparent)]
    Vouch(#[from] VouchError),
    /// The key in a service cannot be used.
    #[error("{0}")]
    Closed(String),
    /// Something was not put beside its image.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Something was not kept in another storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The configuration asks for something this version does not do; nothing was signed.
    #[error("{run}: {what} is not supported yet, so nothing was signed")]
    Unsupported {
        /// The run.
        run: String,
        /// What was asked for, as the configuration spells it.
        what: String,
    },
}

/// What of a run is to be signed.
///
/// # Errors
/// [`SignRunError::Format`].
pub fn to_sign(config: &ChainsConfig, run: &Run<'_>) -> Result<Signables, SignRunError> {
    Ok(signables(config, run)?)
}

/// The hosts of the registries that a list would be stored in, each once.
///
/// # Errors
/// [`SignRunError::Place`] where a subject lies in no registry.
pub fn registries(config: &ChainsConfig, list: &[Signable]) -> Result<BTreeSet<String>, SignRunError> {
    let mut hosts = BTreeSet::new();
    for signable in list.iter().filter(|signable| signable.storage.contains(&Storage::Oci)) {
        let places = repositories(&signable.payload, &config.storage)?;
        hosts.extend(places.into_iter().map(|repository| repository.registry().to_owned()));
    }
    Ok(hosts)
}

/// Signs everything of a run that the configuration names, and stores it.
///
/// What the configuration asks for and this version cannot do stops it before anything is signed. A repetition
/// stores nothing twice.
///
/// # Errors
/// See [`SignRunError`].
pub async fn sign_run(
    config: &ChainsConfig,
    run: &Run<'_>,
    means: &Means<'_>,
) -> Result<SignedRun, SignRunError> {
    sign_list(config, run, &to_sign(config, run)?, means).await
}

/// Signs and stores what [`to_sign`] found.
///
/// # Errors
/// See [`SignRunError`].
pub async fn sign_list(
    config: &ChainsConfig,
    run: &Run<'_>,
    to_sign: &Signables,
    means: &Means<'_>,
) -> Result<SignedRun, SignRunError> {
    let with_members;
    let to_sign = match config.own.index_children {
        true => {
            with_members = members::with_members(to_sign, means.store).await?;
            &with_members
        }
        false => to_sign,
    };
    let mut elsewhere = Vec::new();
    for (at, signable) in to_sign.list.iter().enumerate() {
        for kind in signable.storage.iter().filter_map(|storage| storage.elsewhere()) {
            let what = || format!("storage {}", kind.name());
            let backend = means.backends.get(&kind);
            let backend =
                backend.ok_or_else(|| SignRunError::Unsupported { run: run.label(), what: what() })?;
            elsewhere.push((at, backend.as_ref()));
        }
    }
    // A topic cannot be asked what it holds, so it is told when nothing else can fail any more.
    let (streams, others): (Vec<_>, Vec<_>) =
        elsewhere.into_iter().partition(|(_, backend)| backend.kind() == StorageKind::Kafka);
    let mut done = SignedRun { denied: to_sign.denied.clone(), ..SignedRun::default() };
    let (list, upload) = (&to_sign.list, asks_for_upload(config, run));
    let vouching = Vouching::begin(config, &run.label(), list, upload, means).await?;
    let mut all = Vec::new();
    for signable in list {
        let signed = vouching.sign(signable).await?;
        if let Some(entry) = signed.entry() {
            done.uploaded += 1;
            done.annotations.insert(TRANSPARENCY.to_owned(), address(&config.log_url, entry));
        }
        done.payloads.push(Digest::sha256_of(&signable.payload.bytes()).to_string());
        if signable.storage.contains(&Storage::Tekton) {
            done.annotations.extend(signed.annotations(run));
        }
        all.push((signable, signed));
    }
    // Each waits for its tag to be read back, so they wait together.
    let mut placing: Vec<BoxFuture<'_, Result<Vec<Placed>, PlaceError>>> = Vec::new();
    for (signable, signed) in all.iter().filter(|(signable, _)| signable.storage.contains(&Storage::Oci)) {
        placing.push(placed(config, signed, vouching.key(signable), means).boxed());
    }
    let mut placing = stream::iter(placing).buffered(PLACED_AT_ONCE);
    while let Some(placed) = placing.try_next().await? {
        done.placed.extend(placed);
    }
    for list in [others, streams] {
        let keeping = list.into_iter().filter_map(|(at, backend)| Some((all.get(at)?, backend)));
        let keeping: Vec<BoxFuture<'_, _>> = keeping
            .map(|((signable, signed), backend)| {
                kept(config, run, (signed, vouching.key(signable)), backend).boxed()
            })
            .collect();
        let mut keeping = stream::iter(keeping).buffered(PLACED_AT_ONCE);
        while let Some((key, kept)) = keeping.try_next().await? {
            let named = kept.iter().filter(|one| one.storage == StorageKind::Archivista.name());
            done.annotations.extend(named.map(|one| (format!("{GITOID}{key}"), one.place.clone())));
            done.kept.extend(kept);
        }
    }
    done.annotations.insert(SIGNED.to_owned(), "true".to_owned());
    Ok(done)
}

/// What became of one thing in one other storage, with the name it has there.
async fn kept(
    config: &ChainsConfig,
    run: &Run<'_>,
    (signed, key): (&Signed, &dyn provost_keys::Signer),
    backend: &dyn Backend,
) -> Result<(String, Vec<Kept>), StorageError> {
    let kept = keep(signed, run, config, &key.public_key(), backend).await?;
    Ok((signed.short_key(run), kept))
}

async fn placed(
    config: &ChainsConfig,
    signed: &Signed,
    key: &dyn provost_keys::Signer,
    means: &Means<'_>,
) -> Result<Vec<Placed>, PlaceError> {
    let Means { store, now, others, .. } = *means;
    let _turn = match others {
        Some(others) => others.writers.hold(names(signed, &config.storage)?).await,
        None => Vec::new(),
    };
    match config.storage.encoding {
        Encoding::Dsse => place(signed, &key.public_key(), &config.storage, store).await,
        Encoding::SigstoreBundle => place_bundles(signed, key, &config.storage, store, now).await,
    }
}

fn asks_for_upload(config: &ChainsConfig, run: &Run<'_>) -> bool {
    let annotations = &run.metadata().annotations;
    // Whoever asks for it may also take it back, so what stands there is believed, as in Chains.
    let requested = || {
        annotations.get(UPLOAD_REQUEST).is_some_and(|text| text == "true")
            && !annotations.contains_key(TRANSPARENCY)
    };
    match config.upload {
        Upload::Off => false,
        Upload::Always => true,
        Upload::OnRequest => requested(),
    }
}

#[cfg(test)]
mod tests {
    use provost_keys::PrivateKey;
    use serde_json::json;
    use testkit::MemoryStore;

    use super::*;
    use crate::config::Signer;

    fn task_run() -> provost_tekton::TaskRun {
        serde_json::from_value(json!({
            "metadata": {"name": "build", "uid": "u1", "annotations": {UPLOAD_REQUEST: "true"}},
            "status": {"conditions": [{"type": "Succeeded", "status": "True"}],
                "results": [{"name": "IMAGES", "value": format!("reg.local/app@sha256:{}", "a".repeat(64))}]},
        }))
        .unwrap()
    }

    async fn sign(config: &ChainsConfig) -> Result<SignedRun, SignRunError> {
        let (run, key, store) = (task_run(), PrivateKey::generate().unwrap(), MemoryStore::new());
        let backends = Backends::new();
        let means =
            Means { key: &key, store: &store, backends: &backends, now: Timestamp::UNIX_EPOCH, others: None };
        sign_run(config, &Run::Task(&run), &means).await
    }

    #[tokio::test]
    async fn defaults_annotate_the_run_and_sign_the_image() {
        let done = sign(&ChainsConfig::default()).await.unwrap();
        let tags: Vec<&str> =
            done.placed.iter().map(|placed| placed.tag.rsplit('.').next().unwrap()).collect();
        assert_eq!(tags, ["sig"]);
        assert_eq!(done.annotations.len(), 5);
        assert_eq!(done.annotations.get(SIGNED).map(String::as_str), Some("true"));
    }

    #[tokio::test]
    async fn storage_oci_puts_the_attestation_beside_the_image() {
        let mut config = ChainsConfig::default();
        config.task_runs.storage = BTreeSet::from([Storage::Oci]);
        let done = sign(&config).await.unwrap();
        assert_eq!(done.placed.iter().map(|placed| placed.new).collect::<Vec<_>>(), [true, true]);
        assert_eq!(done.annotations, BTreeMap::from([(SIGNED.to_owned(), "true".to_owned())]));
    }

    #[tokio::test]
    async fn what_cannot_be_done_stops_before_anything_is_signed() {
        let mut kms = ChainsConfig::default();
        kms.images.signer = Signer::Kms;
        let mut gcs = ChainsConfig::default();
        gcs.task_runs.storage.insert(Storage::Gcs);
        let mut fulcio = ChainsConfig::default();
        fulcio.signers.fulcio = true;
        let always = ChainsConfig { upload: Upload::Always, ..ChainsConfig::default() };
        let on_request = ChainsConfig { upload: Upload::OnRequest, ..ChainsConfig::default() };
        for (config, what) in [
            (kms, "signer kms"),
            (gcs, "storage gcs"),
            (fulcio, "signers.x509.fulcio.enabled"),
            (always, "transparency.enabled"),
            (on_request, "transparency.enabled"),
        ] {
            let expected = SignRunError::Unsupported { run: "TaskRun/build".into(), what: what.into() };
            assert_eq!(sign(&config).await, Err(expected));
        }
    }

    #[tokio::test]
    async fn what_is_switched_off_still_counts_as_signed() {
        let mut config = ChainsConfig::default();
        config.task_runs.signer = Signer::None;
        config.images.storage.clear();
        let done = sign(&config).await.unwrap();
        assert_eq!((done.placed.len(), done.annotations.len()), (0, 1));
    }
}
