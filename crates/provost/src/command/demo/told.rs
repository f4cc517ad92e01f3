//! How the demo ends: a table of what was proven, or the same facts as JSON.

use std::path::Path;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde_json::json;

use super::scene::Scene;
use super::steps::Facts;

/// The table of what was proven, how long it took, and where the files lie.
pub(crate) fn table(scene: &Scene<'_>, kept: Option<&Path>, took: Duration) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(["", "step", "proven", "ms"]);
    for step in &scene.steps {
        table.add_row([
            step.number.to_string(),
            step.title.clone(),
            step.proven.clone(),
            step.milliseconds.to_string(),
        ]);
    }
    let files = match kept {
        Some(folder) => format!(
            "The files lie in {}; start the registry again and every command above can be repeated there.",
            folder.display()
        ),
        None => "The files are gone; --keep or --dir FOLDER keeps them, so that every command can be repeated by hand.".to_owned(),
    };
    format!(
        "\n{table}\n{} steps in {:.2} s, {:.2} s in all. {files}",
        scene.steps.len(),
        scene.walked().as_secs_f64(),
        took.as_secs_f64()
    )
}

/// The same facts for programs.
pub(crate) fn json(scene: &Scene<'_>, facts: &Facts, kept: Option<&Path>, took: Duration) -> String {
    json!({
        "image": facts.image,
        "attestation": facts.attestation,
        "builder": facts.builder,
        "registry": scene.registry,
        "dir": kept.map(|folder| folder.display().to_string()),
        "milliseconds": took.as_millis(),
        "steps": scene.steps,
    })
    .to_string()
}
