//! What steps may not do to the machine: outlive their run, read our environment, reach out of their folders.

use std::fs;

use libtest_mimic::{Failed, Trial};
use provost_tekton::object::read_documents;
use provost_tekton::run::{self, Finished, Isolation};

use crate::cases::{block_on, request};

pub(crate) fn trials() -> Vec<Trial> {
    let both = |name: &'static str, test: fn(Isolation) -> Result<(), Failed>| {
        [Isolation::WherePossible, Isolation::Off].map(|isolation| Trial::test(name, move || test(isolation)))
    };
    let mut trials = Vec::new();
    trials.extend(both("background processes end with their step", background));
    trials.extend(both("a dropped run ends its processes", dropped));
    trials.extend(both("steps get a listed environment", environment));
    trials.extend(both("objects are the same however steps are isolated", same_objects));
    trials.extend(both("a planted link is no way out of a subPath", planted_link));
    trials.extend(both("folders asked for are left, others vanish", folders_left));
    trials.push(Trial::test("a local Secret has Kubernetes' limit", secret_limit));
    trials.push(Trial::test("what leaves its group ends with the namespace", escaped));
    trials.push(Trial::test("the machine's root is left alone", root_left_alone));
    trials.push(Trial::test("a task cannot reach the folders of another", other_task));
    trials.push(Trial::test("a step cannot change the commands of the next", commands_kept));
    trials.push(Trial::test("a step that cannot be entered says why", not_entered));
    trials.push(Trial::test("what a step leaves where its error would be is not waited for", planted_error));
    trials.push(Trial::test("nobody else reads what a step is told", told_in_private));
    trials
}

fn task_run(script: &str) -> String {
    let script = script.replace('\n', "\n        ");
    format!(
        "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {{name: t}}\nspec:\n  taskSpec:\n    results: [{{name: r}}]\n    \
         steps:\n    - name: s\n      script: |\n        {script}\n"
    )
}

fn run_script(script: &str, isolation: Isolation) -> Result<Finished, Failed> {
    let documents = read_documents("t.yaml", task_run(script).as_bytes())?;
    Ok(block_on(run::run(request(documents, isolation), &()))?)
}

/// Whether any process of this machine has `marker` among its arguments.
fn runs(marker: &str) -> bool {
    let Ok(entries) = fs::read_dir("/proc") else { return false };
    entries.flatten().any(|entry| {
        // A process that ended but was not yet waited for has no arguments.
        fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| line.split(|&byte| byte == 0).any(|argument| argument == marker.as_bytes()))
    })
}

/// Waits for the kernel to have ended what was killed: a signal sent is not yet a process gone.
fn gone(marker: &str) -> Result<(), Failed> {
    for _ in 0..10_000 {
        if !runs(marker) {
            return Ok(());
        }
        std::thread::yield_now();
    }
    Err(format!("a process with the argument {marker} still runs").into())
}

/// A number of seconds to sleep that no other process sleeps.
fn marker(number: u32) -> String {
    format!("9{:06}{number}", std::process::id())
}

fn background(isolation: Isolation) -> Result<(), Failed> {
    let marker = marker(if isolation == Isolation::Off { 1 } else { 2 });
    let finished =
        run_script(&format!("sleep {marker} &\nsleep {marker} >/dev/null 2>&1 &\necho started"), isolation)?;
    assert!(finished.succeeded());
    gone(&marker)
}

fn escaped() -> Result<(), Failed> {
    let marker = marker(3);
    // The script ends only once the other is in a session of its own, where a signal to the group no longer reaches it.
    let script = format!(
        "setsid sh -c 'touch away; exec sleep {marker}' >/dev/null 2>&1 &\nwhile ! test -e away; do :; done"
    );
    let finished = run_script(&script, Isolation::WherePossible)?;
    assert!(finished.succeeded());
    gone(&marker)
}

fn dropped(isolation: Isolation) -> Result<(), Failed> {
    let marker = marker(if isolation == Isolation::Off { 4 } else { 5 });
    let documents = read_documents("t.yaml", task_run(&format!("sleep {marker}")).as_bytes())?;
    let outcome = block_on(async {
        let run = run::run(request(documents, isolation), &());
        let started = async {
            while !runs(&marker) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            finished = run => Err(format!("it ended by itself: {finished:?}")),
            () = started => Ok(()),
        }
    });
    outcome?;
    gone(&marker)
}

fn environment(isolation: Isolation) -> Result<(), Failed> {
    let finished = run_script("env | cut -d= -f1 | sort | tr '\\n' ' ' > $(results.r.path)", isolation)?;
    let value = finished.task_runs[0].status.results[0].value.as_str().unwrap().to_owned();
    let names: Vec<&str> =
        value.split_whitespace().filter(|name| !matches!(*name, "_" | "SHLVL" | "OLDPWD")).collect();
    assert_eq!(names, ["HOME", "LANG", "PATH", "PWD"]);
    Ok(())
}

fn same_objects(isolation: Isolation) -> Result<(), Failed> {
    let finished = run_script("printf '%s' here > $(results.r.path)", isolation)?;
    let run = &finished.task_runs[0];
    let spec = run.status.task_spec.as_ref().unwrap();
    // However the step saw it, the record holds the path it has in a container.
    assert_eq!(spec.steps[0].script, "printf '%s' here > /tekton/results/r\n");
    assert_eq!(run.status.results[0].value.as_str(), Some("here"));
    let digest = provost_oci::Digest::sha256_of(&fs::read(std::env::current_exe()?)?);
    assert_eq!(run.status.steps[0].image_id, format!("local.provost/host@{digest}"));
    Ok(())
}

const PLANTED: &str = r#"
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: r}
spec:
  workspaces: [{name: w, volumeClaimTemplate: {}}]
  pipelineSpec:
    workspaces: [{name: w}]
    tasks:
    - name: plant
      workspaces: [{name: w}]
      taskSpec: {workspaces: [{name: w}], steps: [{name: s, script: "ln -s OUTSIDE $(workspaces.w.path)/way-out"}]}
    - name: follow
      runAfter: [plant]
      workspaces: [{name: w, subPath: way-out/inner}]
      taskSpec: {workspaces: [{name: w}], steps: [{name: s, script: "touch $(workspaces.w.path)/touched"}]}
"#;

fn planted_link(isolation: Isolation) -> Result<(), Failed> {
    let outside = tempfile::tempdir()?;
    let text = PLANTED.replace("OUTSIDE", outside.path().to_str().unwrap());
    let documents = read_documents("r.yaml", text.as_bytes())?;
    let error = block_on(run::run(request(documents, isolation), &())).unwrap_err().to_string();
    assert!(
        error.starts_with("making the subPath ")
            && error.ends_with("way-out is no folder, or a symbolic link"),
        "{error}"
    );
    assert_eq!(fs::read_dir(outside.path())?.count(), 0);
    Ok(())
}

fn folders_left(isolation: Isolation) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let kept = folder.path().join("kept");
    let documents = read_documents("t.yaml", task_run("echo x > $(results.r.path)").as_bytes())?;
    let mut asked = request(documents, isolation);
    asked.folder = Some(kept.clone());
    for _ in 0..2 {
        assert!(block_on(run::run(asked.clone(), &()))?.succeeded());
    }
    let results: Vec<_> =
        fs::read_dir(&kept)?.map(|entry| entry.unwrap().path().join("tekton/results/r")).collect();
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|file| fs::read_to_string(file).unwrap() == "x\n"));
    Ok(())
}

fn secret_limit() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let text = "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {name: t}\nspec:\n  workspaces: [{name: w, secret: {secretName: s}}]\n  \
                taskSpec: {workspaces: [{name: w}], steps: [{name: s, script: \"cat $(workspaces.w.path)/* | wc -c\"}]}\n";
    let mut asked = request(read_documents("t.yaml", text.as_bytes())?, Isolation::Off);
    asked.secrets.insert("s".to_owned(), folder.path().to_owned());
    // Two keys that together have 1 MiB, and then one byte more.
    fs::write(folder.path().join("a"), vec![b'x'; 1024 * 1024 - 10])?;
    fs::write(folder.path().join("b"), "0123456789")?;
    assert!(block_on(run::run(asked.clone(), &()))?.succeeded());
    fs::write(folder.path().join("b"), "0123456789+")?;
    let error = block_on(run::run(asked, &())).unwrap_err().to_string();
    assert!(error.ends_with(": expected at most 1048576 bytes"), "{error}");
    Ok(())
}

fn root_left_alone() -> Result<(), Failed> {
    let entries = || {
        fs::read_dir("/")
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect::<std::collections::BTreeSet<_>>()
    };
    let before = entries();
    let finished = run_script(
        "mkdir /made-by-a-step\necho x > /workspace/x\ntest -d /tekton/results",
        Isolation::WherePossible,
    )?;
    assert!(finished.succeeded(), "{:?}", finished.condition());
    assert_eq!(entries(), before);
    Ok(())
}

const TWO_TASKS: &str = r#"
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: r}
spec:
  pipelineSpec:
    tasks:
    - name: good
      taskSpec:
        results: [{name: made}]
        steps:
        - name: s
          script: printf good > $(results.made.path)
    - name: bad
      runAfter: [good]
      taskSpec:
        results: [{name: seen}]
        steps:
        - name: s
          script: |
            for file in FOLDER/*/tekton/results/made; do printf bad > "$file" || true; done
            ls FOLDER | wc -l | tr -d ' \n' > $(results.seen.path)
"#;

fn other_task() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let text = TWO_TASKS.replace("FOLDER", folder.path().to_str().unwrap());
    let mut request = request(read_documents("r.yaml", text.as_bytes())?, Isolation::WherePossible);
    request.folder = Some(folder.path().to_owned());
    let finished = block_on(run::run(request, &()))?;
    let made = fs::read_to_string(folder.path().join("000-task/tekton/results/made"))?;
    assert_eq!(made, "good");
    assert_eq!(finished.task_runs[1].status.results[0].value.as_str(), Some("0"));
    Ok(())
}

fn commands_kept() -> Result<(), Failed> {
    let script = "rm /tekton/bin/provost 2>/dev/null || printf kept > $(results.r.path)";
    let finished = run_script(script, Isolation::WherePossible)?;
    assert_eq!(finished.task_runs[0].status.results[0].value.as_str(), Some("kept"));
    Ok(())
}

fn not_entered() -> Result<(), Failed> {
    let text = task_run("true").replace("- name: s\n", "- name: s\n      workingDir: /dev/null/x\n");
    let documents = read_documents("t.yaml", text.as_bytes())?;
    let error = block_on(run::run(request(documents, Isolation::WherePossible), &())).unwrap_err();
    assert!(error.to_string().contains("entering the working folder /dev/null/x"), "{error}");
    Ok(())
}

fn planted_error() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let task = folder.path().join("000-task");
    let script = format!("mkfifo {0}/step-0.pipe\nmv {0}/step-0.pipe {0}/step-0.error", task.display());
    let mut request = request(read_documents("t.yaml", task_run(&script).as_bytes())?, Isolation::Off);
    request.folder = Some(folder.path().to_owned());
    assert!(block_on(run::run(request, &()))?.succeeded());
    Ok(())
}

fn told_in_private() -> Result<(), Failed> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir()?;
    let mut request = request(read_documents("t.yaml", task_run("true").as_bytes())?, Isolation::Off);
    request.folder = Some(folder.path().to_owned());
    block_on(run::run(request, &()))?;
    let mode = fs::metadata(folder.path().join("000-task/step-0.json"))?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    Ok(())
}
