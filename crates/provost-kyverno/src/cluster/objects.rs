//! A cluster made of objects in files, for `review`, `apply` and tests.

use std::collections::BTreeMap;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::global;
use super::listing::Asked;
use super::{Call, Cluster, ClusterError, Method, Roles, Target, User};

/// The objects that exist; anything else does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects {
    objects: Vec<Value>,
    absent: bool,
}

impl Objects {
    /// A cluster of exactly these objects.
    #[must_use]
    pub fn new(objects: Vec<Value>) -> Self {
        Self { objects, absent: false }
    }

    /// No cluster: besides these objects nothing is known, which is not the same as nothing being there.
    #[must_use]
    pub fn absent(objects: Vec<Value>) -> Self {
        Self { objects, absent: true }
    }

    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |o| o.get("kind").and_then(Value::as_str) == Some(kind))
    }

    fn find(
        &self,
        kind: &'static str,
        resource: &'static str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<&Value, ClusterError> {
        let text = |o: &Value, path: &str| o.pointer(path).and_then(Value::as_str).map(str::to_owned);
        self.of_kind(kind)
            .find(|o| {
                let here = text(o, "/metadata/namespace");
                text(o, "/metadata/name").as_deref() == Some(name)
                    && namespace.is_none_or(|wanted| here.as_deref().unwrap_or("default") == wanted)
            })
            .ok_or_else(|| match self.absent {
                true => ClusterError::NoCluster,
                false => ClusterError::NotFound { resource, name: name.to_owned() },
            })
    }
}

/// String fields of an object.
fn strings(value: Option<&Value>) -> BTreeMap<String, String> {
    let fields = value.and_then(Value::as_object).into_iter().flatten();
    fields.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

#[async_trait]
impl Cluster for Objects {
    async fn namespace_labels(&self, name: &str) -> Result<BTreeMap<String, String>, ClusterError> {
        let namespace = self.find("Namespace", "namespaces", None, name)?;
        Ok(strings(namespace.pointer("/metadata/labels")))
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Value, ClusterError> {
        self.find("ConfigMap", "configmaps", Some(namespace), name).cloned()
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, Vec<u8>>, ClusterError> {
        let secret = self.find("Secret", "secrets", Some(namespace), name)?;
        let mut data = BTreeMap::new();
        for (key, text) in strings(secret.get("data")) {
            let bytes = STANDARD.decode(text.trim()).map_err(|e| {
                ClusterError::Unreachable(format!("secret {namespace}/{name}: {key} is no base64: {e}"))
            })?;
            data.insert(key, bytes);
        }
        let plain = strings(secret.get("stringData"));
        data.extend(plain.into_iter().map(|(key, text)| (key, text.into_bytes())));
        Ok(data)
    }

    async fn roles(&self, user: &User) -> Result<Roles, ClusterError> {
        let text =
            |o: &Value, path: &str| o.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let binds = |binding: &Value| {
            let subjects = binding.get("subjects").and_then(Value::as_array);
            subjects.into_iter().flatten().any(|subject| is_user(subject, user))
        };
        let mut roles = Roles::default();
        for binding in self.of_kind("RoleBinding").filter(|b| binds(b)) {
            let name = text(binding, "/roleRef/name");
            match text(binding, "/roleRef/kind").as_str() {
                "ClusterRole" => roles.cluster_roles.push(name),
                _ => roles.roles.push(format!("{}:{name}", text(binding, "/metadata/namespace"))),
            }
        }
        for binding in self.of_kind("ClusterRoleBinding").filter(|b| binds(b)) {
            roles.cluster_roles.push(text(binding, "/roleRef/name"));
        }
        for list in [&mut roles.roles, &mut roles.cluster_roles] {
            list.sort();
            list.dedup();
        }
        Ok(roles)
    }

    /// What an API server with these objects would answer to a GET for one of them, or for all of a resource. Where
    /// there is no cluster, that an object is not among them says nothing.
    async fn call(&self, call: &Call) -> Result<Value, ClusterError> {
        let (Method::Get, Target::Path(path)) = (call.method, &call.target) else {
            return Err(ClusterError::NoCluster);
        };
        let asked = Asked::read(path).ok_or(ClusterError::NoCluster)?;
        let found: Vec<&Value> = self.objects.iter().filter(|object| asked.is_about(object)).collect();
        match (asked.name, found.as_slice()) {
            (Some(_), [one, ..]) => Ok((*one).clone()),
            (Some(name), []) if !self.absent => {
                Err(ClusterError::NotFound { resource: "objects", name: name.to_owned() })
            }
            (None, all) if !self.absent => Ok(asked.list(all)),
            _ => Err(ClusterError::NoCluster),
        }
    }

    async fn global_entry(&self, name: &str, projection: &str) -> Result<Value, ClusterError> {
        let entry = self.find("GlobalContextEntry", "globalcontextentries", None, name)?;
        let (call, listed) = global::source(entry)?;
        let answer = self.call(&call).await?;
        let value = match listed {
            true => answer.get("items").cloned().unwrap_or_default(),
            false => answer,
        };
        global::projected(entry, projection, value)
    }
}

fn is_user(subject: &Value, user: &User) -> bool {
    let text = |name: &str| subject.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("kind") {
        "User" => text("name") == user.name,
        "Group" => user.groups.iter().any(|group| group == text("name")),
        "ServiceAccount" => user.service_account() == Some((text("namespace"), text("name"))),
        _ => false,
    }
}
