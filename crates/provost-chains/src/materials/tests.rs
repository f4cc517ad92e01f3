//! Where materials come from.

use serde_json::{Value, json};

use super::*;

fn task_run(status: Value) -> TaskRun {
    let run = json!({"metadata": {"name": "t"}, "spec": {}, "status": status});
    serde_json::from_value(run).unwrap()
}

fn git(results: Value) -> Vec<Artifact> {
    of_task_values(&task_run(json!({ "results": results })))
}

#[test]
fn an_image_id_needs_one_at_and_one_colon() {
    let good = of_image_id("docker-pullable://reg.local/x@sha256:ab");
    assert_eq!(good, Some(Artifact::new("oci://reg.local/x", "sha256", "ab")));
    for bad in ["", "reg.local/x", "sha256:ab", "a@b@sha256:ab", "a@sha256", "a@b:c:d"] {
        assert_eq!(of_image_id(bad), None, "{bad}");
    }
    let run = task_run(json!({"steps": [{"name": "build", "imageID": ""}]}));
    assert_eq!(
        of_task_run(&run).unwrap_err().to_string(),
        "TaskRun/t: imageID of step \"build\": expected an image with one @ and a digest with one colon, found \"\""
    );
}

#[test]
fn a_git_url_gets_prefix_and_suffix_once() {
    for (url, want) in [
        ("https://g/a", "git+https://g/a.git"),
        ("git+https://g/a.git", "git+https://g/a.git"),
        ("", "git+.git"),
    ] {
        let found = git(json!([{"name": GIT_URL, "value": url}, {"name": GIT_COMMIT, "value": "c"}]));
        assert_eq!(found, vec![Artifact::new(want, "sha1", "c")]);
    }
    assert_eq!(git(json!([{"name": GIT_URL, "value": "https://g/a"}])), vec![]);
}

#[test]
fn results_win_over_parameters_over_defaults() {
    let value = |name: &str, value: &str| json!({"name": name, "value": value});
    let run: TaskRun = serde_json::from_value(json!({
        "metadata": {"name": "t"},
        "spec": {"params": [value(GIT_URL, "https://param/a"), value(GIT_COMMIT, "param")]},
        "status": {
            "taskSpec": {"params": [{"name": GIT_URL, "default": "https://default/a"}]},
            "results": [value(GIT_COMMIT, "result")],
        },
    }))
    .unwrap();
    assert_eq!(of_task_values(&run), vec![Artifact::new("git+https://param/a.git", "sha1", "result")]);
}
