//! Blobs: checked while they stream, uploaded in one piece.

use bytes::Bytes;
use provost_oci::Repository;
use provost_registry::{Store, StoreError};

use crate::scripted::{Reply, Scripted, digest, remote};

#[tokio::test]
async fn a_blob_is_checked_against_digest_and_limit() {
    let good = b"x".repeat(5000);
    let wanted = digest(&good);
    for chunked in [false, true] {
        let body = good.clone();
        let registry = Scripted::start(move |_| {
            let reply = Reply::ok(body.clone());
            if chunked { reply.chunked() } else { reply }
        })
        .await;
        let (remote, repository) = (remote(), registry.repository());
        assert_eq!(remote.blob(&repository, &wanted, 5000).await.unwrap(), good);
        let error = remote.blob(&repository, &wanted, 4999).await.unwrap_err();
        assert!(matches!(error, StoreError::Size { expected: 4999, .. }), "{error:?}");
        let error = remote.blob(&repository, &digest(b"y"), 5000).await.unwrap_err();
        assert!(matches!(error, StoreError::DigestMismatch { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_stops_at_the_limit() {
    let registry = Scripted::start(|_| Reply::ok(b"x".repeat(1_000_000)).chunked()).await;
    let error = remote().blob(&registry.repository(), &digest(b""), 10).await.unwrap_err();
    let StoreError::Size { expected: 10, found, .. } = error else { panic!("{error:?}") };
    assert!(found < 1_000_000, "reading stopped long before the end: {found}");
}

#[tokio::test]
async fn whether_a_blob_is_there_is_yes_no_or_an_error() {
    for (status, want) in [(200, Some(true)), (404, Some(false)), (401, None), (403, None), (500, None)] {
        let registry = Scripted::start(move |_| Reply::status(status)).await;
        let got = remote().has_blob(&registry.repository(), &digest(b"x")).await;
        assert_eq!(got.ok(), want, "{status}");
    }
}

#[tokio::test]
async fn a_blob_that_is_there_is_not_uploaded() {
    let registry = Scripted::start(|_| Reply::status(200)).await;
    let put = remote().put_blob(&registry.repository(), "a/b", Bytes::from_static(b"blob")).await.unwrap();
    assert_eq!((put.media_type.as_str(), put.size, put.digest), ("a/b", 4, digest(b"blob")));
    assert_eq!(registry.seen().len(), 1);
}

#[tokio::test]
async fn a_blob_is_uploaded_in_one_piece_to_where_the_registry_says() {
    let registry = Scripted::start(|seen| match seen.method.as_str() {
        "HEAD" => Reply::status(404),
        "POST" => Reply::status(202).header("location", "/v2/team/app/blobs/uploads/1?_state=a%2Bb"),
        _ => Reply::status(201),
    })
    .await;
    remote().put_blob(&registry.repository(), "a/b", Bytes::from_static(b"blob")).await.unwrap();
    let blob = digest(b"blob");
    let at = format!("/v2/team/app/blobs/uploads/1?_state=a%2Bb&digest=sha256%3A{}", blob.hex());
    assert_eq!(
        registry.lines(),
        [
            format!("HEAD /v2/team/app/blobs/{blob}"),
            "POST /v2/team/app/blobs/uploads/".into(),
            format!("PUT {at}")
        ]
    );
    let seen = registry.seen();
    assert_eq!(seen[1].header("content-length"), Some("0"));
    assert_eq!(seen[2].body, b"blob");
}

#[tokio::test]
async fn an_upload_place_elsewhere_on_this_machine_is_refused() {
    for location in ["http://127.0.0.1:1/upload", "ftp://h/", "http://u:p@reg.example.test/"] {
        let registry = Scripted::start(move |seen| match seen.method.as_str() {
            "HEAD" => Reply::status(404),
            _ => Reply::status(202).header("location", location),
        })
        .await;
        let got = remote().put_blob(&registry.repository(), "a/b", Bytes::from_static(b"blob")).await;
        assert!(matches!(got, Err(StoreError::Refused { .. })), "{location}: {got:?}");
    }
    let silent = Scripted::start(|seen| Reply::status(if seen.method == "HEAD" { 404 } else { 202 })).await;
    let got = remote().put_blob(&silent.repository(), "a/b", Bytes::from_static(b"blob")).await;
    assert!(matches!(got, Err(StoreError::Malformed { .. })), "{got:?}");
}

#[tokio::test]
async fn a_mount_is_done_or_declined() {
    for (status, want) in [(201, true), (202, false)] {
        let registry = Scripted::start(move |_| Reply::status(status).header("location", "/x")).await;
        let from = Repository::new(&registry.address, "team/base").unwrap();
        let blob = digest(b"blob");
        assert_eq!(remote().mount_blob(&registry.repository(), &blob, &from).await, Ok(want));
        let line = format!("POST /v2/team/app/blobs/uploads/?mount=sha256%3A{}&from=team%2Fbase", blob.hex());
        assert_eq!(registry.lines(), [line]);
    }
    let elsewhere = Repository::new("reg.example.test", "team/base").unwrap();
    let here = Repository::new("127.0.0.1:1", "team/app").unwrap();
    assert_eq!(remote().mount_blob(&here, &digest(b"blob"), &elsewhere).await, Ok(false));
}
