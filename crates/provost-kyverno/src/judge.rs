//! The one judging call that `apply`, `test`, `review` and the gate share.

mod check;
mod locate;
mod ready;
mod verify;

use futures_util::future::join_all;
use provost_expr::environment::{Clock, Environment, Random, Resolver};
use provost_expr::image::ImageDefaults;
use serde_json::Value;

use crate::cluster::{Cluster, Confined};
use crate::exception::Exception;
use crate::outcome::{PolicyOutcome, RuleOutcome};
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
}

impl<'a> World<'a> {
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
    /// The results of each policy, in the order given.
    pub policies: Vec<PolicyOutcome>,
    /// The operations that annotate the object and pin its images.
    pub operations: Vec<Value>,
    /// The object with these operations done.
    pub object: Value,
    /// Warnings of our own, without their prefix.
    pub notes: Vec<String>,
}

impl Judgement {
    /// Whether errors deny: Kyverno lets one policy with failurePolicy Fail decide for all that were evaluated.
    #[must_use]
    pub fn errors_deny(&self) -> bool {
        self.policies.iter().any(|p| p.failure_policy == FailurePolicy::Fail)
    }

    /// Whether verifying the images keeps the object out.
    #[must_use]
    pub fn denied_by_verifying(&self) -> bool {
        self.policies.iter().any(|p| PolicyOutcome::denies(&p.verified, self.errors_deny()))
    }

    /// Whether the check of the admitted object keeps it out.
    #[must_use]
    pub fn denied_by_checking(&self) -> bool {
        self.policies.iter().any(|p| PolicyOutcome::denies(&p.checked, self.errors_deny()))
    }
}

/// What judging one request has at hand.
pub(crate) struct Scope<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) request: &'a Request,
    pub(crate) facts: &'a Facts,
    pub(crate) exceptions: &'a [Exception],
    pub(crate) shelf: &'a Shelf<'a>,
    pub(crate) cluster: &'a dyn Cluster,
}

/// Judges an object by policies: verifies its images, then checks the object as it would be admitted.
///
/// Policies, rules, entries, images, attestors and attestations are looked at side by side, each question is asked
/// of a registry once, and the result does not hang on the order of any of them. On DELETE nothing is verified.
pub async fn judge(
    world: &World<'_>,
    policies: &[Policy],
    exceptions: &[Exception],
    request: &Request,
) -> Judgement {
    let shelf = Shelf::new(world.stores);
    if request.operation == Operation::Delete {
        let object = request.object.clone();
        return Judgement { policies: Vec::new(), operations: Vec::new(), object, notes: Vec::new() };
    }
    let facts = Facts::gather(world.cluster, policies, exceptions, request).await;
    let verified = join_all(policies.iter().map(|policy| async {
        let confined = Confined { cluster: world.cluster, namespace: &policy.namespace };
        let cluster: &dyn Cluster = match policy.kind {
            PolicyKind::Cluster => world.cluster,
            PolicyKind::Namespaced => &confined,
        };
        let scope = Scope { world, request, facts: &facts, exceptions, shelf: &shelf, cluster };
        verify::policy(&scope, policy).await
    }))
    .await;
    let mut marks = Marks::default();
    let mut pins = Vec::new();
    let mut notes = Vec::new();
    let mut outcomes = Vec::with_capacity(policies.len());
    for (policy, found) in policies.iter().zip(verified) {
        marks.merge(found.marks);
        pins.extend(found.pins);
        notes.extend(found.notes);
        outcomes.push(outcome_of(policy, found.outcomes));
    }
    pins.sort();
    pins.dedup();
    for pin in &pins {
        marks.rename(&pin.old, &pin.new);
    }
    let replacements: Vec<patch::Pin> = pins.into_iter().map(|pin| pin.pin).collect();
    let operations = patch::operations(&request.object, &marks, &replacements);
    let object = patch::applied(&request.object, &operations);
    let admitted = request.with_object(object.clone());
    let checks = policies.iter().map(|policy| {
        let (admitted, facts, shelf, marks) = (&admitted, &facts, &shelf, &marks);
        async move {
            if !policy.checks() {
                return Vec::new();
            }
            let confined = Confined { cluster: world.cluster, namespace: &policy.namespace };
            let cluster: &dyn Cluster = match policy.kind {
                PolicyKind::Cluster => world.cluster,
                PolicyKind::Namespaced => &confined,
            };
            let scope = Scope { world, request: admitted, facts, exceptions, shelf, cluster };
            check::policy(&scope, policy, marks).await
        }
    });
    for (outcome, checked) in outcomes.iter_mut().zip(join_all(checks).await) {
        outcome.checked = checked;
    }
    notes.sort();
    notes.dedup();
    Judgement { policies: outcomes, operations, object, notes }
}

fn outcome_of(policy: &Policy, verified: Vec<RuleOutcome>) -> PolicyOutcome {
    const SCORED: &str = "policies.kyverno.io/scored";
    PolicyOutcome {
        name: policy.name.clone(),
        namespace: policy.namespace.clone(),
        failure_policy: policy.spec.failure_policy(),
        scored: policy.annotations.get(SCORED).is_none_or(|value| value != "false"),
        verified,
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
            Some(selector) if named && select::selector_holds(selector, &labels) => {
                return of_labels.or(one.action);
            }
            _ => {}
        }
    }
    of_labels
}
