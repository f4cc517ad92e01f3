//! Pipelines run by the real binary: the demo's own files, what comes out, and how it ends.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use provost_tekton::object::{Object, read_documents};

use crate::context::{Context, PROVOST};

const DEMO: [(&str, &str); 3] = [
    ("tasks.yaml", include_str!("../../../../corpus/tekton/demo/tasks.yaml")),
    ("pipeline.yaml", include_str!("../../../../corpus/tekton/demo/pipeline.yaml")),
    ("pipelinerun.yaml", include_str!("../../../../corpus/tekton/demo/pipelinerun.yaml")),
];

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: registry-credentials}\n\
                      stringData: {.dockerconfigjson: '{\"auths\": {}}'}\n";

fn demo(context: &Context, isolation: &[&str]) {
    for (name, text) in DEMO {
        context.write(name, text);
    }
    context.write("secret.yaml", SECRET);
    let registry = context.registry();
    let image = format!("{}/test/chains/demo-1:latest", registry.address);
    let parameter = format!("image={image}");
    let mut arguments = vec![
        "run",
        "-f",
        "tasks.yaml",
        "pipeline.yaml",
        "-f",
        "pipelinerun.yaml",
        "-f",
        "secret.yaml",
        "-p",
        &parameter,
    ];
    arguments.extend(["-p", "builder=provost", "--output", "runs.yaml"]);
    arguments.extend(isolation);
    let told = context.run(&arguments);
    assert_eq!(told.exit, 0, "{told:?}");
    assert!(told.stdout.is_empty(), "{told:?}");
    let last =
        "PipelineRun chains-demo-1-run succeeded: Tasks Completed: 2 (Failed: 0, Cancelled 0), Skipped: 0\n";
    assert!(told.stderr.ends_with(last), "{}", told.stderr);

    let text = std::fs::read_to_string(context.folder().join("runs.yaml")).unwrap();
    let objects = read_documents("runs.yaml", text.as_bytes()).unwrap();
    let [Object::PipelineRun(run), Object::TaskRun(write), Object::TaskRun(build)] =
        &objects.iter().map(|document| document.object.clone()).collect::<Vec<_>>()[..]
    else {
        panic!("{text}")
    };
    assert_eq!(write.status.results, []);
    let digest = build.status.results[1].value.as_str().unwrap();
    let outputs = &run.status.results[0];
    assert_eq!(outputs.name, "first_image_ARTIFACT_OUTPUTS");
    assert_eq!((outputs.value.get("uri"), outputs.value.get("digest")), (Some(image.as_str()), Some(digest)));
    assert_eq!(outputs.value.get("isBuildArtifact"), None);
    // What was recorded is what a cluster would have recorded, whatever the paths were here.
    let script = &write.status.task_spec.as_ref().unwrap().steps[0];
    assert_eq!(script.working_dir, "/workspace/source");
    let uses = &build.status.task_spec.as_ref().unwrap().steps[0].env;
    assert!(uses.iter().any(|variable| variable.value == "/tekton/results/IMAGE_DIGEST"));

    // Chains finds the image in both.
    let documents: Vec<&str> = text.split("---\n").filter(|part| !part.is_empty()).collect();
    context.write("run.yaml", documents[0]);
    context.write("children.yaml", &documents[1..].join("---\n"));
    context.write("build.yaml", documents[2]);
    let statement = context.run(&["provenance", "--run", "run.yaml", "--child", "children.yaml"]);
    assert!(statement.stdout.contains(&format!("\"name\":\"{image}\"")), "{statement:?}");
    let statement = context.run(&["provenance", "--run", "build.yaml"]);
    assert!(
        statement.stdout.contains(&format!("\"name\":\"{}/test/chains/demo-1\"", registry.address)),
        "{statement:?}"
    );
}

#[test]
fn the_demo_builds_an_image_chains_finds() {
    demo(&Context::new(), &[]);
}

#[test]
fn the_demo_needs_no_namespaces() {
    demo(&Context::new(), &["--no-isolation"]);
}

fn task_run(script: &str) -> String {
    format!(
        "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {{name: t}}\nspec: {{taskSpec: {{steps: [{{name: s, script: \"{script}\"}}]}}}}\n"
    )
}

#[test]
fn a_failed_run_is_written_and_fails() {
    let context = Context::new();
    context.write("t.yaml", &task_run("echo out; echo err >&2; exit 3"));
    let told = context.run(&["run", "-f", "t.yaml"]);
    assert_eq!(told.exit, 1, "{told:?}");
    assert!(told.stdout.starts_with("---\napiVersion: tekton.dev/v1\nkind: TaskRun\n"), "{told:?}");
    assert!(told.stdout.contains("reason: Failed\n"), "{told:?}");
    assert!(told.stderr.contains("[t : s] out\n") && told.stderr.contains("[t : s] err\n"), "{told:?}");
    assert!(told.stderr.ends_with("TaskRun t failed (Failed): \"step-s\" exited with code 3\n"), "{told:?}");
}

#[test]
fn steps_do_not_see_our_environment() {
    let context = Context::new();
    context.write("t.yaml", &task_run("env | grep -c -e COSIGN -e DOCKER -e KUBE || echo none"));
    let told = Told::from(
        context.command().env("DOCKER_CONFIG", "/x").env("KUBECONFIG", "/y").args(["run", "-f", "t.yaml"]),
    );
    assert!(told.contains("[t : s] none\n"), "{told}");
    // Nor by way of the process that holds it.
    context.write("t.yaml", &task_run("cat /proc/[0-9]*/environ | grep -c COSIGN_PASSWORD || echo none"));
    let told = Told::from(context.command().args(["run", "-f", "t.yaml"]));
    assert!(told.contains("[t : s] none\n"), "{told}");
}

struct Told;

impl Told {
    fn from(command: &mut std::process::Command) -> String {
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    }
}

#[test]
fn errors_name_the_place() {
    let context = Context::new();
    let missing = context.run(&["run", "-f", "nowhere.yaml"]);
    assert_eq!(missing.exit, 1);
    assert!(missing.stderr.starts_with("Error: nowhere.yaml: "), "{missing:?}");
    context.write("empty.yaml", "kind: Other\n");
    let empty = context.run(&["run", "-f", "empty.yaml"]);
    assert!(
        empty.stderr.starts_with("Error: expected a PipelineRun or a TaskRun among the files, found none\n"),
        "{empty:?}"
    );
    context.write("t.yaml", &task_run("true"));
    let flag = context.run(&["run", "-f", "t.yaml", "-p", "novalue"]);
    assert!(flag.stderr.starts_with("Error: --param \"novalue\": expected NAME=VALUE\n"), "{flag:?}");
}

#[test]
fn finished_runs_go_where_they_are_asked() {
    let context = Context::new();
    context.write("t.yaml", &task_run("true"));
    assert_eq!(context.run(&["run", "-f", "t.yaml", "--output", "/dev/null"]).exit, 0);
    context.write("old.yaml", "old");
    assert_eq!(context.run(&["run", "-f", "t.yaml", "-o", "old.yaml"]).exit, 0);
    assert!(
        std::fs::read_to_string(context.folder().join("old.yaml")).unwrap().starts_with("---\napiVersion")
    );
    let nowhere = context.run(&["run", "-f", "t.yaml", "-o", "nowhere/out.yaml"]);
    assert_eq!(nowhere.exit, 1);
    assert!(nowhere.stderr.contains("Error: nowhere/out.yaml: "), "{nowhere:?}");
}

#[test]
fn an_interrupt_ends_the_steps() {
    use nix::sys::signal::{Signal, kill};
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let context = Context::new();
        let marker = format!("7{:07}", std::process::id());
        context.write("t.yaml", &task_run(&format!("echo started; sleep {marker}")));
        context.write("tmp/keep", "");
        let temporary = context.folder().join("tmp");
        let mut command = context.command();
        command.args(["run", "-f", "t.yaml"]).env("TMPDIR", &temporary).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "[t : s] started"), "{PROVOST}");
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 2);
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        kill(pid, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        // The step's output ends with it, so this ends only when it has.
        lines.for_each(drop);
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 1, "the run's folder is left");
    }
}

#[test]
fn a_step_that_leaves_its_group_is_ended_with_the_run_also_without_namespaces() {
    let context = Context::new();
    let task = r#"
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: away}
spec:
  taskSpec:
    steps:
    - name: away
      image: busybox
      script: |
        setsid sh -c 'echo $$ > "$0"; exec sleep 600' "$PWD/stray" >/dev/null 2>&1 &
        while ! test -s stray; do :; done
"#;
    context.write("task.yaml", task);
    let told = context.run(&["run", "-f", "task.yaml", "--no-isolation", "--dir", "ran"]);
    assert_eq!(told.exit, 0, "{told:?}");
    let stray = std::fs::read_to_string(context.folder().join("ran/000-task/workspace/stray")).unwrap();
    let process = std::path::PathBuf::from("/proc").join(stray.trim());
    assert!(!stray.trim().is_empty() && !process.exists(), "process {stray} is still there");
}
