//! What the cluster holds for these checks: kinds, accounts, policies, and everything that carries an image.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::render;

/// The kinds of policies and reports, as they are delivered.
const KINDS: [&str; 6] = [
    include_str!("../../../../deploy/crds/clusterpolicies.yaml"),
    include_str!("../../../../deploy/crds/policies.yaml"),
    include_str!("../../../../deploy/crds/policyexceptions.yaml"),
    include_str!("../../../../deploy/crds/globalcontextentries.yaml"),
    include_str!("../../../../deploy/crds/policyreports.yaml"),
    include_str!("../../../../deploy/crds/openreports.yaml"),
];
/// The rights of the chart, as these checks need them: the console's too, and Secrets of the namespace `policy`.
const RIGHTS: &str =
    "console.enabled=true,admission.secretNamespaces={policy},admission.kyvernoNamespace=kyverno";
/// The namespaces of these checks.
const NAMESPACES: [&str; 5] = ["provost-system", "kyverno", "policy", "ci", "quiet"];

/// The Pods of the namespace that the policies are about.
pub(super) const PODS: &str = "/api/v1/namespaces/policy/pods";

/// Makes namespaces, kinds and rights.
pub(super) fn apply(cluster: &Cluster) -> Result<()> {
    let named = |name: &&str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let namespaces: Vec<Value> = NAMESPACES.iter().map(named).collect();
    cluster.apply(&list(&namespaces).to_string())?;
    cluster.apply(&KINDS.join("---\n"))?;
    cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
    cluster.apply(&render::templates(&["admission-rbac", "console"], RIGHTS)?)?;
    Ok(())
}

/// Several objects as one document.
pub(super) fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// A policy about images of the namespace `policy`.
pub(super) struct Policy {
    pub(super) name: String,
    /// The images it is about.
    pub(super) references: Vec<String>,
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
    /// Whether it denies, or only tells.
    pub(super) enforced: bool,
    /// Whether it is about what runs already, too.
    pub(super) background: bool,
    /// Whether the set of an image's attestations may be remembered.
    pub(super) use_cache: bool,
    /// What conditions may name.
    pub(super) context: Value,
    pub(super) preconditions: Value,
}

impl Policy {
    /// The guide's.
    pub(super) fn guide(key: &str, builder: &str) -> Self {
        Self {
            name: "verify-tekton-built-images".to_owned(),
            references: vec!["*".to_owned()],
            key: key.to_owned(),
            builder: builder.to_owned(),
            failure_policy: "Fail",
            timeout: 30,
            attestations: true,
            kinds: vec!["Pod"],
            extractors: Value::Null,
            enforced: true,
            background: false,
            use_cache: true,
            context: Value::Null,
            preconditions: Value::Null,
        }
    }

    /// The same about the steps of TaskRuns.
    pub(super) fn of_task_runs(key: &str, builder: &str) -> Self {
        Self {
            name: "verify-steps".to_owned(),
            kinds: vec!["tekton.dev/v1/TaskRun"],
            extractors: super::carriers::extractors(),
            ..Self::guide(key, builder)
        }
    }

    /// The same under another name, about other images.
    pub(super) fn about(key: &str, builder: &str, name: &str, references: &str) -> Self {
        Self { name: name.to_owned(), references: vec![references.to_owned()], ..Self::guide(key, builder) }
    }

    pub(super) fn object(&self) -> Value {
        let attestors = json!([{"entries": [{"keys": {"publicKeys": self.key,
            "ctlog": {"ignoreSCT": true}, "rekor": {"ignoreTlog": true}}}]}]);
        let mut entry = json!({
            "imageReferences": self.references, "skipImageReferences": ["ghcr.io/trusted/*"],
            "failureAction": if self.enforced { "Enforce" } else { "Audit" },
            "verifyDigest": false, "required": false, "mutateDigest": false, "useCache": self.use_cache,
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
            for (name, value) in [
                ("imageExtractors", &self.extractors),
                ("context", &self.context),
                ("preconditions", &self.preconditions),
            ] {
                if !value.is_null() {
                    fields.insert(name.to_owned(), value.clone());
                }
            }
        }
        json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": self.name},
            "spec": {"webhookConfiguration": {"failurePolicy": self.failure_policy, "timeoutSeconds": self.timeout},
                "background": self.background, "rules": [rule]}})
    }
}

/// An exception for Pods named `broken-glass`, from all rules of the guide's policy, that ends.
pub(super) fn exception(namespace: &str, until: &str) -> Value {
    json!({"apiVersion": "kyverno.io/v2", "kind": "PolicyException",
        "metadata": {"name": "glass", "namespace": namespace, "annotations": {"provost.dev/expires-at": until}},
        "spec": {"exceptions": [{"policyName": "verify-tekton-built-images", "ruleNames": ["*"]}],
            "match": {"any": [{"resources": {"kinds": ["Pod"], "names": ["broken-glass"]}}]}}})
}

/// A Pod of one container.
pub(super) fn pod(name: &str, image: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "a", "image": image}]}})
}

/// A Pod without a name of its own, for many.
pub(super) fn any_pod(image: &str) -> Value {
    let mut pod = pod("", image);
    if let Some(object) = pod.as_object_mut() {
        object.insert("metadata".to_owned(), json!({"generateName": "load-"}));
    }
    pod
}
