//! Whom to believe: certificate authorities, logs, CT logs and timestamp authorities, from a trusted root or from files.

use jiff::Timestamp;
use provost_keys::PublicKey;
use sigstore_trust_root::TrustedRoot;
use sigstore_types::TimeRange;

use crate::certificate::{Certificate, CertificateError};
use crate::chain::{self, Chain, ChainFault};
use crate::sct::CtLog;
use crate::stamp::StampAuthority;
use crate::transparency::Log;
use crate::window::Window;

/// The longest trusted root read: 1 MiB; the public good one has 7 KiB.
pub const TRUSTED_ROOT_LIMIT: usize = 1024 * 1024;
/// How the media type of every trusted root begins.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot";

/// Everything that is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustMaterial {
    /// Who may certify signers.
    pub authorities: Vec<CertificateAuthority>,
    /// Which transparency logs count.
    pub logs: Vec<Log>,
    /// Which CT logs count.
    pub ct_logs: Vec<CtLog>,
    /// Whose timestamps count.
    pub stamp_authorities: Vec<StampAuthority>,
}

/// One certificate authority: its roots and what lies between them and the leaves.
#[derive(Clone, Debug, Default)]
pub struct CertificateAuthority {
    /// Trusted without further question.
    pub roots: Vec<Certificate>,
    /// Offered for paths, trusted only through a root.
    pub intermediates: Vec<Certificate>,
    /// When it may certify.
    pub valid: Window,
}

/// Why a file is no trusted root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedRootError {
    /// It is no JSON of that form.
    #[error("the trusted root is malformed: {0}")]
    Json(String),
    /// It says it is something else.
    #[error("the file says it is {found:?}, expected {MEDIA_TYPE}+json")]
    MediaType {
        /// What it says.
        found: String,
    },
    /// A certificate in it is none.
    #[error("a certificate of the trusted root: {0}")]
    Certificate(#[from] CertificateError),
    /// It is longer than [`TRUSTED_ROOT_LIMIT`].
    #[error("the trusted root has {found} bytes, at most {TRUSTED_ROOT_LIMIT} are read")]
    TooLong {
        /// How long it is.
        found: usize,
    },
}

impl TrustMaterial {
    /// Reads a trusted root (`application/vnd.dev.sigstore.trustedroot+json`).
    ///
    /// A log whose key is of a kind that is not verified with is left out: nothing it says counts.
    ///
    /// # Errors
    /// See [`TrustedRootError`].
    pub fn from_trusted_root(json: &[u8]) -> Result<Self, TrustedRootError> {
        if json.len() > TRUSTED_ROOT_LIMIT {
            return Err(TrustedRootError::TooLong { found: json.len() });
        }
        let text = std::str::from_utf8(json).map_err(|error| TrustedRootError::Json(error.to_string()))?;
        let root = TrustedRoot::from_json(text).map_err(|error| TrustedRootError::Json(error.to_string()))?;
        if !root.media_type.starts_with(MEDIA_TYPE) {
            return Err(TrustedRootError::MediaType { found: root.media_type });
        }
        let mut material = Self::default();
        for authority in &root.certificate_authorities {
            let mut intermediates = certificates(
                authority.cert_chain.certificates.iter().map(|entry| entry.raw_bytes.as_bytes()),
            )?;
            let roots = intermediates.pop().into_iter().collect();
            let valid = window(authority.valid_for.as_ref());
            material.authorities.push(CertificateAuthority { roots, intermediates, valid });
        }
        for log in &root.tlogs {
            let Ok(key) = PublicKey::from_der(log.public_key.raw_bytes.as_bytes()) else { continue };
            material.logs.push(Log {
                id: log.log_id.key_id.as_bytes().to_vec(),
                key,
                url: log.base_url.clone(),
                valid: window(log.public_key.valid_for.as_ref()),
            });
        }
        for log in &root.ctlogs {
            let Ok(key) = PublicKey::from_der(log.public_key.raw_bytes.as_bytes()) else { continue };
            let valid = window(log.public_key.valid_for.as_ref());
            material.ct_logs.push(CtLog { id: log.log_id.key_id.as_bytes().to_vec(), key, valid });
        }
        for authority in &root.timestamp_authorities {
            let chain = certificates(
                authority.cert_chain.certificates.iter().map(|entry| entry.raw_bytes.as_bytes()),
            )?;
            material
                .stamp_authorities
                .extend(StampAuthority::new(&chain, window(authority.valid_for.as_ref())));
        }
        Ok(material)
    }

    /// Believes these roots too.
    pub fn add_authority(&mut self, roots: Vec<Certificate>, intermediates: Vec<Certificate>) {
        self.authorities.push(CertificateAuthority { roots, intermediates, valid: Window::default() });
    }

    /// Believes the log of this key too.
    pub fn add_log(&mut self, key: PublicKey) {
        let id = sha256(key.to_der());
        self.logs.push(Log { id, key, url: String::new(), valid: Window::default() });
    }

    /// Believes the CT log of this key too.
    pub fn add_ct_log(&mut self, key: PublicKey) {
        let id = sha256(key.to_der());
        self.ct_logs.push(CtLog { id, key, valid: Window::default() });
    }

    /// A path from a certificate to a root of one authority, as of `at`, when that authority may certify.
    ///
    /// `more` are intermediates that came with the signature; they are only offered.
    ///
    /// # Errors
    /// Why the last authority has no path; without authorities none is known.
    pub fn path(&self, leaf: &Certificate, more: &[Certificate], at: Timestamp) -> Result<Chain, ChainFault> {
        let mut fault = ChainFault::UnknownAuthority;
        for authority in &self.authorities {
            if !authority.valid.contains(at) {
                continue;
            }
            let intermediates = [authority.intermediates.as_slice(), more].concat();
            match chain::path(leaf, &authority.roots, &intermediates, at) {
                Ok(path) => return Ok(path),
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }
}

fn certificates<'a>(ders: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Certificate>, CertificateError> {
    ders.map(Certificate::from_der).collect()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}

fn window(range: Option<&TimeRange>) -> Window {
    range.map_or_else(Window::default, |range| Window { start: Some(range.start), end: range.end })
}
