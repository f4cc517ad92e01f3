//! An attestation, a policy and a request that say the worst in every field (security.md 20).

use std::sync::Arc;

use provost_console::{Limits, Record, Signer};

use crate::scene::{Scene, digest, entry, key, pages, policy, provenance};

/// Markup in text and attributes, a link that runs, and characters that end lines, turn text and hide.
const WORST: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>' javascript:alert(3)//\u{0}\u{1b}[31m\u{202e}\u{2066}\u{200b}\u{feff}&#x3c;";

#[tokio::test]
async fn every_field_of_others_is_text() {
    let record = Arc::new(Record::new(Limits::default()));
    let (image, key) = (format!("registry.example/app:{WORST}"), key());
    provenance(&record, &key, &image, WORST, &[WORST, "javascript:alert(4)", "https://good.example/x"]);
    for allowed in [true, false] {
        let mut one = entry(&format!("n{WORST}"), WORST, &image, allowed);
        (one.kind, one.user, one.message) = (WORST.to_owned(), WORST.to_owned(), WORST.to_owned());
        one.warnings = vec![WORST.to_owned()];
        for line in &mut one.lines {
            (line.policy, line.rule, line.message) = (WORST.to_owned(), WORST.to_owned(), WORST.to_owned());
            for cause in &mut line.causes {
                cause.attestor = Some(WORST.to_owned());
            }
        }
        record.take(one.clone());
        // The last word is that it was let in, so the graph has a place.
        if !allowed {
            one.allowed = true;
            record.take(one);
        }
    }
    let mut named = policy("verify", &key);
    named["metadata"]["annotations"] = serde_json::json!({"title": WORST});
    named["spec"]["rules"][0]["name"] = "<script>alert(1)</script>\u{202e}".into();
    named["spec"]["rules"][0]["match"]["any"][0]["resources"]["namespaces"] = serde_json::json!([WORST]);
    named["spec"]["rules"][0]["verifyImages"][0]["imageReferences"] = serde_json::json!([WORST]);
    named["spec"]["rules"][0]["verifyImages"][0]["attestations"][0]["type"] = WORST.into();
    let scene = Scene::new(record, &[named]).await;
    let signer = Signer::of_key(&key).id;
    let mut shown = 0;
    for page in pages(&digest(&image).to_string(), &signer) {
        let answer = scene.get(&page, "all").await;
        assert_eq!(answer.status, 200, "{page}");
        shown += answer.body.matches("alert(1)").count();
        let body = answer.body.to_ascii_lowercase();
        for tag in ["<script", "<img", "<iframe", "<object", "<style", "<base", "<meta http"] {
            assert!(!body.contains(tag), "{page} holds {tag}");
        }
        for attribute in ["href=\"", "action=\"", "src=\"", "xlink:href=\"", "formaction=\""] {
            for value in body.split(attribute).skip(1) {
                assert!(
                    value.starts_with("/ui") || value.starts_with("#main\""),
                    "{page}: {attribute}{value:.40}"
                );
            }
        }
        // Whatever is inside a tag was written by us: no attribute of theirs, and none that runs.
        for tag in body.split('<').skip(1).map(|tag| tag.split('>').next().unwrap()) {
            let tag: String = tag.split('"').step_by(2).collect();
            assert!(!tag.contains("onerror") && !tag.contains(" style="), "{page}: <{tag}>");
        }
        let hidden =
            |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2066}\u{200b}\u{feff}".contains(c);
        assert_eq!(answer.body.chars().find(|c| hidden(*c)), None, "{page}");
    }
    assert!(shown > 20, "the text itself is shown: {shown}");
    let answer = scene.get(&format!("/ui/image?id={}", digest(&image)), "all").await;
    assert!(answer.body.contains("⟨U+202E⟩") && answer.body.contains("javascript:alert(4)"));
}

#[tokio::test]
async fn a_hostile_query_is_text_too() {
    let scene = Scene::new(Arc::new(Record::new(Limits::default())), &[]).await;
    let worst = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E%00%E2%80%AE";
    for page in [
        format!("/ui/decisions?image={worst}&namespace={worst}&policy={worst}&show={worst}"),
        format!("/ui/image?id={worst}"),
        format!("/ui/signer?id={worst}"),
        format!("/ui/{worst}"),
    ] {
        let answer = scene.get(&page, "all").await;
        assert!([200, 404].contains(&answer.status), "{page}: {}", answer.status);
        assert!(!answer.body.contains("<script") && !answer.body.contains('\u{202e}'), "{page}");
    }
}
