//! Statements about runs, compared with those recorded from Tekton Chains.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_chains::{ChainsConfig, Run, statements};
use provost_tekton::TaskRun;
use provost_tekton::object::Object;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Case {
    name: String,
    config: BTreeMap<String, String>,
    object: Value,
    children: Vec<TaskRun>,
    signed: String,
    statements: Vec<Value>,
}

/// How many cases the corpus has at least: a file that vanished must not pass for agreement.
const CASES: usize = 240;

#[test]
fn statements_are_those_of_chains() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/chains");
    let (mut count, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let cases: Vec<Case> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        for case in cases {
            count += 1;
            if let Err(reason) = check(&case) {
                wrong.push(format!("{}: {reason}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= CASES, "{count} cases");
}

fn check(case: &Case) -> Result<(), String> {
    let (config, _) = ChainsConfig::from_data(case.config.clone(), "config").map_err(|e| e.to_string())?;
    let object = Object::from_value(case.object.clone()).map_err(|e| e.to_string())?;
    let made = match &object {
        Object::TaskRun(run) => statements(&config, &Run::Task(run)),
        Object::PipelineRun(run) => statements(&config, &Run::Pipeline(run, &case.children)),
        other => return Err(format!("a {}", other.kind())),
    };
    let made = match (made, case.signed.as_str()) {
        (Ok(made), "true") => made,
        (Err(_), "failed") => return Ok(()),
        (Ok(_), _) => return Err("attested, though Chains could not".to_owned()),
        (Err(error), _) => return Err(error.to_string()),
    };
    let made: Vec<Value> = made.iter().map(|one| serde_json::from_str(&one.to_line()).unwrap()).collect();
    let (want, got): (Vec<_>, Vec<_>) =
        (case.statements.iter().map(normal).collect(), made.iter().map(normal).collect());
    let mut differences = Vec::new();
    compare(&json!(want), &json!(got), String::new(), &mut differences);
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n    ")) }
}

/// A statement with its subjects sorted, and TaskRuns inside it decoded and without what only a cluster adds.
fn normal(statement: &Value) -> Value {
    let mut out = statement.clone();
    if let Some(subjects) = out.get_mut("subject").and_then(Value::as_array_mut) {
        subjects.sort_by_key(Value::to_string);
    }
    let dependencies = out.pointer_mut("/predicate/buildDefinition/resolvedDependencies");
    for dependency in dependencies.and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(content) = dependency.get("content").and_then(Value::as_str) else { continue };
        let mut run: Value = serde_json::from_slice(&STANDARD.decode(content).unwrap()).unwrap();
        if let Some(metadata) = run.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|k, _| !matches!(k.as_str(), "resourceVersion" | "managedFields" | "finalizers"));
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.retain(|k, _| !k.starts_with("chains.tekton.dev/"));
            }
            metadata.retain(|_, value| *value != json!({}));
        }
        dependency["content"] = run;
    }
    out
}

fn compare(want: &Value, got: &Value, path: String, out: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let absent = Value::from("(absent)");
                let of = |map: &serde_json::Map<String, Value>| map.get(key).unwrap_or(&absent).clone();
                compare(&of(a), &of(b), format!("{path}.{key}"), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                compare(a, b, format!("{path}[{at}]"), out);
            }
        }
        _ if want == got => {}
        _ => out.push(format!("{path}: want {want}, got {got}")),
    }
}
