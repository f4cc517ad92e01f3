//! Objects leave as they came, and errors name the place.

use serde_json::{Value, json};

use super::*;

fn only(text: &str) -> Object {
    let mut documents = read_documents("a.yaml", text.as_bytes()).unwrap();
    assert_eq!(documents.len(), 1);
    documents.remove(0).object
}

#[test]
fn values_are_typed_by_their_json() {
    let cases = [
        (json!("a"), ParamValue::String("a".into())),
        (json!(["a", "b"]), ParamValue::Array(vec!["a".into(), "b".into()])),
        (json!({"k": "v"}), ParamValue::Object([("k".to_owned(), "v".to_owned())].into())),
        (json!(3), ParamValue::String("3".into())),
        (json!(true), ParamValue::String("true".into())),
        (json!(null), ParamValue::String(String::new())),
        (json!([1, 2]), ParamValue::String("[1,2]".into())),
        (json!({"k": 1}), ParamValue::String("{\"k\":1}".into())),
    ];
    for (value, expected) in cases {
        assert_eq!(ParamValue::from(value.clone()), expected, "{value}");
    }
}

#[test]
fn unknown_fields_survive() {
    let text = r#"
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: a, namespace: ns, generation: 3, managedFields: [{manager: m}]}
spec: {params: null, taskRef: {name: t, bundle: b}, podTemplate: {nodeSelector: {a: b}}, computeResources: {limits: {cpu: "1"}}}
status:
  podName: p
  steps: [{name: s, container: step-s, imageID: "r/x@sha256:00", running: {startedAt: x}}]
  taskSpec: {steps: [{name: s, securityContext: {privileged: true}, args: []}], unknown: 1}
  retriesStatus: []
"#;
    let before: Value = serde_saphyr::from_str(text).unwrap();
    let Object::TaskRun(run) = only(text) else { panic!("a TaskRun") };
    assert_eq!(run.spec.task_ref.as_ref().unwrap().name, "t");
    assert_eq!(run.status.steps[0].image_id, "r/x@sha256:00");
    assert_eq!(run.status.task_spec.as_ref().unwrap().steps[0].args, Some(vec![]));
    let after = serde_json::to_value(&run).unwrap();
    assert_eq!(after, before);
}

#[test]
fn scalars_are_read_as_go_reads_them() {
    let Object::Other(value) = only("kind: X\na: yes\nb: 0644\nc: \"yes\"\nd: 1_000\n") else {
        panic!("kept as it is")
    };
    assert_eq!(*value, json!({"kind": "X", "a": true, "b": 420, "c": "yes", "d": 1000}));
}

#[test]
fn documents_are_counted_and_lists_opened() {
    let text = "# first\n---\nkind: A\n---\n---\nkind: List\nitems: [{kind: B}, {kind: C}]\n--- # note\nkind: D\nscript: |\n  ---\n  x\n";
    let documents = read_documents("f", text.as_bytes()).unwrap();
    let kinds: Vec<(usize, &str)> = documents.iter().map(|d| (d.origin.document, d.object.kind())).collect();
    assert_eq!(kinds, [(2, "A"), (4, "B"), (4, "C"), (5, "D")]);
}

#[test]
fn errors_name_file_document_and_line() {
    let message = |text: &str| read_documents("dir/f.yaml", text.as_bytes()).unwrap_err().to_string();
    let syntax = message("kind: A\n---\nkind: B\nx: [1\n");
    assert!(syntax.starts_with("dir/f.yaml: document 2: "), "{syntax}");
    assert!(syntax.contains("line 4") || syntax.contains("line 5"), "{syntax}");
    let twice = message("kind: A\nkind: B\n");
    assert!(twice.starts_with("dir/f.yaml: document 1: ") && twice.contains("kind"), "{twice}");
    assert_eq!(
        message("apiVersion: tekton.dev/v1beta1\nkind: Task\n"),
        "dir/f.yaml: document 1: apiVersion: expected tekton.dev/v1 for a Task, found tekton.dev/v1beta1"
    );
    assert_eq!(
        message("a: b\n"),
        "dir/f.yaml: document 1: kind: expected the kind of a Kubernetes object, found none"
    );
    let shape = message("apiVersion: tekton.dev/v1\nkind: Task\nspec: {steps: 3}\n");
    assert!(shape.starts_with("dir/f.yaml: document 1: Task: invalid type: integer"), "{shape}");
}

#[test]
fn limits_are_reached() {
    let many = "---\nkind: A\n".repeat(MAX_DOCUMENTS_TESTED + 1);
    assert_eq!(read_documents("f", many.as_bytes()), Err(ReadError::TooMany { file: "f".into() }));
    let enough = "---\nkind: A\n".repeat(MAX_DOCUMENTS_TESTED);
    assert_eq!(read_documents("f", enough.as_bytes()).unwrap().len(), MAX_DOCUMENTS_TESTED);
    let large = vec![b'\n'; read::MAX_FILE + 1];
    assert_eq!(
        read_documents("f", &large),
        Err(ReadError::TooLarge { file: "f".into(), found: large.len() })
    );
    let deep = format!("kind: A\nx: {}{}\n", "[".repeat(100), "]".repeat(100));
    assert!(matches!(read_documents("f", deep.as_bytes()), Err(ReadError::Syntax { .. })));
    assert_eq!(read_documents("f", b"kind: \xff"), Err(ReadError::NotText { file: "f".into(), offset: 6 }));
}

const MAX_DOCUMENTS_TESTED: usize = read::MAX_DOCUMENTS;

#[test]
fn times_have_whole_seconds() {
    let time: Time = "2026-01-01T02:00:15.75+02:00".parse().unwrap();
    assert_eq!(time.to_string(), "2026-01-01T00:00:15Z");
    assert!("yesterday".parse::<Time>().is_err());
}

#[test]
fn a_secrets_values_are_not_printed() {
    let Object::Secret(secret) =
        only("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: hidden}\n")
    else {
        panic!("a Secret")
    };
    let printed = format!("{secret:?}");
    assert!(printed.contains("\"k\"") && !printed.contains("hidden"), "{printed}");
}

#[test]
fn done_means_a_known_succeeded_condition() {
    let condition = |kind: &str, status: &str| Condition {
        kind: kind.into(),
        status: status.into(),
        ..Condition::default()
    };
    assert!(!is_done(&[]));
    assert!(!is_done(&[condition("Ready", "True")]));
    assert!(!is_done(&[condition("Succeeded", "Unknown")]));
    assert!(is_done(&[condition("Ready", "Unknown"), condition("Succeeded", "False")]));
    assert!(is_done(&[condition("Succeeded", "True")]));
}
