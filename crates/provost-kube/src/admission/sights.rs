//! From what the cluster says to what the gate judges by: the one place where a new sight is made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use provost_gate::sight::Sight;
use provost_kyverno::message::refusal;
use provost_kyverno::policy::unread::Unread;
use provost_kyverno::policy::{PolicyKind, load};
use provost_kyverno::{Exception, Policy};
use serde_json::Value;

use super::bindings::{Bindings, Objects};
use super::kept::{Name, Told, What};
use super::key_secrets;
use super::live::Live;
use super::settings::Configured;

/// Which exceptions count: Kyverno's `--enablePolicyException` and `--exceptionNamespace`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExceptionRule {
    /// Whether any do.
    pub enabled: bool,
    /// The namespace they must be in; `*` for any, empty for none.
    pub namespace: String,
}

impl ExceptionRule {
    fn takes(&self, namespace: &str) -> bool {
        self.enabled && (self.namespace == "*" || self.namespace == namespace)
    }
}

/// A policy as it is stored, read.
#[derive(Clone, Debug)]
pub(super) enum Read {
    /// It is judged by.
    Policy(Arc<Policy>),
    /// It cannot be.
    Refused(String, Option<Box<Unread>>),
}

/// A stored policy.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) kind: PolicyKind,
    pub(super) object: Value,
    pub(super) read: Read,
}

/// What is known of the cluster.
pub(super) struct Known {
    namespace: String,
    rule: ExceptionRule,
    force_ignore: bool,
    live: Arc<Live>,
    epoch: u64,
    listed: BTreeSet<What>,
    /// Whether the keys have been read that policies named when all was listed for the first time.
    has_keys: bool,
    policies: BTreeMap<(What, Name), Stored>,
    exceptions: BTreeMap<Name, Exception>,
    namespaces: Objects,
    role_bindings: Objects,
    cluster_role_bindings: Objects,
    entries: Objects,
    configured: Configured,
    /// Whether anything changed that is judged by since the last sight.
    is_new: bool,
    /// Remarks on what was told last.
    pub(super) remarks: Vec<String>,
}

impl Known {
    pub(super) fn new(namespace: &str, rule: ExceptionRule, force_ignore: bool, live: Arc<Live>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            rule,
            force_ignore,
            live,
            epoch: 0,
            listed: BTreeSet::new(),
            has_keys: false,
            policies: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            namespaces: Objects::new(),
            role_bindings: Objects::new(),
            cluster_role_bindings: Objects::new(),
            entries: Objects::new(),
            configured: Configured::read(namespace, None),
            is_new: true,
            remarks: Vec::new(),
        }
    }

    /// The stored policies.
    pub(super) fn policies(&self) -> impl Iterator<Item = &Stored> {
        self.policies.values()
    }

    /// What the ConfigMap says.
    pub(super) fn configured(&self) -> &Configured {
        &self.configured
    }

    /// Takes note of what the cluster said. What many objects hang on is worked out once for all, by [`Known::settle`].
    pub(super) fn take(&mut self, told: Told) {
        match told {
            Told::Changed(what, name, object) => self.changed(what, name, object),
            Told::Gone(what, name) => self.gone(what, &name),
            Told::All(what, objects) => {
                self.begin_anew(what);
                for (name, object) in objects {
                    self.changed(what, name, object);
                }
                self.is_new |= self.listed.insert(what);
            }
            Told::Material => self.is_new = true,
            Told::Trouble(words) => self.remarks.push(words),
        }
    }

    fn begin_anew(&mut self, what: What) {
        match what {
            What::ClusterPolicies | What::Policies => {
                self.is_new = true;
                self.policies.retain(|(of, _), _| *of != what);
            }
            What::Exceptions => {
                self.is_new = true;
                self.exceptions.clear();
            }
            What::Settings => self.configure(None),
            _ => self.plain(what).clear(),
        }
    }

    /// The objects that are kept as they are.
    fn plain(&mut self, what: What) -> &mut Objects {
        match what {
            What::RoleBindings => &mut self.role_bindings,
            What::ClusterRoleBindings => &mut self.cluster_role_bindings,
            What::GlobalEntries => &mut self.entries,
            _ => &mut self.namespaces,
        }
    }

    fn changed(&mut self, what: What, name: Name, object: Value) {
        match what {
            What::ClusterPolicies => self.policy(what, PolicyKind::Cluster, name, object),
            What::Policies => self.policy(what, PolicyKind::Namespaced, name, object),
            What::Exceptions => self.exception(name, &object),
            What::Settings => {
                let data = object.get("data").cloned().unwrap_or_default();
                self.configure(serde_json::from_value(data).ok());
            }
            _ => {
                self.plain(what).insert(name, object);
            }
        }
    }

    fn gone(&mut self, what: What, name: &Name) {
        match what {
            What::ClusterPolicies | What::Policies => {
                self.is_new |= self.policies.remove(&(what, name.clone())).is_some();
            }
            What::Exceptions => self.is_new |= self.exceptions.remove(name).is_some(),
            What::Settings => self.configure(None),
            _ => {
                self.plain(what).remove(name);
            }
        }
    }

    fn configure(&mut self, data: Option<BTreeMap<String, String>>) {
        let before =
            std::mem::replace(&mut self.configured, Configured::read(&self.namespace, data.as_ref()));
        self.is_new |= before != self.configured;
        let new = self.configured.faults.iter().filter(|fault| !before.faults.contains(fault));
        self.remarks.extend(new.map(|fault| format!("the ConfigMap: {fault}")));
    }

    fn policy(&mut self, what: What, kind: PolicyKind, name: Name, object: Value) {
        let before = self.policies.get(&(what, name.clone()));
        // What a status says changes nothing; policies are read again only when they are others.
        if let Some(before) = before
            && ["/spec", "/metadata/annotations"]
                .iter()
                .all(|at| before.object.pointer(at) == object.pointer(at))
        {
            let read = before.read.clone();
            self.policies.insert((what, name), Stored { kind, object, read });
            return;
        }
        self.is_new = true;
        let mut found = load("the API server", std::slice::from_ref(&object));
        let read = match (found.policies.pop(), found.refused.pop()) {
            (Some(policy), _) => Read::Policy(Arc::new(self.forced(policy))),
            (None, refused) => {
                let why = refused.map_or_else(
                    || "it is of no version that is known".to_owned(),
                    |refused| refusal::cause(&refused.cause),
                );
                self.remarks.push(format!("{} {} cannot be judged by: {why}", kind.name(), name.1));
                let unread = Unread::of(kind, &object, why.clone());
                Read::Refused(why, unread.map(Box::new))
            }
        };
        self.policies.insert((what, name), Stored { kind, object, read });
    }

    /// The policy under `--forceFailurePolicyIgnore`.
    fn forced(&self, mut policy: Policy) -> Policy {
        if self.force_ignore {
            let ignore = Some(provost_kyverno::policy::FailurePolicy::Ignore);
            policy.spec.failure_policy = ignore;
            policy.spec.webhook_configuration.get_or_insert_default().failure_policy = ignore;
        }
        policy
    }

    fn exception(&mut self, name: Name, object: &Value) {
        self.is_new |= self.exceptions.remove(&name).is_some();
        if !self.rule.takes(&name.0) {
            return;
        }
        let mut found = load("the API server", std::slice::from_ref(object));
        match (found.exceptions.pop(), found.refused.pop()) {
            (Some(exception), _) => {
                self.remarks.extend(exception.remark());
                self.exceptions.insert(name, exception);
                self.is_new = true;
            }
            (None, refused) => {
                let why = refused.map_or_else(String::new, |refused| refusal::cause(&refused.cause));
                self.remarks.push(format!("PolicyException {}/{} does not count: {why}", name.0, name.1));
            }
        }
    }

    /// Hands on what judging asks for itself, of these kinds.
    pub(super) fn settle(&self, changed: &BTreeSet<What>) {
        let is = |what: What| changed.contains(&what);
        if is(What::Namespaces) && self.listed.contains(&What::Namespaces) {
            self.live.tell_namespaces(&self.namespaces);
        }
        let bindings = [What::RoleBindings, What::ClusterRoleBindings];
        if bindings.into_iter().any(is) && bindings.iter().all(|what| self.listed.contains(what)) {
            let all = self.role_bindings.iter().chain(&self.cluster_role_bindings);
            self.live.tell_bindings(Bindings::of(all));
        }
        if is(What::GlobalEntries) {
            self.live.tell_entries(&self.entries);
        }
    }

    /// What is not known yet.
    pub(super) fn missing(&self) -> Vec<String> {
        let all = What::ALL.into_iter().filter(|what| !self.listed.contains(what));
        let keys = (!self.has_keys).then_some("keys");
        all.map(What::plural).chain(keys).map(str::to_owned).collect()
    }

    /// Whether all is listed, and the keys that policies name are still to be read.
    pub(super) fn lacks_keys_alone(&self) -> bool {
        !self.has_keys && self.listed.len() == What::ALL.len()
    }

    /// The Secrets that policies name as keys.
    pub(super) fn key_secrets(&self) -> BTreeSet<Name> {
        let mut found = BTreeSet::new();
        self.policies.values().for_each(|stored| key_secrets::named(&stored.object, &mut found));
        found
    }

    /// The keys have been read; those of policies that come later are read when they are asked for.
    pub(super) fn keys_are_read(&mut self) {
        self.has_keys = true;
        self.is_new = true;
    }

    /// Whether what is judged by has changed since the last sight. The status of a policy is none of it, nor what judging
    /// asks for itself: answers that are remembered stay good.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// What the gate judges by from now on.
    pub(super) fn sight(&mut self, now: Timestamp) -> Sight {
        self.is_new = false;
        self.epoch += 1;
        let mut sight = Sight {
            epoch: self.epoch,
            settings: self.configured.judging.clone(),
            filters: self.configured.filters.clone(),
            missing: self.missing(),
            ..Sight::default()
        };
        for stored in self.policies.values() {
            match &stored.read {
                Read::Policy(policy) => {
                    let judges = !policy.rules.is_empty() && policy.spec.admission != Some(false);
                    sight.policies.extend(judges.then(|| policy.clone()));
                }
                Read::Refused(_, unread) => sight.unread.extend(unread.as_deref().cloned()),
            }
        }
        sight.exceptions = self.exceptions.values().filter(|one| one.counts_at(now)).cloned().collect();
        sight
    }

    /// How long it is until the next exception expires.
    pub(super) fn next_end(&self, now: Timestamp) -> Option<Duration> {
        self.exceptions.values().filter_map(|one| one.ends_in(now)).min()
    }
}
