//! Keys by reference: a file, or `env://VARIABLE`.

use std::path::Path;

use provost_keys::{KEY_FILE_LIMIT, PrivateKey, PublicKey, Signer};
use zeroize::Zeroizing;

use crate::face::Face;
use crate::failure::Failure;
use crate::{go_os, password};

/// What signs under a reference: a file's key, opened with its password, or a service that keeps one.
///
/// # Errors
/// When there is no such key, or the password is wrong; cosign's words.
pub(crate) async fn signer(reference: &str, face: &Face) -> Result<Box<dyn Signer>, Failure> {
    let pem = read(reference, face)?;
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

/// Reads the public key a reference names.
///
/// # Errors
/// When there is no such key, or it is none; cosign's words after `loading public key`.
pub(crate) async fn public_key(reference: &str, face: &Face) -> Result<PublicKey, Failure> {
    let pem = read(reference, face).map_err(|f| f.context("loading public key"))?;
    PublicKey::from_pem(&pem)
        .map_err(|error| Failure::new(format!("loading public key: pem to public key: {error}")))
}

fn read(reference: &str, face: &Face) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if let Some(variable) = reference.strip_prefix("env://") {
        let value = face.environment.text(variable).filter(|v| !v.is_empty());
        return match value {
            Some(value) => Ok(Zeroizing::new(value.into_bytes())),
            None => Err(Failure::new(format!("loading URL: env var ${variable} not found"))),
        };
    }
    if let Some((scheme, _)) = reference.split_once("://") {
        return Err(Failure::new(format!("loading URL: unrecognized scheme: {scheme}://")));
    }
    let bytes = go_os::read(Path::new(reference), KEY_FILE_LIMIT as u64)?;
    Ok(Zeroizing::new(bytes))
}
