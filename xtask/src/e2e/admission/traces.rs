//! What decisions leave behind in the cluster: reports in both groups, events, and what the background scan finds of that
//! which runs already; and that dry runs leave nothing.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::objects::{self, Policy, pod};
use super::{OTHER_BUILDER, Scene};
use crate::gate::Gate;
use crate::shell;

/// The two groups of reports: the kind for objects of namespaces.
pub(super) const POLICY_REPORTS: &str = "policyreports.wgpolicyk8s.io";
pub(super) const OPEN_REPORTS: &str = "reports.openreports.io";

impl Scene<'_> {
    /// A policy that only tells: what it says of what comes, and of what was there before it.
    pub(super) fn traces(&self, gate: &Gate) -> Result<()> {
        let key = self.ground.place.read("cosign.pub")?;
        let runs = self.create("/apis/apps/v1/namespaces/policy/deployments", &deployment(&self.good))?;
        self.admits("what runs before the policy", &runs)?;
        let policy =
            Policy { enforced: false, background: true, ..Policy::about(&key, OTHER_BUILDER, "tells", "*") };
        self.store(gate, &policy)?;
        self.admits("what a policy tells of", &self.create(objects::PODS, &pod("told", &self.good))?)?;
        let dry = format!("{}?dryRun=All", objects::PODS);
        self.admits("a dry run", &self.create(&dry, &pod("dry", &self.good))?)?;
        let denied = self.create(objects::PODS, &pod("kept-out", &self.bad))?;
        self.denies("what is kept out", &denied, "was blocked")?;

        let message = format!("The builder.id must be equal to {OTHER_BUILDER}");
        self.reported(gate, POLICY_REPORTS, "pod/told", "tells", "fail", &message)?;
        // The enforced policy has been heard about the same Pod.
        self.reported(gate, POLICY_REPORTS, "pod/told", "verify-tekton-built-images", "pass", "")?;
        // What was there before is looked at by itself, by the rules that are made for its kind.
        let scanned = self.reported(gate, POLICY_REPORTS, "deployment/runs", "tells", "fail", &message)?;
        if scanned.pointer("/properties/process") != Some(&json!("background scan")) {
            bail!("the Deployment that runs already was not found by the scan: {scanned}");
        }
        self.told(gate, "Pod/policy/told", "PolicyViolation", "tells")?;
        self.told(gate, "Pod/policy/kept-out", "PolicyViolation", "verify-tekton-built-images")?;
        self.told(gate, "Deployment/policy/runs", "PolicyViolation", "tells")?;
        let all = self.kubectl(&["get", "events.events.k8s.io", "-A", "-o", "json"])?;
        let reports = self.kubectl(&["get", POLICY_REPORTS, "-A", "-o", "json"])?;
        if all.contains("Pod policy/dry")
            || all.contains("Pod/policy/dry")
            || reports.contains(r#""name": "dry""#)
        {
            bail!("a dry run has left something behind");
        }
        // A report goes with its object: it is owned by it.
        let report = self.report_of(POLICY_REPORTS, "pod/told")?;
        let owner = report.pointer("/metadata/ownerReferences/0/name");
        if owner != Some(&json!("told")) {
            bail!("the report of the Pod `told` is owned by {owner:?}");
        }
        let metrics = gate.ask("/metrics");
        for counted in
            ["kyverno_admission_requests_total", "provost_scanned_total", "provost_decisions_total"]
        {
            if !metrics.contains(counted) {
                bail!("nothing counts {counted}:\n{metrics}");
            }
        }
        self.kubectl(&["delete", "clusterpolicy", "tells"])?;
        shell::say(
            "what comes and what runs is in reports, events and metrics; what was only tried is in none",
        );
        Ok(())
    }

    /// The report about an object, as it stands.
    fn report_of(&self, reports: &str, object: &str) -> Result<Value> {
        let uid = self.kubectl(&["get", object, "-n", "policy", "-o", "jsonpath={.metadata.uid}"])?;
        let name = format!("provost-{uid}");
        let report =
            self.kubectl(&["get", reports, &name, "-n", "policy", "--ignore-not-found", "-o", "json"])?;
        match report.trim() {
            "" => Ok(Value::Null),
            report => Ok(serde_json::from_str(report)?),
        }
    }

    /// Waits until a report holds a result of a policy, and gives it.
    pub(super) fn reported(
        &self,
        gate: &Gate,
        reports: &str,
        object: &str,
        policy: &str,
        result: &str,
        message: &str,
    ) -> Result<Value> {
        let mut found = Value::Null;
        self.wait(gate, || {
            let report = self.report_of(reports, object)?;
            let results = report.get("results").and_then(Value::as_array);
            let of_policy = |one: &&Value| {
                let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
                text("policy") == policy && text("result") == result && text("message").contains(message)
            };
            found = results.into_iter().flatten().find(of_policy).cloned().unwrap_or_default();
            let words = || format!("{reports} of {object} has no {result} of {policy}: {report}");
            Ok(found.is_null().then(words))
        })?;
        Ok(found)
    }

    /// Waits until there is an event about an object for a reason that names a policy, on either of both.
    fn told(&self, gate: &Gate, object: &str, reason: &str, policy: &str) -> Result<()> {
        // Events of policies name the object so; what is kept out has no others.
        let named = object.replacen('/', " ", 1) + ":";
        self.wait(gate, || {
            let events = self.kubectl(&["get", "events.events.k8s.io", "-A", "-o", "json"])?;
            let events: Value = serde_json::from_str(&events)?;
            let items = events.get("items").and_then(Value::as_array);
            let is_it = |event: &&Value| {
                let about = |place: &str| event.pointer(place).and_then(Value::as_str).unwrap_or_default();
                let regarding = format!(
                    "{}/{}/{}",
                    about("/regarding/kind"),
                    about("/regarding/namespace"),
                    about("/regarding/name")
                );
                let whole = event.to_string();
                about("/reason") == reason
                    && whole.contains(policy)
                    && (regarding == object || about("/note").starts_with(&named))
            };
            let found = items.into_iter().flatten().any(|event| is_it(&event));
            Ok((!found).then(|| format!("no event {reason} about {object} by {policy}")))
        })
    }
}

/// A Deployment with this image.
fn deployment(image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "runs"},
        "spec": {"selector": {"matchLabels": {"app": "runs"}},
            "template": {"metadata": {"labels": {"app": "runs"}},
                "spec": {"containers": [{"name": "a", "image": image}]}}}})
}
