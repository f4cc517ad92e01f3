//! Manifests: what is believed of an answer, and how failures read.

use provost_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use provost_oci::{Descriptor, Repository, Selector};
use provost_registry::limits::TAGS_LIMIT;
use provost_registry::store::MANIFEST_LIMIT;
use provost_registry::{Manifest, Store, StoreError};

use crate::scripted::{Reply, Scripted, digest, remote, tag};

const UNKNOWN: &str =
    r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"v1"}}]}"#;

#[tokio::test]
async fn an_unknown_manifest_reads_as_go_containerregistry_says_it() {
    let registry = Scripted::start(|_| Reply::status(404).body(UNKNOWN)).await;
    let error = remote().manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
    let text = format!(
        "GET http://{}/v2/team/app/manifests/v1: MANIFEST_UNKNOWN: manifest unknown",
        registry.address
    );
    assert_eq!(error.to_string(), text);
    let StoreError::NotFound { errors, .. } = error else { panic!("{error:?}") };
    assert_eq!(errors[0].detail, Some(serde_json::json!({"Tag": "v1"})));
}

#[tokio::test]
async fn bytes_of_another_digest_are_refused() {
    let registry = Scripted::start(|_| Reply::ok(r#"{"schemaVersion":2}"#)).await;
    let wanted = digest(b"another");
    let error =
        remote().manifest(&registry.repository(), &Selector::Digest(wanted.clone())).await.unwrap_err();
    let StoreError::DigestMismatch { expected, found, .. } = error else { panic!("{error:?}") };
    assert_eq!((expected, found), (wanted, digest(br#"{"schemaVersion":2}"#)));
    // A refused manifest is not asked for again: the same bytes would come.
    assert_eq!(registry.seen().len(), 1);
}

#[tokio::test]
async fn the_kind_under_the_digest_counts_more_than_the_header() {
    let own = format!(r#"{{"mediaType":"{OCI_INDEX}"}}"#);
    for (body, header, want) in [
        (own.as_str(), OCI_MANIFEST, OCI_INDEX),
        ("{}", "application/vnd.oci.image.manifest.v1+json; charset=utf-8", OCI_MANIFEST),
        (r#"{"mediaType":"text/html"}"#, OCI_MANIFEST, OCI_MANIFEST),
        ("no json", OCI_MANIFEST, OCI_MANIFEST),
    ] {
        let (body, header) = (body.to_owned(), header.to_owned());
        let registry =
            Scripted::start(move |_| Reply::ok(body.as_str()).header("content-type", header.clone())).await;
        let manifest = remote().manifest(&registry.repository(), &tag("v1")).await.unwrap();
        assert_eq!(manifest.media_type, want);
    }
}

#[tokio::test]
async fn a_manifest_beyond_the_limit_is_not_read() {
    let length = (MANIFEST_LIMIT + 1).to_string();
    let registry =
        Scripted::start(move |_| Reply::status(200).header("content-length", length.clone())).await;
    let error = remote().manifest(&registry.repository(), &tag("v1")).await.unwrap_err();
    let StoreError::Size { expected, found, .. } = error else { panic!("{error:?}") };
    assert_eq!((expected, found), (MANIFEST_LIMIT, MANIFEST_LIMIT + 1));
}

#[tokio::test]
async fn a_tag_is_resolved_by_head() {
    let named = digest(b"x");
    let header = named.to_string();
    let registry = Scripted::start(move |_| {
        Reply::status(200)
            .header("docker-content-digest", header.clone())
            .header("content-type", OCI_MANIFEST)
            .header("content-length", "7")
    })
    .await;
    let found = remote().resolve(&registry.repository(), &tag("v1")).await.unwrap();
    assert_eq!(found, Descriptor::new(OCI_MANIFEST, 7, named));
    assert_eq!(registry.lines(), ["HEAD /v2/team/app/manifests/v1"]);
    assert!(registry.seen()[0].header("accept").unwrap().contains(OCI_INDEX));
    // A digest that the registry answers with another is a lie.
    let other = Selector::Digest(digest(b"y"));
    let error = remote().resolve(&registry.repository(), &other).await.unwrap_err();
    assert!(matches!(error, StoreError::DigestMismatch { .. }), "{error:?}");
}

#[tokio::test]
async fn a_head_that_says_too_little_is_followed_by_a_get() {
    for status in [200, 405, 501] {
        let registry = Scripted::start(move |seen| match seen.method.as_str() {
            "HEAD" => Reply::status(status),
            _ => Reply::ok("{}").header("content-type", OCI_MANIFEST),
        })
        .await;
        let found = remote().resolve(&registry.repository(), &tag("v1")).await.unwrap();
        assert_eq!(found, Descriptor::of(OCI_MANIFEST, b"{}"), "{status}");
    }
}

#[tokio::test]
async fn a_head_that_finds_nothing_says_so_itself() {
    let registry = Scripted::start(|_| Reply::status(404)).await;
    let error = remote().resolve(&registry.repository(), &tag("v1")).await.unwrap_err();
    let StoreError::NotFound { request, errors, body, .. } = error else { panic!("{error:?}") };
    assert_eq!(request, format!("HEAD http://{}/v2/team/app/manifests/v1", registry.address));
    assert_eq!((errors.len(), body.as_str()), (0, ""));
}

#[tokio::test]
async fn a_manifest_is_put_as_it_is() {
    let registry = Scripted::start(|_| Reply::status(201)).await;
    let manifest = Manifest::new(OCI_MANIFEST, r#"{ "schemaVersion": 2 }"#.into());
    let put = remote().put_manifest(&registry.repository(), &tag("v1"), &manifest).await.unwrap();
    assert_eq!(put, manifest.digest);
    let seen = &registry.seen()[0];
    assert_eq!(seen.line(), "PUT /v2/team/app/manifests/v1");
    assert_eq!(seen.body, manifest.bytes);
    assert_eq!(seen.header("content-type"), Some(OCI_MANIFEST));
    let wrong = Selector::Digest(digest(b"other"));
    let error = remote().put_manifest(&registry.repository(), &wrong, &manifest).await.unwrap_err();
    assert!(matches!(error, StoreError::DigestMismatch { .. }), "{error:?}");
    assert_eq!(registry.seen().len(), 1);
}

#[tokio::test]
async fn a_registry_that_stored_something_else_is_an_error() {
    let other = digest(b"other").to_string();
    let registry =
        Scripted::start(move |_| Reply::status(201).header("docker-content-digest", other.clone())).await;
    let manifest = Manifest::new(OCI_MANIFEST, "{}".into());
    let error = remote().put_manifest(&registry.repository(), &tag("v1"), &manifest).await.unwrap_err();
    assert!(matches!(error, StoreError::DigestMismatch { .. }), "{error:?}");
}

#[tokio::test]
async fn tags_come_from_all_pages_sorted() {
    let registry = Scripted::start(|seen| match seen.target.as_str() {
        "/v2/team/app/tags/list?n=1000" => Reply::ok(r#"{"name":"team/app","tags":["b","c"]}"#)
            .header("link", r#"</v2/team/app/tags/list?n=1000&last=c>; rel="next""#),
        _ => Reply::ok(r#"{"name":"team/app","tags":["a"]}"#),
    })
    .await;
    assert_eq!(remote().tags(&registry.repository()).await.unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn tags_without_end_are_an_error() {
    let endless = Scripted::start(|seen| {
        Reply::ok(r#"{"tags":["a"]}"#).header("link", format!("<{}>; rel=next", seen.target))
    })
    .await;
    assert!(matches!(remote().tags(&endless.repository()).await, Err(StoreError::Malformed { .. })));
    let many: Vec<String> = (0..=TAGS_LIMIT).map(|n| format!("\"{n}\"")).collect();
    let body = format!(r#"{{"tags":[{}]}}"#, many.join(","));
    let huge = Scripted::start(move |_| Reply::ok(body.as_str())).await;
    assert!(matches!(remote().tags(&huge.repository()).await, Err(StoreError::Malformed { .. })));
}

#[tokio::test]
async fn a_next_page_elsewhere_is_refused() {
    for link in ["http://127.0.0.1:1/v2/x", "https://reg.example.test/v2/x", "file:///x"] {
        let registry = Scripted::start(move |_| {
            Reply::ok(r#"{"tags":[]}"#).header("link", format!("<{link}>; rel=\"next\""))
        })
        .await;
        let got = remote().tags(&registry.repository()).await;
        assert!(matches!(got, Err(StoreError::Refused { .. })), "{link}: {got:?}");
    }
}

#[tokio::test]
async fn a_tag_of_a_hostile_caller_never_becomes_a_path() {
    let registry = Scripted::start(|_| Reply::ok("{}")).await;
    let repository: Repository = registry.repository();
    assert!(remote().manifest(&repository, &tag("../../other/manifests/v1")).await.is_err());
    assert_eq!(registry.seen().len(), 0);
}

#[tokio::test]
async fn a_tag_that_still_holds_what_is_known_is_not_sent_again() {
    let known = r#"{"schemaVersion":2}"#;
    let etag = format!("\"{}\"", digest(known.as_bytes()));
    let registry = Scripted::start(move |seen| match seen.target.rsplit('/').next() {
        // One compares, one knows no ETags, and one has forgotten the tag.
        Some("compares") if seen.header("if-none-match") == Some(&etag) => Reply::status(304),
        Some("changed") => Reply::ok("{}"),
        Some("ignores") => Reply::ok(known),
        _ => Reply::status(404).body(UNKNOWN),
    })
    .await;
    let (repository, known, remote) = (registry.repository(), digest(known.as_bytes()), remote());
    let look = async |name: &str| remote.manifest_unless(&repository, &tag(name), &known).await;
    assert_eq!(look("compares").await.unwrap(), None);
    assert_eq!(look("ignores").await.unwrap(), None);
    assert_eq!(look("changed").await.unwrap().unwrap().digest, digest(b"{}"));
    assert!(look("gone").await.unwrap_err().is_not_found());
}
