//! Vouching anew, when a key follows another: what the old key signed about an image, byte for byte, under the new one.
//!
//! Only what verifies under the old key and is about this very image is signed (security.md 31): whoever may write beside
//! an image could otherwise have the new key sign what they like. What is not signed is told with its reason; what lies there
//! stays. First everything is read, then everything is written.

use std::collections::BTreeSet;

use provost_keys::{HashChoice, KeyError, PublicKey, Signer};
use provost_oci::{Digest, Repository};
use provost_registry::{Store, StoreError};
use provost_statement::{EnvelopeError, SimpleSigningError, StatementError};

use crate::attach::AttachError;

mod reading;
mod writing;

/// How many bundles beside one image are looked at: cosign's limit of attachments.
pub const BUNDLES_LIMIT: usize = 1000;

/// The image, and how it is treated.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// Where the image lies.
    pub image: &'a Repository,
    /// Where its signatures and attestations lie: `COSIGN_REPOSITORY`, or the image's own repository.
    pub repository: &'a Repository,
    /// The image.
    pub digest: &'a Digest,
    /// The tags of its attestations and its signatures, usually `sha256-….att` and `.sig`.
    pub tags: [&'a str; 2],
    /// The longest attachment that is read, in bytes.
    pub limit: u64,
    /// The time now, RFC 3339 in UTC, for the annotations of bundles.
    pub created: &'a str,
    /// Whether nothing is to be written.
    pub only_look: bool,
}

/// What was found beside an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The tag it lies under, or `referrer`.
    pub place: String,
    /// The layer's digest, or the bundle's manifest's.
    pub digest: Digest,
    /// What became of it.
    pub fate: Fate,
}

/// What became of something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The new key's signature over the same bytes lies beside it now, or would without [`Image::only_look`].
    Signed {
        /// The predicate type; none for a signature of an image.
        predicate_type: Option<String>,
    },
    /// The new key's signature over the same bytes lay there before.
    Already,
    /// The new key signed it: it is what others of the list would become.
    New,
    /// It is not signed anew.
    Refused(Refusal),
}

/// Why something is not signed anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Somebody else's, or nobody's.
    #[error("it is not signed by the old key")]
    OtherKey,
    /// Copied from another image.
    #[error("the old key signed it, but about another image: {about}")]
    OtherSubject {
        /// What it is about.
        about: String,
    },
    /// Nothing that this could be judged by.
    #[error("it is no signature or attestation that keys sign: {what}")]
    OtherKind {
        /// What it is.
        what: String,
    },
    /// Too long.
    #[error("it has {size} bytes, and at most {limit} are read")]
    TooLong {
        /// Its length.
        size: u64,
        /// The most that is read.
        limit: u64,
    },
    /// An envelope that is none.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A statement that is none, signed by the old key.
    #[error("the old key signed it, but {0}")]
    Statement(#[from] StatementError),
    /// A payload that is none, signed by the old key.
    #[error("the old key signed it, but {0}")]
    Payload(#[from] SimpleSigningError),
    /// A bundle that is none.
    #[error("{0}")]
    Bundle(String),
}

/// Why an image was not dealt with; what could not be read is neither signed nor refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResignError {
    /// There is nothing to do.
    #[error("the old key and the new key are the same")]
    SameKey,
    /// The registry did not take part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer was not appended.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// What lies under a tag is not what signatures and attestations are kept in.
    #[error("{repository}:{tag}: {reason}")]
    Unreadable {
        /// Where.
        repository: String,
        /// Under which tag.
        tag: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The new key did not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The new key's signature is not its own.
    #[error("the new key's own signature does not verify under its public key")]
    OwnSignature,
}

/// Signs anew what the old key signed about an image, in whichever form it lies there, unless the new key's lies there already.
///
/// The order of the answer is that of the tags, then of the referrers.
///
/// # Errors
/// See [`ResignError`]; what was stored before the error stays, and a repetition leaves it alone.
pub async fn resign(
    store: &dyn Store,
    image: &Image<'_>,
    old: &PublicKey,
    new: &dyn Signer,
) -> Result<Vec<Found>, ResignError> {
    let new_public = new.public_key();
    if new_public.to_der() == old.to_der() {
        return Err(ResignError::SameKey);
    }
    let read = reading::read(store, image, old, &new_public).await?;
    // What was said under the new key, by form and bytes: nothing is signed twice.
    let mut said: BTreeSet<(Form, Digest)> = read
        .iter()
        .filter(|one| matches!(one.judged, Judged::New))
        .filter_map(|one| one.payload.as_ref().map(|payload| (one.form, Digest::sha256_of(payload))))
        .collect();
    let mut found = Vec::new();
    for one in read {
        let fate = match one.judged {
            Judged::New => Fate::New,
            Judged::Refused(ref refusal) => Fate::Refused(refusal.clone()),
            Judged::Old { ref predicate_type } => {
                let payload = one.payload.as_deref().unwrap_or_default();
                if said.insert((one.form, Digest::sha256_of(payload))) {
                    if !image.only_look {
                        writing::write(store, image, &one, new).await?;
                    }
                    Fate::Signed { predicate_type: predicate_type.clone() }
                } else {
                    Fate::Already
                }
            }
        };
        found.push(Found { place: one.place, digest: one.digest, fate });
    }
    Ok(found)
}

/// In which form something lies beside an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Attestation,
    Signature,
    Bundle,
}

/// Something that lies beside an image, judged.
struct Read {
    place: String,
    digest: Digest,
    form: Form,
    judged: Judged,
    /// The signed bytes, where a key of ours signed them.
    payload: Option<Vec<u8>>,
    /// Whether its envelope names its key, as Chains' do.
    names_key: bool,
    /// Annotations of the layer that are written again, empty or derived from the payload.
    annotations: Vec<String>,
}

enum Judged {
    Old { predicate_type: Option<String> },
    New,
    Refused(Refusal),
}

/// Whether a signature is this key's.
fn holds(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    key.verify(message, signature, HashChoice::Usual).is_ok()
}

#[cfg(test)]
mod tests;
