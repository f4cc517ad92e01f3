//! What a record keeps, and where it ends.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use provost_console::{Entry, Limits, Record};
use provost_gate::Hook;
use provost_gate::hook::Share;
use provost_gate::record::{Basis, Decided};
use provost_kyverno::outcome::{
    AttestationCause, AttestationFailure, Finding, PolicyOutcome, RuleOutcome, Status,
};
use provost_kyverno::policy::{Action, FailurePolicy};
use provost_kyverno::{Judgement, Request};
use serde_json::json;

use crate::scene::{digest, entry, key, provenance};

#[test]
fn the_oldest_decisions_make_room() {
    let record = Record::new(Limits { decisions: 10, ..Limits::default() });
    for number in 0..25 {
        record.take(entry("n", &number.to_string(), "i", false));
    }
    let names: Vec<String> = record.decisions().iter().map(|entry| entry.name.clone()).collect();
    assert_eq!((names.len(), names[0].as_str(), names[9].as_str()), (10, "24", "15"));
    let limit = 64 << 10;
    let record = Record::new(Limits { decision_bytes: limit, ..Limits::default() });
    for _ in 0..500 {
        let mut large = entry("n", "p", "i", false);
        large.message = "x".repeat(4000);
        record.take(large);
        assert!(record.weight().0 <= limit);
    }
    assert!((10..20).contains(&record.decisions().len()), "{}", record.decisions().len());
}

#[test]
fn the_images_not_heard_of_for_longest_make_room() {
    let (record, key) = (Record::new(Limits { images: 10, ..Limits::default() }), key());
    for number in 0..25 {
        provenance(&record, &key, &format!("registry.example/{number}"), "b", &["m"]);
    }
    let images = record.images();
    assert!((9..=10).contains(&images.len()), "{}", images.len());
    assert!(images.iter().any(|image| image.digest == digest("registry.example/24").to_string()));
    assert_eq!(record.digest_of("registry.example/0"), None);
    let limit = 64 << 10;
    let record = Record::new(Limits { image_bytes: limit, ..Limits::default() });
    let long = "m".repeat(900);
    for number in 0..100 {
        provenance(&record, &key, &format!("registry.example/{number}"), "b", &[long.as_str(); 8]);
        assert!(record.weight().1 <= limit);
    }
    assert!((2..=8).contains(&record.images().len()), "{}", record.images().len());
}

#[test]
fn one_image_is_bounded_in_every_direction() {
    let (record, key) = (Record::new(Limits::default()), key());
    let materials: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let materials: Vec<&str> = materials.iter().map(String::as_str).collect();
    for number in 0..100 {
        provenance(&record, &key, "registry.example/app", &number.to_string(), &materials);
        let place = number.to_string();
        for repeat in 0..4 {
            record.take(entry("n", &format!("{place}-{repeat}"), "registry.example/app", true));
        }
    }
    let image = record.images().remove(0);
    assert_eq!((image.testimonies.len(), image.places.len()), (64, 256));
    let testimony = image.testimonies.values().next().unwrap();
    assert_eq!((testimony.materials, testimony.provenance.as_ref().unwrap().materials.len()), (100, 64));
    assert_eq!(record.weight().1, image.weight());
    // What was kept out is no place where it runs, and a dry run is neither.
    record.take(entry("n", "99-3", "registry.example/app", false));
    let mut dry = entry("n", "dry", "registry.example/app", true);
    dry.dry_run = true;
    record.take(dry);
    let image = record.images().remove(0);
    assert_eq!((image.places.len(), image.kept_out.len()), (255, 1));
}

#[test]
fn a_decision_is_taken_apart() {
    let failure = AttestationFailure {
        path: Some(".attestations[0].attestors[0].entries[0].keys".to_owned()),
        cause: AttestationCause::Conditions { kind: "k".to_owned(), messages: vec!["not that".to_owned()] },
    };
    let outcome = |status, finding| RuleOutcome {
        rule: "r".to_owned(),
        image: Some("registry.example/app:1".to_owned()),
        status,
        finding,
        action: Action::Enforce,
        tells: false,
    };
    let failed = Finding::AttestationsMissing { verified: 0, required: 1, failures: vec![failure] };
    let policy = PolicyOutcome {
        name: "p".to_owned(),
        namespace: "team".to_owned(),
        failure_policy: FailurePolicy::Fail,
        scored: true,
        verified: vec![outcome(Status::Pass, Finding::Signatures); 80],
        checked: vec![outcome(Status::Fail, failed)],
    };
    let mut request = Request::of_object(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "web-", "namespace": "team"},
        "spec": {"containers": [{"name": "c", "image": "registry.example/app:1", "env": [{"name": "A", "value": "canary"}]}]},
    }));
    request.name = String::new();
    let judgement = Judgement {
        policies: vec![policy],
        errors_deny: true,
        operations: Vec::new(),
        object: request.object.clone(),
        notes: Vec::new(),
    };
    let decided = Arc::new(Decided {
        at: Timestamp::UNIX_EPOCH,
        hook: Hook::Validate(Share::All),
        epoch: 1,
        sight: Arc::default(),
        request,
        dry_run: false,
        authenticated: false,
        basis: Basis::Judged,
        judgement: Some(judgement),
        response: json!({"allowed": false, "status": {"message": "no\u{1b}"}, "warnings": ["w"]}),
        took: Duration::from_millis(3),
    });
    let entry = Entry::of(&decided);
    assert_eq!((entry.hook, entry.name.as_str(), entry.namespace.as_str()), ("validate", "web-…", "team"));
    assert_eq!((entry.found, entry.lines.len(), entry.allowed), (81, 64, false));
    let first = &entry.lines[0];
    assert_eq!(
        (first.policy.as_str(), first.status, first.causes[0].code),
        ("team/p", Status::Fail, "condition-failed")
    );
    assert_eq!(first.causes[0].attestor.as_deref(), Some(".attestations[0].attestors[0].entries[0].keys"));
    assert!(first.message.contains("not that") && !entry.message.contains('\u{1b}'));
    // Nothing but names of the object is kept (security.md 18).
    assert!(!format!("{entry:?}").contains("canary"));
    assert!(entry.weight() > 64 * size_of::<provost_console::Line>());
}
