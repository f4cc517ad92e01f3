//! `config.json` of docker, `auth.json` of podman, `.dockerconfigjson` of Kubernetes: one format, three places.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use provost_oci::Repository;
use serde::Deserialize;

use crate::StoreError;
use crate::credential_helper::{self, HelperEnvironment};
use crate::keychain::{ClearText, Credential, CredentialSource, Found};
use crate::limits::DOCKER_CONFIG_LIMIT;

/// The name under which credential helpers know Docker Hub.
const DOCKER_HUB_SERVER: &str = "https://index.docker.io/v1/";

/// Base64 with or without its padding: people make these entries by hand.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where a user's files may lie, and what helpers may see. Unset and empty variables are both `None`.
#[derive(Clone, Debug, Default)]
pub struct DockerPaths {
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// `$DOCKER_CONFIG`, a folder.
    pub docker_config: Option<PathBuf>,
    /// `$REGISTRY_AUTH_FILE`, podman's file.
    pub registry_auth_file: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// For credential helpers.
    pub helpers: HelperEnvironment,
}

impl DockerPaths {
    /// The variables of this process, asked by name.
    pub fn of(lookup: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let path = |name| lookup(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            home: path("HOME"),
            docker_config: path("DOCKER_CONFIG"),
            registry_auth_file: path("REGISTRY_AUTH_FILE"),
            runtime_dir: path("XDG_RUNTIME_DIR"),
            helpers: HelperEnvironment::of(lookup),
        }
    }

    /// The one file that counts, in the order of go-containerregistry's default keychain.
    fn file(&self) -> Option<PathBuf> {
        let of_home = self.home.as_ref().map(|home| home.join(".docker/config.json"));
        let of_variable = self.docker_config.as_ref().map(|folder| folder.join("config.json"));
        let there = |path: &Option<PathBuf>| path.as_deref().is_some_and(Path::is_file);
        if there(&of_home) || there(&of_variable) {
            // Docker's own loader then runs, and it knows the variable only where there is one.
            return of_variable.or(of_home).filter(|path| path.is_file());
        }
        let of_podman = self.runtime_dir.as_ref().map(|folder| folder.join("containers/auth.json"));
        [self.registry_auth_file.clone(), of_podman].into_iter().flatten().find(|path| path.is_file())
    }
}

#[derive(Debug, Default, Deserialize)]
struct Document {
    #[serde(default)]
    auths: Option<BTreeMap<String, Entry>>,
    #[serde(rename = "credHelpers", default)]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(rename = "credsStore", default)]
    store: Option<String>,
}

/// What a Secret's bytes are read as: nothing but `auths` (security.md 25).
#[derive(Deserialize)]
struct AuthsOnly {
    #[serde(default)]
    auths: Option<BTreeMap<String, Entry>>,
}

#[derive(Debug, Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    identitytoken: Option<String>,
    #[serde(default)]
    registrytoken: Option<String>,
}

/// A user's file, read each time a credential is looked for: it may change under a long-running server.
pub(crate) struct DockerFiles {
    paths: DockerPaths,
}

impl DockerFiles {
    pub(crate) fn new(paths: DockerPaths) -> Self {
        Self { paths }
    }

    /// The file's name for errors, and what it holds; nothing where there is none.
    fn load(&self, registry: &str) -> Result<(String, Document), StoreError> {
        let Some(path) = self.paths.file() else { return Ok((String::new(), Document::default())) };
        let name = path.display().to_string();
        let failed = |reason: String| StoreError::Credentials {
            registry: registry.to_owned(),
            reason: format!("{name}: {reason}"),
        };
        let bytes = read_bounded(&path).map_err(failed)?;
        let document = serde_json::from_slice(&bytes).map_err(|e| failed(unreadable(&e)))?;
        Ok((name, document))
    }

    async fn ask_helper(
        &self,
        helper: &str,
        server: &str,
        registry: &str,
    ) -> Result<Option<Found>, StoreError> {
        let answer = credential_helper::get(helper, server, &self.paths.helpers).await;
        let credential = answer.map_err(|error| StoreError::Credentials {
            registry: registry.to_owned(),
            reason: format!("docker-credential-{helper}: {error}"),
        })?;
        let clear_text = ClearText::Host(registry.to_owned());
        Ok(credential.map(|credential| Found { credential, clear_text }))
    }
}

#[async_trait]
impl CredentialSource for DockerFiles {
    async fn find(&self, repository: &Repository) -> Result<Option<Found>, StoreError> {
        let registry = repository.registry();
        let (name, document) = self.load(registry)?;
        let helpers = document.helpers.as_ref();
        let full = repository.to_string();
        if let Some(helper) = helpers.and_then(|helpers| helpers.get(&full))
            && let Some(found) = self.ask_helper(helper, &full, registry).await?
        {
            return Ok(Some(found));
        }
        let entry =
            document.auths.as_ref().and_then(|auths| best_entry(auths, repository, &name).transpose());
        let entry = entry.transpose()?;
        if let Some((specific, found)) = &entry
            && *specific
        {
            return Ok(Some(found.clone()));
        }
        let of_host = helpers.and_then(|helpers| {
            let named = |(key, helper): (&String, &'_ String)| {
                Named::of(key).is_host(registry).then(|| helper.clone())
            };
            helpers.iter().find_map(named)
        });
        let helper = of_host.or_else(|| document.store.clone()).filter(|helper| !helper.is_empty());
        if let Some(helper) = helper {
            let server = if host_alias(registry) == HUB { DOCKER_HUB_SERVER } else { registry };
            if let Some(found) = self.ask_helper(&helper, server, registry).await? {
                return Ok(Some(found));
            }
        }
        Ok(entry.map(|(_, found)| found))
    }
}

/// The `auths` of a Kubernetes Secret.
pub(crate) struct SecretAuths {
    name: String,
    auths: BTreeMap<String, Entry>,
}

impl SecretAuths {
    pub(crate) fn read(name: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let failed = |reason: String| StoreError::Credentials { registry: name.to_owned(), reason };
        if bytes.len() as u64 > DOCKER_CONFIG_LIMIT {
            return Err(failed(format!("longer than {DOCKER_CONFIG_LIMIT} bytes")));
        }
        let document: AuthsOnly = serde_json::from_slice(bytes).map_err(|e| failed(unreadable(&e)))?;
        Ok(Self { name: name.to_owned(), auths: document.auths.unwrap_or_default() })
    }
}

#[async_trait]
impl CredentialSource for SecretAuths {
    async fn find(&self, repository: &Repository) -> Result<Option<Found>, StoreError> {
        Ok(best_entry(&self.auths, repository, &self.name)?.map(|(_, found)| found))
    }
}

/// What an entry's key names.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    /// `host[:port]`, with `*` in labels as Kubernetes has it.
    host: String,
    /// The path below it, empty for the whole registry.
    path: String,
    /// It says `https://`.
    with_tls: bool,
}

const HUB: &str = "index.docker.io";

/// Docker Hub's host by any of its names is one host.
fn host_alias(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    match host.as_str() {
        "docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => HUB.to_owned(),
        _ => host,
    }
}

impl Named {
    fn of(key: &str) -> Self {
        let (with_tls, rest) = match (key.strip_prefix("https://"), key.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => (false, key),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_matches('/');
        // Docker's own files name the API's root.
        let path = if matches!(path, "v1" | "v2") { "" } else { path };
        Self { host: host_alias(host), path: path.to_owned(), with_tls }
    }

    fn is_host(&self, registry: &str) -> bool {
        self.path.is_empty() && self.fits_host(registry)
    }

    fn fits_host(&self, registry: &str) -> bool {
        let registry = host_alias(registry);
        if !self.host.contains('*') {
            return self.host == registry;
        }
        let (pattern, port) = split_port(&self.host);
        let (host, actual_port) = split_port(&registry);
        let (patterns, labels): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), host.split('.').collect());
        port == actual_port
            && patterns.len() == labels.len()
            && patterns.iter().zip(&labels).all(|(pattern, label)| label_fits(pattern, label))
    }

    fn fits(&self, repository: &Repository) -> bool {
        let below = repository.path().strip_prefix(self.path.as_str());
        let path_fits =
            self.path.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        path_fits && self.fits_host(repository.registry())
    }
}

fn split_port(host: &str) -> (&str, &str) {
    host.rsplit_once(':').unwrap_or((host, ""))
}

/// One label of a host against a pattern in which `*` stands for any characters.
fn label_fits(pattern: &str, label: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = label.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// The entry with the longest path that fits, and whether it has a path; a host named in full goes before a
/// pattern. Entries that hold nothing are passed over: docker writes them beside a helper.
fn best_entry(
    auths: &BTreeMap<String, Entry>,
    repository: &Repository,
    file: &str,
) -> Result<Option<(bool, Found)>, StoreError> {
    let mut fitting: Vec<(Named, &String, &Entry)> = auths
        .iter()
        .map(|(key, entry)| (Named::of(key), key, entry))
        .filter(|(named, ..)| named.fits(repository))
        .collect();
    fitting.sort_by_key(|(named, ..)| (std::cmp::Reverse(named.path.len()), named.host.contains('*')));
    for (named, key, entry) in fitting {
        let credential = entry.credential().map_err(|reason| StoreError::Credentials {
            registry: repository.registry().to_owned(),
            reason: format!("{file}: auths[{key:?}]: {reason}"),
        })?;
        if let Some(credential) = credential {
            // A pattern names no host and port, so what it holds stays behind TLS (security.md 24).
            let clear_text = match named.with_tls || named.host.contains('*') {
                true => ClearText::Never,
                false => ClearText::Host(repository.registry().to_owned()),
            };
            return Ok(Some((!named.path.is_empty(), Found { credential, clear_text })));
        }
    }
    Ok(None)
}

impl Entry {
    fn credential(&self) -> Result<Option<Credential>, &'static str> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = filled(&self.registrytoken) {
            return Ok(Some(Credential::Bearer(token)));
        }
        if let Some(token) = filled(&self.identitytoken) {
            return Ok(Some(Credential::IdentityToken(token)));
        }
        if let Some(auth) = filled(&self.auth) {
            let bytes = BASE64.decode(auth.trim()).map_err(|_| "auth is no base64")?;
            let text = String::from_utf8(bytes).map_err(|_| "auth holds no text")?;
            let (username, password) = text.split_once(':').ok_or("auth holds no user:password")?;
            // Docker pads passwords with NUL.
            let password = password.trim_end_matches('\0');
            return Ok(Some(Credential::Password {
                username: username.to_owned(),
                password: password.to_owned(),
            }));
        }
        Ok(match (filled(&self.username), filled(&self.password)) {
            (None, None) => None,
            (username, password) => Some(Credential::Password {
                username: username.unwrap_or_default(),
                password: password.unwrap_or_default(),
            }),
        })
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    file.take(DOCKER_CONFIG_LIMIT + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > DOCKER_CONFIG_LIMIT {
        return Err(format!("longer than {DOCKER_CONFIG_LIMIT} bytes"));
    }
    Ok(bytes)
}

/// Where a file is broken, without what stands there: it may be a password.
fn unreadable(error: &serde_json::Error) -> String {
    format!("no docker configuration: broken at line {}, column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests;
