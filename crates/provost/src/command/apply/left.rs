//! Writes objects as the policies left them: annotated, their images pinned.

use std::fs;
use std::path::Path;

use provost_kyverno::yaml::written;
use serde_json::Value;

use crate::failure::Failure;

/// Writes them all into a file, or each into its own file of a folder, `NAME-mutated.yaml` as Kyverno names it.
pub(super) fn write(path: &Path, objects: &[Value]) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let document = |object: &Value| format!("{}\n---\n\n", written(object).trim_end());
    let is_file = path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
    if is_file && !path.is_dir() {
        let text: String = objects.iter().map(document).collect();
        return fs::write(path, text).map_err(|error| failed(path, error));
    }
    fs::create_dir_all(path).map_err(|error| failed(path, error))?;
    for object in objects {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        // A name of Kubernetes has none of these; a file's object can be called anything.
        if name.is_empty() || name.contains(['/', '\\', '\0']) || name.starts_with('.') {
            return Err(Failure::new(format!("metadata.name: expected a name, found {name:?}")));
        }
        let file = path.join(format!("{name}-mutated.yaml"));
        fs::write(&file, document(object)).map_err(|error| failed(&file, error))?;
    }
    Ok(())
}
