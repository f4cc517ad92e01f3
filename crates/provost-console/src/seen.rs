//! What one visitor sees: of the record and of the policies, what concerns namespaces they may see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use provost_gate::sight::Sight;
use provost_keys::PublicKey;
use provost_kyverno::Policy;
use provost_kyverno::policy::entry::{AttestorSet, Entry as ImageRule};

use crate::explain::Entry;
use crate::facts::{Image, Signer};
use crate::record::{Counts, Record};

/// How deep attestor sets are looked into for keys; the schema of policies nests them without end.
const DEPTH: usize = 16;

/// What one visitor sees.
pub struct Seen {
    /// Who looks.
    pub visitor: String,
    /// Whether they see the whole cluster.
    pub whole: bool,
    /// Since when the record is kept.
    pub since: Timestamp,
    /// The decisions, newest first.
    pub decisions: Vec<Arc<Entry>>,
    /// The images, by digest.
    pub images: BTreeMap<String, Image>,
    /// What the gate judges by.
    pub sight: Arc<Sight>,
    /// How often what was decided, for those who see the whole cluster.
    pub counts: Option<Counts>,
    digests: BTreeMap<String, String>,
    namespaces: BTreeSet<String>,
}

/// All namespaces of the record, and of namespaced policies.
pub(crate) fn namespaces(record: &Record, sight: &Sight) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    all.extend(record.decisions().iter().map(|entry| entry.namespace.clone()));
    for image in record.images() {
        all.extend(image.places.keys().chain(image.kept_out.keys()).map(|place| place.namespace.clone()));
    }
    all.extend(sight.policies.iter().map(|policy| policy.namespace.clone()));
    all.extend(sight.unread.iter().map(|policy| policy.namespace.clone()));
    all.remove("");
    all
}

impl Seen {
    /// What concerns these namespaces, or everything where `allowed` is `None`.
    pub(crate) fn new(
        visitor: String,
        record: &Record,
        sight: Arc<Sight>,
        allowed: Option<BTreeSet<String>>,
    ) -> Self {
        let whole = allowed.is_none();
        let sees = |namespace: &str| allowed.as_ref().is_none_or(|some| some.contains(namespace));
        let decisions: Vec<_> =
            record.decisions().into_iter().filter(|entry| sees(&entry.namespace)).collect();
        let mut images = BTreeMap::new();
        let mut digests = BTreeMap::new();
        for mut image in record.images() {
            image.places.retain(|place, _| sees(&place.namespace));
            image.kept_out.retain(|place, _| sees(&place.namespace));
            if !whole && image.places.is_empty() && image.kept_out.is_empty() {
                continue;
            }
            for name in &image.names {
                digests.insert(name.clone(), image.digest.clone());
            }
            images.insert(image.digest.clone(), image);
        }
        let counts = whole.then(|| record.counts());
        let namespaces = allowed.unwrap_or_default();
        Self { visitor, whole, since: record.since, decisions, images, sight, counts, digests, namespaces }
    }

    /// The digest of an image that objects call so.
    #[must_use]
    pub fn digest_of(&self, name: &str) -> Option<&str> {
        self.digests.get(name).map(String::as_str)
    }

    /// Whether a policy of this namespace is shown; those of the cluster are shown to whom the whole cluster is.
    #[must_use]
    pub fn sees(&self, namespace: &str) -> bool {
        self.whole || self.namespaces.contains(namespace)
    }

    /// The policies.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        let all = self.sight.policies.iter().map(|policy| {
            let policy: &Policy = policy;
            policy
        });
        all.filter(|policy| self.sees(&policy.namespace))
    }

    /// Everybody who signed an image that is shown, and every key that a policy that is shown names.
    #[must_use]
    pub fn signers(&self) -> BTreeMap<Signer, Signed> {
        let mut all: BTreeMap<Signer, Signed> = BTreeMap::new();
        for image in self.images.values() {
            for testimony in image.testimonies.values() {
                let signed = all.entry(testimony.signer.clone()).or_default();
                let kind = testimony.predicate_type.clone().unwrap_or_default();
                signed.images.entry(image.digest.clone()).or_default().insert(kind);
            }
        }
        for policy in self.policies() {
            let name = title(&policy.namespace, &policy.name);
            for rule in &policy.rules {
                for key in rule.entries.iter().flat_map(keys) {
                    all.entry(key)
                        .or_default()
                        .policies
                        .entry(name.clone())
                        .or_default()
                        .insert(rule.name.clone());
                }
            }
        }
        all
    }
}

/// What a signer is behind.
#[derive(Clone, Debug, Default)]
pub struct Signed {
    /// By image, the predicate types; empty for signatures.
    pub images: BTreeMap<String, BTreeSet<String>>,
    /// By policy, the rules that name the key.
    pub policies: BTreeMap<String, BTreeSet<String>>,
}

/// `namespace/name`, or the name alone for what is the cluster's.
pub(crate) fn title(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// The keys that an entry names in PEM; those in Secrets and services are known once they have signed.
pub(crate) fn keys(entry: &ImageRule) -> Vec<Signer> {
    let mut keys = Vec::new();
    let attested = entry.attestations.iter().flat_map(|attestation| &attestation.attestors);
    for set in entry.attestors.iter().chain(attested) {
        gather(set, DEPTH, &mut keys);
    }
    keys.sort();
    keys.dedup();
    keys
}

fn gather(set: &AttestorSet, depth: usize, into: &mut Vec<Signer>) {
    const END: &str = "-----END PUBLIC KEY-----";
    for attestor in &set.entries {
        if let (Some(nested), 1..) = (&attestor.attestor, depth) {
            gather(nested, depth - 1, into);
        }
        let text = attestor.keys.as_ref().map(|keys| keys.public_keys.as_str()).unwrap_or_default();
        let blocks = text.split_inclusive(END).map(str::trim);
        into.extend(
            blocks.filter_map(|one| PublicKey::from_pem(one.as_bytes()).ok()).map(|k| Signer::of_key(&k)),
        );
    }
}
