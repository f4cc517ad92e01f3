//! With what a signature is checked: the key flags of the verifying commands, and the flags refused beside them.

use provost_keys::{Hash, HashChoice};
use provost_verify::TrustedKey;

use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference;

/// The key, and what need not be looked for.
#[derive(clap::Args, Debug)]
pub(crate) struct VerifierFlags {
    /// The public key: a file, or env://VARIABLE.
    #[arg(long, env = "COSIGN_KEY", value_name = "KEY")]
    key: Option<String>,
    /// The hash signatures were made with, for keys that fit several.
    #[arg(long, env = "COSIGN_SIGNATURE_DIGEST_ALGORITHM", value_name = "HASH")]
    signature_digest_algorithm: Option<String>,
    /// Do not look for a transparency log entry.
    #[arg(long, env = "COSIGN_INSECURE_IGNORE_TLOG", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    insecure_ignore_tlog: bool,
    /// The signature was made on private infrastructure, without a transparency log.
    #[arg(long, env = "COSIGN_PRIVATE_INFRASTRUCTURE", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    private_infrastructure: bool,
    /// Accepted for old scripts: nothing is asked but the registry.
    #[arg(long, env = "COSIGN_OFFLINE", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide = true)]
    offline: bool,
    /// The identity a certificate must carry; certificates are not supported by this version.
    #[arg(long, alias = "cert-identity", env = "COSIGN_CERTIFICATE_IDENTITY", value_name = "IDENTITY")]
    certificate_identity: Option<String>,
    /// The same as a regular expression.
    #[arg(long, env = "COSIGN_CERTIFICATE_IDENTITY_REGEXP", value_name = "REGEXP")]
    certificate_identity_regexp: Option<String>,
    /// The issuer of that identity.
    #[arg(long, alias = "cert-oidc-issuer", env = "COSIGN_CERTIFICATE_OIDC_ISSUER", value_name = "ISSUER")]
    certificate_oidc_issuer: Option<String>,
    /// The same as a regular expression.
    #[arg(long, env = "COSIGN_CERTIFICATE_OIDC_ISSUER_REGEXP", value_name = "REGEXP")]
    certificate_oidc_issuer_regexp: Option<String>,
    #[command(flatten)]
    material: CertificateFlags,
}

/// What cosign checks certificates with; each is refused by name, so that none is thought to have been looked at.
#[derive(clap::Args, Debug)]
struct CertificateFlags {
    /// The certificate, where it is not stored beside the signature.
    #[arg(long, alias = "cert", env = "COSIGN_CERTIFICATE", value_name = "FILE", hide = true)]
    certificate: Option<String>,
    /// The authorities' certificates, from the issuing one to the root.
    #[arg(long, alias = "cert-chain", env = "COSIGN_CERTIFICATE_CHAIN", value_name = "FILE", hide = true)]
    certificate_chain: Option<String>,
    /// The root certificates.
    #[arg(long, env = "COSIGN_CA_ROOTS", value_name = "FILE", hide = true)]
    ca_roots: Option<String>,
    /// The certificates between roots and leaves.
    #[arg(long, env = "COSIGN_CA_INTERMEDIATES", value_name = "FILE", hide = true)]
    ca_intermediates: Option<String>,
    /// The trusted root file.
    #[arg(long, env = "COSIGN_TRUSTED_ROOT", value_name = "FILE", hide = true)]
    trusted_root: Option<String>,
    /// What started the GitHub workflow.
    #[arg(long, env = "COSIGN_CERTIFICATE_GITHUB_WORKFLOW_TRIGGER", value_name = "EVENT", hide = true)]
    certificate_github_workflow_trigger: Option<String>,
    /// The commit of the GitHub workflow.
    #[arg(long, env = "COSIGN_CERTIFICATE_GITHUB_WORKFLOW_SHA", value_name = "SHA", hide = true)]
    certificate_github_workflow_sha: Option<String>,
    /// The name of the GitHub workflow.
    #[arg(long, env = "COSIGN_CERTIFICATE_GITHUB_WORKFLOW_NAME", value_name = "NAME", hide = true)]
    certificate_github_workflow_name: Option<String>,
    /// The repository of the GitHub workflow.
    #[arg(long, env = "COSIGN_CERTIFICATE_GITHUB_WORKFLOW_REPOSITORY", value_name = "REPO", hide = true)]
    certificate_github_workflow_repository: Option<String>,
    /// The ref of the GitHub workflow.
    #[arg(long, env = "COSIGN_CERTIFICATE_GITHUB_WORKFLOW_REF", value_name = "REF", hide = true)]
    certificate_github_workflow_ref: Option<String>,
    /// Do not ask for a certificate timestamp; keys have none, so it changes nothing with --key.
    #[arg(long, env = "COSIGN_INSECURE_IGNORE_SCT", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide = true)]
    insecure_ignore_sct: bool,
}

impl CertificateFlags {
    /// The first of these flags that is given.
    fn first(&self) -> Option<&'static str> {
        let given = [
            ("--certificate", &self.certificate),
            ("--certificate-chain", &self.certificate_chain),
            ("--ca-roots", &self.ca_roots),
            ("--ca-intermediates", &self.ca_intermediates),
            ("--trusted-root", &self.trusted_root),
            ("--certificate-github-workflow-trigger", &self.certificate_github_workflow_trigger),
            ("--certificate-github-workflow-sha", &self.certificate_github_workflow_sha),
            ("--certificate-github-workflow-name", &self.certificate_github_workflow_name),
            ("--certificate-github-workflow-repository", &self.certificate_github_workflow_repository),
            ("--certificate-github-workflow-ref", &self.certificate_github_workflow_ref),
        ];
        let set = |value: &Option<String>| value.as_ref().is_some_and(|text| !text.is_empty());
        given.into_iter().find(|(_, value)| set(value)).map(|(name, _)| name)
    }
}

impl VerifierFlags {
    /// Warns, in cosign's words, where the log is left out without a stated reason.
    pub(crate) fn warn(&self, about: &str, face: &Face) {
        if self.insecure_ignore_tlog && !self.private_infrastructure {
            face.say(format!("WARNING: Skipping tlog verification is an insecure practice that lacks transparency and auditability verification for the {about}."));
        }
    }

    /// Whether neither a key nor an identity is given.
    pub(crate) fn is_empty(&self) -> bool {
        self.key.is_none()
            && self.certificate_identity.is_none()
            && self.certificate_identity_regexp.is_none()
    }

    /// The key reference; without one, what cosign asks for first.
    ///
    /// # Errors
    /// When there is no key, or an identity beside it: certificates cannot be checked yet.
    pub(crate) fn reference(&self) -> Result<&str, Failure> {
        if self.material.ca_roots.is_some() && self.material.certificate_chain.is_some() {
            return Err(Failure::new(
                "if any flags in the group [ca-roots certificate-chain] are set none of the others can be; [ca-roots certificate-chain] were all set",
            ));
        }
        let identity = self.certificate_identity.is_some() || self.certificate_identity_regexp.is_some();
        let issuer = self.certificate_oidc_issuer.is_some() || self.certificate_oidc_issuer_regexp.is_some();
        match self.key.as_deref().filter(|key| !key.is_empty()) {
            Some(_) if identity => Err(Failure::new(
                "exactly one of: key reference (--key) or certificate identity (--certificate-identity or --certificate-identity-regexp), must be provided. To determine which to use, inspect the bundle's 'verificationMaterial' field: if 'publicKey' is present, use key reference; if 'certificate' or 'x509CertificateChain' is present, use certificate identity",
            )),
            Some(key) => match self.material.first() {
                Some(flag) => Err(Failure::new(format!(
                    "certificates cannot be checked by this version: leave out {flag} to verify by the key alone"
                ))),
                None => Ok(key),
            },
            None if !identity => Err(Failure::new(
                "--certificate-identity or --certificate-identity-regexp is required for verification in keyless mode",
            )),
            None if !issuer => Err(Failure::new(
                "--certificate-oidc-issuer or --certificate-oidc-issuer-regexp is required for verification in keyless mode",
            )),
            None => {
                Err(Failure::new("signatures by certificates cannot be checked by this version: give --key"))
            }
        }
    }

    /// The key that is trusted, where no log entry is wanted; `words` stand before a failure to read it.
    ///
    /// # Errors
    /// When there is no such key, the hash is none, or a log entry would have to be checked.
    pub(crate) async fn trusted(&self, words: &str, face: &Face) -> Result<TrustedKey, Failure> {
        let reference = self.reference()?;
        let hash = match self.signature_digest_algorithm.as_deref() {
            None => HashChoice::Usual,
            Some(word) => HashChoice::Exactly(Hash::from_name(word).ok_or_else(|| {
                Failure::new(format!(
                    "unknown signature digest algorithm {word:?}: expected sha224, sha256, sha384 or sha512"
                ))
            })?),
        };
        let key = key_reference::public_key(reference, face).await.map_err(|failure| match words {
            "" => failure,
            words => failure.context(words),
        })?;
        if !self.insecure_ignore_tlog && !self.private_infrastructure {
            return Err(Failure::new(
                "transparency log entries cannot be checked by this version: give --private-infrastructure or --insecure-ignore-tlog to verify by the key alone",
            ));
        }
        Ok(TrustedKey { key, hash })
    }
}
