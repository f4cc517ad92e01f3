//! `byproducts` of the v1 formats: results that are no subject.

use provost_statement::go_json;
use provost_tekton::TaskRun;
use provost_tekton::object::status::RunResult;

use crate::descriptor::Descriptor;
use crate::hints;
use crate::run::{PipelineView, step_results};

/// v2alpha3: every result, under `KIND/RESULT`.
pub(crate) fn all(kind: &str, results: &[RunResult]) -> Vec<Descriptor> {
    results.iter().map(|result| byproduct(format!("{kind}/{}", result.name), result)).collect()
}

/// v2alpha4: results that name no subject, under `KIND/RUN/RESULT`.
fn without_subjects(kind: &str, run: &str, results: &[RunResult]) -> Vec<Descriptor> {
    let left = results.iter().filter(|result| !hints::is_no_byproduct(result));
    left.map(|result| byproduct(format!("{kind}/{run}/{}", result.name), result)).collect()
}

/// v2alpha4: a TaskRun's results, then its steps'.
pub(crate) fn of_task_run(run: &TaskRun) -> Vec<Descriptor> {
    let name = &run.metadata.name;
    let mut list = without_subjects("taskRunResults", name, &run.status.results);
    list.extend(without_subjects("stepResults", name, &step_results(run)));
    list
}

/// v2alpha4: a PipelineRun's results, then with deep inspection its TaskRuns'.
pub(crate) fn of_pipeline_run(view: &PipelineView<'_>, deep: bool) -> Vec<Descriptor> {
    let run = view.run;
    let mut list = without_subjects("pipelineRunResults", &run.metadata.name, &run.status.results);
    if deep {
        view.runs().for_each(|run| list.extend(of_task_run(run)));
    }
    list
}

fn byproduct(name: String, result: &RunResult) -> Descriptor {
    let content = go_json::escaped(&result.value.to_json());
    Descriptor { name, content, media_type: "application/json", ..Descriptor::default() }
}
