//! The order of a pipeline's tasks: `runAfter`, and results that one task takes from another.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::error::RunError;
use super::substitute::{result_reference, texts_of, variables};
use crate::object::PipelineTask;

/// What one task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    /// The tasks that come before, by index.
    pub(crate) before: BTreeSet<usize>,
    /// The results it takes: task and result.
    pub(crate) results: BTreeSet<(String, String)>,
}

/// The results the task takes from others, wherever it names them.
pub(crate) fn results_of(task: &PipelineTask) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut look = |text: &str| {
        for inner in variables(text) {
            if let Some((task, result)) = result_reference(inner) {
                found.insert((task.to_owned(), result.to_owned()));
            }
        }
    };
    for param in &task.params {
        texts_of(&param.value.to_json(), &mut look);
    }
    for when in &task.when {
        look(&when.input);
        when.values.iter().for_each(|value| look(value));
    }
    task.workspaces.iter().for_each(|workspace| look(&workspace.sub_path));
    if let Some(spec) = &task.task_spec {
        let raw: &Value = spec.raw();
        texts_of(raw, &mut look);
    }
    found
}

/// What each task waits for; an error names a task that is not there, or a circle.
pub(crate) fn needs(tasks: &[PipelineTask], object: &str) -> Result<Vec<Needs>, RunError> {
    let index: BTreeMap<&str, usize> =
        tasks.iter().enumerate().map(|(index, task)| (task.name.as_str(), index)).collect();
    let mut out = Vec::with_capacity(tasks.len());
    for task in tasks {
        let mut needs = Needs { results: results_of(task), ..Needs::default() };
        let named = task.run_after.iter().map(|name| (name.as_str(), "runAfter"));
        let taken = needs.results.iter().map(|(name, _)| (name.as_str(), "the tasks whose results it takes"));
        for (name, field) in named.chain(taken) {
            let Some(&before) = index.get(name) else {
                let field = format!("task {}: {field}", task.name);
                return Err(RunError::invalid(object, field, "a task of the pipeline", name));
            };
            needs.before.insert(before);
        }
        out.push(needs);
    }
    match circle(&out) {
        None => Ok(out),
        Some(circle) => Err(RunError::Circle {
            object: object.to_owned(),
            tasks: circle
                .into_iter()
                .filter_map(|index| tasks.get(index))
                .map(|task| task.name.clone())
                .collect(),
        }),
    }
}

/// A circle among the tasks, first and last the same.
fn circle(needs: &[Needs]) -> Option<Vec<usize>> {
    // Take away, again and again, every task that waits for none of the remaining.
    let mut left: BTreeSet<usize> = (0..needs.len()).collect();
    let waits_for = |index: usize, left: &BTreeSet<usize>| {
        needs.get(index).and_then(|needs| needs.before.iter().copied().find(|before| left.contains(before)))
    };
    loop {
        let free: Vec<usize> =
            left.iter().copied().filter(|&index| waits_for(index, &left).is_none()).collect();
        if free.is_empty() {
            break;
        }
        free.iter().for_each(|index| {
            left.remove(index);
        });
    }
    // Each of the rest waits for another of the rest, so walking on must come back.
    let mut path = vec![*left.first()?];
    loop {
        let next = waits_for(*path.last()?, &left)?;
        if let Some(start) = path.iter().position(|&index| index == next) {
            path.push(next);
            path.reverse();
            let kept = path.len() - start;
            path.truncate(kept);
            return Some(path);
        }
        path.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Kept;

    fn tasks(text: &str) -> Vec<PipelineTask> {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn tasks_wait_for_what_they_name() {
        let tasks = tasks(
            "- {name: a}\n- {name: b, runAfter: [a]}\n\
             - {name: c, params: [{name: x, value: ['$(tasks.a.results.r[0])', '$(tasks[\"a\"].results.q)']}]}\n\
             - {name: d, when: [{input: '$(tasks.b.results[\"s.t\"])', operator: in, values: ['$(tasks.c.results.v.k)']}]}\n\
             - {name: e, workspaces: [{name: w, subPath: '$(tasks.d.results.p)'}]}\n",
        );
        let needs = needs(&tasks, "Pipeline p").unwrap();
        let before: Vec<Vec<usize>> =
            needs.iter().map(|needs| needs.before.iter().copied().collect()).collect();
        assert_eq!(before, [vec![], vec![0], vec![0], vec![1, 2], vec![3]]);
        let pair = |task: &str, result: &str| (task.to_owned(), result.to_owned());
        assert_eq!(needs[3].results, [pair("b", "s.t"), pair("c", "v")].into());
    }

    #[test]
    fn specs_in_place_are_looked_into() {
        let mut task = PipelineTask { name: "b".into(), ..PipelineTask::default() };
        task.task_spec =
            Some(Kept::new(serde_json::json!({"steps": [{"script": "echo $(tasks.a.results.r)"}]})).unwrap());
        let needs =
            needs(&[PipelineTask { name: "a".into(), ..PipelineTask::default() }, task], "Pipeline p")
                .unwrap();
        assert_eq!(needs[1].before, [0].into());
    }

    #[test]
    fn circles_and_strangers_are_errors() {
        let circle = tasks(
            "- {name: z}\n- {name: a, runAfter: [c]}\n- {name: b, runAfter: [a, z]}\n- {name: c, runAfter: [b]}\n",
        );
        let error = needs(&circle, "Pipeline p").unwrap_err();
        assert_eq!(
            error.to_string(),
            "Pipeline p: expected tasks in an order, found a circle: a → b → c → a"
        );
        let own = tasks("- {name: a, runAfter: [a]}\n");
        assert_eq!(
            needs(&own, "Pipeline p").unwrap_err().to_string(),
            "Pipeline p: expected tasks in an order, found a circle: a → a"
        );
        let stranger = tasks("- {name: a, runAfter: [b]}\n");
        assert_eq!(
            needs(&stranger, "Pipeline p").unwrap_err().to_string(),
            "Pipeline p: task a: runAfter: expected a task of the pipeline, found b"
        );
    }
}
