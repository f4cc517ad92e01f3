//! Content management: what is deleted is gone, what others hold is not, and bytes are given back at a start.

use crate::client::{Running, refused};

#[tokio::test]
async fn a_tag_goes_alone_and_a_manifest_takes_its_tags_along() {
    let hub = Running::start().await;
    let digest = hub.image("team/app", "v1", b"layer").await;
    hub.image("team/app", "v2", b"layer").await;
    hub.image("team/app", "other", b"other").await;
    assert_eq!(hub.ask("DELETE", "/v2/team/app/manifests/v1").await.status, 202);
    assert_eq!(
        hub.ask("DELETE", "/v2/team/app/manifests/v1").await.refusal(),
        refused(404, "MANIFEST_UNKNOWN")
    );
    let path = format!("/v2/team/app/manifests/{digest}");
    assert_eq!(hub.ask("GET", &path).await.status, 200);
    assert_eq!(hub.ask("DELETE", &path).await.status, 202);
    assert_eq!(hub.ask("DELETE", &path).await.refusal(), refused(404, "MANIFEST_UNKNOWN"));
    assert_eq!(hub.ask("GET", "/v2/team/app/manifests/v2").await.status, 404);
    let tags = hub.ask("GET", "/v2/team/app/tags/list").await.json();
    assert_eq!(tags["tags"], serde_json::json!(["other"]));
}

#[tokio::test]
async fn a_blob_leaves_one_repository_and_stays_in_another() {
    let hub = Running::start().await;
    let digest = hub.blob("team/app", b"layer").await;
    hub.blob("team/other", b"layer").await;
    let path = format!("/v2/team/app/blobs/{digest}");
    assert_eq!(hub.ask("DELETE", &path).await.status, 202);
    assert_eq!(hub.ask("DELETE", &path).await.refusal(), refused(404, "BLOB_UNKNOWN"));
    assert_eq!(hub.ask("GET", &path).await.status, 404);
    assert_eq!(hub.ask("GET", &format!("/v2/team/other/blobs/{digest}")).await.body, b"layer");
}

#[tokio::test]
async fn bytes_nobody_holds_are_collected_at_the_next_start() {
    let hub = Running::start().await;
    let held = hub.blob("team/app", b"held").await;
    hub.blob("team/other", b"held").await;
    let loose = hub.blob("team/app", b"loose").await;
    let back = hub.blob("team/app", b"back again").await;
    for digest in [&held, &loose, &back] {
        assert_eq!(hub.ask("DELETE", &format!("/v2/team/app/blobs/{digest}")).await.status, 202);
    }
    hub.blob("team/app", b"back again").await;
    let folder = hub.stop().await;
    let hub = Running::over(folder, |_| {}).await;
    let on_disk = |hex: &str| hub.folder.path().join("blobs/sha256").join(hex).exists();
    assert!(on_disk(held.hex()) && on_disk(back.hex()) && !on_disk(loose.hex()));
    assert_eq!(hub.ask("GET", &format!("/v2/team/other/blobs/{held}")).await.body, b"held");
    assert_eq!(hub.ask("GET", &format!("/v2/team/app/blobs/{back}")).await.body, b"back again");
}

#[tokio::test]
async fn a_method_that_is_not_known_says_which_are() {
    let hub = Running::start().await;
    let answer = hub.ask("POST", "/v2/team/app/tags/list").await;
    assert_eq!(answer.refusal(), refused(405, "UNSUPPORTED"));
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    assert_eq!(hub.ask("PATCH", "/v2/team/app/manifests/v1").await.status, 405);
}
