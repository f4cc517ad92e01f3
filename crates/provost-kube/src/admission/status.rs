//! The condition `Ready` on stored policies, as Kyverno writes it; while a Kyverno is at work it is Kyverno's (security.md 15).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use provost_chains::reconcile::ClusterFault;
use provost_kyverno::policy::PolicyKind;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::kept::What;
use super::sights::{Known, Read, Stored};
use super::webhooks::Registration;
use crate::cluster::Cluster;
use crate::lease::Held;
use crate::runs::answered;

/// The Leases of Kyverno's admission controller: the one it leads by, and the one in whose annotation it says that it lives.
const LEASES: [&str; 2] = ["kyverno", "kyverno-health"];
/// The annotation of its health Lease.
const LAST_REQUEST: &str = "kyverno.io/last-request-time";
/// How old a sign of life may be: Kyverno's own dead line is 100 s, and clocks differ.
const ALIVE: Duration = Duration::from_secs(180);
/// How often it is looked whether a Kyverno is at work.
const ROUND: Duration = Duration::from_secs(10);
/// How long after a policy changed more changes are waited for.
const GATHER: Duration = Duration::from_millis(300);

/// How a policy stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Standing {
    kind: PolicyKind,
    namespace: String,
    name: String,
    version: String,
    /// Why it is not judged by.
    fault: Option<String>,
    /// How many rules verify images, and how many do other things.
    rules: (usize, usize),
    conditions: Vec<Value>,
}

/// How the stored policies stand.
pub(super) fn standings(known: &Known) -> Vec<Standing> {
    known.policies().map(Standing::of).collect()
}

impl Standing {
    fn of(stored: &Stored) -> Self {
        let text =
            |at: &str| stored.object.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let version = text("/apiVersion");
        let (fault, rules) = match &stored.read {
            Read::Policy(policy) => (None, (policy.rules.len(), policy.other_rules.len())),
            Read::Refused(why, _) => (Some(why.clone()), (0, 0)),
        };
        let conditions = stored.object.pointer("/status/conditions").and_then(Value::as_array);
        Self {
            kind: stored.kind,
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            version: version.rsplit('/').next().unwrap_or_default().to_owned(),
            fault,
            rules,
            conditions: conditions.cloned().unwrap_or_default(),
        }
    }

    /// Whether it has work for us; the others are left to whoever judges by them.
    fn is_ours(&self) -> bool {
        self.fault.is_some() || self.rules.0 > 0
    }

    fn ready(&self) -> (&'static str, &'static str, &str) {
        match &self.fault {
            None => ("True", "Succeeded", "Ready"),
            Some(why) => ("False", "Failed", why),
        }
    }

    /// The patch of its status; `None` where it says so already.
    fn patch(&self, now: Timestamp) -> Option<Value> {
        let (status, reason, message) = self.ready();
        let is_ready = |one: &&Value| one.get("type").and_then(Value::as_str) == Some("Ready");
        let before = self.conditions.iter().find(is_ready);
        let is = |name: &str, text: &str| {
            before.and_then(|one| one.get(name)).and_then(Value::as_str) == Some(text)
        };
        if is("status", status) && is("reason", reason) && is("message", message) {
            return None;
        }
        let since =
            before.filter(|_| is("status", status)).and_then(|one| one.get("lastTransitionTime").cloned());
        let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut conditions: Vec<Value> =
            self.conditions.iter().filter(|one| !is_ready(one)).cloned().collect();
        conditions.push(json!({"type": "Ready", "status": status, "reason": reason, "message": message,
            "lastTransitionTime": since.unwrap_or(Value::String(now))}));
        let count = json!({"verifyimages": self.rules.0});
        Some(json!({"status": {"conditions": conditions, "rulecount": count}}))
    }
}

/// Keeps the condition.
pub(super) struct Statuses {
    pub(super) cluster: Cluster,
    pub(super) kyverno_namespace: String,
    pub(super) leads: watch::Receiver<Held>,
    pub(super) policies: watch::Receiver<Vec<Standing>>,
    /// What is to be registered; `None` where nobody registers anything.
    pub(super) wanted: Option<watch::Receiver<Option<Arc<Registration>>>>,
    /// What is registered.
    pub(super) registered: watch::Receiver<Option<Arc<Registration>>>,
    pub(super) say: crate::Say,
}

impl Statuses {
    /// Keeps it until dropped.
    pub(super) async fn keep(mut self) {
        let mut said = String::new();
        loop {
            match self.round().await {
                Ok(()) => said.clear(),
                Err(words) if said != words => {
                    (self.say)(&words);
                    said = words;
                }
                Err(_) => {}
            }
            tokio::select! {
                _ = self.policies.changed() => tokio::time::sleep(GATHER).await,
                _ = self.registered.changed() => {}
                _ = self.leads.changed() => {}
                () = tokio::time::sleep(ROUND) => {}
            }
        }
    }

    async fn round(&mut self) -> Result<(), String> {
        let leads = !self.leads.borrow_and_update().valid.is_empty();
        // In this order: what is wanted is told before the policies that want it.
        let policies = self.policies.borrow_and_update().clone();
        let wanted = self.wanted.as_ref().map(|wanted| wanted.borrow().clone());
        let registered = self.registered.borrow_and_update().clone();
        let in_step = match (wanted, registered) {
            (None, _) => true,
            (Some(Some(wanted)), Some(registered)) => Arc::ptr_eq(&wanted, &registered),
            _ => false,
        };
        if !leads || !in_step {
            return Ok(());
        }
        let now = Timestamp::now();
        let due: Vec<(&Standing, Value)> = policies
            .iter()
            .filter(|one| one.is_ours())
            .filter_map(|one| Some((one, one.patch(now)?)))
            .collect();
        if due.is_empty() || kyverno_lives(&self.cluster, &self.kyverno_namespace, now).await? {
            return Ok(());
        }
        for (standing, patch) in due {
            self.write(standing, &patch).await?;
        }
        Ok(())
    }

    async fn write(&self, standing: &Standing, patch: &Value) -> Result<(), String> {
        let what = match standing.kind {
            PolicyKind::Cluster => What::ClusterPolicies,
            PolicyKind::Namespaced => What::Policies,
        };
        let resource = what.resource(&standing.version);
        let client = self.cluster.client.clone();
        let api: Api<DynamicObject> = match standing.kind {
            PolicyKind::Cluster => Api::all_with(client, &resource),
            PolicyKind::Namespaced => Api::namespaced_with(client, &standing.namespace, &resource),
        };
        let how =
            PatchParams { field_manager: Some("provost-admission".to_owned()), ..PatchParams::default() };
        let doing = format!("writing the status of {} {}", standing.kind.name(), standing.name);
        match answered(&doing, api.patch_status(&standing.name, &how, &Patch::Merge(patch))).await {
            Ok(_) | Err(ClusterFault::Gone) => Ok(()),
            Err(fault) => Err(fault.to_string()),
        }
    }
}

/// Whether a Kyverno has given a sign of life lately; without a namespace there is none. That it cannot be found out is an error, and nothing is written.
async fn kyverno_lives(cluster: &Cluster, namespace: &str, now: Timestamp) -> Result<bool, String> {
    if namespace.is_empty() {
        return Ok(false);
    }
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), namespace);
    for name in LEASES {
        let doing = format!("reading Kyverno's lease {namespace}/{name}");
        match answered(&doing, leases.get(name)).await {
            Ok(lease) if lives(&lease, now) => return Ok(true),
            Ok(_) | Err(ClusterFault::Gone) => {}
            Err(fault) => return Err(fault.to_string()),
        }
    }
    Ok(false)
}

fn lives(lease: &Lease, now: Timestamp) -> bool {
    let said = lease.metadata.annotations.as_ref().and_then(|all| all.get(LAST_REQUEST));
    let said = said.and_then(|text| text.parse::<Timestamp>().ok());
    let renewed =
        lease.spec.as_ref().filter(|spec| spec.holder_identity.as_ref().is_some_and(|h| !h.is_empty()));
    let renewed = renewed.and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0);
    [said, renewed].into_iter().flatten().any(|time| now.duration_since(time).unsigned_abs() < ALIVE)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    fn standing(fault: Option<&str>, conditions: Vec<Value>) -> Standing {
        Standing {
            kind: PolicyKind::Cluster,
            namespace: String::new(),
            name: "p".to_owned(),
            version: "v1".to_owned(),
            fault: fault.map(str::to_owned),
            rules: (1, 0),
            conditions,
        }
    }

    #[tokio::test]
    async fn no_kyverno_is_looked_for_where_none_is_said_to_run() {
        let (server, cluster) = crate::fake::FakeServer::start().await;
        let now = Timestamp::now();
        assert_eq!(kyverno_lives(&cluster, "", now).await, Ok(false));
        assert_eq!(server.asked("GET "), 0);
        // One that may be there and cannot be looked for is not nobody.
        server.refuse("GET /apis/coordination.k8s.io/v1/namespaces/kyverno/leases/", 403);
        assert!(kyverno_lives(&cluster, "kyverno", now).await.is_err());
        assert_eq!(kyverno_lives(&cluster, "kyverno", now).await, Ok(false));
    }

    #[test]
    fn a_condition_is_written_once_and_others_stay() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let other = json!({"type": "Other", "status": "True"});
        let patch = standing(None, vec![other.clone()]).patch(now).unwrap();
        let conditions = patch.pointer("/status/conditions").unwrap().as_array().unwrap().clone();
        assert_eq!(conditions.first(), Some(&other));
        assert_eq!(conditions[1]["lastTransitionTime"], "2026-01-01T00:00:00Z");
        assert_eq!(standing(None, conditions.clone()).patch(now), None);
        let patch = standing(Some("why"), conditions).patch(now).unwrap();
        let ready = patch.pointer("/status/conditions/1").unwrap();
        assert_eq!((&ready["status"], &ready["message"]), (&json!("False"), &json!("why")));
    }

    #[test]
    fn a_kyverno_lives_while_it_renews_or_says_so() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        let held = |at: &str| Lease {
            spec: Some(LeaseSpec {
                holder_identity: Some("k".to_owned()),
                renew_time: Some(MicroTime(at.parse().unwrap())),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        };
        assert!(lives(&held("2026-01-01T00:09:00Z"), now));
        assert!(!lives(&held("2026-01-01T00:01:00Z"), now));
        let mut said = Lease::default();
        said.metadata.annotations =
            Some([(LAST_REQUEST.to_owned(), "2026-01-01T00:09:30Z".to_owned())].into());
        assert!(lives(&said, now) && !lives(&Lease::default(), now));
    }
}
