//! Which decisions of a log other policies would have made otherwise.
//!
//! A line is judged by the same [`Gate`] that would judge the request now: by these policies, and by what registries say
//! today. Where a policy needs what the log hides ([`needs`]), or what nobody can be asked for, the answer is "could not
//! check": neither let in nor denied.

mod needs;
mod report;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use provost_kyverno::outcome::{PolicyOutcome, RuleOutcome};
use provost_kyverno::policy::Action;
use provost_kyverno::select::Facts;
use provost_kyverno::stores::Remembered;
use provost_kyverno::{
    Anchors, Cluster, Exception, Judgement, Policy, Request, Settings, Status, Stores, message,
};
use provost_oci::Digest;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::gate::{Gate, Machine, Parts};
use crate::hook::{Hook, Share};
use crate::log::{Entry, HIDDEN, VERSION, full_name};
use crate::record::Basis;
use crate::response::Answer;
use crate::sight::Sight;
pub use report::{Change, Replayed, Report, Row};

/// The most verdicts remembered, of some hundred bytes each: the Pods of one rollout ask the same thing.
const REMEMBERED: usize = 100_000;
/// How long registries may take over one line: nobody waits for it but a person.
const ASKING: Duration = Duration::from_secs(60);

/// What lines are judged by.
pub struct Basics {
    /// The policies.
    pub policies: Vec<Policy>,
    /// The exceptions.
    pub exceptions: Vec<Exception>,
    /// Kyverno's settings.
    pub settings: Settings,
    /// The objects of the cluster, as far as they are given.
    pub cluster: Arc<dyn Cluster>,
    /// Whether those are all there are, so that users have the roles they give and no others.
    pub knows_cluster: bool,
    /// The registries.
    pub stores: Arc<dyn Stores>,
    /// The clock, lots and host names of expressions.
    pub machine: Arc<dyn Machine>,
    /// What is believed besides what policies name.
    pub anchors: Arc<Anchors>,
}

/// What would be decided now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Now {
    /// It would be let in.
    Allowed,
    /// It would be denied, and why.
    Denied(Vec<Why>),
    /// It cannot be told, and why not.
    Unchecked(Vec<String>),
}

/// One reason of a denial.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Why {
    /// The policy: `name`, or `namespace/name`.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// The image, where it is about one.
    pub image: Option<String>,
    /// Kyverno's words.
    pub message: String,
}

/// Judges lines.
pub struct Replayer {
    gate: Gate,
    sight: Sight,
    cluster: Arc<dyn Cluster>,
    knows_cluster: bool,
    known: HashMap<Digest, Now>,
}

impl Replayer {
    /// One that judges by this.
    #[must_use]
    pub fn new(basics: Basics) -> Self {
        let Basics { policies, exceptions, settings, cluster, knows_cluster, stores, machine, anchors } =
            basics;
        let policies = policies.into_iter().map(Arc::new).collect();
        let sight = Sight { epoch: 1, policies, exceptions, settings, ..Sight::default() };
        // The gate gets the sight of each line from here.
        let (_, sights) = watch::channel(Arc::new(Sight::default()));
        let stores = Arc::new(Remembered::new(stores));
        let parts = Parts { sights, cluster: cluster.clone(), stores, machine, anchors, hearers: Vec::new() };
        Self { gate: Gate::new(parts), sight, cluster, knows_cluster, known: HashMap::new() }
    }

    /// What would be decided now about what a line is about.
    pub async fn now(&mut self, entry: &Entry) -> Now {
        let request = match request_of(entry) {
            Ok(request) => request,
            Err(why) => return Now::Unchecked(vec![why]),
        };
        let key = key_of(&request);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let now = self.judged(&request).await;
        if self.known.len() < REMEMBERED {
            self.known.insert(key, now.clone());
        }
        now
    }

    async fn judged(&self, request: &Request) -> Now {
        let all: Vec<&Policy> = self.sight.policies.iter().map(AsRef::as_ref).collect();
        let exceptions = &self.sight.exceptions;
        let facts = Facts::gather(self.cluster.as_ref(), &all, exceptions, request).await;
        let asked = needs::Asked {
            request,
            facts: &facts,
            exceptions,
            settings: &self.sight.settings,
            knows_cluster: self.knows_cluster,
        };
        let mut unchecked = Vec::new();
        let mut policies = Vec::new();
        for policy in &self.sight.policies {
            match needs::of(&asked, policy) {
                Some(need) => {
                    unchecked.push(format!("{}: {need}", full_name(&policy.namespace, &policy.name)));
                }
                None => policies.push(Arc::clone(policy)),
            }
        }
        let sight = Sight {
            epoch: self.sight.epoch,
            policies,
            exceptions: exceptions.clone(),
            settings: self.sight.settings.clone(),
            ..Sight::default()
        };
        let by = tokio::time::Instant::now() + ASKING;
        let Answer { basis, judgement, .. } =
            self.gate.decide(&sight, &Hook::Mutate(Share::All), request, by).await;
        let Some(judgement) = judgement else { return Now::Allowed };
        let denied = reasons(&judgement, |outcome| !outcome.finding.is_unchecked());
        if !denied.is_empty() && basis != Basis::Unchanged {
            return Now::Denied(denied);
        }
        unchecked.extend(undecided(&judgement));
        unchecked.sort();
        unchecked.dedup();
        if unchecked.is_empty() { Now::Allowed } else { Now::Unchecked(unchecked) }
    }
}

/// The results that keep an object out, of those that count.
fn reasons(judgement: &Judgement, counts: impl Fn(&RuleOutcome) -> bool) -> Vec<Why> {
    let errors_deny = judgement.errors_deny;
    let mut found = Vec::new();
    for policy in &judgement.policies {
        // An image that could not be verified is unverified in the check: that is the same finding twice.
        let unchecked = |image: &Option<String>| {
            policy.verified.iter().any(|o| o.finding.is_unchecked() && o.image == *image)
        };
        let again = |o: &RuleOutcome| {
            matches!(o.finding, provost_kyverno::Finding::Unverified) && unchecked(&o.image)
        };
        let checked = policy.checked.iter().filter(|outcome| !again(outcome));
        for outcome in policy.verified.iter().chain(checked) {
            if counts(outcome) && PolicyOutcome::denies(std::slice::from_ref(outcome), errors_deny) {
                found.push(Why {
                    policy: full_name(&policy.namespace, &policy.name),
                    rule: outcome.rule.clone(),
                    image: outcome.image.clone(),
                    message: message::of(outcome),
                });
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// What could not be found out, and might deny if it could.
fn undecided(judgement: &Judgement) -> Vec<String> {
    let mut found = Vec::new();
    for policy in &judgement.policies {
        for outcome in policy.verified.iter().chain(&policy.checked) {
            let is_open = match outcome.status {
                Status::Fail => outcome.action == Action::Enforce,
                Status::Error => true,
                Status::Pass | Status::Warn | Status::Skip => false,
            };
            if is_open && outcome.finding.is_unchecked() {
                let name = full_name(&policy.namespace, &policy.name);
                found.push(format!("{name}: {}: {}", outcome.rule, message::of(outcome)));
            }
        }
    }
    found
}

/// The request of a line; what the log does not have stands in it as a hash that nobody can read.
fn request_of(entry: &Entry) -> Result<Request, String> {
    if entry.version != VERSION {
        return Err(format!("the line is of version {}, expected {VERSION}", entry.version));
    }
    if entry.objects_left_out {
        return Err("the line was too long for its object".to_owned());
    }
    let hidden = |what: &str| Value::String(format!("{HIDDEN}{what}"));
    let generated = entry.object.pointer("/metadata/name").is_none()
        && entry.object.pointer("/metadata/generateName").is_some();
    let mut request = json!({
        "uid": entry.uid,
        "operation": entry.operation,
        "kind": {"group": entry.kind.group, "version": entry.kind.version, "kind": entry.kind.kind},
        "subResource": entry.subresource,
        "namespace": entry.namespace,
        "name": if generated { "" } else { entry.name.as_str() },
        "object": entry.object,
        "oldObject": entry.old_object,
        "dryRun": entry.dry_run,
        "options": hidden("options"),
        "resource": hidden("resource"),
    });
    if let (Some(user), Some(fields)) = (&entry.user, request.as_object_mut()) {
        let info = json!({"username": user.username, "groups": user.groups, "uid": hidden("uid"), "extra": hidden("extra")});
        fields.insert("userInfo".to_owned(), info);
    }
    Request::of_review(&json!({"request": request})).map_err(|error| error.to_string())
}

/// What a request asks, whichever of its kind it is.
fn key_of(request: &Request) -> Digest {
    let mut view = Value::Object(request.view());
    for pointer in ["/uid", "/object/metadata/uid", "/object/metadata/creationTimestamp"] {
        if let Some(value) = view.pointer_mut(pointer) {
            *value = Value::Null;
        }
    }
    Digest::sha256_of(view.to_string().as_bytes())
}

#[cfg(test)]
mod tests;
