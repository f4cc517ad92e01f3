//! What vouches for a signature besides its key: a certificate of the moment from Fulcio, and a transparency log's entry.
//!
//! As in Chains the signer `x509` takes a new key and a certificate for each run where Fulcio is enabled, and a log is told before
//! anything is stored. Other than Chains, a stored copy that counts as ours already is neither signed for nor logged again.

use std::fmt;
use std::sync::Arc;

use provost_keys::{PrivateKey, PublicKey, Signer};
use provost_sign::bundle::{certified_with_chain, enter_bundle};
use provost_sign::{BundleError, KeyHint, Payload as Told, sign_envelope};
use provost_sigstore::bundle_writing::{Content, Material, NewBundle};
use provost_sigstore::certificate::{Certificate, CertificateError};
use provost_sigstore::chain;
use provost_sigstore::log_entry::LogEntry;
use provost_sigstore::rekor_client::digest;
use provost_sigstore::signing_config::SigningService;
use provost_statement::Envelope;
use reqwest::Client;

use crate::config::{ChainsConfig, Encoding, Signer as Word, SignerSettings, Storage};
use crate::placing::bundles;
use crate::placing::lies_everywhere;
use crate::sign_run::{Means, SignRunError};
use crate::signable::Signable;
use crate::signing::Signed;
use crate::writers::Writers;

/// Gives the identity token that the configuration names, or says why there is none.
pub type TokenSource = Arc<dyn Fn(&SignerSettings) -> Result<String, String> + Send + Sync>;

/// How Fulcio and Rekor are reached, and the token that Fulcio knows us by.
#[derive(Clone)]
pub struct Services {
    /// The client, which follows no redirects.
    pub client: Client,
    /// The token; asked for at each run, since projected tokens live for minutes.
    pub token: TokenSource,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Services(…)")
    }
}

/// What signs besides the key of `signing-secrets`.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// The key of `signers.kms.kmsref`, or why it cannot be used; nothing where no key service is spoken to.
    pub kms: Option<Result<Arc<dyn Signer>, String>>,
    /// Fulcio and Rekor; nothing where they are not spoken to.
    pub services: Option<Services>,
    /// Who writes where just now.
    pub writers: Writers,
}

/// Why nobody vouched for a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VouchError {
    /// There is no identity token.
    #[error("the identity token for Fulcio: {0}")]
    Token(String),
    /// Fulcio gave no certificate.
    #[error("a certificate from {url}: {why}")]
    Certificate {
        /// Fulcio.
        url: String,
        /// What it said, or why it could not be asked.
        why: Box<BundleError>,
    },
    /// What Fulcio gave is no chain of certificates.
    #[error("the certificates from {url}: {why}")]
    Chain {
        /// Fulcio.
        url: String,
        /// What is wrong with them.
        why: CertificateError,
    },
    /// The log took no entry.
    #[error("an entry in the log {url}: {why}")]
    Log {
        /// The log.
        url: String,
        /// What it said, or why it could not be asked.
        why: Box<BundleError>,
    },
}

/// A certificate for a key of the moment, with those above it.
#[derive(Clone, Debug, PartialEq)]
pub struct Issued {
    /// The certificate.
    pub leaf: Certificate,
    /// Those above it, the root last.
    pub above: Vec<Certificate>,
}

impl Issued {
    /// The certificate in PEM, as layers and annotations hold it.
    #[must_use]
    pub fn leaf_pem(&self) -> String {
        self.leaf.to_pem()
    }

    /// Those above it in PEM.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.above.iter().map(Certificate::to_pem).collect()
    }

    /// Whether another certificate was given by the same authority to the same identity.
    ///
    /// Its key is gone like ours will be, so when it was given does not matter.
    #[must_use]
    pub fn is_same_identity(&self, other: &Certificate) -> bool {
        let Some((root, between)) = self.above.split_last() else { return false };
        let name = self.leaf.identity();
        name.is_some()
            && name == other.identity()
            && self.leaf.bundle_issuer() == other.bundle_issuer()
            && chain::path(other, std::slice::from_ref(root), between, other.not_before()).is_ok()
    }
}

/// What vouches for one signature.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vouched {
    /// The certificate; with a plain key there is none.
    pub certificate: Option<Issued>,
    /// What the log said.
    pub entry: Option<LogEntry>,
}

impl Vouched {
    /// Certificate and chain in PEM; both empty with a plain key, as Chains writes them.
    #[must_use]
    pub fn pems(&self) -> [String; 2] {
        self.certificate.as_ref().map(|issued| [issued.leaf_pem(), issued.chain_pem()]).unwrap_or_default()
    }

    /// The key that a stored copy must verify under to count as ours (security.md 29): the one that signs now, or where Fulcio
    /// vouches the key of the certificate beside the copy, if the same authority gave it to the same identity.
    pub(crate) fn key_of_copy(&self, key: &PublicKey, beside: Option<&Certificate>) -> Option<PublicKey> {
        let Some(issued) = &self.certificate else { return Some(key.clone()) };
        let beside = beside.filter(|beside| issued.is_same_identity(beside))?;
        beside.public_key().ok()
    }

    /// Who signed, as bundles say it.
    pub(crate) fn material(&self, key: &PublicKey) -> Material {
        match &self.certificate {
            Some(issued) => Material::Certificate(issued.leaf.der().to_vec()),
            None => Material::PublicKey(key.hint()),
        }
    }
}

/// What signs one run, and has it witnessed.
pub(crate) struct Vouching<'a> {
    config: &'a ChainsConfig,
    means: &'a Means<'a>,
    upload: bool,
    kms: Option<Arc<dyn Signer>>,
    certified: Option<(PrivateKey, Issued)>,
}

impl<'a> Vouching<'a> {
    /// Gets ready what the list needs; where something is missing, nothing of the run is signed.
    pub(crate) async fn begin(
        config: &'a ChainsConfig,
        label: &str,
        list: &[Signable],
        upload: bool,
        means: &'a Means<'a>,
    ) -> Result<Self, SignRunError> {
        let unsupported =
            |what: &str| SignRunError::Unsupported { run: label.to_owned(), what: what.to_owned() };
        let upload = upload && !list.is_empty();
        let services = means.others.and_then(|others| others.services.as_ref());
        if upload && services.is_none() {
            return Err(unsupported("transparency.enabled"));
        }
        let uses = |word: Word| list.iter().any(|signable| signable.signer == word);
        let kms = match means.others.and_then(|others| others.kms.as_ref()) {
            _ if !uses(Word::Kms) => None,
            None => return Err(unsupported("signer kms")),
            Some(Err(why)) => return Err(SignRunError::Closed(why.clone())),
            Some(Ok(key)) => Some(key.clone()),
        };
        let certified = match services {
            _ if !(config.signers.fulcio && uses(Word::X509)) => None,
            None => return Err(unsupported("signers.x509.fulcio.enabled")),
            Some(services) => Some(certified(&config.signers, services).await?),
        };
        Ok(Self { config, means, upload, kms, certified })
    }

    /// What signs this.
    pub(crate) fn key(&self, signable: &Signable) -> &dyn Signer {
        match (signable.signer, &self.kms, &self.certified) {
            (Word::Kms, Some(key), _) => key.as_ref(),
            (Word::X509, _, Some((key, _))) => key,
            _ => self.means.key,
        }
    }

    /// Signs, and has the log told where it is to be.
    pub(crate) async fn sign(&self, signable: &Signable) -> Result<Signed, SignRunError> {
        let key = self.key(signable);
        let mut signed = Signed::new(signable, key).await?;
        let certificate = match (signable.signer, &self.certified) {
            (Word::X509, Some((_, issued))) => Some(issued.clone()),
            _ => None,
        };
        signed.vouched_mut().certificate = certificate;
        let in_registry = signable.storage.contains(&Storage::Oci);
        if self.config.storage.encoding == Encoding::SigstoreBundle && in_registry {
            bundles::seal_image(&mut signed, key).await?;
        }
        if !self.upload {
            return Ok(signed);
        }
        // Each attempt would leave another entry in the log otherwise: a registry that is away is noticed here, before the log
        // is told, and what lies there already has been told of.
        let store = self.means.store;
        if in_registry && lies_everywhere(&signed, &key.public_key(), &self.config.storage, store).await? {
            return Ok(signed);
        }
        let entry = self.entry(&signed, key).await?;
        match signed.sealed_mut() {
            Some(sealed) => sealed.vouched.entry = Some(entry),
            None => signed.vouched_mut().entry = Some(entry),
        }
        Ok(signed)
    }

    /// The log's entry about what was signed: of an envelope, or of an image's payload.
    async fn entry(&self, signed: &Signed, key: &dyn Signer) -> Result<LogEntry, SignRunError> {
        let Some(services) = self.means.others.and_then(|others| others.services.as_ref()) else {
            return Err(SignRunError::Closed("there is no way to a transparency log".to_owned()));
        };
        let (content, told) = match signed {
            Signed::Image { sealed: Some(sealed), .. } => of_envelope(sealed.envelope.clone()),
            Signed::Image { payload, signature, .. } => {
                let hash = key.hash();
                let content = Content::Message {
                    hash: Some(hash),
                    digest: digest(hash, payload),
                    signature: signature.clone(),
                };
                (content, Told::Message { bytes: payload.clone(), pure_ed25519: false })
            }
            Signed::Attestation { envelope, statement, .. } => match Envelope::parse(envelope) {
                Ok(envelope) => of_envelope(envelope),
                Err(_) => {
                    // Our own envelope always reads; should it not, the log is told of one that says the same.
                    of_envelope(sign_envelope(&statement.to_bytes(), key, KeyHint::SshFingerprint).await?)
                }
            },
        };
        let signer = signed.vouched().material(&key.public_key());
        let bundle = NewBundle { content, signer, log_entries: Vec::new(), timestamps: Vec::new() };
        let log = SigningService::at(&self.config.log_url);
        let entered = enter_bundle(&services.client, &log, &bundle, &told, &key.public_key()).await;
        let url = || self.config.log_url.clone();
        Ok(entered.map_err(|why| VouchError::Log { url: url(), why: Box::new(why) })?)
    }
}

fn of_envelope(envelope: Envelope) -> (Content, Told) {
    let told = Told::Statement(envelope.payload.clone());
    (Content::Envelope(envelope), told)
}

/// A key of the moment, and Fulcio's certificate for it.
async fn certified(
    settings: &SignerSettings,
    services: &Services,
) -> Result<(PrivateKey, Issued), SignRunError> {
    let token = (services.token)(settings).map_err(VouchError::Token)?;
    let key = PrivateKey::generate()?;
    let url = &settings.fulcio_url;
    let given = certified_with_chain(&services.client, url, &token, &key).await;
    let (leaf, above) =
        given.map_err(|why| VouchError::Certificate { url: url.clone(), why: Box::new(why) })?;
    let read =
        |der: &Vec<u8>| Certificate::from_der(der).map_err(|why| VouchError::Chain { url: url.clone(), why });
    let above: Result<Vec<Certificate>, VouchError> = above.iter().map(read).collect();
    Ok((key, Issued { leaf: read(&leaf)?, above: above? }))
}

/// An entry's address as Chains notes it on the run.
pub(crate) fn address(log_url: &str, entry: &LogEntry) -> String {
    format!("{}/api/v1/log/entries?logIndex={}", log_url.trim_end_matches('/'), entry.log_index)
}

#[cfg(test)]
mod tests;
