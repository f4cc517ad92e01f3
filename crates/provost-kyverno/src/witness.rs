//! What attestors said of images, told as it is verified to whoever keeps a record of it.
//!
//! A verdict says whether enough attestors agreed; people also ask who signed what, from which source, and what else a key
//! vouches for. Only what verified under an attestor of a policy is told, and nothing that is told changes a verdict.

use jiff::Timestamp;
use provost_keys::PublicKey;
use provost_oci::{Digest, Repository};
use provost_sigstore::certificate::Certificate;
use provost_statement::Statement;
use provost_verify::{Attestor, Facts};

use crate::attestors::Place;
use crate::attestors::held::{Held, Means};

/// Who signed.
#[derive(Clone, Debug)]
pub enum Signer<'a> {
    /// A key that the policy names.
    Key(&'a PublicKey),
    /// A certificate that leads to a root the policy or the operator trusts.
    Certificate(&'a Certificate),
}

/// Something that an attestor of a policy verifiably said of an image.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    /// What the object under review calls the image.
    pub name: &'a str,
    /// The image's repository.
    pub repository: &'a Repository,
    /// The image.
    pub image: &'a Digest,
    /// Who said it.
    pub signer: Signer<'a>,
    /// What, for attestations; `None` for a signature of the image alone.
    pub statement: Option<&'a Statement>,
    /// When, where a timestamp authority or a log says so.
    pub at: Option<Timestamp>,
    /// Whether a trusted transparency log has it.
    pub logged: bool,
}

/// Hears what is said of images. It must not wait: a verdict is on its way.
pub trait Witness: Send + Sync {
    /// An attestor said this.
    fn said(&self, said: &Said<'_>);
}

/// Tells the witness, if there is one.
pub(crate) fn tell(
    means: Means<'_>,
    place: Place<'_>,
    held: &Held,
    facts: &Facts,
    statement: Option<&Statement>,
) {
    let Some(witness) = means.anchors.and_then(|anchors| anchors.witness.as_deref()) else { return };
    let key = held.trusts.first().map(|trust| &trust.attestor);
    let signer = match (key, &facts.certificate) {
        (Some(Attestor::Key(trusted)), _) => Signer::Key(&trusted.key),
        (Some(Attestor::Certificate { certificate, .. }), _) | (_, Some(certificate)) => {
            Signer::Certificate(certificate)
        }
        _ => return,
    };
    let at = facts.stamped_at.or(facts.logged_at);
    let Place { name, repository, digest: image, .. } = place;
    witness.said(&Said { name, repository, image, signer, statement, at, logged: facts.logged });
}
