//! Key pairs in Secrets, as cosign and Tekton Chains share them: `cosign.key`, `cosign.pub` and `cosign.password`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};
use zeroize::Zeroizing;

use crate::cluster::{Cluster, ClusterError, failed};

/// The scheme of references to Secrets.
pub const SCHEME: &str = "k8s://";
const KEY: &str = "cosign.key";
const PUBLIC: &str = "cosign.pub";
const PASSWORD: &str = "cosign.password";

/// Bytes that are wiped when they are dropped.
type Secretive = Zeroizing<Vec<u8>>;

/// `k8s://NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretReference {
    /// The namespace.
    pub namespace: String,
    /// The name of the Secret.
    pub name: String,
}

impl FromStr for SecretReference {
    type Err = ClusterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(SCHEME).unwrap_or(text).split('/').collect::<Vec<_>>().as_slice() {
            [namespace, name] if is_label(namespace) && is_subdomain(name) => {
                Ok(Self { namespace: (*namespace).to_owned(), name: (*name).to_owned() })
            }
            _ => Err(ClusterError::Reference),
        }
    }
}

/// RFC 1123's label, as the API server has names of namespaces: nothing in it leads elsewhere in a URL.
fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_word(text)
}

fn is_word(text: &str) -> bool {
    let end = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().all(|b| end(b) || b == b'-')
        && text.bytes().next().is_some_and(end)
        && text.bytes().next_back().is_some_and(end)
}

/// RFC 1123's subdomain, as the API server has names of Secrets.
fn is_subdomain(text: &str) -> bool {
    // The API server bounds the whole, not each part.
    text.len() <= 253 && text.split('.').all(is_word)
}

/// What a Secret holds of a key pair; each part may be missing.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySecret {
    reference: SecretReference,
    key: Option<Zeroizing<Vec<u8>>>,
    public: Option<Vec<u8>>,
    password: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySecret({}/{}, …)", self.reference.namespace, self.reference.name)
    }
}

impl KeySecret {
    /// A key pair to be stored: the encrypted private key, the public key and the password, as they are.
    #[must_use]
    pub fn new(
        reference: SecretReference,
        key: Vec<u8>,
        public: Vec<u8>,
        password: Zeroizing<Vec<u8>>,
    ) -> Self {
        Self { reference, key: Some(Zeroizing::new(key)), public: Some(public), password }
    }

    /// Reads the Secret.
    ///
    /// # Errors
    /// [`ClusterError::Request`]: `checking if secret exists: …` and the server's own message.
    pub async fn read(cluster: &Cluster, reference: &SecretReference) -> Result<Self, ClusterError> {
        let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &reference.namespace);
        let found = secrets.get(&reference.name).await;
        let secret = found.map_err(|error| failed("checking if secret exists", &error))?;
        let mut data = secret.data.unwrap_or_default();
        let mut take = |name: &str| data.remove(name).map(|ByteString(bytes)| bytes);
        Ok(Self {
            reference: reference.clone(),
            key: take(KEY).map(Zeroizing::new),
            public: take(PUBLIC),
            password: Zeroizing::new(take(PASSWORD).unwrap_or_default()),
        })
    }

    /// The encrypted private key, and its password.
    ///
    /// # Errors
    /// [`ClusterError::Lacks`].
    pub fn private(self) -> Result<(Secretive, Secretive), ClusterError> {
        let Self { reference, key, password, .. } = self;
        let lacks =
            || ClusterError::Lacks { namespace: reference.namespace, name: reference.name, field: KEY };
        Ok((key.ok_or_else(lacks)?, password))
    }

    /// The public key in PEM.
    ///
    /// # Errors
    /// [`ClusterError::Lacks`].
    pub fn public(self) -> Result<Vec<u8>, ClusterError> {
        let Self { reference, public, .. } = self;
        let lacks =
            || ClusterError::Lacks { namespace: reference.namespace, name: reference.name, field: PUBLIC };
        public.ok_or_else(lacks)
    }

    /// Stores the pair: a new Secret, or three fields of the one that is there; immutable where the server can.
    ///
    /// # Errors
    /// [`ClusterError::Request`]; a Secret that is immutable already is refused by the server.
    pub async fn write(&self, cluster: &Cluster) -> Result<(), ClusterError> {
        let SecretReference { namespace, name } = &self.reference;
        let immutable = cluster.has_immutable_secrets().await?;
        let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), namespace);
        let there = secrets.get_opt(name).await;
        let there = there.map_err(|error| failed("checking if secret exists", &error))?;
        let old = there.as_ref().and_then(|secret| secret.data.clone()).unwrap_or_default();
        let secret = self.object(old, immutable);
        let how = PostParams::default();
        match there {
            None => {
                let doing = format!("creating secret {name} in ns {namespace}");
                secrets.create(&how, &secret).await.map_err(|error| failed(&doing, &error))?;
            }
            Some(_) => {
                let doing = format!("updating secret {name} in ns {namespace}");
                secrets.replace(name, &how, &secret).await.map_err(|error| failed(&doing, &error))?;
            }
        }
        Ok(())
    }

    fn object(&self, mut data: BTreeMap<String, ByteString>, immutable: bool) -> Secret {
        let bytes = |part: Option<&[u8]>| ByteString(part.unwrap_or_default().to_vec());
        data.insert(KEY.to_owned(), bytes(self.key.as_deref().map(Vec::as_slice)));
        data.insert(PUBLIC.to_owned(), bytes(self.public.as_deref()));
        data.insert(PASSWORD.to_owned(), bytes(Some(&self.password)));
        Secret {
            metadata: ObjectMeta {
                name: Some(self.reference.name.clone()),
                namespace: Some(self.reference.namespace.clone()),
                ..ObjectMeta::default()
            },
            data: Some(data),
            immutable: immutable.then_some(true),
            ..Secret::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_two_parts() {
        let read: SecretReference = "k8s://tekton-chains/signing-secrets".parse().unwrap();
        assert_eq!((read.namespace.as_str(), read.name.as_str()), ("tekton-chains", "signing-secrets"));
        let long = format!("k8s://{}/b", "a".repeat(64));
        for bad in [
            "k8s://",
            "k8s://a",
            "k8s://a/",
            "k8s:///b",
            "k8s://a/b/c",
            "k8s://../b",
            "k8s://a/..",
            "k8s://a/.b",
            "k8s://a/b%2fc",
            "k8s://a/b?x=y",
            "k8s://a.b/c",
            "k8s://A/b",
            "k8s://a/b..c",
            "k8s://a/-b",
            &long,
        ] {
            assert!(matches!(bad.parse::<SecretReference>(), Err(ClusterError::Reference)), "{bad}");
        }
    }

    #[test]
    fn what_else_a_secret_holds_stays() {
        let reference: SecretReference = "k8s://a/b".parse().unwrap();
        let secret = KeySecret::new(reference, b"k".to_vec(), b"p".to_vec(), Zeroizing::new(b"w".to_vec()));
        let old = BTreeMap::from([("x509.pem".to_owned(), ByteString(b"x".to_vec()))]);
        let object = secret.object(old, true);
        let names: Vec<_> = object.data.unwrap().into_keys().collect();
        assert_eq!(names, ["cosign.key", "cosign.password", "cosign.pub", "x509.pem"]);
        assert_eq!(object.immutable, Some(true));
        assert_eq!(secret.object(BTreeMap::new(), false).immutable, None);
        assert_eq!(format!("{secret:?}"), "KeySecret(a/b, …)");
    }
}
