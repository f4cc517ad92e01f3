//! What must have been attested: statements under attestors' keys, their types, and the conditions on them.

use std::sync::Arc;

use futures_util::future::join_all;
use provost_registry::Manifest;
use provost_verify::find::MAX_LAYER_BYTES;
use provost_verify::{
    AttestationReport, Candidate, FindRequest, Formats, Ignored, each_attestation, each_listed, listing,
};
use serde_json::{Map, Value};

use crate::attestors::held::{self, Held, Means};
use crate::attestors::key::NoKey;
use crate::attestors::{Leaf, Pems, Place, Set, annotations_of, repository_of, unreadable};
use crate::conditions::{self, Judged};
use crate::context::ImageContext;
use crate::notary::{self, NotSigned};
use crate::outcome::{AttestationCause, AttestationFailure, Finding};
use crate::policy::entry::{Attestation, Entry, SignatureKind};
use crate::vouched::{Name, Vouched};
use crate::witness;

/// The predicates found for each named attestation of an entry, for its check across attestations.
pub(crate) type Named = Vec<(String, Vec<Map<String, Value>>)>;

/// What judging the attestations of an entry needs.
#[derive(Clone, Copy)]
pub(crate) struct Work<'a> {
    /// What attestors are made of.
    pub(crate) means: Means<'a>,
    /// The rule's variables, with the image.
    pub(crate) context: &'a ImageContext<'a>,
    /// The entry.
    pub(crate) entry: &'a Entry,
    /// Where the image's attestations lie.
    pub(crate) place: Place<'a>,
}

/// Whether every attestation of the entry is there and holds; the first that is not, in the policy's order.
pub(crate) async fn check(work: Work<'_>) -> Result<Named, Finding> {
    let all = work.entry.attestations.iter().enumerate();
    let judged = join_all(all.map(|(index, attestation)| one(work, index, attestation))).await;
    let mut named = Named::new();
    for (attestation, judged) in work.entry.attestations.iter().zip(judged) {
        let predicates = judged?;
        if !attestation.name.is_empty() {
            named.push((attestation.name.clone(), predicates));
        }
    }
    Ok(named)
}

async fn one(
    work: Work<'_>,
    index: usize,
    attestation: &Attestation,
) -> Result<Vec<Map<String, Value>>, Finding> {
    let path = format!(".attestations[{index}]");
    if attestation.predicate_type().is_empty() {
        return Err(Finding::TypeMissing { path });
    }
    let mut leaves = Vec::new();
    let sets: Vec<Set> = attestation
        .attestors
        .iter()
        .enumerate()
        .map(|(j, set)| Set::expand(set, &format!("{path}.attestors[{j}]"), Pems::First, &mut leaves))
        .collect();
    let judged = join_all(leaves.iter().map(|leaf| judge_leaf(work, index, attestation, leaf))).await;
    let verdicts: Vec<Result<(), AttestationFailure>> =
        judged.iter().map(|one| one.as_ref().map(|_| ()).map_err(Clone::clone)).collect();
    for set in &sets {
        set.judge(&verdicts).map_err(|(verified, failures)| Finding::AttestationsMissing {
            verified,
            required: set.required(),
            failures,
        })?;
    }
    Ok(judged.into_iter().flatten().flatten().collect())
}

/// That one attestor vouches for predicates of the type, all of which satisfy the conditions; those of a named attestation.
async fn judge_leaf(
    work: Work<'_>,
    index: usize,
    attestation: &Attestation,
    leaf: &Leaf<'_>,
) -> Result<Vec<Map<String, Value>>, AttestationFailure> {
    let bare = |cause| AttestationFailure { path: None, cause };
    let kind = attestation.predicate_type();
    let failed = |cause| AttestationFailure { path: Some(path_of(leaf, index)), cause };
    let (own, vouched);
    let predicates: Vec<Option<&Map<String, Value>>> = match work.entry.kind {
        SignatureKind::Notary => {
            let found = notary::predicates(work.means, leaf.attestor, work.place, kind).await;
            own = found.map_err(|none| bare(unsigned(none, kind)))?;
            own.iter().map(Option::as_ref).collect()
        }
        _ => {
            vouched = statements(work, leaf, kind).await.map_err(bare)?;
            let statements = || vouched.iter().map(|one| &one.statement);
            let bundles = work.entry.kind == SignatureKind::SigstoreBundle;
            // Kyverno filters bundles by type while it fetches them, and says of the others only that none matched.
            if bundles && statements().all(|s| s.predicate_type != kind) {
                return Err(bare(AttestationCause::NoBundle));
            }
            if !statements().any(|s| s.predicate().is_object()) {
                return Err(bare(AttestationCause::NoPredicate));
            }
            let of_type = statements().filter(|s| s.predicate_type == kind);
            of_type.map(|s| s.predicate().as_object()).collect()
        }
    };
    if predicates.is_empty() {
        return Err(failed(AttestationCause::OtherTypes { wanted: kind.to_owned() }));
    }
    let mut held = Vec::new();
    for predicate in predicates {
        let Some(predicate) = predicate else {
            return Err(failed(AttestationCause::NotAnObject));
        };
        match conditions::of_attestation(work.context, predicate, &attestation.conditions) {
            // Only what has a name is looked at again.
            Ok(Judged::Holds) if attestation.name.is_empty() => {}
            Ok(Judged::Holds) => held.push(predicate.clone()),
            Ok(Judged::Fails(messages)) => {
                let kind = kind.to_owned();
                return Err(failed(AttestationCause::Conditions { kind, messages }));
            }
            Err(error) => return Err(failed(AttestationCause::ConditionsUnresolved(error))),
        }
    }
    Ok(held)
}

fn unsigned(none: NotSigned, kind: &str) -> AttestationCause {
    match none {
        NotSigned::Key(fault) => AttestationCause::Key(fault),
        NotSigned::Unsupported(construct) => AttestationCause::Unsupported(construct),
        NotSigned::Faults(faults) => AttestationCause::Notation { kind: kind.to_owned(), faults },
        NotSigned::Unchecked(why) => AttestationCause::Unchecked(why),
    }
}

/// Kyverno counts attestations where it means entries, so the place of an attestor that stands in no nested set
/// carries the attestation's index.
fn path_of(leaf: &Leaf<'_>, index: usize) -> String {
    match leaf.path.split_once(".entries[") {
        Some((before, rest)) if !rest.contains(".attestor.") => match rest.split_once(']') {
            Some((_, after)) => format!("{before}.entries[{index}]{after}"),
            None => leaf.path.clone(),
        },
        _ => leaf.path.clone(),
    }
}

/// The statements an attestor signed; what it signed and we refuse fails here (security.md 1).
async fn statements(work: Work<'_>, leaf: &Leaf<'_>, kind: &str) -> Result<Arc<[Vouched]>, AttestationCause> {
    let formats = match work.entry.kind {
        SignatureKind::SigstoreBundle => Formats::Referrers,
        _ => Formats::TagScheme,
    };
    let held = held::held(work.means, work.entry.kind, leaf).await.map_err(|none| match none {
        NoKey::Fault(fault) => AttestationCause::Key(fault),
        NoKey::Unsupported(construct) => AttestationCause::Unsupported(construct),
    })?;
    let repository = repository_of(work.entry, leaf.attestor, work.place).map_err(|reason| {
        AttestationCause::Unchecked(provost_verify::Unchecked::Store(unreadable(reason)))
    })?;
    let request = FindRequest {
        repository: &repository,
        image: work.place.digest,
        formats,
        layer_limit: MAX_LAYER_BYTES,
    };
    let bundles = formats == Formats::Referrers;
    let listing = match bundles {
        true => None,
        false => listing(work.place.store, &request).await.map_err(AttestationCause::Unchecked)?,
    };
    let memory = work.means.anchors.map(|anchors| &anchors.statements);
    let name = listing.as_ref().zip(held.key_alone());
    let name = name.map(|(listing, key)| Name::of(work.place.digest, &listing.digest, key));
    let known = memory.zip(name.as_ref()).and_then(|(memory, name)| memory.get(name));
    let (all, refused) = match known {
        Some(all) => (all, Vec::new()),
        None => {
            let report = found(work, &request, listing.as_ref(), &held).await?;
            if report.verified.is_empty() {
                return Err(match bundles {
                    true => AttestationCause::NoBundle,
                    false => AttestationCause::NoMatch(Box::new(report)),
                });
            }
            let AttestationReport { verified, refused, ignored } = report;
            let vouched =
                verified.into_iter().map(|one| Vouched { statement: one.statement, facts: one.facts });
            let all: Arc<[Vouched]> = vouched.collect();
            if let (Some(memory), Some(name), true) = (memory, name, refused.is_empty() && ignored.is_empty())
            {
                memory.remember(name, Arc::clone(&all));
            }
            (all, refused)
        }
    };
    // Kyverno asks every attestation of the type for the identity, and no other.
    for one in all.iter().filter(|one| !bundles && one.statement.predicate_type == kind) {
        held.who.is(one.facts.certificate.as_ref()).map_err(AttestationCause::Identity)?;
    }
    if !annotations_of(work.entry, leaf.attestor).is_empty() {
        return Err(AttestationCause::Annotations);
    }
    // A statement that cannot be of this type says nothing about it; Kyverno looks at no such statement either.
    if let Some(refused) = refused.into_iter().find(|refused| refused.reason.concerns(kind)) {
        return Err(AttestationCause::Refused(refused.reason));
    }
    for one in all.iter() {
        witness::tell(work.means, work.place, &held, &one.facts, Some(&one.statement));
    }
    Ok(all)
}

/// What lies beside the image, checked: the attestations that the tag scheme's manifest lists, or else the bundles.
async fn found(
    work: Work<'_>,
    request: &FindRequest<'_>,
    listing: Option<&Manifest>,
    held: &Held,
) -> Result<AttestationReport, AttestationCause> {
    let Place { store, digest, .. } = work.place;
    let mut report = AttestationReport::default();
    let see = |candidate: Candidate| {
        if let Some(trust) = held.trust_for(&candidate, digest) {
            report.add(candidate, trust, digest, true);
        }
    };
    let seen = match (request.formats, listing) {
        (Formats::TagScheme, None) => Ok(()),
        (Formats::TagScheme, Some(listing)) => each_listed(store, request, listing, see).await,
        _ => each_attestation(store, request, see).await,
    };
    seen.map_err(AttestationCause::Unchecked)?;
    leave_out(&mut report, held, request.formats == Formats::Referrers);
    Ok(report)
}

/// Takes out what was signed at no known time, and of bundles those of others than the attestor names.
fn leave_out(report: &mut AttestationReport, held: &Held, bundles: bool) {
    for one in std::mem::take(&mut report.verified) {
        match held.timely(&one.facts) {
            Err(reason) => report.ignored.push(Ignored { source: one.source, reason }),
            Ok(()) if bundles && held.who.is(one.facts.certificate.as_ref()).is_err() => {}
            Ok(()) => report.verified.push(one),
        }
    }
}
