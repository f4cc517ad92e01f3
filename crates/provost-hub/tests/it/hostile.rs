//! Requests nobody honest sends.

use std::path::Path;

use provost_oci::Digest;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{MANIFEST, Running, image_of, refused};

#[tokio::test]
async fn no_name_leaves_the_folder() {
    let hub = Running::start().await;
    let digest = Digest::sha256_of(b"x");
    let names = [
        "..",
        "../..",
        "a/../b",
        "a/..%2fb",
        "%2e%2e",
        "a/%2e%2e/b",
        "a//b",
        "/a",
        "a/",
        ".a",
        "a.",
        "_blobs",
        "a/_tags",
        "A",
        "a b",
        "a%00",
        "a%0a",
        "a\u{e4}",
        "a..b",
        "a___b",
        "a/-b",
        "a%5c..%5cb",
        "%ff",
    ];
    for name in names {
        let mut refusals = Vec::new();
        for path in [
            format!("/v2/{name}/blobs/{digest}"),
            format!("/v2/{name}/manifests/v1"),
            format!("/v2/{name}/tags/list"),
            format!("/v2/{name}/referrers/{digest}"),
        ] {
            refusals.push(
                hub.raw(
                    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes(),
                )
                .await
                .status,
            );
        }
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        refusals.push(hub.send("POST", &path.replace(' ', "%20"), &[], b"x").await.status);
        assert!(refusals.iter().all(|status| matches!(status, 400 | 404)), "{name}: {refusals:?}");
    }
    for tag in ["..", ".", "-v", "a%2fb", "%2e%2e", "..%2f..%2foci-layout", "v1%00", "v\u{e4}"] {
        let answer = hub.manifest("team/app", tag, MANIFEST, &image_of(b"x")).await;
        assert!(matches!(answer.status, 400 | 404 | 405), "{tag}: {answer:?}");
    }
    let long = "a".repeat(129);
    assert_eq!(hub.ask("GET", &format!("/v2/team/app/manifests/{long}")).await.status, 400);
    let long = "a".repeat(256);
    assert_eq!(
        hub.ask("GET", &format!("/v2/{long}/tags/list")).await.refusal(),
        refused(400, "NAME_INVALID")
    );
    // Nothing was pushed, so nothing may have come to be.
    assert!(!hub.folder.path().join("repositories").exists());
    let parent = hub.folder.path().parent().unwrap_or(Path::new("/"));
    assert!(!parent.join("blobs").exists());
}

#[tokio::test]
async fn a_mount_from_no_name_is_an_ordinary_upload() {
    let hub = Running::start().await;
    let digest = hub.blob("team/app", b"x").await;
    let path = format!("/v2/team/other/blobs/uploads/?mount={digest}&from=..%2fapp");
    assert_eq!(hub.ask("POST", &path).await.status, 202);
}

#[tokio::test]
async fn huge_headers_and_paths_are_refused() {
    let hub = Running::start().await;
    let huge = "a".repeat(80 * 1024);
    let answer = hub.send("GET", "/v2/", &[("Cookie", &huge)], b"").await;
    assert_eq!(answer.status, 431);
    let path = format!("/v2/{huge}/tags/list");
    assert!(matches!(hub.ask("GET", &path).await.status, 414 | 431));
    let many: Vec<(String, String)> = (0..200).map(|n| (format!("X-{n}"), "1".to_owned())).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(hub.send("GET", "/v2/", &many, b"").await.status, 431);
    assert_eq!(hub.ask("GET", "/v2/").await.status, 200);
}

#[tokio::test]
async fn a_body_shorter_than_stated_is_no_blob() {
    let hub = Running::start().await;
    let digest = Digest::sha256_of(b"0123");
    let path = format!("/v2/team/app/blobs/uploads/?digest={digest}");
    // The four bytes would be right; the length says ten, and then the client goes away.
    let mut stream = TcpStream::connect(hub.address).await.expect("a connection");
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n0123");
    stream.write_all(head.as_bytes()).await.expect("a request");
    stream.shutdown().await.expect("an end");
    let mut rest = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(hub.ask("HEAD", &format!("/v2/team/app/blobs/{digest}")).await.status, 404);
}

#[tokio::test]
async fn what_is_no_request_ends_the_connection_only() {
    let hub = Running::start().await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ] {
        let answer = hub.raw(garbage).await;
        assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(garbage));
    }
    assert_eq!(hub.ask("GET", "/v2/").await.status, 200);
}

#[tokio::test]
async fn hostile_manifests_are_refused() {
    let hub = Running::start().await;
    hub.blob("team/app", b"{}").await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep =
        hub.send("PUT", "/v2/team/app/manifests/v1", &[("Content-Type", MANIFEST)], deep.as_bytes()).await;
    assert_eq!(deep.refusal(), refused(400, "MANIFEST_INVALID"));
    let mut image = image_of(b"{}");
    for (field, value) in [
        ("digest", json!("sha256:../../../../etc/passwd")),
        ("digest", json!("../x:00")),
        ("size", json!(-1)),
        ("size", json!(1e300)),
    ] {
        let good = image["layers"][0][field].take();
        image["layers"][0][field] = value;
        let answer = hub.manifest("team/app", "v1", MANIFEST, &image).await;
        assert_eq!(answer.refusal(), refused(400, "MANIFEST_INVALID"), "{image}");
        image["layers"][0][field] = good;
    }
    let bad =
        hub.send("PUT", "/v2/team/app/manifests/v1", &[("Content-Type", MANIFEST)], b"\xff\xfe{}").await;
    assert_eq!(bad.refusal(), refused(400, "MANIFEST_INVALID"));
    assert_eq!(hub.manifest("team/app", "v1", MANIFEST, &image).await.status, 201);
}
