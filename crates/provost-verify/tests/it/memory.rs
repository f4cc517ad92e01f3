//! How much of what strangers put beside an image lies in memory at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use provost_keys::{HashChoice, PrivateKey};
use provost_oci::{Descriptor, Digest, ImageManifest, Repository, Selector, media_type};
use provost_registry::{Layered, Manifest, Store, StoreError};
use provost_verify::find::{
    ENVELOPE_LAYER, FETCHES_AT_ONCE, MAX_LAYERS, MAX_SIGNATURE_BYTES, SMALL_FETCHES_AT_ONCE,
};
use provost_verify::{
    FindRequest, Formats, Trust, TrustedKey, Unchecked, find_signatures, verify_attestations,
};
use testkit::MemoryStore;

use crate::run;

#[derive(Default)]
struct Alive {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A blob that says when it is gone.
struct Blob(Arc<Alive>);

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        b"no envelope"
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A registry with one manifest, whose blobs are counted for as long as somebody holds them.
struct Flooded {
    manifest: Manifest,
    alive: Arc<Alive>,
    rest: MemoryStore,
}

impl Flooded {
    fn new(layers: usize, size: u64) -> Self {
        let mut layer = Descriptor::of(ENVELOPE_LAYER, b"no envelope");
        layer.size = size;
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: media_type::OCI_MANIFEST.to_owned(),
            config: Descriptor::of(media_type::OCI_CONFIG, b"{}"),
            layers: vec![layer; layers],
            annotations: std::collections::BTreeMap::new(),
            subject: None,
            artifact_type: None,
        };
        let bytes = Bytes::from(serde_json::to_vec(&manifest).unwrap());
        let manifest = Manifest::new(media_type::OCI_MANIFEST, bytes);
        Self { manifest, alive: Arc::default(), rest: MemoryStore::new() }
    }
}

#[async_trait]
impl Layered for Flooded {
    fn below(&self) -> &dyn Store {
        &self.rest
    }

    async fn manifest(&self, _: &Repository, _: &Selector) -> Result<Manifest, StoreError> {
        Ok(self.manifest.clone())
    }

    async fn resolve(&self, _: &Repository, _: &Selector) -> Result<Descriptor, StoreError> {
        Ok(self.manifest.descriptor())
    }

    async fn blob(&self, _: &Repository, _: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        if limit < 11 {
            return Err(StoreError::Size { request: "GET x".to_owned(), expected: limit, found: 11 });
        }
        let now = self.alive.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.alive.most.fetch_max(now, Ordering::SeqCst);
        Ok(Bytes::from_owner(Blob(Arc::clone(&self.alive))))
    }

    async fn referrers(&self, _: &Repository, _: &Digest) -> Result<Vec<Descriptor>, StoreError> {
        Ok(Vec::new())
    }
}

fn trusted() -> Trust {
    TrustedKey { key: PrivateKey::generate().unwrap().public_key(), hash: HashChoice::Usual }.into()
}

#[test]
fn however_many_attestations_there_are_few_lie_in_memory() {
    // Beside those being fetched: one handed over, one waiting, one being checked.
    const ON_THE_WAY: usize = 3;
    for (size, at_once) in [(11, SMALL_FETCHES_AT_ONCE), (5 * 1024 * 1024, FETCHES_AT_ONCE)] {
        run(async {
            let store = Flooded::new(MAX_LAYERS, size);
            let (repository, image) = ("reg.example/app".parse().unwrap(), Digest::sha256_of(b"an image"));
            let (repository, image) = (&repository, &image);
            let request =
                FindRequest { repository, image, formats: Formats::Both, layer_limit: MAX_SIGNATURE_BYTES };
            let report = verify_attestations(&store, &request, &trusted(), true).await.unwrap();
            assert_eq!(report.ignored.len(), MAX_LAYERS);
            let most = store.alive.most.load(Ordering::SeqCst);
            assert!(most <= at_once + ON_THE_WAY, "{most} blobs of {size} bytes were held at once");
        });
    }
}

#[test]
fn a_layer_longer_than_its_manifest_says_is_not_read() {
    run(async {
        let store = Flooded::new(1, 10);
        let (repository, image) = ("reg.example/app".parse().unwrap(), Digest::sha256_of(b"an image"));
        let request =
            FindRequest { repository: &repository, image: &image, formats: Formats::Both, layer_limit: 1024 };
        let error = verify_attestations(&store, &request, &trusted(), true).await.unwrap_err();
        assert!(matches!(error, Unchecked::Store(StoreError::Size { expected: 10, .. })), "{error:?}");
    });
}

#[test]
fn signatures_that_are_kept_together_end_at_their_limit() {
    run(async {
        let (repository, image) = ("reg.example/app".parse().unwrap(), Digest::sha256_of(b"an image"));
        let request = FindRequest {
            repository: &repository,
            image: &image,
            formats: Formats::TagScheme,
            layer_limit: MAX_SIGNATURE_BYTES,
        };
        let full = Flooded::new(4, MAX_SIGNATURE_BYTES / 4);
        assert_eq!(find_signatures(&full, &request).await.unwrap().len(), 4);
        let beyond = Flooded::new(5, MAX_SIGNATURE_BYTES / 4);
        let error = find_signatures(&beyond, &request).await.unwrap_err();
        assert_eq!(
            error,
            Unchecked::LayerTooLarge { found: 5 * (MAX_SIGNATURE_BYTES / 4), limit: MAX_SIGNATURE_BYTES }
        );
    });
}
