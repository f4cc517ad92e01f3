//! What judging by policies needs of this machine: registries, the clock, lots, host names.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use provost_kyverno::{Access, Anchors, Cluster, Settings, Stores, World};
use provost_registry::{Keychain, Remote, RemoteOptions, Store};
use serde_json::Value;

use crate::failure::Failure;
use crate::machine::Machine;

/// The largest file read: policies and objects are far below etcd's 1.5 MiB each, and a hundred of them fit.
pub(crate) const FILE_LIMIT: u64 = 150 * 1024 * 1024;

/// This machine, as far as judging needs it.
pub(crate) struct Surroundings {
    registries: Registries,
    settings: Settings,
    machine: Machine,
    anchors: Anchors,
}

impl Surroundings {
    /// Registries are reached in this way; entries of policies add their Secrets and plain http.
    pub(crate) fn new(options: RemoteOptions, anchors: Anchors) -> Self {
        Self {
            registries: Registries::new(options),
            settings: Settings::default(),
            machine: Machine,
            anchors,
        }
    }

    /// The world with this cluster in it.
    pub(crate) fn world<'a>(&'a self, cluster: &'a dyn Cluster) -> World<'a> {
        World {
            cluster,
            stores: &self.registries,
            settings: &self.settings,
            clock: Some(&self.machine),
            random: Some(&self.machine),
            resolver: Some(&self.machine),
            anchors: Some(&self.anchors),
        }
    }
}

/// The most clients kept, each with its connections and tokens, about 50 KiB: one for each set of credentials.
const CLIENTS: usize = 256;

/// The registries of this machine.
pub(crate) struct Registries {
    options: RemoteOptions,
    /// Clients keep connections, tokens and what they learned about schemes from one request to the next.
    open: Mutex<BTreeMap<Access, Remote>>,
}

impl Registries {
    /// Reached in this way; entries of policies add their Secrets and plain http.
    pub(crate) fn new(options: RemoteOptions) -> Self {
        Self { options, open: Mutex::default() }
    }
}

impl Stores for Registries {
    fn store(&self, _registry: &str, access: &Access) -> Result<Arc<dyn Store>, String> {
        let access = &Access { fresh: false, ..access.clone() };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(remote) = open.get(access) {
            return Ok(Arc::new(remote.clone()));
        }
        // Passwords change, and a server lives long: the clients of old ones go with the others.
        if open.len() >= CLIENTS {
            open.clear();
        }
        let mut keychain = Keychain::anonymous();
        for secret in &access.secrets {
            keychain = keychain.and_secret(&secret.name, &secret.json);
        }
        let options = RemoteOptions {
            allow_http: self.options.allow_http || access.allow_http,
            keychain: keychain.then(self.options.keychain.clone()),
            ..self.options.clone()
        };
        let remote = Remote::new(options).map_err(|e| e.to_string())?;
        open.insert(access.clone(), remote.clone());
        Ok(Arc::new(remote))
    }
}

/// The documents of a file, or of standard input for `-`.
pub(crate) fn documents(path: &Path) -> Result<Vec<Value>, Failure> {
    use std::io::Read as _;
    let name = path.display().to_string();
    let mut text = String::new();
    let read = if name == "-" {
        std::io::stdin().lock().take(FILE_LIMIT + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(|e| Failure::new(format!("{name}: {e}")))?;
        file.take(FILE_LIMIT + 1).read_to_string(&mut text)
    };
    read.map_err(|e| Failure::new(format!("{name}: {e}")))?;
    if text.len() as u64 > FILE_LIMIT {
        return Err(Failure::new(format!("{name}: longer than {FILE_LIMIT} bytes")));
    }
    Ok(provost_kyverno::yaml::documents(&name, &text)?)
}

/// The only document of a file.
pub(crate) fn one_document(path: &Path) -> Result<Value, Failure> {
    match documents(path)?.as_slice() {
        [document] => Ok(document.clone()),
        found => Err(Failure::new(format!(
            "{}: expected one YAML document, found {}",
            path.display(),
            found.len()
        ))),
    }
}

/// The documents of a file, or of all YAML and JSON files of a folder and those below it, sorted by name.
pub(crate) fn documents_of_tree(path: &Path) -> Result<Vec<(String, Vec<Value>)>, Failure> {
    if !path.is_dir() {
        return Ok(vec![(path.display().to_string(), documents(path)?)]);
    }
    let failed = |e: std::io::Error| Failure::new(format!("{}: {e}", path.display()));
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // A link to a folder could lead in circles.
        let kind = entry.file_type().map_err(failed)?;
        entries.push((entry.path(), kind.is_dir()));
    }
    entries.sort();
    let mut found = Vec::new();
    for (entry, is_folder) in entries {
        // A mounted ConfigMap keeps the files that its links lead to in folders of such names.
        if entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"..")) {
            continue;
        }
        let known = entry.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        if is_folder {
            found.extend(documents_of_tree(&entry)?);
        } else if known {
            found.push((entry.display().to_string(), documents(&entry)?));
        }
    }
    Ok(found)
}
