//! Storages besides registries and annotations: what they are told of something signed, and whether it lies there already.
//!
//! A storage knows no keys, so what it hands out is verified here: a copy counts as ours only under the key that signs now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use provost_keys::{HashChoice, PublicKey};
use provost_storage::{
    Backend, Backends, Kept, Record, RunKind, RunName, StorageError, StorageKind, StoredCopy,
};

use crate::config::{ChainsConfig, PubSubProvider, Storage, StorageSettings};
use crate::placing::is_attestation;
use crate::run::Run;
use crate::signable::Signable;
use crate::signing::Signed;

/// What the annotations begin with that name what Archivista called an attestation.
pub const GITOID: &str = "chains.tekton.dev/provost-gitoid-";

/// The settings of all storages, by their keys in chains-config.
#[must_use]
pub fn settings(storage: &StorageSettings) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> =
        storage.others.iter().map(|(key, text)| ((*key).to_owned(), text.clone())).collect();
    let provider = storage.pubsub_provider.map(|provider| match provider {
        PubSubProvider::InMemory => "inmemory",
        PubSubProvider::Kafka => "kafka",
    });
    all.extend(provider.map(|word| ("storage.pubsub.provider".to_owned(), word.to_owned())));
    all
}

/// The storages besides registries and annotations that something is to go to.
#[must_use]
pub fn kinds(list: &[Signable]) -> BTreeSet<StorageKind> {
    list.iter().flat_map(|signable| &signable.storage).filter_map(|one| one.elsewhere()).collect()
}

/// Opens the storages of a list.
///
/// # Errors
/// The first that cannot be opened: not in this build, or without a setting that it needs.
pub fn backends(
    list: &[Signable],
    mut open: impl FnMut(StorageKind) -> Result<Arc<dyn Backend>, StorageError>,
) -> Result<Backends, StorageError> {
    kinds(list).into_iter().map(|kind| Ok((kind, open(kind)?))).collect()
}

/// Keeps something signed in a storage, unless a copy that verifies lies there.
///
/// # Errors
/// See [`StorageError`]; a repetition keeps nothing twice, where the storage can be asked what it holds.
pub async fn keep(
    signed: &Signed,
    run: &Run<'_>,
    config: &ChainsConfig,
    key: &PublicKey,
    backend: &dyn Backend,
) -> Result<Vec<Kept>, StorageError> {
    let whole = record(signed, run, config);
    let records = match backend.divided() {
        false => vec![whole],
        true => {
            let one = |artifact: &String| Record { artifacts: vec![artifact.clone()], ..whole.clone() };
            whole.artifacts.iter().map(one).collect()
        }
    };
    let mut kept = Vec::new();
    for record in records {
        let copies = backend.copies(&record).await?;
        let there = copies.into_iter().find(|copy| is_ours(signed, copy, key));
        let (place, new) = match there {
            Some(copy) => (copy.place, false),
            None => (backend.put(&record).await?, true),
        };
        kept.push(Kept { storage: backend.kind().name(), place, new });
    }
    Ok(kept)
}

/// Whether a copy says the same, and its signature holds.
fn is_ours(signed: &Signed, copy: &StoredCopy, key: &PublicKey) -> bool {
    match signed {
        Signed::Attestation { statement, .. } => is_attestation(&copy.signature, key, &statement.to_bytes()),
        Signed::Image { payload, .. } => {
            copy.payload == *payload && key.verify(payload, &copy.signature, HashChoice::Usual).is_ok()
        }
    }
}

fn record(signed: &Signed, run: &Run<'_>, config: &ChainsConfig) -> Record {
    let metadata = run.metadata();
    let (kind, payload, signature, artifacts) = match signed {
        Signed::Attestation { statement, envelope, .. } => {
            let artifacts = statement.subjects().iter().flat_map(|subject| {
                let name = &subject.name;
                subject.digest.iter().map(move |(algorithm, hex)| format!("{name}@{algorithm}:{hex}"))
            });
            let artifacts = artifacts.collect();
            (provost_storage::Payload::Statement, statement.to_bytes(), envelope.clone(), artifacts)
        }
        Signed::Image { image, payload, signature, .. } => {
            let artifact = format!("{}@{}", image.name, image.digest);
            let kind = provost_storage::Payload::SimpleSigning;
            (kind, payload.clone(), signature.clone(), vec![artifact])
        }
    };
    let [certificate, chain] = signed.vouched().pems();
    Record {
        run: RunName {
            kind: match run {
                Run::Task(_) => RunKind::TaskRun,
                Run::Pipeline(..) => RunKind::PipelineRun,
            },
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
            uid: metadata.uid.clone(),
        },
        key: signed.short_key(run),
        kind,
        payload,
        signature,
        artifacts,
        key_reference: config.signers.kms_reference.clone().unwrap_or_default(),
        certificate,
        chain,
    }
}

impl Storage {
    /// The storage besides registries and annotations that the word means.
    #[must_use]
    pub fn elsewhere(self) -> Option<StorageKind> {
        match self {
            Self::Archivista => Some(StorageKind::Archivista),
            Self::DocDb => Some(StorageKind::DocDb),
            Self::Gcs => Some(StorageKind::Gcs),
            Self::Grafeas => Some(StorageKind::Grafeas),
            Self::Kafka => Some(StorageKind::Kafka),
            Self::Oci | Self::Tekton => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
