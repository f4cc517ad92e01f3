//! Which resources the kinds that policies name are, as the API server says.

use kube::discovery::Discovery;
use provost_expr::wildcard;
use provost_kyverno::select::parts;

use crate::cluster::{ANSWER_TIME, Cluster, words};

/// The subresource that carries images although no policy need name it.
const EPHEMERAL: &str = "ephemeralcontainers";

/// One kind in one version of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) group: String,
    pub(crate) version: String,
    /// Whether the version is the one that the group recommends.
    pub(crate) recommended: bool,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) subresources: Vec<String>,
}

/// A resource as rules of webhooks name it; `resource` holds a subresource behind a slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
}

/// All kinds that are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(pub(crate) Vec<Kind>);

impl Kinds {
    /// Asks the API server.
    ///
    /// # Errors
    /// Its words.
    pub(crate) async fn read(cluster: &Cluster) -> Result<Self, String> {
        let client = || Discovery::new(cluster.client.clone());
        let reading = async {
            // One request in place of one for each group, where the server is of this decade.
            match client().run_aggregated().await {
                Ok(found) => Ok(found),
                Err(_) => client().run().await,
            }
        };
        let found = match tokio::time::timeout(ANSWER_TIME, reading).await {
            Ok(found) => found.map_err(|error| format!("asking which kinds there are: {}", words(&error)))?,
            Err(_) => return Err("asking which kinds there are: no answer".to_owned()),
        };
        let mut kinds = Vec::new();
        for group in found.groups() {
            for version in group.versions() {
                for (resource, abilities) in group.versioned_resources(version) {
                    let below = abilities.subresources.iter().map(|(one, _)| one.plural.clone());
                    kinds.push(Kind {
                        group: resource.group,
                        version: resource.version,
                        recommended: group.preferred_version_or_latest() == version,
                        kind: resource.kind,
                        plural: resource.plural,
                        subresources: below
                            .map(|name| name.rsplit('/').next().unwrap_or_default().to_owned())
                            .collect(),
                    });
                }
            }
        }
        Ok(Self(kinds))
    }

    /// The resources of a kinds entry; none where nobody serves such a kind.
    pub(crate) fn resolve(&self, entry: &str) -> Vec<Resource> {
        let wanted = parts(entry);
        if (wanted.group, wanted.version, wanted.kind) == ("*", "*", "*") {
            let one = |resource: &str| Resource {
                group: "*".to_owned(),
                version: "*".to_owned(),
                resource: resource.to_owned(),
            };
            return match wanted.subresource {
                "" => vec![one("*"), one(&format!("pods/{EPHEMERAL}"))],
                "*" => vec![one("*/*")],
                sub => vec![one(&format!("*/{sub}"))],
            };
        }
        let named = self.0.iter().filter(|kind| {
            wildcard::matches(wanted.group, &kind.group)
                && wildcard::matches(wanted.kind, &kind.kind)
                && wildcard::matches(wanted.version, &kind.version)
        });
        let mut named: Vec<&Kind> = named.collect();
        // Objects of other versions are converted for webhooks (matchPolicy: Equivalent).
        if wanted.version == "*" {
            let has_recommended = |one: &Kind, all: &[&Kind]| {
                all.iter().any(|kind| kind.recommended && kind.group == one.group && kind.kind == one.kind)
            };
            let all = named.clone();
            named.retain(|kind| kind.recommended || !has_recommended(kind, &all));
        }
        let mut found = Vec::new();
        for kind in named {
            let mut push = |resource: String| {
                found.push(Resource { group: kind.group.clone(), version: kind.version.clone(), resource });
            };
            if wanted.subresource.is_empty() {
                push(kind.plural.clone());
                if kind.group.is_empty() && kind.kind == "Pod" {
                    push(format!("{}/{EPHEMERAL}", kind.plural));
                }
            } else {
                let below =
                    kind.subresources.iter().filter(|name| wildcard::matches(wanted.subresource, name));
                below.for_each(|name| push(format!("{}/{name}", kind.plural)));
            }
        }
        found.sort();
        found.dedup();
        found
    }
}

#[cfg(test)]
pub(crate) fn known() -> Kinds {
    let kind = |group: &str, version: &str, recommended, kind: &str, plural: &str, below: &[&str]| Kind {
        group: group.to_owned(),
        version: version.to_owned(),
        recommended,
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        subresources: below.iter().map(|&name| name.to_owned()).collect(),
    };
    Kinds(vec![
        kind("", "v1", true, "Pod", "pods", &["status", "ephemeralcontainers", "binding"]),
        kind("apps", "v1", true, "Deployment", "deployments", &["status", "scale"]),
        kind("batch", "v1", true, "CronJob", "cronjobs", &["status"]),
        kind("batch", "v1beta1", false, "CronJob", "cronjobs", &["status"]),
        kind("tekton.dev", "v1", true, "Task", "tasks", &[]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(entry: &str) -> Vec<String> {
        let all = known().resolve(entry);
        all.iter().map(|one| format!("{}/{}/{}", one.group, one.version, one.resource)).collect()
    }

    #[test]
    fn kinds_become_resources() {
        assert_eq!(resolved("Pod"), ["/v1/pods", "/v1/pods/ephemeralcontainers"]);
        assert_eq!(resolved("v1/Pod"), ["/v1/pods", "/v1/pods/ephemeralcontainers"]);
        assert_eq!(resolved("Deployment/scale"), ["apps/v1/deployments/scale"]);
        assert_eq!(resolved("CronJob"), ["batch/v1/cronjobs"]);
        assert_eq!(resolved("batch/v1beta1/CronJob"), ["batch/v1beta1/cronjobs"]);
        assert_eq!(resolved("*Job"), ["batch/v1/cronjobs"]);
        assert_eq!(resolved("tekton.dev/v1/Task"), ["tekton.dev/v1/tasks"]);
        assert_eq!(resolved("*"), ["*/*/*", "*/*/pods/ephemeralcontainers"]);
        assert_eq!(resolved("*/*"), ["*/*/*/*"]);
        assert_eq!(resolved("NoSuch"), Vec::<String>::new());
    }
}
