//! The one way in: a request, answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use provost_expr::environment::{Clock, Random, Resolver};
use provost_kyverno::policy::FailurePolicy;
use provost_kyverno::policy::spec::Action;
use provost_kyverno::policy::unread::Unread;
use provost_kyverno::{
    Anchors, Cluster, Exception, Judgement, Operation, Policy, Request, Stores, World, judge,
};
use serde_json::Value;

use crate::hook::Hook;
use crate::memory::{Limits, Memory};
use crate::record::{Basis, Decided, Hears};
use crate::response::{self, Answer};
use crate::sight::{Sight, Sights};
use crate::unchanged;

/// The clock, lots and host names of expressions.
pub trait Machine: Clock + Random + Resolver + Send + Sync {}

impl<T: Clock + Random + Resolver + Send + Sync> Machine for T {}

/// What a gate is made of.
pub struct Parts {
    /// What it judges by.
    pub sights: Sights,
    /// The cluster it judges for.
    pub cluster: Arc<dyn Cluster>,
    /// The registries.
    pub stores: Arc<dyn Stores>,
    /// The clock, lots and host names of expressions.
    pub machine: Arc<dyn Machine>,
    /// What is believed besides what policies name.
    pub anchors: Arc<Anchors>,
    /// Who hears of decisions.
    pub hearers: Vec<Arc<dyn Hears>>,
}

/// A question.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which webhook is asked.
    pub hook: Hook,
    /// About what.
    pub request: Request,
    /// Whether the caller showed a certificate that the operator's authority issued.
    pub authenticated: bool,
    /// How long the API server waits for the answer.
    pub limit: Duration,
}

/// How long an API server waits where its question does not say.
pub const WAITING: Duration = Duration::from_secs(10);
/// How long it waits at most.
pub const LONGEST_WAITING: Duration = Duration::from_secs(30);
/// How long before the API server gives up the answer is on its way: enough for a busy machine to send it.
const MARGIN: Duration = Duration::from_millis(500);
/// How long registries may take over one object of a background scan, for which nobody waits.
const SCANNING: Duration = Duration::from_secs(30);

/// Answers requests.
pub struct Gate {
    parts: Parts,
    memory: Memory,
    /// How many requests are being answered.
    answering: AtomicUsize,
}

impl Gate {
    /// A gate of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self::remembering(parts, Limits::default(), |_| {})
    }

    /// A gate that remembers within these limits; `say` hears of stale answers that are used.
    #[must_use]
    pub fn remembering(parts: Parts, limits: Limits, say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let memory = Memory::new(Arc::clone(&parts.stores), limits, say);
        Self { parts, memory, answering: AtomicUsize::new(0) }
    }

    /// What it remembers of registries.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What it judges by.
    #[must_use]
    pub fn sights(&self) -> &Sights {
        &self.parts.sights
    }

    /// The `response` to a request, for an API server.
    pub async fn answer(&self, asked: Asked) -> Value {
        let began = Instant::now();
        let _answering = Answering::among(&self.answering);
        let sight = self.parts.sights.borrow().clone();
        let limit = asked.limit.min(LONGEST_WAITING);
        let answer_by = tokio::time::Instant::now() + limit.saturating_sub(MARGIN.min(limit / 10));
        let Answer { basis, judgement, response } = self.in_time(&sight, &asked, answer_by).await;
        let Asked { hook, request, authenticated, .. } = asked;
        let dry_run = request.fields.get("dryRun").and_then(Value::as_bool).unwrap_or_default();
        let decided = Arc::new(Decided {
            at: Timestamp::now(),
            hook,
            epoch: sight.epoch,
            sight,
            request,
            dry_run,
            authenticated,
            basis,
            judgement,
            response,
            took: began.elapsed(),
        });
        for hearer in &self.parts.hearers {
            hearer.heard(&decided);
        }
        decided.response.clone()
    }

    /// Registries have until half of the margin before the answer is due, so that what they do not say in time is told in
    /// the policy's own words. The rest, the cluster and the machine itself, is broken off when it is due.
    async fn in_time(&self, sight: &Sight, asked: &Asked, answer_by: tokio::time::Instant) -> Answer {
        let Asked { hook, request, limit, .. } = asked;
        let registries_by = answer_by - MARGIN.min(*limit / 10) / 2;
        let deciding = self.decide(sight, hook, request, registries_by);
        match tokio::time::timeout_at(answer_by, deciding).await {
            Ok(answer) => answer,
            Err(_) => {
                let why = format!("not decided within the {} s that the API server waits", limit.as_secs());
                response::late(request, enforces(sight, hook), &why)
            }
        }
    }

    /// What is found of an object that runs already, for a background scan; nobody hears of it. `None` where nothing
    /// would judge it at admission either.
    pub async fn scan(
        &self,
        sight: &Sight,
        policies: &[&Policy],
        exceptions: &[Exception],
        request: &Request,
    ) -> Option<Judgement> {
        let passes = sight.filters.pass(request, self.parts.cluster.as_ref()).await.unwrap_or_default();
        if passes || !sight.missing.is_empty() {
            return None;
        }
        let stores = self.memory.of_request(&request.namespace, tokio::time::Instant::now() + SCANNING);
        let mut judgement = judge(&self.world(sight, &stores), policies, exceptions, request).await;
        judgement.notes.extend(stores.stale());
        Some(judgement)
    }

    /// Whether any request is being answered; what nobody waits for waits until there is none.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed) > 0
    }

    /// Looks at the images of an object that runs already, so that what registries say of them is remembered when they are
    /// asked about; nobody hears what comes of it. Whether anything was looked at.
    pub async fn warm(&self, request: &Request) -> bool {
        let sight = self.parts.sights.borrow().clone();
        let policies: Vec<&Policy> = sight.policies.iter().map(Arc::as_ref).collect();
        // No exception holds it back: it may have ended when the object is made again.
        self.scan(&sight, &policies, &[], request).await.is_some()
    }

    fn world<'a>(&'a self, sight: &'a Sight, stores: &'a dyn Stores) -> World<'a> {
        World {
            cluster: self.parts.cluster.as_ref(),
            stores,
            settings: &sight.settings,
            clock: Some(self.parts.machine.as_ref()),
            random: Some(self.parts.machine.as_ref()),
            resolver: Some(self.parts.machine.as_ref()),
            anchors: Some(self.parts.anchors.as_ref()),
        }
    }

    pub(crate) async fn decide(
        &self,
        sight: &Sight,
        hook: &Hook,
        request: &Request,
        registries_by: tokio::time::Instant,
    ) -> Answer {
        if !sight.missing.is_empty() {
            let why = format!("not loaded yet: {}", sight.missing.join(", "));
            return response::own_fault(hook, request, Basis::NotLoaded, &why);
        }
        let share = hook.share();
        let policies: Vec<&Policy> =
            sight.policies.iter().map(Arc::as_ref).filter(|policy| share.takes(policy)).collect();
        if let (true, Some(name)) = (policies.is_empty(), share.policy()) {
            let why = format!("the policy {name} is not known here, or not known yet");
            return response::own_fault(hook, request, Basis::NotLoaded, &why);
        }
        // What goes brings no image. Where the cluster does not say a user's roles, nobody is left out for a role.
        let passes = request.operation == Operation::Delete
            || sight.filters.pass(request, self.parts.cluster.as_ref()).await.unwrap_or_default();
        if passes {
            return response::let_through(request, Basis::Filtered);
        }
        let stores = self.memory.of_request(&request.namespace, registries_by);
        let world = self.world(sight, &stores);
        let unchanged = unchanged::has_the_images_it_had(request, &policies, &world.environment());
        if unchanged && unchanged::had_ended(request) {
            return response::let_through(request, Basis::Ended);
        }
        let unread: Vec<&Unread> =
            sight.unread.iter().filter(|unread| unread.may_be_about(request)).collect();
        if let (Some(unread), false) = (unread.iter().find(|unread| unread.enforces), unchanged) {
            return response::unread(request, unread);
        }
        let judgement = judge(&world, &policies, &sight.exceptions, request).await;
        let answer = match unchanged && unchanged::is_only_unchecked(&judgement) {
            true => response::unchanged(request, judgement),
            false => response::of(hook, request, judgement, &unread),
        };
        response::stale(answer, stores.stale())
    }
}

/// Whether any policy that this webhook is asked about may enforce, or cannot be read.
fn enforces(sight: &Sight, hook: &Hook) -> bool {
    let share = hook.share();
    let may = |policy: &Policy| {
        let overrides = &policy.spec.validation_failure_action_overrides;
        overrides.iter().any(|one| one.action == Some(Action::Enforce))
            || policy.rules.iter().any(|rule| rule.action(policy, None) == Action::Enforce)
    };
    share.failure_policy() == FailurePolicy::Fail
        || !sight.unread.is_empty()
        || sight.policies.iter().any(|policy| share.takes(policy) && may(policy))
}

/// One request that is being answered, however that ends.
struct Answering<'a>(&'a AtomicUsize);

impl<'a> Answering<'a> {
    fn among(all: &'a AtomicUsize) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all)
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
