//! Referrers: what is about a digest, whichever of the two was pushed first.

use provost_oci::Digest;
use serde_json::{Value, json};

use crate::client::{INDEX, MANIFEST, Running, image_of, pointer, refused};

fn about(subject: &Value, kind: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": pointer("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [pointer("text/plain", b"layer")],
        "subject": subject,
        "annotations": {"made.by": "test"},
    })
}

#[tokio::test]
async fn referrers_are_listed_filtered_and_forgotten() {
    let hub = Running::start().await;
    hub.blob("team/app", b"{}").await;
    hub.blob("team/app", b"layer").await;
    let image = image_of(b"layer").to_string();
    let subject = pointer(MANIFEST, image.as_bytes());
    let digest = Digest::sha256_of(image.as_bytes());
    let path = format!("/v2/team/app/referrers/{digest}");

    // Before anything is there, and before the subject is: an empty index, no error.
    let empty = hub.ask("GET", &path).await;
    assert_eq!((empty.status, empty.header("content-type")), (200, Some(INDEX)));
    assert_eq!(empty.json(), json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}));

    let sbom = about(&subject, "application/sbom");
    let put = hub.manifest("team/app", "sbom", MANIFEST, &sbom).await;
    assert_eq!((put.status, put.header("oci-subject")), (201, Some(digest.to_string().as_str())));
    hub.image("team/app", "v1", b"layer").await;
    let mut plain = about(&subject, "");
    plain["config"]["mediaType"] = json!("application/signature");
    assert_eq!(hub.manifest("team/app", "sig", MANIFEST, &plain).await.status, 201);
    let list = json!({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": subject, "artifactType": "text/list",
    });
    assert_eq!(hub.manifest("team/app", "list", INDEX, &list).await.status, 201);

    let all = hub.ask("GET", &path).await.json();
    let mut kinds: Vec<_> = all["manifests"].as_array().expect("a list").iter().collect();
    kinds.sort_by_key(|entry| entry["artifactType"].as_str());
    let kinds: Vec<_> = kinds.iter().map(|entry| &entry["artifactType"]).collect();
    // Without an artifactType the configuration's kind stands in.
    assert_eq!(kinds, ["application/sbom", "application/signature", "text/list"]);

    let only = hub.ask("GET", &format!("{path}?artifactType=application%2Fsbom")).await;
    assert_eq!(only.header("oci-filters-applied"), Some("artifactType"));
    let bytes = sbom.to_string();
    let expected = json!({
        "mediaType": MANIFEST, "size": bytes.len(), "digest": Digest::sha256_of(bytes.as_bytes()),
        "annotations": {"made.by": "test"}, "artifactType": "application/sbom",
    });
    assert_eq!(only.json()["manifests"], json!([expected]));

    let gone = format!("/v2/team/app/manifests/{}", Digest::sha256_of(bytes.as_bytes()));
    assert_eq!(hub.ask("DELETE", &gone).await.status, 202);
    let left = hub.ask("GET", &path).await.json();
    assert_eq!(left["manifests"].as_array().map(Vec::len), Some(2));
    let elsewhere = hub.ask("GET", &path.replace("team/app", "team/other")).await;
    assert_eq!((elsewhere.status, elsewhere.json()["manifests"].clone()), (200, json!([])));
}

#[tokio::test]
async fn referrers_of_no_digest_are_refused() {
    let hub = Running::start().await;
    for odd in ["v1", "sha256:00", "sha256:zz"] {
        let answer = hub.ask("GET", &format!("/v2/team/app/referrers/{odd}")).await;
        assert_eq!(answer.refusal(), refused(400, "DIGEST_INVALID"), "{odd}");
    }
}
