//! The variables that cosign knows, with its own words for each, sorted by name.

/// One variable.
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) expects: &'static str,
    /// Whether its value is hidden unless asked for.
    pub(super) is_secret: bool,
}

const fn plain(name: &'static str, description: &'static str, expects: &'static str) -> Variable {
    Variable { name, description, expects, is_secret: false }
}

const fn secret(name: &'static str, description: &'static str, expects: &'static str) -> Variable {
    Variable { name, description, expects, is_secret: true }
}

/// All of them.
pub(super) const KNOWN: &[Variable] = &[
    secret(
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "is bearer token for the request to the OIDC provider",
        "string with a bearer token",
    ),
    plain(
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "is the URL for GitHub's OIDC provider",
        "string with the URL for the OIDC provider",
    ),
    secret(
        "BUILDKITE_AGENT_ACCESS_TOKEN",
        "is an access token used to identify the Buildkite agent",
        "string with an access token",
    ),
    plain("BUILDKITE_AGENT_ENDPOINT", "the Buildkite agent endpoint", "string with an endpoint"),
    plain(
        "BUILDKITE_AGENT_LOG_LEVEL",
        "the log level for the Buildkite agent",
        "string with log level, either debug, notice, info, error, warn, fatal (default: notice)",
    ),
    plain("BUILDKITE_JOB_ID", "the Buildkite job ID to claim in the OIDC token", "string with a job ID"),
    plain(
        "COSIGN_DOCKER_MEDIA_TYPES",
        "to be used with registries that do not support OCI media types",
        "1 to fallback to legacy OCI media types equivalents (0 by default)",
    ),
    plain(
        "COSIGN_EXPERIMENTAL",
        "enables experimental cosign features",
        "1 if experimental features should be enabled (0 by default)",
    ),
    plain(
        "COSIGN_MAX_ATTACHMENT_SIZE",
        "maximum attachment size to download (default 128MiB)",
        "human-readable unit of memory, e.g. 5120, 20K, 3M, 45MiB, 1GB",
    ),
    secret(
        "COSIGN_PASSWORD",
        "overrides password inputs with this value",
        "string with a password (asks on stdin by default)",
    ),
    plain(
        "COSIGN_PKCS11_IGNORE_CERTIFICATE",
        "disables loading certificates with PKCS11",
        "1 if loading certificates should be disabled (0 by default)",
    ),
    plain("COSIGN_PKCS11_MODULE_PATH", "is PKCS11 module-path", "string with a module-path"),
    secret("COSIGN_PKCS11_PIN", "to be used if PKCS11 PIN is not provided", "string with a PIN"),
    plain(
        "COSIGN_REPOSITORY",
        "can be used to store signatures in an alternate location",
        "string with a repository",
    ),
    plain(
        "GITHUB_HOST",
        "is URL of the GitHub Enterprise instance",
        "string with the URL of GitHub Enterprise instance",
    ),
    secret("GITHUB_TOKEN", "is a token used to authenticate with GitHub", "token generated on GitHub"),
    plain("GITLAB_HOST", "is URL of the GitLab instance", "string with the URL of GitLab instance"),
    secret("GITLAB_TOKEN", "is a token used to authenticate with GitLab", "string with a token"),
    plain(
        "GOOGLE_SERVICE_ACCOUNT_NAME",
        "is a service account name to be used with the Google provider",
        "string with the service account's name",
    ),
    plain(
        "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE",
        "overrides what is used to validate the SCT coming back from Fulcio",
        "path to the public key file",
    ),
    secret("SIGSTORE_ID_TOKEN", "is a OIDC token used to authenticate to Fulcio", "string with a OIDC token"),
    plain(
        "SIGSTORE_REKOR_PUBLIC_KEY",
        "if specified, you can specify an oob Public Key that Rekor uses",
        "path to the public key",
    ),
    plain("SIGSTORE_ROOT_FILE", "overrides the public good instance root CA", "path to the root CA"),
    plain(
        "SIGSTORE_TSA_CERTIFICATE_FILE",
        "path to the concatenated PEM-encoded TSA certificate file (leaf, intermediate(s), root) used by Sigstore",
        "path to the TSA certificate file",
    ),
    plain(
        "SOURCE_DATE_EPOCH",
        "overrides current time for reproducible builds, see https://reproducible-builds.org/docs/source-date-epoch/",
        "number of seconds since unix epoch",
    ),
    plain(
        "SPIFFE_ENDPOINT_SOCKET",
        "allows you to specify non-default SPIFFE socket to use.",
        "string with SPIFFE socket path",
    ),
    plain(
        "TUF_MIRROR",
        "URL of the TUF mirror. Use with TUF_ROOT_JSON to refresh TUF metadata during signing and verification commands. Setting this will cause cosign to attempt to use trusted_root.json if available and will ignore custom TUF metadata.",
        "URL of the TUF mirror",
    ),
    plain("TUF_ROOT", "path to the TUF cache directory", "path to the TUF cache directory"),
    plain(
        "TUF_ROOT_JSON",
        "path to the TUF root.json file used to initialize and update a local TUF repository. Use with TUF_MIRROR to refresh TUF metadata during signing and verification commands. Setting this will cause cosign to attempt to use trusted_root.json if available and will ignore custom TUF metadata.",
        "path to root.json",
    ),
];
