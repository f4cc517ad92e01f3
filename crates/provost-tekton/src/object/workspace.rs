//! Folders a run shares: workspaces, volumes, and the Secrets and ConfigMaps that fill them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Metadata, Rest, nullable};

/// A workspace a Task or Pipeline declares.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceDeclaration {
    /// Its name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Where the steps see it; `/workspace/NAME` where empty.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub mount_path: String,
    /// Whether the steps may only read it.
    #[serde(default, deserialize_with = "nullable")]
    pub read_only: bool,
    /// Whether a run may leave it out.
    #[serde(default, deserialize_with = "nullable")]
    pub optional: bool,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What a run gives for a workspace.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceBinding {
    /// The workspace.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Which part of what is given.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub sub_path: String,
    /// A fresh folder for each TaskRun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<Value>,
    /// A fresh folder for the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_claim_template: Option<Value>,
    /// A Secret's data as files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretSource>,
    /// A ConfigMap's data as files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A volume of a Task.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Its name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// A fresh folder for each TaskRun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<Value>,
    /// A Secret's data as files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretSource>,
    /// A ConfigMap's data as files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A Secret as a folder.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretSource {
    /// The Secret's name.
    #[serde(default, deserialize_with = "nullable")]
    pub secret_name: String,
    /// Which keys, under which names; all of them where empty.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<KeyToPath>,
    /// Whether the Secret may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A ConfigMap as a folder.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapSource {
    /// The ConfigMap's name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Which keys, under which names; all of them where empty.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<KeyToPath>,
    /// Whether the ConfigMap may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A key of a Secret or ConfigMap, and the file it becomes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyToPath {
    /// The key.
    #[serde(default, deserialize_with = "nullable")]
    pub key: String,
    /// The file, relative to the folder.
    #[serde(default, deserialize_with = "nullable")]
    pub path: String,
}

/// A Secret.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// The object's metadata.
    #[serde(default)]
    pub metadata: Metadata,
    /// The data, each value in base64.
    #[serde(default, deserialize_with = "nullable")]
    pub data: BTreeMap<String, String>,
    /// Data as plain text; wins over `data`.
    #[serde(default, deserialize_with = "nullable")]
    pub string_data: BTreeMap<String, String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

// A secret's values stay out of every message, so this names the keys only.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<&String> = self.data.keys().chain(self.string_data.keys()).collect();
        f.debug_struct("Secret")
            .field("name", &self.metadata.name)
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

/// A ConfigMap.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMap {
    /// The object's metadata.
    #[serde(default)]
    pub metadata: Metadata,
    /// The data, as text.
    #[serde(default, deserialize_with = "nullable")]
    pub data: BTreeMap<String, String>,
    /// The data that is no text, each value in base64.
    #[serde(default, deserialize_with = "nullable")]
    pub binary_data: BTreeMap<String, String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
