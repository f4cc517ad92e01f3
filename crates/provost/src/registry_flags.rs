//! The flags that say how registries are reached, the same for every command that reaches one.

use std::path::PathBuf;

use async_trait::async_trait;
use provost_oci::{Digest, Repository};
use provost_registry::keychain::{ClearText, Credential, CredentialSource, Found, GivenCredential};
use provost_registry::{
    DockerPaths, Keychain, Pem, Proxies, ReferrersSwitch, Remote, RemoteOptions, StoreError, TlsOptions,
    Trace,
};
use provost_verify::find::scheme_tag;

use crate::face::Face;
use crate::failure::Failure;

/// Registry access, as cosign names it.
#[derive(clap::Args, Debug, Clone, Default)]
pub(crate) struct RegistryFlags {
    /// Allow plain http for the registry, whatever its address.
    #[arg(long, env = "COSIGN_ALLOW_HTTP_REGISTRY", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(crate) allow_http_registry: bool,
    /// Do not check the registry's TLS certificate.
    #[arg(long, env = "COSIGN_ALLOW_INSECURE_REGISTRY", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(crate) allow_insecure_registry: bool,
    /// A PEM file of certificate authorities to trust instead of the system's.
    #[arg(long, env = "COSIGN_REGISTRY_CACERT", value_name = "FILE")]
    pub(crate) registry_cacert: Option<PathBuf>,
    /// A PEM client certificate for the registry.
    #[arg(long, env = "COSIGN_REGISTRY_CLIENT_CERT", value_name = "FILE")]
    pub(crate) registry_client_cert: Option<PathBuf>,
    /// The key of that client certificate.
    #[arg(long, env = "COSIGN_REGISTRY_CLIENT_KEY", value_name = "FILE")]
    pub(crate) registry_client_key: Option<PathBuf>,
    /// The name the registry's certificate must carry.
    #[arg(long, env = "COSIGN_REGISTRY_SERVER_NAME", value_name = "NAME")]
    pub(crate) registry_server_name: Option<String>,
    /// The user name for the registry.
    #[arg(long, env = "COSIGN_REGISTRY_USERNAME", value_name = "NAME")]
    pub(crate) registry_username: Option<String>,
    /// The password for the registry.
    #[arg(long, env = "COSIGN_REGISTRY_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub(crate) registry_password: Option<String>,
    /// A bearer token for the registry.
    #[arg(long, env = "COSIGN_REGISTRY_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) registry_token: Option<String>,
    /// Use docker's configuration and, for ghcr.io, GITHUB_TOKEN; the flags above play no role then.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(crate) k8s_keychain: bool,
    /// What stands before the tags of signatures and attestations.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) attachment_tag_prefix: Option<String>,
}

impl RegistryFlags {
    /// A client for registries with these flags, and the credentials the environment points to.
    ///
    /// Flags win over docker's configuration; `PROVOST_REFERRERS=off`, or `host=off` in a comma list, keeps the
    /// referrers API from being asked.
    ///
    /// # Errors
    /// When flags do not go together, or a file they name cannot be read.
    pub(crate) fn remote(&self, face: &Face) -> Result<Remote, Failure> {
        match self.attachment_tag_prefix.as_deref() {
            None | Some("") => self.remote_by_prefix(face),
            Some(_) => Err(Failure::new(
                "--attachment-tag-prefix is not read here: signatures and attestations are looked for under their own tags and as referrers",
            )),
        }
    }

    /// The same for commands that name attachments by [`RegistryFlags::tag`].
    ///
    /// # Errors
    /// As [`RegistryFlags::remote`].
    pub(crate) fn remote_by_prefix(&self, face: &Face) -> Result<Remote, Failure> {
        Ok(Remote::new(self.options(face)?)?)
    }

    /// The tag by which an attachment of an image lies beside it.
    pub(crate) fn tag(&self, image: &Digest, suffix: &str) -> String {
        let prefix = self.attachment_tag_prefix.as_deref().unwrap_or_default();
        format!("{prefix}{}", scheme_tag(image, suffix))
    }

    /// The same as options, for those who make several clients.
    ///
    /// # Errors
    /// When flags do not go together.
    pub(crate) fn options(&self, face: &Face) -> Result<RemoteOptions, Failure> {
        let docker = Keychain::docker(DockerPaths::of(|name| face.environment.raw(name)));
        let keychain = match self.given()? {
            _ if self.k8s_keychain => docker.with(GithubToken(face.environment.text("GITHUB_TOKEN"))),
            Some(credential) => Keychain::anonymous().with(GivenCredential(credential)),
            None => docker,
        };
        let file = |path: &Option<PathBuf>| path.clone().map(Pem::File);
        let client = match (file(&self.registry_client_cert), file(&self.registry_client_key)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                return Err(Failure::new("--registry-client-cert and --registry-client-key belong together"));
            }
        };
        let tls = TlsOptions {
            accept_any_certificate: self.allow_insecure_registry,
            authorities: file(&self.registry_cacert),
            client,
            server_name: self.registry_server_name.clone(),
        };
        let referrers = referrers(face)?;
        let proxies = Proxies::of(|name| face.environment.raw(name));
        Ok(RemoteOptions {
            allow_http: self.allow_http_registry,
            tls,
            keychain,
            referrers,
            proxies,
            trace: match face.tells_requests() {
                true => Trace::to(|line| Face::of_process().say(line)),
                false => Trace::default(),
            },
            ..RemoteOptions::default()
        })
    }

    fn given(&self) -> Result<Option<Credential>, Failure> {
        match (&self.registry_username, &self.registry_password, &self.registry_token) {
            (Some(username), Some(password), _) => {
                Ok(Some(Credential::Password { username: username.clone(), password: password.clone() }))
            }
            (None, None, Some(token)) => Ok(Some(Credential::Bearer(token.clone()))),
            (None, None, None) => Ok(None),
            _ => Err(Failure::new("--registry-username and --registry-password belong together")),
        }
    }
}

/// What GitHub's own registry takes from GitHub's own runners.
struct GithubToken(Option<String>);

#[async_trait]
impl CredentialSource for GithubToken {
    async fn find(&self, repository: &Repository) -> Result<Option<Found>, StoreError> {
        let token = self.0.as_ref().filter(|token| !token.is_empty() && repository.registry() == "ghcr.io");
        Ok(token.map(|token| Found {
            credential: Credential::Password { username: "unset".to_owned(), password: token.clone() },
            clear_text: ClearText::Never,
        }))
    }
}

/// Where the referrers API is not asked, from `PROVOST_REFERRERS`.
fn referrers(face: &Face) -> Result<ReferrersSwitch, Failure> {
    let mut switch = ReferrersSwitch::default();
    for item in
        face.environment.text("PROVOST_REFERRERS").unwrap_or_default().split(',').filter(|s| !s.is_empty())
    {
        match item.split_once('=') {
            None if item == "on" => switch.off = false,
            None if item == "off" => switch.off = true,
            Some((host, "off")) => switch.off_at.push(host.to_owned()),
            _ => {
                return Err(Failure::new(format!(
                    "PROVOST_REFERRERS holds {item:?}: expected on, off or HOST=off, separated by commas"
                )));
            }
        }
    }
    Ok(switch)
}
