//! Parameters that a statement tells by digest alone (`provost.redact-params`, security.md 33).
//!
//! A digest hides a value that nobody can guess; it does not hide a word out of a dictionary.

use std::collections::BTreeSet;

use provost_oci::Digest;
use provost_tekton::{Param, TaskRun};
use serde_json::Value;

use crate::run::Run;

/// The shortest value that is looked for in other texts too, in bytes: Tekton writes parameters into scripts and arguments.
/// Shorter ones, such as `true`, would take other words with them; they are replaced where they stand as a parameter.
const SHORTEST: usize = 6;

/// What is replaced, by what.
pub(crate) struct Redaction<'a> {
    names: &'a BTreeSet<String>,
    /// Values and their digests, longest first: one value may hold another.
    values: Vec<(String, String)>,
}

impl<'a> Redaction<'a> {
    /// The values that a run and its children give to these parameters.
    pub(crate) fn new(names: &'a BTreeSet<String>, run: &Run<'_>) -> Self {
        let mut found = BTreeSet::new();
        match run {
            Run::Task(run) => of_task_run(names, run, &mut found),
            Run::Pipeline(run, children) => {
                of_params(names, &run.spec.params, &mut found);
                let specs = run.status.pipeline_spec.as_ref().map(|spec| spec.params.as_slice());
                of_specs(names, specs.unwrap_or_default(), &mut found);
                children.iter().for_each(|child| of_task_run(names, child, &mut found));
            }
        }
        let mut values: Vec<_> = found
            .into_iter()
            .filter(|value| value.len() >= SHORTEST)
            .flat_map(|value| {
                let digest = digest(&value);
                // In JSON inside a text, as annotations hold it, it may be spelled otherwise.
                let quoted = Value::from(value.as_str()).to_string();
                let escaped = quoted.trim_matches('"').to_owned();
                [(value, digest.clone()), (escaped, digest)]
            })
            .collect();
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self { names, values }
    }

    /// Replaces them in a predicate: as parameters by name, in other texts by value.
    pub(crate) fn apply(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                for (secret, digest) in &self.values {
                    if text.contains(secret.as_str()) {
                        *text = text.replace(secret.as_str(), digest);
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|one| self.apply(one)),
            Value::Object(map) => {
                let is_named =
                    map.get("name").and_then(Value::as_str).is_some_and(|n| self.names.contains(n));
                for (key, inner) in map.iter_mut() {
                    match (key.as_str(), &mut *inner) {
                        ("value" | "default", _) if is_named => *inner = of_json(inner),
                        ("parameters", Value::Object(parameters)) => {
                            for (name, value) in parameters.iter_mut() {
                                match self.names.contains(name) {
                                    true => *value = of_json(value),
                                    false => self.apply(value),
                                }
                            }
                        }
                        _ => self.apply(inner),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn of_task_run(names: &BTreeSet<String>, run: &TaskRun, found: &mut BTreeSet<String>) {
    of_params(names, &run.spec.params, found);
    let specs = run.status.task_spec.as_ref().map(|spec| spec.params.as_slice());
    of_specs(names, specs.unwrap_or_default(), found);
}

fn of_params(names: &BTreeSet<String>, params: &[Param], found: &mut BTreeSet<String>) {
    params
        .iter()
        .filter(|param| names.contains(&param.name))
        .for_each(|param| texts(&param.value.to_json(), found));
}

fn of_specs(names: &BTreeSet<String>, specs: &[provost_tekton::ParamSpec], found: &mut BTreeSet<String>) {
    for spec in specs.iter().filter(|spec| names.contains(&spec.name)) {
        if let Some(default) = &spec.default {
            texts(&default.to_json(), found);
        }
    }
}

/// The texts in a parameter's value: itself, or those of a list or an object.
fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            found.insert(text.clone());
        }
        Value::Array(list) => list.iter().for_each(|one| texts(one, found)),
        Value::Object(map) => map.values().for_each(|one| texts(one, found)),
        _ => {}
    }
}

/// The digest that stands for a value: of its text, or of its JSON where it is no text.
fn of_json(value: &Value) -> Value {
    Value::from(match value {
        Value::String(text) => digest(text),
        other => digest(&other.to_string()),
    })
}

fn digest(text: &str) -> String {
    Digest::sha256_of(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn named_parameters_and_their_values_elsewhere_are_replaced() {
        let run: TaskRun = serde_json::from_value(json!({
            "metadata": {"name": "build"},
            "spec": {"params": [{"name": "token", "value": "hunter22"}, {"name": "list", "value": ["abcdefg", "x"]},
                {"name": "open", "value": "seen"}]},
        }))
        .unwrap();
        let names = BTreeSet::from(["token".to_owned(), "list".to_owned()]);
        let mut predicate = json!({
            "invocation": {"parameters": {"token": "hunter22", "list": ["abcdefg", "x"], "open": "seen"}},
            "steps": [{"script": "curl -H hunter22 abcdefg x seen"}],
            "runSpec": {"params": [{"name": "token", "value": "hunter22"}, {"name": "open", "value": "seen"}]},
            "other": [{"name": "token", "default": "old"}],
        });
        Redaction::new(&names, &Run::Task(&run)).apply(&mut predicate);
        let token = digest("hunter22");
        let expected = json!({
            "invocation": {"parameters": {"token": token, "list": digest(r#"["abcdefg","x"]"#), "open": "seen"}},
            "steps": [{"script": format!("curl -H {token} {} x seen", digest("abcdefg"))}],
            "runSpec": {"params": [{"name": "token", "value": token}, {"name": "open", "value": "seen"}]},
            "other": [{"name": "token", "default": digest("old")}],
        });
        assert_eq!(predicate, expected);
    }
}
