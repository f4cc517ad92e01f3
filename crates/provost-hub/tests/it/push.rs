//! Pushing: every way to upload a blob, and what a manifest must be.

use provost_oci::{Algorithm, Digest};
use serde_json::json;

use crate::client::{INDEX, MANIFEST, Running, image_of, pointer, refused};

const UPLOADS: &str = "/v2/team/app/blobs/uploads/";

async fn begin(hub: &Running) -> String {
    let answer = hub.ask("POST", UPLOADS).await;
    assert_eq!((answer.status, answer.header("range")), (202, Some("0-0")));
    let location = answer.header("location").expect("a place to go on").to_owned();
    assert_eq!(answer.header("docker-upload-uuid"), location.rsplit('/').next());
    location
}

#[tokio::test]
async fn a_blob_can_be_posted_put_and_sent_in_chunks() {
    let hub = Running::start().await;
    let digest = Digest::sha256_of(b"0123456789");
    let blob = format!("/v2/team/app/blobs/{digest}");

    let posted = hub.send("POST", &format!("{UPLOADS}?digest={digest}"), &[], b"0123456789").await;
    assert_eq!((posted.status, posted.header("location")), (201, Some(blob.as_str())));
    assert_eq!(posted.header("docker-content-digest"), Some(digest.to_string().as_str()));

    let location = begin(&hub).await;
    let put = hub.send("PUT", &format!("{location}?digest={digest}"), &[], b"0123456789").await;
    assert_eq!((put.status, put.header("location")), (201, Some(blob.as_str())));

    let location = begin(&hub).await;
    let first = hub.send("PATCH", &location, &[("Content-Range", "0-3")], b"0123").await;
    assert_eq!((first.status, first.header("range")), (202, Some("0-3")));
    let second = hub.send("PATCH", &location, &[("Content-Range", "4-6")], b"456").await;
    assert_eq!((second.status, second.header("range")), (202, Some("0-6")));
    let status = hub.ask("GET", &location).await;
    assert_eq!((status.status, status.header("range")), (204, Some("0-6")));
    let end = format!("{location}?digest={digest}");
    assert_eq!(hub.send("PUT", &end, &[("Content-Range", "7-9")], b"789").await.status, 201);
    assert_eq!(hub.ask("GET", &blob).await.body, b"0123456789");
    // It has ended.
    assert_eq!(hub.ask("GET", &location).await.refusal(), refused(404, "BLOB_UPLOAD_UNKNOWN"));
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_the_upload_goes_on() {
    let hub = Running::start().await;
    let location = begin(&hub).await;
    assert_eq!(hub.send("PATCH", &location, &[], b"0123").await.status, 202);
    for range in ["0-3", "5-8"] {
        let answer = hub.send("PATCH", &location, &[("Content-Range", range)], b"4567").await;
        assert_eq!(answer.refusal(), refused(416, "BLOB_UPLOAD_INVALID"), "{range}");
        assert_eq!(
            (answer.header("range"), answer.header("location")),
            (Some("0-3"), Some(location.as_str()))
        );
    }
    let short = hub.send("PATCH", &location, &[("Content-Range", "4-9")], b"4567").await;
    assert_eq!(short.refusal(), refused(400, "SIZE_INVALID"));
    let garbage = hub.send("PATCH", &location, &[("Content-Range", "four")], b"4567").await;
    assert_eq!(garbage.refusal(), refused(400, "BLOB_UPLOAD_INVALID"));
    let end = format!("{location}?digest={}", Digest::sha256_of(b"01234567"));
    assert_eq!(hub.send("PUT", &end, &[("Content-Range", "9-12")], b"4567").await.status, 416);
    assert_eq!(hub.send("PUT", &end, &[("Content-Range", "4-7")], b"4567").await.status, 201);
}

#[tokio::test]
async fn other_bytes_than_the_digest_says_are_forgotten() {
    let hub = Running::start().await;
    let digest = Digest::sha256_of(b"promised");
    let location = begin(&hub).await;
    let missing = hub.send("PUT", &location, &[], b"").await;
    assert_eq!(missing.refusal(), refused(400, "DIGEST_INVALID"));
    let wrong = hub.send("PUT", &format!("{location}?digest={digest}"), &[], b"delivered").await;
    assert_eq!(wrong.refusal(), refused(400, "DIGEST_INVALID"));
    let posted = hub.send("POST", &format!("{UPLOADS}?digest={digest}"), &[], b"delivered").await;
    assert_eq!(posted.refusal(), refused(400, "DIGEST_INVALID"));
    assert_eq!(hub.ask("HEAD", &format!("/v2/team/app/blobs/{digest}")).await.status, 404);
    assert_eq!(hub.ask("GET", &location).await.status, 404);
    for odd in ["sha256:00", "md5:d41d8cd98f00b204e9800998ecf8427e", "nonsense"] {
        let answer = hub.send("POST", &format!("{UPLOADS}?digest={odd}"), &[], b"").await;
        assert_eq!(answer.refusal(), refused(400, "DIGEST_INVALID"), "{odd}");
    }
}

#[tokio::test]
async fn an_upload_can_be_cancelled_and_belongs_to_its_repository() {
    let hub = Running::start().await;
    let location = begin(&hub).await;
    let elsewhere = location.replace("team/app", "team/other");
    assert_eq!(hub.ask("GET", &elsewhere).await.refusal(), refused(404, "BLOB_UPLOAD_UNKNOWN"));
    assert_eq!(hub.ask("DELETE", &location).await.status, 204);
    assert_eq!(hub.ask("DELETE", &location).await.refusal(), refused(404, "BLOB_UPLOAD_UNKNOWN"));
}

#[tokio::test]
async fn a_blob_is_mounted_from_a_repository_that_has_it_else_uploaded() {
    let hub = Running::start().await;
    let digest = hub.blob("team/base", b"layer").await;
    let target = format!("/v2/team/app/blobs/{digest}");
    // It is in the registry, not in the repository.
    assert_eq!(hub.ask("HEAD", &target).await.status, 404);
    let from = |name: &str| format!("{UPLOADS}?mount={digest}&from={name}");
    assert_eq!(hub.ask("POST", &from("team/none")).await.status, 202);
    assert_eq!(hub.ask("POST", &format!("{UPLOADS}?mount={digest}")).await.status, 202);
    let mounted = hub.ask("POST", &from("team/base")).await;
    assert_eq!((mounted.status, mounted.header("location")), (201, Some(target.as_str())));
    assert_eq!(hub.ask("GET", &target).await.body, b"layer");
}

#[tokio::test]
async fn a_manifest_needs_its_blobs_its_digest_and_its_kind() {
    let hub = Running::start().await;
    let image = image_of(b"layer");
    let (name, text) = ("team/app", image.to_string());
    hub.blob(name, b"{}").await;
    let missing = hub.manifest(name, "v1", MANIFEST, &image).await;
    assert_eq!(missing.refusal(), refused(400, "MANIFEST_BLOB_UNKNOWN"));
    assert_eq!(missing.json()["errors"][0]["detail"], Digest::sha256_of(b"layer").to_string());
    hub.blob(name, b"layer").await;

    let other = Digest::sha256_of(b"other").to_string();
    assert_eq!(hub.manifest(name, &other, MANIFEST, &image).await.refusal(), refused(400, "DIGEST_INVALID"));
    let invalid = refused(400, "MANIFEST_INVALID");
    assert_eq!(hub.manifest(name, "v1", INDEX, &image).await.refusal(), invalid);
    assert_eq!(hub.manifest(name, "v1", "text/html", &image).await.refusal(), invalid);
    for broken in [json!({}), json!([]), json!({"schemaVersion": 1}), json!({"schemaVersion": 2})] {
        assert_eq!(hub.manifest(name, "v1", MANIFEST, &broken).await.refusal(), invalid, "{broken}");
    }
    let mut both = image.clone();
    both["manifests"] = json!([]);
    assert_eq!(hub.manifest(name, "v1", MANIFEST, &both).await.refusal(), invalid);
    assert_eq!(hub.ask("GET", "/v2/team/app/manifests/v1").await.status, 404);

    let digest = Digest::sha256_of(text.as_bytes());
    let put = hub.manifest(name, "v1", &format!("{MANIFEST}; charset=utf-8"), &image).await;
    assert_eq!(put.status, 201);
    assert_eq!(put.header("location"), Some(format!("/v2/team/app/manifests/{digest}").as_str()));
    assert_eq!(put.header("docker-content-digest"), Some(digest.to_string().as_str()));
    assert_eq!(put.header("oci-subject"), None);
    // Without a Content-Type the manifest's own word counts.
    let silent = hub.send("PUT", "/v2/team/app/manifests/v2", &[], text.as_bytes()).await;
    assert_eq!(silent.status, 201);
}

#[tokio::test]
async fn an_index_needs_its_members_and_sha512_is_taken() {
    let hub = Running::start().await;
    let image = image_of(b"layer").to_string();
    let index = |member: &[u8]| json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [pointer(MANIFEST, member)]});
    hub.image("team/app", "v1", b"layer").await;
    let missing = hub.manifest("team/app", "all", INDEX, &index(b"nothing")).await;
    assert_eq!(missing.refusal(), refused(400, "MANIFEST_BLOB_UNKNOWN"));
    assert_eq!(hub.manifest("team/app", "all", INDEX, &index(image.as_bytes())).await.status, 201);

    let digest = Digest::of(Algorithm::Sha512, b"layer");
    let posted = hub.send("POST", &format!("{UPLOADS}?digest={digest}"), &[], b"layer").await;
    assert_eq!(posted.status, 201);
    assert_eq!(hub.ask("GET", &format!("/v2/team/app/blobs/{digest}")).await.body, b"layer");
    let digest = Digest::of(Algorithm::Sha512, image.as_bytes()).to_string();
    let put = hub.send("PUT", &format!("/v2/team/app/manifests/{digest}"), &[], image.as_bytes()).await;
    assert_eq!((put.status, put.header("docker-content-digest")), (201, Some(digest.as_str())));
}

#[tokio::test]
async fn a_tag_moves_to_what_was_pushed_last() {
    let hub = Running::start().await;
    let first = hub.image("team/app", "v1", b"one").await;
    let second = hub.image("team/app", "v1", b"two").await;
    let now = hub.ask("HEAD", "/v2/team/app/manifests/v1").await;
    assert_eq!(now.header("docker-content-digest"), Some(second.to_string().as_str()));
    assert_eq!(hub.ask("HEAD", &format!("/v2/team/app/manifests/{first}")).await.status, 200);
}
