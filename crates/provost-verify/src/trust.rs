//! Who is trusted, and what must be shown beside a signature.

use jiff::Timestamp;
use provost_keys::{Hash, HashChoice, PublicKey, SignatureError};
use provost_sigstore::certificate::Certificate;
use provost_sigstore::identity::Identity;
use provost_sigstore::trust_root::TrustMaterial;

use crate::check::TrustedKey;

/// Whose signatures count.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each command or policy entry, never a list of them"
)]
pub enum Attestor {
    /// A key's.
    Key(TrustedKey),
    /// A certificate's that the user names and that has been held against the roots already (`--certificate`).
    Certificate {
        /// The certificate.
        certificate: Certificate,
        /// Those above it on its path, the root last: they must hold when it signed, as it must.
        above: Vec<Certificate>,
    },
    /// Those of certificates that come with the signature, lead to a trusted root and name this identity.
    Keyless(Identity),
}

/// Whether a transparency log must have seen a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRule {
    /// A trusted log must have it.
    Required,
    /// Nothing is asked of logs.
    Ignored,
}

/// Whether a CT log must have seen a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SctRule {
    /// A trusted CT log must have it; the timestamp is in the certificate, or this one beside it.
    Required {
        /// The timestamp that was given beside the certificate (JSON).
        detached: Option<Vec<u8>>,
    },
    /// Nothing is asked of CT logs.
    Ignored,
}

/// An attestor with everything its signatures are held against. It is data: the clock is read by whoever makes it.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Whose signatures count.
    pub attestor: Attestor,
    /// Authorities and logs that are believed.
    pub material: TrustMaterial,
    /// Whether the material is one trusted root, whose failures cosign words differently.
    pub from_trusted_root: bool,
    /// What is asked of transparency logs.
    pub log: LogRule,
    /// Whether timestamps of an authority are asked for and looked at.
    pub signed_timestamps: bool,
    /// What is asked of CT logs.
    pub sct: SctRule,
    /// The present, for certificates that have no other time.
    pub now: Timestamp,
}

impl From<TrustedKey> for Trust {
    /// A key, and nothing beside it.
    fn from(key: TrustedKey) -> Self {
        Self {
            attestor: Attestor::Key(key),
            material: TrustMaterial::default(),
            from_trusted_root: false,
            log: LogRule::Ignored,
            signed_timestamps: false,
            sct: SctRule::Ignored,
            // Keys have no time here, so the present is never asked for.
            now: Timestamp::UNIX_EPOCH,
        }
    }
}

/// What a signature is verified with, once it is known whose it must be.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    key: PublicKey,
    hash: HashChoice,
}

impl Verifier {
    pub(crate) fn of_key(trusted: &TrustedKey) -> Self {
        Self { key: trusted.key.clone(), hash: trusted.hash }
    }

    /// A certificate's key is used as its kind usually is; no flag names a hash for it.
    pub(crate) fn of_certificate(key: PublicKey) -> Self {
        Self { key, hash: HashChoice::Usual }
    }

    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        self.key.verify(message, signature, self.hash)
    }

    pub(crate) fn verify_digest(
        &self,
        hash: Hash,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        self.key.verify_digest(digest, hash, signature, self.hash)
    }
}

/// What was found out about a signature besides that it verifies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The certificate that signed, or that lies beside the signature.
    pub certificate: Option<Certificate>,
    /// Whether a trusted log has it, by what was stored with it.
    pub logged: bool,
    /// Whether the log had to be asked for that.
    pub log_asked: bool,
    /// The time the log signed.
    pub logged_at: Option<Timestamp>,
    /// The time a timestamp authority signed.
    pub stamped_at: Option<Timestamp>,
}
