//! Keys by reference: files, variables, URLs, Secrets of a cluster, key services, plugins and tokens.
//!
//! What each form means to cosign stands in its documentation of `--key`; a form that is not supported here is refused
//! by name.

pub(crate) mod surroundings;

use std::path::{Path, PathBuf};

use provost_keys::{KEY_FILE_LIMIT, PrivateKey, PublicKey, Signer};
use provost_kms::{KmsError, KmsKind, Opener, PluginFault};
use provost_kube::key_secret::{KeySecret, SCHEME as SECRET, SecretReference};
use provost_kube::{Cluster, ClusterError};
use reqwest::header::LOCATION;
use reqwest::{Client, Url};
use zeroize::Zeroizing;

use crate::face::Face;
use crate::failure::Failure;
use crate::{go_os, password};

/// How often a URL may lead on: a load balancer and a login of old each take one.
const REDIRECTS: usize = 5;

/// What signs under a reference: a key opened with its password, or a service that keeps one.
///
/// # Errors
/// When there is no such key, or the password is wrong; cosign's words.
pub(crate) async fn signer(reference: &str, face: &Face) -> Result<Box<dyn Signer>, Failure> {
    refuse_unsupported(reference)?;
    if reference.starts_with(SECRET) {
        let (pem, password) = secret(reference).await?.private()?;
        return Ok(Box::new(open_encrypted(pem, password).await?));
    }
    if KmsKind::of(reference).is_some() {
        return kms(face).signer(reference).await.map_err(kms_words);
    }
    let pem = read(reference, face).await?;
    let password = password::existing(face).await?;
    Ok(Box::new(open_encrypted(pem, password).await?))
}

/// Opens an encrypted key; scrypt takes a sixth of a second and 64 MiB, so not on the runtime's thread.
///
/// # Errors
/// When the file is no key, or the password is wrong.
pub(crate) async fn open_encrypted(
    pem: Zeroizing<Vec<u8>>,
    password: Zeroizing<Vec<u8>>,
) -> Result<PrivateKey, Failure> {
    let opened = tokio::task::spawn_blocking(move || PrivateKey::from_encrypted_pem(&pem, &password)).await?;
    Ok(opened?)
}

/// The public key a reference names.
///
/// # Errors
/// When there is no such key, or it is none; cosign's words after `loading public key`.
pub(crate) async fn public_key(reference: &str, face: &Face) -> Result<PublicKey, Failure> {
    find_public_key(reference, face).await.map_err(|failure| failure.context("loading public key"))
}

async fn find_public_key(reference: &str, face: &Face) -> Result<PublicKey, Failure> {
    refuse_unsupported(reference)?;
    if reference.starts_with(SECRET) {
        return Ok(PublicKey::from_pem(&secret(reference).await?.public()?)?);
    }
    if KmsKind::of(reference).is_some() {
        return Ok(kms(face).public_key(reference).await?);
    }
    let pem = read(reference, face).await?;
    PublicKey::from_pem(&pem).map_err(|error| Failure::new(format!("pem to public key: {error}")))
}

/// Makes a key in a service, unless there is one.
///
/// # Errors
/// When the service does not, or the reference names no service.
pub(crate) async fn create(reference: &str, face: &Face) -> Result<PublicKey, Failure> {
    if KmsKind::of(reference).is_none() {
        return Err(Failure::new(format!("no kms provider found for key reference: {reference}")));
    }
    kms(face).create(reference).await.map_err(|error| match error {
        KmsError::Plugin(PluginFault::NotFound { program, .. }) => Failure::new(format!(
            "no kms provider found for key reference: {reference}: exec: {program:?}: executable file not found in $PATH"
        )),
        other => other.into(),
    })
}

/// The command line opens keys of every kind: whoever types the reference may run what it names.
fn kms(face: &Face) -> Opener {
    Opener::new(surroundings::of(face), KmsKind::ALL)
}

/// What opens keys of these kinds alone, for policies, which others write.
pub(crate) fn services(face: &Face, kinds: Vec<KmsKind>) -> Opener {
    Opener::new(surroundings::of(face), kinds)
}

/// What surrounds this process, for those who put an [`Opener`] together.
pub(crate) fn around(face: &Face) -> std::sync::Arc<dyn provost_kms::Surroundings> {
    surroundings::of(face)
}

/// Where no plugin has the scheme, cosign takes the reference for a URL and says what it says of those.
fn kms_words(error: KmsError) -> Failure {
    match error {
        KmsError::Plugin(PluginFault::NotFound { .. } | PluginFault::Name { .. }) => error.into(),
        other => Failure::from(other).context("kms get"),
    }
}

async fn secret(reference: &str) -> Result<KeySecret, ClusterError> {
    let reference: SecretReference = reference.parse()?;
    KeySecret::read(&Cluster::connect().await?, &reference).await
}

/// Whether others are asked for the key: a cluster, a service, a server, a program.
pub(crate) fn goes_out(reference: &str) -> bool {
    KmsKind::of(reference).is_some() || reference.contains("://") && !reference.starts_with("env://")
}

fn refuse_unsupported(reference: &str) -> Result<(), Failure> {
    match reference.split_once("://") {
        Some(("gitlab", _)) => Err(Failure::new(format!(
            "{reference}: variables of GitLab projects are not read: give the job the variables COSIGN_PRIVATE_KEY and COSIGN_PASSWORD and use --key env://COSIGN_PRIVATE_KEY"
        ))),
        _ => Ok(()),
    }
}

async fn read(reference: &str, face: &Face) -> Result<Zeroizing<Vec<u8>>, Failure> {
    file_or_url(reference, KEY_FILE_LIMIT, Vouch::Transport, face).await
}

/// What a reference names that is a file, an `http(s)://` URL or `env://VARIABLE`: at most so many bytes.
///
/// # Errors
/// When there is no such file, URL or variable; cosign's words.
pub(crate) async fn file_or_url(
    reference: &str,
    limit: usize,
    vouch: Vouch,
    face: &Face,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let Some((scheme, rest)) = reference.split_once("://") else {
        return Ok(Zeroizing::new(go_os::read(Path::new(reference), limit as u64)?));
    };
    match scheme {
        "env" => match face.environment.text(rest) {
            Some(value) if value.len() <= limit => Ok(Zeroizing::new(value.into_bytes())),
            Some(_) => {
                Err(Failure::new(format!("loading URL: env var ${rest} is longer than {limit} bytes")))
            }
            None => Err(Failure::new(format!("loading URL: env var ${rest} not found"))),
        },
        "http" | "https" => fetch(reference, limit, vouch, face).await,
        other => Err(Failure::new(format!("loading URL: unrecognized scheme: {other}://"))),
    }
}

/// What vouches for bytes that a URL leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vouch {
    /// The connection: https, or this machine's own loopback.
    Transport,
    /// A digest that the caller holds them against.
    Digest,
    /// A signature by a key that is trusted, which the caller checks.
    Signature,
}

/// Fetches a file of at most so many bytes, at a few removes, and never from https to anything else.
///
/// # Errors
/// When no such file can be had there, or nothing would vouch for it.
pub(crate) async fn fetch(
    reference: &str,
    limit: usize,
    vouch: Vouch,
    face: &Face,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let none: Option<PathBuf> = None;
    let client: Client = surroundings::client(face, none.as_deref())?;
    let told = |what: String| Failure::new(format!("loading URL {reference}: {what}"));
    let mut url = Url::parse(reference).map_err(|error| told(error.to_string()))?;
    for _ in 0..=REDIRECTS {
        if vouch == Vouch::Transport && url.scheme() == "http" && !is_loopback(&url) {
            return Err(told(format!(
                "whoever is on the way to {} could put a key of their own in its place over http: use https, or download and check it",
                url.host_str().unwrap_or_default()
            )));
        }
        let mut answer = client.get(url.clone()).send().await?;
        let status = answer.status();
        if status.is_redirection()
            && let Some(next) = answer.headers().get(LOCATION)
        {
            let next = next.to_str().ok().and_then(|text| url.join(text).ok());
            let next = next.ok_or_else(|| told("leads on to what is no URL".to_owned()))?;
            let same = next.scheme() == url.scheme() || (url.scheme() == "http" && next.scheme() == "https");
            if !same {
                return Err(told(format!("leads on to {}://, which is not followed", next.scheme())));
            }
            url = next;
            continue;
        }
        if !status.is_success() {
            return Err(told(format!("server returned HTTP {}", status.as_u16())));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        while let Some(chunk) = answer.chunk().await? {
            if bytes.len() + chunk.len() > limit {
                return Err(told(format!("longer than the {limit} bytes expected")));
            }
            bytes.extend_from_slice(&chunk);
        }
        return Ok(bytes);
    }
    Err(told(format!("leads on more than {REDIRECTS} times")))
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']')) {
        None => false,
        Some("localhost") => true,
        Some(host) => {
            host.ends_with(".localhost") || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_believed_in_clear_text() {
        for (url, own) in [
            ("http://127.0.0.1:1/k", true),
            ("http://127.9.9.9/k", true),
            ("http://[::1]/k", true),
            ("http://localhost/k", true),
            ("http://a.localhost/k", true),
            ("http://10.0.0.1/k", false),
            ("http://[fe80::1]/k", false),
            ("http://127.0.0.1.example.com/k", false),
            ("http://localhost@example.com/k", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), own, "{url}");
        }
    }

    #[test]
    fn files_and_variables_are_read_at_once() {
        for (reference, out) in [
            ("cosign.key", false),
            ("env://KEY", false),
            ("k8s://a/b", true),
            ("hashivault://k", true),
            ("pkcs11:token=a", true),
            ("https://a/k", true),
            ("own://k", true),
        ] {
            assert_eq!(goes_out(reference), out, "{reference}");
        }
    }
}
