//! Who must have signed: sets of attestors, and the signatures of an image.

pub(crate) mod key;

use std::collections::BTreeMap;

use futures_util::future::join_all;
use provost_oci::{Digest, Repository};
use provost_registry::Store;
use provost_verify::find::MAX_LAYER_BYTES;
use provost_verify::{
    FindRequest, Formats, Reason, Trust, VerifiedSignature, check_signature, find_signatures,
};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::outcome::{AttestorCause, AttestorFailure, Construct, Finding};
use crate::policy::entry::{Attestor, AttestorSet, Entry, SignatureKind};

/// Where an image's signatures are looked for.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
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
pub(crate) async fn check(cluster: &dyn Cluster, entry: &Entry, place: Place<'_>) -> Result<(), Finding> {
    let mut leaves = Vec::new();
    let sets: Vec<Set> = entry
        .attestors
        .iter()
        .enumerate()
        .map(|(index, set)| Set::expand(set, &format!(".attestors[{index}]"), Pems::Each, &mut leaves))
        .collect();
    let judged = join_all(leaves.iter().map(|leaf| async {
        let failed = |cause| AttestorFailure { path: leaf.path.clone(), cause };
        check_leaf(cluster, entry, leaf, place).await.map_err(failed)
    }))
    .await;
    for set in &sets {
        set.judge(&judged).map_err(|(_, failures)| Finding::SignaturesMissing(failures))?;
    }
    Ok(())
}

async fn check_leaf(
    cluster: &dyn Cluster,
    entry: &Entry,
    leaf: &Leaf<'_>,
    place: Place<'_>,
) -> Result<(), AttestorCause> {
    match entry.kind {
        SignatureKind::Cosign => {}
        SignatureKind::SigstoreBundle => {
            return Err(AttestorCause::Unsupported(Construct::BundledSignatures));
        }
        SignatureKind::Notary => return Err(AttestorCause::Unsupported(Construct::Notary)),
    }
    if entry.cosign_oci11 {
        return Err(AttestorCause::Unsupported(Construct::Referrers));
    }
    let trusted = match key::trusted(cluster, leaf).await {
        Ok(trusted) => trusted,
        Err(key::NoKey::Fault(fault)) => return Err(AttestorCause::Key(fault)),
        Err(key::NoKey::Unsupported(construct)) => return Err(AttestorCause::Unsupported(construct)),
    };
    let repository = repository_of(entry, leaf.attestor, place).map_err(malformed)?;
    let request = FindRequest {
        repository: &repository,
        image: place.digest,
        formats: Formats::TagScheme,
        layer_limit: MAX_LAYER_BYTES,
    };
    let candidates = find_signatures(place.store, &request).await.map_err(AttestorCause::Unchecked)?;
    if candidates.is_empty() {
        return Err(AttestorCause::NoSignatures);
    }
    let none = BTreeMap::new();
    let trust = Trust::from(trusted);
    let checked: Vec<Result<VerifiedSignature, Reason>> =
        candidates.iter().map(|c| check_signature(c, &trust, place.digest, &none)).collect();
    let wanted = match leaf.attestor.annotations.is_empty() {
        true => &entry.annotations,
        false => &leaf.attestor.annotations,
    };
    let mut reasons = Vec::new();
    let mut signed = false;
    for one in checked {
        match one {
            Ok(signature) if carries(&signature, wanted) => return Ok(()),
            Ok(_) => signed = true,
            Err(reason) => reasons.push(reason),
        }
    }
    Err(if signed { AttestorCause::Annotations } else { AttestorCause::NoMatch(reasons) })
}

fn carries(signature: &VerifiedSignature, wanted: &BTreeMap<String, String>) -> bool {
    let optional = &signature.payload.optional;
    wanted.iter().all(|(key, value)| optional.get(key).and_then(Value::as_str) == Some(value))
}

pub(crate) fn malformed(reason: String) -> AttestorCause {
    AttestorCause::Unchecked(provost_verify::Unchecked::Store(unreadable(reason)))
}

/// A place that a policy names and nobody can read.
pub(crate) fn unreadable(reason: String) -> provost_registry::StoreError {
    provost_registry::StoreError::Malformed { request: "the policy".to_owned(), reason }
}
