//! What is listed, and as what it is judged.

use provost_kyverno::load;
use serde_json::json;

use super::*;
use crate::admission::discovery::known;

fn by(rules: &[Value]) -> By {
    let documents: Vec<Value> = rules
        .iter()
        .enumerate()
        .map(|(at, matching)| {
            json!({
                "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": format!("p{at}")},
                "spec": {"background": at != 1, "rules": [{
                    "name": "r", "match": matching, "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce"}],
                }]},
            })
        })
        .collect();
    let found = load("p.yaml", &documents);
    assert_eq!(found.refused, []);
    let policies = found.policies.into_iter().map(Arc::new).collect();
    By::of(Arc::new(Sight { epoch: 1, policies, ..Sight::default() }))
}

#[test]
fn policies_with_a_background_are_judged_by_and_say_what_is_listed() {
    let of = |kind: &str| json!({"any": [{"resources": {"kinds": [kind]}}]});
    let by = by(&[of("Task"), of("Deployment"), of("CronJob")]);
    assert_eq!(by.policies.len(), 2);
    let found = resources(&known(), &by.kinds());
    let names: Vec<_> = found.iter().map(|(one, kind)| (one.resource.as_str(), kind.as_str())).collect();
    assert_eq!(names, [("cronjobs", "CronJob"), ("tasks", "Task")]);
    let all = resources(&known(), &BTreeSet::from(["*".to_owned()]));
    let names: Vec<_> = all.iter().map(|(one, _)| one.resource.as_str()).collect();
    assert_eq!(names, ["pods", "deployments", "cronjobs"]);
}

#[test]
fn an_object_is_judged_as_if_it_were_created_and_had_never_been_looked_at() {
    let kind = GroupVersionKind::gvk("", "v1", "Pod");
    let served = ApiResource::from_gvk_with_plural(&kind, "pods");
    let object = |more: Value| -> DynamicObject {
        let mut metadata = json!({"name": "x", "namespace": "n", "uid": "u", "resourceVersion": "1",
            "annotations": {"kyverno.io/verify-images": "{}", "kyverno.io/verify-images-scoped": "{}", "own": "a"}});
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(
            json!({"metadata": metadata, "spec": {"a": 1}, "status": {"phase": "Running"}}),
        )
        .unwrap()
    };
    let request = request_of(object(json!({})), &served).unwrap();
    assert_eq!(request.operation.name(), "CREATE");
    assert_eq!((request.namespace.as_str(), request.kind.kind.as_str()), ("n", "Pod"));
    assert_eq!(request.object["metadata"]["annotations"], json!({"own": "a"}));
    assert_eq!(request.view()["object"]["metadata"]["annotations"], json!({"own": "a"}));
    assert!(request_of(object(json!({"deletionTimestamp": "2026-11-23T00:00:00Z"})), &served).is_none());
    let digest = digest_of(&request.object);
    let touched = request_of(object(json!({"resourceVersion": "2"})), &served).unwrap();
    assert_eq!(digest_of(&touched.object), digest);
    let changed = request_of(object(json!({"labels": {"a": "b"}})), &served).unwrap();
    assert_ne!(digest_of(&changed.object), digest);
}
