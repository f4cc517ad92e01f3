//! The `response` of an `AdmissionReview`, and on what ground it was given.

use provost_kyverno::policy::FailurePolicy;
use provost_kyverno::policy::unread::Unread;
use provost_kyverno::review::{OWN_WARNING, answers, unanswered};
use provost_kyverno::{Judgement, Request};
use serde_json::{Value, json};

use crate::hook::Hook;
use crate::record::Basis;

/// A response and its ground.
pub(crate) struct Answer {
    pub(crate) basis: Basis,
    pub(crate) judgement: Option<Judgement>,
    pub(crate) response: Value,
}

/// What this webhook answers to a judgement. The validating one verifies too, so what the mutating one would deny it
/// denies in the same words (security.md 12).
pub(crate) fn of(hook: &Hook, request: &Request, judgement: Judgement, unread: &[&Unread]) -> Answer {
    let answers = answers(request, &judgement);
    let mut response = match (hook, answers.validate) {
        (Hook::Validate(_), Some(validate)) => validate,
        _ => answers.mutate,
    };
    let allowed = response.get("allowed").and_then(Value::as_bool).unwrap_or_default();
    if allowed {
        warn(&mut response, unread.iter().map(|unread| words(unread)));
    }
    Answer { basis: Basis::Judged, judgement: Some(judgement), response }
}

/// The same answer, which says on what stale answers of registries it stands, whatever it is (security.md 11).
pub(crate) fn stale(mut answer: Answer, uses: Vec<String>) -> Answer {
    if uses.is_empty() {
        return answer;
    }
    warn(&mut answer.response, uses.iter().map(|words| format!("{OWN_WARNING}{words}")));
    if answer.basis == Basis::Judged {
        answer.basis = Basis::Stale;
    }
    if let Some(judgement) = &mut answer.judgement {
        judgement.notes.extend(uses);
    }
    answer
}

/// Adds warnings to a response, whether it lets in or denies.
fn warn(response: &mut Value, words: impl Iterator<Item = String>) {
    let mut words = words.map(Value::String).peekable();
    if let (Some(fields), Some(_)) = (response.as_object_mut(), words.peek())
        && let Value::Array(warnings) = fields.entry("warnings").or_insert_with(|| json!([]))
    {
        warnings.extend(words);
    }
}

/// A stored policy that enforces cannot be judged by, and may be about this object (security.md 10).
pub(crate) fn unread(request: &Request, unread: &Unread) -> Answer {
    let response = unanswered(&request.uid, words(unread)).mutate;
    Answer { basis: Basis::Unread, judgement: None, response }
}

fn words(unread: &Unread) -> String {
    let name = match unread.namespace.as_str() {
        "" => unread.name.clone(),
        namespace => format!("{namespace}/{}", unread.name),
    };
    format!("{OWN_WARNING}the policy {name} cannot be judged by: {}", unread.why)
}

/// Nothing was to be judged.
pub(crate) fn let_through(request: &Request, basis: Basis) -> Answer {
    Answer { basis, judgement: None, response: json!({"uid": request.uid, "allowed": true}) }
}

/// The images are those it had, and all that speaks against them could not be checked now.
pub(crate) fn unchanged(request: &Request, judgement: Judgement) -> Answer {
    let warning = format!("{OWN_WARNING}not checked, and let through because its images are those it had");
    let response = json!({"uid": request.uid, "allowed": true, "warnings": [warning]});
    Answer { basis: Basis::Unchanged, judgement: Some(judgement), response }
}

/// It could not be decided in time, which lets nothing in under a policy that enforces (security.md 9).
pub(crate) fn late(request: &Request, enforces: bool, why: &str) -> Answer {
    let why = format!("{OWN_WARNING}{why}");
    let response = match enforces {
        true => unanswered(&request.uid, why).mutate,
        false => json!({"uid": request.uid, "allowed": true, "warnings": [why]}),
    };
    Answer { basis: Basis::Late, judgement: None, response }
}

/// Something of our own side keeps us from judging: what the entry's failure policy is for (security.md 9).
pub(crate) fn own_fault(hook: &Hook, request: &Request, basis: Basis, why: &str) -> Answer {
    let why = format!("{OWN_WARNING}{why}");
    let response = match hook.share().failure_policy() {
        FailurePolicy::Fail => unanswered(&request.uid, why).mutate,
        FailurePolicy::Ignore => json!({"uid": request.uid, "allowed": true, "warnings": [why]}),
    };
    Answer { basis, judgement: None, response }
}
