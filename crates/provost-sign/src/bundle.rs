//! Making a bundle: sign, ask for a certificate, a timestamp and log entries, and keep all of it together.

use std::borrow::Cow;

use provost_keys::{HashChoice, KeyError, KeyKind, PublicKey, Signer};
use provost_sigstore::bundle_writing::{Content, Material, NewBundle};
use provost_sigstore::certificate::{Certificate, CertificateError};
use provost_sigstore::entry_content::{self, ContentFault, SignedContent, What, is_about};
use provost_sigstore::fulcio_client::{CertificateRequest, TokenError, certificate, token_subject};
use provost_sigstore::log_entry::LogEntry;
use provost_sigstore::rekor_client::{LogSigner, digest, enter};
use provost_sigstore::service_client::ServiceError;
use provost_sigstore::signing_config::SigningService;
use provost_sigstore::timestamp_client::timestamp;
use provost_statement::envelope::pre_authentication_encoding;
use provost_statement::{Envelope, EnvelopeSignature, IN_TOTO_PAYLOAD};
use reqwest::Client;

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A message that lies elsewhere: a blob, or a simple signing payload.
    Message {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Ed25519 without its prehash.
        pure_ed25519: bool,
    },
    /// A statement, which goes into an envelope.
    Statement(Vec<u8>),
}

/// What vouches for the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// Nothing: whoever verifies has the key.
    ByKey,
    /// A certificate, in DER.
    ByCertificate(Vec<u8>),
}

/// Which services see a signature.
#[derive(Clone, Debug)]
pub struct Witnesses<'a> {
    /// How services are reached.
    pub client: &'a Client,
    /// How timestamp authorities are reached, which may ask for a certificate of ours.
    pub timestamp_client: &'a Client,
    /// The timestamp authorities.
    pub timestamp_authorities: Vec<SigningService>,
    /// The transparency logs.
    pub logs: Vec<SigningService>,
    /// Whether timestamps are about an envelope as it is stored, which verifiers of the older formats ask for, and not
    /// about the signature in it.
    pub stamp_stored: bool,
}

impl Witnesses<'_> {
    /// What timestamps are about.
    #[must_use]
    pub fn stamped<'a>(&self, content: &'a Content) -> Cow<'a, [u8]> {
        match content {
            Content::Envelope(envelope) if self.stamp_stored => Cow::Owned(envelope.to_json()),
            other => Cow::Borrowed(other.signature()),
        }
    }
}

/// Why no bundle was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key's signature is not its own: broken hardware, or another key behind the name.
    #[error("the key's own signature does not verify under its public key")]
    OwnSignature,
    /// A service did not take part.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The identity token names nobody.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Fulcio checks proofs of Ed25519 in the pure form, cosign's keys sign prehashed.
    #[error("ed25519ph unsupported by Fulcio")]
    Ed25519Proof,
    /// What vouches for the key is no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Fulcio gave a certificate of another key: nobody could verify what is signed under it.
    #[error("Fulcio's certificate is for another key than the one it was asked for")]
    OtherKey,
    /// A log answered with an entry about something else, so nobody could find this signature in it.
    #[error("the log {url} answered with an entry that is not about this signature: {fault}")]
    OtherEntry {
        /// Which log.
        url: String,
        /// What differs.
        fault: ContentFault,
    },
}

/// Asks Fulcio for a certificate of this key and whoever the token is about.
///
/// # Errors
/// When the key does not sign, the token names nobody, or Fulcio gives no certificate.
pub async fn certified(
    client: &Client,
    fulcio: &str,
    token: &str,
    signer: &dyn Signer,
) -> Result<Vouched, BundleError> {
    Ok(Vouched::ByCertificate(certified_with_chain(client, fulcio, token, signer).await?.0))
}

/// The same: the certificate, and those above it, the root last; all in DER.
///
/// # Errors
/// As [`certified`].
pub async fn certified_with_chain(
    client: &Client,
    fulcio: &str,
    token: &str,
    signer: &dyn Signer,
) -> Result<(Vec<u8>, Vec<Vec<u8>>), BundleError> {
    let subject = token_subject(token)?;
    let key = signer.public_key();
    let algorithm = match key.kind() {
        KeyKind::EcdsaP256 | KeyKind::EcdsaP384 | KeyKind::EcdsaP521 => "ECDSA",
        KeyKind::Rsa { .. } => "RSA",
        KeyKind::Ed25519 => return Err(BundleError::Ed25519Proof),
    };
    let proof = signer.sign(subject.as_bytes()).await?;
    let public_key = key.to_pem();
    let request = CertificateRequest { token, algorithm, public_key: &public_key, proof: &proof };
    let (der, above) = certificate(client, fulcio, &request).await?;
    if Certificate::from_der(&der)?.public_key_der() != key.to_der() {
        return Err(BundleError::OtherKey);
    }
    Ok((der, above))
}

/// Signs, and collects what timestamp authorities and logs say about the signature, in this order.
///
/// # Errors
/// See [`BundleError`]; nothing is kept of a signature whose witnesses failed.
pub async fn new_bundle(
    payload: Payload,
    signer: &dyn Signer,
    vouched: &Vouched,
    witnesses: &Witnesses<'_>,
) -> Result<NewBundle, BundleError> {
    let key = signer.public_key();
    let content = match &payload {
        Payload::Message { bytes, pure_ed25519 } => message(bytes, signer, *pure_ed25519).await?,
        Payload::Statement(statement) => {
            let signature =
                signed(&pre_authentication_encoding(IN_TOTO_PAYLOAD, statement), signer, false).await?;
            let signatures = vec![EnvelopeSignature { keyid: String::new(), signature: Some(signature) }];
            let (payload_type, payload) = (IN_TOTO_PAYLOAD.to_owned(), statement.clone());
            Content::Envelope(Envelope { payload_type, payload, signatures })
        }
    };
    let material = match vouched {
        Vouched::ByKey => Material::PublicKey(key.hint()),
        Vouched::ByCertificate(der) => Material::Certificate(der.clone()),
    };
    let mut bundle = NewBundle { content, signer: material, log_entries: Vec::new(), timestamps: Vec::new() };
    for authority in &witnesses.timestamp_authorities {
        let stamped = witnesses.stamped(&bundle.content);
        let stamp = timestamp(witnesses.timestamp_client, &authority.url, &stamped).await?;
        bundle.timestamps.push(stamp);
    }
    for log in &witnesses.logs {
        let entry = enter_bundle(witnesses.client, log, &bundle, &payload, &key).await?;
        bundle.log_entries.push(entry);
    }
    Ok(bundle)
}

/// Enters what was signed into a log, and holds the log's answer against it.
///
/// # Errors
/// [`BundleError::Service`], or [`BundleError::OtherEntry`] where the answer is about something else.
pub async fn enter_bundle(
    client: &Client,
    log: &SigningService,
    bundle: &NewBundle,
    payload: &Payload,
    key: &PublicKey,
) -> Result<LogEntry, BundleError> {
    let (der, is_certificate) = match &bundle.signer {
        Material::PublicKey(_) => (key.to_der(), false),
        Material::Certificate(der) => (der.as_slice(), true),
    };
    let signer = LogSigner { kind: key.kind(), der, is_certificate };
    let entry = enter(client, &log.url, log.version, bundle, &signer).await?;
    recorded(&entry, payload, bundle, key.to_der(), &log.url)?;
    Ok(entry)
}

/// Whether a log recorded this signature and no other.
fn recorded(
    entry: &LogEntry,
    payload: &Payload,
    bundle: &NewBundle,
    key: &[u8],
    url: &str,
) -> Result<(), BundleError> {
    let signed;
    let what = match (&bundle.content, payload) {
        (Content::Envelope(envelope), _) => {
            signed = envelope.signed_bytes();
            What::Envelope { payload: &envelope.payload, signed: &signed, stored: None }
        }
        (Content::Message { .. }, Payload::Message { bytes, .. } | Payload::Statement(bytes)) => {
            What::Message(bytes)
        }
    };
    let certificate;
    let signer = match &bundle.signer {
        Material::PublicKey(_) => entry_content::Signer::Key(key),
        Material::Certificate(der) => {
            certificate = Certificate::from_der(der)?;
            entry_content::Signer::Certificate(&certificate)
        }
    };
    let content = SignedContent { what, signature: Some(bundle.content.signature()), signer };
    is_about(entry, &content).map_err(|fault| BundleError::OtherEntry { url: url.to_owned(), fault })
}

async fn message(bytes: &[u8], signer: &dyn Signer, pure_ed25519: bool) -> Result<Content, BundleError> {
    let kind = signer.public_key().kind();
    let signature = signed(bytes, signer, pure_ed25519).await?;
    // Pure Ed25519 hashes nothing beforehand, so there is no digest to name.
    let (hash, digest) = match (kind, pure_ed25519) {
        (KeyKind::Ed25519, true) => (None, Vec::new()),
        _ => (Some(signer.hash()), digest(signer.hash(), bytes)),
    };
    Ok(Content::Message { hash, digest, signature })
}

/// A signature, checked before anybody else sees it.
async fn signed(message: &[u8], signer: &dyn Signer, pure_ed25519: bool) -> Result<Vec<u8>, BundleError> {
    let key = signer.public_key();
    let pure = pure_ed25519 && key.kind() == KeyKind::Ed25519;
    let (signature, hash) = if pure {
        (signer.sign_exactly(message, signer.hash()).await?, HashChoice::Exactly(signer.hash()))
    } else {
        (signer.sign(message).await?, HashChoice::Usual)
    };
    key.verify(message, &signature, hash).map_err(|_| BundleError::OwnSignature)?;
    Ok(signature)
}

#[cfg(test)]
mod tests;
