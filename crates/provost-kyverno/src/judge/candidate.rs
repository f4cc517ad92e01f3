//! Which rules may have work with an object at all, found out without asking anybody.
//!
//! A cluster has hundreds of policies and a request meets a few of them, so this is what most of judging costs: images
//! are read once for all rules, kinds are compared before anything else is, and nothing of the object is copied.

use std::sync::Arc;

use super::Scope;
use crate::cluster::ClusterError;
use crate::extract::{self, BadImage, Image, SpelledImage};
use crate::policy::Policy;
use crate::rule::Rule;
use crate::select;

/// All images of an object, which rules share.
pub(crate) type Images = Arc<[Arc<SpelledImage>]>;
/// Those that everybody knows where to find.
pub(crate) type Known = Result<Images, BadImage>;

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
        all: Images,
        /// Those that some entry is about, sorted.
        about: Vec<Arc<SpelledImage>>,
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
    let is_about = |one: &&Arc<SpelledImage>| rule.entries.iter().any(|entry| one.spellings.is_about(entry));
    let mut about: Vec<Arc<SpelledImage>> = images.iter().filter(is_about).cloned().collect();
    if about.is_empty() {
        notes.extend(missed(policy, rule, images));
        return Ok(None);
    }
    about.sort_by(|a, b| (&a.name, &a.image.pointer).cmp(&(&b.name, &b.image.pointer)));
    Ok(Some(Begin::Images { all: Arc::clone(images), about }))
}

/// The images of an object that everybody knows where to find.
pub(crate) fn known(scope: &Scope<'_>) -> Known {
    let none = std::collections::BTreeMap::new();
    let kind = &scope.request.kind.kind;
    let found = extract::images(&scope.request.object, kind, &none, &scope.world.environment())?;
    Ok(with_spellings(found))
}

fn spelled(scope: &Scope<'_>, rule: &Rule) -> Known {
    let kind = &scope.request.kind.kind;
    let environment = scope.world.environment();
    let found = extract::images(&scope.request.object, kind, &rule.extractors, &environment)?;
    Ok(with_spellings(found))
}

fn with_spellings(images: Vec<Image>) -> Images {
    images.into_iter().map(|image| Arc::new(SpelledImage::from(image))).collect()
}

fn missed(policy: &Policy, rule: &Rule, images: &[Arc<SpelledImage>]) -> Vec<String> {
    let mut notes = Vec::new();
    for one in images {
        for pattern in rule.entries.iter().filter_map(|entry| one.spellings.missed_for_its_digest(entry)) {
            notes.push(format!(
                "policy {}.{}: the pattern {pattern} does not match {}, because the image carries a digest; it is not verified",
                policy.name, rule.name, one.name
            ));
        }
    }
    notes
}
