//! The key an attestor names: PEM, `k8s://`, or a Secret; nothing else is opened (security.md 23).

use provost_keys::{Hash, HashChoice, PublicKey};
use provost_verify::TrustedKey;

use super::Leaf;
use crate::cluster::Cluster;
use crate::outcome::{Construct, KeyFault};
use crate::policy::entry::{Keys, SecretName};

/// The entry of a Secret that holds the key.
const SECRET_KEY: &str = "cosign.pub";

/// Why an attestor has no key to verify with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NoKey {
    /// It names one that cannot be used.
    Fault(KeyFault),
    /// It is of a kind that is not supported yet.
    Unsupported(Construct),
}

/// The key of a leaf, and the hash its signatures must be made with.
pub(crate) async fn trusted(cluster: &dyn Cluster, leaf: &Leaf<'_>) -> Result<TrustedKey, NoKey> {
    let Some(keys) = &leaf.attestor.keys else {
        let kind = match leaf.attestor.certificates {
            Some(_) => Construct::Certificates,
            None => Construct::Keyless,
        };
        return Err(NoKey::Unsupported(kind));
    };
    // With a static key only the transparency log can add anything; a certificate's timestamps cannot.
    if !keys.rekor.as_ref().is_some_and(|rekor| rekor.ignore_tlog) {
        return Err(NoKey::Unsupported(Construct::TransparencyLog));
    }
    if keys.ctlog.as_ref().is_some_and(|ctlog| !ctlog.tsa_cert_chain.is_empty()) {
        return Err(NoKey::Unsupported(Construct::Timestamps));
    }
    let pem = pem(cluster, keys, leaf.key_text.trim()).await?;
    let key = PublicKey::from_pem(&pem).map_err(|e| NoKey::Fault(KeyFault::Pem(e)))?;
    // The word on `keys` has a default and so always wins over the attestor's own, as in Kyverno.
    let hash = Hash::from_name(&keys.signature_algorithm).unwrap_or(Hash::Sha256);
    Ok(TrustedKey { key, hash: HashChoice::Exactly(hash) })
}

async fn pem(cluster: &dyn Cluster, keys: &Keys, text: &str) -> Result<Vec<u8>, NoKey> {
    const KMS: [&str; 4] = ["awskms://", "azurekms://", "gcpkms://", "hashivault://"];
    if text.starts_with("-----BEGIN ") {
        return Ok(text.as_bytes().to_vec());
    }
    if let Some(place) = text.strip_prefix("k8s://") {
        let secret = place
            .split_once('/')
            .map(|(namespace, name)| SecretName { namespace: namespace.to_owned(), name: name.to_owned() });
        return match secret {
            Some(secret) => from_secret(cluster, &secret).await,
            None => Err(NoKey::Fault(KeyFault::NotOpened { text: text.to_owned() })),
        };
    }
    let uri = [text, keys.kms.as_str()].into_iter().find(|uri| KMS.iter().any(|kind| uri.starts_with(kind)));
    match (text, &keys.secret, uri) {
        ("", Some(secret), _) => from_secret(cluster, secret).await,
        (_, _, Some(uri)) => Err(NoKey::Unsupported(Construct::Kms(uri.to_owned()))),
        ("", None, None) => Err(NoKey::Fault(KeyFault::NotOpened { text: keys.kms.clone() })),
        _ => Err(NoKey::Fault(KeyFault::NotOpened { text: text.to_owned() })),
    }
}

async fn from_secret(cluster: &dyn Cluster, secret: &SecretName) -> Result<Vec<u8>, NoKey> {
    let (namespace, name) = (secret.namespace.clone(), secret.name.clone());
    let data = cluster.secret(&namespace, &name).await.map_err(|cause| {
        NoKey::Fault(KeyFault::Secret { namespace: namespace.clone(), name: name.clone(), cause })
    })?;
    data.get(SECRET_KEY).cloned().ok_or(NoKey::Fault(KeyFault::SecretWithoutKey { namespace, name }))
}
