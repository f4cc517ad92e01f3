//! The workspace's crates, and whether the code map names each of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// One crate: its name, and which of our crates it imports outside tests.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) imports: Vec<String>,
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
    #[serde(default)]
    dependencies: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

/// Reads every crate's Cargo.toml.
pub(crate) fn read(root: &Path) -> Result<Vec<Crate>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(root.join("crates"))? {
        folders.push(entry?.path());
    }
    folders.push(root.join("testkit"));
    folders.push(root.join("xtask"));
    folders.sort();
    let mut crates = Vec::new();
    for folder in folders {
        let file = folder.join("Cargo.toml");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let manifest: Manifest = toml::from_str(&text).with_context(|| file.display().to_string())?;
        let ours = |name: &String| name.starts_with("provost") || name == "testkit" || name == "xtask";
        let imports = manifest.dependencies.into_keys().filter(ours).collect();
        crates.push(Crate { name: manifest.package.name, imports });
    }
    Ok(crates)
}

/// ARCHITECTURE.md must name every crate, between backticks.
pub(crate) fn check_code_map(root: &Path, crates: &[Crate]) -> Result<Vec<String>> {
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    let missing = crates.iter().filter(|one| !map.contains(&format!("`{}`", one.name)));
    Ok(missing.map(|one| format!("ARCHITECTURE.md does not name `{}`", one.name)).collect())
}
