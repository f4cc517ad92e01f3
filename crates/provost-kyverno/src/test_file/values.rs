//! Values of a test: what stands in for the request's fields, for context entries and for the cluster.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Mocks, TestFileError, form};
use crate::cluster::{Call, Cluster, ClusterError, Objects, Roles, User};
use crate::policy::Policy;
use crate::request::{Operation, Request, put};

/// Values (cli.kyverno.io/v1alpha1 `Values`). Keys are paths like `request.operation` or `config.data.key`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Values {
    /// For every policy.
    pub global_values: Map<String, Value>,
    /// For single policies.
    pub policies: Vec<OfPolicy>,
    /// Labels of namespaces.
    #[serde(rename = "namespaceSelector")]
    pub namespace_labels: Vec<NamespaceLabels>,
    /// Namespaces, which win over `namespaceSelector`.
    pub namespaces: Vec<Value>,
    subresources: Vec<Value>,
    /// Values given one by one, which win over those of policies and objects.
    #[serde(skip)]
    given: Map<String, Value>,
}

/// Values for one policy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OfPolicy {
    name: String,
    resources: Vec<Named>,
    rules: Vec<Named>,
}

/// Values for one object or one rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Named {
    name: String,
    values: Map<String, Value>,
    /// Read and left aside: verifyImages rules have no foreach.
    #[serde(rename = "foreachValues")]
    _foreach: Map<String, Value>,
}

/// Labels of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NamespaceLabels {
    name: String,
    labels: BTreeMap<String, String>,
}

/// Who asks (cli.kyverno.io/v1alpha1 `UserInfo`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UserInfo {
    roles: Vec<String>,
    cluster_roles: Vec<String>,
    user_info: Who,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Who {
    username: String,
    uid: String,
    groups: Vec<String>,
    extra: Map<String, Value>,
}

const OPERATION: &str = "request.operation";

/// The most names in the path of a value: as deep as YAML itself may nest.
pub const PATH_LIMIT: usize = crate::yaml::DEPTH_LIMIT;

impl Values {
    /// Reads a file of values.
    ///
    /// # Errors
    /// When it has another form.
    pub fn read(path: &str, document: &Value) -> Result<Self, TestFileError> {
        let values: Self = form(path, body("values", "Values", path, document)?)?;
        values.check(path)?;
        Ok(values)
    }

    /// Takes one value, `name=value`.
    ///
    /// # Errors
    /// When it has another form, or names a part of the object, which stands in its file.
    pub fn set(&mut self, pair: &str) -> Result<(), TestFileError> {
        let failed = |reason: String| TestFileError::Form { path: "--set".to_owned(), reason };
        let parts: Vec<&str> = pair.trim().split('=').map(str::trim).collect();
        let [name, value] = parts[..] else {
            return Err(failed(format!("expected NAME=VALUE, found {pair:?}")));
        };
        if name.is_empty() || value.is_empty() {
            return Err(failed(format!("expected NAME=VALUE, found {pair:?}")));
        }
        if name.contains("request.object.") {
            return Err(failed(format!("{name} is part of the object, which stands in its file")));
        }
        if self.given.insert(name.to_owned(), json!(value)).is_some() {
            return Err(failed(format!("{name} is given twice")));
        }
        self.check("--set")
    }

    /// What the form alone does not say.
    pub(super) fn check(&self, file: &str) -> Result<(), TestFileError> {
        if !self.subresources.is_empty() {
            let field = "subresources".to_owned();
            return Err(TestFileError::Unsupported { path: file.to_owned(), field });
        }
        let named = self.policies.iter().flat_map(|p| p.resources.iter().chain(&p.rules));
        for key in
            named.flat_map(|n| n.values.keys()).chain(self.global_values.keys()).chain(self.given.keys())
        {
            let names = path(key).len();
            if names > PATH_LIMIT {
                let reason = format!("a value's path has {names} names, and at most {PATH_LIMIT} are read");
                return Err(TestFileError::Form { path: file.to_owned(), reason });
            }
        }
        let of_objects = self.policies.iter().flat_map(|p| &p.resources).map(|r| &r.values);
        for values in of_objects.chain([&self.global_values, &self.given]) {
            if let Some(value) = values.get(OPERATION)
                && value.as_str().and_then(Operation::named).is_none()
            {
                let reason =
                    format!("{OPERATION}: expected CREATE, UPDATE, DELETE or CONNECT, found {value}");
                return Err(TestFileError::Form { path: file.to_owned(), reason });
            }
        }
        Ok(())
    }

    /// The request as one policy gets to see it. An operation that the expected result names wins.
    pub(crate) fn staged(&self, policy: &Policy, operation: Option<Operation>, request: Request) -> Request {
        let object = request.object_name().to_owned();
        let mut values = self.global_values.clone();
        for own in self.policies.iter().filter(|own| own.name == policy.name) {
            for named in own.resources.iter().filter(|named| named.name == object) {
                values.extend(named.values.clone());
            }
        }
        values.extend(self.given.clone());
        let stated = values.remove(OPERATION).as_ref().and_then(Value::as_str).and_then(Operation::named);
        let mut request = match operation.or(stated) {
            Some(operation) => request.with_operation(operation),
            None => request,
        };
        for (key, value) in &values {
            match path(key).as_slice() {
                ["request", rest @ ..] => put(request.shown(), rest, value),
                whole => request.given.everywhere(whole, value),
            }
        }
        for own in self.policies.iter().filter(|own| own.name == policy.name) {
            for rule in &own.rules {
                for (key, value) in &rule.values {
                    request.given.to_rule(&policy.name, &rule.name, &path(key), value);
                }
            }
        }
        request
    }

    /// The namespaces as objects.
    fn namespaces(&self) -> Vec<Value> {
        let labelled = self
            .namespace_labels
            .iter()
            .map(|n| json!({"kind": "Namespace", "metadata": {"name": n.name, "labels": n.labels}}));
        let whole = self.namespaces.iter().cloned().map(|mut namespace| {
            if let Some(fields) = namespace.as_object_mut() {
                fields.insert("kind".to_owned(), json!("Namespace"));
            }
            namespace
        });
        whole.chain(labelled).collect()
    }
}

impl UserInfo {
    /// Reads a file that says who asks.
    ///
    /// # Errors
    /// When it has another form.
    pub fn read(path: &str, document: &Value) -> Result<Self, TestFileError> {
        form(path, body("userInfo", "UserInfo", path, document)?)
    }

    /// The request as this user makes it.
    pub(crate) fn asks(&self, mut request: Request) -> Request {
        let Who { username, uid, groups, extra } = &self.user_info;
        let mut view = Map::new();
        for (name, value, said) in [
            ("username", json!(username), !username.is_empty()),
            ("uid", json!(uid), !uid.is_empty()),
            ("groups", json!(groups), !groups.is_empty()),
            ("extra", json!(extra), !extra.is_empty()),
        ] {
            if said {
                view.insert(name.to_owned(), value);
            }
        }
        request.fields.insert("userInfo".to_owned(), Value::Object(view));
        request.user = Some(User { name: username.clone(), groups: groups.clone() });
        request
    }
}

/// What a file holds besides saying what it is.
fn body(
    what: &'static str,
    kind: &'static str,
    path: &str,
    document: &Value,
) -> Result<Value, TestFileError> {
    let mut fields = document.as_object().cloned().unwrap_or_default();
    let mut taken = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let (version, found) = (taken("apiVersion"), taken("kind"));
    if version.is_empty() || found.is_empty() {
        return Err(TestFileError::Deprecated { what, path: path.to_owned() });
    }
    if found != kind {
        return Err(TestFileError::Kind { path: path.to_owned(), expected: kind, found });
    }
    fields.remove("metadata");
    fields.retain(|_, value| !value.is_null());
    Ok(Value::Object(fields))
}

/// The names of a path: parted by dots, except between double quotes.
fn path(key: &str) -> Vec<&str> {
    let mut quoted = false;
    let names = key.split(|c: char| {
        quoted ^= c == '"';
        c == '.' && !quoted
    });
    names.map(|name| name.trim_matches('"')).collect()
}

/// The cluster of a test: the objects it names, and the roles it says its user has.
pub struct Staged {
    objects: Objects,
    roles: Option<Roles>,
    mocks: Mocks,
}

impl Staged {
    /// The cluster of these objects, values and user. Where the objects are not all there is, nothing is known of others,
    /// which is not the same as their not being there.
    #[must_use]
    pub fn new(
        objects: Vec<Value>,
        all: bool,
        mocks: Mocks,
        values: &Values,
        user: Option<&UserInfo>,
    ) -> Self {
        let known: Vec<Value> = values.namespaces().into_iter().chain(objects).collect();
        let roles =
            user.map(|user| Roles { roles: user.roles.clone(), cluster_roles: user.cluster_roles.clone() });
        let objects = if all { Objects::new(known) } else { Objects::absent(known) };
        Self { objects, roles, mocks }
    }
}

#[async_trait]
impl Cluster for Staged {
    async fn namespace_labels(&self, name: &str) -> Result<BTreeMap<String, String>, ClusterError> {
        self.objects.namespace_labels(name).await
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Value, ClusterError> {
        self.objects.config_map(namespace, name).await
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, Vec<u8>>, ClusterError> {
        self.objects.secret(namespace, name).await
    }

    async fn roles(&self, user: &User) -> Result<Roles, ClusterError> {
        match &self.roles {
            Some(roles) => Ok(roles.clone()),
            None => self.objects.roles(user).await,
        }
    }

    async fn call(&self, call: &Call) -> Result<Value, ClusterError> {
        match self.mocks.call(call) {
            Some(answered) => answered,
            None => self.objects.call(call).await,
        }
    }

    async fn global_entry(&self, name: &str, projection: &str) -> Result<Value, ClusterError> {
        match self.mocks.global(name, projection) {
            Some(answered) => answered,
            None => self.objects.global_entry(name, projection).await,
        }
    }
}
