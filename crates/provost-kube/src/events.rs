//! Events: what happened to an object, where `kubectl describe` shows it.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use provost_chains::reconcile::Key;

use crate::cluster::{ANSWER_TIME, Cluster, words};

/// The longest note an event may have; Kubernetes refuses longer ones.
const NOTE: usize = 1024;

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

/// Writes events; the same one again within six minutes only counts up.
#[derive(Clone)]
pub(crate) struct Events {
    recorder: Recorder,
    say: crate::Say,
}

impl Events {
    pub(crate) fn new(cluster: &Cluster, identity: &str, say: crate::Say) -> Self {
        let reporter = Reporter {
            controller: "provost-controller".to_owned(),
            // The API takes at most 128 characters.
            instance: Some(identity.chars().take(128).collect()),
        };
        Self { recorder: Recorder::new(cluster.client.clone(), reporter), say }
    }

    /// Something is not as it should be. An event that cannot be written is said, and stops nothing.
    pub(crate) async fn warn(&self, object: &Object, reason: &str, note: &str) {
        self.write(EventType::Warning, object, reason, note).await;
    }

    /// Something was done.
    pub(crate) async fn tell(&self, object: &Object, reason: &str, note: &str) {
        self.write(EventType::Normal, object, reason, note).await;
    }

    async fn write(&self, kind: EventType, object: &Object, reason: &str, note: &str) {
        let event = Event {
            type_: kind,
            reason: reason.to_owned(),
            note: Some(cut(note, NOTE)),
            action: "Sign".to_owned(),
            secondary: None,
        };
        let writing = tokio::time::timeout(ANSWER_TIME, self.recorder.publish(&event, &object.0)).await;
        match writing {
            Ok(Ok(())) => {}
            Ok(Err(error)) => (self.say)(&format!("writing an event: {}", words(&error))),
            Err(_) => (self.say)("writing an event: no answer"),
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
