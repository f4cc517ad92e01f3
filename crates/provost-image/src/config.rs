//! The configuration of an image: what runs and how, the layers below it, and how each came about.

use std::collections::BTreeMap;

use provost_oci::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The whole configuration, in the image specification's words. Fields this builder does not know are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) created: Option<String>,
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) config: Option<Runtime>,
    #[serde(default)]
    pub(crate) rootfs: RootFs,
    #[serde(default)]
    pub(crate) history: Option<Vec<History>>,
    #[serde(flatten)]
    pub(crate) rest: BTreeMap<String, Value>,
}

/// Fields of Docker's own that describe the container a base image was made in, and would be false of ours.
const OF_THE_BASE_ALONE: [&str; 5] = ["id", "parent", "container", "container_config", "docker_version"];

impl Config {
    /// Takes away what is true of the base image alone.
    pub(crate) fn forget_origin(&mut self) {
        for field in OF_THE_BASE_ALONE {
            self.rest.remove(field);
        }
    }
}

/// The digests of the uncompressed layers, bottom first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    pub(crate) diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".to_owned(), diff_ids: Vec::new() }
    }
}

/// One step of how an image came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) empty_layer: bool,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl History {
    /// What an instruction did; without a layer where it only changed the configuration.
    pub(crate) fn of(created: &str, created_by: &str, empty_layer: bool) -> Self {
        Self {
            created: Some(created.to_owned()),
            created_by: Some(created_by.to_owned()),
            empty_layer,
            rest: BTreeMap::new(),
        }
    }
}

/// What runs, and how. Docker writes `null` for what is not set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Runtime {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exposed_ports: Option<BTreeMap<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) env: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entrypoint: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cmd: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) working_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl Runtime {
    /// The value of an environment variable.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let each = self.env.iter().flatten().filter_map(|entry| entry.split_once('='));
        each.filter(|(key, _)| *key == name).map(|(_, value)| value).next_back()
    }

    /// Sets an environment variable, in its old place where it has one.
    pub(crate) fn set_variable(&mut self, name: &str, value: &str) {
        let entry = format!("{name}={value}");
        let all = self.env.get_or_insert_default();
        match all.iter_mut().find(|old| old.split_once('=').is_some_and(|(key, _)| key == name)) {
            Some(old) => *old = entry,
            None => all.push(entry),
        }
    }

    /// The folder relative paths begin in.
    pub(crate) fn folder(&self) -> &str {
        self.working_dir.as_deref().filter(|folder| !folder.is_empty()).unwrap_or("/")
    }
}
