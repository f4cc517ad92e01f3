//! From a rule that may be about an object to work: its variables, its exceptions, its entries.

use std::borrow::Cow;
use std::sync::Arc;

use crate::conditions::{self, Judged};
use crate::context::RuleContext;
use crate::extract::SpelledImage;
use crate::judge::Scope;
use crate::judge::candidate::{Begin, Candidate};
use crate::outcome::{Finding, RuleOutcome, Status};
use crate::policy::Policy;
use crate::policy::entry::Entry;
use crate::policy::spec::Action;
use crate::rule::Rule;

/// A rule that has work to do.
pub(crate) struct Ready<'a> {
    /// Its variables.
    pub(crate) context: RuleContext<'a>,
    /// Its entries, substituted where they hold variables.
    pub(crate) entries: Cow<'a, [Entry]>,
    /// The images that some entry is about, sorted.
    pub(crate) images: Vec<Arc<SpelledImage>>,
}

/// What comes of a rule before any image is verified.
pub(crate) enum Start<'a> {
    /// It has work to do.
    Work(Box<Ready<'a>>),
    /// It has its result already.
    Done(RuleOutcome),
}

/// Gets a rule ready that may be about the object, in Kyverno's order: context, preconditions, exceptions,
/// substitution.
pub(crate) async fn ready<'a>(
    scope: &Scope<'a>,
    policy: &Policy,
    candidate: &Candidate<'a>,
    action: Action,
) -> Start<'a> {
    let rule = candidate.rule;
    let done = |status, finding| {
        let (rule, image) = (rule.name.clone(), None);
        Start::Done(RuleOutcome { rule, image, status, finding, action, tells: false })
    };
    let (all, images) = match &candidate.begin {
        Begin::Images { all, about } => (all.clone(), about.clone()),
        Begin::Unselected(error) => return done(Status::Error, Finding::Selection(error.clone())),
        Begin::Bad(bad) => {
            return Start::Done(RuleOutcome {
                rule: rule.name.clone(),
                image: Some(bad.image.clone()),
                status: Status::Fail,
                finding: Finding::BadImage { pointer: bad.pointer.clone(), reason: bad.reason.clone() },
                action,
                tells: false,
            });
        }
    };
    let mut context = RuleContext::new(scope, policy, rule, all);
    if let Some(preconditions) = &rule.preconditions {
        if let Err(finding) = context.load(scope, &[preconditions]).await {
            return done(Status::Error, finding);
        }
        match conditions::of_rule(&context, preconditions) {
            Ok(Judged::Holds) => {}
            Ok(Judged::Fails(messages)) => return done(Status::Skip, Finding::Preconditions(messages)),
            Err(error) => return done(Status::Error, Finding::PreconditionsUnresolved(error)),
        }
    }
    match excepted(scope, policy, rule, &mut context).await {
        Ok(names) if names.is_empty() => {}
        Ok(names) => return done(Status::Skip, Finding::Excepted(names)),
        Err(finding) => return done(Status::Error, finding),
    }
    // Everything that will be expanded later is loaded now: what follows asks the cluster for keys alone.
    let later: Vec<_> = rule.later_conditions().collect();
    let all_of_it: Vec<_> = rule.template.iter().chain(later).collect();
    if let Err(finding) = context.load(scope, &all_of_it).await {
        return done(Status::Error, finding);
    }
    let entries = match &rule.template {
        None => Cow::Borrowed(rule.entries.as_slice()),
        Some(template) => {
            let (substituted, by) = match context.substituted_with_origins(template) {
                Ok(substituted) => substituted,
                Err(error) => return done(Status::Error, Finding::VariablesUnresolved(error)),
            };
            // Whoever wrote the object did this, so no failurePolicy forgives it.
            if let Err(error) = crate::attestors::foreign::check(&substituted, &by) {
                return done(Status::Fail, Finding::VariablesUnresolved(error));
            }
            match rule.entries_from(&substituted) {
                Ok(entries) => Cow::Owned(entries),
                Err(cause) => {
                    let error = crate::message::refusal::cause(&cause);
                    return done(Status::Error, Finding::VariablesUnresolved(error));
                }
            }
        }
    };
    Start::Work(Box::new(Ready { context, entries, images }))
}

/// The exceptions that take the object out of a rule.
async fn excepted(
    scope: &Scope<'_>,
    policy: &Policy,
    rule: &Rule,
    context: &mut RuleContext<'_>,
) -> Result<Vec<String>, Finding> {
    let mut names = Vec::new();
    for exception in scope.exceptions {
        let covers = exception.covers(policy, &rule.name, scope.request, scope.facts);
        if !covers.map_err(Finding::Selection)? {
            continue;
        }
        if let Some(wanted) = &exception.spec.conditions {
            context.load(scope, &[wanted]).await?;
            match conditions::of_rule(context, wanted) {
                Ok(Judged::Holds) => {}
                Ok(Judged::Fails(_)) => continue,
                Err(error) => return Err(Finding::PreconditionsUnresolved(error)),
            }
        }
        names.push(exception.key());
    }
    names.sort();
    Ok(names)
}
