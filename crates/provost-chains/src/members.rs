//! `provost.index-children`: who made an index made its members, so they are subjects beside it, and are signed as it is.
//!
//! Clusters run the members: a node's runtime asks for its platform's, and whoever pins that digest finds nothing under the
//! index's name. An index is named by its digest, so what it lists is what the run made.

use provost_oci::{Descriptor, Digest, ImageIndex, Repository, Selector, media_type};
use provost_registry::Store;
use provost_statement::SimpleSigning;
use serde_json::Value;

use crate::config::Storage;
use crate::image_ref::ImageRef;
use crate::placing::PlaceError;
use crate::signable::{Payload, Signable, Signables};

/// The most members of one image, those of indexes inside it included: each costs some ten requests and a tag that is waited for.
/// An image for all of Go's platforms has under 50, with as many attestations of its builder.
pub(crate) const MEMBERS_LIMIT: usize = 256;

/// The same list with the members of its indexes: as further subjects of statements, and as further images to sign.
///
/// What goes to no registry stays as it is. An image that is not there has no members, as Chains signs what is not there.
///
/// # Errors
/// When the registry cannot be asked, or there are too many.
pub(crate) async fn with_members(list: &Signables, store: &dyn Store) -> Result<Signables, PlaceError> {
    let mut all = Signables { list: Vec::new(), denied: list.denied.clone() };
    for signable in &list.list {
        if !signable.storage.contains(&Storage::Oci) {
            all.list.push(signable.clone());
            continue;
        }
        match &signable.payload {
            Payload::Attestation(statement) => {
                let mut statement = statement.clone();
                for (name, digest) in statement.images() {
                    for member in members(&name, &digest, store).await? {
                        statement.add_subject(&name, member.hex());
                    }
                }
                all.list.push(Signable { payload: Payload::Attestation(statement), ..signable.clone() });
            }
            Payload::ImageSignature { image, .. } => {
                all.list.push(signable.clone());
                for digest in members(&image.name, &image.digest, store).await? {
                    let payload = Payload::ImageSignature {
                        bytes: SimpleSigning::payload(&image.name, &digest, &Value::Null),
                        image: ImageRef { name: image.name.clone(), digest },
                    };
                    // Two images of a run may share a member.
                    if !all.list.iter().any(|one| one.payload == payload) {
                        all.list.push(Signable { payload, ..signable.clone() });
                    }
                }
            }
        }
    }
    Ok(all)
}

/// The members of an image that is an index, outermost first, each once; none where it is none.
async fn members(name: &str, digest: &Digest, store: &dyn Store) -> Result<Vec<Digest>, PlaceError> {
    let image = ImageRef { name: name.to_owned(), digest: digest.clone() };
    // What lies in no registry is refused where it is to be stored.
    let Some(repository) = image.repository() else { return Ok(Vec::new()) };
    let (mut found, mut lists) = (Vec::new(), vec![digest.clone()]);
    while let Some(list) = lists.pop() {
        for member in listed(&repository, &list, store).await? {
            if member.digest == *digest || found.contains(&member.digest) {
                continue;
            }
            if found.len() == MEMBERS_LIMIT {
                let image = format!("{repository}@{digest}");
                return Err(PlaceError::TooManyMembers { image });
            }
            if media_type::is_index(&member.media_type) {
                lists.push(member.digest.clone());
            }
            found.push(member.digest);
        }
    }
    // Statements and signatures name SHA-256 alone.
    found.retain(|digest| digest.algorithm() == provost_oci::Algorithm::Sha256);
    Ok(found)
}

async fn listed(
    repository: &Repository,
    digest: &Digest,
    store: &dyn Store,
) -> Result<Vec<Descriptor>, PlaceError> {
    let manifest = match store.manifest(repository, &Selector::Digest(digest.clone())).await {
        Ok(manifest) => manifest,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    if !media_type::is_index(&manifest.media_type) {
        return Ok(Vec::new());
    }
    let index: Result<ImageIndex, _> = serde_json::from_slice(&manifest.bytes);
    index.map(|index| index.manifests).map_err(|error| PlaceError::Unreadable {
        repository: repository.to_string(),
        tag: digest.to_string(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use provost_keys::PrivateKey;
    use provost_registry::Manifest;
    use serde_json::json;
    use testkit::MemoryStore;

    use super::*;
    use crate::config::{ChainsConfig, Encoding};
    use crate::run::Run;
    use crate::sign_run::{Means, SignRunError, SignedRun, sign_run};

    fn repository() -> Repository {
        "reg.local/app".parse().unwrap()
    }

    async fn put(store: &MemoryStore, kind: &str, document: &Value) -> Manifest {
        let manifest = Manifest::new(kind, Bytes::from(document.to_string()));
        let which = Selector::Digest(manifest.digest.clone());
        store.put_manifest(&repository(), &which, &manifest).await.unwrap();
        manifest
    }

    async fn index(store: &MemoryStore, members: &[&Manifest]) -> Manifest {
        let list: Vec<Descriptor> = members.iter().map(|one| one.descriptor()).collect();
        let kind = media_type::OCI_INDEX;
        put(store, kind, &json!({"schemaVersion": 2, "mediaType": kind, "manifests": list})).await
    }

    /// An index of one image and of an index of two, one of them the first.
    async fn scene() -> (MemoryStore, [Digest; 4]) {
        let store = MemoryStore::new();
        let image = |name: &str| json!({"schemaVersion": 2, "name": name});
        let one = put(&store, media_type::OCI_MANIFEST, &image("one")).await;
        let two = put(&store, media_type::OCI_MANIFEST, &image("two")).await;
        let inner = index(&store, &[&one, &two]).await;
        let outer = index(&store, &[&one, &inner]).await;
        (store, [outer.digest, one.digest, inner.digest, two.digest])
    }

    async fn sign(
        store: &MemoryStore,
        key: &PrivateKey,
        image: &Digest,
        change: impl Fn(&mut ChainsConfig),
    ) -> Result<SignedRun, SignRunError> {
        let mut config = ChainsConfig::default();
        config.task_runs.storage = BTreeSet::from([Storage::Oci]);
        config.own.index_children = true;
        change(&mut config);
        let run: provost_tekton::TaskRun = serde_json::from_value(json!({
            "metadata": {"name": "build", "uid": "u1"},
            "status": {"conditions": [{"type": "Succeeded", "status": "True"}],
                "results": [{"name": "IMAGES", "value": format!("reg.local/app@{image}")}]},
        }))
        .unwrap();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        sign_run(
            &config,
            &Run::Task(&run),
            &Means { key, store, backends: &Default::default(), now, others: None },
        )
        .await
    }

    #[tokio::test]
    async fn members_are_subjects_and_carry_attestation_and_signature_in_both_formats_once() {
        for encoding in [Encoding::Dsse, Encoding::SigstoreBundle] {
            let ((store, digests), key) = (scene().await, PrivateKey::generate().unwrap());
            let with = |config: &mut ChainsConfig| config.storage.encoding = encoding;
            let done = sign(&store, &key, &digests[0], with).await.unwrap();
            assert_eq!((done.placed.len(), done.payloads.len()), (8, 5));
            assert!(done.placed.iter().all(|placed| placed.new));
            for digest in &digests {
                if encoding == Encoding::SigstoreBundle {
                    assert_eq!(store.referrers(&repository(), digest).await.unwrap().len(), 2, "{digest}");
                    continue;
                }
                for suffix in ["att", "sig"] {
                    let tag = Selector::Tag(format!("sha256-{}.{suffix}", digest.hex()));
                    let manifest = store.manifest(&repository(), &tag).await.unwrap();
                    let view: provost_oci::ImageManifest = serde_json::from_slice(&manifest.bytes).unwrap();
                    let bytes = store.blob(&repository(), &view.layers[0].digest, 1 << 20).await.unwrap();
                    assert_eq!(view.layers.len(), 1);
                    if suffix == "sig" {
                        assert_eq!(SimpleSigning::parse(&bytes).unwrap().digest, *digest);
                        continue;
                    }
                    let envelope = provost_statement::Envelope::parse(&bytes).unwrap();
                    let statement = provost_statement::Statement::parse(&envelope.payload).unwrap();
                    assert!(statement.is_about(digest));
                    assert_eq!(statement.subjects.len(), 4);
                }
            }
            let again = sign(&store, &key, &digests[0], with).await.unwrap();
            assert!(again.placed.iter().all(|placed| !placed.new));
        }
    }

    #[tokio::test]
    async fn without_the_key_an_index_is_signed_alone_as_chains_does() {
        let ((store, digests), key) = (scene().await, PrivateKey::generate().unwrap());
        let off = |config: &mut ChainsConfig| config.own.index_children = false;
        assert_eq!(sign(&store, &key, &digests[0], off).await.unwrap().placed.len(), 2);
        let gone = Digest::sha256_of(b"gone");
        assert_eq!(sign(&store, &key, &gone, |_| ()).await.unwrap().placed.len(), 2);
    }

    #[tokio::test]
    async fn more_members_than_the_limit_are_refused_and_nothing_is_stored() {
        let (store, key) = (MemoryStore::new(), PrivateKey::generate().unwrap());
        let member = |number: usize| {
            let digest = Digest::sha256_of(number.to_string().as_bytes());
            json!({"mediaType": media_type::OCI_MANIFEST, "size": 1, "digest": digest})
        };
        let of = |count: usize| json!({"schemaVersion": 2, "manifests": (0..count).map(member).collect::<Vec<_>>()});
        let full = put(&store, media_type::OCI_INDEX, &of(MEMBERS_LIMIT)).await;
        assert_eq!(members("reg.local/app", &full.digest, &store).await.unwrap().len(), MEMBERS_LIMIT);
        let over = put(&store, media_type::OCI_INDEX, &of(MEMBERS_LIMIT + 1)).await;
        let refused = sign(&store, &key, &over.digest, |_| ()).await;
        let expected = PlaceError::TooManyMembers { image: format!("reg.local/app@{}", over.digest) };
        assert_eq!(refused, Err(SignRunError::Place(expected)));
        assert!(store.tags(&repository()).await.unwrap().is_empty());
    }
}
