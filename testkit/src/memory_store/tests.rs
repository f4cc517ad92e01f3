//! The store keeps, refuses, lists, counts and fails as told.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use super::*;

/// Nothing here waits for anything, so polling on is all it takes.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

fn repository() -> Repository {
    Repository::new("reg.example.test", "team/app").unwrap()
}

fn tag(name: &str) -> Selector {
    Selector::Tag(name.to_owned())
}

fn image(subject: Option<&Manifest>) -> Manifest {
    let config = Descriptor::of("application/vnd.oci.empty.v1+json", b"{}");
    let config = format!(r#"{{"mediaType":"{}","size":2,"digest":"{}"}}"#, config.media_type, config.digest);
    let subject = subject.map_or_else(String::new, |subject| {
        let Descriptor { media_type, size, digest, .. } = subject.descriptor();
        format!(r#","subject":{{"mediaType":"{media_type}","size":{size},"digest":"{digest}"}}"#)
    });
    let text = format!(
        r#"{{"schemaVersion":2,"artifactType":"a/b","config":{config},"layers":[],"annotations":{{"k":"v"}}{subject}}}"#
    );
    Manifest::new("application/vnd.oci.image.manifest.v1+json", Bytes::from(text))
}

fn broken() -> StoreError {
    StoreError::Status { request: "x".into(), status: 503, errors: vec![], body: String::new() }
}

#[test]
fn what_is_put_comes_back_by_tag_and_digest() {
    let (store, manifest) = (MemoryStore::new(), image(None));
    run(async {
        store.put_manifest(&repository(), &tag("v1"), &manifest).await.unwrap();
        assert_eq!(store.manifest(&repository(), &tag("v1")).await.unwrap(), manifest);
        let by_digest = Selector::Digest(manifest.digest.clone());
        assert_eq!(store.resolve(&repository(), &by_digest).await.unwrap(), manifest.descriptor());
        let blob = store.put_blob(&repository(), "m", Bytes::from_static(b"blob")).await.unwrap();
        assert_eq!(store.blob(&repository(), &blob.digest, 4).await.unwrap().as_ref(), b"blob");
        assert!(matches!(store.blob(&repository(), &blob.digest, 3).await, Err(StoreError::Size { .. })));
        assert_eq!(store.tags(&repository()).await.unwrap(), ["v1"]);
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    let store = MemoryStore::new();
    run(async {
        let error = store.manifest(&repository(), &tag("v1")).await.unwrap_err();
        let text = "GET http://reg.example.test/v2/team/app/manifests/v1: MANIFEST_UNKNOWN: manifest unknown";
        assert_eq!(error.to_string(), text);
        assert!(store.blob(&repository(), &Digest::sha256_of(b""), 9).await.unwrap_err().is_not_found());
        assert!(store.tags(&repository()).await.unwrap_err().is_not_found());
        assert!(store.referrers(&repository(), &Digest::sha256_of(b"")).await.unwrap().is_empty());
    });
}

#[test]
fn subjects_list_their_referrers() {
    let (store, subject) = (MemoryStore::new(), image(None));
    let referrer = image(Some(&subject));
    run(async {
        store.put_manifest(&repository(), &tag("r"), &referrer).await.unwrap();
        let listed = store.referrers(&repository(), &subject.digest).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].digest, referrer.digest);
        assert_eq!(listed[0].artifact_type.as_deref(), Some("a/b"));
        assert_eq!(listed[0].annotations.get("k").map(String::as_str), Some("v"));
    });
}

#[test]
fn it_fails_as_told_and_counts() {
    let (store, manifest) = (MemoryStore::new(), image(None));
    run(async {
        store.put_manifest(&repository(), &tag("v1"), &manifest).await.unwrap();
        store.fail_once(Request::Manifest, broken());
        assert_eq!(store.manifest(&repository(), &tag("v1")).await, Err(broken()));
        assert!(store.manifest(&repository(), &tag("v1")).await.is_ok());
        store.fail_always_at(Request::Manifest, "v2", broken());
        assert!(store.manifest(&repository(), &tag("v1")).await.is_ok());
        assert_eq!(store.manifest(&repository(), &tag("v2")).await, Err(broken()));
        assert_eq!(store.manifest(&repository(), &tag("v2")).await, Err(broken()));
        store.heal();
        assert!(store.manifest(&repository(), &tag("v2")).await.unwrap_err().is_not_found());
    });
    assert_eq!((store.asked(Request::Manifest), store.asked_in_all()), (6, 7));
}

#[test]
fn changed_bytes_are_refused() {
    let (store, manifest) = (MemoryStore::new(), image(None));
    run(async {
        store.put_manifest(&repository(), &tag("v1"), &manifest).await.unwrap();
        let blob = store.put_blob(&repository(), "m", Bytes::from_static(b"blob")).await.unwrap();
        store.tamper(&repository(), &manifest.digest, b"{}");
        store.tamper(&repository(), &blob.digest, b"blub");
        let got = store.manifest(&repository(), &tag("v1")).await;
        assert!(matches!(got, Err(StoreError::DigestMismatch { .. })), "{got:?}");
        let got = store.blob(&repository(), &blob.digest, 9).await;
        assert!(matches!(got, Err(StoreError::DigestMismatch { .. })), "{got:?}");
        let wrong = Selector::Digest(blob.digest.clone());
        assert!(store.put_manifest(&repository(), &wrong, &manifest).await.is_err());
    });
}
