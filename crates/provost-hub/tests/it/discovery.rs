//! Content discovery: tags and repositories, in pages.

use serde_json::json;

use crate::client::{Running, refused};

#[tokio::test]
async fn tags_are_sorted_and_come_in_pages() {
    let hub = Running::start().await;
    for tag in ["v2", "latest", "V3", "v10", "_x"] {
        hub.image("team/app", tag, b"layer").await;
    }
    let all = hub.ask("GET", "/v2/team/app/tags/list").await;
    assert_eq!(all.json(), json!({"name": "team/app", "tags": ["V3", "_x", "latest", "v10", "v2"]}));
    assert_eq!(all.header("link"), None);

    let mut path = "/v2/team/app/tags/list?n=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = hub.ask("GET", &path).await;
        pages.push(page.json()["tags"].clone());
        let Some(link) = page.header("link") else { break };
        let (target, rel) = link.split_once("; ").expect("a link and its meaning");
        assert_eq!(rel, "rel=\"next\"");
        path = target.trim_matches(['<', '>']).to_owned();
    }
    assert_eq!(pages, [json!(["V3", "_x"]), json!(["latest", "v10"]), json!(["v2"])]);

    let none = hub.ask("GET", "/v2/team/app/tags/list?n=0").await;
    assert_eq!((none.json()["tags"].clone(), none.header("link")), (json!([]), None));
    let after = hub.ask("GET", "/v2/team/app/tags/list?last=latest").await;
    assert_eq!(after.json()["tags"], json!(["v10", "v2"]));
    let odd = hub.ask("GET", "/v2/team/app/tags/list?n=-1").await;
    assert_eq!(odd.refusal(), refused(400, "UNSUPPORTED"));
}

#[tokio::test]
async fn the_catalog_lists_repositories_at_every_depth() {
    let hub = Running::start().await;
    assert_eq!(hub.ask("GET", "/v2/_catalog").await.json(), json!({"repositories": []}));
    for name in ["a", "team", "team/app", "team/app/deep/er", "team-x"] {
        hub.image(name, "v1", b"layer").await;
    }
    // Blobs alone do not make a repository worth listing.
    hub.blob("only/blobs", b"layer").await;
    let all = hub.ask("GET", "/v2/_catalog").await;
    assert_eq!(all.json()["repositories"], json!(["a", "team", "team-x", "team/app", "team/app/deep/er"]));
    for number in 0..96 {
        hub.image(&format!("x{number:02}"), "v1", b"layer").await;
    }
    // 101 by now; a client that names no number gets a hundred and is told how to go on.
    let first = hub.ask("GET", "/v2/_catalog").await;
    assert_eq!(first.json()["repositories"].as_array().map(Vec::len), Some(100));
    assert_eq!(first.header("link"), Some("</v2/_catalog?n=100&last=x94>; rel=\"next\""));
    let page = hub.ask("GET", "/v2/_catalog?n=2&last=a").await;
    assert_eq!(page.json()["repositories"], json!(["team", "team-x"]));
    assert_eq!(page.header("link"), Some("</v2/_catalog?n=2&last=team%2Dx>; rel=\"next\""));
}
