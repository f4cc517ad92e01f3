//! Beside a Kyverno: whose status is whose, whose objects are whose, and ours put right when somebody changes them.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::Scene;
use super::objects::Policy;
use crate::gate::Gate;
use crate::shell;

/// How long a status is watched that must not be written: it is written within a second otherwise.
const LEFT_ALONE: Duration = Duration::from_secs(4);

impl Scene<'_> {
    /// While a Kyverno gives signs of life policies' status is left alone; our objects never look like Kyverno's.
    pub(super) fn beside(&self, gate: &Gate) -> Result<()> {
        let now = shell::output("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"])?;
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "kyverno-health", "namespace": "kyverno",
                "annotations": {"kyverno.io/last-request-time": now.trim()}}, "spec": {}});
        self.ground.cluster.apply(&lease.to_string())?;
        let key = self.ground.place.read("cosign.pub")?;
        let policy = Policy::about(&key, super::BUILDER, "beside", "nowhere.invalid/*");
        self.ground.cluster.apply(&policy.object().to_string())?;
        thread::sleep(LEFT_ALONE);
        let status = self.kubectl(&["get", "clusterpolicy/beside", "-o", "jsonpath={.status.conditions}"])?;
        if !status.is_empty() {
            bail!("a Kyverno is at work, and the status was written: {status}");
        }
        self.kubectl(&["delete", "lease", "kyverno-health", "-n", "kyverno"])?;
        self.store(gate, &policy)?;
        for (kind, name) in [
            ("mutatingwebhookconfiguration", "provost-mutating"),
            ("validatingwebhookconfiguration", "provost-validating"),
            ("validatingwebhookconfiguration", "provost-policies"),
        ] {
            let object = self.kubectl(&["get", kind, name, "-o", "json"])?;
            let object: Value = serde_json::from_str(&object)?;
            let labels = object.pointer("/metadata/labels").unwrap_or(&Value::Null).to_string();
            if labels.contains("kyverno.io") {
                bail!("{name} has labels of Kyverno: {labels}");
            }
            // Whoever takes our entries out finds them there again.
            self.kubectl(&["patch", kind, name, "--type=merge", "-p", r#"{"webhooks": []}"#])?;
            self.wait(gate, || {
                let found = self.kubectl(&["get", kind, name, "-o", "jsonpath={.webhooks[*].name}"])?;
                Ok((!found.contains(".kyverno.svc")).then(|| format!("{name} is not put right: {found:?}")))
            })?;
        }
        // Policies that nobody could judge by are not stored.
        let mut odd = policy.object();
        if let Some(entry) = odd.pointer_mut("/spec/rules/0/verifyImages/0/attestations/0")
            && let Some(fields) = entry.as_object_mut()
        {
            fields.remove("attestors");
        }
        let Err(error) = self.ground.cluster.apply(&odd.to_string()) else {
            bail!("a policy without attestors is stored");
        };
        if !format!("{error:#}").contains("an attestation without attestors may come from anybody") {
            bail!("the refusal of a policy has other words: {error:#}");
        }
        self.kubectl(&["delete", "clusterpolicy", "beside"])?;
        shell::say(
            "beside a Kyverno the status is left alone; our objects are put right, and policies are looked at before they are stored",
        );
        Ok(())
    }
}
