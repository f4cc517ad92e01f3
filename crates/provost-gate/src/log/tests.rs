//! What lands in the log, and what never does.

use std::sync::Arc;

use provost_kyverno::outcome::{AttestationCause, AttestationFailure, Finding, PolicyOutcome, RuleOutcome};
use provost_kyverno::policy::{Action, FailurePolicy};
use provost_kyverno::{Judgement, Status};
use serde_json::{Value, json};

use super::*;
use crate::record::{Decided, Hears as _, tests::decided};

const CANARY: &str = "CANARY-7d1f0c9a";

/// A Pod with a secret everywhere but where Kubernetes has names and labels.
pub(crate) fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "x", "namespace": "n", "labels": {"app": "a"}, "annotations": {"note": CANARY},
            "managedFields": [{"fieldsV1": {CANARY: {}}}],
        },
        "spec": {
            "imagePullSecrets": [{"name": CANARY}],
            "initContainers": [{"name": "i", "image": "reg/init:v1", "command": ["sh", "-c", CANARY]}],
            "containers": [{
                "name": "c", "image": "reg/app:v1", "args": [format!("--token={CANARY}")],
                "env": [{"name": "T", "value": CANARY}],
                "envFrom": [{"secretRef": {"name": CANARY}}],
                "readinessProbe": {"httpGet": {"httpHeaders": [{"name": "a", "value": CANARY}]}},
            }],
            "volumes": [{"name": "v", "secret": {"secretName": CANARY}}],
        },
    })
}

/// A denial whose message quotes the secret.
pub(crate) fn denied() -> Decided {
    let outcome = |status, finding, image: Option<&str>| RuleOutcome {
        rule: "r".to_owned(),
        image: image.map(str::to_owned),
        status,
        finding,
        action: Action::Enforce,
        tells: false,
    };
    let messages = vec![format!("the token is {CANARY}, which is not --token={CANARY}")];
    let cause = AttestationCause::Conditions { kind: "t".to_owned(), messages };
    let failures = vec![AttestationFailure { path: None, cause }];
    let missing = Finding::AttestationsMissing { verified: 0, required: 1, failures };
    let policy = PolicyOutcome {
        name: "p".to_owned(),
        namespace: String::new(),
        failure_policy: FailurePolicy::Fail,
        scored: true,
        verified: vec![
            outcome(Status::Fail, missing, Some("reg/app:v1")),
            outcome(Status::Pass, Finding::Attestations, Some("reg/init:v1")),
        ],
        checked: Vec::new(),
    };
    let judgement = Judgement {
        policies: vec![policy],
        errors_deny: true,
        operations: Vec::new(),
        object: pod(),
        notes: Vec::new(),
    };
    Decided { judgement: Some(judgement), ..decided(pod(), false) }
}

fn key() -> MaskingKey {
    MaskingKey::of(&[1; masking::KEY_LEAST]).unwrap()
}

#[test]
fn a_line_says_who_asked_for_what_and_why_not_and_no_secret() {
    let text = String::from_utf8(line(Entry::of(&denied(), &key()))).unwrap();
    assert!(!text.contains(CANARY), "{text}");
    let entry: Entry = serde_json::from_str(&text).unwrap();
    assert_eq!(entry.images, ["reg/app:v1", "reg/init:v1"]);
    assert_eq!((entry.allowed, entry.basis.as_str(), entry.webhook.as_str()), (false, "judged", "mutate"));
    assert_eq!((entry.namespace.as_str(), entry.name.as_str()), ("n", "x"));
    let [failed, passed] = entry.results.as_slice() else { panic!("{text}") };
    assert_eq!(failed.codes, ["attestations-missing", "conditions"]);
    assert!(failed.message.contains("the token is [hidden]"), "{}", failed.message);
    assert_eq!((passed.result.as_str(), passed.message.as_str()), ("pass", ""));
    assert_eq!(entry.object["spec"]["containers"][0]["image"], "reg/app:v1");
}

#[test]
fn lines_come_through_the_backlog_into_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions");
    let place = Place::File { path: path.clone(), most_bytes: 1 << 20, kept: 1 };
    let (backlog, writer) = open(place, key(), Arc::new(|_| {})).unwrap();
    for _ in 0..3 {
        backlog.heard(&Arc::new(denied()));
    }
    drop(backlog);
    writer.write();
    let text = std::fs::read_to_string(&path).unwrap();
    let read: Vec<Entry> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), 3);
}

#[test]
fn a_log_that_cannot_be_written_is_said_once_and_counted() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("no space"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let said = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = said.clone();
    let say: Say = Arc::new(move |words| heard.lock().unwrap().push(words.to_owned()));
    let (backlog, writer) = open(Place::Stream(Box::new(Full)), key(), say).unwrap();
    let load = backlog.load();
    for _ in 0..3 {
        backlog.heard(&Arc::new(denied()));
    }
    drop(backlog);
    writer.write();
    assert_eq!(load.dropped(), 3);
    let said = said.lock().unwrap();
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("no space"), "{said:?}");
}

#[test]
fn a_line_that_would_be_too_long_goes_without_its_objects() {
    let labels: serde_json::Map<String, Value> =
        (0..LINE / 64).map(|n| (format!("l{n}"), json!("v".repeat(63)))).collect();
    let object = json!({"kind": "Pod", "metadata": {"name": "x", "labels": labels}});
    let text = line(Entry::of(&decided(object, true), &key()));
    assert!(text.len() <= LINE);
    let entry: Entry = serde_json::from_slice(&text).unwrap();
    assert!(entry.objects_left_out && entry.object.is_null());
}
