//! Decisions, counted: Kyverno's metrics of requests, policies and results, and ours of grounds and denials.

use std::sync::Arc;
use std::time::Duration;

use provost_kyverno::outcome::{PolicyOutcome, RuleOutcome};
use provost_kyverno::policy::{Action, PolicyKind};
use provost_kyverno::{Policy, Request};

use super::Metrics;
use super::labels::Labels;
use crate::codes;
use crate::hook::Hook;
use crate::record::{Decided, Hears};
use crate::sight::Sight;

/// Which process judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A request for admission.
    Admission,
    /// The background scan.
    Scan,
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Self::Admission => "admission_request",
            Self::Scan => "background_scan",
        }
    }
}

impl Metrics {
    /// What is judged by has changed.
    pub fn sight(&self, sight: &Sight) {
        let before = self.epoch.set(i64::try_from(sight.epoch).unwrap_or(i64::MAX));
        if before != 0 {
            self.policy_changes.get_or_create(&vec![("policy_change_type", "updated".to_owned())]).inc();
        }
        self.rule_info.clear();
        for policy in &sight.policies {
            for rule in &policy.rules {
                let mut labels = self.of_policy(Some(policy), &policy.namespace, &policy.name);
                labels.push(("rule_name", self.bounded.of("rule_name", &rule.name)));
                labels.push(("rule_type", "imageVerify".to_owned()));
                self.rule_info.get_or_create(&labels).set(1);
            }
        }
    }

    /// Results of a judgement, for whatever cause it was made.
    pub fn judged(
        &self,
        sight: &Sight,
        request: &Request,
        outcomes: &[PolicyOutcome],
        cause: Cause,
        took: Duration,
    ) {
        let spoke = outcomes.iter().filter(|p| !p.verified.is_empty() || !p.checked.is_empty());
        let mut any = false;
        for outcome in spoke {
            any = true;
            let of_policy = || {
                let stored = sight
                    .policies
                    .iter()
                    .find(|p| p.name == outcome.name && p.namespace == outcome.namespace);
                let mut labels = self.of_policy(stored.map(AsRef::as_ref), &outcome.namespace, &outcome.name);
                labels.extend(self.of_request(request));
                labels.push(("rule_execution_cause", cause.name().to_owned()));
                labels
            };
            // A policy may be stored anew under its name, so what was found for it holds for one epoch.
            let policy = (sight.epoch, &outcome.namespace, &outcome.name, cause.name());
            let about = (policy, parts(request));
            for rule in outcome.verified.iter().chain(&outcome.checked) {
                let result = (about, &rule.rule, rule.status.name(), mode(rule.action));
                let series = self.used_results.of(result, || {
                    let mut labels = of_policy();
                    labels.push(("rule_name", self.bounded.of("rule_name", &rule.rule)));
                    labels.push(("rule_type", "imageVerify".to_owned()));
                    labels.push(("rule_result", rule.status.name().to_owned()));
                    labels.push(("policy_validation_mode", mode(rule.action).to_owned()));
                    self.results.get_or_create(&self.bounded.fit("results", &labels)).clone()
                });
                series.inc();
            }
            let series = self.used_policies.of(about, || {
                self.policy_seconds.get_or_create(&self.bounded.fit("policies", &of_policy())).clone()
            });
            series.observe(took.as_secs_f64());
        }
        if any {
            self.verification_seconds.observe(took.as_secs_f64());
        }
    }

    fn of_policy(&self, policy: Option<&Policy>, namespace: &str, name: &str) -> Labels {
        let kind = match policy.map(|policy| policy.kind) {
            Some(PolicyKind::Cluster) => "cluster",
            Some(PolicyKind::Namespaced) => "namespaced",
            None if namespace.is_empty() => "cluster",
            None => "namespaced",
        };
        let background = policy.is_some_and(|policy| policy.spec.background.unwrap_or(true));
        vec![
            ("policy_background_mode", background.to_string()),
            ("policy_type", kind.to_owned()),
            ("policy_namespace", self.bounded.of("policy_namespace", or_dash(namespace))),
            ("policy_name", self.bounded.of("policy_name", name)),
        ]
    }

    fn of_request(&self, request: &Request) -> Labels {
        vec![
            ("resource_kind", self.bounded.of("resource_kind", &request.kind.kind)),
            ("resource_namespace", self.bounded.of("resource_namespace", or_dash(&request.namespace))),
            ("resource_request_operation", request.operation.name().to_lowercase()),
        ]
    }
}

impl Hears for Metrics {
    fn heard(&self, decided: &Arc<Decided>) {
        let allowed = decided.is_allowed();
        let webhook = match decided.hook {
            Hook::Mutate(_) => "MutatingWebhookConfiguration",
            Hook::Validate(_) => "ValidatingWebhookConfiguration",
        };
        let made_of = (parts(&decided.request), allowed, webhook, decided.dry_run, decided.basis.name());
        let (requests, seconds, decisions) = self.used_requests.of(made_of, || {
            let mut labels = self.of_request(&decided.request);
            labels.push(("request_allowed", allowed.to_string()));
            labels.push(("request_webhook", webhook.to_owned()));
            labels.push(("dry_run", decided.dry_run.to_string()));
            let labels = self.bounded.fit("requests", &labels);
            let ground =
                vec![("basis", decided.basis.name().to_owned()), ("request_allowed", allowed.to_string())];
            let requests = self.requests.get_or_create(&labels).clone();
            let seconds = self.review_seconds.get_or_create(&labels).clone();
            (requests, seconds, self.decisions.get_or_create(&ground).clone())
        });
        requests.inc();
        seconds.observe(decided.took.as_secs_f64());
        decisions.inc();
        let Some(judgement) = &decided.judgement else { return };
        self.judged(&decided.sight, &decided.request, &judgement.policies, Cause::Admission, decided.took);
        if allowed {
            return;
        }
        let outcomes = judgement.policies.iter().flat_map(|p| p.verified.iter().chain(&p.checked));
        let mut why: Vec<&'static str> =
            outcomes.filter(|o| denies(o)).flat_map(|o| codes::of(&o.finding)).collect();
        why.sort_unstable();
        why.dedup();
        for code in why {
            self.denied.get_or_create(&vec![("code", code.to_owned())]).inc();
        }
    }
}

/// Whether a result may be why an object was denied.
fn denies(outcome: &RuleOutcome) -> bool {
    use provost_kyverno::Status::{Error, Fail};
    matches!(outcome.status, Fail | Error)
}

/// What the labels of a request are made of.
fn parts(request: &Request) -> (&str, &str, &str) {
    (&request.kind.kind, &request.namespace, request.operation.name())
}

fn mode(action: Action) -> &'static str {
    match action {
        Action::Enforce => "enforce",
        Action::Audit => "audit",
    }
}

/// Kyverno's word for what has no namespace.
fn or_dash(namespace: &str) -> &str {
    if namespace.is_empty() { "-" } else { namespace }
}
