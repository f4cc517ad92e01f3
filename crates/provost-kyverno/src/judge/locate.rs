//! Where an image is: the store of its registry, its repository, its digest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use provost_oci::{Digest, Reference, Repository, Selector};
use provost_registry::{Store, StoreError};
use serde_json::Value;

use crate::cluster::ClusterError;
use crate::extract::Image;
use crate::judge::Scope;
use crate::outcome::{Construct, Finding};
use crate::policy::entry::Entry;
use crate::stores::{Access, DockerSecret, Memo, Stores};

/// The stores opened for one judgement; each remembers what it was asked.
pub(crate) struct Shelf<'a> {
    stores: &'a dyn Stores,
    open: Mutex<BTreeMap<(String, Access), Arc<dyn Store>>>,
    tags: Mutex<BTreeMap<String, Digest>>,
}

impl<'a> Shelf<'a> {
    pub(crate) fn new(stores: &'a dyn Stores) -> Self {
        Self { stores, open: Mutex::default(), tags: Mutex::default() }
    }

    /// The digest a tag has for the whole judgement: the one that was found first. Entries with other credentials ask
    /// for themselves whether they may see the tag, and then go by what the first one saw.
    fn agreed(&self, name: &str, found: Digest) -> Digest {
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        tags.entry(name.to_owned()).or_insert(found).clone()
    }

    fn store(&self, registry: &str, access: &Access) -> Result<Arc<dyn Store>, String> {
        let key = (registry.to_owned(), access.clone());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = open.get(&key) {
            return Ok(Arc::clone(store));
        }
        let store: Arc<dyn Store> = Arc::new(Memo::new(self.stores.store(registry, access)?));
        open.insert(key, Arc::clone(&store));
        Ok(store)
    }
}

/// An image, found.
pub(crate) struct Located {
    /// The store of its registry.
    pub(crate) store: Arc<dyn Store>,
    /// Its repository.
    pub(crate) repository: Repository,
    /// Its digest, or why the tag could not be resolved.
    pub(crate) digest: Result<Digest, StoreError>,
}

/// How an entry's registry is asked: its Secrets, then those the object pulls with.
///
/// A Secret that is not there gives no login, as in Kyverno; the registry then says what it thinks of that.
pub(crate) async fn access(scope: &Scope<'_>, entry: &Entry) -> Result<(Access, Vec<String>), Finding> {
    let mut access = Access { fresh: !entry.use_cache, ..Access::default() };
    let mut notes = Vec::new();
    let mut places: Vec<(String, String)> = Vec::new();
    if let Some(credentials) = &entry.image_registry_credentials {
        access.allow_http = credentials.allow_insecure_registry;
        if let Some(provider) = credentials.providers.iter().find(|p| *p != "default") {
            return Err(Finding::Unsupported(Construct::Provider(provider.clone())));
        }
        for name in &credentials.secrets {
            let (namespace, name) = name.split_once('/').unwrap_or((&scope.world.settings.namespace, name));
            places.push((namespace.to_owned(), name.to_owned()));
        }
    }
    let pull_secrets = ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"]
        .iter()
        .filter_map(|base| scope.request.object.pointer(&format!("{base}/imagePullSecrets")))
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(|one| one.get("name").and_then(Value::as_str));
    places.extend(pull_secrets.map(|name| (scope.request.namespace.clone(), name.to_owned())));
    for (namespace, name) in places {
        let data = match scope.cluster.secret(&namespace, &name).await {
            Ok(data) => data,
            Err(ClusterError::NotFound { .. } | ClusterError::NoCluster) => {
                notes.push(format!("secret {namespace}/{name} with registry credentials is not there"));
                continue;
            }
            Err(error) => return Err(Finding::Credentials(error)),
        };
        match DockerSecret::of(&format!("{namespace}/{name}"), &data) {
            Some(secret) => access.secrets.push(secret),
            None => notes.push(format!("secret {namespace}/{name} holds no registry credentials")),
        }
    }
    Ok((access, notes))
}

/// Finds an image; the tag is resolved here, once for the whole judgement.
pub(crate) async fn locate(
    scope: &Scope<'_>,
    access: &Access,
    image: &Image,
    name: &str,
) -> Result<Located, Finding> {
    let reference: Reference = name.parse().map_err(|e: provost_oci::ReferenceError| Finding::BadImage {
        pointer: image.pointer.clone(),
        reason: format!("{e}: {}", e.reason),
    })?;
    let repository = reference.repository().clone();
    let store = scope.shelf.store(repository.registry(), access).map_err(Finding::Stores)?;
    let digest = match reference.selector() {
        Selector::Digest(digest) => Ok(digest),
        tag @ Selector::Tag(_) => {
            let found = store.resolve(&repository, &tag).await;
            found.map(|found| scope.shelf.agreed(name, found.digest))
        }
    };
    Ok(Located { store, repository, digest })
}
