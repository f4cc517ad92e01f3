//! Tekton's runs at a real API server, made as Tekton makes them: the run first, then its status.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::place::Place;
use crate::shell;

/// The kinds of run as CRDs: all of Tekton's fields are let through, spec and status apart as there.
pub(crate) fn definitions() -> String {
    let one = |kind: &str, plural: &str| {
        let singular = plural.trim_end_matches('s');
        format!(
            "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.tekton.dev}}
spec:
  group: tekton.dev
  scope: Namespaced
  names: {{kind: {kind}, plural: {plural}, singular: {singular}}}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {{status: {{}}}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
          status: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
"
        )
    };
    [one("TaskRun", "taskruns"), one("PipelineRun", "pipelineruns")].join("---")
}

/// What the controller may do.
const RIGHTS: &str = include_str!("../../deploy/controller/rbac.yaml");
/// Where its key is.
pub(crate) const KEY: &str = "k8s://tekton-chains/signing-secrets";

/// A cluster with Tekton's kinds, Chains' configuration and a key, and a service account for the controller.
pub(crate) struct Ground {
    pub(crate) cluster: Cluster,
    pub(crate) place: Place,
    /// The service account's.
    pub(crate) kubeconfig: PathBuf,
}

impl Ground {
    pub(crate) fn new(binary: &Path) -> Result<Self> {
        let cluster = Cluster::start()?;
        shell::say(&format!("the API server answers at {}", cluster.url));
        cluster.kubectl(&["create", "namespace", "tekton-chains"])?;
        cluster.apply(RIGHTS)?;
        cluster.apply(&definitions())?;
        for plural in ["taskruns", "pipelineruns"] {
            let name = format!("crd/{plural}.tekton.dev");
            cluster.kubectl(&["wait", "--for=condition=Established", &name, "--timeout=60s"])?;
        }
        let mut place = Place::new(binary)?;
        place.set("KUBECONFIG", cluster.kubeconfig.as_os_str());
        place.must(&["generate-key-pair", KEY])?;
        let kubeconfig = cluster.kubeconfig_of("tekton-chains", "provost-controller")?;
        Ok(Self { cluster, place, kubeconfig })
    }
}

/// Writes `chains-config`.
pub(crate) fn configure(cluster: &Cluster, data: &Value) -> Result<()> {
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "chains-config", "namespace": "tekton-chains"}, "data": data});
    cluster.apply(&config.to_string())?;
    Ok(())
}

/// A request to the API server; without a body where that is null.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// Sends requests side by side, each of which must be answered well.
pub(crate) fn send(cluster: &Cluster, calls: &[Call]) -> Result<()> {
    let mut config = String::new();
    for call in calls {
        let kind = if call.method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(
            config,
            "next\nurl = \"{}{}\"\ncacert = \"{}\"\nheader = \"Authorization: Bearer {}\"\nheader = \"Content-Type: {kind}\"\nrequest = {}\noutput = /dev/null\nfail",
            cluster.url,
            call.path,
            cluster.ca.display(),
            cluster.token,
            call.method,
        )?;
        if !call.body.is_null() {
            writeln!(config, "data = \"{}\"", quoted(&call.body.to_string()))?;
        }
    }
    // curl wants something before the first `next`.
    curl(cluster.folder(), config.trim_start_matches("next\n"))
}

fn curl(folder: &Path, config: &str) -> Result<()> {
    let file = folder.join("curl.conf");
    fs::write(&file, config)?;
    let file = file.to_string_lossy();
    shell::quiet("curl", &["-sS", "--parallel", "--parallel-max", "8", "--fail-early", "-K", &file])
}

/// Fetches documents side by side; `None` for those that are not there.
pub(crate) fn fetch(folder: &Path, urls: &[String]) -> Result<Vec<Option<Value>>> {
    let (mut config, into) = (String::new(), folder.join("fetched"));
    fs::create_dir_all(&into)?;
    for (number, url) in urls.iter().enumerate() {
        let file = into.join(number.to_string());
        let _ = fs::remove_file(&file);
        writeln!(
            config,
            "next\nurl = \"{url}\"\nheader = \"Accept: application/vnd.oci.image.manifest.v1+json\"\noutput = \"{}\"",
            file.display()
        )?;
    }
    curl(folder, config.trim_start_matches("next\n"))?;
    let read = |number: usize| -> Result<Option<Value>> {
        let text = fs::read_to_string(into.join(number.to_string())).context("an answer of the registry")?;
        let value: Value = serde_json::from_str(&text)?;
        Ok(value.get("errors").is_none().then_some(value))
    };
    (0..urls.len()).map(read).collect()
}

/// A finished TaskRun that built an image: `(to make it, to end it)`.
pub(crate) fn task_run(
    namespace: &str,
    name: &str,
    image: &str,
    owner: Option<(&str, &str)>,
) -> (Call, Call) {
    let collection = format!("/apis/tekton.dev/v1/namespaces/{namespace}/taskruns");
    let owners: Vec<Value> = owner
        .into_iter()
        .map(|(name, uid)| {
            json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": name, "uid": uid,
                "controller": true, "blockOwnerDeletion": true})
        })
        .collect();
    let step = json!({"name": "build", "image": "docker.io/library/busybox", "script": "true"});
    let made = json!({
        "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
        "metadata": {"name": name, "ownerReferences": owners, "labels": {"tekton.dev/pipelineTask": "build-image"}},
        "spec": {"serviceAccountName": "builder", "taskSpec": {"steps": [step]}},
    });
    let (repository, digest) = image.split_once('@').unwrap_or((image, ""));
    let base = "b".repeat(64);
    let ended = json!({"status": {
        "podName": format!("{name}-pod"),
        "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:15Z",
        "conditions": [{"type": "Succeeded", "status": "True", "reason": "Succeeded"}],
        "steps": [{"name": "build", "container": "step-build",
            "imageID": format!("docker.io/library/busybox@sha256:{base}"), "terminated": {"exitCode": 0}}],
        "results": [{"name": "IMAGE_URL", "type": "string", "value": repository},
            {"name": "IMAGE_DIGEST", "type": "string", "value": digest}],
        "taskSpec": {"steps": [step]},
    }});
    (
        Call { method: "POST", path: collection.clone(), body: made },
        Call { method: "PATCH", path: format!("{collection}/{name}/status"), body: ended },
    )
}

/// Makes a PipelineRun and returns its uid.
pub(crate) fn pipeline_run(cluster: &Cluster, namespace: &str, name: &str) -> Result<String> {
    let run = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"pipelineRef": {"name": "chains-demo-1"}, "taskRunTemplate": {"serviceAccountName": "builder"}}});
    cluster.apply(&run.to_string())?;
    let uid =
        cluster.kubectl(&["get", "pipelinerun", name, "-n", namespace, "-o", "jsonpath={.metadata.uid}"])?;
    if uid.is_empty() {
        bail!("the PipelineRun {name} has no uid");
    }
    Ok(uid)
}

/// Ends a PipelineRun whose children these are, with the result of the guide's.
pub(crate) fn end_pipeline_run(namespace: &str, name: &str, children: &[&str], image: &str) -> Call {
    let (repository, digest) = image.split_once('@').unwrap_or((image, ""));
    let references: Vec<Value> = children
        .iter()
        .map(|child| {
            json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": child, "pipelineTaskName": "build-image"})
        })
        .collect();
    let body = json!({"status": {
        "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:20Z",
        "conditions": [{"type": "Succeeded", "status": "True", "reason": "Succeeded"}],
        "childReferences": references,
        "results": [{"name": "first_image_ARTIFACT_OUTPUTS", "value": {"uri": repository, "digest": digest}}],
        "pipelineSpec": {"tasks": [{"name": "build-image", "taskRef": {"name": "buildah"}}]},
    }});
    let path = format!("/apis/tekton.dev/v1/namespaces/{namespace}/pipelineruns/{name}/status");
    Call { method: "PATCH", path, body }
}

/// All runs of a kind in a namespace.
pub(crate) fn runs(cluster: &Cluster, namespace: &str, kind: &str) -> Result<Vec<Value>> {
    let list = cluster.kubectl(&["get", kind, "-n", namespace, "-o", "json"])?;
    let mut list: Value = serde_json::from_str(&list)?;
    Ok(list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default())
}

/// An annotation of a run, below Chains' prefix.
pub(crate) fn annotation<'a>(run: &'a Value, name: &str) -> Option<&'a str> {
    run.pointer("/metadata/annotations")?.get(format!("chains.tekton.dev/{name}"))?.as_str()
}

/// Whether a run is marked, has a receipt, and nobody holds it.
pub(crate) fn is_signed(run: &Value) -> bool {
    let held =
        run.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    annotation(run, "signed") == Some("true") && annotation(run, "provost-receipt").is_some() && !held
}
