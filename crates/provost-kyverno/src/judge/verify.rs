//! The verifying phase: every entry of every rule over every image it is about.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};

use super::candidate::Candidate;
use super::locate::{self, Located};
use super::ready::{Ready, Start, ready};
use super::{Scope, overridden};
use crate::attestations::{self, Named, Work};
use crate::attestors::held::Means;
use crate::attestors::{self, Place};
use crate::conditions;
use crate::context::ImageContext;
use crate::extract::{self, Image, SpelledImage};
use crate::outcome::{
    AttestationCause, AttestationFailure, AttestorCause, AttestorFailure, Finding, RuleOutcome, Status,
};
use crate::patch::{self, Marks};
use crate::policy::Policy;
use crate::policy::entry::Entry;
use crate::policy::spec::{Action, ApplyRules};
use provost_verify::Unchecked;

/// How many images of one rule are looked at side by side: a Pod has a handful, and each may fetch ten blobs at once.
const IMAGES_AT_ONCE: usize = 16;

/// An image to be pinned, and how it is called before and after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pinned {
    pub(crate) pin: patch::Pin,
    pub(crate) old: String,
    pub(crate) new: String,
}

/// What verifying by one policy found.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    pub(crate) outcomes: Vec<RuleOutcome>,
    pub(crate) marks: Marks,
    pub(crate) pins: Vec<Pinned>,
    pub(crate) notes: Vec<String>,
}

/// Verifies an object's images by one policy.
pub(crate) async fn policy<'a>(scope: &Scope<'a>, policy: &Policy, candidates: &[Candidate<'a>]) -> Verified {
    let action = overridden(policy, scope);
    let rules = join_all(candidates.iter().map(|candidate| {
        let action = candidate.rule.action(policy, action);
        one_rule(scope, policy, candidate, action)
    }))
    .await;
    let mut all = Verified::default();
    for mut found in rules {
        let decided = found.outcomes.iter().any(|o| matches!(o.status, Status::Pass | Status::Fail));
        all.outcomes.append(&mut found.outcomes);
        all.pins.append(&mut found.pins);
        all.notes.append(&mut found.notes);
        all.marks.merge(found.marks);
        if decided && policy.spec.apply_rules == ApplyRules::One {
            break;
        }
    }
    all
}

async fn one_rule<'a>(
    scope: &Scope<'a>,
    policy: &Policy,
    candidate: &Candidate<'a>,
    action: Action,
) -> Verified {
    let rule = candidate.rule;
    let ready = match ready(scope, policy, candidate, action).await {
        Start::Work(ready) => ready,
        Start::Done(outcome) => return Verified { outcomes: vec![outcome], ..Verified::default() },
    };
    // Containers often share an image: it is verified once and its result given to each.
    let mut by_name: BTreeMap<&String, Vec<&SpelledImage>> = BTreeMap::new();
    for image in &ready.images {
        by_name.entry(&image.name).or_default().push(image);
    }
    let names: Vec<(&String, Vec<&SpelledImage>)> = by_name.into_iter().collect();
    let mut work = Vec::with_capacity(names.len());
    for image in names.iter().filter_map(|(_, images)| images.first().copied()) {
        work.push(one_image(scope, policy, &ready, image));
    }
    let judged: Vec<Vec<EntryResult>> = stream::iter(work).buffered(IMAGES_AT_ONCE).collect().await;
    let mut found = Verified::default();
    let policy_key = policy.key();
    for entry in 0..ready.entries.len() {
        for ((name, images), results) in names.iter().zip(&judged) {
            let Some(result) = results.get(entry) else { continue };
            for one in images {
                let image = &one.image;
                for (status, finding) in &result.findings {
                    found.outcomes.push(RuleOutcome {
                        rule: rule.name.clone(),
                        image: Some((*name).clone()),
                        status: *status,
                        finding: finding.clone(),
                        action,
                        tells: result.tells,
                    });
                }
                if let Some(digest) = &result.pin {
                    found.pins.push(Pinned {
                        pin: patch::Pin {
                            pointer: image.pointer.clone(),
                            image: format!("{}@{digest}", image.info.reference_with_tag),
                        },
                        old: (*name).clone(),
                        new: format!("{}@{digest}", image.info.repository()),
                    });
                }
            }
            if let Some(mark) = result.mark {
                found.marks.set(&policy_key, &rule.name, name, mark);
            }
            found.notes.extend(result.notes.iter().cloned());
        }
    }
    found
}

/// What each entry makes of one image.
async fn one_image(
    scope: &Scope<'_>,
    policy: &Policy,
    ready: &Ready<'_>,
    image: &SpelledImage,
) -> Vec<EntryResult> {
    let entries = ready.entries.iter().map(|entry| one_entry(scope, policy, ready, entry, image));
    let mut entries = join_all(entries).await;
    deny_across(ready, &image.image, &mut entries);
    entries
}

/// What one entry makes of one image.
#[derive(Default)]
struct EntryResult {
    findings: Vec<(Status, Finding)>,
    tells: bool,
    mark: Option<Status>,
    pin: Option<String>,
    notes: Vec<String>,
    named: Named,
}

async fn one_entry(
    scope: &Scope<'_>,
    policy: &Policy,
    ready: &Ready<'_>,
    entry: &Entry,
    SpelledImage { image, name, spellings }: &SpelledImage,
) -> EntryResult {
    let mut result = EntryResult::default();
    let asks = !entry.attestors.is_empty() || !entry.attestations.is_empty();
    let passed = || Finding::Passed { policy: policy.name.clone() };
    if !spellings.is_about(entry) {
        if asks {
            result.findings.push((Status::Skip, passed()));
            result.mark = Some(Status::Skip);
        }
        return result;
    }
    let skipped = spellings.is_skipped(entry);
    if asks && skipped {
        result.findings.push((Status::Skip, passed()));
        result.tells = true;
        result.mark = Some(Status::Skip);
    }
    let verifies = asks && !skipped;
    let pins = entry.mutate_digest && image.info.digest.is_empty();
    if !verifies && !pins {
        return result;
    }
    let located = match locate::access(scope, entry).await {
        Ok((access, notes)) => {
            result.notes.extend(notes);
            locate::locate(scope, &access, image, name).await
        }
        Err(finding) => Err(finding),
    };
    let located = match located {
        Ok(located) => located,
        Err(finding) => {
            // An unreadable name is the image's fault; everything else here is our own side's.
            let status = match finding {
                Finding::BadImage { .. } => Status::Fail,
                _ => Status::Error,
            };
            result.mark = asks.then_some(Status::Fail);
            result.findings.push((status, finding));
            return result;
        }
    };
    if verifies {
        let (status, finding) = match verified(scope, ready, entry, (image, name), &located).await {
            Ok((finding, named)) => {
                result.named = named;
                (Status::Pass, finding)
            }
            Err(finding) if is_unsupported(&finding) => (Status::Error, finding),
            Err(finding) => (Status::Fail, finding),
        };
        result.mark = Some(status);
        result.findings.push((status, finding));
    }
    if pins {
        match &located.digest {
            Ok(digest) => {
                result.pin = Some(digest.to_string());
                if !asks {
                    result.findings.push((Status::Pass, Finding::Pinned));
                }
            }
            Err(error) => result.findings.push((Status::Error, Finding::DigestUnresolved(error.clone()))),
        }
    }
    result
}

fn is_unsupported(finding: &Finding) -> bool {
    finding.unsupported().is_some()
}

async fn verified(
    scope: &Scope<'_>,
    ready: &Ready<'_>,
    entry: &Entry,
    (image, name): (&Image, &str),
    located: &Located,
) -> Result<(Finding, Named), Finding> {
    let digest = match &located.digest {
        Ok(digest) => digest,
        Err(error) if entry.attestors.is_empty() => {
            let cause = match error.is_not_found() {
                true => AttestationCause::ImageMissing,
                false => AttestationCause::Unchecked(Unchecked::Store(error.clone())),
            };
            let required = entry
                .attestations
                .first()
                .and_then(|a| a.attestors.first())
                .map_or(1, |set| set.required(set.entries.len()));
            let failures = vec![AttestationFailure { path: None, cause }];
            return Err(Finding::AttestationsMissing { verified: 0, required, failures });
        }
        Err(error) => {
            let cause = match error.is_not_found() {
                true => AttestorCause::ImageMissing(error.clone()),
                false => AttestorCause::Unchecked(Unchecked::Store(error.clone())),
            };
            let path = ".attestors[0].entries[0].keys".to_owned();
            return Err(Finding::SignaturesMissing(vec![AttestorFailure { path, cause }]));
        }
    };
    let place = Place { name, store: located.store.as_ref(), repository: &located.repository, digest };
    let context = ImageContext { rule: &ready.context, image: extract::info_view(image) };
    let means = Means { cluster: scope.cluster, anchors: scope.world.anchors, now: scope.world.now() };
    let work = Work { means, context: &context, entry, place };
    let signatures = async {
        match entry.attestors.is_empty() {
            true => Ok(()),
            false => attestors::check(means, entry, place).await,
        }
    };
    let (signatures, attested) = futures_util::future::join(signatures, attestations::check(work)).await;
    signatures?;
    let named = attested?;
    let finding = match entry.attestations.is_empty() {
        true => Finding::Signatures,
        false => Finding::Attestations,
    };
    Ok((finding, named))
}

/// The rule's checks across attestations, with the names that all entries of the rule have bound for this image.
fn deny_across(ready: &Ready<'_>, image: &Image, results: &mut [EntryResult]) {
    let context = ImageContext { rule: &ready.context, image: extract::info_view(image) };
    let named: Named = results.iter().flat_map(|result| result.named.iter().cloned()).collect();
    for (entry, result) in ready.entries.iter().zip(results.iter_mut()) {
        let Some(validate) = &entry.validate else { continue };
        let Some(deny) = &validate.deny else { continue };
        let attested = |(status, finding): &(Status, Finding)| {
            *status == Status::Pass && *finding == Finding::Attestations
        };
        let Some(at) = result.findings.iter().position(attested) else { continue };
        let (status, finding) = match conditions::of_deny(&context, &named, &deny.conditions) {
            Ok(None) => (Status::Pass, Finding::Validated),
            Ok(Some(said)) => {
                let own = Some(validate.message.clone()).filter(|message| !message.is_empty());
                let messages = own.into_iter().chain(said.into_iter().filter(|m| !m.is_empty())).collect();
                (Status::Fail, Finding::Denied { messages })
            }
            Err(error) => (Status::Fail, Finding::DenyUnresolved(error)),
        };
        result.mark = Some(status);
        if let Some(place) = result.findings.get_mut(at) {
            *place = (status, finding);
        }
    }
}
