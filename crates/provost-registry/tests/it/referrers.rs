//! Referrers: the API, the fallback tag, and which failures are failures.

use std::sync::{Arc, Mutex};

use provost_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use provost_oci::{Descriptor, ImageIndex};
use provost_registry::limits::{FALLBACK_TAG_TRIES, PAGES, REFERRERS_LIMIT};
use provost_registry::{Manifest, ReferrersSwitch, Remote, RemoteOptions, Store, StoreError};

use crate::scripted::{Boxed, Reply, Scripted, digest, options, remote, tag};

fn index(entries: &[&[u8]]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|bytes| {
            let Descriptor { media_type, size, digest, .. } = Descriptor::of(OCI_MANIFEST, bytes);
            format!(r#"{{"mediaType":"{media_type}","size":{size},"digest":"{digest}"}}"#)
        })
        .collect();
    format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, entries.join(","))
}

fn as_index(body: String) -> Reply {
    Reply::ok(body).header("content-type", OCI_INDEX)
}

/// A registry that answers `/referrers/` so, and has `b` under the fallback tag.
async fn with_tag(api: Reply) -> Scripted {
    Scripted::start(move |seen| match seen.target.as_str() {
        target if target.contains("/referrers/") => api.clone(),
        target if target.ends_with(&format!("/manifests/sha256-{}", digest(b"image").hex())) => {
            as_index(index(&[b"b"]))
        }
        _ => Reply::status(404),
    })
    .await
}

async fn found(remote: &Remote, registry: &Scripted) -> Result<Vec<String>, StoreError> {
    let found = remote.referrers(&registry.repository(), &digest(b"image")).await?;
    Ok(found.into_iter().map(|entry| entry.digest.to_string()).collect())
}

fn is(bytes: &[u8]) -> Vec<String> {
    vec![digest(bytes).to_string()]
}

#[tokio::test]
async fn the_api_answers_where_there_is_one() {
    let registry = with_tag(as_index(index(&[b"a"]))).await;
    assert_eq!(found(&remote(), &registry).await.unwrap(), is(b"a"));
    let seen = registry.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("accept"), Some(OCI_INDEX));
    let none = with_tag(as_index(index(&[]))).await;
    assert!(found(&remote(), &none).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_registry_without_the_api_has_the_tag() {
    for status in [400, 404, 405, 406, 501] {
        let registry = with_tag(Reply::status(status)).await;
        assert_eq!(found(&remote(), &registry).await.unwrap(), is(b"b"), "{status}");
    }
    let html = with_tag(Reply::ok("<html>").header("content-type", "text/html")).await;
    assert_eq!(found(&remote(), &html).await.unwrap(), is(b"b"));
}

#[tokio::test]
async fn a_registry_that_cannot_say_is_an_error() {
    for status in [401, 403, 429, 500, 502, 503] {
        let registry = with_tag(Reply::status(status)).await;
        let error = found(&remote(), &registry).await.unwrap_err();
        assert!(matches!(error, StoreError::Status { status: found, .. } if found == status), "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("PROVOST_REFERRERS=off")));
    }
    let broken = with_tag(Reply::hang_up()).await;
    assert!(matches!(found(&remote(), &broken).await, Err(StoreError::Network { .. })));
    let garbage = with_tag(as_index("{".to_owned())).await;
    assert!(matches!(found(&remote(), &garbage).await, Err(StoreError::Malformed { .. })));
}

#[tokio::test]
async fn neither_api_nor_tag_means_none_and_a_failing_tag_an_error() {
    for (status, want) in [(404, Some(vec![])), (401, None), (500, None)] {
        let registry = Scripted::start(move |seen| {
            Reply::status(if seen.target.contains("/referrers/") { 404 } else { status })
        })
        .await;
        assert_eq!(found(&remote(), &registry).await.ok(), want, "{status}");
    }
    let image = Scripted::start(|seen| match seen.target.contains("/referrers/") {
        true => Reply::status(404),
        false => Reply::ok("{}").header("content-type", OCI_MANIFEST),
    })
    .await;
    assert!(matches!(found(&remote(), &image).await, Err(StoreError::Malformed { .. })));
}

#[tokio::test]
async fn the_switch_skips_the_api() {
    let registry = with_tag(Reply::status(500)).await;
    let everywhere = ReferrersSwitch { off: true, off_at: vec![] };
    let here = ReferrersSwitch { off: false, off_at: vec![registry.address.clone()] };
    for referrers in [everywhere, here] {
        let remote = Remote::new(RemoteOptions { referrers, ..options() }).unwrap();
        assert_eq!(found(&remote, &registry).await.unwrap(), is(b"b"));
    }
    assert!(registry.lines().iter().all(|line| !line.contains("/referrers/")));
}

#[tokio::test]
async fn all_pages_are_read_and_a_missing_one_is_an_error() {
    let paged = |second: Reply| {
        Scripted::start(move |seen| match seen.target.contains("page=2") {
            true => second.clone(),
            false => as_index(index(&[b"a"])).header("link", "<?page=2>; rel=\"next\""),
        })
    };
    let registry = paged(as_index(index(&[b"b"]))).await;
    assert_eq!(found(&remote(), &registry).await.unwrap(), [is(b"a"), is(b"b")].concat());
    for second in [Reply::status(404), Reply::ok("<html>")] {
        let registry = paged(second).await;
        let got = found(&remote(), &registry).await;
        assert!(got.as_ref().is_err_and(|error| !error.is_not_found()), "{got:?}");
    }
}

#[tokio::test]
async fn pages_and_entries_have_an_end() {
    let endless = Scripted::start(|_| as_index(index(&[])).header("link", "<?again>; rel=\"next\"")).await;
    assert!(matches!(found(&remote(), &endless).await, Err(StoreError::Malformed { .. })));
    assert_eq!(endless.seen().len(), PAGES);
    let many: Vec<&[u8]> = vec![b"a"; REFERRERS_LIMIT + 1];
    let body = index(&many);
    for api in [true, false] {
        let body = body.clone();
        let huge = Scripted::start(move |seen| match !api && seen.target.contains("/referrers/") {
            true => Reply::status(404),
            false => as_index(body.clone()),
        })
        .await;
        assert!(matches!(found(&remote(), &huge).await, Err(StoreError::Malformed { .. })));
    }
}

fn about_image() -> Manifest {
    let config = Descriptor::of("application/vnd.oci.empty.v1+json", b"{}");
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","artifactType":"a/b","config":{{"mediaType":"{}","size":2,"digest":"{}"}},"layers":[],"annotations":{{"k":"v"}},"subject":{{"mediaType":"{OCI_MANIFEST}","size":5,"digest":"{}"}}}}"#,
        config.media_type,
        config.digest,
        digest(b"image"),
    );
    Manifest::new(OCI_MANIFEST, text.into())
}

#[tokio::test]
async fn a_registry_that_notes_the_subject_needs_no_tag() {
    let subject = digest(b"image").to_string();
    let registry = Scripted::start(move |_| Reply::status(201).header("oci-subject", subject.clone())).await;
    remote().put_manifest(&registry.repository(), &tag("v1"), &about_image()).await.unwrap();
    assert_eq!(registry.seen().len(), 1);
}

#[tokio::test]
async fn without_the_api_the_tag_lists_the_new_manifest_in_order() {
    let held: Arc<Mutex<Option<Vec<u8>>>> = Arc::new(Mutex::new(Some(index(&[b"z", b"y"]).into_bytes())));
    let kept = Arc::clone(&held);
    let registry = Scripted::start(move |seen| {
        let mut held = held.lock().unwrap();
        match (seen.method.as_str(), seen.target.contains("/manifests/sha256-")) {
            ("PUT", true) => *held = Some(seen.body.clone()),
            ("GET", true) => return as_index(String::from_utf8(held.clone().unwrap()).unwrap()),
            _ => {}
        }
        Reply::status(201)
    })
    .await;
    let manifest = about_image();
    remote().put_manifest(&registry.repository(), &tag("v1"), &manifest).await.unwrap();
    let written: ImageIndex = serde_json::from_slice(kept.lock().unwrap().as_ref().unwrap()).unwrap();
    let digests: Vec<_> = written.manifests.iter().map(|entry| entry.digest.clone()).collect();
    let mut sorted = vec![digest(b"z"), digest(b"y"), manifest.digest.clone()];
    sorted.sort();
    assert_eq!(digests, sorted);
    let own = written.manifests.iter().find(|entry| entry.digest == manifest.digest).unwrap();
    assert_eq!(own.artifact_type.as_deref(), Some("a/b"));
    assert_eq!(own.annotations.get("k").map(String::as_str), Some("v"));
    // Listed already: nothing is written again.
    let puts = |registry: &Scripted| registry.lines().iter().filter(|line| line.starts_with("PUT")).count();
    assert_eq!(puts(&registry), 2);
    remote().put_manifest(&registry.repository(), &tag("v1"), &manifest).await.unwrap();
    assert_eq!(puts(&registry), 3);
}

#[tokio::test]
async fn a_tag_that_does_not_keep_the_entry_is_an_error() {
    let registry = Scripted::start(|seen| match seen.method.as_str() {
        "GET" => as_index(index(&[b"z"])),
        _ => Reply::status(201),
    })
    .await;
    let error = remote().put_manifest(&registry.repository(), &tag("v1"), &about_image()).await.unwrap_err();
    assert!(matches!(error, StoreError::Malformed { .. }), "{error:?}");
    let tries =
        registry.lines().iter().filter(|line| line.contains("PUT") && line.contains("sha256-")).count();
    assert_eq!(tries, FALLBACK_TAG_TRIES);
}

#[tokio::test]
async fn a_tag_that_cannot_be_read_is_not_overwritten() {
    let cases: Vec<Boxed<'_, Scripted>> = vec![
        Box::pin(Scripted::start(|seen| Reply::status(if seen.method == "GET" { 500 } else { 201 }))),
        Box::pin(Scripted::start(|seen| match seen.method.as_str() {
            "GET" => as_index("garbage".to_owned()),
            _ => Reply::status(201),
        })),
    ];
    for case in cases {
        let registry = case.await;
        assert!(remote().put_manifest(&registry.repository(), &tag("v1"), &about_image()).await.is_err());
        assert_eq!(registry.lines().iter().filter(|line| line.starts_with("PUT")).count(), 1);
    }
}
