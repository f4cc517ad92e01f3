//! Whether alerts and dashboard ask for metrics that the binary exposes, and Pods are given the time that stopping takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Where metrics are registered, each under a name in quotes.
const REGISTERED: [&str; 2] = ["crates/provost-gate/src/metrics.rs", "crates/provost-kube/src/metrics.rs"];
/// Where they are asked for.
const ASKED: [&str; 2] = ["deploy/chart/alerts.yaml", "deploy/chart/dashboard.json"];
/// How our metrics begin.
const FAMILIES: [&str; 3] = ["provost_", "kyverno_", "watcher_"];
/// What Prometheus and OpenMetrics add to a name.
const ENDINGS: [&str; 5] = ["_total", "_bucket", "_sum", "_count", "_info"];

/// The manifests of both services, as the chart renders them.
const RENDERED: &str = "deploy/provost.yaml";
/// The seconds that stopping takes at most: 5 in which the Service learns of it, 20 for what is in hand, 3 for what waits to
/// be written, and 2 beside.
const STOPPING: u32 = 5 + 20 + 3 + 2;

/// Names every Deployment whose Pods are killed before they can have stopped.
pub(crate) fn check_stopping(root: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(root.join(RENDERED)).with_context(|| RENDERED.to_owned())?;
    Ok(killed(&text)
        .into_iter()
        .map(|name| {
            format!(
                "{RENDERED}: the Deployment {name} lacks terminationGracePeriodSeconds of {STOPPING} or more"
            )
        })
        .collect())
}

/// The Deployments of a text of many documents that give their Pods too little time.
fn killed(text: &str) -> Vec<String> {
    let after = |document: &str, key: &str| {
        let line = document.lines().find_map(|line| line.trim().strip_prefix(key).map(str::trim));
        line.map(str::to_owned)
    };
    let deployments = text.split("\n---").filter(|one| one.lines().any(|line| line == "kind: Deployment"));
    let short = deployments.filter(|one| {
        let given = after(one, "terminationGracePeriodSeconds:").and_then(|text| text.parse::<u32>().ok());
        given.is_none_or(|given| given < STOPPING)
    });
    short.map(|one| after(one, "name:").unwrap_or_default()).collect()
}

/// Names every metric that is asked for and exposed by nobody.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut known = BTreeSet::new();
    for file in REGISTERED {
        // A service that counts nothing yet cannot be held to names.
        if !root.join(file).exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(root.join(file)).with_context(|| file.to_owned())?;
        known.extend(registered(&text));
    }
    let mut problems = Vec::new();
    for file in ASKED {
        let text = fs::read_to_string(root.join(file)).with_context(|| file.to_owned())?;
        let foreign = asked(&text).into_iter().filter(|name| !is_known(&known, name));
        problems.extend(foreign.map(|name| format!("{file} asks for {name}, which nothing exposes")));
    }
    Ok(problems)
}

fn is_known(known: &BTreeSet<String>, name: &str) -> bool {
    let bare = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    known.contains(name) || known.contains(bare)
}

/// The names in quotes of a source file. Those of runs are put together of the kind and what is added to it.
fn registered(text: &str) -> BTreeSet<String> {
    let quoted = || text.split('"').skip(1).step_by(2);
    let plain = quoted().filter(|name| is_name(name)).map(str::to_owned);
    let mut names: BTreeSet<String> = plain.collect();
    for kind in ["taskrun", "pipelinerun"] {
        let added = quoted()
            .filter(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        names.extend(added.map(|part| format!("watcher_{kind}_{part}")));
    }
    names
}

/// The names of our families in any text; a name is followed by what no name holds.
fn asked(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| is_name(word)).map(str::to_owned).collect()
}

fn is_name(word: &str) -> bool {
    FAMILIES.iter().any(|family| word.len() > family.len() && word.starts_with(family)) || word == "kyverno"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_is_killed_too_early_is_found() {
        let text = "kind: Service\nmetadata:\n  name: s\n---\nkind: Deployment\nmetadata:\n  name: a\nspec:\n      terminationGracePeriodSeconds: 29\n\
                    ---\nkind: Deployment\nmetadata:\n  name: b\n---\nkind: Deployment\nmetadata:\n  name: c\nspec:\n      terminationGracePeriodSeconds: 30\n";
        assert_eq!(killed(text), ["a", "b"]);
    }

    #[test]
    fn a_metric_that_nobody_exposes_is_found() {
        let known = registered(
            r#"register("provost_a_seconds", h); register("kyverno", i); add("marked_signed", h)"#,
        );
        for name in [
            "provost_a_seconds_bucket",
            "provost_a_seconds",
            "watcher_taskrun_marked_signed_total",
            "kyverno_info",
        ] {
            assert!(is_known(&known, name), "{name}");
        }
        let asked = asked("rate(provost_b_total[5m]) / sum(provost_a_seconds_count)");
        let missing: Vec<_> = asked.iter().filter(|name| !is_known(&known, name)).collect();
        assert_eq!(missing, ["provost_b_total"]);
    }
}
