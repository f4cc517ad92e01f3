//! The one judging call that `apply`, `test`, `review` and the gate share.

pub(crate) mod candidate;
mod check;
pub(crate) mod locate;
mod ready;
mod verify;

use std::borrow::Borrow;
use std::collections::BTreeMap;

use futures_util::future::join_all;
use provost_expr::environment::{Clock, Environment, Random, Resolver};
use provost_expr::image::ImageDefaults;
use serde_json::Value;

use crate::anchors::Anchors;
use crate::cluster::{Cluster, Confined};
use crate::exception::Exception;
use crate::outcome::PolicyOutcome;
use crate::patch::{self, Marks};
use crate::policy::spec::Action;
use crate::policy::{FailurePolicy, Policy, PolicyKind};
use crate::request::{Operation, Request};
use crate::select::{self, Facts};
use crate::stores::Stores;
use provost_expr::wildcard;

pub(crate) use locate::Shelf;

/// What Kyverno's own ConfigMap says, as far as judging goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The registry of images that name none.
    pub default_registry: String,
    /// Whether that registry becomes part of the image's name.
    pub registry_mutation: bool,
    /// The namespace of Secrets that a policy names without one.
    pub namespace: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_registry: "docker.io".to_owned(),
            registry_mutation: true,
            namespace: "kyverno".to_owned(),
        }
    }
}

/// Everything a judgement may ask of the world around it.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The cluster.
    pub cluster: &'a dyn Cluster,
    /// The registries.
    pub stores: &'a dyn Stores,
    /// Kyverno's settings.
    pub settings: &'a Settings,
    /// Tells the time to expressions.
    pub clock: Option<&'a (dyn Clock + Sync)>,
    /// Draws lots for expressions.
    pub random: Option<&'a (dyn Random + Sync)>,
    /// Resolves host names for expressions.
    pub resolver: Option<&'a (dyn Resolver + Sync)>,
    /// What is believed besides what policies name.
    pub anchors: Option<&'a Anchors>,
}

impl<'a> World<'a> {
    /// The present; without a clock a time at which no certificate holds any more.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        let now = self.clock.map(|clock| clock.now().seconds);
        now.and_then(|now| jiff::Timestamp::from_second(now).ok()).unwrap_or(jiff::Timestamp::MAX)
    }

    /// What expressions may ask.
    #[must_use]
    pub fn environment(&self) -> Environment<'a> {
        Environment {
            clock: self.clock.map(|clock| clock as &dyn Clock),
            random: self.random.map(|random| random as &dyn Random),
            resolver: self.resolver.map(|resolver| resolver as &dyn Resolver),
            images: ImageDefaults {
                registry: &self.settings.default_registry,
                mutation: self.settings.registry_mutation,
            },
        }
    }
}

/// What is found of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The results of each policy that had anything to say, in the order given.
    pub policies: Vec<PolicyOutcome>,
    /// Whether errors deny: Kyverno lets one policy with failurePolicy Fail decide for all that were evaluated.
    pub errors_deny: bool,
    /// The operations that annotate the object and pin its images.
    pub operations: Vec<Value>,
    /// The object with these operations done.
    pub object: Value,
    /// Warnings of our own, without their prefix.
    pub notes: Vec<String>,
}

impl Judgement {
    /// Whether verifying the images keeps the object out.
    #[must_use]
    pub fn denied_by_verifying(&self) -> bool {
        self.policies.iter().any(|p| PolicyOutcome::denies(&p.verified, self.errors_deny))
    }

    /// Whether the check of the admitted object keeps it out.
    #[must_use]
    pub fn denied_by_checking(&self) -> bool {
        self.policies.iter().any(|p| PolicyOutcome::denies(&p.checked, self.errors_deny))
    }
}

/// What judging one request has at hand.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) request: &'a Request,
    pub(crate) facts: &'a Facts,
    pub(crate) exceptions: &'a [Exception],
    pub(crate) shelf: &'a Shelf<'a>,
    pub(crate) cluster: &'a dyn Cluster,
}

impl<'a> Scope<'a> {
    /// The same for one policy: a namespaced one reaches only its own namespace.
    fn of<'b>(&self, policy: &Policy, confined: &'b Confined<'a>) -> Scope<'b>
    where
        'a: 'b,
    {
        let cluster: &'b dyn Cluster = match policy.kind {
            PolicyKind::Cluster => self.cluster,
            PolicyKind::Namespaced => confined,
        };
        Scope { cluster, ..*self }
    }
}

/// Judges an object by policies: verifies its images, then checks the object as it would be admitted.
///
/// Policies, rules, entries, images, attestors and attestations are looked at side by side, each question is asked
/// of a registry once, and the result does not hang on the order of any of them. On DELETE nothing is verified.
pub async fn judge<P: Borrow<Policy> + Sync>(
    world: &World<'_>,
    policies: &[P],
    exceptions: &[Exception],
    request: &Request,
) -> Judgement {
    let policies: Vec<&Policy> = policies.iter().map(Borrow::borrow).collect();
    judge_by(world, &policies, exceptions, request).await
}

async fn judge_by(
    world: &World<'_>,
    policies: &[&Policy],
    exceptions: &[Exception],
    request: &Request,
) -> Judgement {
    let shelf = Shelf::new(world.stores);
    if request.operation == Operation::Delete {
        let (object, errors_deny) = (request.object.clone(), false);
        return Judgement {
            policies: Vec::new(),
            errors_deny,
            operations: Vec::new(),
            object,
            notes: Vec::new(),
        };
    }
    let errors_deny = policies.iter().any(|policy| policy.spec.failure_policy() == FailurePolicy::Fail);
    let facts = Facts::gather(world.cluster, policies, exceptions, request).await;
    let whole = Scope { world, request, facts: &facts, exceptions, shelf: &shelf, cluster: world.cluster };
    let known = candidate::known(&whole);
    let mut notes = Vec::new();
    let mut work = Vec::new();
    for (at, &policy) in policies.iter().enumerate() {
        let (candidates, missed) = candidate::candidates(&whole, policy, &known);
        notes.extend(missed);
        if !candidates.is_empty() {
            work.push((at, policy, candidates));
        }
    }
    let verified = join_all(work.iter().map(|(at, policy, candidates)| {
        let whole = &whole;
        async move {
            let confined = Confined { cluster: world.cluster, namespace: &policy.namespace };
            (*at, *policy, verify::policy(&whole.of(policy, &confined), policy, candidates).await)
        }
    }))
    .await;
    let mut marks = Marks::default();
    let mut pins = Vec::new();
    let mut outcomes: BTreeMap<usize, PolicyOutcome> = BTreeMap::new();
    for (at, policy, found) in verified {
        marks.merge(found.marks);
        pins.extend(found.pins);
        notes.extend(found.notes);
        outcomes.entry(at).or_insert_with(|| outcome_of(policy)).verified = found.outcomes;
    }
    pins.sort();
    pins.dedup();
    for pin in &pins {
        marks.rename(&pin.old, &pin.new);
    }
    let replacements: Vec<patch::Pin> = pins.into_iter().map(|pin| pin.pin).collect();
    let operations = patch::operations(&request.object, &marks, &replacements);
    let object = patch::applied(&request.object, &operations);
    let admitted = request.with_object(object);
    let whole = Scope { request: &admitted, ..whole };
    // What the patch changed may bring other rules in, and other images; annotations alone rarely do.
    let same = replacements.is_empty() && !policies.iter().flat_map(|p| &p.rules).any(|r| r.by_annotations);
    let work = if same {
        work
    } else {
        let known = candidate::known(&whole);
        let checking = policies.iter().copied().enumerate().filter(|(_, policy)| policy.checks());
        checking.map(|(at, policy)| (at, policy, candidate::candidates(&whole, policy, &known).0)).collect()
    };
    let work: Vec<_> =
        work.into_iter().filter(|(_, policy, found)| policy.checks() && !found.is_empty()).collect();
    let checked = join_all(work.iter().map(|(at, policy, candidates)| {
        let (whole, marks) = (&whole, &marks);
        async move {
            let confined = Confined { cluster: world.cluster, namespace: &policy.namespace };
            (*at, *policy, check::policy(&whole.of(policy, &confined), policy, candidates, marks).await)
        }
    }))
    .await;
    for (at, policy, found) in checked {
        outcomes.entry(at).or_insert_with(|| outcome_of(policy)).checked = found;
    }
    notes.sort();
    notes.dedup();
    let policies = outcomes.into_values().collect();
    Judgement { policies, errors_deny, operations, object: admitted.object, notes }
}

/// A policy that found nothing yet.
fn outcome_of(policy: &Policy) -> PolicyOutcome {
    const SCORED: &str = "policies.kyverno.io/scored";
    PolicyOutcome {
        name: policy.name.clone(),
        namespace: policy.namespace.clone(),
        failure_policy: policy.spec.failure_policy(),
        scored: policy.annotations.get(SCORED).is_none_or(|value| value != "false"),
        verified: Vec::new(),
        checked: Vec::new(),
    }
}

/// The action that a policy overrides for the object's namespace.
///
/// A namespace whose labels cannot be read is under the strictest override that might be meant.
pub(crate) fn overridden(policy: &Policy, scope: &Scope<'_>) -> Option<Action> {
    let namespace = &scope.request.namespace;
    let unreadable = scope.facts.namespace_labels().is_err();
    let labels = scope.facts.namespace_labels().unwrap_or_default();
    let mut of_labels = None;
    for one in &policy.spec.validation_failure_action_overrides {
        let named =
            one.namespaces.is_empty() || one.namespaces.iter().any(|n| wildcard::matches(n, namespace));
        match &one.namespace_selector {
            None if named && !one.namespaces.is_empty() => return of_labels.or(one.action),
            Some(_) if unreadable && named && one.action == Some(Action::Enforce) => of_labels = one.action,
            Some(selector) if named && select::selector_holds_of(selector, &labels) => {
                return of_labels.or(one.action);
            }
            _ => {}
        }
    }
    of_labels
}
