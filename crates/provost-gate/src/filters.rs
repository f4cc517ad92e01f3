//! What is let through without being judged: our own namespace, and what Kyverno's ConfigMap leaves out.

use std::collections::BTreeMap;

use provost_expr::wildcard;
use provost_kyverno::cluster::Roles;
use provost_kyverno::select::kind_matches;
use provost_kyverno::{Cluster, ClusterError, Request};

/// The filters of Kyverno's own ConfigMap, without those for the chart's own objects.
pub const DEFAULT_RESOURCE_FILTERS: &str = "[Event,*,*] [*/*,kube-system,*] [*/*,kube-public,*] [*/*,kube-node-lease,*] \
[Node,*,*] [Node/?*,*,*] [APIService,*,*] [APIService/?*,*,*] [TokenReview,*,*] [SubjectAccessReview,*,*] \
[SelfSubjectAccessReview,*,*] [Binding,*,*] [Pod/binding,*,*] [ReplicaSet,*,*] [ReplicaSet/?*,*,*] \
[EphemeralReport,*,*] [ClusterEphemeralReport,*,*]";
/// The groups that Kyverno's own ConfigMap leaves out: nodes bring mirrors of their static Pods.
pub const DEFAULT_EXCLUDED_GROUPS: &str = "system:nodes";

/// What is let through without being judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Our own namespace, which rights guard (security.md 14); empty where there is no cluster.
    pub own_namespace: String,
    /// `resourceFilters`.
    pub resources: Vec<Resources>,
    /// Who is left out.
    pub excluded: Who,
    /// Who is judged all the same: entries that begin with `!`.
    pub included: Who,
}

/// One `[kind,namespace,name]` of `resourceFilters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// The kind, with group, version and subresource as policies write it.
    pub kind: String,
    /// A pattern of namespaces.
    pub namespace: String,
    /// A pattern of names.
    pub name: String,
}

/// Patterns of those who ask; any of them suffices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// User names.
    pub usernames: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// Roles, `namespace:name`.
    pub roles: Vec<String>,
    /// Cluster roles.
    pub cluster_roles: Vec<String>,
}

impl Filters {
    /// What the `data` of Kyverno's ConfigMap says. A key that is not there says nothing, as in Kyverno.
    #[must_use]
    pub fn of_config_map(own_namespace: &str, data: &BTreeMap<String, String>) -> Self {
        let text = |key: &str| data.get(key).map(String::as_str).unwrap_or_default();
        let mut filters = Self {
            own_namespace: own_namespace.to_owned(),
            resources: resources(text("resourceFilters")),
            ..Self::default()
        };
        let Self { excluded, included, .. } = &mut filters;
        for (key, out, again) in [
            ("excludeUsernames", &mut excluded.usernames, &mut included.usernames),
            ("excludeGroups", &mut excluded.groups, &mut included.groups),
            ("excludeRoles", &mut excluded.roles, &mut included.roles),
            ("excludeClusterRoles", &mut excluded.cluster_roles, &mut included.cluster_roles),
        ] {
            for entry in text(key).split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
                match entry.strip_prefix('!') {
                    Some("") => {}
                    Some(entry) => again.push(entry.to_owned()),
                    None => out.push(entry.to_owned()),
                }
            }
        }
        filters
    }

    /// What Kyverno's own ConfigMap says, for clusters that have none.
    #[must_use]
    pub fn of_kyverno(own_namespace: &str) -> Self {
        let data =
            [("resourceFilters", DEFAULT_RESOURCE_FILTERS), ("excludeGroups", DEFAULT_EXCLUDED_GROUPS)];
        Self::of_config_map(own_namespace, &data.map(|(key, text)| (key.to_owned(), text.to_owned())).into())
    }

    /// Whether a request is let through. The cluster is asked for the user's roles only where a filter names roles.
    ///
    /// # Errors
    /// When it did not say them.
    pub async fn pass(&self, request: &Request, cluster: &dyn Cluster) -> Result<bool, ClusterError> {
        if !self.own_namespace.is_empty() && request.namespace == self.own_namespace {
            return Ok(true);
        }
        if self.resources.iter().any(|filter| filter.takes(request)) {
            return Ok(true);
        }
        let Some(user) = &request.user else { return Ok(false) };
        let by_roles = [&self.excluded, &self.included].iter().any(|who| who.names_roles());
        if !self.excluded.is_anybody() {
            return Ok(false);
        }
        let roles = if by_roles { cluster.roles(user).await? } else { Roles::default() };
        let is = |who: &Who| who.is(&user.name, &user.groups, &roles);
        Ok(!is(&self.included) && is(&self.excluded))
    }
}

impl Resources {
    fn takes(&self, request: &Request) -> bool {
        if !kind_matches(&self.kind, request) {
            return false;
        }
        let name = &request.name;
        // A namespace is in itself, so that a filter of all that is in one takes the namespace too.
        let is_namespace = request.kind.group.is_empty() && request.kind.kind == "Namespace";
        (wildcard::matches(&self.namespace, &request.namespace) && wildcard::matches(&self.name, name))
            || (is_namespace && wildcard::matches(&self.namespace, name))
    }
}

impl Who {
    fn names_roles(&self) -> bool {
        !self.roles.is_empty() || !self.cluster_roles.is_empty()
    }

    fn is_anybody(&self) -> bool {
        self.names_roles() || !self.usernames.is_empty() || !self.groups.is_empty()
    }

    fn is(&self, username: &str, groups: &[String], roles: &Roles) -> bool {
        let any = |patterns: &[String], found: &[String]| {
            patterns.iter().any(|pattern| found.iter().any(|one| wildcard::matches(pattern, one)))
        };
        self.usernames.iter().any(|pattern| wildcard::matches(pattern, username))
            || any(&self.groups, groups)
            || any(&self.roles, &roles.roles)
            || any(&self.cluster_roles, &roles.cluster_roles)
    }
}

/// The filters of a text: `[kind,namespace,name]`, of which namespace and name may be left out.
fn resources(text: &str) -> Vec<Resources> {
    let mut found = Vec::new();
    for part in text.split('[').skip(1) {
        let Some((inner, _)) = part.split_once(']') else { continue };
        let mut fields = inner.split(',').map(str::trim);
        let kind = fields.next().unwrap_or_default();
        if kind.is_empty() {
            continue;
        }
        let or_any = |field: Option<&str>| field.unwrap_or("*").to_owned();
        let (namespace, name) = (or_any(fields.next()), or_any(fields.next()));
        found.push(Resources { kind: kind.to_owned(), namespace, name });
    }
    found
}

#[cfg(test)]
mod tests;
