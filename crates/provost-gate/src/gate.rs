//! The one way in: a request, answered.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use provost_expr::environment::{Clock, Random, Resolver};
use provost_kyverno::policy::FailurePolicy;
use provost_kyverno::review::{Answers, OWN_WARNING, answers, unanswered};
use provost_kyverno::{Anchors, Cluster, Judgement, Request, Stores, World, judge};
use serde_json::Value;

use crate::record::{Decided, Hears};
use crate::sight::Sights;

/// Which webhook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// The mutating one: verifies, pins, annotates. Its entry in the configuration has this failure policy.
    Mutate(FailurePolicy),
    /// The validating one: verifies the final object, from memory where it can.
    Validate(FailurePolicy),
}

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

/// Answers requests.
pub struct Gate {
    parts: Parts,
}

impl Gate {
    /// A gate of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// The `response` to a request, for an API server.
    pub async fn answer(&self, hook: Hook, request: Request) -> Value {
        let began = Instant::now();
        let sight = self.parts.sights.borrow().clone();
        let (judgement, answers) = if sight.missing.is_empty() {
            let world = World {
                cluster: self.parts.cluster.as_ref(),
                stores: self.parts.stores.as_ref(),
                settings: &sight.settings,
                clock: Some(self.parts.machine.as_ref()),
                random: Some(self.parts.machine.as_ref()),
                resolver: Some(self.parts.machine.as_ref()),
                anchors: Some(self.parts.anchors.as_ref()),
            };
            let judgement = judge(&world, &sight.policies, &sight.exceptions, &request).await;
            let answers = answers(&request, &judgement);
            (Some(judgement), answers)
        } else {
            let why = format!("{OWN_WARNING}not loaded yet: {}", sight.missing.join(", "));
            (None, unanswered(&request.uid, why))
        };
        let response = of_hook(hook, judgement.as_ref(), answers);
        let dry_run = request.view.get("dryRun").and_then(Value::as_bool).unwrap_or_default();
        let decided = Arc::new(Decided {
            at: Timestamp::now(),
            hook,
            epoch: sight.epoch,
            request,
            dry_run,
            authenticated: false,
            judgement,
            response,
            took: began.elapsed(),
        });
        for hearer in &self.parts.hearers {
            hearer.heard(&decided);
        }
        decided.response.clone()
    }
}

/// What this webhook answers of both answers.
fn of_hook(hook: Hook, judgement: Option<&Judgement>, answers: Answers) -> Value {
    match (hook, answers.validate) {
        (Hook::Validate(_), Some(validate)) if judgement.is_some() => validate,
        _ => answers.mutate,
    }
}
