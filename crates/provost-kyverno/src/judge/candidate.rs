//! Which rules may have work with an object at all, found out without asking anybody.
//!
//! A cluster has hundreds of policies and a request meets a few of them, so this is what most of judging costs: images
//! are read once for all rules, kinds are compared before anything else is, and nothing of the object is copied.

use super::Scope;
use crate::cluster::ClusterError;
use crate::extract::{self, BadImage, Image, Spellings};
use crate::policy::Policy;
use crate::rule::Rule;
use crate::select;

/// The images of an object that everybody knows where to find, each with its spellings.
pub(crate) type Known = Result<Vec<(Image, Spellings)>, BadImage>;

/// A rule that may have work to do.
pub(crate) struct Candidate<'a> {
    /// The rule.
    pub(crate) rule: &'a Rule,
    /// How it begins.
    pub(crate) begin: Begin,
}

/// How a rule begins.
pub(crate) enum Begin {
    /// With images.
    Images {
        /// All of the object, for its variables.
        all: Vec<Image>,
        /// Those that some entry is about, sorted.
        about: Vec<Image>,
    },
    /// With an image string that cannot be read.
    Bad(BadImage),
    /// Without knowing whether the rule is about the object.
    Unselected(ClusterError),
}

/// The rules of a policy that may have work to do, and warnings about images that escape a rule only for their digest.
pub(crate) fn candidates<'a>(
    scope: &Scope<'_>,
    policy: &'a Policy,
    known: &Known,
) -> (Vec<Candidate<'a>>, Vec<String>) {
    let mut found = Vec::new();
    let mut notes = Vec::new();
    let kind = &scope.request.kind.kind;
    for rule in policy.rules.iter().filter(|rule| rule.kinds.may_be(kind)) {
        match select::selects(policy, rule, scope.request, scope.facts) {
            Ok(false) => {}
            Err(error) => found.push(Candidate { rule, begin: Begin::Unselected(error) }),
            Ok(true) => match begin(scope, policy, rule, known, &mut notes) {
                Ok(None) => {}
                Ok(Some(begin)) => found.push(Candidate { rule, begin }),
                Err(bad) => found.push(Candidate { rule, begin: Begin::Bad(bad) }),
            },
        }
    }
    (found, notes)
}

fn begin(
    scope: &Scope<'_>,
    policy: &Policy,
    rule: &Rule,
    known: &Known,
    notes: &mut Vec<String>,
) -> Result<Option<Begin>, BadImage> {
    let own;
    let images = match rule.extractors.contains_key(&scope.request.kind.kind) {
        true => {
            own = spelled(scope, rule)?;
            &own
        }
        false => known.as_ref().map_err(Clone::clone)?,
    };
    let is_about = |spellings: &Spellings| rule.entries.iter().any(|entry| spellings.is_about(entry));
    let about = images.iter().filter(|(_, spellings)| is_about(spellings)).map(|(image, _)| image.clone());
    let mut about: Vec<Image> = about.collect();
    if about.is_empty() {
        notes.extend(missed(policy, rule, images));
        return Ok(None);
    }
    about.sort_by(|a, b| (a.info.to_string(), &a.pointer).cmp(&(b.info.to_string(), &b.pointer)));
    Ok(Some(Begin::Images { all: images.iter().map(|(image, _)| image.clone()).collect(), about }))
}

/// The images of an object that everybody knows where to find.
pub(crate) fn known(scope: &Scope<'_>) -> Known {
    let none = std::collections::BTreeMap::new();
    let kind = &scope.request.kind.kind;
    let found = extract::images(&scope.request.object, kind, &none, &scope.world.environment())?;
    Ok(with_spellings(found))
}

fn spelled(scope: &Scope<'_>, rule: &Rule) -> Result<Vec<(Image, Spellings)>, BadImage> {
    let kind = &scope.request.kind.kind;
    let environment = scope.world.environment();
    let found = extract::images(&scope.request.object, kind, &rule.extractors, &environment)?;
    Ok(with_spellings(found))
}

fn with_spellings(images: Vec<Image>) -> Vec<(Image, Spellings)> {
    images
        .into_iter()
        .map(|image| {
            let spellings = Spellings::of(&image.info);
            (image, spellings)
        })
        .collect()
}

fn missed(policy: &Policy, rule: &Rule, images: &[(Image, Spellings)]) -> Vec<String> {
    let mut notes = Vec::new();
    for (image, spellings) in images {
        for pattern in rule.entries.iter().filter_map(|entry| spellings.missed_for_its_digest(entry)) {
            notes.push(format!(
                "policy {}.{}: the pattern {pattern} does not match {}, because the image carries a digest; it is not verified",
                policy.name, rule.name, image.info
            ));
        }
    }
    notes
}
