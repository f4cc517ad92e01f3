//! The answers of both webhooks to one request, as an API server gets them.

use std::borrow::Borrow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::denial;
use crate::exception::Exception;
use crate::judge::{Judgement, World, judge};
use crate::message;
use crate::outcome::{PolicyOutcome, RuleOutcome, Status};
use crate::policy::Policy;
use crate::request::Request;

/// The prefix of every warning that Kyverno does not give.
pub const OWN_WARNING: &str = "provost: ";

/// What the two webhooks answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// The `response` of the mutating webhook.
    pub mutate: Value,
    /// The `response` of the validating webhook, which is asked only about what the mutating one let through.
    pub validate: Option<Value>,
}

impl Answers {
    /// Both, as one line of `provost review` has them.
    #[must_use]
    pub fn line(&self, uid: &str) -> Value {
        json!({"uid": uid, "mutate": self.mutate, "validate": self.validate})
    }
}

/// Answers a request.
pub async fn review<P: Borrow<Policy> + Sync>(
    world: &World<'_>,
    policies: &[P],
    exceptions: &[Exception],
    request: &Request,
) -> Answers {
    let judgement = judge(world, policies, exceptions, request).await;
    answers(request, &judgement)
}

/// The answers a judgement comes to.
#[must_use]
pub fn answers(request: &Request, judgement: &Judgement) -> Answers {
    if judgement.denied_by_verifying() {
        let text = denial::text(request, &judgement.policies, |p| &p.verified);
        return Answers { mutate: denied(request, text), validate: None };
    }
    let mut warned = warnings(&judgement.policies, |p| &p.verified);
    warned.extend(judgement.notes.iter().map(|note| format!("{OWN_WARNING}{note}")));
    let mut mutate = allowed(request, &warned);
    if !judgement.operations.is_empty() {
        let patch = serde_json::to_string(&judgement.operations).unwrap_or_default();
        mutate.insert("patch".to_owned(), Value::String(STANDARD.encode(patch)));
        mutate.insert("patchType".to_owned(), Value::String("JSONPatch".to_owned()));
    }
    let validate = if judgement.denied_by_checking() {
        denied(request, denial::text(request, &judgement.policies, |p| &p.checked))
    } else {
        Value::Object(allowed(request, &warnings(&judgement.policies, |p| &p.checked)))
    };
    Answers { mutate: Value::Object(mutate), validate: Some(validate) }
}

/// The denial of what could not be read.
#[must_use]
pub fn unanswered(uid: &str, why: String) -> Answers {
    Answers { mutate: refused(uid, why), validate: None }
}

fn denied(request: &Request, text: String) -> Value {
    refused(&request.uid, text)
}

fn refused(uid: &str, text: String) -> Value {
    json!({"uid": uid, "allowed": false, "status": {"status": "Failure", "message": text}})
}

fn allowed(request: &Request, warnings: &[String]) -> Map<String, Value> {
    let mut response = Map::new();
    response.insert("uid".to_owned(), Value::String(request.uid.clone()));
    response.insert("allowed".to_owned(), Value::Bool(true));
    if !warnings.is_empty() {
        response.insert("warnings".to_owned(), json!(warnings));
    }
    response
}

/// Kyverno's warnings: what failed and is let through all the same, and images that an entry skips.
fn warnings<'a>(
    policies: &'a [PolicyOutcome],
    of: impl Fn(&'a PolicyOutcome) -> &'a [RuleOutcome],
) -> Vec<String> {
    let mut said = Vec::new();
    for policy in policies {
        for outcome in of(policy) {
            let tells = outcome.tells || !matches!(outcome.status, Status::Pass | Status::Skip);
            if tells {
                said.push(format!("policy {}.{}: {}", policy.name, outcome.rule, message::of(outcome)));
            }
        }
    }
    said.sort();
    said.dedup();
    said
}
