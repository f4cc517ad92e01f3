//! A registry that another writes to at the same time.

use std::sync::Mutex;

use bytes::Bytes;
use provost_keys::PrivateKey;
use provost_oci::{Digest, Repository, Selector};
use provost_registry::{Layered, Manifest, Store, StoreError};
use provost_sign::{KeyHint, sign_envelope};
use serde_json::{Value, json};
use testkit::MemoryStore;

pub(crate) const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) inner: MemoryStore,
    /// After how many more of our tags he writes.
    pub(crate) rival: Mutex<usize>,
    written: Mutex<usize>,
}

impl Registry {
    /// Puts a layer of his own beside what lay there `before`, whatever lies there now.
    pub(crate) async fn write_over(&self, at: &Repository, tag: &str, before: Option<Bytes>, layer: Bytes) {
        let layer = self.inner.put_blob(at, ENVELOPE, layer).await.unwrap();
        let config = Bytes::from_static(b"{}");
        let config =
            self.inner.put_blob(at, "application/vnd.oci.image.config.v1+json", config).await.unwrap();
        let mut manifest: Value = match before {
            Some(bytes) => serde_json::from_slice(&bytes).unwrap(),
            None => json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}),
        };
        manifest["layers"].as_array_mut().unwrap().push(json!(layer));
        let bytes = Bytes::from(manifest.to_string());
        let manifest = Manifest { digest: Digest::sha256_of(&bytes), media_type: MANIFEST.to_owned(), bytes };
        self.inner.put_manifest(at, &Selector::Tag(tag.to_owned()), &manifest).await.unwrap();
    }

    /// A statement under a stranger's key, each another.
    async fn strange(&self) -> Bytes {
        let number = {
            let mut written = self.written.lock().unwrap();
            *written += 1;
            *written
        };
        let statement = json!({"_type": "https://in-toto.io/Statement/v0.1", "number": number}).to_string();
        let key = PrivateKey::generate().unwrap();
        let envelope = sign_envelope(statement.as_bytes(), &key, KeyHint::None).await.unwrap();
        Bytes::from(envelope.to_chains_json())
    }
}

#[async_trait::async_trait]
impl Layered for Registry {
    fn below(&self) -> &dyn Store {
        &self.inner
    }

    async fn put_manifest(
        &self,
        at: &Repository,
        which: &Selector,
        manifest: &Manifest,
    ) -> Result<Digest, StoreError> {
        let Selector::Tag(tag) = which else { return self.inner.put_manifest(at, which, manifest).await };
        let before = self.inner.manifest(at, which).await.ok().map(|manifest| manifest.bytes);
        let put = self.inner.put_manifest(at, which, manifest).await?;
        let writes = {
            let mut rival = self.rival.lock().unwrap();
            let writes = *rival > 0 && tag.ends_with(".att");
            *rival -= usize::from(writes);
            writes
        };
        if writes {
            let layer = self.strange().await;
            self.write_over(at, tag, before, layer).await;
        }
        Ok(put)
    }
}
