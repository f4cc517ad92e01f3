//! What is known of images: what attestors said of them, and where they were let in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use provost_kyverno::witness::{Said, Signer as Who};
use provost_oci::Digest;
use provost_statement::provenance::{Material, Provenance};

use crate::text::{SHORT, clip};

/// The most names kept of one image.
pub(crate) const NAMES: usize = 16;
/// The most testimonies kept of one image: five kinds of attestation by ten signers, and some to spare.
pub(crate) const TESTIMONIES: usize = 64;
/// The most places kept of one image: Pods of a Deployment have a name each, and older ones go.
pub(crate) const PLACES: usize = 256;
/// The most materials kept of one provenance; a build of a large lock file names thousands, of which the count is kept.
pub(crate) const MATERIALS: usize = 64;
/// The most digests kept of one material.
pub(crate) const DIGESTS: usize = 4;
/// What an entry of a map or list costs beside its bytes.
const ENTRY: usize = 96;

/// Whoever signed something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signer {
    /// What they are told apart by: `sha256:` and the digest of the PKIX form for keys, issuer and name for certificates.
    pub id: String,
    /// For keys, the fingerprint that Chains writes as `keyid`; for certificates, who issued the identity.
    pub also: String,
    /// Whether it is a key that a policy names, and no certificate.
    pub is_key: bool,
}

impl Signer {
    /// The name of a key.
    #[must_use]
    pub fn of_key(key: &provost_keys::PublicKey) -> Self {
        let id = Digest::sha256_of(key.to_der()).to_string();
        Self { id, also: key.ssh_fingerprint(), is_key: true }
    }

    fn of(who: &Who<'_>) -> Self {
        match who {
            Who::Key(key) => Self::of_key(key),
            Who::Certificate(certificate) => {
                let name =
                    certificate.identity().unwrap_or_else(|| "a certificate without a name".to_owned());
                let also = clip(&certificate.bundle_issuer(), SHORT);
                Self { id: clip(&name, SHORT), also, is_key: false }
            }
        }
    }
}

/// What one attestor said of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testimony {
    /// Who.
    pub signer: Signer,
    /// The predicate type; `None` for a signature of the image alone.
    pub predicate_type: Option<String>,
    /// What it says of the build, where it is provenance.
    pub provenance: Option<Provenance>,
    /// How many materials it names, of which some may have been left out.
    pub materials: usize,
    /// When it was signed, where somebody trusted says so.
    pub signed: Option<Timestamp>,
    /// Whether a transparency log has it.
    pub logged: bool,
}

impl Testimony {
    pub(crate) fn of(said: &Said<'_>) -> Self {
        let provenance = said.statement.and_then(Provenance::of);
        let materials = provenance.as_ref().map_or(0, |provenance| provenance.materials.len());
        Self {
            signer: Signer::of(&said.signer),
            predicate_type: said.statement.map(|statement| clip(&statement.predicate_type, SHORT)),
            provenance: provenance.map(bounded),
            materials,
            signed: said.at,
            logged: said.logged,
        }
    }

    /// What tells it apart from others about the same image.
    pub(crate) fn key(&self) -> String {
        let text = |part: Option<&String>| part.map_or("", String::as_str).to_owned();
        let provenance = self.provenance.as_ref();
        let parts = [
            self.signer.id.clone(),
            text(self.predicate_type.as_ref()),
            text(provenance.and_then(|one| one.builder_id.as_ref())),
            text(provenance.and_then(|one| one.invocation.as_ref())),
            text(provenance.and_then(|one| one.finished.as_ref())),
        ];
        parts.join("\n")
    }

    fn weight(&self) -> usize {
        let texts = |texts: &[Option<&String>]| -> usize {
            texts.iter().flatten().map(|text| ENTRY + text.len()).sum()
        };
        let own = texts(&[Some(&self.signer.id), Some(&self.signer.also), self.predicate_type.as_ref()]);
        let Some(built) = &self.provenance else { return size_of::<Self>() + own };
        let [builder, kind, started, finished, invocation] =
            [&built.builder_id, &built.build_type, &built.started, &built.finished, &built.invocation];
        let fields = [builder, kind, started, finished, invocation].map(Option::as_ref);
        let materials = built.materials.iter().map(|one| {
            ENTRY + one.uri.len() + one.digests.iter().map(|digest| ENTRY + digest.len()).sum::<usize>()
        });
        size_of::<Self>() + own + texts(&fields) + materials.sum::<usize>()
    }
}

fn bounded(built: Provenance) -> Provenance {
    let text = |text: Option<String>| text.map(|text| clip(&text, SHORT));
    let material = |one: Material| Material {
        uri: clip(&one.uri, SHORT),
        digests: one.digests.iter().take(DIGESTS).map(|digest| clip(digest, SHORT)).collect(),
    };
    Provenance {
        builder_id: text(built.builder_id),
        build_type: text(built.build_type),
        started: text(built.started),
        finished: text(built.finished),
        invocation: text(built.invocation),
        materials: built.materials.into_iter().take(MATERIALS).map(material).collect(),
    }
}

/// Where an image was let in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The namespace.
    pub namespace: String,
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
}

/// What is known of one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Its digest.
    pub digest: String,
    /// What objects call it, the newest last.
    pub names: Vec<String>,
    /// What was said of it.
    pub testimonies: BTreeMap<String, Testimony>,
    /// Where it was let in, and when last.
    pub places: BTreeMap<Place, Timestamp>,
    /// Which of these namespaces it was kept out of, and when last.
    pub kept_out: BTreeMap<Place, Timestamp>,
    /// When it was last heard of.
    pub heard: Timestamp,
}

impl Image {
    /// The name that is shown.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names.last().map_or(self.digest.as_str(), String::as_str)
    }

    /// The newest provenance.
    #[must_use]
    pub fn provenance(&self) -> Option<&Provenance> {
        let all = self.testimonies.values().filter_map(|one| one.provenance.as_ref());
        all.max_by(|a, b| a.finished.cmp(&b.finished))
    }

    /// About how many bytes it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let names: usize = self.names.iter().map(|name| ENTRY + name.len()).sum();
        let said = self.testimonies.iter().map(|(key, one)| ENTRY + key.len() + one.weight());
        let places = self.places.keys().chain(self.kept_out.keys());
        let places = places.map(|one| 3 * ENTRY + one.namespace.len() + one.kind.len() + one.name.len());
        size_of::<Self>()
            + 2 * (ENTRY + self.digest.len())
            + names
            + said.sum::<usize>()
            + places.sum::<usize>()
    }

    pub(crate) fn called(&mut self, name: &str) {
        self.names.retain(|known| known != name);
        self.names.push(clip(name, SHORT));
        if self.names.len() > NAMES {
            self.names.remove(0);
        }
    }

    pub(crate) fn testified(&mut self, testimony: Testimony) {
        let key = testimony.key();
        if self.testimonies.len() < TESTIMONIES || self.testimonies.contains_key(&key) {
            self.testimonies.insert(key, testimony);
        }
    }

    /// It was let in there, or kept out.
    pub(crate) fn decided(&mut self, place: Place, allowed: bool, at: Timestamp) {
        let (to, from) = match allowed {
            true => (&mut self.places, &mut self.kept_out),
            false => (&mut self.kept_out, &mut self.places),
        };
        from.remove(&place);
        to.insert(place, at);
        if to.len() > PLACES
            && let Some(oldest) = to.iter().min_by_key(|(_, at)| **at).map(|(place, _)| place.clone())
        {
            to.remove(&oldest);
        }
        self.heard = at;
    }
}
