//! What the API server would answer to a GET, from the objects of files.

use serde_json::{Value, json};

/// A path taken apart: which objects of which resource are asked for.
pub(super) struct Asked<'a> {
    /// The API group; empty for the core.
    group: &'a str,
    version: &'a str,
    namespace: Option<&'a str>,
    resource: &'a str,
    pub(super) name: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// Reads a path; `None` for those that ask for a subresource, choose by labels, or name no resource.
    pub(super) fn read(path: &'a str) -> Option<Self> {
        if path.contains('?') {
            return None;
        }
        let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["", "api", version, rest @ ..] => ("", *version, rest),
            ["", "apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, resource, name) = match rest {
            ["namespaces", namespace, resource] => (Some(*namespace), *resource, None),
            ["namespaces", namespace, resource, name] => (Some(*namespace), *resource, Some(*name)),
            [resource] => (None, *resource, None),
            [resource, name] => (None, *resource, Some(*name)),
            _ => return None,
        };
        Some(Self { group, version, namespace, resource, name })
    }

    /// Whether an object is one of those.
    pub(super) fn is_about(&self, object: &Value) -> bool {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let version = match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        };
        let namespace =
            Some(text("/metadata/namespace")).filter(|name| !name.is_empty()).unwrap_or("default");
        // Objects of files often leave out a Namespace's apiVersion where they stand in a test's values.
        let stated = Some(text("/apiVersion")).filter(|version| !version.is_empty()).unwrap_or("v1");
        stated == version
            && plural(text("/kind")) == self.resource
            && self.namespace.is_none_or(|wanted| wanted == namespace)
            && self.name.is_none_or(|wanted| wanted == text("/metadata/name"))
    }

    /// The list of these objects.
    pub(super) fn list(&self, objects: &[&Value]) -> Value {
        let version = match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        };
        let kind =
            objects.first().and_then(|one| one.get("kind")).and_then(Value::as_str).unwrap_or_default();
        json!({"apiVersion": version, "kind": format!("{kind}List"), "metadata": {}, "items": objects})
    }
}

/// The resource of a kind, by the rule that Kubernetes' own names follow.
fn plural(kind: &str) -> String {
    let name = kind.to_lowercase();
    let vowel = |text: &str| text.ends_with(['a', 'e', 'i', 'o', 'u']);
    match name.strip_suffix('y') {
        Some(stem) if !vowel(stem) => format!("{stem}ies"),
        _ if name == "endpoints" => name,
        _ if ["s", "x", "ch", "sh"].iter().any(|end| name.ends_with(end)) => format!("{name}es"),
        _ => format!("{name}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::plural;

    #[test]
    fn resources_are_named_as_kubernetes_names_them() {
        for (kind, resource) in [
            ("Pod", "pods"),
            ("NetworkPolicy", "networkpolicies"),
            ("Ingress", "ingresses"),
            ("Endpoints", "endpoints"),
            ("Gateway", "gateways"),
            ("StorageClass", "storageclasses"),
        ] {
            assert_eq!(plural(kind), resource);
        }
    }
}
