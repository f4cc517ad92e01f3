//! The catalogue of attacks from number 73 on, and the rules from 27 on: each file under corpus/attacks against the controller in a cluster
//! in memory and a registry that fails as told.

mod case;
mod cluster;
mod registry;
mod scene;

use std::collections::BTreeMap;
use std::path::PathBuf;

use case::Case;

/// The first number of the catalogue that is about provenance made in a cluster, and the last.
const NUMBERS: std::ops::RangeInclusive<u32> = 73..=79;
/// The rules of the controller that have files of their own, as far as no number of the catalogue is the same.
const RULES: [u32; 3] = [27, 29, 32];

/// The text of each file of ours, by name.
fn files() -> BTreeMap<String, String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/attacks");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let ours = match name.strip_prefix("rule-") {
            Some(rule) => number(rule).is_some_and(|number| RULES.contains(&number)),
            None => number(&name).is_some_and(|number| NUMBERS.contains(&number)),
        };
        if ours {
            files.insert(name, std::fs::read_to_string(path).unwrap());
        }
    }
    files
}

fn number(name: &str) -> Option<u32> {
    name.split('-').next()?.parse().ok()
}

#[tokio::test]
async fn every_attack_on_the_controller_is_answered() {
    let only = std::env::var("ATTACK").unwrap_or_default();
    let mut wrong = Vec::new();
    for (name, text) in files().into_iter().filter(|(name, _)| name.contains(&only)) {
        let case: Case =
            serde_saphyr::from_str(&case::filled(&text)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!case.title.is_empty() && !case.source.is_empty() && !case.steps.is_empty(), "{name}");
        if let Err(found) = scene::play(&case).await {
            wrong.push(format!("{name}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} files do not hold:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_number_and_every_rule_has_a_file() {
    let files = files();
    let has = |wanted: String| files.keys().any(|name| name.starts_with(&wanted));
    for number in NUMBERS {
        assert!(has(format!("{number}-")), "{number}");
    }
    for rule in RULES {
        assert!(has(format!("rule-{rule}-")), "rule {rule}");
    }
}
