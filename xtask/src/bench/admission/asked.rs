//! The policies that gates are measured with, and what they are asked.

use std::net::SocketAddr;

use serde_json::json;

use crate::http::request;

/// Policy 0 is about our Pods; the others are about other kinds, namespaces, labels and images.
pub(super) fn policy(number: usize, cache: bool, key: &str) -> String {
    let name = if cache { format!("policy-{number:04}") } else { "cold".to_owned() };
    let namespace = if cache { "warm" } else { "cold" };
    let resources = match (number, number % 4) {
        (0, _) => json!({"kinds": ["Pod"], "namespaces": [namespace]}),
        (_, 0) => json!({"kinds": ["Pod"], "namespaces": [format!("team-{number}"), "prod-*"]}),
        (_, 1) => json!({"kinds": ["Deployment", "StatefulSet"]}),
        (_, 2) => json!({"kinds": ["Pod"], "selector": {"matchLabels": {"team": format!("t{number}")}}}),
        _ => json!({"kinds": ["Pod"]}),
    };
    let images = if number == 0 { "*".to_owned() } else { format!("registry-{number}.example/*") };
    let keys = json!({"publicKeys": key, "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true}});
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": name},
        "spec": {"background": false, "webhookTimeoutSeconds": 30, "rules": [{
            "name": "check-image",
            "match": {"any": [{"resources": resources}]},
            "verifyImages": [{
                "imageReferences": [images],
                "failureAction": "Enforce",
                "mutateDigest": true,
                "useCache": cache,
                "attestations": [{
                    "type": "https://slsa.dev/provenance/v0.2",
                    "attestors": [{"entries": [{"keys": keys}]}],
                    "conditions": [{"all": [{
                        "key": "{{ builder.id }}", "operator": "Equals", "value": "https://example.com/builder",
                    }]}],
                }],
            }],
        }]},
    })
    .to_string()
}

/// What an API server sends when a Pod of each image is created.
pub(super) fn questions(
    path: &str,
    namespace: &str,
    registry: SocketAddr,
    images: &[String],
) -> Vec<Vec<u8>> {
    let review = |image: &String| {
        let pods = json!({"group": "", "version": "v1", "resource": "pods"});
        let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": kind, "requestKind": kind, "resource": pods, "requestResource": pods,
            "name": "app", "namespace": namespace, "operation": "CREATE", "dryRun": false,
            "userInfo": {"username": "admin", "groups": ["system:masters", "system:authenticated"]},
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
            "oldObject": null,
            "object": {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "app", "namespace": namespace, "labels": {"app": "demo", "tier": "web"}},
                "spec": {
                    "containers": [{
                        "name": "app", "image": format!("{registry}/{image}"), "imagePullPolicy": "IfNotPresent",
                        "env": [{"name": "MODE", "value": "production"}],
                        "resources": {"limits": {"cpu": "1", "memory": "256Mi"}},
                        "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/token", "readOnly": true}],
                        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                    }],
                    "volumes": [{"name": "token", "projected": {"defaultMode": 420, "sources": [
                        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    ]}}],
                    "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "serviceAccountName": "default",
                    "schedulerName": "default-scheduler", "enableServiceLinks": true,
                },
            },
        }})
        .to_string()
    };
    let path = format!("{path}?timeout=30s");
    images.iter().map(|image| request("POST", &path, "application/json", review(image).as_bytes())).collect()
}
