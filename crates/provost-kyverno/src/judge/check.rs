//! The checking phase: the object as it would be admitted carries digests and nothing unverified.

use std::collections::BTreeSet;

use super::candidate::Candidate;
use super::ready::{Ready, Start, ready};
use super::{Scope, overridden};
use crate::extract::SpelledImage;
use crate::outcome::{Finding, RuleOutcome, Status};
use crate::patch::Marks;
use crate::policy::Policy;
use crate::policy::spec::{Action, ApplyRules};
use crate::rule::Rule;

/// Checks an object by one policy. What images were found to be is taken from this judgement's own marks; the
/// annotations of the object are not read (design.md).
pub(crate) async fn policy<'a>(
    scope: &Scope<'a>,
    policy: &Policy,
    candidates: &[Candidate<'a>],
    marks: &Marks,
) -> Vec<RuleOutcome> {
    let action = overridden(policy, scope);
    let mut outcomes = Vec::new();
    for candidate in candidates {
        let rule = candidate.rule;
        let action = rule.action(policy, action);
        let outcome = match ready(scope, policy, candidate, action).await {
            Start::Work(ready) => judged(&ready, policy, rule, action, marks),
            Start::Done(outcome) => outcome,
        };
        let decided = matches!(outcome.status, Status::Pass | Status::Fail);
        outcomes.push(outcome);
        if decided && policy.spec.apply_rules == ApplyRules::One {
            break;
        }
    }
    outcomes
}

fn judged(ready: &Ready<'_>, policy: &Policy, rule: &Rule, action: Action, marks: &Marks) -> RuleOutcome {
    let outcome = |image, status, finding| RuleOutcome {
        rule: rule.name.clone(),
        image,
        status,
        finding,
        action,
        tells: false,
    };
    let key = policy.key();
    let mut passed = false;
    let mut skipped = BTreeSet::new();
    for entry in ready.entries.iter() {
        for SpelledImage { image, name, .. } in
            ready.images.iter().map(AsRef::as_ref).filter(|one: &&SpelledImage| one.spellings.is_about(entry))
        {
            let name = name.clone();
            if entry.verify_digest && image.info.digest.is_empty() {
                return outcome(Some(name), Status::Fail, Finding::DigestMissing);
            }
            let mark = marks.get(&key, &rule.name, &name);
            if entry.required && mark.is_none_or(|mark| mark.worst == Status::Fail) {
                return outcome(Some(name), Status::Fail, Finding::Unverified);
            }
            match mark {
                Some(mark) if mark.last == Status::Skip => {
                    skipped.insert(name);
                }
                _ => passed = true,
            }
        }
    }
    let status = if !passed && !skipped.is_empty() { Status::Skip } else { Status::Pass };
    outcome(None, status, Finding::Checked(skipped.into_iter().collect()))
}
