//! Signing what a run gives to sign, and the annotations Chains keeps of it on the run.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{KeyError, Signer};
use provost_sign::{KeyHint, sign_envelope};
use provost_sigstore::log_entry::LogEntry;

use crate::image_ref::ImageRef;
use crate::placing::bundles::Sealed;
use crate::run::Run;
use crate::signable::{Payload, Signable};
use crate::statement::Statement;
use crate::vouching::Vouched;

/// The annotation with the address of the last log entry about a run.
pub const TRANSPARENCY: &str = "chains.tekton.dev/transparency";
/// The annotation that says a run has been dealt with: `true` or `failed`.
pub const SIGNED: &str = "chains.tekton.dev/signed";
const PREFIX: &str = "chains.tekton.dev/";
/// How much of an image's digest names its annotations.
const SHORT_DIGEST: usize = 12;

/// Something signed.
#[derive(Clone, Debug, PartialEq)]
pub enum Signed {
    /// An attestation.
    Attestation {
        /// What was signed.
        statement: Box<Statement>,
        /// The DSSE envelope, as Chains writes it.
        envelope: Vec<u8>,
        /// What vouches for it besides the key.
        vouched: Vouched,
    },
    /// A signature on an image.
    Image {
        /// The image.
        image: ImageRef,
        /// The simple signing payload.
        payload: Vec<u8>,
        /// The signature over it, raw.
        signature: Vec<u8>,
        /// What vouches for it besides the key.
        vouched: Vouched,
        /// What goes into a bundle in its place, where that was made beforehand.
        sealed: Option<Box<Sealed>>,
    },
}

impl Signed {
    /// Signs a payload: a statement inside an envelope that names the key by its OpenSSH fingerprint, an image's
    /// payload as it is.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub async fn new(signable: &Signable, key: &dyn Signer) -> Result<Self, KeyError> {
        Ok(match &signable.payload {
            Payload::Attestation(statement) => {
                let envelope = sign_envelope(&statement.to_bytes(), key, KeyHint::SshFingerprint).await?;
                Self::Attestation {
                    statement: statement.clone(),
                    envelope: envelope.to_chains_json(),
                    vouched: Vouched::default(),
                }
            }
            Payload::ImageSignature { image, bytes } => Self::Image {
                image: image.clone(),
                payload: bytes.clone(),
                signature: key.sign(bytes).await?,
                vouched: Vouched::default(),
                sealed: None,
            },
        })
    }

    /// The name that storages know it by: `taskrun-UID`, `pipelinerun-UID`, or the beginning of the image's digest.
    #[must_use]
    pub fn short_key(&self, run: &Run<'_>) -> String {
        let uid = &run.metadata().uid;
        match (self, run) {
            (Self::Attestation { .. }, Run::Task(_)) => format!("taskrun-{uid}"),
            (Self::Attestation { .. }, Run::Pipeline(..)) => format!("pipelinerun-{uid}"),
            (Self::Image { image, .. }, _) => image.digest.hex().chars().take(SHORT_DIGEST).collect(),
        }
    }

    /// What vouches for it besides the key.
    #[must_use]
    pub fn vouched(&self) -> &Vouched {
        match self {
            Self::Attestation { vouched, .. } | Self::Image { vouched, .. } => vouched,
        }
    }

    pub(crate) fn vouched_mut(&mut self) -> &mut Vouched {
        match self {
            Self::Attestation { vouched, .. } | Self::Image { vouched, .. } => vouched,
        }
    }

    /// What goes into a bundle in place of an image's raw signature.
    pub(crate) fn sealed_mut(&mut self) -> Option<&mut Sealed> {
        match self {
            Self::Image { sealed, .. } => sealed.as_deref_mut(),
            Self::Attestation { .. } => None,
        }
    }

    /// The log's entry about it, in whichever form it was logged.
    #[must_use]
    pub fn entry(&self) -> Option<&LogEntry> {
        match self {
            Self::Image { sealed: Some(sealed), .. } => sealed.vouched.entry.as_ref(),
            _ => self.vouched().entry.as_ref(),
        }
    }

    /// The annotations that `tekton` storage puts on the run: payload and signature in base64, and the
    /// certificate and its chain in base64, empty with a key.
    #[must_use]
    pub fn annotations(&self, run: &Run<'_>) -> BTreeMap<String, String> {
        let key = self.short_key(run);
        let (payload, signature) = match self {
            Self::Attestation { statement, envelope, .. } => (statement.to_bytes(), envelope.as_slice()),
            Self::Image { payload, signature, .. } => (payload.clone(), signature.as_slice()),
        };
        let [certificate, chain] = self.vouched().pems();
        BTreeMap::from([
            (format!("{PREFIX}payload-{key}"), STANDARD.encode(payload)),
            (format!("{PREFIX}signature-{key}"), STANDARD.encode(signature)),
            (format!("{PREFIX}cert-{key}"), STANDARD.encode(certificate)),
            (format!("{PREFIX}chain-{key}"), STANDARD.encode(chain)),
        ])
    }
}
