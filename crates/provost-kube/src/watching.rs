//! Watching runs by their metadata: what a run looks like from outside, and nothing of its payload is kept.
//!
//! Lists come in pages, watches with bookmarks; a connection that breaks is taken up again where it was, after a wait that
//! grows, and a server that has forgotten that place (410) is listed anew.

use futures_util::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject, ObjectMeta, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use provost_chains::receipt::RECEIPT;
use provost_chains::reconcile::{CONDITION, Key, Kind, is_finalizer};
use provost_chains::signing::SIGNED;
use tokio::sync::mpsc;

use crate::cluster::{Cluster, words};

/// How many runs one answer of a list holds: a run whose annotations carry payloads has up to 256 KiB of metadata, so a page
/// has 25 MB at worst and 1 MB where payloads lie in registries.
const PAGE: u32 = 100;
/// How many sightings wait for the controller before the watches are read no further; each has under 1 KiB.
pub(crate) const SIGHTINGS: usize = 256;

/// Something the cluster said about runs.
#[derive(Debug)]
pub enum Sighting {
    /// A run, made or changed.
    Seen(Box<Seen>),
    /// A run that is there no more.
    Gone(Key),
    /// One of the watches has told all that there was when it began.
    Listed,
    /// A watch failed and is begun again.
    Trouble(String),
}

/// A run as its metadata shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which run.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// When it was made, in seconds since 1970.
    pub made: i64,
    /// The PipelineRun it belongs to.
    pub owner: Option<Key>,
    /// It has our finalizer.
    pub is_held: bool,
    /// It is being deleted.
    pub is_deleting: bool,
    /// Somebody wrote a completion time into its status: it has probably ended.
    pub has_ended: bool,
    /// Its receipt, not looked at yet.
    pub receipt: Option<String>,
    /// It has Chains' mark, `true` or `failed`.
    pub is_marked: bool,
    /// It was tried and failed.
    pub was_tried: bool,
    /// It was told while a watch began, not because it changed.
    pub is_listed: bool,
}

impl Seen {
    /// What the metadata of a run of this kind shows; `None` where it names no run.
    pub(crate) fn of(kind: Kind, metadata: &ObjectMeta, is_listed: bool) -> Option<Self> {
        let (namespace, name) = (metadata.namespace.as_deref()?, metadata.name.as_deref()?);
        let annotation = |name: &str| metadata.annotations.as_ref().and_then(|all| all.get(name));
        let owners = metadata.owner_references.iter().flatten();
        let owner = owners
            .filter(|one| kind == Kind::TaskRun && one.kind == "PipelineRun")
            .find(|one| one.api_version.starts_with("tekton.dev/"));
        // Who manages which field tells whether a field is there. It is a hint: a run without it is looked at all the same.
        let managed = metadata.managed_fields.iter().flatten().filter_map(|entry| entry.fields_v1.as_ref());
        let has_ended = managed.into_iter().any(|fields| {
            fields.0.get("f:status").is_some_and(|status| status.get("f:completionTime").is_some())
        });
        Some(Self {
            key: Key::new(kind, namespace, name),
            uid: metadata.uid.clone().unwrap_or_default(),
            made: metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            owner: owner.map(|one| Key::new(Kind::PipelineRun, namespace, &one.name)),
            is_held: metadata.finalizers.iter().flatten().any(|one| is_finalizer(one, kind)),
            is_deleting: metadata.deletion_timestamp.is_some(),
            has_ended,
            receipt: annotation(RECEIPT).cloned(),
            is_marked: matches!(annotation(SIGNED).map(String::as_str), Some("true" | "failed")),
            was_tried: annotation(CONDITION).is_some(),
            is_listed,
        })
    }
}

/// The API resource of a kind of run.
pub(crate) fn resource(kind: Kind) -> ApiResource {
    ApiResource {
        group: "tekton.dev".to_owned(),
        version: "v1".to_owned(),
        api_version: provost_tekton::object::TEKTON_V1.to_owned(),
        kind: kind.name().to_owned(),
        plural: kind.plural().to_owned(),
    }
}

/// Watches one kind of run, in one namespace or in all, until nobody listens any more.
pub(crate) async fn watch(
    cluster: Cluster,
    kind: Kind,
    namespace: Option<String>,
    told: mpsc::Sender<Sighting>,
) {
    let resource = resource(kind);
    let api: Api<PartialObjectMeta<DynamicObject>> = match &namespace {
        Some(namespace) => Api::namespaced_with(cluster.client, namespace, &resource),
        None => Api::all_with(cluster.client, &resource),
    };
    let events = watcher(api, Config::default().page_size(PAGE)).default_backoff();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        let sighting = match event {
            Ok(Event::Apply(run)) => seen(kind, &run.metadata, false),
            Ok(Event::InitApply(run)) => seen(kind, &run.metadata, true),
            Ok(Event::Delete(run)) => {
                Seen::of(kind, &run.metadata, false).map(|seen| Sighting::Gone(seen.key))
            }
            Ok(Event::Init) => None,
            Ok(Event::InitDone) => Some(Sighting::Listed),
            Err(error) => Some(Sighting::Trouble(format!("watching {}: {}", kind.plural(), words(&error)))),
        };
        if let Some(sighting) = sighting
            && told.send(sighting).await.is_err()
        {
            return;
        }
    }
}

fn seen(kind: Kind, metadata: &ObjectMeta, is_listed: bool) -> Option<Sighting> {
    Seen::of(kind, metadata, is_listed).map(|seen| Sighting::Seen(Box::new(seen)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen(kind: Kind, more: &Value) -> Option<Seen> {
        let mut metadata = json!({"name": "n", "namespace": "ns", "uid": "u"});
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Seen::of(kind, &serde_json::from_value(metadata).unwrap(), false)
    }

    #[test]
    fn the_end_shows_in_who_manages_what() {
        let ended = json!({"managedFields": [{"manager": "a", "fieldsV1": {"f:spec": {}}},
            {"manager": "b", "subresource": "status", "fieldsV1": {"f:status": {"f:completionTime": {}}}}]});
        assert!(seen(Kind::TaskRun, &ended).unwrap().has_ended);
        let running =
            json!({"managedFields": [{"manager": "b", "fieldsV1": {"f:status": {"f:startTime": {}}}}]});
        assert!(!seen(Kind::TaskRun, &running).unwrap().has_ended);
        assert!(!seen(Kind::TaskRun, &json!({})).unwrap().has_ended);
    }

    #[test]
    fn only_task_runs_have_an_owner_and_only_of_tekton() {
        let owned = |version: &str| json!({"ownerReferences": [{"apiVersion": version, "kind": "PipelineRun", "name": "p", "uid": "x"}]});
        let parent = Some(Key::new(Kind::PipelineRun, "ns", "p"));
        assert_eq!(seen(Kind::TaskRun, &owned("tekton.dev/v1")).unwrap().owner, parent);
        assert_eq!(seen(Kind::TaskRun, &owned("example.com/v1")).unwrap().owner, None);
        assert_eq!(seen(Kind::PipelineRun, &owned("tekton.dev/v1")).unwrap().owner, None);
    }

    #[test]
    fn each_kind_has_its_finalizer() {
        let held =
            json!({"finalizers": ["chains.tekton.dev/taskrun"], "deletionTimestamp": "2026-01-01T00:00:00Z"});
        let task_run = seen(Kind::TaskRun, &held).unwrap();
        assert!(task_run.is_held && task_run.is_deleting);
        assert!(!seen(Kind::PipelineRun, &held).unwrap().is_held);
    }
}
