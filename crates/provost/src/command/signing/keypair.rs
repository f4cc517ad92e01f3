//! The key that signs, with the certificates that flags give it.

use std::path::Path;

use provost_keys::{KeyKind, PrivateKey, Signer};
use provost_sign::Vouched;
use provost_sigstore::certificate::Certificate;
use provost_sigstore::chain;

use crate::command::signer::SignerFlags;
use crate::face::Face;
use crate::failure::Failure;
use crate::{go_os, key_reference};

/// The longest certificate file read, 1 MiB: a certificate has 1 to 4 KiB, a chain three of them.
const CERTIFICATE_LIMIT: u64 = 1 << 20;

/// The kinds of keys that are made for one signature, by cosign's names.
const ALGORITHMS: [(&str, KeyKind); 6] = [
    ("ecdsa-sha2-256-nistp256", KeyKind::EcdsaP256),
    ("ecdsa-sha2-384-nistp384", KeyKind::EcdsaP384),
    ("ecdsa-sha2-512-nistp521", KeyKind::EcdsaP521),
    ("rsa-sign-pkcs1-2048-sha256", KeyKind::Rsa { bits: 2048 }),
    ("rsa-sign-pkcs1-3072-sha256", KeyKind::Rsa { bits: 3072 }),
    ("rsa-sign-pkcs1-4096-sha256", KeyKind::Rsa { bits: 4096 }),
];

/// A key, and what vouches for it.
pub(crate) struct Keypair {
    pub(crate) signer: Box<dyn Signer>,
    /// The certificate given by a flag.
    pub(crate) certificate: Option<Certificate>,
    /// The certificates above it, in PEM.
    pub(crate) chain: Option<String>,
    /// The identity token for a certificate.
    pub(crate) token: Option<String>,
    /// The certificate Fulcio gave.
    pub(crate) issued: Option<Vouched>,
}

/// The kind of key a `--signing-algorithm` names.
///
/// # Errors
/// When it names none; cosign's words.
pub(crate) fn algorithm(name: &str) -> Result<KeyKind, Failure> {
    let found = ALGORITHMS.iter().find(|(known, _)| *known == name);
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let names: Vec<&str> = ALGORITHMS.iter().map(|(known, _)| *known).collect();
        Failure::new(format!(
            "invalid signing algorithm: {name}. Supported algorithms are: {}",
            names.join(", ")
        ))
    })
}

/// Opens the key, or makes one, and reads its certificates.
///
/// # Errors
/// When there is no such key, or a certificate is not its own; cosign's words after `getting signer`.
pub(crate) async fn open(
    flags: &SignerFlags,
    made_of: Option<&str>,
    face: &Face,
) -> Result<Keypair, Failure> {
    if flags.sk {
        return Err(Failure::new(
            "hardware tokens (--sk) are not supported by this version: use a key file or a KMS reference",
        ));
    }
    let Some(reference) = flags.key() else {
        face.say("Generating ephemeral keys...");
        let kind = made_of.map_or(Ok(KeyKind::EcdsaP256), algorithm)?;
        let made = tokio::task::spawn_blocking(move || PrivateKey::generate_of(kind)).await;
        let made = made?.map_err(|error| Failure::from(error).context("generating cert"))?;
        return Ok(Keypair {
            signer: Box::new(made),
            certificate: None,
            chain: None,
            token: None,
            issued: None,
        });
    };
    let opened = key_reference::signer(reference, face).await;
    let signer = opened.map_err(|failure| failure.context("reading key"))?;
    let certificate = flags.certificate.as_deref().filter(|path| !path.as_os_str().is_empty());
    let certificate = certificate.map(|path| own_certificate(path, signer.as_ref())).transpose()?;
    let chain = flags.certificate_chain.as_deref().filter(|path| !path.as_os_str().is_empty());
    let chain = match (chain, &certificate) {
        (None, _) => None,
        (Some(_), None) => {
            return Err(Failure::new("no leaf certificate found or provided while specifying chain"));
        }
        (Some(path), Some(leaf)) => Some(own_chain(path, leaf)?),
    };
    Ok(Keypair { signer, certificate, chain, token: None, issued: None })
}

fn own_certificate(path: &Path, signer: &dyn Signer) -> Result<Certificate, Failure> {
    let read = go_os::read(path, CERTIFICATE_LIMIT);
    let bytes = read.map_err(|failure| failure.context("read certificate"))?;
    let certificate = if bytes.starts_with(b"-----") {
        Certificate::from_pem(&bytes)
    } else {
        Certificate::from_der(&bytes)
    };
    let certificate =
        certificate.map_err(|_| Failure::new("parse x509 certificate: x509: malformed certificate"))?;
    if certificate.public_key_der() == signer.public_key().to_der() {
        Ok(certificate)
    } else {
        Err(Failure::new("public key in certificate does not match the provided public key"))
    }
}

/// A chain that leads from the certificate to its last one, as of the certificate's beginning.
fn own_chain(path: &Path, leaf: &Certificate) -> Result<String, Failure> {
    let read = go_os::read(path, CERTIFICATE_LIMIT);
    let bytes = read.map_err(|failure| failure.context("reading certificate chain from path"))?;
    let mut between = Certificate::all_from_pem(&bytes)
        .map_err(|error| Failure::from(error).context("loading certificate chain"))?;
    let root = between.pop().ok_or_else(|| Failure::new("no certificates in certificate chain"))?;
    chain::path(leaf, &[root], &between, leaf.not_before())
        .map_err(|error| Failure::from(error).context("unable to validate certificate chain"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
