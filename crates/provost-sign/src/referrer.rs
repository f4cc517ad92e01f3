//! Bundles beside an image as OCI 1.1 referrers, as cosign 3 stores them.

use std::collections::BTreeMap;

use bytes::Bytes;
use provost_oci::{Descriptor, Digest, Repository, Selector, media_type};
use provost_registry::{Manifest, Store, StoreError};
use provost_sigstore::bundle_writing::BUNDLE_V03;
use provost_statement::go_json;
use serde::Serialize;

/// The annotation with a bundle's predicate type: a hint for those who look, signed by nobody.
pub const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";
const CONTENT: &str = "dev.sigstore.bundle.content";
const CREATED: &str = "org.opencontainers.image.created";
const EMPTY_CONFIG: &str = "application/vnd.oci.empty.v1+json";

/// Where a bundle goes, and what is said of it outside.
#[derive(Clone, Debug)]
pub struct BundlePlace<'a> {
    /// Where the image lies.
    pub image: &'a Repository,
    /// Where the bundle goes: `COSIGN_REPOSITORY`, or the image's own repository.
    pub repository: &'a Repository,
    /// The image.
    pub digest: &'a Digest,
    /// The statement's predicate type.
    pub predicate_type: &'a str,
    /// The time now, RFC 3339 in UTC.
    pub created: &'a str,
}

/// Stores a bundle that refers to an image, listed under the fallback tag where the registry has no referrers API.
///
/// Each bundle is a manifest of its own, so writers at the same time lose nothing.
///
/// # Errors
/// When the image is not there, or the registry does not take the bundle.
pub async fn attach_bundle(
    store: &dyn Store,
    place: &BundlePlace<'_>,
    bundle: Vec<u8>,
) -> Result<Digest, StoreError> {
    let layers = vec![(BUNDLE_V03.to_owned(), Bytes::from(bundle), BTreeMap::new())];
    let annotations = BTreeMap::from([
        (CREATED, place.created),
        (CONTENT, "dsse-envelope"),
        (PREDICATE_TYPE, place.predicate_type),
    ]);
    attach_referrer(store, place, BUNDLE_V03, layers, annotations).await
}

async fn attach_referrer(
    store: &dyn Store,
    place: &BundlePlace<'_>,
    artifact_type: &str,
    layers: Vec<(String, Bytes, BTreeMap<String, String>)>,
    annotations: BTreeMap<&str, &str>,
) -> Result<Digest, StoreError> {
    let subject = store.resolve(place.image, &Selector::Digest(place.digest.clone())).await?;
    // cosign uploads the configuration as an image's, and names it an empty one in the manifest.
    let config = store.put_blob(place.repository, media_type::OCI_CONFIG, Bytes::from_static(b"{}")).await?;
    let mut pointers = Vec::new();
    for (kind, bytes, layer_annotations) in layers {
        let mut pointer = store.put_new_blob(place.repository, &kind, bytes).await?;
        pointer.annotations = layer_annotations;
        pointers.push(pointer);
    }
    let manifest = go_json::escaped(&Referrer {
        schema_version: 2,
        media_type: media_type::OCI_MANIFEST,
        config: EmptyConfig {
            media_type: EMPTY_CONFIG,
            size: config.size,
            digest: &config.digest,
            artifact_type,
        },
        layers: &pointers,
        annotations,
        subject: Descriptor::new(&subject.media_type, subject.size, subject.digest.clone()),
        artifact_type,
    });
    let manifest = Manifest::new(media_type::OCI_MANIFEST, Bytes::from(manifest));
    let which = Selector::Digest(manifest.digest.clone());
    store.put_manifest(place.repository, &which, &manifest).await
}

/// A manifest in go-containerregistry's order of fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Referrer<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: EmptyConfig<'a>,
    layers: &'a [Descriptor],
    annotations: BTreeMap<&'a str, &'a str>,
    subject: Descriptor,
    artifact_type: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EmptyConfig<'a> {
    media_type: &'a str,
    size: u64,
    digest: &'a Digest,
    artifact_type: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store with one image, and where it lies.
    async fn with_image() -> (testkit::MemoryStore, Repository, Digest) {
        let (store, repository) = (testkit::MemoryStore::new(), "reg.example/app".parse().unwrap());
        let manifest = Manifest::new(media_type::OCI_MANIFEST, Bytes::from_static(br#"{"schemaVersion":2}"#));
        let digest = manifest.digest.clone();
        store.put_manifest(&repository, &Selector::Digest(digest.clone()), &manifest).await.unwrap();
        (store, repository, digest)
    }

    #[tokio::test]
    async fn the_manifest_is_cosigns() {
        let (store, repository, digest) = with_image().await;
        let place = BundlePlace {
            image: &repository,
            repository: &repository,
            digest: &digest,
            predicate_type: "https://slsa.dev/provenance/v1",
            created: "2026-11-22T19:33:32Z",
        };
        let stored = attach_bundle(&store, &place, b"{}".to_vec()).await.unwrap();
        let manifest = store.manifest(&repository, &Selector::Digest(stored)).await.unwrap();
        let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let expected = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"{empty}","artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}},"layers":[{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","size":2,"digest":"{empty}"}}],"annotations":{{"dev.sigstore.bundle.content":"dsse-envelope","dev.sigstore.bundle.predicateType":"https://slsa.dev/provenance/v1","org.opencontainers.image.created":"2026-11-22T19:33:32Z"}},"subject":{{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":19,"digest":"{digest}"}},"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}}"#
        );
        assert_eq!(String::from_utf8(manifest.bytes.to_vec()).unwrap(), expected);
    }

    #[tokio::test]
    async fn writers_side_by_side_lose_nothing() {
        let (store, repository, digest) = with_image().await;
        let write = |number: usize| {
            let (store, repository, digest) = (&store, &repository, &digest);
            async move {
                let place = BundlePlace {
                    image: repository,
                    repository,
                    digest,
                    predicate_type: "p",
                    created: "2026-11-22T19:33:32Z",
                };
                attach_bundle(store, &place, format!("{{\"n\":{number}}}").into_bytes()).await.unwrap()
            }
        };
        futures_util::future::join_all((0..16).map(write)).await;
        assert_eq!(store.referrers(&repository, &digest).await.unwrap().len(), 16);
    }
}
