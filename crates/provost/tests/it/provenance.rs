//! `provenance`: statements on standard output, everything else on standard error.

use crate::context::Context;

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: chains-config}\ndata:\n  builder.id: https://builders.example/v1\n";

const TASK_RUN: &str = r#"
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: build, namespace: team, uid: u1, ownerReferences: [{kind: PipelineRun, name: all, uid: u0}]}
spec: {}
status:
  startTime: "2026-01-01T00:00:00Z"
  completionTime: "2026-01-01T00:00:15Z"
  conditions: [{type: Succeeded, status: "True"}]
  results:
  - {name: IMAGES, value: "reg.example/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}
"#;

const PIPELINE_RUN: &str = r#"
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: all, namespace: team, uid: u0}
spec: {}
status:
  conditions: [{type: Succeeded, status: "True"}]
  childReferences: [{apiVersion: tekton.dev/v1, kind: TaskRun, name: build}]
  pipelineSpec: {tasks: [{name: build}]}
"#;

fn context() -> Context {
    let context = Context::new();
    context.write("config.yaml", CONFIG);
    context.write("task-run.yaml", TASK_RUN);
    context.write("pipeline-run.yaml", PIPELINE_RUN);
    context
}

#[test]
fn a_task_runs_statement_is_one_line() {
    let told = context().run(&["provenance", "--config", "config.yaml", "--run", "task-run.yaml"]);
    assert_eq!((told.exit, told.stderr.as_str()), (0, ""));
    assert_eq!(told.stdout.lines().count(), 1);
    let statement: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(statement["subject"][0]["name"], "reg.example/app");
    assert_eq!(statement["predicate"]["builder"]["id"], "https://builders.example/v1");
    assert!(told.stdout.starts_with("{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"subject\":["));
}

#[test]
fn a_pipeline_run_needs_its_children() {
    let context = context();
    let whole = ["provenance", "--run", "pipeline-run.yaml", "--child", "task-run.yaml"];
    assert_eq!(context.run(&whole).exit, 0);
    let told = context.run(&["provenance", "--run", "pipeline-run.yaml"]);
    assert_eq!((told.exit, told.stdout.as_str()), (1, ""));
    let reason = "PipelineRun/all: its status lists the TaskRun build, which cannot be read";
    assert_eq!(told.stderr, format!("Error: {reason}\nerror during command execution: {reason}\n"));
}

#[test]
fn a_wrong_configuration_names_file_key_and_what_may_stand_there() {
    let context = context();
    context.write(
        "config.yaml",
        &CONFIG.replace("builder.id: https://builders.example/v1", "artifacts.taskrun.signer: gpg"),
    );
    let told = context.run(&["provenance", "--config", "config.yaml", "--run", "task-run.yaml"]);
    assert_eq!(told.exit, 1);
    let reason = "config.yaml: data.artifacts.taskrun.signer: failed to parse data: invalid value \"gpg\" wanted one of [kms none x509]";
    assert!(told.stderr.starts_with(&format!("Error: {reason}\n")), "{}", told.stderr);
}

#[test]
fn what_is_switched_off_prints_nothing_and_says_so() {
    let context = context();
    context.write(
        "config.yaml",
        &CONFIG.replace(
            "builder.id: https://builders.example/v1",
            "artifacts.taskrun.storage: \"\"\n  artifacts.tskrun.x: z",
        ),
    );
    let told = context.run(&["provenance", "--config", "config.yaml", "--run", "task-run.yaml"]);
    assert_eq!((told.exit, told.stdout.as_str()), (0, ""));
    assert_eq!(
        told.stderr,
        "WARNING: config.yaml: data.artifacts.tskrun.x is no key of chains-config and does nothing\n\
         TaskRun/build: the configuration switches attestations of such runs off\n"
    );
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let context = context();
    context.write("config.yaml", &"#".repeat(2 * 1024 * 1024 + 1));
    let told = context.run(&["provenance", "--config", "config.yaml", "--run", "task-run.yaml"]);
    assert_eq!(told.exit, 1);
    let reason = "read config.yaml: the file is longer than 2097152 bytes";
    assert!(told.stderr.starts_with(&format!("Error: {reason}\n")), "{}", told.stderr);
}

#[test]
fn other_files_are_refused_by_name() {
    let context = context();
    let reason = |arguments: &[&str]| {
        let told = context.run(arguments);
        assert_eq!((told.exit, told.stdout.as_str()), (1, ""));
        told.stderr.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(
        reason(&["provenance", "--run", "config.yaml"]),
        "Error: config.yaml: expected a TaskRun or a PipelineRun, found ConfigMap"
    );
    assert!(reason(&["provenance", "--run", "none.yaml"]).starts_with("Error: none.yaml: "));
    assert_eq!(
        reason(&["provenance", "--run", "pipeline-run.yaml", "--child", "config.yaml"]),
        "Error: config.yaml: expected TaskRuns, found ConfigMap"
    );
    assert_eq!(
        reason(&["provenance", "--run", "task-run.yaml", "--child", "task-run.yaml"]),
        "Error: --child goes with a PipelineRun, and --run is a TaskRun"
    );
}
