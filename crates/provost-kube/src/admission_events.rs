//! Events of the gate, as Kyverno writes them: on the policy and, where the object is there, on the object.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::events::EventType;
use provost_gate::Hook;
use provost_gate::backlog::{Backlog, Load, Waiting, backlog};
use provost_gate::log::Scrubber;
use provost_gate::record::Decided;
use provost_gate::sight::Sight;
use provost_kyverno::outcome::{PolicyOutcome, RuleOutcome};
use provost_kyverno::{Request, Status, message};
use tokio::sync::mpsc;

use crate::cluster::{ANSWER_TIME, Cluster};
use crate::events::{Object, Publisher};

/// The most events of one decision: a Pod of 50 images under ten policies.
const OF_ONE: usize = 500;
/// How many identifiers of policies are remembered, of 100 bytes each; beyond it all are asked for anew.
const POLICIES: usize = 10_000;

/// What events are about; Kyverno's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A rule is not held.
    PolicyViolation,
    /// A rule is held.
    PolicyApplied,
    /// A rule could not be evaluated.
    PolicyError,
    /// A rule let something pass.
    PolicySkipped,
}

impl Reason {
    /// Kyverno's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PolicyViolation => "PolicyViolation",
            Self::PolicyApplied => "PolicyApplied",
            Self::PolicyError => "PolicyError",
            Self::PolicySkipped => "PolicySkipped",
        }
    }

    /// The reasons of `--omitEvents`, separated by commas.
    ///
    /// # Errors
    /// The word that is none.
    pub fn list(text: &str) -> Result<BTreeSet<Self>, String> {
        let all = [Self::PolicyViolation, Self::PolicyApplied, Self::PolicyError, Self::PolicySkipped];
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(|word| all.into_iter().find(|r| r.name() == word).ok_or_else(|| word.to_owned())).collect()
    }

    fn of(status: Status) -> Self {
        match status {
            Status::Pass => Self::PolicyApplied,
            Status::Fail | Status::Warn => Self::PolicyViolation,
            Status::Error => Self::PolicyError,
            Status::Skip => Self::PolicySkipped,
        }
    }
}

/// Who found it out; Kyverno's components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// A webhook.
    Admission,
    /// The background scan.
    Scan,
}

impl Component {
    fn name(self) -> &'static str {
        match self {
            Self::Admission => "kyverno-admission",
            Self::Scan => "kyverno-scan",
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    on_policy: bool,
    reason: Reason,
    action: &'static str,
    note: String,
    policy: (String, String),
}

/// Writes events.
pub struct Events {
    publisher: Publisher,
    cluster: Cluster,
    omitted: BTreeSet<Reason>,
    /// The identifiers of policies, by namespace and name, of one epoch.
    known: HashMap<(String, String), Option<String>>,
    epoch: u64,
    load: Option<Arc<Load>>,
}

/// Who hears decisions for events. Nothing is written on dry runs.
#[must_use]
pub fn hears() -> (Backlog, mpsc::Receiver<Waiting>) {
    // What was let in is told by the validating webhook, when the object has an identifier.
    backlog(|decided| {
        let is_last = matches!(decided.hook, Hook::Validate(_)) || !decided.is_allowed();
        !decided.dry_run && is_last && decided.judgement.is_some()
    })
}

impl Events {
    /// A writer; `omitted` are the reasons of `--omitEvents`.
    #[must_use]
    pub fn new(
        cluster: &Cluster,
        component: Component,
        identity: &str,
        omitted: BTreeSet<Reason>,
        say: crate::Say,
    ) -> Self {
        let publisher = Publisher::new(cluster, component.name(), identity, say);
        Self { publisher, cluster: cluster.clone(), omitted, known: HashMap::new(), epoch: 0, load: None }
    }

    /// Writes the events of decisions until nobody is left who could decide anything.
    pub async fn write(mut self, mut waiting: mpsc::Receiver<Waiting>, load: Arc<Load>) {
        self.load = Some(load);
        while let Some(one) = waiting.recv().await {
            let Decided { request, sight, judgement: Some(judgement), .. } = one.decided.as_ref() else {
                continue;
            };
            let blocked = !one.decided.is_allowed();
            self.tell(request, sight, &judgement.policies, blocked).await;
        }
    }

    /// Writes the events of one judgement.
    pub async fn tell(
        &mut self,
        request: &Request,
        sight: &Sight,
        outcomes: &[PolicyOutcome],
        blocked: bool,
    ) {
        if self.epoch != sight.epoch || self.known.len() > POLICIES {
            self.known.clear();
            self.epoch = sight.epoch;
        }
        let object = request.subject();
        let uid = object.pointer("/metadata/uid").and_then(|uid| uid.as_str()).map(str::to_owned);
        let text = |name: &str| object.get(name).and_then(|text| text.as_str()).unwrap_or_default();
        let (version, kind) = (text("apiVersion").to_owned(), text("kind").to_owned());
        let about = Object::of(&version, &kind, &request.namespace, request.object_name(), uid);
        for told in events_of(request, sight, outcomes, blocked, &self.omitted) {
            let policy = self.policy(&told.policy).await;
            // Each is told apart from others by what it is related to, as in Kyverno.
            let (object, related) = if told.on_policy { (&policy, &about) } else { (&about, &policy) };
            let kind = match told.reason {
                Reason::PolicyViolation | Reason::PolicyError => EventType::Warning,
                Reason::PolicyApplied | Reason::PolicySkipped => EventType::Normal,
            };
            let publishing = self.publisher.publish(
                kind,
                object,
                Some(related),
                told.reason.name(),
                told.action,
                &told.note,
            );
            let written = publishing.await;
            if let (false, Some(load)) = (written, &self.load) {
                load.drop_one();
            }
        }
    }

    /// A policy as events name it.
    async fn policy(&mut self, which: &(String, String)) -> Object {
        let (namespace, name) = which;
        let (kind, plural) = match namespace.as_str() {
            "" => ("ClusterPolicy", "clusterpolicies"),
            _ => ("Policy", "policies"),
        };
        let uid = match self.known.get(which) {
            Some(uid) => uid.clone(),
            None => {
                let kind = GroupVersionKind::gvk("kyverno.io", "v1", kind);
                let resource = ApiResource::from_gvk_with_plural(&kind, plural);
                let client = self.cluster.client.clone();
                let api: Api<DynamicObject> = match namespace.as_str() {
                    "" => Api::all_with(client, &resource),
                    namespace => Api::namespaced_with(client, namespace, &resource),
                };
                let found = tokio::time::timeout(ANSWER_TIME, api.get_metadata(name)).await;
                let uid = found.ok().and_then(Result::ok).and_then(|found| found.metadata.uid);
                self.known.insert(which.clone(), uid.clone());
                uid
            }
        };
        Object::of("kyverno.io/v1", kind, namespace, name, uid)
    }
}

/// The events of a judgement, in Kyverno's words.
fn events_of(
    request: &Request,
    sight: &Sight,
    outcomes: &[PolicyOutcome],
    blocked: bool,
    omitted: &BTreeSet<Reason>,
) -> Vec<Told> {
    let mut scrubber = None;
    let mut found = Vec::new();
    for policy in outcomes {
        let denied = blocked && policy.verified.iter().any(is_bad);
        // What the check says of an image, verifying has said before; it counts where it alone denies.
        let of = if blocked && !denied { &policy.checked } else { &policy.verified };
        for outcome in of {
            let reason = Reason::of(outcome.status);
            if omitted.contains(&reason) || found.len() >= OF_ONE {
                continue;
            }
            let scrubber = scrubber.get_or_insert_with(|| Scrubber::of_request(request, sight));
            let words = scrubber.clean(&message::of(outcome));
            let stops = blocked && is_bad(outcome);
            let action = match outcome.status {
                _ if stops => "Resource Blocked",
                Status::Pass => "Resource Passed",
                _ => "None",
            };
            let what = message::printable(&named(request));
            let status = outcome.status.name();
            let how = if stops { " (blocked)" } else { "" };
            let told = |on_policy, note| Told {
                on_policy,
                reason,
                action,
                note,
                policy: (policy.namespace.clone(), policy.name.clone()),
            };
            found.push(told(true, format!("{what}: [{}] {status}{how}; {words}", outcome.rule)));
            // What was kept out is not there to have events.
            if !blocked {
                found.push(told(false, format!("policy {}/{} {status}: {words}", policy.name, outcome.rule)));
            }
        }
    }
    found
}

fn is_bad(outcome: &RuleOutcome) -> bool {
    matches!(outcome.status, Status::Fail | Status::Error)
}

/// `Pod namespace/name`.
fn named(request: &Request) -> String {
    match request.namespace.as_str() {
        "" => format!("{} {}", request.kind.kind, request.object_name()),
        namespace => format!("{} {namespace}/{}", request.kind.kind, request.object_name()),
    }
}

#[cfg(test)]
mod tests {
    use provost_kyverno::outcome::Finding;
    use provost_kyverno::policy::{Action, FailurePolicy};
    use serde_json::json;

    use super::*;

    const CANARY: &str = "CANARY-7d1f0c9a";

    fn outcomes() -> [PolicyOutcome; 1] {
        let one = |status, finding| RuleOutcome {
            rule: "r".to_owned(),
            image: Some("i:v1".to_owned()),
            status,
            finding,
            action: Action::Enforce,
            tells: false,
        };
        [PolicyOutcome {
            name: "p".to_owned(),
            namespace: String::new(),
            failure_policy: FailurePolicy::Fail,
            scored: true,
            verified: vec![
                one(Status::Fail, Finding::Denied { messages: vec![format!("found {CANARY}")] }),
                one(Status::Pass, Finding::Signatures),
            ],
            checked: vec![one(Status::Fail, Finding::Unverified)],
        }]
    }

    fn told(blocked: bool, omitted: &str) -> Vec<(bool, &'static str, &'static str, String)> {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "n"},
            "spec": {"containers": [{"image": "i:v1", "env": [{"name": "A", "value": CANARY}]}]}});
        let omitted = Reason::list(omitted).unwrap();
        let found = events_of(&Request::of_object(&pod), &Sight::default(), &outcomes(), blocked, &omitted);
        found.into_iter().map(|told| (told.on_policy, told.reason.name(), told.action, told.note)).collect()
    }

    #[test]
    fn a_denial_is_told_on_the_policy_in_kyvernos_words_and_without_secrets() {
        let note =
            "Pod n/x: [r] fail (blocked); validation in verifyImages failed: found [hidden]".to_owned();
        let expected = [(true, "PolicyViolation", "Resource Blocked", note)];
        assert_eq!(told(true, "PolicyApplied,PolicySkipped"), expected);
    }

    #[test]
    fn what_is_let_in_is_told_on_both() {
        let all = told(false, "");
        let notes: Vec<_> = all.iter().map(|(_, _, action, note)| (*action, note.as_str())).collect();
        assert_eq!(
            notes,
            [
                ("None", "Pod n/x: [r] fail; validation in verifyImages failed: found [hidden]"),
                ("None", "policy p/r fail: validation in verifyImages failed: found [hidden]"),
                ("Resource Passed", "Pod n/x: [r] pass; verified image signatures for i:v1"),
                ("Resource Passed", "policy p/r pass: verified image signatures for i:v1"),
            ]
        );
    }

    #[test]
    fn only_kyvernos_reasons_can_be_omitted() {
        assert_eq!(Reason::list(""), Ok(BTreeSet::new()));
        assert_eq!(Reason::list("PolicyApplied,Nonsense"), Err("Nonsense".to_owned()));
    }

    #[tokio::test]
    async fn what_a_policy_finds_of_two_objects_is_two_events() {
        let (server, cluster) = crate::fake::FakeServer::start().await;
        let omitted = Reason::list("PolicyApplied").unwrap();
        let mut events = Events::new(&cluster, Component::Admission, "one", omitted, Arc::new(|_: &str| {}));
        for name in ["x", "y", "x"] {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "n"}, "spec": {}});
            events.tell(&Request::of_object(&pod), &Sight::default(), &outcomes(), true).await;
        }
        let path = "/apis/events.k8s.io/v1/namespaces/default/events";
        assert_eq!(server.asked(&format!("POST {path}")), 2);
        assert_eq!(server.asked(&format!("PATCH {path}/p.")), 1, "the same again only counts up");
    }
}
