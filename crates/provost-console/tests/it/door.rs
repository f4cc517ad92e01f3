//! Who gets in, what they see, and what every answer carries.

use std::sync::Arc;

use provost_console::{Console, Limits, Record, ServeError, Signer, TokenHolder};
use provost_gate::sight::Sight;
use tokio::sync::watch;

use crate::scene::{Scene, digest, entry, key, pages, policy, provenance};

const MINE: &str = "registry.example/mine:1";
const THEIRS: &str = "registry.example/theirs:1";

async fn two_teams() -> (Scene, String) {
    let (record, key) = (Arc::new(Record::new(Limits::default())), key());
    provenance(&record, &key, MINE, "https://builder.example/mine", &["git+https://mine.example"]);
    provenance(&record, &key, THEIRS, "https://builder.example/theirs", &["git+https://theirs.example"]);
    record.take(entry("team-a", "mine", MINE, true));
    record.take(entry("team-b", "theirs", THEIRS, true));
    record.take(entry("team-b", "kept-out", THEIRS, false));
    (Scene::new(record, &[policy("verify", &key)]).await, Signer::of_key(&key).id)
}

#[tokio::test]
async fn a_visitor_sees_what_concerns_their_namespaces() {
    let (scene, signer) = two_teams().await;
    for page in pages(&digest(MINE).to_string(), &signer) {
        let answer = scene.get(&page, "team-a").await;
        assert_eq!(answer.status, 200, "{page}");
        for foreign in ["theirs", "team-b", "kept-out", "decisions were made"] {
            assert!(!answer.body.contains(foreign), "{page} shows {foreign}");
        }
    }
    let image = format!("/ui/image?id={}", digest(THEIRS));
    assert_eq!(scene.get(&image, "team-a").await.status, 404);
    let whole = scene.get(&image, "all").await;
    assert_eq!(whole.status, 200);
    for part in
        ["<svg", "https://builder.example/theirs", "git+https://theirs.example", "team-b", "was built by"]
    {
        assert!(whole.body.contains(part), "{part}");
    }
    let hit = scene.get(&format!("/ui/signer?id={signer}"), "all").await.body;
    for part in ["What its revocation would hit", MINE, THEIRS, "verify", "Pod team-a/mine"] {
        assert!(hit.contains(part), "{part}");
    }
}

#[tokio::test]
async fn denials_are_told_by_policy_rule_image_attestor_and_cause_and_can_be_filtered() {
    let (scene, _) = two_teams().await;
    let answer = scene.get("/ui/decisions", "all").await.body;
    for part in
        ["verify", "check-image", THEIRS, "entries[0].keys", "condition-failed", "was blocked", "kept-out"]
    {
        assert!(answer.contains(part), "{part}");
    }
    for (query, found) in [
        ("", 1),
        ("?show=all", 3),
        ("?show=all&namespace=team-a", 1),
        ("?namespace=team-a", 0),
        ("?policy=verify", 1),
        ("?policy=other", 0),
        ("?show=all&image=mine", 1),
    ] {
        let body = scene.get(&format!("/ui/decisions{query}"), "all").await.body;
        assert!(body.contains(&format!("{found} of 3 kept decisions")), "{query}");
    }
    let by_digest = format!("/ui/decisions?image={}", digest(THEIRS));
    assert!(scene.get(&by_digest, "all").await.body.contains("1 of 3 kept"));
}

#[tokio::test]
async fn without_a_good_token_there_is_nothing_and_not_knowing_is_no_yes() {
    let (scene, signer) = two_teams().await;
    for page in pages(&digest(MINE).to_string(), &signer) {
        for (token, status) in [("", 401), ("nobody", 401), ("lost", 503), ("stranger", 403), ("quiet", 200)]
        {
            // A page about one thing is not there for whom that thing is not.
            if token == "quiet" && page.contains("id=") {
                continue;
            }
            let answer = scene.get(&page, token).await;
            assert_eq!(answer.status, status, "{page} for {token:?}");
            assert!(!answer.body.contains("team-a") && !answer.body.contains("registry.example"), "{page}");
        }
        assert_eq!(scene.send(&format!("GET {page}"), "", "").await.status, 401);
        assert_eq!(
            scene.send(&format!("POST {page}"), "Authorization: Bearer all\r\n", "").await.status,
            405
        );
    }
    assert_eq!(scene.get("/ui/nothing", "all").await.status, 404);
    assert_eq!(scene.get("/elsewhere", "all").await.status, 404);
}

#[tokio::test]
async fn every_answer_carries_the_strict_headers() {
    let (scene, _) = two_teams().await;
    for (path, token) in [("/ui", "all"), ("/ui", ""), ("/ui/style.css", ""), ("/x", ""), ("/", "")] {
        let head = scene.get(path, token).await.head;
        for header in [
            "content-security-policy: default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ] {
            assert!(head.contains(header), "{path}: {head}");
        }
    }
}

#[tokio::test]
async fn a_browser_signs_in_by_a_form_and_out_again() {
    let (scene, _) = two_teams().await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let refused = scene.send("POST /ui/sign-in", form, "token=nobody").await;
    assert_eq!(refused.status, 401);
    assert!(!refused.head.contains("set-cookie"));
    let own = format!("{form}Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", scene.host());
    let answer = scene.send("POST /ui/sign-in", &own, "token=all").await;
    assert_eq!(answer.status, 303);
    let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap().to_owned();
    assert!(cookie.contains("httponly; samesite=strict") && !cookie.contains("=all;"), "{cookie}");
    let cookie = format!("Cookie: other=1; {}\r\n", cookie.split(';').next().unwrap());
    assert_eq!(scene.send("GET /ui", &cookie, "").await.status, 200);
    for foreign in ["Origin: https://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"]
    {
        for path in ["/ui/sign-in", "/ui/sign-out"] {
            let headers = format!("{form}{cookie}{foreign}");
            assert_eq!(scene.send(&format!("POST {path}"), &headers, "token=all").await.status, 403);
        }
    }
    assert_eq!(scene.send("GET /ui", &cookie, "").await.status, 200, "nobody was signed out");
    assert_eq!(scene.send("POST /ui/sign-out", &cookie, "").await.status, 303);
    assert_eq!(scene.send("GET /ui", &cookie, "").await.status, 401);
    let long = format!("token={}", "x".repeat(20 << 10));
    assert_eq!(scene.send("POST /ui/sign-in", form, &long).await.status, 400);
}

#[tokio::test]
async fn beyond_loopback_tokens_do_not_travel_in_the_clear() {
    let (_sender, sights) = watch::channel(Arc::new(Sight::default()));
    let door = Arc::new(TokenHolder::new(&TokenHolder::token()).unwrap());
    let record = Arc::new(Record::new(Limits::default()));
    let mut console = Console::new(record, sights, door, Arc::new(|_| {}));
    let refused = console.bind("0.0.0.0:0".parse().unwrap(), None).await;
    assert!(matches!(refused, Err(ServeError::NeedsTls(_))));
}
