//! What is signed of which run, and what is refused.

use serde_json::{Value, json};

use super::*;
use crate::config::Artifact;

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn task_run(edit: impl FnOnce(&mut Value)) -> provost_tekton::TaskRun {
    let mut run = json!({
        "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
        "metadata": {"name": "build", "namespace": "n", "uid": "u1", "labels": {"tekton.dev/pipelineTask": "build"},
            "ownerReferences": [{"kind": "PipelineRun", "name": "run", "uid": "u0"}]},
        "spec": {},
        "status": {
            "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:15Z",
            "conditions": [{"type": "Succeeded", "status": "False"}],
            "steps": [{"name": "s", "imageID": format!("reg.local/tool@{}", digest('c'))}],
            "taskSpec": {"steps": [{"name": "s", "command": ["a", "b"]}]},
            "results": [{"name": "IMAGE_URL", "value": "reg.local/app:v1"}, {"name": "IMAGE_DIGEST", "value": digest('a')}],
        },
    });
    edit(&mut run);
    serde_json::from_value(run).unwrap()
}

fn pipeline_run(children: Value) -> provost_tekton::PipelineRun {
    serde_json::from_value(json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
        "metadata": {"name": "run", "namespace": "n", "uid": "u0"},
        "spec": {},
        "status": {
            "conditions": [{"type": "Succeeded", "status": "True"}],
            "pipelineSpec": {"tasks": [{"name": "build", "taskRef": {"name": "build"}}, {"name": "wait", "taskRef": {"apiVersion": "x/v1", "kind": "Wait"}}]},
            "childReferences": children,
            "results": [{"name": "IMAGES", "value": format!("reg.local/app@{}", digest('a'))}],
        },
    }))
    .unwrap()
}

fn child(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "v", "kind": kind, "name": name, "pipelineTaskName": name})
}

fn kinds(list: &[Signable]) -> Vec<&'static str> {
    let kind = |one: &Signable| match &one.payload {
        Payload::Attestation(_) => "attestation",
        Payload::ImageSignature { .. } => "image",
    };
    list.iter().map(kind).collect()
}

#[test]
fn a_failed_task_run_is_attested_and_its_image_signed() {
    let run = task_run(|_| {});
    let list = signables(&ChainsConfig::default(), &Run::Task(&run)).unwrap().list;
    assert_eq!(kinds(&list), ["attestation", "image"]);
    let [_, Signable { payload: Payload::ImageSignature { image, bytes }, storage, .. }] = list.as_slice()
    else {
        panic!("an image signature")
    };
    assert_eq!((image.name.as_str(), storage), ("reg.local/app", &BTreeSet::from([Storage::Oci])));
    let text = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"reg.local/app"}},"image":{{"docker-manifest-digest":"{}"}},"type":"cosign container image signature"}},"optional":null}}"#,
        digest('a')
    );
    assert_eq!(String::from_utf8_lossy(bytes), text);
}

#[test]
fn a_pipeline_runs_images_are_not_signed() {
    let (run, children) = (pipeline_run(json!([child("TaskRun", "build")])), [task_run(|_| {})]);
    let list = signables(&ChainsConfig::default(), &Run::Pipeline(&run, &children)).unwrap().list;
    assert_eq!(kinds(&list), ["attestation"]);
    let line = statements(&ChainsConfig::default(), &Run::Pipeline(&run, &children)).unwrap()[0].to_line();
    assert!(line.starts_with(r#"{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"name":"reg.local/app","digest":{"sha256":"#));
    assert!(
        line.contains(r#"],"predicateType":"https://slsa.dev/provenance/v0.2","predicate":{"buildConfig":"#)
    );
}

#[test]
fn what_is_switched_off_is_not_made() {
    let run = task_run(|_| {});
    let mut config = ChainsConfig::default();
    config.task_runs = Artifact { storage: BTreeSet::new(), ..config.task_runs };
    assert_eq!(kinds(&signables(&config, &Run::Task(&run)).unwrap().list), ["image"]);
    config.images.signer = Signer::None;
    assert_eq!(signables(&config, &Run::Task(&run)).unwrap().list, vec![]);
}

#[test]
fn an_unstarted_step_fails_attestation_and_signature() {
    let run = task_run(|run| run["status"]["steps"][0]["imageID"] = Value::Null);
    let error = signables(&ChainsConfig::default(), &Run::Task(&run)).unwrap_err();
    assert!(matches!(error, FormatError::ImageId { .. }), "{error}");
}

#[test]
fn a_run_that_goes_on_is_refused() {
    let run = task_run(|run| run["status"]["conditions"][0]["status"] = json!("Unknown"));
    assert_eq!(
        signables(&ChainsConfig::default(), &Run::Task(&run)),
        Err(FormatError::NotDone { run: "TaskRun/build".into() })
    );
}

#[test]
fn children_must_be_there_belong_and_have_ended() {
    let run = pipeline_run(json!([child("TaskRun", "build")]));
    let refused = |children: &[provost_tekton::TaskRun]| {
        statements(&ChainsConfig::default(), &Run::Pipeline(&run, children)).unwrap_err()
    };
    let (label, name) = ("PipelineRun/run".to_owned(), "build".to_owned());
    assert_eq!(refused(&[]), FormatError::ChildMissing { run: label.clone(), child: name.clone() });
    let elsewhere = task_run(|run| run["metadata"]["namespace"] = json!("other"));
    assert_eq!(refused(&[elsewhere]), FormatError::ChildMissing { run: label.clone(), child: name.clone() });
    let foreign = task_run(|run| run["metadata"]["ownerReferences"][0]["uid"] = json!("u9"));
    assert_eq!(refused(&[foreign]), FormatError::ChildForeign { run: label, child: name });
    let running = task_run(|run| run["status"]["completionTime"] = Value::Null);
    assert_eq!(refused(&[running]), FormatError::NotDone { run: "TaskRun/build".into() });
}

#[test]
fn children_of_other_kinds_are_listed_as_not_inspected() {
    let run = pipeline_run(json!([child("TaskRun", "build"), child("CustomRun", "wait")]));
    let children = [task_run(|_| {})];
    let mut config = ChainsConfig::default();
    let listed = json!([child("CustomRun", "wait")]);
    for (format, place) in [
        (Format::InToto, "/buildConfig/notInspected"),
        (Format::V2Alpha4, "/buildDefinition/internalParameters/notInspected"),
    ] {
        config.pipeline_runs.format = format;
        let statements = statements(&config, &Run::Pipeline(&run, &children)).unwrap();
        assert_eq!(statements[0].predicate().pointer(place), Some(&listed));
    }
}

fn own(data: &[(&str, &str)]) -> ChainsConfig {
    let data = data.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
    ChainsConfig::from_data(data, "config.yaml").unwrap().0
}

/// Rule 30: what a namespace may not claim is neither a subject nor signed, and is told.
#[test]
fn results_outside_the_claims_of_a_namespace_are_left_out() {
    let foreign = format!("reg.local/app@{},reg.local/other/app:v1@{}", digest('a'), digest('b'));
    let run = task_run(|run| run["status"]["results"] = json!([{"name": "IMAGES", "value": foreign}]));
    let config = own(&[("provost.claims", "{n: [reg.local/other]}")]);
    let found = signables(&config, &Run::Task(&run)).unwrap();
    assert_eq!(found.denied, ["reg.local/app"]);
    let [
        Signable { payload: Payload::Attestation(statement), .. },
        Signable { payload: Payload::ImageSignature { image, .. }, .. },
    ] = found.list.as_slice()
    else {
        panic!("{found:?}")
    };
    let subjects: Vec<&str> = statement.subjects().iter().map(|subject| subject.name.as_str()).collect();
    assert_eq!(
        (subjects.as_slice(), image.name.as_str()),
        (&["reg.local/other/app"][..], "reg.local/other/app")
    );
    let config = own(&[("provost.claims", "{another: ['*']}")]);
    let found = signables(&config, &Run::Task(&run)).unwrap();
    assert_eq!((kinds(&found.list), found.denied.len()), (vec!["attestation"], 2));
}

#[test]
fn a_pipeline_run_claims_no_more_than_its_namespace_may() {
    let (run, children) = (pipeline_run(json!([child("TaskRun", "build")])), [task_run(|_| {})]);
    let config = own(&[
        ("provost.claims", "{n: [reg.local/else]}"),
        ("artifacts.pipelinerun.enable-deep-inspection", "true"),
    ]);
    let found = signables(&config, &Run::Pipeline(&run, &children)).unwrap();
    let [Signable { payload: Payload::Attestation(statement), .. }] = found.list.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((statement.subjects(), found.denied.is_empty()), (&[][..], false));
}

#[test]
fn a_builder_may_bear_its_namespace_and_the_type_its_older_name() {
    let run = task_run(|_| {});
    for format in ["slsa/v1", "slsa/v2alpha4"] {
        let config = own(&[
            ("provost.builder-per-namespace", "true"),
            ("provost.v1beta1-build-type", "true"),
            ("artifacts.taskrun.format", format),
        ]);
        let predicate = statements(&config, &Run::Task(&run)).unwrap()[0].predicate().clone();
        let v02 = predicate.pointer("/builder/id");
        let id = v02.or(predicate.pointer("/runDetails/builder/id")).unwrap();
        assert_eq!(id, "https://tekton.dev/chains/v2/ns/n", "{format}");
        if format == "slsa/v1" {
            assert_eq!(predicate["buildType"], "tekton.dev/v1beta1/TaskRun");
        }
    }
    let run = pipeline_run(json!([]));
    let config = own(&[("provost.v1beta1-build-type", "true")]);
    let predicate = statements(&config, &Run::Pipeline(&run, &[])).unwrap()[0].predicate().clone();
    assert_eq!(predicate["buildType"], "tekton.dev/v1beta1/PipelineRun");
}

/// Rule 33, in every format: the value is nowhere in what is signed.
#[test]
fn a_redacted_parameter_is_nowhere_in_the_statement() {
    let secret = "c0rrect-horse";
    let run = task_run(|run| {
        run["spec"]["params"] =
            json!([{"name": "token", "value": secret}, {"name": "open", "value": "visible"}]);
        run["status"]["taskSpec"]["steps"][0]["args"] = json!([format!("--token={secret}"), "visible"]);
        run["metadata"]["annotations"] = json!({"note": format!("{{\"token\":\"{secret}\"}}")});
    });
    for (format, kind) in [
        ("in-toto", ""),
        ("slsa/v2alpha3", "https://tekton.dev/chains/v2/slsa-tekton"),
        ("slsa/v2alpha4", "https://tekton.dev/chains/v2/slsa"),
    ] {
        let mut data = vec![("artifacts.taskrun.format", format), ("provost.redact-params", "token, other")];
        if !kind.is_empty() {
            data.push(("builddefinition.buildtype", kind));
        }
        let line = statements(&own(&data), &Run::Task(&run)).unwrap()[0].to_line();
        assert!(!line.contains(secret) && line.contains("visible"), "{line}");
        let sum = provost_oci::Digest::sha256_of(secret.as_bytes()).to_string();
        assert!(line.contains(&sum), "{line}");
    }
}
