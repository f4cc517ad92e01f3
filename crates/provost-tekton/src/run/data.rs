//! Secrets and ConfigMaps: among the objects, or as local folders; their keys as files or variables.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::RunError;
use super::folders::Machine;
use crate::beneath::stays;
use crate::object::KeyToPath;

/// The most bytes of one Secret or ConfigMap: Kubernetes' own limit of 1 MiB.
const MAX_DATA: u64 = 1024 * 1024;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataKind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

impl DataKind {
    fn name(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct DataSource {
    /// Of which kind.
    pub(crate) kind: DataKind,
    /// By which name.
    pub(crate) name: String,
    /// Which keys, under which names; all of them where empty.
    pub(crate) items: Vec<KeyToPath>,
    /// Whether it may be missing.
    pub(crate) optional: bool,
}

/// The keys and values; `None` where there is no such object.
///
/// A local folder wins over an object of the same name: it was named on purpose.
pub(crate) fn read(
    machine: &Machine<'_>,
    kind: DataKind,
    name: &str,
) -> Result<Option<BTreeMap<String, Vec<u8>>>, RunError> {
    let local = match kind {
        DataKind::Secret => machine.request.secrets.get(name),
        DataKind::ConfigMap => machine.request.config_maps.get(name),
    };
    if let Some(path) = local {
        return from_files(path).map(Some);
    }
    let decoded = |key: &String, text: &String| {
        // YAML block scalars end in a newline, and Go's decoder passes over those.
        let text: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
        STANDARD.decode(text).map_err(|_| RunError::BadData {
            kind: kind.name(),
            name: name.to_owned(),
            key: key.clone(),
        })
    };
    let plain = |entries: &BTreeMap<String, String>, into: &mut BTreeMap<String, Vec<u8>>| {
        into.extend(entries.iter().map(|(key, text)| (key.clone(), text.clone().into_bytes())));
    };
    let mut out = BTreeMap::new();
    match kind {
        DataKind::Secret => {
            let Some(secret) = machine.catalog.secret(name) else { return Ok(None) };
            for (key, text) in &secret.data {
                out.insert(key.clone(), decoded(key, text)?);
            }
            plain(&secret.string_data, &mut out);
        }
        DataKind::ConfigMap => {
            let Some(map) = machine.catalog.config_map(name) else { return Ok(None) };
            for (key, text) in &map.binary_data {
                out.insert(key.clone(), decoded(key, text)?);
            }
            plain(&map.data, &mut out);
        }
    }
    Ok(Some(out))
}

fn from_files(path: &Path) -> Result<BTreeMap<String, Vec<u8>>, RunError> {
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| RunError::io(doing, &path, &error)
    };
    let mut out = BTreeMap::new();
    let mut left = MAX_DATA;
    let mut take = |file: &Path| -> Result<(), RunError> {
        let Some(key) = file.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
        let mut bytes = Vec::new();
        let opened = fs::File::open(file).map_err(failed("opening", file))?;
        opened.take(left + 1).read_to_end(&mut bytes).map_err(failed("reading", file))?;
        left = left.checked_sub(bytes.len() as u64).ok_or_else(|| RunError::Io {
            doing: "reading",
            path: path.display().to_string(),
            message: format!("expected at most {MAX_DATA} bytes"),
        })?;
        out.insert(key.to_owned(), bytes);
        Ok(())
    };
    if fs::metadata(path).map_err(failed("reading", path))?.is_file() {
        take(path)?;
        return Ok(out);
    }
    for entry in fs::read_dir(path).map_err(failed("listing", path))? {
        let file = entry.map_err(failed("listing", path))?.path();
        if file.is_file() {
            take(&file)?;
        }
    }
    Ok(out)
}

/// Writes the keys as files below `folder`, which is empty and ours.
pub(crate) fn write(
    machine: &Machine<'_>,
    source: &DataSource,
    folder: &Path,
    wanted_by: &str,
) -> Result<(), RunError> {
    let missing = || RunError::NoData {
        kind: source.kind.name(),
        name: source.name.clone(),
        wanted_by: wanted_by.to_owned(),
    };
    let Some(data) = read(machine, source.kind, &source.name)? else {
        return if source.optional { Ok(()) } else { Err(missing()) };
    };
    let all: Vec<KeyToPath>;
    let items = if source.items.is_empty() {
        all = data.keys().map(|key| KeyToPath { key: key.clone(), path: key.clone() }).collect();
        &all
    } else {
        &source.items
    };
    for KeyToPath { key, path } in items {
        let Some(bytes) = data.get(key) else {
            if source.optional {
                continue;
            }
            return Err(RunError::NoData {
                kind: source.kind.name(),
                name: format!("{}: key {key}", source.name),
                wanted_by: wanted_by.to_owned(),
            });
        };
        let below = Path::new(path);
        if !stays(below) || below.file_name().is_none() {
            return Err(RunError::invalid(wanted_by, "items[].path", "a path within the folder", path));
        }
        let file = folder.join(below);
        let failed = |error: std::io::Error| RunError::io("writing", &file, &error);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut opened =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).map_err(failed)?;
        opened.write_all(bytes).map_err(failed)?;
    }
    Ok(())
}

/// One key as the value of a variable; `None` where it is missing and may be.
pub(crate) fn variable(
    machine: &Machine<'_>,
    kind: DataKind,
    reference: &serde_json::Value,
    wanted_by: &str,
) -> Result<Option<String>, RunError> {
    let text =
        |key: &str| reference.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let (name, key) = (text("name"), text("key"));
    let optional = reference.get("optional").and_then(serde_json::Value::as_bool).unwrap_or(false);
    let found = read(machine, kind, &name)?.and_then(|mut data| data.remove(&key));
    match found {
        Some(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        None if optional => Ok(None),
        None => Err(RunError::NoData {
            kind: kind.name(),
            name: format!("{name}: key {key}"),
            wanted_by: wanted_by.to_owned(),
        }),
    }
}

/// All keys that can be variables.
pub(crate) fn variables(
    machine: &Machine<'_>,
    kind: DataKind,
    reference: &serde_json::Value,
    wanted_by: &str,
) -> Result<BTreeMap<String, String>, RunError> {
    let name = reference.get("name").and_then(serde_json::Value::as_str).unwrap_or_default();
    let optional = reference.get("optional").and_then(serde_json::Value::as_bool).unwrap_or(false);
    match read(machine, kind, name)? {
        Some(data) => {
            let is_variable = |name: &String| !name.is_empty() && !name.contains(['=', '\0']);
            let entries = data.into_iter().filter(|(key, _)| is_variable(key));
            Ok(entries.map(|(key, bytes)| (key, String::from_utf8_lossy(&bytes).into_owned())).collect())
        }
        None if optional => Ok(BTreeMap::new()),
        None => Err(RunError::NoData {
            kind: kind.name(),
            name: name.to_owned(),
            wanted_by: wanted_by.to_owned(),
        }),
    }
}
