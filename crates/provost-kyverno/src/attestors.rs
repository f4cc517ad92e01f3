//! Who must have signed: sets of attestors, and the signatures of an image.

pub(crate) mod foreign;
pub(crate) mod held;
pub(crate) mod identity;
pub(crate) mod key;

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use provost_oci::{Digest, Repository};
use provost_registry::Store;
use provost_verify::find::{MAX_LAYER_BYTES, referring_signatures};
use provost_verify::{
    Facts, FindRequest, Formats, Reason, VerifiedBundle, check_attestation, check_signature,
    check_signature_bundle, each_attestation, find_signatures,
};
use serde_json::Value;

use crate::notary::{self, NotSigned};
use crate::outcome::{AttestorCause, AttestorFailure, Finding};
use crate::policy::entry::{Attestor, AttestorSet, Entry, SignatureKind};
use crate::witness;
use held::{Held, Means};
use key::NoKey;

/// Where an image's signatures are looked for.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// What the object calls the image.
    pub(crate) name: &'a str,
    /// The store of the image's registry.
    pub(crate) store: &'a dyn Store,
    /// The image's own repository.
    pub(crate) repository: &'a Repository,
    /// The image.
    pub(crate) digest: &'a Digest,
}

/// A set of attestors, with the keys of texts that hold several taken apart.
pub(crate) struct Set {
    required: usize,
    nodes: Vec<Node>,
}

enum Node {
    Set(Set),
    /// By its index among all leaves.
    Leaf(usize),
}

/// An attestor that is no set.
pub(crate) struct Leaf<'a> {
    /// Where in the policy.
    pub(crate) path: String,
    /// What the policy says.
    pub(crate) attestor: &'a Attestor,
    /// Which text holds its key, where that is a text.
    pub(crate) key_text: String,
}

/// Which PEM blocks of a text count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pems {
    /// Each is an attestor of its own, as for image signatures.
    Each,
    /// The first alone counts, as for attestations.
    First,
}

impl Set {
    /// Takes a set apart; its leaves go to `leaves`.
    pub(crate) fn expand<'a>(
        set: &'a AttestorSet,
        path: &str,
        pems: Pems,
        leaves: &mut Vec<Leaf<'a>>,
    ) -> Self {
        let mut nodes = Vec::new();
        for attestor in &set.entries {
            let path = format!("{path}.entries[{}]", nodes.len());
            if let Some(nested) = &attestor.attestor {
                nodes.push(Node::Set(Self::expand(nested, &format!("{path}.attestor"), pems, leaves)));
                continue;
            }
            for (offset, key_text) in key_texts(attestor, pems).into_iter().enumerate() {
                let path = match offset {
                    0 => path.clone(),
                    _ => format!("{}.entries[{}]", parent(&path), nodes.len()),
                };
                let path = format!("{path}{}", suffix(attestor));
                leaves.push(Leaf { path, attestor, key_text });
                nodes.push(Node::Leaf(leaves.len() - 1));
            }
        }
        Self { required: set.required(nodes.len()), nodes }
    }

    /// How many must agree.
    pub(crate) fn required(&self) -> usize {
        self.required
    }

    /// Whether enough members agree; otherwise how many do, and why the others do not, up to where Kyverno
    /// stops looking.
    pub(crate) fn judge<E: Clone>(&self, leaves: &[Result<(), E>]) -> Result<(), (usize, Vec<E>)> {
        let mut agreed = 0;
        let mut failures = Vec::new();
        for node in &self.nodes {
            match node {
                Node::Set(set) => match set.judge(leaves) {
                    Ok(()) => agreed += 1,
                    Err((_, inner)) => failures.extend(inner),
                },
                Node::Leaf(index) => match leaves.get(*index) {
                    Some(Ok(())) => agreed += 1,
                    Some(Err(failure)) => failures.push(failure.clone()),
                    None => {}
                },
            }
            if agreed >= self.required && agreed > 0 {
                return Ok(());
            }
        }
        Err((agreed, failures))
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once(".entries[").map_or(path, |(parent, _)| parent)
}

fn suffix(attestor: &Attestor) -> &'static str {
    if attestor.keys.is_some() {
        ".keys"
    } else if attestor.certificates.is_some() {
        ".certificates"
    } else if attestor.keyless.is_some() {
        ".keyless"
    } else {
        ""
    }
}

/// The key texts of an attestor: one, or one a PEM block.
fn key_texts(attestor: &Attestor, pems: Pems) -> Vec<String> {
    const END: &str = "-----END PUBLIC KEY-----";
    let text = attestor.keys.as_ref().map(|keys| keys.public_keys.as_str()).unwrap_or_default();
    if !text.contains(END) {
        return vec![text.to_owned()];
    }
    let blocks: Vec<String> = text
        .split_inclusive(END)
        .map(str::trim)
        .filter(|block| !block.is_empty())
        .map(str::to_owned)
        .collect();
    match pems {
        Pems::Each => blocks,
        Pems::First => blocks.into_iter().take(1).collect(),
    }
}

/// The repository a leaf's signatures lie in: its own, the entry's, or the image's.
pub(crate) fn repository_of(
    entry: &Entry,
    attestor: &Attestor,
    place: Place<'_>,
) -> Result<Repository, String> {
    let named = [&attestor.repository, &entry.repository].into_iter().find(|name| !name.is_empty());
    match named {
        None => Ok(place.repository.clone()),
        Some(name) => name.parse().map_err(|e| format!("repository: {e}")),
    }
}

/// Whether the signatures of an image satisfy all attestor sets of an entry.
pub(crate) async fn check(means: Means<'_>, entry: &Entry, place: Place<'_>) -> Result<(), Finding> {
    let mut leaves = Vec::new();
    let sets: Vec<Set> = entry
        .attestors
        .iter()
        .enumerate()
        .map(|(index, set)| Set::expand(set, &format!(".attestors[{index}]"), Pems::Each, &mut leaves))
        .collect();
    let judged = join_all(leaves.iter().map(|leaf| async {
        let path = match entry.kind {
            // Kyverno names no kind of attestor here.
            SignatureKind::Notary => leaf.path.strip_suffix(suffix(leaf.attestor)).unwrap_or(&leaf.path),
            _ => &leaf.path,
        };
        let failed = |cause| AttestorFailure { path: path.to_owned(), cause };
        check_leaf(means, entry, leaf, place).await.map_err(failed)
    }))
    .await;
    for set in &sets {
        set.judge(&judged).map_err(|(_, failures)| Finding::SignaturesMissing(failures))?;
    }
    Ok(())
}

async fn check_leaf(
    means: Means<'_>,
    entry: &Entry,
    leaf: &Leaf<'_>,
    place: Place<'_>,
) -> Result<(), AttestorCause> {
    if entry.kind == SignatureKind::Notary {
        return notary::signed(means, leaf.attestor, place).await.map_err(|none| match none {
            NotSigned::Key(fault) => AttestorCause::Key(fault),
            NotSigned::Unsupported(construct) => AttestorCause::Unsupported(construct),
            NotSigned::Faults(faults) => AttestorCause::Notation(faults),
            NotSigned::Unchecked(why) => AttestorCause::Unchecked(why),
        });
    }
    let held = held::held(means, entry.kind, leaf).await.map_err(|none| match none {
        NoKey::Fault(fault) => AttestorCause::Key(fault),
        NoKey::Unsupported(construct) => AttestorCause::Unsupported(construct),
    })?;
    let repository = repository_of(entry, leaf.attestor, place).map_err(malformed)?;
    let request = FindRequest {
        repository: &repository,
        image: place.digest,
        formats: match entry.kind {
            SignatureKind::SigstoreBundle => Formats::Referrers,
            _ => Formats::TagScheme,
        },
        layer_limit: MAX_LAYER_BYTES,
    };
    let wanted = annotations_of(entry, leaf.attestor);
    let facts = match entry.kind {
        SignatureKind::SigstoreBundle => bundles(&held, place, &request, wanted).await?,
        _ => signatures(&held, entry, place, &request, wanted).await?,
    };
    witness::tell(means, place, &held, &facts, None);
    Ok(())
}

/// Whether a signature of the tag scheme, or with `cosignOCI11` of a referrer, is the attestor's.
async fn signatures(
    held: &Held,
    entry: &Entry,
    place: Place<'_>,
    request: &FindRequest<'_>,
    wanted: &BTreeMap<String, String>,
) -> Result<Facts, AttestorCause> {
    let referred = async {
        match entry.cosign_oci11 {
            true => referring_signatures(place.store, request).await,
            false => Ok(Vec::new()),
        }
    };
    let (referred, tagged) = join(referred, find_signatures(place.store, request)).await;
    // One signature that holds is enough; only where none does it matters that some could not be seen.
    let (seen, mut unseen) = match (referred, tagged) {
        (Ok(referred), Ok(tagged)) => ([referred, tagged].concat(), None),
        (Ok(some), Err(why)) | (Err(why), Ok(some)) => (some, Some(why)),
        (Err(why), Err(_)) => (Vec::new(), Some(why)),
    };
    let none = BTreeMap::new();
    let mut reasons = Vec::new();
    let mut mismatches = Vec::new();
    let mut signed = false;
    for candidate in &seen {
        let checked = held.trusts.iter().map(|trust| {
            let signature = check_signature(candidate, trust, place.digest, &none)?;
            held.timely(&signature.facts)?;
            Ok(signature)
        });
        match first_ok(checked) {
            Some(Ok(signature)) => match held.who.is(signature.facts.certificate.as_ref()) {
                Ok(()) if carries(&signature.payload.optional, wanted) => return Ok(signature.facts),
                Ok(()) => signed = true,
                Err(mismatch) => mismatches.push(mismatch),
            },
            Some(Err(reason)) => reasons.push(reason),
            None => {}
        }
    }
    Err(match unseen.take() {
        Some(why) => AttestorCause::Unchecked(why),
        None if seen.is_empty() => AttestorCause::NoSignatures,
        None if signed => AttestorCause::Annotations,
        None if !mismatches.is_empty() => AttestorCause::Identity(mismatches),
        None => AttestorCause::NoMatch(reasons),
    })
}

/// Whether a bundle is the attestor's: Kyverno takes any that verifies for a signature, attestations too.
async fn bundles(
    held: &Held,
    place: Place<'_>,
    request: &FindRequest<'_>,
    wanted: &BTreeMap<String, String>,
) -> Result<Facts, AttestorCause> {
    let none = BTreeMap::new();
    let mut good = None;
    let mut signed = false;
    each_attestation(place.store, request, |candidate| {
        let checked = held.trusts.iter().map(|trust| {
            let found = check_signature_bundle(&candidate, trust, place.digest, &none)?;
            Ok((trust, found))
        });
        let Some(Ok((trust, found))) = first_ok(checked) else { return };
        let Ok(facts) = check_attestation(&candidate, trust, place.digest, true).map(|found| found.facts)
        else {
            return;
        };
        if held.timely(&facts).is_err() || held.who.is(facts.certificate.as_ref()).is_err() {
            return;
        }
        let optional = match &found {
            VerifiedBundle::Signature { annotations, .. } => annotations,
            VerifiedBundle::Attestation { .. } => &Value::Null,
        };
        match carries(optional, wanted) {
            true => good = good.take().or(Some(facts)),
            false => signed = true,
        }
    })
    .await
    .map_err(AttestorCause::Unchecked)?;
    match (good, signed) {
        (Some(facts), _) => Ok(facts),
        (None, true) => Err(AttestorCause::Annotations),
        (None, false) => Err(AttestorCause::NoBundle),
    }
}

/// The first that holds, or else why the first does not.
fn first_ok<T>(each: impl Iterator<Item = Result<T, Reason>>) -> Option<Result<T, Reason>> {
    let mut fault = None;
    for one in each {
        match one {
            Ok(found) => return Some(Ok(found)),
            Err(reason) => fault = fault.or(Some(Err(reason))),
        }
    }
    fault
}

/// The annotations a signature must carry: the attestor's own, or else the entry's.
pub(crate) fn annotations_of<'a>(entry: &'a Entry, attestor: &'a Attestor) -> &'a BTreeMap<String, String> {
    match attestor.annotations.is_empty() {
        true => &entry.annotations,
        false => &attestor.annotations,
    }
}

fn carries(optional: &Value, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| optional.get(key).and_then(Value::as_str) == Some(value))
}

pub(crate) fn malformed(reason: String) -> AttestorCause {
    AttestorCause::Unchecked(provost_verify::Unchecked::Store(unreadable(reason)))
}

/// A place that a policy names and nobody can read.
pub(crate) fn unreadable(reason: String) -> provost_registry::StoreError {
    provost_registry::StoreError::Malformed { request: "the policy".to_owned(), reason }
}
