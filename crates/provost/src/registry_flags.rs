//! The flags that say how registries are reached, the same for every command that reaches one.

use std::path::PathBuf;

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
}
