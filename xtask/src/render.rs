//! deploy/provost.yaml: the chart with its defaults, rendered for those without helm, and held in step with it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{fetched, shell};

/// What is rendered, from what.
const RENDERED: &str = "deploy/provost.yaml";
/// The folders whose files go into it.
const SOURCES: [&str; 2] = ["deploy/chart", "deploy/crds"];
/// The namespace of the rendered manifests.
const NAMESPACE: &str = "provost-system";

/// Renders the chart into deploy/provost.yaml.
///
/// # Errors
/// When helm cannot be had, or does not like the chart.
pub fn run() -> Result<()> {
    let text = rendered()?;
    let path = shell::root().join(RENDERED);
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    shell::say(&format!("{RENDERED} is written"));
    Ok(())
}

/// What the chart renders to now.
pub(crate) fn rendered() -> Result<String> {
    let (_, helm) = fetched::kubectl_and_helm()?;
    let chart = shell::root().join("deploy/chart");
    let (helm, chart) = (helm.to_string_lossy(), chart.to_string_lossy());
    shell::quiet(&helm, &["lint", "--quiet", &chart])?;
    let text = shell::output(&helm, &["template", "provost", &chart, "--namespace", NAMESPACE])?;
    if !text.contains("kind: Deployment") {
        bail!("helm renders no Deployment from {chart}");
    }
    let root = shell::root();
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n");
    Ok(format!("{}{namespace}{text}", header(&sources(&root)?)))
}

/// Some of the chart's templates with values of one's own.
///
/// # Errors
/// When helm cannot be had, or renders nothing.
pub(crate) fn templates(names: &[&str], values: &str) -> Result<String> {
    let (_, helm) = fetched::kubectl_and_helm()?;
    let chart = shell::root().join("deploy/chart");
    let (helm, chart) = (helm.to_string_lossy(), chart.to_string_lossy());
    let shown: Vec<String> = names.iter().map(|name| format!("--show-only=templates/{name}.yaml")).collect();
    let mut arguments = vec!["template", "provost", &chart, "--namespace", NAMESPACE, "--set", values];
    arguments.extend(shown.iter().map(String::as_str));
    let text = shell::output(&helm, &arguments)?;
    if text.trim().is_empty() {
        bail!("helm renders nothing from {names:?} of {chart} with {values}");
    }
    Ok(text)
}

/// What the manifests in the tree are.
pub(crate) fn kept() -> Result<String> {
    let path = shell::root().join(RENDERED);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// Whether the manifests were rendered from the chart as it is; without helm, by the hashes in their head.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let kept = fs::read_to_string(root.join(RENDERED)).with_context(|| RENDERED.to_owned())?;
    Ok(match kept.starts_with(&header(&sources(root)?)) {
        true => Vec::new(),
        false => vec![format!("{RENDERED} was rendered from another chart: run `cargo xtask render`")],
    })
}

fn header(sources: &[String]) -> String {
    let lines: Vec<String> = sources.iter().map(|line| format!("# {line}\n")).collect();
    format!(
        "# Everything of deploy/chart with its defaults, rendered by `cargo xtask render` from these files:\n{}---\n",
        lines.concat()
    )
}

/// The chart's files, each with the beginning of its hash as git counts it.
fn sources(root: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for folder in SOURCES {
        files(root, Path::new(folder), &mut all)?;
    }
    all.retain(|name| name.ends_with(".yaml") || name.ends_with(".tpl"));
    all.sort();
    let mut arguments = vec!["hash-object", "--"];
    arguments.extend(all.iter().map(String::as_str));
    let hashes = shell::output("git", &arguments)?;
    Ok(all
        .iter()
        .zip(hashes.lines())
        .map(|(name, hash)| format!("{name} {}", hash.get(..12).unwrap_or(hash)))
        .collect())
}

fn files(root: &Path, folder: &Path, all: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        match entry.file_type()? {
            kind if kind.is_dir() => files(root, &path, all)?,
            // The chart's link to the definitions, which are looked at where they are.
            kind if kind.is_symlink() => {}
            _ => all.push(path.to_string_lossy().into_owned()),
        }
    }
    Ok(())
}
