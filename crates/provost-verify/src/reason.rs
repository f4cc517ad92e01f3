//! Why an attestation or signature does not count, as data.

use provost_keys::SignatureError;
use provost_oci::Digest;
use provost_registry::StoreError;
use provost_sigstore::annotation::AnnotationFault;
use provost_sigstore::bundle_reading::BundleError;
use provost_sigstore::certificate::CertificateError;
use provost_sigstore::chain::ChainFault;
use provost_sigstore::entry_content::ContentFault;
use provost_sigstore::identity::IdentityFault;
use provost_sigstore::sct::SctFault;
use provost_sigstore::service_client::ServiceError;
use provost_sigstore::stamp::StampFault;
use provost_sigstore::transparency::LogFault;
use provost_statement::predicate_type::SPDX;
use provost_statement::{EnvelopeError, SimpleSigningError, StatementError};

use crate::times::TimeFault;

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
    /// A certificate must have signed, and none lies beside the signature.
    NoCertificate,
    /// The certificate beside the signature is not of the key that is trusted.
    OtherCertificate,
    /// The certificate beside the signature is none.
    Certificate(CertificateError),
    /// The certificate's key is of a kind that is not verified with.
    CertificateKey(String),
    /// No path leads from the certificate to a trusted root.
    Chain {
        /// Why not.
        fault: ChainFault,
        /// Whether a trusted root file says which roots are trusted.
        from_trusted_root: bool,
    },
    /// The certificate is not of the identity asked for.
    Identity(IdentityFault),
    /// No CT log is known to have seen the certificate.
    Sct(SctFault),
    /// The certificate did not hold when the signature was made.
    Time(TimeFault),
    /// No log entry lies beside the signature, and no log was asked.
    NoLogEntry,
    /// No log entry lies beside the signature, and the log that was asked has none.
    NotInLog,
    /// No log entry lies beside the signature, and the log did not answer: it could not be checked.
    LogUnasked(Box<ServiceError>),
    /// The log entry is not known to be in a trusted log.
    Log(LogFault),
    /// The log entry is about something else.
    LogContent(ContentFault),
    /// The timestamp is of no trusted authority.
    Stamp(StampFault),
    /// What lies beside the signature cannot be read.
    Annotation(AnnotationFault),
}

impl From<CertificateError> for Reason {
    fn from(fault: CertificateError) -> Self {
        Self::Certificate(fault)
    }
}

impl From<IdentityFault> for Reason {
    fn from(fault: IdentityFault) -> Self {
        Self::Identity(fault)
    }
}

impl From<SctFault> for Reason {
    fn from(fault: SctFault) -> Self {
        Self::Sct(fault)
    }
}

impl From<TimeFault> for Reason {
    fn from(fault: TimeFault) -> Self {
        Self::Time(fault)
    }
}

impl From<LogFault> for Reason {
    fn from(fault: LogFault) -> Self {
        Self::Log(fault)
    }
}

impl From<ContentFault> for Reason {
    fn from(fault: ContentFault) -> Self {
        Self::LogContent(fault)
    }
}

impl From<StampFault> for Reason {
    fn from(fault: StampFault) -> Self {
        Self::Stamp(fault)
    }
}

impl From<AnnotationFault> for Reason {
    fn from(fault: AnnotationFault) -> Self {
        Self::Annotation(fault)
    }
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
            Self::NoCertificate => "no-certificate",
            Self::OtherCertificate => "other-certificate",
            Self::Certificate(_) | Self::CertificateKey(_) => "certificate-malformed",
            Self::Chain { .. } => "certificate-untrusted",
            Self::Identity(_) => "identity",
            Self::Sct(_) => "certificate-not-logged",
            Self::Time(_) => "certificate-time",
            Self::NoLogEntry => "no-log-entry",
            Self::NotInLog => "not-in-log",
            Self::LogUnasked(_) => "log-unasked",
            Self::Log(_) => "log-entry-untrusted",
            Self::LogContent(_) => "log-entry-of-other-content",
            Self::Stamp(_) => "timestamp-untrusted",
            Self::Annotation(_) => "annotation-malformed",
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

    /// Whether this is an attestation whose predicate is a text, which cosign verifies and takes for no type.
    #[must_use]
    pub fn is_text_predicate(&self) -> bool {
        matches!(self, Self::Statement(StatementError::PredicateForm { found: "string", .. }))
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
    Malformed(BundleError),
    /// It holds a message signature, not an envelope.
    NoEnvelope,
    /// It is signed by a certificate, and a key was asked for.
    Certificate,
    /// It is signed by a key, and a certificate was asked for.
    Key,
    /// No trusted log has it.
    NotLogged,
    /// The same log entry stands in it twice.
    DuplicateEntries,
    /// The log's time is not within the certificate's.
    TimeOutsideCertificate,
    /// It has no timestamp of a trusted authority.
    NoStamp,
    /// Nothing in it says when it was signed.
    NoTime,
    /// It holds an envelope, not a message signature.
    NoMessage,
    /// It is about other artifacts.
    OtherArtifact,
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
    /// The program was ending while signatures were verified.
    Interrupted,
    /// The log of signatures did not answer.
    Log(Box<ServiceError>),
}

impl From<StoreError> for Unchecked {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
