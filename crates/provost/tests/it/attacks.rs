//! The catalogue of attacks: each file under corpus/attacks against the real binary and a registry that lies.

mod by_gate;
mod case;
mod hostile;
mod keyless;
mod scene;
mod transport;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use case::Case;

/// The last number of the catalogue that an attack on the command line can have; those after it are about provenance
/// that is made in a cluster, and provost-chains plays them.
const LAST: u32 = 72;
/// The last rule of security.md that the command line has files of; those after it are the controller's.
const LAST_RULE: u32 = 26;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/attacks")
}

/// The name and text of every file of cases, in order.
fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let number = |text: &str| text.split('-').next().and_then(|number| number.parse::<u32>().ok());
        let ours = match name.strip_prefix("rule-") {
            Some(rule) => number(rule).is_some_and(|rule| rule <= LAST_RULE),
            None => number(&name).is_some_and(|number| number <= LAST),
        };
        if path.extension().is_some_and(|extension| extension == "yaml") && ours {
            files.insert(name, std::fs::read_to_string(path).unwrap());
        }
    }
    files
}

#[test]
fn every_attack_is_answered() {
    let only = std::env::var("ATTACK").unwrap_or_default();
    let waiting = Mutex::new(files().into_iter().filter(|(name, _)| name.contains(&only)));
    let wrong = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((name, text)) = waiting.lock().unwrap().next() else { return };
                    let case: Case =
                        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
                    assert!(
                        !case.title.is_empty() && !case.source.is_empty() && !case.runs.is_empty(),
                        "{name}"
                    );
                    let found = scene::play(&case);
                    if !found.is_empty() {
                        wrong.lock().unwrap().insert(name, found);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let told: Vec<String> =
        wrong.iter().map(|(name, found)| format!("{name}\n{}", found.join("\n"))).collect();
    assert!(told.is_empty(), "{} files do not hold:\n{}", told.len(), told.join("\n\n"));
}

/// Every number up to the last has a file, or a reason in `elsewhere.yaml` why the command line does not meet it.
#[test]
fn every_number_of_the_catalogue_is_here_or_elsewhere() {
    let text = std::fs::read_to_string(folder().join("elsewhere.yaml")).unwrap();
    let elsewhere: BTreeMap<u32, String> = serde_saphyr::from_str(&text).unwrap();
    let here: Vec<u32> = files()
        .keys()
        .filter(|name| !name.starts_with("rule-"))
        .map(|name| {
            name.split('-').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{name}"))
        })
        .collect();
    let missing: Vec<u32> =
        (1..=LAST).filter(|number| here.contains(number) == elsewhere.contains_key(number)).collect();
    assert!(missing.is_empty(), "neither here nor elsewhere, or both: {missing:?}");
    assert!(here.iter().chain(elsewhere.keys()).all(|number| (1..=LAST).contains(number)));
}
