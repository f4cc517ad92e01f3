//! The storages by name, what each can be asked, and how one is opened.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use provost_kms::Surroundings;

use crate::archivista::Archivista;
use crate::error::StorageError;
use crate::record::{Record, StoredCopy};

/// A kind of storage, by its word in `artifacts.….storage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StorageKind {
    /// An Archivista server.
    Archivista,
    /// MongoDB.
    DocDb,
    /// Google Cloud Storage.
    Gcs,
    /// Grafeas.
    Grafeas,
    /// Kafka.
    Kafka,
}

impl StorageKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Archivista, Self::DocDb, Self::Gcs, Self::Grafeas, Self::Kafka];

    /// The word in chains-config.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Archivista => "archivista",
            Self::DocDb => "docdb",
            Self::Gcs => "gcs",
            Self::Grafeas => "grafeas",
            Self::Kafka => "kafka",
        }
    }

    /// What the settings of this storage begin with.
    #[must_use]
    pub const fn settings(self) -> &'static str {
        match self {
            Self::Archivista => "storage.archivista.",
            Self::DocDb => "storage.docdb.",
            Self::Gcs => "storage.gcs.",
            Self::Grafeas => "storage.grafeas.",
            Self::Kafka => "storage.pubsub.",
        }
    }
}

/// What was kept, or lay there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The storage's word.
    pub storage: &'static str,
    /// Where it lies, in the storage's own words.
    pub place: String,
    /// Whether this call put it there.
    pub new: bool,
}

/// A storage.
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync {
    /// Which one it is.
    fn kind(&self) -> StorageKind;

    /// What lies there under the record's name. Where a storage cannot be asked that, as a stream of messages cannot, nothing.
    async fn copies(&self, record: &Record) -> Result<Vec<StoredCopy>, StorageError>;

    /// Keeps the record; answers where it lies. The same record again lies there once, where names can hold that.
    async fn put(&self, record: &Record) -> Result<String, StorageError>;

    /// Whether a record lies there once for each of its artifacts, so that some may have it and others not.
    fn divided(&self) -> bool {
        false
    }

    /// What the storage shares among those who use it, such as a host: half of the hands may be busy with one.
    fn place(&self) -> String {
        self.kind().name().to_owned()
    }
}

/// The storages that a configuration names.
pub type Backends = BTreeMap<StorageKind, Arc<dyn Backend>>;

/// Opens a storage by the settings that begin with its [`StorageKind::settings`], keys whole. Nothing is asked yet.
///
/// # Errors
/// [`StorageError::CompiledOut`] or [`StorageError::Setting`].
pub fn open(
    kind: StorageKind,
    settings: &BTreeMap<String, String>,
    around: &Arc<dyn Surroundings>,
) -> Result<Arc<dyn Backend>, StorageError> {
    match kind {
        StorageKind::Archivista => Ok(Arc::new(Archivista::new(settings, around.as_ref())?)),
        #[cfg(feature = "gcs")]
        StorageKind::Gcs => Ok(Arc::new(crate::gcs::Gcs::new(settings, around)?)),
        #[cfg(feature = "grafeas")]
        StorageKind::Grafeas => Ok(Arc::new(crate::grafeas::Grafeas::new(settings, around)?)),
        #[cfg(feature = "docdb")]
        StorageKind::DocDb => Ok(Arc::new(crate::docdb::DocDb::new(settings, around)?)),
        #[cfg(feature = "pubsub")]
        StorageKind::Kafka => Ok(Arc::new(crate::pubsub::Kafka::new(settings, around)?)),
        #[cfg(not(all(feature = "gcs", feature = "grafeas", feature = "docdb", feature = "pubsub")))]
        other => Err(StorageError::CompiledOut { storage: other.name(), feature: feature(other) }),
    }
}

#[cfg(not(all(feature = "gcs", feature = "grafeas", feature = "docdb", feature = "pubsub")))]
const fn feature(kind: StorageKind) -> &'static str {
    match kind {
        StorageKind::Kafka => "pubsub",
        other => other.name(),
    }
}

/// A setting's text; empty is none.
pub(crate) fn setting<'a>(settings: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    settings.get(key).map(|text| text.trim()).filter(|text| !text.is_empty())
}
