//! Why an attestation or signature does not count, as data.

use provost_keys::SignatureError;
use provost_oci::Digest;
use provost_registry::StoreError;
use provost_statement::predicate_type::SPDX;
use provost_statement::{EnvelopeError, SimpleSigningError, StatementError};

/// What is known about an image after looking.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Everything that must hold, holds.
    Pass,
    /// Something that must hold, does not.
    Fail(Reason),
    /// It could not be found out; neither pass nor fail, and never admitted as a pass.
    Unchecked(Unchecked),
}

/// Why one attestation or signature does not count.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The layer lacks the annotation that every signature layer has.
    MissingSignatureAnnotation {
        /// The layer.
        layer: Digest,
    },
    /// The layer's bytes are no envelope.
    Envelope(EnvelopeError),
    /// The envelope holds something other than an in-toto statement.
    PayloadType {
        /// The type it states.
        found: String,
    },
    /// The envelope has no signatures.
    NoSignatures,
    /// None of the signatures is the key's.
    NotTheKey {
        /// What each of them failed with, in order.
        each: Vec<SignatureError>,
    },
    /// The signature's text is no base64.
    SignatureEncoding,
    /// The signed payload is no statement we accept; a trusted key signed it, so the image fails.
    Statement(StatementError),
    /// The statement is about other images.
    OtherSubject {
        /// The image asked about.
        expected: Digest,
    },
    /// The signed payload is no simple signing payload.
    SimpleSigning(SimpleSigningError),
    /// The signature is another image's.
    OtherImage {
        /// The image asked about.
        expected: Digest,
        /// The image it vouches for.
        found: Digest,
    },
    /// The signature lacks an annotation that was asked for.
    MissingAnnotation,
    /// A bundle that is none, or of a version that is not read.
    Bundle(BundleFault),
}

impl Reason {
    /// A stable code for programs and documentation.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingSignatureAnnotation { .. } => "layer-without-signature-annotation",
            Self::Envelope(_) => "no-envelope",
            Self::PayloadType { .. } => "payload-type",
            Self::NoSignatures => "no-signatures",
            Self::NotTheKey { .. } => "not-the-key",
            Self::SignatureEncoding => "signature-encoding",
            Self::Statement(_) => "statement-refused",
            Self::OtherSubject { .. } => "other-subject",
            Self::SimpleSigning(_) => "payload-refused",
            Self::OtherImage { .. } => "other-image",
            Self::MissingAnnotation => "annotation-missing",
            Self::Bundle(_) => "bundle",
        }
    }

    /// Whether this says anything about attestations of one predicate type.
    ///
    /// A statement whose only fault is that its predicate is no object concerns its own type alone, and an SPDX
    /// document as text, which cosign itself makes and never verifies, concerns none; every other fault leaves
    /// open which type it would have been.
    #[must_use]
    pub fn concerns(&self, predicate_type: &str) -> bool {
        match self {
            Self::Statement(StatementError::PredicateForm { found, predicate_type: own }) => {
                own == predicate_type && !(*found == "string" && own == SPDX)
            }
            _ => true,
        }
    }

    /// Whether a trusted key signed this and its form is refused all the same: such an attestation fails the
    /// image instead of vanishing (security.md 1).
    #[must_use]
    pub fn fails_the_image(&self) -> bool {
        matches!(self, Self::Statement(_))
    }
}

/// What is wrong with a Sigstore bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleFault {
    /// It is no strict JSON, or a field has the wrong form.
    Malformed(&'static str),
    /// It holds a message signature, not an envelope.
    NoEnvelope,
    /// It is signed by a certificate, and a key was asked for.
    Certificate,
    /// Its envelope has other than one signature.
    SignatureCount(usize),
    /// Its key hint names another key.
    OtherKeyid(String),
}

/// Why it could not be found out whether an image is good.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Unchecked {
    /// The registry did not answer, or not with what was asked for.
    Store(StoreError),
    /// The manifest beside the image is no manifest.
    Manifest {
        /// The tag or digest it was found under.
        found_at: String,
        /// What is wrong with it, in the JSON reader's words.
        reason: String,
    },
    /// More layers than are looked at.
    TooManyLayers {
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
    /// A layer larger than is read.
    LayerTooLarge {
        /// Its size in bytes.
        found: u64,
        /// What is allowed.
        limit: u64,
    },
}

impl From<StoreError> for Unchecked {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
