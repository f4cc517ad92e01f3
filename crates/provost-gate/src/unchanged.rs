//! Updates that leave an object's images as they were: what runs already must be able to end (security.md 13).

use provost_expr::environment::Environment;
use provost_kyverno::extract;
use provost_kyverno::policy::Action;
use provost_kyverno::{Finding, Judgement, Operation, Policy, Request, RuleOutcome, Status};
use serde_json::Value;

/// Whether an update leaves every image string that these policies may look at as it was, in all lists and volumes.
pub(crate) fn has_the_images_it_had(
    request: &Request,
    policies: &[&Policy],
    environment: &Environment<'_>,
) -> bool {
    if request.operation != Operation::Update {
        return false;
    }
    let kind = &request.kind.kind;
    let (new, old) = (&request.object, &request.old_object);
    if extract::strings(new, kind) != extract::strings(old, kind) {
        return false;
    }
    let rules = policies.iter().flat_map(|policy| &policy.rules);
    for rule in rules.filter(|rule| rule.extractors.contains_key(kind)) {
        let images = |object| {
            let found = extract::images(object, kind, &rule.extractors, environment).ok()?;
            let mut found: Vec<_> = found.into_iter().map(|i| (i.list, i.info.to_string())).collect();
            found.sort();
            Some(found)
        };
        match (images(new), images(old)) {
            (Some(new), Some(old)) if new == old => {}
            _ => return false,
        }
    }
    true
}

/// Whether the object was on its way out before this request: the API server says so of what it holds.
pub(crate) fn had_ended(request: &Request) -> bool {
    let old = &request.old_object;
    let terminating = old.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
    let phase = old.pointer("/status/phase").and_then(Value::as_str);
    terminating || (request.kind.kind == "Pod" && matches!(phase, Some("Succeeded" | "Failed")))
}

/// Whether the object is denied, and only for what could not be found out.
pub(crate) fn is_only_unchecked(judgement: &Judgement) -> bool {
    if !judgement.denied_by_verifying() && !judgement.denied_by_checking() {
        return false;
    }
    let verified = || judgement.policies.iter().flat_map(|policy| &policy.verified);
    let fails = |outcome: &&RuleOutcome| outcome.status == Status::Fail && outcome.action == Action::Enforce;
    if verified().filter(fails).any(|outcome| !outcome.finding.is_unchecked()) {
        return false;
    }
    // An image counts as unverified in the check where it could not be verified before, and lacks the digest that it would
    // have been given: that is the same finding twice.
    let unchecked =
        |image: &Option<String>| verified().any(|o| o.finding.is_unchecked() && o.image == *image);
    let checked = judgement.policies.iter().flat_map(|policy| &policy.checked);
    checked.filter(fails).all(|outcome| {
        matches!(outcome.finding, Finding::Unverified | Finding::DigestMissing) && unchecked(&outcome.image)
    })
}

#[cfg(test)]
mod tests;
