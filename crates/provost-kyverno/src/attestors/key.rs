//! The key an attestor names: PEM, `k8s://`, a Secret, or a service that the operator enabled; nothing else is opened
//! (security.md 23).

use provost_keys::{Hash, HashChoice, PublicKey};
use provost_verify::TrustedKey;

use super::held::Means;
use crate::anchors::ServiceError;
use crate::outcome::{Construct, KeyFault};
use crate::policy::entry::{Keys, SecretName};

/// The entry of a Secret that holds the key.
const SECRET_KEY: &str = "cosign.pub";
/// Services that keep keys, by the schemes of their references.
const SERVICES: [&str; 4] = ["awskms://", "azurekms://", "gcpkms://", "hashivault://"];

/// Why an attestor has no key to verify with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NoKey {
    /// It names one that cannot be used.
    Fault(KeyFault),
    /// It is of a kind that cannot be judged here.
    Unsupported(Construct),
}

/// The key that these keys of an attestor name, and the hash its signatures must be made with.
pub(crate) async fn trusted(means: Means<'_>, keys: &Keys, text: &str) -> Result<TrustedKey, NoKey> {
    let key = named(means, keys, text).await?;
    // The word on `keys` has a default and so always wins over the attestor's own, as in Kyverno.
    let hash = Hash::from_name(&keys.signature_algorithm).unwrap_or(Hash::Sha256);
    Ok(TrustedKey { key, hash: HashChoice::Exactly(hash) })
}

async fn named(means: Means<'_>, keys: &Keys, text: &str) -> Result<PublicKey, NoKey> {
    if text.starts_with("-----BEGIN ") {
        return read(means, text.as_bytes());
    }
    if let Some(place) = text.strip_prefix("k8s://") {
        let Some((namespace, name)) = place.split_once('/') else {
            return Err(NoKey::Fault(KeyFault::NotOpened { text: text.to_owned() }));
        };
        let secret = SecretName { namespace: namespace.to_owned(), name: name.to_owned() };
        return from_secret(means, &secret).await;
    }
    match (text, &keys.secret) {
        ("", Some(secret)) => from_secret(means, secret).await,
        ("", None) => by_reference(means, keys.kms.trim()).await,
        (text, _) => by_reference(means, text).await,
    }
}

fn read(means: Means<'_>, pem: &[u8]) -> Result<PublicKey, NoKey> {
    let read = match means.anchors {
        Some(anchors) => anchors.keys.from_pem(pem),
        None => PublicKey::from_pem(pem),
    };
    read.map_err(|error| NoKey::Fault(KeyFault::Pem(error)))
}

async fn by_reference(means: Means<'_>, reference: &str) -> Result<PublicKey, NoKey> {
    if !SERVICES.iter().any(|scheme| reference.starts_with(scheme)) {
        return Err(NoKey::Fault(KeyFault::NotOpened { text: reference.to_owned() }));
    }
    let services = means.anchors.and_then(|anchors| anchors.services.as_ref());
    let Some(services) = services else {
        return Err(NoKey::Unsupported(Construct::Kms(reference.to_owned(), None)));
    };
    services.public_key(reference).await.map_err(|error| match error {
        ServiceError::NotAllowed(words) => {
            NoKey::Unsupported(Construct::Kms(reference.to_owned(), Some(words)))
        }
        ServiceError::Failed(reason) => {
            NoKey::Fault(KeyFault::Service { reference: reference.to_owned(), reason })
        }
    })
}

async fn from_secret(means: Means<'_>, secret: &SecretName) -> Result<PublicKey, NoKey> {
    let (namespace, name) = (secret.namespace.clone(), secret.name.clone());
    let data = means.cluster.secret(&namespace, &name).await.map_err(|cause| {
        NoKey::Fault(KeyFault::Secret { namespace: namespace.clone(), name: name.clone(), cause })
    })?;
    let pem = data.get(SECRET_KEY).ok_or(NoKey::Fault(KeyFault::SecretWithoutKey { namespace, name }))?;
    read(means, pem)
}
