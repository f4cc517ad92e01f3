//! Storages besides registries: opened once for as long as their settings stay, and used by all runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use provost_chains::config::StorageSettings;
use provost_chains::elsewhere;
use provost_storage::{Backend, StorageError, StorageKind};

/// Opens a storage by its settings, keyed as in chains-config.
pub type MakeBackend = Box<
    dyn Fn(StorageKind, &BTreeMap<String, String>) -> Result<Arc<dyn Backend>, StorageError> + Send + Sync,
>;

/// The settings a storage was opened by, and the storage.
type Opened = (BTreeMap<String, String>, Arc<dyn Backend>);

/// The storages that are open, one of each kind.
pub(crate) struct Elsewhere {
    make: MakeBackend,
    open: Mutex<HashMap<StorageKind, Opened>>,
}

impl Elsewhere {
    pub(crate) fn new(make: MakeBackend) -> Self {
        Self { make, open: Mutex::default() }
    }

    /// The storage, opened anew where its settings have changed.
    pub(crate) fn backend(
        &self,
        kind: StorageKind,
        settings: &StorageSettings,
    ) -> Result<Arc<dyn Backend>, StorageError> {
        let mut settings = elsewhere::settings(settings);
        settings.retain(|key, _| key.starts_with(kind.settings()));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, backend)) = open.get(&kind)
            && *known == settings
        {
            return Ok(backend.clone());
        }
        let backend = (self.make)(kind, &settings)?;
        open.insert(kind, (settings, backend.clone()));
        Ok(backend)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use provost_chains::ChainsConfig;
    use provost_storage::{Record, StoredCopy};

    use super::*;

    #[derive(Debug)]
    struct Empty;

    #[async_trait::async_trait]
    impl Backend for Empty {
        fn kind(&self) -> StorageKind {
            StorageKind::Archivista
        }
        async fn copies(&self, _: &Record) -> Result<Vec<StoredCopy>, StorageError> {
            Ok(Vec::new())
        }
        async fn put(&self, _: &Record) -> Result<String, StorageError> {
            Ok(String::new())
        }
    }

    fn settings(url: &str, bucket: &str) -> StorageSettings {
        let data = [("storage.archivista.url", url), ("storage.gcs.bucket", bucket)];
        let data = data.into_iter().map(|(key, text)| (key.to_owned(), text.to_owned())).collect();
        ChainsConfig::from_data(data, "config").unwrap().0.storage
    }

    #[test]
    fn a_storage_is_opened_anew_when_its_own_settings_change_and_not_otherwise() {
        let opened = Arc::new(AtomicUsize::new(0));
        let counted = opened.clone();
        let elsewhere = Elsewhere::new(Box::new(move |_, settings| {
            counted.fetch_add(1, Ordering::Relaxed);
            assert_eq!(settings.len(), 1, "its own settings and no others");
            Ok(Arc::new(Empty))
        }));
        for (url, bucket, times) in [("http://a", "x", 1), ("http://a", "y", 1), ("http://b", "y", 2)] {
            elsewhere.backend(StorageKind::Archivista, &settings(url, bucket)).unwrap();
            assert_eq!(opened.load(Ordering::Relaxed), times);
        }
    }
}
