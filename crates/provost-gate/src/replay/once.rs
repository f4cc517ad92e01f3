//! Registries that are asked each question once in a whole replay.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use provost_kyverno::stores::Memo;
use provost_kyverno::{Access, Stores};
use provost_registry::Store;

/// Remembers all answers: a log of a week names some thousand images, of some 100 KiB of provenance each.
pub(super) struct Once {
    stores: Arc<dyn Stores>,
    open: Mutex<BTreeMap<(String, Access), Arc<Memo>>>,
}

impl Once {
    pub(super) fn new(stores: Arc<dyn Stores>) -> Self {
        Self { stores, open: Mutex::default() }
    }
}

impl Stores for Once {
    fn store(&self, registry: &str, access: &Access) -> Result<Arc<dyn Store>, String> {
        let key = (registry.to_owned(), access.clone());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(&key) {
            return Ok(Arc::clone(known) as Arc<dyn Store>);
        }
        let store = Arc::new(Memo::new(self.stores.store(registry, access)?));
        open.insert(key, Arc::clone(&store));
        Ok(store)
    }
}
