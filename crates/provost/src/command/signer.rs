//! With what something is signed: the flags that `sign`, `attest`, `sign-blob` and `attest-blob` share.

use std::path::PathBuf;

/// Where cosign signs when nothing else is said.
pub(crate) const FULCIO: &str = "https://fulcio.sigstore.dev";
/// Where it logs.
pub(crate) const REKOR: &str = "https://rekor.sigstore.dev";
/// Where identities come from.
pub(crate) const OIDC_ISSUER: &str = "https://oauth2.sigstore.dev/auth";

/// The key or identity, and the services.
#[derive(clap::Args, Debug)]
pub(crate) struct SignerFlags {
    /// The private key: a file, env://VARIABLE, a URL, k8s://NAMESPACE/SECRET, or a key management service.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Sign with a hardware token; not possible in this version.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(crate) sk: bool,
    /// The token's slot.
    #[arg(long, value_name = "SLOT", hide = true)]
    pub(crate) slot: Option<String>,
    /// The certificate of the key, in PEM or DER.
    #[arg(long, alias = "cert", value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
    /// The certificates above it, in PEM, the root last.
    #[arg(long, alias = "cert-chain", value_name = "FILE")]
    pub(crate) certificate_chain: Option<PathBuf>,
    /// Ask Fulcio for a certificate although there is a key.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(crate) issue_certificate: bool,
    /// Make a Sigstore bundle; false makes what cosign 2 made.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    pub(crate) new_bundle_format: bool,
    /// Take the services from the signing configuration of a TUF repository [default: true].
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) use_signing_config: Option<bool>,
    /// Take the services from this signing configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) signing_config: Option<PathBuf>,
    /// A trusted root; what was just signed must verify under it before it is kept.
    #[arg(long, value_name = "FILE")]
    pub(crate) trusted_root: Option<PathBuf>,
    /// Upload to a transparency log.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    pub(crate) tlog_upload: bool,
    /// The transparency log, without a signing configuration.
    #[arg(long, default_value = REKOR, value_name = "URL")]
    pub(crate) rekor_url: String,
    /// The certificate authority, without a signing configuration.
    #[arg(long, default_value = FULCIO, value_name = "URL")]
    pub(crate) fulcio_url: String,
    /// The identity token for Fulcio: itself, or the file that holds it.
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    pub(crate) identity_token: Option<String>,
    /// How to get an identity token from an issuer: only token works without a browser.
    #[arg(long, value_name = "FLOW")]
    pub(crate) fulcio_auth_flow: Option<String>,
    /// Has no effect any more.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide = true)]
    pub(crate) insecure_skip_verify: bool,
    /// The issuer of identity tokens, without a signing configuration.
    #[arg(long, default_value = OIDC_ISSUER, value_name = "URL")]
    pub(crate) oidc_issuer: String,
    /// Who we are towards the issuer.
    #[arg(long, default_value = "sigstore", value_name = "NAME")]
    pub(crate) oidc_client_id: String,
    /// The file with our secret towards the issuer.
    #[arg(long, value_name = "FILE")]
    pub(crate) oidc_client_secret_file: Option<PathBuf>,
    /// Where a browser comes back to.
    #[arg(long, value_name = "URL")]
    pub(crate) oidc_redirect_url: Option<String>,
    /// Which of the surroundings gives the token: filesystem, github-actions, envvar.
    #[arg(long, value_name = "NAME")]
    pub(crate) oidc_provider: Option<String>,
    /// Take no token from the surroundings.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(crate) oidc_disable_ambient_providers: bool,
    /// The timestamp authority, without a signing configuration.
    #[arg(long, value_name = "URL")]
    pub(crate) timestamp_server_url: Option<String>,
    /// The authorities that certify the timestamp authority's server.
    #[arg(long, value_name = "FILE")]
    pub(crate) timestamp_client_cacert: Option<PathBuf>,
    /// Our certificate towards the timestamp authority.
    #[arg(long, value_name = "FILE")]
    pub(crate) timestamp_client_cert: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, value_name = "FILE")]
    pub(crate) timestamp_client_key: Option<PathBuf>,
    /// The name the timestamp authority's certificate must carry.
    #[arg(long, value_name = "NAME")]
    pub(crate) timestamp_server_name: Option<String>,
    /// Do not ask.
    #[arg(short = 'y', long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(crate) yes: bool,
}

impl SignerFlags {
    /// The key's reference; a flag that was given empty counts as left out.
    pub(crate) fn key(&self) -> Option<&str> {
        given(self.key.as_ref())
    }

    /// Whether services come from a signing configuration.
    pub(crate) fn by_config(&self) -> bool {
        self.signing_config.is_some() || self.use_signing_config.unwrap_or(true)
    }

    /// Whether services were named by flags.
    pub(crate) fn names_services(&self) -> bool {
        let other = |url: &str, usual: &str| !url.is_empty() && url != usual;
        other(&self.rekor_url, REKOR)
            || other(&self.fulcio_url, FULCIO)
            || other(&self.oidc_issuer, OIDC_ISSUER)
            || given(self.timestamp_server_url.as_ref()).is_some()
    }
}

/// A text that is not empty.
pub(crate) fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}
