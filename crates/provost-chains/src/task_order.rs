//! Which tasks of a Pipeline a task comes after: those it names, and those whose results it uses.

use provost_tekton::object::{PipelineTask, Step};
use provost_tekton::{Param, ParamValue};
use serde_json::Value;

/// `runAfter`, then the tasks whose results the task refers to in parameters, matrix, conditions and an embedded
/// Task, each once.
pub(crate) fn after(task: &PipelineTask) -> Vec<String> {
    let mut names = task.run_after.clone();
    for text in texts(task) {
        for reference in references(&text) {
            // A repetition inside runAfter itself is kept, as it was written.
            if !names.contains(&reference) {
                names.push(reference);
            }
        }
    }
    names
}

/// Every text of a task in which Tekton looks for references, in Tekton's order.
fn texts(task: &PipelineTask) -> Vec<String> {
    let mut texts = Vec::new();
    let matrix = |field| task.matrix.as_ref().and_then(|matrix| matrix.get(field));
    let matrix_params = matrix("params").map(params_of).unwrap_or_default();
    let include = matrix("include").and_then(Value::as_array).into_iter().flatten();
    let include_params = include.filter_map(|entry| entry.get("params")).flat_map(params_of);
    for param in task.params.iter().cloned().chain(matrix_params).chain(include_params) {
        match param.value {
            ParamValue::String(text) => texts.push(text),
            ParamValue::Array(list) => texts.extend(list),
            ParamValue::Object(map) => texts.extend(map.into_values()),
        }
    }
    for when in &task.when {
        texts.extend([when.input.clone(), when.cel.clone()]);
        texts.extend(when.values.iter().cloned());
    }
    if let Some(spec) = &task.task_spec {
        spec.steps.iter().for_each(|step| container_texts(step, &mut texts));
        let sidecars =
            spec.sidecars.iter().filter_map(|sidecar| serde_json::from_value(sidecar.clone()).ok());
        sidecars.for_each(|sidecar: Step| container_texts(&sidecar, &mut texts));
    }
    texts
}

fn params_of(list: &Value) -> Vec<Param> {
    serde_json::from_value(list.clone()).unwrap_or_default()
}

fn container_texts(step: &Step, texts: &mut Vec<String>) {
    let pull = step.rest.get("imagePullPolicy").and_then(Value::as_str).unwrap_or_default();
    texts.extend([&step.name, &step.image].map(Clone::clone));
    texts.push(pull.to_owned());
    texts.extend([&step.script, &step.working_dir].map(Clone::clone));
    texts.extend(step.command.iter().flatten().cloned());
    texts.extend(step.args.iter().flatten().cloned());
    for variable in &step.env {
        texts.push(variable.value.clone());
        for source in ["secretKeyRef", "configMapKeyRef"] {
            let source = variable.value_from.as_ref().and_then(|from| from.get(source));
            for field in ["key", "name"] {
                let text = source.and_then(|source| source.get(field)).and_then(Value::as_str);
                texts.extend(text.map(str::to_owned));
            }
        }
    }
}

/// The tasks named by `$(tasks.TASK.results.RESULT)` and its indexed and keyed forms.
fn references(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("$(") {
        rest = after;
        let end = after.find(|c: char| !is_path(c)).unwrap_or(after.len());
        let (path, tail) = after.split_at(end);
        if path.is_empty() {
            continue;
        }
        let closed = tail.strip_prefix(')').is_some() || index(tail).is_some_and(|t| t.starts_with(')'));
        let parts: Vec<&str> = path.split('.').collect();
        if let (
            true,
            ["tasks" | "finally", task, "results", _] | ["tasks" | "finally", task, "results", _, _],
        ) = (closed, parts.as_slice())
        {
            names.push((*task).to_owned());
        }
    }
    names
}

fn is_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// What follows `[0]` or `[*]`.
fn index(text: &str) -> Option<&str> {
    let (inside, after) = text.strip_prefix('[')?.split_once(']')?;
    let digits = !inside.is_empty() && inside.bytes().all(|b| b.is_ascii_digit());
    (digits || inside == "*").then_some(after)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn order(task: Value) -> Vec<String> {
        after(&serde_json::from_value(task).unwrap())
    }

    #[test]
    fn only_results_of_tasks_are_references() {
        for (text, want) in [
            ("$(tasks.a.results.r)", vec!["a"]),
            ("x $(tasks.a.results.r[0]) $(tasks.b.results.r[*]) y", vec!["a", "b"]),
            ("$(tasks.a.results.r.key)", vec!["a"]),
            ("$(finally.a.results.r)", vec!["a"]),
            ("$(tasks.a.results.r.key.more)", vec![]),
            ("$(tasks.a.status)", vec![]),
            ("$(params.a)", vec![]),
            ("$(tasks.a.results.r", vec![]),
            ("$(tasks.a.results.r[x])", vec![]),
            ("$($(tasks.a.results.r))", vec!["a"]),
            ("$(tasks.a.results.r é)", vec![]),
        ] {
            assert_eq!(references(text), want, "{text}");
        }
    }

    #[test]
    fn every_place_is_looked_into_and_run_after_comes_first() {
        let reference = |task: &str| format!("$(tasks.{task}.results.r)");
        let task = json!({
            "name": "t",
            "runAfter": ["z", "p1"],
            "params": [{"name": "a", "value": reference("p1")}, {"name": "b", "value": [reference("p2")]}, {"name": "c", "value": {"k": reference("p3")}}],
            "matrix": {"params": [{"name": "m", "value": [reference("m1")]}], "include": [{"params": [{"name": "i", "value": reference("m2")}]}]},
            "when": [{"input": reference("w1"), "operator": "in", "values": [reference("w2")]}, {"cel": reference("w3")}],
            "taskSpec": {
                "steps": [{"name": "s", "image": reference("s1"), "script": reference("s2"), "args": [reference("s3")],
                    "env": [{"name": "E", "value": reference("s4"), "valueFrom": {"secretKeyRef": {"key": "k", "name": reference("s5")}}}]}],
                "sidecars": [{"name": "x", "command": [reference("c1")]}],
            },
        });
        let want = ["z", "p1", "p2", "p3", "m1", "m2", "w1", "w2", "w3", "s1", "s2", "s3", "s4", "s5", "c1"];
        assert_eq!(order(task), want);
    }
}
