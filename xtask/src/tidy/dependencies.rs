//! What must not be in the build, which features must stay off, and whether each dependency has its reason.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell;

/// Crates that would be a second TLS stack, a second crypto provider or a second YAML reader.
const UNWANTED: [&str; 5] = ["openssl-sys", "native-tls", "ring", "serde_yaml", "openssl"];
/// Features of serde_json that change what JSON means for the whole graph.
const SERDE_JSON_OFF: [&str; 2] = ["arbitrary_precision", "preserve_order"];

#[derive(Deserialize)]
struct Metadata {
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    features: Vec<String>,
}

/// Checks the default build.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for name in UNWANTED {
        // cargo prints nothing to standard output when the crate is not in the build.
        let tree = shell::output("cargo", &["tree", "--workspace", "-e", "normal,build", "-i", name])?;
        if let Some(line) = tree.lines().next() {
            problems
                .push(format!("{line} is in the default build; see `cargo tree -e normal,build -i {name}`"));
        }
    }
    let metadata = shell::output("cargo", &["metadata", "--format-version", "1"])?;
    let metadata: Metadata = serde_json::from_str(&metadata).context("cargo metadata")?;
    problems.extend(features(&metadata.resolve.nodes));
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    problems.extend(reasons(&manifest));
    Ok(problems)
}

fn features(nodes: &[Node]) -> Vec<String> {
    let json = nodes.iter().filter(|node| node.id.contains("serde_json@"));
    let on = json.flat_map(|node| &node.features).filter(|f| SERDE_JSON_OFF.contains(&f.as_str()));
    on.map(|feature| format!("serde_json has its feature {feature} on")).collect()
}

/// Each third-party line of `[workspace.dependencies]` ends in a comment.
fn reasons(manifest: &str) -> Vec<String> {
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let bare = lines.filter(|line| {
        line.contains('=') && !line.starts_with('#') && !line.contains("path = ") && !line.contains(" # ")
    });
    bare.map(|line| format!("Cargo.toml gives no reason beside: {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_and_a_missing_reason_are_found() {
        let node = Node { id: "registry+x#serde_json@1.0.1".into(), features: vec!["preserve_order".into()] };
        assert_eq!(features(&[node]).len(), 1);
        let manifest = "[workspace.dependencies]\na = \"1\"\nb = \"1\" # because\n[other]\nc = 1\n";
        assert_eq!(reasons(manifest), ["Cargo.toml gives no reason beside: a = \"1\""]);
    }
}
