//! What is scanned: which resources are listed, and an object as the creation it is judged as.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::{ApiResource, DynamicObject};
use provost_kyverno::Request;
use provost_oci::Digest;
use serde_json::{Value, json};

use crate::admission::discovery::{Kinds, Resource};

/// The annotations in which Kyverno keeps what it found; a scan finds it anew (kyverno.md §6.7).
const MARKS: [&str; 2] = ["kyverno.io/verify-images", "kyverno.io/verify-images-scoped"];
/// The kinds that are scanned for policies about all kinds: those whose images everybody knows where to find.
const WITH_PODS: [&str; 6] = ["Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"];

/// The resources of these kinds with their kinds' names, subresources aside.
pub(super) fn resources(kinds: &Kinds, entries: &BTreeSet<String>) -> Vec<(Resource, String)> {
    let mut found = BTreeMap::new();
    for entry in entries {
        let named = kinds.resolve(entry);
        let is_any = named.iter().any(|one| one.group == "*");
        let named = match is_any {
            true => WITH_PODS.iter().flat_map(|kind| kinds.resolve(kind)).collect(),
            false => named,
        };
        for resource in named {
            let kind = kinds.0.iter().find(|kind| {
                (&kind.group, &kind.version, &kind.plural)
                    == (&resource.group, &resource.version, &resource.resource)
            });
            if let Some(kind) = kind {
                found.insert(resource, kind.kind.clone());
            }
        }
    }
    found.into_iter().collect()
}

/// The creation of an object that runs, without what Kyverno found of it before; `None` for one that goes.
pub(super) fn request_of(object: DynamicObject, served: &ApiResource) -> Option<Request> {
    if object.metadata.deletion_timestamp.is_some() || object.metadata.uid.is_none() {
        return None;
    }
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let mut value = serde_json::to_value(&object).ok()?;
    if let Some(fields) = value.as_object_mut() {
        // Items of a list do not say what they are.
        fields.insert("apiVersion".to_owned(), json!(served.api_version));
        fields.insert("kind".to_owned(), json!(served.kind));
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            for mark in MARKS {
                annotations.remove(mark);
            }
        }
    }
    let mut request = Request::of_object(&value);
    // A file's object without a namespace is in `default`; one of a cluster is in none.
    request.fields.insert("namespace".to_owned(), json!(namespace));
    request.namespace = namespace;
    Some(request)
}

/// The digest of what an object is, whatever became of it since.
pub(super) fn digest_of(object: &Value) -> Digest {
    let mut kept = object.clone();
    if let Some(fields) = kept.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = kept.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["resourceVersion", "generation"] {
            metadata.remove(field);
        }
    }
    Digest::sha256_of(kept.to_string().as_bytes())
}
