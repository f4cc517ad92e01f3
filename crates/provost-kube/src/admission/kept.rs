//! Watching the objects that the gate goes by: listed, then followed, and begun again where a watch was lost.

use std::time::Duration;

use futures_util::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{Config, Error as WatchError, Event, watcher};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::cluster::{Cluster, words};

/// How many objects one answer of a list holds: policies have a few KiB, the largest 1.5 MiB.
const PAGE: u32 = 200;
/// How long a watch is kept before it is begun again where it was, in seconds: a connection that died without a word is
/// noticed after [`crate::cluster::SILENCE`], which is longer.
pub(super) const WATCH_TIME: u32 = 30;
/// How long after a failed attempt a watch is begun again, at first and at most: an API server that is restarted is back in
/// seconds, and a policy that changed meanwhile must not wait long.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// How often it is looked whether a kind that is not served has come.
const ABSENT_AGAIN: Duration = Duration::from_secs(1);
/// How many changes wait before watches are read no further.
pub(super) const CHANGES: usize = 256;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum What {
    ClusterPolicies,
    Policies,
    Exceptions,
    Namespaces,
    RoleBindings,
    ClusterRoleBindings,
    GlobalEntries,
    /// The ConfigMap with Kyverno's keys.
    Settings,
}

impl What {
    pub(super) const ALL: [Self; 8] = [
        Self::ClusterPolicies,
        Self::Policies,
        Self::Exceptions,
        Self::Namespaces,
        Self::RoleBindings,
        Self::ClusterRoleBindings,
        Self::GlobalEntries,
        Self::Settings,
    ];

    /// Group, the versions that may be served with the best first, kind and plural.
    fn names(self) -> (&'static str, &'static [&'static str], &'static str, &'static str) {
        const KYVERNO: &str = "kyverno.io";
        const RBAC: &str = "rbac.authorization.k8s.io";
        match self {
            Self::ClusterPolicies => (KYVERNO, &["v1", "v2beta1"], "ClusterPolicy", "clusterpolicies"),
            Self::Policies => (KYVERNO, &["v1", "v2beta1"], "Policy", "policies"),
            Self::Exceptions => (KYVERNO, &["v2", "v2beta1"], "PolicyException", "policyexceptions"),
            Self::GlobalEntries => {
                (KYVERNO, &["v2", "v2beta1", "v2alpha1"], "GlobalContextEntry", "globalcontextentries")
            }
            Self::Namespaces => ("", &["v1"], "Namespace", "namespaces"),
            Self::RoleBindings => (RBAC, &["v1"], "RoleBinding", "rolebindings"),
            Self::ClusterRoleBindings => (RBAC, &["v1"], "ClusterRoleBinding", "clusterrolebindings"),
            Self::Settings => ("", &["v1"], "ConfigMap", "configmaps"),
        }
    }

    /// The name of all of them, for people.
    pub(super) fn plural(self) -> &'static str {
        self.names().3
    }

    /// The resource in one of its versions.
    pub(super) fn resource(self, version: &str) -> ApiResource {
        let (group, _, kind, plural) = self.names();
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") },
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }
}

/// Namespace, empty where it has none, and name.
pub(super) type Name = (String, String);

/// Something the cluster said.
#[derive(Debug)]
pub(super) enum Told {
    /// An object was made or changed.
    Changed(What, Name, Value),
    /// An object is there no more.
    Gone(What, Name),
    /// All that there is.
    All(What, Vec<(Name, Value)>),
    /// Key material changed that policies name.
    Material,
    /// A watch failed and is begun again.
    Trouble(String),
}

/// Follows all objects of a kind, or the one of this namespace and name, until nobody listens any more.
pub(super) async fn follow(cluster: Cluster, what: What, one: Option<Name>, told: mpsc::Sender<Told>) {
    let mut was_absent = false;
    loop {
        let version = match served(&cluster, what).await {
            Ok(Some(version)) => version,
            Ok(None) => {
                // A kind that nobody defined has no objects.
                if !was_absent && told.send(Told::All(what, Vec::new())).await.is_err() {
                    return;
                }
                was_absent = true;
                tokio::time::sleep(ABSENT_AGAIN).await;
                continue;
            }
            Err(cause) => {
                let trouble = format!("looking for {}: {cause}", what.plural());
                if told.send(Told::Trouble(trouble)).await.is_err() {
                    return;
                }
                tokio::time::sleep(AGAIN.1).await;
                continue;
            }
        };
        was_absent = false;
        if watch(&cluster, what, version, one.as_ref(), &told).await.is_err() {
            return;
        }
    }
}

/// The best version of a kind that the API server has.
async fn served(cluster: &Cluster, what: What) -> Result<Option<&'static str>, String> {
    let (group, versions, _, plural) = what.names();
    if group.is_empty() {
        return Ok(versions.first().copied());
    }
    for version in versions {
        match cluster.client.list_api_group_resources(&format!("{group}/{version}")).await {
            Ok(list) if list.resources.iter().any(|one| one.name == plural) => return Ok(Some(version)),
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(words(&error)),
        }
    }
    Ok(None)
}

/// Nobody listens any more.
struct Unheard;

/// Watches until the kind is served no more.
async fn watch(
    cluster: &Cluster,
    what: What,
    version: &str,
    one: Option<&Name>,
    told: &mpsc::Sender<Told>,
) -> Result<(), Unheard> {
    let resource = what.resource(version);
    let client = cluster.client.clone();
    let mut config = Config::default().page_size(PAGE).timeout(WATCH_TIME);
    let api: Api<DynamicObject> = match one {
        Some((namespace, name)) => {
            config = config.fields(&format!("metadata.name={name}"));
            Api::namespaced_with(client, namespace, &resource)
        }
        None => Api::all_with(client, &resource),
    };
    let events = watcher(api, config).backoff(Soon::default());
    let mut events = std::pin::pin!(events);
    let mut gathered = Vec::new();
    while let Some(event) = events.next().await {
        let said = match event {
            Ok(Event::Init) => {
                gathered.clear();
                None
            }
            Ok(Event::InitApply(object)) => {
                gathered.extend(value(&resource, object));
                None
            }
            Ok(Event::InitDone) => Some(Told::All(what, std::mem::take(&mut gathered))),
            Ok(Event::Apply(object)) => {
                value(&resource, object).map(|(name, value)| Told::Changed(what, name, value))
            }
            Ok(Event::Delete(object)) => value(&resource, object).map(|(name, _)| Told::Gone(what, name)),
            Err(error) if is_unserved(&error) => return Ok(()),
            Err(error) => Some(Told::Trouble(format!("watching {}: {}", what.plural(), words(&error)))),
        };
        if let Some(said) = said {
            told.send(said).await.map_err(|_| Unheard)?;
        }
    }
    Ok(())
}

/// Whether the API server says that there is no such kind any more.
fn is_unserved(error: &WatchError) -> bool {
    let status = match error {
        WatchError::InitialListFailed(kube::Error::Api(status))
        | WatchError::WatchStartFailed(kube::Error::Api(status)) => status.code,
        _ => return false,
    };
    status == 404
}

/// An object as policies are read from, without the notes on who manages which field.
fn value(resource: &ApiResource, mut object: DynamicObject) -> Option<(Name, Value)> {
    object.metadata.managed_fields = None;
    let name = (object.metadata.namespace.clone().unwrap_or_default(), object.metadata.name.clone()?);
    let mut value = serde_json::to_value(object).ok()?;
    let fields = value.as_object_mut()?;
    // The items of a list of built-in kinds do not say what they are.
    fields.insert("apiVersion".to_owned(), Value::String(resource.api_version.clone()));
    fields.insert("kind".to_owned(), Value::String(resource.kind.clone()));
    Some((name, value))
}

/// Waits that double up to two seconds.
#[derive(Debug, Default)]
pub(super) struct Soon(u32);

impl Iterator for Soon {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = AGAIN.0.saturating_mul(1 << self.0.min(10)).min(AGAIN.1);
        self.0 = self.0.saturating_add(1);
        Some(wait)
    }
}

impl Backoff for Soon {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_two_seconds_and_begin_anew() {
        let mut waits = Soon::default();
        let all: Vec<u128> = waits.by_ref().take(6).map(|wait| wait.as_millis()).collect();
        assert_eq!(all, [200, 400, 800, 1600, 2000, 2000]);
        waits.reset();
        assert_eq!(waits.next(), Some(AGAIN.0));
    }
}
