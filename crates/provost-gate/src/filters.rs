//! Requests that Kyverno's ConfigMap leaves out: `resourceFilters`, and users that are excluded.

use std::collections::BTreeMap;

use provost_expr::wildcard;
use provost_kyverno::cluster::{Roles, User};
use provost_kyverno::{Request, select};

/// What is not judged at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    resources: Vec<Resource>,
    groups: Names,
    users: Names,
    roles: Names,
    cluster_roles: Names,
}

/// One of `resourceFilters`: `[Kind,namespace,name]`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Resource {
    kind: String,
    namespace: String,
    name: String,
}

/// Wildcards of names, those behind a `!` taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Names {
    given: Vec<String>,
    taken_back: Vec<String>,
}

impl Names {
    fn read(text: Option<&String>) -> Self {
        let mut names = Self::default();
        let parts = text.map(String::as_str).unwrap_or_default().split(',').map(str::trim);
        for part in parts.filter(|part| !part.is_empty()) {
            match part.strip_prefix('!') {
                Some(name) => names.taken_back.push(name.to_owned()),
                None => names.given.push(part.to_owned()),
            }
        }
        names
    }

    fn hold(&self, name: &str) -> bool {
        let any = |all: &[String]| all.iter().any(|one| wildcard::matches(one, name));
        any(&self.given) && !any(&self.taken_back)
    }
}

impl Filters {
    /// Reads the keys of Kyverno's ConfigMap that say what is left out.
    #[must_use]
    pub fn read(data: &BTreeMap<String, String>) -> Self {
        Self {
            resources: resources(data.get("resourceFilters").map(String::as_str).unwrap_or_default()),
            groups: Names::read(data.get("excludeGroups")),
            users: Names::read(data.get("excludeUsernames")),
            roles: Names::read(data.get("excludeRoles")),
            cluster_roles: Names::read(data.get("excludeClusterRoles")),
        }
    }

    /// Whether roles have to be asked for.
    #[must_use]
    pub fn by_roles(&self) -> bool {
        !self.roles.given.is_empty() || !self.cluster_roles.given.is_empty()
    }

    /// Whether the object of this request is left out.
    #[must_use]
    pub fn leave_out(&self, request: &Request) -> bool {
        let name = request.object_name();
        self.resources.iter().any(|one| {
            if !select::kind_matches(&one.kind, request) {
                return false;
            }
            // A namespace lies in itself, as far as filters go.
            let itself = request.kind.kind == "Namespace" && wildcard::matches(&one.namespace, name);
            itself
                || (wildcard::matches(&one.namespace, &request.namespace)
                    && wildcard::matches(&one.name, name))
        })
    }

    /// Whether this user is left out, whose roles are given where they were asked for.
    #[must_use]
    pub fn leave_out_user(&self, user: &User, roles: &Roles) -> bool {
        self.users.hold(&user.name)
            || user.groups.iter().any(|group| self.groups.hold(group))
            || roles.roles.iter().any(|role| self.roles.hold(role))
            || roles.cluster_roles.iter().any(|role| self.cluster_roles.hold(role))
    }
}

/// Every `[Kind,namespace,name]` of a text; what stands between them does not count.
fn resources(text: &str) -> Vec<Resource> {
    let inside = text.split('[').skip(1).filter_map(|rest| rest.split_once(']')).map(|(inside, _)| inside);
    inside
        .map(|inside| {
            let mut parts = inside.split(',').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_owned();
            // Kyverno lets namespace and name be left out, and takes an empty part for everything.
            let mut part = || match parts.next() {
                None | Some("") => "*".to_owned(),
                Some(part) => part.to_owned(),
            };
            let (namespace, name) = (part(), part());
            Resource { kind, namespace, name }
        })
        .filter(|one| !one.kind.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filters(key: &str, text: &str) -> Filters {
        Filters::read(&BTreeMap::from([(key.to_owned(), text.to_owned())]))
    }

    fn object(version: &str, kind: &str, namespace: &str, name: &str) -> Request {
        Request::of_object(&json!({"apiVersion": version, "kind": kind,
            "metadata": {"namespace": namespace, "name": name}}))
    }

    #[test]
    fn kinds_namespaces_and_names_are_left_out() {
        let filters =
            filters("resourceFilters", "[Event,*,*] [*/*,kube-system,*]\n[ReplicaSet,*,*][Pod,ci,tmp-*]");
        assert!(filters.leave_out(&object("v1", "Event", "a", "b")));
        assert!(filters.leave_out(&object("v1", "Pod", "kube-system", "b")));
        assert!(filters.leave_out(&object("v1", "Namespace", "", "kube-system")));
        assert!(filters.leave_out(&object("apps/v1", "ReplicaSet", "a", "b")));
        assert!(filters.leave_out(&object("v1", "Pod", "ci", "tmp-1")));
        assert!(!filters.leave_out(&object("v1", "Pod", "ci", "app")));
        assert!(!Filters::default().leave_out(&object("v1", "Pod", "kube-system", "b")));
        assert!(!filters.leave_out(&object("v1", "Namespace", "", "ci")));
    }

    #[test]
    fn users_are_left_out_and_taken_back() {
        let filters = filters("excludeGroups", "system:nodes, team-*,!team-b");
        let user = |group: &str| User { name: "u".to_owned(), groups: vec![group.to_owned()] };
        let roles = Roles::default();
        assert!(filters.leave_out_user(&user("system:nodes"), &roles));
        assert!(filters.leave_out_user(&user("team-a"), &roles));
        assert!(!filters.leave_out_user(&user("team-b"), &roles));
        assert!(!filters.by_roles() && self::filters("excludeRoles", "ns:x").by_roles());
    }
}
