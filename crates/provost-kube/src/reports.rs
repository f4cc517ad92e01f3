//! Reports of what policies found, one for each object, owned by it and deleted with it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use provost_gate::Hook;
use provost_gate::backlog::{Backlog, Load, Waiting, backlog};
use provost_gate::log::Scrubber;
use provost_gate::record::Decided;
use provost_gate::sight::Sight;
use provost_kyverno::apply::Dialect;
use provost_kyverno::apply::resource_report::{Owner, Process, kept, report_name, resource_report, results};
use provost_kyverno::outcome::PolicyOutcome;
use provost_kyverno::{Policy, Request};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::cluster::{ANSWER_TIME, Cluster, words};

/// Who writes reports, for the API server's accounts of who owns which field.
const WRITER: &str = "provost";
/// How long results of admissions are gathered before they are written: by then the object is stored, which a report must
/// not come before, or it is swept away as one whose owner is gone.
const GATHER: Duration = Duration::from_secs(2);
/// How many objects' results are gathered at most, of some 4 KiB each; what comes after is dropped and counted.
const GATHERED: usize = 2000;
/// How often it is said at most that reports cannot be written.
const SAID: Duration = Duration::from_secs(300);

/// Why a report was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The cluster has no such kind.
    #[error(
        "the cluster has no {kind} of {group}; expected its custom resource definition, or --enableReporting=false"
    )]
    NoKind {
        /// The kind.
        kind: &'static str,
        /// Its group.
        group: &'static str,
    },
    /// The API server did not take it.
    #[error("{0}")]
    Refused(String),
}

/// Writes reports.
#[derive(Clone)]
pub struct Reports {
    cluster: Cluster,
    dialect: Dialect,
}

/// Who hears decisions for reports: of what was let in, when the object has an identifier. Nothing on dry runs.
#[must_use]
pub fn hears() -> (Backlog, mpsc::Receiver<Waiting>) {
    backlog(|decided| {
        let verified = decided.judgement.iter().flat_map(|judgement| &judgement.policies);
        !decided.dry_run
            && decided.is_allowed()
            && matches!(decided.hook, Hook::Validate(_))
            && verified.into_iter().any(|policy| !policy.verified.is_empty())
    })
}

/// What a report will say.
pub struct Finding {
    owner: Owner,
    results: Vec<Value>,
    /// The policies that are there and were not judged by, as results name them.
    others: HashSet<String>,
}

impl Finding {
    /// What a judgement by the policies of which `was_judged` is true found; `None` for an object without an identifier.
    #[must_use]
    pub fn of(
        request: &Request,
        sight: &Sight,
        outcomes: &[PolicyOutcome],
        was_judged: impl Fn(&Policy) -> bool,
        process: Process,
        at: Timestamp,
    ) -> Option<Self> {
        let owner = Owner::of(request.subject(), &request.namespace)?;
        let policy = |outcome: &PolicyOutcome| -> Option<&Policy> {
            let mut stored = sight.policies.iter();
            let found = stored.find(|p| p.name == outcome.name && p.namespace == outcome.namespace);
            found.map(AsRef::as_ref)
        };
        let judged: Vec<(&Policy, &PolicyOutcome)> =
            outcomes.iter().filter_map(|outcome| Some((policy(outcome)?, outcome))).collect();
        let scrubber = Scrubber::of_request(request, sight);
        let results = results(&judged, request, at.as_second(), process, |message| scrubber.clean(message));
        let name = |policy: &Policy| match policy.namespace.as_str() {
            "" => policy.name.clone(),
            namespace => format!("{namespace}/{}", policy.name),
        };
        let others = sight.policies.iter().filter(|policy| !was_judged(policy)).map(|policy| name(policy));
        let others = others.collect();
        Some(Self { owner, results, others })
    }

    /// Whether anything was found at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.results.is_empty()
    }
}

impl Reports {
    /// A writer of reports of this group.
    #[must_use]
    pub fn new(cluster: &Cluster, dialect: Dialect) -> Self {
        Self { cluster: cluster.clone(), dialect }
    }

    /// Writes a report over the one there is, of which results of policies that were not judged by now stay.
    ///
    /// # Errors
    /// See [`ReportError`].
    pub async fn write(&self, found: &Finding) -> Result<(), ReportError> {
        let Finding { owner, results, others } = found;
        let api = self.api(owner);
        let name = report_name(owner);
        let before = answered(api.get_opt(&name)).await.map_err(|fault| fault.of(&name))?;
        let mut all = results.clone();
        if let Some(before) = &before {
            all.extend(kept(&before.data, |policy| others.contains(policy)));
        }
        if all.is_empty() && before.is_none() {
            return Ok(());
        }
        let report = resource_report(self.dialect, owner, all);
        let how = PatchParams::apply(WRITER).force();
        match answered(api.patch(&name, &how, &Patch::Apply(&report))).await {
            Ok(_) => Ok(()),
            // A report that is not there is made; what is not there is the kind, or the namespace that goes.
            Err(Fault { status: Some(404), words }) if words.contains("requested resource") => {
                let (kind, _) = kind_of(self.dialect, !owner.namespace.is_empty());
                let (group, _) = self.dialect.group();
                Err(ReportError::NoKind { kind, group })
            }
            Err(fault) => Err(fault.of(&name)),
        }
    }

    fn api(&self, owner: &Owner) -> Api<DynamicObject> {
        let (group, version) = self.dialect.group();
        let (kind, plural) = kind_of(self.dialect, !owner.namespace.is_empty());
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let client = self.cluster.client.clone();
        match owner.namespace.as_str() {
            "" => Api::all_with(client, &resource),
            namespace => Api::namespaced_with(client, namespace, &resource),
        }
    }

    /// Writes the results of admissions until nobody is left who could decide anything: the last of each object, once a
    /// round.
    pub async fn follow(self, mut waiting: mpsc::Receiver<Waiting>, load: Arc<Load>, say: crate::Say) {
        let mut quiet_until = None;
        loop {
            let mut gathered: HashMap<String, Finding> = HashMap::new();
            let Some(first) = waiting.recv().await else { return };
            gather(&mut gathered, &first.decided, &load);
            drop(first);
            let until = tokio::time::Instant::now() + GATHER;
            while let Ok(Some(one)) = tokio::time::timeout_at(until, waiting.recv()).await {
                gather(&mut gathered, &one.decided, &load);
            }
            tokio::time::sleep_until(until).await;
            let mut said = HashSet::new();
            for found in gathered.values() {
                if let Err(error) = self.write(found).await {
                    load.drop_one();
                    said.insert(error.to_string());
                }
            }
            let now = tokio::time::Instant::now();
            if !said.is_empty() && quiet_until.is_none_or(|until| until < now) {
                quiet_until = Some(now + SAID);
                said.iter().take(3).for_each(|words| say(&format!("writing a report: {words}")));
            }
        }
    }
}

fn gather(gathered: &mut HashMap<String, Finding>, decided: &Decided, load: &Load) {
    let Some(judgement) = &decided.judgement else { return };
    let by_hook = |policy: &Policy| decided.hook.share().takes(policy);
    let found = Finding::of(
        &decided.request,
        &decided.sight,
        &judgement.policies,
        by_hook,
        Process::Admission,
        decided.at,
    );
    if let Some(found) = found {
        merge(gathered, found, load);
    }
}

/// Adds what was found of an object to what was found of it a moment ago.
fn merge(gathered: &mut HashMap<String, Finding>, mut found: Finding, load: &Load) {
    let uid = found.owner.uid.clone();
    match gathered.remove(&uid) {
        // The webhook of another share of the policies has spoken about the same object.
        Some(before) => {
            let is_other = |result: &Value| {
                let policy = result.get("policy").and_then(Value::as_str).unwrap_or_default();
                found.others.contains(policy)
            };
            let more: Vec<Value> = before.results.into_iter().filter(is_other).collect();
            found.results.extend(more);
            found.others.retain(|policy| before.others.contains(policy));
        }
        None if gathered.len() >= GATHERED => {
            load.drop_one();
            return;
        }
        None => {}
    }
    gathered.insert(uid, found);
}

/// The kind of reports, and its plural.
fn kind_of(dialect: Dialect, namespaced: bool) -> (&'static str, &'static str) {
    match (dialect, namespaced) {
        (Dialect::PolicyReports, true) => ("PolicyReport", "policyreports"),
        (Dialect::PolicyReports, false) => ("ClusterPolicyReport", "clusterpolicyreports"),
        (Dialect::OpenReports, true) => ("Report", "reports"),
        (Dialect::OpenReports, false) => ("ClusterReport", "clusterreports"),
    }
}

/// Why there was no answer.
struct Fault {
    status: Option<u16>,
    words: String,
}

impl Fault {
    fn of(self, name: &str) -> ReportError {
        ReportError::Refused(format!("{name}: {}", self.words))
    }
}

async fn answered<T>(asking: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Fault> {
    match tokio::time::timeout(ANSWER_TIME, asking).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => {
            Err(Fault { status: Some(status.code), words: status.message.clone() })
        }
        Ok(Err(error)) => Err(Fault { status: None, words: words(&error) }),
        Err(_) => Err(Fault { status: None, words: "no answer".to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use provost_kyverno::outcome::RuleOutcome;
    use provost_kyverno::policy::{Action, FailurePolicy};
    use provost_kyverno::{Status, load};
    use serde_json::json;

    use super::*;

    /// What one share of the policies found about a Pod, of three that are there.
    fn found(judged: &[&str]) -> Finding {
        let document = |name: &str| {
            json!({
                "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name},
                "spec": {"background": false, "rules": [{
                    "name": "r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                    "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce"}],
                }]},
            })
        };
        let policies = load("p.yaml", &["a", "b", "c"].map(document)).policies;
        let sight = Sight { policies: policies.into_iter().map(Arc::new).collect(), ..Sight::default() };
        let outcome = |name: &&str| PolicyOutcome {
            name: (*name).to_owned(),
            namespace: String::new(),
            failure_policy: FailurePolicy::Fail,
            scored: true,
            verified: vec![RuleOutcome {
                rule: "r".to_owned(),
                image: None,
                status: Status::Fail,
                finding: provost_kyverno::Finding::Denied {
                    messages: vec!["found CANARY-7d1f0c9a".to_owned()],
                },
                action: Action::Audit,
                tells: false,
            }],
            checked: Vec::new(),
        };
        let outcomes: Vec<PolicyOutcome> = judged.iter().map(outcome).collect();
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "n", "uid": "u"},
            "spec": {"containers": [{"image": "i:v1", "env": [{"name": "A", "value": "CANARY-7d1f0c9a"}]}]}});
        let request = Request::of_object(&pod);
        let was_judged = |policy: &Policy| judged.contains(&policy.name.as_str());
        Finding::of(&request, &sight, &outcomes, was_judged, Process::Admission, Timestamp::UNIX_EPOCH)
            .unwrap()
    }

    #[test]
    fn a_report_has_no_secret() {
        let found = found(&["a", "b"]);
        let text = json!(found.results).to_string();
        assert!(!text.contains("CANARY") && text.contains("[hidden]"), "{text}");
        assert_eq!(found.others, HashSet::from(["c".to_owned()]));
    }

    #[test]
    fn shares_of_the_policies_speak_about_one_object() {
        let mut gathered = HashMap::new();
        for judged in [&["a"][..], &["b"], &["a"]] {
            let found = found(judged);
            merge(&mut gathered, found, &Load::default());
        }
        let found = gathered.remove("u").unwrap();
        let mut policies: Vec<_> = found.results.iter().map(|result| result["policy"].clone()).collect();
        policies.sort_by_key(Value::to_string);
        assert_eq!(policies, [json!("a"), json!("b")]);
        assert_eq!(found.others, HashSet::from(["c".to_owned()]));
    }

    #[test]
    fn so_many_objects_are_gathered_and_no_more() {
        let (mut gathered, load) = (HashMap::new(), Load::default());
        for number in 0..=GATHERED {
            let owner = Owner { uid: format!("u{number}"), ..Owner::default() };
            let finding = Finding { owner, results: Vec::new(), others: HashSet::new() };
            merge(&mut gathered, finding, &load);
        }
        assert_eq!((gathered.len(), load.dropped()), (GATHERED, 1));
    }
}
