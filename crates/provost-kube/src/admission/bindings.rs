//! Which roles are bound to whom, found by the user in place of by the binding.

use std::collections::{BTreeMap, HashMap};

use provost_kyverno::cluster::{Roles, User};
use serde_json::Value;

use super::kept::Name;

/// A role: `namespace:name`, or the name of a cluster role.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Namespaced(String),
    Cluster(String),
}

/// All bindings, by their subjects.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    users: HashMap<String, Vec<Role>>,
    groups: HashMap<String, Vec<Role>>,
    accounts: HashMap<Name, Vec<Role>>,
}

impl Bindings {
    /// The bindings in these objects.
    pub(super) fn of<'a>(objects: impl Iterator<Item = (&'a Name, &'a Value)>) -> Self {
        let mut all = Self::default();
        for ((namespace, _), binding) in objects {
            let text = |value: &Value, name: &str| {
                value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let reference = binding.get("roleRef").unwrap_or(&Value::Null);
            let name = text(reference, "name");
            let role = match text(reference, "kind").as_str() {
                "ClusterRole" => Role::Cluster(name),
                _ => Role::Namespaced(format!("{namespace}:{name}")),
            };
            for subject in binding.get("subjects").and_then(Value::as_array).into_iter().flatten() {
                let (name, role) = (text(subject, "name"), role.clone());
                match text(subject, "kind").as_str() {
                    "User" => all.users.entry(name).or_default().push(role),
                    "Group" => all.groups.entry(name).or_default().push(role),
                    "ServiceAccount" => {
                        all.accounts.entry((text(subject, "namespace"), name)).or_default().push(role);
                    }
                    _ => {}
                }
            }
        }
        all
    }

    /// The roles of a user.
    pub(super) fn roles(&self, user: &User) -> Roles {
        let own = self.users.get(&user.name).into_iter().flatten();
        let groups = user.groups.iter().filter_map(|group| self.groups.get(group)).flatten();
        let account = user
            .service_account()
            .and_then(|(namespace, name)| self.accounts.get(&(namespace.to_owned(), name.to_owned())));
        let mut roles = Roles::default();
        for role in own.chain(groups).chain(account.into_iter().flatten()) {
            match role {
                Role::Namespaced(name) => roles.roles.push(name.clone()),
                Role::Cluster(name) => roles.cluster_roles.push(name.clone()),
            }
        }
        for list in [&mut roles.roles, &mut roles.cluster_roles] {
            list.sort();
            list.dedup();
        }
        roles
    }
}

/// Objects of several kinds by name, as they are watched.
pub(super) type Objects = BTreeMap<Name, Value>;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_user_has_the_roles_of_its_groups_and_its_account() {
        let binding = |kind: &str, name: &str, subject: Value| json!({"roleRef": {"kind": kind, "name": name}, "subjects": [subject]});
        let objects: Objects = [
            ("a", binding("Role", "editor", json!({"kind": "User", "name": "ann"}))),
            ("b", binding("ClusterRole", "viewer", json!({"kind": "Group", "name": "team"}))),
            (
                "c",
                binding("Role", "robot", json!({"kind": "ServiceAccount", "namespace": "ci", "name": "bot"})),
            ),
        ]
        .into_iter()
        .map(|(name, value)| (("ns".to_owned(), name.to_owned()), value))
        .collect();
        let bindings = Bindings::of(objects.iter());
        let user = |name: &str, groups: &[&str]| User {
            name: name.to_owned(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        };
        let ann = bindings.roles(&user("ann", &["team", "other"]));
        assert_eq!((ann.roles, ann.cluster_roles), (vec!["ns:editor".to_owned()], vec!["viewer".to_owned()]));
        let bot = bindings.roles(&user("system:serviceaccount:ci:bot", &[]));
        assert_eq!(bot.roles, ["ns:robot"]);
        assert_eq!(bindings.roles(&user("bot", &[])), Roles::default());
    }
}
