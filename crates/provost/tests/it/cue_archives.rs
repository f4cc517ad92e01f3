//! CUE's own test archives, where they are at hand: what agreed with CUE v0.16.1 once must go on doing so.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[derive(serde::Deserialize)]
struct Archive {
    name: String,
    files: BTreeMap<String, String>,
    args: Vec<String>,
    eval: Ended,
    export: Ended,
    vet: Ended,
}

#[derive(serde::Deserialize)]
struct Ended {
    exit: i32,
    #[serde(default)]
    stdout: String,
}

/// Archives that agree in everything, one a line. It may only grow.
const PASSING: &str = include_str!("../../../../corpus/cue-archives/passing.txt");
/// How many archives agreed when this was last recorded. Nobody makes it smaller.
const RECORDED: usize = 278;
/// Threads that run the binary: more than cores, because each spends much of its time starting.
const THREADS: usize = 4;

/// Why an archive does not agree, if it does not.
fn difference(archive: &Archive) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in &archive.files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let verbs = [
        ("eval", None, &archive.eval),
        ("export", None, &archive.export),
        ("vet", Some("-c=false"), &archive.vet),
    ];
    for (verb, flag, wanted) in verbs {
        let ran = Command::new(env!("CARGO_BIN_EXE_provost"))
            .args(["cue", verb])
            .args(flag)
            .args(&archive.args)
            .current_dir(folder.path())
            .env_clear()
            .env("CUE_REGISTRY", "none")
            .env("HOME", folder.path())
            .output()
            .unwrap();
        if ran.status.code() != Some(wanted.exit) {
            return Some(format!("{verb} ended with {:?}, CUE with {}", ran.status.code(), wanted.exit));
        }
        if verb == "export" && wanted.exit == 0 {
            let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            let (ours, theirs) = (read(&String::from_utf8_lossy(&ran.stdout)), read(&wanted.stdout));
            if ours.is_none() || ours != theirs {
                return Some("export wrote another value".to_owned());
            }
        }
    }
    None
}

#[test]
fn archives_that_agreed_go_on_agreeing() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/cue/up-testdata.json");
    let Ok(text) = fs::read_to_string(&path) else {
        // Said where a person reads it; a test has no other way to say that it did not run.
        let words = format!("skipped: CUE's archives are not at hand ({} is not there)\n", path.display());
        std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes()).unwrap();
        return;
    };
    let archives: Vec<Archive> = serde_json::from_str(&text).unwrap();
    let named: Vec<&str> =
        PASSING.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let chosen: Vec<_> = archives.iter().filter(|archive| named.contains(&archive.name.as_str())).collect();
    assert_eq!(chosen.len(), named.len(), "passing.txt names archives that are not there, or one twice");
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(archive) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(reason) = difference(archive) {
                        wrong.lock().unwrap().push(format!("{}: {reason}", archive.name));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {} archives no longer agree:\n{}",
        wrong.len(),
        chosen.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_list_is_sorted_and_names_each_archive_once() {
    let named: Vec<&str> =
        PASSING.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut sorted = named.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(named, sorted);
    assert!(named.len() >= RECORDED, "{} archives are named, {RECORDED} agreed once", named.len());
}
