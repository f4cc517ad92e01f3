//! What the cluster holds for these checks: kinds, accounts, policies, and everything that carries an image.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// The kinds of policies, as they are delivered.
const KINDS: [&str; 4] = [
    include_str!("../../../../deploy/crds/clusterpolicies.yaml"),
    include_str!("../../../../deploy/crds/policies.yaml"),
    include_str!("../../../../deploy/crds/policyexceptions.yaml"),
    include_str!("../../../../deploy/crds/globalcontextentries.yaml"),
];
/// What the gate may do.
const RIGHTS: &str = include_str!("../../../../deploy/admission/rbac.yaml");

/// The Pods of the namespace that the policies are about.
pub(super) const PODS: &str = "/api/v1/namespaces/policy/pods";

/// Makes namespaces, kinds and rights.
pub(super) fn apply(cluster: &Cluster) -> Result<()> {
    for namespace in ["provost-system", "kyverno", "policy", "ci"] {
        cluster.kubectl(&["create", "namespace", namespace])?;
    }
    for kind in KINDS {
        cluster.apply(kind)?;
    }
    cluster.kubectl(&[
        "wait",
        "--for=condition=Established",
        "crd/clusterpolicies.kyverno.io",
        "crd/policyexceptions.kyverno.io",
        "--timeout=60s",
    ])?;
    cluster.apply(RIGHTS)?;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "provost-admission-secrets", "namespace": "policy"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "provost-admission-secrets"},
        "subjects": [{"kind": "ServiceAccount", "name": "provost-admission", "namespace": "provost-system"}]});
    cluster.apply(&binding.to_string())?;
    Ok(())
}

/// A policy about images of the namespace `policy`.
pub(super) struct Policy {
    pub(super) name: String,
    /// The images it is about.
    pub(super) references: String,
    /// A key, PEM or by reference.
    pub(super) key: String,
    pub(super) builder: String,
    pub(super) failure_policy: &'static str,
    /// How long the API server waits, in seconds.
    pub(super) timeout: u32,
    /// Whether attestations are asked for, or signatures of the image.
    pub(super) attestations: bool,
    pub(super) kinds: Vec<&'static str>,
    pub(super) extractors: Value,
}

impl Policy {
    /// The guide's.
    pub(super) fn guide(key: &str, builder: &str) -> Self {
        Self {
            name: "verify-tekton-built-images".to_owned(),
            references: "*".to_owned(),
            key: key.to_owned(),
            builder: builder.to_owned(),
            failure_policy: "Fail",
            timeout: 30,
            attestations: true,
            kinds: vec!["Pod"],
            extractors: Value::Null,
        }
    }

    /// The same about the steps of TaskRuns.
    pub(super) fn of_task_runs(key: &str, builder: &str) -> Self {
        Self {
            name: "verify-steps".to_owned(),
            kinds: vec!["tekton.dev/v1/TaskRun"],
            extractors: json!({"TaskRun": [{"path": "/spec/taskSpec/steps/*/image"}]}),
            ..Self::guide(key, builder)
        }
    }

    /// The same under another name, about other images.
    pub(super) fn about(key: &str, builder: &str, name: &str, references: &str) -> Self {
        Self { name: name.to_owned(), references: references.to_owned(), ..Self::guide(key, builder) }
    }

    pub(super) fn object(&self) -> Value {
        let attestors = json!([{"entries": [{"keys": {"publicKeys": self.key,
            "ctlog": {"ignoreSCT": true}, "rekor": {"ignoreTlog": true}}}]}]);
        let mut entry = json!({
            "imageReferences": [self.references], "skipImageReferences": ["ghcr.io/trusted/*"],
            "failureAction": "Enforce", "verifyDigest": false, "required": false, "mutateDigest": false,
            "useCache": true,
            "imageRegistryCredentials": {"allowInsecureRegistry": true, "secrets": ["registry-credentials"]},
        });
        let message = format!("The builder.id must be equal to {}, not {{{{ builder.id }}}}", self.builder);
        let (field, value) = match self.attestations {
            false => ("attestors", attestors),
            true => (
                "attestations",
                json!([{"type": "https://slsa.dev/provenance/v0.2", "attestors": attestors,
                    "conditions": [{"all": [{"key": "{{ builder.id }}", "operator": "Equals",
                        "value": self.builder, "message": message}]}]}]),
            ),
        };
        let mut rule = json!({"name": "check-image",
            "match": {"any": [{"resources": {"kinds": self.kinds, "namespaces": ["policy"]}}]}});
        if let Some(fields) = entry.as_object_mut() {
            fields.insert(field.to_owned(), value);
        }
        if let Some(fields) = rule.as_object_mut() {
            fields.insert("verifyImages".to_owned(), json!([entry]));
            if !self.extractors.is_null() {
                fields.insert("imageExtractors".to_owned(), self.extractors.clone());
            }
        }
        json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": self.name},
            "spec": {"webhookConfiguration": {"failurePolicy": self.failure_policy, "timeoutSeconds": self.timeout},
                "background": false, "rules": [rule]}})
    }
}

/// An exception for Pods named `broken-glass`, from all rules of the guide's policy, that ends.
pub(super) fn exception(namespace: &str, until: &str) -> Value {
    json!({"apiVersion": "kyverno.io/v2", "kind": "PolicyException",
        "metadata": {"name": "glass", "namespace": namespace, "annotations": {"provost.dev/expires-at": until}},
        "spec": {"exceptions": [{"policyName": "verify-tekton-built-images", "ruleNames": ["*"]}],
            "match": {"any": [{"resources": {"kinds": ["Pod"], "names": ["broken-glass"]}}]}}})
}

fn containers(image: &str) -> Value {
    json!({"containers": [{"name": "a", "image": image}], "restartPolicy": "Always"})
}

/// A Pod of one container.
pub(super) fn pod(name: &str, image: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": containers(image)})
}

/// A Pod without a name of its own, for many.
pub(super) fn any_pod(image: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "load-"}, "spec": containers(image)})
}

/// A kind of object that carries an image.
pub(super) struct Carrier {
    pub(super) name: &'static str,
    pub(super) collection: &'static str,
    make: fn(&str) -> Value,
}

impl Carrier {
    /// One named `carrier` with this image.
    pub(super) fn with(&self, image: &str) -> Value {
        (self.make)(image)
    }
}

fn controller(version: &str, kind: &str, image: &str, more: Value) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"app": "a"}},
        "template": {"metadata": {"labels": {"app": "a"}}, "spec": containers(image)}});
    if let (Some(fields), Value::Object(more)) = (spec.as_object_mut(), more) {
        fields.extend(more);
    }
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": "carrier"}, "spec": spec})
}

fn job(image: &str) -> Value {
    json!({"template": {"spec": {"containers": [{"name": "a", "image": image}], "restartPolicy": "Never"}}})
}

/// All of them.
pub(super) fn carriers() -> Vec<Carrier> {
    let one = |name, collection, make| Carrier { name, collection, make };
    vec![
        one("Pod", PODS, |image| pod("carrier", image)),
        one("Pod with an init container", PODS, |image| {
            let mut spec = containers(image);
            if let Some(fields) = spec.as_object_mut() {
                fields.insert("initContainers".to_owned(), json!([{"name": "i", "image": image}]));
            }
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "carrier-init"}, "spec": spec})
        }),
        one("Deployment", "/apis/apps/v1/namespaces/policy/deployments", |image| {
            controller("apps/v1", "Deployment", image, json!({}))
        }),
        one("StatefulSet", "/apis/apps/v1/namespaces/policy/statefulsets", |image| {
            controller("apps/v1", "StatefulSet", image, json!({"serviceName": "a"}))
        }),
        one("DaemonSet", "/apis/apps/v1/namespaces/policy/daemonsets", |image| {
            controller("apps/v1", "DaemonSet", image, json!({}))
        }),
        one("ReplicationController", "/api/v1/namespaces/policy/replicationcontrollers", |image| {
            controller("v1", "ReplicationController", image, json!({"selector": {"app": "a"}}))
        }),
        one(
            "Job",
            "/apis/batch/v1/namespaces/policy/jobs",
            |image| json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "carrier"}, "spec": job(image)}),
        ),
        one("CronJob", "/apis/batch/v1/namespaces/policy/cronjobs", |image| {
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "carrier"},
                "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job(image)}}})
        }),
        one("TaskRun", "/apis/tekton.dev/v1/namespaces/policy/taskruns", |image| {
            json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"name": "carrier"},
                "spec": {"taskSpec": {"steps": [{"name": "s", "image": image}]}}})
        }),
    ]
}
