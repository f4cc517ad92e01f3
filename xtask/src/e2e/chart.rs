//! The chart, installed by a real helm into a real API server; what its accounts may do, and what they may not.

use anyhow::{Result, bail};

use super::Setting;
use crate::cluster::Cluster;
use crate::render;
use crate::shell;

const GATE: &str = "system:serviceaccount:provost-system:provost-admission";
const CONTROLLER: &str = "system:serviceaccount:tekton-chains:provost-controller";
/// Namespaces that a test of namespaces needs.
const NAMESPACES: [&str; 3] = ["provost-system", "policy", "kyverno"];

/// What each account may do: account, verb, resource, namespace. After a slash comes an object's name, after a hash a subresource.
const MAY: [(&str, &str, &str, &str); 14] = [
    (CONTROLLER, "patch", "taskruns.tekton.dev", "anywhere"),
    (CONTROLLER, "list", "pipelineruns.tekton.dev", "anywhere"),
    (CONTROLLER, "get", "secrets", "anywhere"),
    (CONTROLLER, "get", "secrets/signing-secrets", "tekton-chains"),
    (CONTROLLER, "watch", "secrets/signing-secrets", "tekton-chains"),
    (CONTROLLER, "update", "leases.coordination.k8s.io", "tekton-chains"),
    (GATE, "watch", "clusterpolicies.kyverno.io", ""),
    (GATE, "patch", "policies.kyverno.io#status", "anywhere"),
    (GATE, "list", "pods", "anywhere"),
    (GATE, "create", "mutatingwebhookconfigurations.admissionregistration.k8s.io", ""),
    (GATE, "update", "mutatingwebhookconfigurations.admissionregistration.k8s.io/provost-mutating", ""),
    (GATE, "get", "secrets", "policy"),
    (GATE, "update", "secrets/provost-admission-tls", "provost-system"),
    (GATE, "create", "subjectaccessreviews.authorization.k8s.io", ""),
];

/// What they may not (security.md 21).
const MAY_NOT: [(&str, &str, &str, &str); 28] = [
    (GATE, "get", "secrets/signing-secrets", "tekton-chains"),
    (GATE, "list", "secrets", "tekton-chains"),
    (GATE, "get", "secrets", "anywhere"),
    (GATE, "list", "secrets", "policy"),
    (GATE, "watch", "secrets", "policy"),
    (GATE, "update", "secrets/another", "provost-system"),
    (GATE, "delete", "secrets/another", "provost-system"),
    (GATE, "create", "pods", "anywhere"),
    (GATE, "delete", "pods", "anywhere"),
    (GATE, "patch", "pods", "anywhere"),
    (GATE, "create", "pods#exec", "anywhere"),
    (GATE, "update", "clusterpolicies.kyverno.io", ""),
    (GATE, "create", "policyexceptions.kyverno.io", "anywhere"),
    (GATE, "update", "validatingwebhookconfigurations.admissionregistration.k8s.io/kyverno-policy", ""),
    (GATE, "delete", "mutatingwebhookconfigurations.admissionregistration.k8s.io/another", ""),
    (GATE, "patch", "taskruns.tekton.dev", "anywhere"),
    (GATE, "impersonate", "users", ""),
    (GATE, "escalate", "clusterroles.rbac.authorization.k8s.io", ""),
    (CONTROLLER, "list", "secrets", "anywhere"),
    (CONTROLLER, "watch", "secrets", "anywhere"),
    (CONTROLLER, "update", "secrets/signing-secrets", "tekton-chains"),
    (CONTROLLER, "create", "pods", "anywhere"),
    (CONTROLLER, "delete", "pods", "anywhere"),
    (CONTROLLER, "create", "taskruns.tekton.dev", "anywhere"),
    (CONTROLLER, "delete", "pipelineruns.tekton.dev", "anywhere"),
    (CONTROLLER, "update", "configmaps/chains-config", "tekton-chains"),
    (CONTROLLER, "get", "mutatingwebhookconfigurations.admissionregistration.k8s.io", ""),
    (CONTROLLER, "create", "validatingwebhookconfigurations.admissionregistration.k8s.io", ""),
];

/// Installs, asks, changes, and removes.
pub(super) fn run(_: &Setting) -> Result<()> {
    if render::rendered()? != render::kept()? {
        bail!("deploy/provost.yaml is not what the chart renders to: run `cargo xtask render`");
    }
    let cluster = Cluster::start()?;
    for name in NAMESPACES {
        cluster.kubectl(&["create", "namespace", name])?;
    }
    cluster.apply(&crate::tekton::definitions())?;
    let all = "console.enabled=true,dashboard.enabled=true,admission.kyvernoNamespace=kyverno,admission.secretNamespaces={policy}";
    helm(&cluster, &["upgrade", "--install", "provost", &chart(), "--set", all])?;
    shell::say("the chart is installed");
    for (account, verb, resource, namespace) in MAY {
        ask(&cluster, account, verb, resource, namespace, true)?;
    }
    for (account, verb, resource, namespace) in MAY_NOT {
        ask(&cluster, account, verb, resource, namespace, false)?;
    }
    shell::say(&format!("{} rights are there, {} are not", MAY.len(), MAY_NOT.len()));
    // A gate that can read the signing key is refused by the chart itself.
    let refused = helm(
        &cluster,
        &["upgrade", "provost", &chart(), "--set", "admission.secretNamespaces={tekton-chains}"],
    );
    if !refused.is_err_and(|error| error.to_string().contains("signing-secrets")) {
        bail!("the chart lets the gate read the controller's namespace");
    }
    // Without the console, its rights go.
    helm(&cluster, &["upgrade", "provost", &chart(), "--reset-values"])?;
    ask(&cluster, GATE, "create", "tokenreviews.authentication.k8s.io", "", false)?;
    ask(&cluster, GATE, "get", "secrets", "policy", false)?;
    helm(&cluster, &["uninstall", "provost"])?;
    cluster.kubectl(&["get", "crd", "clusterpolicies.kyverno.io", "policyexceptions.kyverno.io"])?;
    cluster.kubectl(&["get", "namespace", "tekton-chains"])?;
    cluster.kubectl(&[
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        &shell::root().join("deploy/provost.yaml").to_string_lossy(),
    ])?;
    shell::say("policies outlive the release, and the plain manifests apply");
    Ok(())
}

fn chart() -> String {
    shell::root().join("deploy/chart").to_string_lossy().into_owned()
}

fn helm(cluster: &Cluster, arguments: &[&str]) -> Result<()> {
    let kubeconfig = cluster.kubeconfig.to_string_lossy();
    let beside = ["--namespace", "provost-system", "--kubeconfig", &kubeconfig];
    shell::quiet(&cluster.helm.to_string_lossy(), &[arguments, &beside].concat())
}

fn ask(
    cluster: &Cluster,
    account: &str,
    verb: &str,
    resource: &str,
    namespace: &str,
    expected: bool,
) -> Result<()> {
    let (kind, subresource) = resource.split_once('#').unwrap_or((resource, ""));
    let mut arguments = vec!["auth", "can-i", verb, kind, "--as", account, "--quiet"];
    if !subresource.is_empty() {
        arguments.extend(["--subresource", subresource]);
    }
    match namespace {
        "" => {}
        "anywhere" => arguments.extend(["--namespace", "default"]),
        named => arguments.extend(["--namespace", named]),
    }
    // It says no by its exit code.
    match cluster.kubectl(&arguments).is_ok() == expected {
        true => Ok(()),
        false if expected => bail!("{account} may not {verb} {resource} in {namespace:?}, which it needs to"),
        false => bail!("{account} may {verb} {resource} in {namespace:?}, which it must not"),
    }
}
