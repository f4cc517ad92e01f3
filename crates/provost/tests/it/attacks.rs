//! The catalogue of attacks: each file under corpus/attacks against the real binary and a registry that lies.

mod by_gate;
mod case;
mod hostile;
mod keyless;
mod scene;
mod transport;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use case::Case;
use serde::Deserialize;

/// The numbers of the catalogue.
const CATALOGUE: RangeInclusive<u32> = 1..=80;
/// Those of them that are about provenance made in a cluster; provost-chains plays them.
const OF_THE_CONTROLLER: RangeInclusive<u32> = 73..=79;
/// The rules of security.md that are the gate's.
const RULES_OF_THE_GATE: [u32; 17] = [6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 24];
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
            None => number(&name).is_some_and(|number| !OF_THE_CONTROLLER.contains(&number)),
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

/// Where a number is met that no file here plays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    why: String,
    held: Tests,
}

/// What holds a rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    holds: String,
    #[serde(default)]
    attacks: Vec<String>,
    #[serde(default)]
    tests: Tests,
}

/// Tests by the files they stand in.
type Tests = BTreeMap<String, Vec<String>>;

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The tests of these that are not there.
fn lacking(tests: &Tests) -> Vec<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut lacking = Vec::new();
    for (file, names) in tests {
        let Ok(text) = std::fs::read_to_string(root.join(file)) else {
            lacking.push(file.clone());
            continue;
        };
        let absent = names.iter().filter(|name| !text.contains(&format!("fn {name}(")));
        lacking.extend(absent.map(|name| format!("{file}: {name}")));
    }
    lacking
}

/// Every number has a file, or in `elsewhere.yaml` a reason why not and tests that are there.
#[test]
fn every_number_of_the_catalogue_is_here_or_elsewhere() {
    let elsewhere: BTreeMap<u32, Elsewhere> = read("elsewhere.yaml");
    let mut here = BTreeSet::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        here.extend(name.split('-').next().and_then(|number| number.parse::<u32>().ok()));
    }
    let missing: Vec<u32> =
        CATALOGUE.filter(|number| here.contains(number) == elsewhere.contains_key(number)).collect();
    assert!(missing.is_empty(), "neither here nor elsewhere, or both: {missing:?}");
    assert!(here.iter().chain(elsewhere.keys()).all(|number| CATALOGUE.contains(number)));
    for (number, Elsewhere { why, held }) in &elsewhere {
        assert!(!why.is_empty() && !held.is_empty(), "{number}");
        assert_eq!(lacking(held), [""; 0], "{number}");
    }
}

/// Every rule of the gate has tests that are there.
#[test]
fn every_rule_of_the_gate_is_tried() {
    let rules: BTreeMap<u32, Rule> = read("rules-of-the-gate.yaml");
    assert!(rules.keys().copied().eq(RULES_OF_THE_GATE), "{:?}", rules.keys());
    for (number, Rule { holds, attacks, tests }) in &rules {
        assert!(!holds.is_empty() && attacks.len() + tests.len() > 0, "rule {number}");
        let absent = attacks.iter().filter(|name| !folder().join(format!("{name}.yaml")).is_file());
        assert_eq!(absent.collect::<Vec<_>>(), [""; 0], "rule {number}");
        assert_eq!(lacking(tests), [""; 0], "rule {number}");
    }
}
