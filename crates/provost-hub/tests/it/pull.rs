//! Pulling: manifests and blobs, whole, in part, unchanged, missing, damaged.

use std::sync::{Arc, Mutex};

use provost_oci::Digest;

use crate::client::{MANIFEST, Running, image_of, refused};

#[tokio::test]
async fn the_base_says_what_it_is() {
    let hub = Running::start().await;
    for path in ["/v2/", "/v2"] {
        let answer = hub.ask("GET", path).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
        assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"));
    }
}

#[tokio::test]
async fn a_manifest_comes_back_byte_for_byte_by_tag_and_digest() {
    let hub = Running::start().await;
    let digest = hub.image("team/app", "v1", b"layer").await.to_string();
    let bytes = image_of(b"layer").to_string().into_bytes();
    for reference in ["v1", &digest] {
        let path = format!("/v2/team/app/manifests/{reference}");
        let got = hub.ask("GET", &path).await;
        assert_eq!((got.status, &got.body), (200, &bytes));
        let head = hub.ask("HEAD", &path).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        for answer in [got, head] {
            assert_eq!(answer.header("content-type"), Some(MANIFEST));
            assert_eq!(answer.header("content-length"), Some(bytes.len().to_string().as_str()));
            assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
        }
        let etag = format!("\"{digest}\"");
        assert_eq!(hub.send("GET", &path, &[("If-None-Match", &etag)], b"").await.status, 304);
    }
}

#[tokio::test]
async fn a_blob_comes_back_whole_in_part_and_not_past_its_end() {
    let hub = Running::start().await;
    // Longer than a piece of the reader, so that several are strung together.
    let content: Vec<u8> = (0..600_000u32).flat_map(u32::to_le_bytes).collect();
    let digest = hub.blob("team/app", &content).await;
    let path = format!("/v2/team/app/blobs/{digest}");
    let whole = hub.ask("GET", &path).await;
    assert_eq!(whole.status, 200);
    assert!(whole.body == content);
    assert_eq!(whole.header("docker-content-digest"), Some(digest.to_string().as_str()));
    let head = hub.ask("HEAD", &path).await;
    assert_eq!(head.header("content-length"), Some(content.len().to_string().as_str()));

    let part = hub.send("GET", &path, &[("Range", "bytes=10-300000")], b"").await;
    assert_eq!(part.status, 206);
    assert!(part.body == content[10..=300_000]);
    assert_eq!(part.header("content-range"), Some("bytes 10-300000/2400000"));
    let past = hub.send("GET", &path, &[("Range", "bytes=2400000-")], b"").await;
    assert_eq!((past.status, past.header("content-range")), (416, Some("bytes */2400000")));
    let etag = format!("\"{digest}\"");
    assert_eq!(hub.send("GET", &path, &[("If-None-Match", &etag)], b"").await.status, 304);
}

#[tokio::test]
async fn what_is_not_there_is_named_as_docker_registry_names_it() {
    let hub = Running::start().await;
    let nothing = Digest::sha256_of(b"nothing");
    let tag = hub.ask("GET", "/v2/team/app/manifests/v1").await;
    assert_eq!(tag.refusal(), refused(404, "MANIFEST_UNKNOWN"));
    assert_eq!(tag.json()["errors"][0]["detail"]["Tag"], "v1");
    let digest = hub.ask("GET", &format!("/v2/team/app/manifests/{nothing}")).await;
    assert_eq!(digest.refusal(), refused(404, "MANIFEST_UNKNOWN"));
    let blob = hub.ask("GET", &format!("/v2/team/app/blobs/{nothing}")).await;
    assert_eq!(blob.refusal(), refused(404, "BLOB_UNKNOWN"));
    assert_eq!(hub.ask("HEAD", &format!("/v2/team/app/blobs/{nothing}")).await.status, 404);
    assert_eq!(hub.ask("GET", "/v2/team/app/tags/list").await.refusal(), refused(404, "NAME_UNKNOWN"));
}

#[tokio::test]
async fn a_damaged_blob_is_named_never_served_and_healed_by_a_push() {
    let remarks: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&remarks);
    let folder = Running::start().await;
    let digest = folder.blob("team/app", b"good bytes").await;
    let folder = folder.stop().await;
    let file = format!("blobs/sha256/{}", digest.hex());
    std::fs::write(folder.path().join(&file), b"bad bytes!").expect("the damage is done");

    let hub = Running::over(folder, |config| {
        config.remarks = Arc::new(move |remark| heard.lock().expect("a list").push(remark.to_owned()));
    })
    .await;
    let path = format!("/v2/team/app/blobs/{digest}");
    let got = hub.ask("GET", &path).await;
    assert_eq!(got.refusal(), refused(500, "UNKNOWN"));
    assert!(got.json()["errors"][0]["detail"].as_str().is_some_and(|text| text.contains(&file)));
    assert!(remarks.lock().expect("a list").iter().any(|remark| remark.contains(&file)));
    // A pusher who asks first must not be told that it is there.
    assert_eq!(hub.ask("HEAD", &path).await.status, 404);
    let manifest = image_of(b"good bytes");
    hub.blob("team/app", b"{}").await;
    let refusal = hub.manifest("team/app", "v1", MANIFEST, &manifest).await.refusal();
    assert_eq!(refusal, refused(400, "MANIFEST_BLOB_UNKNOWN"));

    hub.blob("team/app", b"good bytes").await;
    assert_eq!(hub.ask("GET", &path).await.body, b"good bytes");
}
