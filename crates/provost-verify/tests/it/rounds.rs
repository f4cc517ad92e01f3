//! How many requests follow one another: each answer takes one tick of a clock that only moves when everybody waits.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use provost_keys::{HashChoice, PrivateKey};
use provost_oci::{Descriptor, Digest, Repository, Selector, media_type};
use provost_registry::{Layered, Manifest, Store, StoreError};
use provost_verify::find::{ENVELOPE_LAYER, scheme_tag};
use provost_verify::{FindRequest, Formats, Trust, TrustedKey, find_signatures, verify_attestations};
use serde_json::{Value, json};
use testkit::MemoryStore;
use tokio::time::{Instant, sleep};

const TICK: Duration = Duration::from_secs(1);
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A registry whose every answer takes a tick.
struct Far(MemoryStore);

#[async_trait]
impl Layered for Far {
    fn below(&self) -> &dyn Store {
        &self.0
    }

    async fn manifest(&self, repository: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
        sleep(TICK).await;
        self.0.manifest(repository, which).await
    }

    async fn resolve(&self, repository: &Repository, which: &Selector) -> Result<Descriptor, StoreError> {
        sleep(TICK).await;
        self.0.resolve(repository, which).await
    }

    async fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        sleep(TICK).await;
        self.0.blob(repository, digest, limit).await
    }

    async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, StoreError> {
        sleep(TICK).await;
        self.0.has_blob(repository, digest).await
    }

    async fn referrers(
        &self,
        repository: &Repository,
        image: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        sleep(TICK).await;
        self.0.referrers(repository, image).await
    }

    async fn tags(&self, repository: &Repository) -> Result<Vec<String>, StoreError> {
        sleep(TICK).await;
        self.0.tags(repository).await
    }
}

impl Far {
    /// An image with three layers under `.att` and `.sig` each, and three bundles.
    async fn new(repository: &Repository, image: &Digest) -> Self {
        let far = Self(MemoryStore::new());
        for suffix in ["att", "sig"] {
            let mut layers = Vec::new();
            for number in 0..3 {
                layers.push(far.layer(repository, ENVELOPE_LAYER, &format!("{suffix} {number}")).await);
            }
            far.manifest(repository, Some(scheme_tag(image, suffix)), json!({ "layers": layers })).await;
        }
        for number in 0..3 {
            let layer = far.layer(repository, BUNDLE, &format!("bundle {number}")).await;
            let subject =
                json!({ "mediaType": media_type::OCI_MANIFEST, "size": 1, "digest": image.to_string() });
            far.manifest(repository, None, json!({ "layers": [layer], "subject": subject })).await;
        }
        far
    }

    async fn layer(&self, repository: &Repository, kind: &str, content: &str) -> Descriptor {
        self.0.put_blob(repository, kind, Bytes::from(content.to_owned())).await.unwrap()
    }

    async fn manifest(&self, repository: &Repository, tag: Option<String>, rest: Value) {
        let config = self.layer(repository, media_type::OCI_CONFIG, "{}").await;
        let mut manifest =
            json!({ "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config });
        manifest.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let manifest = Manifest::new(media_type::OCI_MANIFEST, Bytes::from(manifest.to_string()));
        let which = tag.map_or_else(|| Selector::Digest(manifest.digest.clone()), Selector::Tag);
        self.0.put_manifest(repository, &which, &manifest).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn by_digest_at_most_three_requests_follow_one_another() {
    let (repository, image) = ("reg.example/app".parse().unwrap(), Digest::sha256_of(b"an image"));
    let far = Far::new(&repository, &image).await;
    let key = PrivateKey::generate().unwrap().public_key();
    let trust: Trust = TrustedKey { key, hash: HashChoice::Usual }.into();
    // A referrer's manifest stands between the list and its bundle; a tag's manifest names its layers.
    for (formats, seen, rounds) in
        [(Formats::TagScheme, 3, 2), (Formats::Referrers, 3, 3), (Formats::Both, 6, 3)]
    {
        let request = FindRequest { repository: &repository, image: &image, formats, layer_limit: 1024 };
        let began = Instant::now();
        let report = verify_attestations(&far, &request, &trust, true).await.unwrap();
        assert_eq!(report.ignored.len(), seen, "{formats:?}");
        assert_eq!(began.elapsed().as_secs(), rounds, "{formats:?}");
    }
    let request = FindRequest {
        repository: &repository,
        image: &image,
        formats: Formats::TagScheme,
        layer_limit: 1024,
    };
    let began = Instant::now();
    assert_eq!(find_signatures(&far, &request).await.unwrap().len(), 3);
    assert_eq!(began.elapsed().as_secs(), 2);
}
