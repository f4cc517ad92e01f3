//! Storing beside images: once, beside what was there, anew for a new key.

use provost_keys::PrivateKey;
use provost_registry::Manifest;
use serde_json::json;
use testkit::{MemoryStore, Request};

use super::*;
use crate::config::ChainsConfig;
use crate::run::Run;
use crate::signable::signables;

fn task_run(outputs: Value) -> provost_tekton::TaskRun {
    let image = format!("sha256:{}", "a".repeat(64));
    let mut results =
        json!([{"name": "IMAGE_URL", "value": "reg.local/app:v1"}, {"name": "IMAGE_DIGEST", "value": image}]);
    results.as_array_mut().unwrap().extend(outputs.as_array().unwrap().iter().cloned());
    serde_json::from_value(json!({
        "metadata": {"name": "build", "uid": "u1"},
        "status": {"completionTime": "2026-01-01T00:00:15Z", "conditions": [{"type": "Succeeded", "status": "True"}], "results": results},
    }))
    .unwrap()
}

async fn signed(key: &PrivateKey, outputs: Value) -> Vec<Signed> {
    let run = task_run(outputs);
    let list = signables(&ChainsConfig::default(), &Run::Task(&run)).unwrap().list;
    let mut all = Vec::new();
    for one in &list {
        all.push(Signed::new(one, key).await.unwrap());
    }
    all
}

async fn layers(store: &MemoryStore, suffix: &str) -> Vec<provost_oci::Descriptor> {
    let tag = Selector::Tag(format!("sha256-{}.{suffix}", "a".repeat(64)));
    let manifest = store.manifest(&"reg.local/app".parse().unwrap(), &tag).await.unwrap();
    serde_json::from_slice::<ImageManifest>(&manifest.bytes).unwrap().layers
}

async fn place_all(list: &[Signed], key: &PrivateKey, store: &MemoryStore) -> Vec<bool> {
    let mut new = Vec::new();
    for one in list {
        let placed = place(one, &key.public_key(), &StorageSettings::default(), store).await.unwrap();
        new.extend(placed.into_iter().map(|placed| placed.new));
    }
    new
}

#[tokio::test]
async fn a_retry_adds_nothing_and_a_new_key_signs_anew() {
    let (store, key, other) =
        (MemoryStore::new(), PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
    assert_eq!(place_all(&signed(&key, json!([])).await, &key, &store).await, [true, true]);
    assert_eq!(place_all(&signed(&key, json!([])).await, &key, &store).await, [false, false]);
    assert_eq!((layers(&store, "att").await.len(), layers(&store, "sig").await.len()), (1, 1));
    assert_eq!(place_all(&signed(&other, json!([])).await, &other, &store).await, [true, true]);
    assert_eq!((layers(&store, "att").await.len(), layers(&store, "sig").await.len()), (2, 2));
}

#[tokio::test]
async fn seven_requests_to_a_registry_store_something_new_and_one_or_two_tell_that_it_is_there() {
    let (store, key) = (MemoryStore::new(), PrivateKey::generate().unwrap());
    let list = signed(&key, json!([])).await;
    place_all(&list, &key, &store).await;
    // Each blob is two requests over HTTP, and nobody asks before whether it is there.
    let asked = [Request::Manifest, Request::PutBlob, Request::PutManifest, Request::HasBlob];
    assert_eq!(asked.map(|kind| store.asked(kind)), [4, 4, 2, 0]);
    store.forget_counts();
    place_all(&list, &key, &store).await;
    assert_eq!((store.asked(Request::Manifest), store.asked(Request::Blob), store.asked_in_all()), (2, 1, 3));
}

#[tokio::test]
async fn layers_bear_chains_annotations_and_the_envelope_its_key() {
    let (store, key) = (MemoryStore::new(), PrivateKey::generate().unwrap());
    place_all(&signed(&key, json!([])).await, &key, &store).await;
    let attestation = &layers(&store, "att").await[0];
    assert_eq!(attestation.media_type, ENVELOPE_LAYER);
    let want = [(SIGNATURE_ANNOTATION, ""), (CERTIFICATE, ""), (CHAIN, "")];
    let want = want.map(|(k, text)| (k.to_owned(), text.to_owned()));
    assert_eq!(attestation.annotations, BTreeMap::from(want));
    let signature = &layers(&store, "sig").await[0];
    assert_eq!((signature.media_type.as_str(), signature.annotations.len()), (SIGNATURE_LAYER, 3));
    let repository = "reg.local/app".parse().unwrap();
    let bytes = store.blob(&repository, &attestation.digest, COPY_LIMIT).await.unwrap();
    let start = r#"{"payloadType":"application/vnd.in-toto+json","payload":""#;
    assert!(bytes.starts_with(start.as_bytes()));
    let envelope = Envelope::parse(&bytes).unwrap();
    assert_eq!(envelope.signatures[0].keyid, key.public_key().ssh_fingerprint());
}

#[tokio::test]
async fn a_forged_copy_does_not_count_as_ours() {
    let (store, key) = (MemoryStore::new(), PrivateKey::generate().unwrap());
    let thief = PrivateKey::generate().unwrap();
    place_all(&signed(&thief, json!([])).await, &thief, &store).await;
    assert_eq!(place_all(&signed(&key, json!([])).await, &key, &store).await, [true, true]);
}

#[tokio::test]
async fn one_subject_in_no_registry_stores_nothing() {
    let (store, key) = (MemoryStore::new(), PrivateKey::generate().unwrap());
    let digest = format!("sha256:{}", "b".repeat(64));
    let list = signed(
        &key,
        json!([{"name": "ARTIFACT_OUTPUTS", "value": {"uri": "pkg:maven/X@1", "digest": digest}}]),
    )
    .await;
    let error = place(&list[0], &key.public_key(), &StorageSettings::default(), &store).await.unwrap_err();
    assert_eq!(error, PlaceError::NoImage { name: "pkg:maven/X@1".into() });
    assert_eq!(store.asked_in_all(), 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_taken_for_absent() {
    let (store, key) = (MemoryStore::new(), PrivateKey::generate().unwrap());
    let list = signed(&key, json!([])).await;
    let repository: Repository = "reg.local/app".parse().unwrap();
    let tag = Selector::Tag(format!("sha256-{}.att", "a".repeat(64)));
    let full = json!({"schemaVersion": 2, "config": {"mediaType": "c", "size": 2, "digest": format!("sha256:{}", "c".repeat(64))},
        "layers": vec![json!({"mediaType": "l", "size": 1, "digest": format!("sha256:{}", "d".repeat(64))}); MAX_LAYERS + 1]});
    let manifest = Manifest::new(provost_oci::media_type::OCI_MANIFEST, Bytes::from(full.to_string()));
    store.put_manifest(&repository, &tag, &manifest).await.unwrap();
    store.forget_counts();
    let error = place(&list[0], &key.public_key(), &StorageSettings::default(), &store).await.unwrap_err();
    assert!(matches!(error, PlaceError::Unreadable { .. }), "{error}");
    assert_eq!(store.asked(Request::PutBlob), 0);
}

#[tokio::test]
async fn a_copy_beyond_the_limit_is_not_fetched_and_not_ours() {
    let (store, key) = (MemoryStore::new(), PrivateKey::generate().unwrap());
    let signed = signed(&key, json!([])).await.remove(0);
    let repository: Repository = "reg.local/app".parse().unwrap();
    let tag = format!("sha256-{}.att", "a".repeat(64));
    let there = async |size: u64| {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let manifest = json!({"schemaVersion": 2, "config": {"mediaType": "c", "size": 2, "digest": digest("c")},
            "layers": [{"mediaType": ENVELOPE_LAYER, "size": size, "digest": digest("d")}]});
        let manifest =
            Manifest::new(provost_oci::media_type::OCI_MANIFEST, Bytes::from(manifest.to_string()));
        is_there(&signed, &key.public_key(), &store, (&repository, &tag), &manifest).await
    };
    assert_eq!(there(COPY_LIMIT + 1).await, Ok(false));
    assert!(matches!(there(COPY_LIMIT).await, Err(PlaceError::Store(error)) if error.is_not_found()));
}

#[tokio::test]
async fn one_repository_may_take_all() {
    let (store, key) = (MemoryStore::new(), PrivateKey::generate().unwrap());
    let mut settings =
        StorageSettings { repository: Some("reg.local/signatures".into()), ..StorageSettings::default() };
    let list = signed(&key, json!([])).await;
    let placed = place(&list[1], &key.public_key(), &settings, &store).await.unwrap();
    assert_eq!(placed[0].repository.to_string(), "reg.local/signatures");
    settings.repository = Some("UPPER".into());
    let error = place(&list[1], &key.public_key(), &settings, &store).await.unwrap_err();
    assert_eq!(error, PlaceError::Repository("UPPER".into()));
}

#[tokio::test]
async fn annotations_are_named_by_uid_and_by_short_digest() {
    let key = PrivateKey::generate().unwrap();
    let run = task_run(json!([]));
    let names: Vec<Vec<String>> = signed(&key, json!([]))
        .await
        .iter()
        .map(|one| one.annotations(&Run::Task(&run)).into_keys().collect())
        .collect();
    let named =
        |key: &str| ["cert", "chain", "payload", "signature"].map(|k| format!("chains.tekton.dev/{k}-{key}"));
    assert_eq!(names, [named("taskrun-u1").to_vec(), named("aaaaaaaaaaaa").to_vec()]);
}
