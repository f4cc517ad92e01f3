//! The guide's files: configuration, policies, objects, with the demo's registry and key put in.

use std::path::Path;

use serde_json::json;

use crate::failure::Failure;

/// The builder the guide trusts.
pub(crate) const BUILDER: &str = "https://alauda.io/builders/tekton/v1";
/// A builder that never built this image.
pub(crate) const OTHER_BUILDER: &str = "https://alauda.io/builders/tekton/v2";
/// The tasks: one writes a Dockerfile, one builds and pushes.
pub(crate) const TASKS: &str = include_str!("../../../../../corpus/tekton/demo/tasks.yaml");
/// The pipeline of the two.
pub(crate) const PIPELINE: &str = include_str!("../../../../../corpus/tekton/demo/pipeline.yaml");
/// A run of it.
pub(crate) const PIPELINE_RUN: &str = include_str!("../../../../../corpus/tekton/demo/pipelinerun.yaml");

/// Writes a file, with its folder.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)?;
    Ok(())
}

/// The `chains-config` of the guide: in-toto provenance beside the image, under this builder's name.
pub(crate) fn chains_config() -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: chains-config\n  namespace: tekton-chains\ndata:\n  \
         artifacts.oci.format: simplesigning\n  artifacts.oci.storage: oci\n  \
         artifacts.taskrun.format: in-toto\n  artifacts.taskrun.storage: oci\n  \
         artifacts.pipelinerun.format: in-toto\n  artifacts.pipelinerun.storage: oci\n  \
         builder.id: {BUILDER}\n  transparency.enabled: \"false\"\n"
    )
}

/// The guide's CUE policy.
pub(crate) fn cue(builder: &str) -> String {
    format!(
        "// The predicate must match the following constraints.\npredicate: {{\n  builder: {{\n    id: \"{builder}\"\n  }}\n}}\n"
    )
}

/// The guide's Rego policy.
pub(crate) fn rego(builder: &str) -> String {
    format!(
        r#"package signature

default allow = false

# Define the allowed builder.id
allowed_builder_id = "{builder}"

# Verify the builder.id
allow {{
  # Check if the builder.id in the predicate is equal to the allowed value
  input.predicate.builder.id == allowed_builder_id
}}

# Return error message when not match
deny[msg] {{
  input.predicate.builder.id != allowed_builder_id
  msg := sprintf("unexpected builder.id: %v, expected: %v", [input.predicate.builder.id, allowed_builder_id])
}}
"#
    )
}

/// The guide's ClusterPolicy, for this key and builder.
pub(crate) fn cluster_policy(builder: &str, public_key: &str) -> String {
    let indent = " ".repeat(20);
    let key: String = public_key.lines().map(|line| format!("{indent}{line}\n")).collect();
    format!(
        r#"apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: verify-tekton-built-images
spec:
  webhookConfiguration:
    failurePolicy: Fail
    timeoutSeconds: 30
  background: false
  rules:
  - name: check-image
    match:
      any:
      - resources:
          kinds:
          - Pod
          namespaces:
          - policy
    verifyImages:
    - imageReferences:
      - "*"
      skipImageReferences:
      - "ghcr.io/trusted/*"
      failureAction: Enforce
      verifyDigest: false
      required: false
      useCache: false
      imageRegistryCredentials:
        allowInsecureRegistry: true
        secrets:
        - registry-credentials
      attestations:
      - type: https://slsa.dev/provenance/v0.2
        attestors:
        - entries:
          - keys:
              publicKeys: |-
{key}              ctlog:
                ignoreSCT: true
              rekor:
                ignoreTlog: true
        conditions:
        - all:
          - key: "{{{{ builder.id }}}}"
            operator: Equals
            value: "{builder}"
            message: "The builder.id must be equal to {builder}, not {{{{ builder.id }}}}"
"#
    )
}

/// The docker configuration that holds the registry's user.
pub(crate) fn docker_config(registry: &str, user: (&str, &str)) -> String {
    use base64::Engine as _;
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", user.0, user.1));
    json!({"auths": {registry: {"auth": auth}}}).to_string()
}

/// The same as the Secret `registry-credentials` of a namespace.
pub(crate) fn secret(namespace: &str, docker_config: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "registry-credentials", "namespace": namespace},
        "stringData": {".dockerconfigjson": docker_config},
    })
    .to_string()
}

/// What the cluster holds when the Pods come: the namespace `policy`, and the registry's user for Kyverno.
pub(crate) fn objects(docker_config: &str) -> String {
    let labels = json!({"kubernetes.io/metadata.name": "policy"});
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "policy", "labels": labels}});
    format!("{namespace}\n---\n{}\n", secret("kyverno", docker_config))
}

/// The admission request that `kubectl run -n policy NAME --image=IMAGE -- sleep 3600` makes.
pub(crate) fn review(name: &str, image: &str) -> String {
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "policy", "labels": {"run": name}},
        "spec": {"containers": [{"name": name, "image": image, "args": ["sleep", "3600"]}]},
    });
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": format!("demo-{name}"), "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "name": name, "namespace": "policy", "operation": "CREATE",
            "userInfo": {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]},
            "object": pod, "oldObject": null, "dryRun": false,
        },
    })
    .to_string()
}
