//! Stores that ask each question once for several judgements of one object.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use provost_registry::Store;

use super::{Access, Memo, Stores};

/// Stores whose answers are kept as long as this is, apart for each way in which they are asked; `S` leads to them.
pub struct Remembered<S> {
    stores: S,
    open: Mutex<BTreeMap<(String, Access), Arc<Memo>>>,
}

impl<S> Remembered<S> {
    /// Remembers what these stores answer.
    #[must_use]
    pub fn new(stores: S) -> Self {
        Self { stores, open: Mutex::default() }
    }
}

impl<S> Stores for Remembered<S>
where
    S: Deref<Target: Stores> + Send + Sync,
{
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
