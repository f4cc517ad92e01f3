//! `kyverno-test.yaml`: what a test of policies names, and what it expects.

pub mod case;
mod difference;
pub mod mocks;
pub mod print;
pub mod selector;
pub mod values;

use serde::Deserialize;
use serde_json::Value;

use crate::outcome::Status;
use crate::request::Operation;

pub use case::{Case, Report, Row};
pub use mocks::{ApiResponse, GlobalValue, Mocks};
pub use selector::Selector;
pub use values::{UserInfo, Values};

/// Fields of a test that are about other kinds of policies, or stand in for what is not supported.
const UNSUPPORTED: [&str; 7] = [
    "context",
    "envoyPayloads",
    "httpPayloads",
    "jsonPayload",
    "jsonPayloads",
    "paramResources",
    "targetResources",
];

/// Fields of an expected result that are about other kinds of policies.
const UNSUPPORTED_IN_RESULTS: [&str; 10] = [
    "cloneSourceResource",
    "generatedResource",
    "generatedResources",
    "isDeletingPolicy",
    "isGeneratingPolicy",
    "isImageValidatingPolicy",
    "isMutatingAdmissionPolicy",
    "isMutatingPolicy",
    "isValidatingAdmissionPolicy",
    "isValidatingPolicy",
];

/// A test (cli.kyverno.io/v1alpha1 `Test`). Paths are relative to the folder of its file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TestFile {
    api_version: String,
    kind: String,
    metadata: Value,
    /// The old place of the name.
    #[serde(rename = "name")]
    old_name: String,
    /// Files and folders with policies.
    pub policies: Vec<String>,
    /// Files and folders with objects.
    pub resources: Vec<String>,
    /// The file with values, where none are given here.
    pub variables: Option<String>,
    /// Values.
    pub values: Option<Values>,
    /// The file that says who asks.
    #[serde(rename = "userinfo")]
    pub user: Option<String>,
    /// Files and folders with exceptions.
    pub exceptions: Vec<String>,
    /// Files with the objects of the cluster.
    pub cluster_resources: Vec<String>,
    /// Answers in place of those of an API server and of services.
    pub api_call_responses: Vec<ApiResponse>,
    /// Values of global context entries.
    pub global_context_entries: Vec<GlobalValue>,
    /// What is expected.
    pub results: Vec<Expected>,
}

/// One expected result.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expected {
    /// `name`, or `namespace/name`.
    pub policy: String,
    /// The rule, without the prefix of generated ones; empty for every rule.
    #[serde(default)]
    pub rule: String,
    /// The kind of the objects. It does not choose among objects that are named, as in Kyverno.
    #[serde(default)]
    pub kind: String,
    /// `name` or `namespace/name` of objects; with no object named, all are meant.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Objects by version, namespace and name.
    #[serde(default)]
    pub resource_specs: Vec<ResourceSpec>,
    /// The result.
    #[serde(deserialize_with = "status")]
    pub result: Status,
    /// The operation, where it is not the one of the values.
    #[serde(default, deserialize_with = "operation")]
    pub operation: Option<Operation>,
    /// The file with the objects as they should come out.
    #[serde(default)]
    pub patched_resources: Option<String>,
    /// Read for compatibility: an object that is missing in `patchedResources` always fails.
    #[serde(default)]
    pub fail_on_missing_resources: bool,
}

/// An object of an expected result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceSpec {
    /// The API group; empty for the core.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind, which Kyverno does not read either.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// Why a document is no test, or names what is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TestFileError {
    /// It lacks apiVersion or kind, or has its name at the old place.
    #[error("{what} file {path} uses a deprecated schema — please migrate to the latest format")]
    Deprecated {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: String,
    },
    /// It is of another kind.
    #[error("{path}: expected kind {expected}, found {found:?}")]
    Kind {
        /// The file.
        path: String,
        /// What was expected.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// It uses a field that is about other policies than those of images, or not supported yet.
    #[error("{path}: {field} is not supported")]
    Unsupported {
        /// The file.
        path: String,
        /// The field.
        field: String,
    },
    /// It has another form.
    #[error("{path}: {reason}")]
    Form {
        /// The file.
        path: String,
        /// What is wrong, in the reader's words.
        reason: String,
    },
}

impl TestFile {
    /// Reads a test.
    ///
    /// # Errors
    /// When the document has another form or uses what is not supported; unknown fields are refused, as in Kyverno.
    pub fn read(path: &str, document: &Value) -> Result<Self, TestFileError> {
        let unsupported = |field: String| TestFileError::Unsupported { path: path.to_owned(), field };
        if let Some(field) = UNSUPPORTED.into_iter().find(|field| is_set(document.get(field))) {
            return Err(unsupported(field.to_owned()));
        }
        let results = document.get("results").and_then(Value::as_array);
        for (index, result) in results.into_iter().flatten().enumerate() {
            let used = |field: &&str| is_set(result.get(field));
            if let Some(field) = UNSUPPORTED_IN_RESULTS.into_iter().find(used) {
                return Err(unsupported(format!("results[{index}].{field}")));
            }
        }
        let mut document = document.clone();
        let fields = document.as_object_mut().into_iter();
        for fields in fields {
            fields.retain(|name, value| !value.is_null() && !UNSUPPORTED.contains(&name.as_str()));
        }
        let results = document.get_mut("results").and_then(Value::as_array_mut);
        for fields in results.into_iter().flatten().filter_map(Value::as_object_mut) {
            fields.retain(|name, value| !value.is_null() && !UNSUPPORTED_IN_RESULTS.contains(&name.as_str()));
        }
        let mut test: Self = form(path, document)?;
        for list in [&mut test.policies, &mut test.resources] {
            let mut seen = std::collections::BTreeSet::new();
            list.retain(|one| seen.insert(one.clone()));
        }
        if let Some(values) = &test.values {
            values.check(path)?;
        }
        mocks::check(path, &test.api_call_responses, &test.global_context_entries)?;
        Ok(test)
    }

    /// The test's name; empty where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it is written in the form that Kyverno still reads.
    ///
    /// # Errors
    /// When it lacks apiVersion or kind, has its name at the old place, or is of another kind.
    pub fn check_schema(&self, path: &str) -> Result<(), TestFileError> {
        if self.api_version.is_empty() || self.kind.is_empty() || !self.old_name.is_empty() {
            return Err(TestFileError::Deprecated { what: "test", path: path.to_owned() });
        }
        if self.kind != "Test" {
            let found = self.kind.clone();
            return Err(TestFileError::Kind { path: path.to_owned(), expected: "Test", found });
        }
        Ok(())
    }
}

/// Whether a field says anything: absent, false and empty ones do not.
fn is_set(field: Option<&Value>) -> bool {
    match field {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    }
}

/// A document in its typed form.
fn form<T: serde::de::DeserializeOwned>(path: &str, document: Value) -> Result<T, TestFileError> {
    serde_json::from_value(document)
        .map_err(|e| TestFileError::Form { path: path.to_owned(), reason: e.to_string() })
}

fn status<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Status, D::Error> {
    let name = String::deserialize(from)?;
    let all = [Status::Pass, Status::Fail, Status::Warn, Status::Error, Status::Skip];
    all.into_iter().find(|status| status.name() == name).ok_or_else(|| {
        serde::de::Error::custom(format!("result: expected pass, fail, warn, error or skip, found {name:?}"))
    })
}

fn operation<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Operation>, D::Error> {
    let name = String::deserialize(from)?;
    match Operation::named(&name) {
        _ if name.is_empty() => Ok(None),
        Some(Operation::Connect) | None => Err(serde::de::Error::custom(format!(
            "operation: expected CREATE, UPDATE or DELETE, found {name:?}"
        ))),
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests;
