//! Credentials: what they are, and where the one for a repository is found.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use provost_oci::Repository;

use crate::StoreError;
use crate::docker_config::{DockerFiles, DockerPaths, SecretAuths};

/// What proves to a registry who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user's name and password.
    Password {
        /// The name.
        username: String,
        /// The password, or what serves as one.
        password: String,
    },
    /// An OAuth2 refresh token, which the token service exchanges (`identitytoken` in docker's files).
    IdentityToken(String),
    /// A token that goes to the registry as it is (`--registry-token`, `registrytoken`).
    Bearer(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { username, .. } => write!(f, "Password({username:?}, …)"),
            Self::IdentityToken(_) => f.write_str("IdentityToken(…)"),
            Self::Bearer(_) => f.write_str("Bearer(…)"),
        }
    }
}

/// A credential, and where it may go without TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The credential.
    pub credential: Credential,
    /// Where its entry lets it go.
    pub clear_text: ClearText,
}

/// Where a credential may go over plain http (security.md 24).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClearText {
    /// To the host and port the entry names (`host[:port]`).
    Host(String),
    /// Nowhere: the entry says `https://`.
    Never,
    /// It was given for this command, not for a host: to this machine, or where plain http was asked for.
    AsAsked,
}

/// One place that holds credentials.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// The credential for a repository: the entry with the longest matching path, then the registry's own.
    ///
    /// # Errors
    /// [`StoreError::Credentials`] when the place cannot be read; never to be taken for "none".
    async fn find(&self, repository: &Repository) -> Result<Option<Found>, StoreError>;
}

/// Places that hold credentials, asked in order until one has some.
#[derive(Clone, Default)]
pub struct Keychain {
    sources: Vec<Arc<dyn CredentialSource>>,
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keychain({} sources)", self.sources.len())
    }
}

impl Keychain {
    /// No credentials at all.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A user's docker or podman files, found as go-containerregistry's default keychain finds them. They are read
    /// when a registry first asks for a login.
    #[must_use]
    pub fn docker(paths: DockerPaths) -> Self {
        Self::default().with(DockerFiles::new(paths))
    }

    /// Adds the `.dockerconfigjson` of a Kubernetes Secret, of which only `auths` is read. `name` says in errors
    /// where the bytes came from.
    ///
    /// Bytes that are no docker configuration are an error for whoever needs a login, and for nobody else: the author of a
    /// Pod names Secrets too, and what is wrong with them is the answer about that Pod's images (security.md 9).
    #[must_use]
    pub fn and_secret(self, name: &str, bytes: &[u8]) -> Self {
        match SecretAuths::read(name, bytes) {
            Ok(auths) => self.with(auths),
            Err(error) => self.with(Unreadable(error)),
        }
    }

    /// Adds another place.
    #[must_use]
    pub fn with(mut self, source: impl CredentialSource + 'static) -> Self {
        self.sources.push(Arc::new(source));
        self
    }

    /// All places of another keychain after these.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        self.sources.extend(other.sources);
        self
    }

    /// The credential for a repository.
    ///
    /// # Errors
    /// [`StoreError::Credentials`] when a place cannot be read.
    pub async fn find(&self, repository: &Repository) -> Result<Option<Found>, StoreError> {
        for source in &self.sources {
            if let Some(found) = source.find(repository).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// A place that cannot be read.
struct Unreadable(StoreError);

#[async_trait]
impl CredentialSource for Unreadable {
    async fn find(&self, _: &Repository) -> Result<Option<Found>, StoreError> {
        Err(self.0.clone())
    }
}

/// The credential a command was given (`--registry-username`, `--registry-token`), for every registry.
pub struct GivenCredential(pub Credential);

#[async_trait]
impl CredentialSource for GivenCredential {
    async fn find(&self, _: &Repository) -> Result<Option<Found>, StoreError> {
        Ok(Some(Found { credential: self.0.clone(), clear_text: ClearText::AsAsked }))
    }
}
