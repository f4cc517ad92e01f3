//! Events: what happened to an object, where `kubectl describe` shows it.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use provost_chains::reconcile::Key;
use tokio::sync::mpsc;

use crate::cluster::{ANSWER_TIME, Cluster, words};

/// The longest note an event may have; Kubernetes refuses longer ones.
const NOTE: usize = 1024;
/// How many events wait at most, of 2 KiB each; where more come, runs still carry their reasons.
const WAITING: usize = 1024;

/// An object that something happened to.
#[derive(Clone, Debug)]
pub(crate) struct Object(ObjectReference);

impl Object {
    /// A run; its uid is what `kubectl describe` goes by.
    pub(crate) fn run(key: &Key, uid: &str) -> Self {
        Self(ObjectReference {
            api_version: Some(provost_tekton::object::TEKTON_V1.to_owned()),
            kind: Some(key.kind.name().to_owned()),
            namespace: Some(key.namespace.clone()),
            name: Some(key.name.clone()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        })
    }

    /// Any object; without its uid `kubectl describe` does not show it.
    pub(crate) fn of(
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        uid: Option<String>,
    ) -> Self {
        Self(ObjectReference {
            api_version: Some(api_version.to_owned()),
            kind: Some(kind.to_owned()),
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: Some(name.to_owned()),
            uid,
            ..ObjectReference::default()
        })
    }

    /// A ConfigMap.
    pub(crate) fn config_map(namespace: &str, name: &str) -> Self {
        Self::core("ConfigMap", namespace, name)
    }

    /// A Secret.
    pub(crate) fn secret(namespace: &str, name: &str) -> Self {
        Self::core("Secret", namespace, name)
    }

    fn core(kind: &str, namespace: &str, name: &str) -> Self {
        Self(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some(kind.to_owned()),
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            ..ObjectReference::default()
        })
    }
}

/// An event that waits to be written.
struct Told {
    kind: EventType,
    object: Object,
    reason: String,
    note: String,
}

/// Takes events down; they are written one after another beside the work, which never waits for them.
#[derive(Clone)]
pub(crate) struct Events {
    told: mpsc::Sender<Told>,
    say: crate::Say,
}

impl Events {
    /// Something is not as it should be.
    pub(crate) fn warn(&self, object: Object, reason: &str, note: &str) {
        self.take(EventType::Warning, object, reason, note);
    }

    /// Something was done.
    pub(crate) fn tell(&self, object: Object, reason: &str, note: &str) {
        self.take(EventType::Normal, object, reason, note);
    }

    fn take(&self, kind: EventType, object: Object, reason: &str, note: &str) {
        let told = Told { kind, object, reason: reason.to_owned(), note: cut(note, NOTE) };
        if self.told.try_send(told).is_err() {
            (self.say)(&format!("an event {reason} is not written: too many wait"));
        }
    }
}

/// Writes events; the same one again within six minutes only counts up.
pub(crate) struct Writer {
    publisher: Publisher,
    waiting: mpsc::Receiver<Told>,
}

/// Writes single events at once, for those who keep a queue of their own.
pub(crate) struct Publisher {
    recorder: Recorder,
    say: crate::Say,
}

impl Publisher {
    /// A writer in the name of a controller; `identity` is this replica.
    pub(crate) fn new(cluster: &Cluster, controller: &str, identity: &str, say: crate::Say) -> Self {
        let reporter = Reporter {
            controller: controller.to_owned(),
            // The API takes at most 128 characters.
            instance: Some(identity.chars().take(128).collect()),
        };
        Self { recorder: Recorder::new(cluster.client.clone(), reporter), say }
    }

    /// Writes one event; one that cannot be written is said, and stops nothing. Returns whether it was written. An event that
    /// differs from one of the last six minutes in its note alone only counts that one up: `related` is what tells apart
    /// what one policy finds of many objects.
    pub(crate) async fn publish(
        &self,
        kind: EventType,
        object: &Object,
        related: Option<&Object>,
        reason: &str,
        action: &str,
        note: &str,
    ) -> bool {
        let event = Event {
            type_: kind,
            reason: reason.to_owned(),
            note: Some(cut(note, NOTE)),
            action: action.to_owned(),
            secondary: related.map(|related| related.0.clone()),
        };
        let writing = tokio::time::timeout(ANSWER_TIME, self.recorder.publish(&event, &object.0));
        match writing.await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => (self.say)(&format!("writing an event: {}", words(&error))),
            Err(_) => (self.say)("writing an event: no answer"),
        }
        false
    }
}

/// What takes events down, and what writes them.
pub(crate) fn events(cluster: &Cluster, identity: &str, say: crate::Say) -> (Events, Writer) {
    let publisher = Publisher::new(cluster, "provost-controller", identity, say.clone());
    let (told, waiting) = mpsc::channel(WAITING);
    (Events { told, say }, Writer { publisher, waiting })
}

impl Writer {
    /// Writes what is taken down, until nobody is left who could. An event that cannot be written is said, and stops nothing.
    pub(crate) async fn write(mut self) {
        while let Some(told) = self.waiting.recv().await {
            let Told { kind, object, reason, note } = told;
            self.publisher.publish(kind, &object, None, &reason, "Sign", &note).await;
        }
    }
}

/// The beginning of a text, in whole characters.
fn cut(text: &str, limit: usize) -> String {
    let mut kept = String::new();
    for one in text.chars() {
        if kept.len() + one.len_utf8() > limit {
            break;
        }
        kept.push(one);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_cut_between_characters() {
        assert_eq!(cut(&"ä".repeat(600), NOTE).len(), NOTE);
        assert_eq!(cut("short", NOTE), "short");
    }
}
