//! With what a signature is checked: the flags of the verifying commands, and the trust they come to.

pub(crate) mod log;
pub(crate) mod material;
pub(crate) mod print;

use std::path::Path;

use jiff::Timestamp;
use provost_keys::{Hash, HashChoice};
use provost_sigstore::certificate::{CERTIFICATE_FILE_LIMIT, Certificate, Claims};
use provost_sigstore::identity::{Identity, NameRule};
use provost_sigstore::trust_root::TrustMaterial;
use provost_verify::beside::certified;
use provost_verify::dialect::cosign;
use provost_verify::{Attestor, LogRule, SctRule, Trust, TrustedKey};

use crate::face::Face;
use crate::failure::Failure;
use crate::{go_os, key_reference};

/// The attestor, and what is asked of logs and authorities.
#[derive(clap::Args, Debug)]
pub(crate) struct VerifierFlags {
    /// The public key: a file, or env://VARIABLE.
    #[arg(long, env = "COSIGN_KEY", value_name = "KEY")]
    key: Option<String>,
    /// Not supported: a key on a hardware token. Name its public key with --key.
    #[arg(long, env = "COSIGN_SK", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    sk: bool,
    /// Not supported: the slot of a hardware token.
    #[arg(long, env = "COSIGN_SLOT", value_name = "SLOT")]
    slot: Option<String>,
    /// The hash signatures were made with, for keys that fit several.
    #[arg(long, env = "COSIGN_SIGNATURE_DIGEST_ALGORITHM", value_name = "HASH")]
    signature_digest_algorithm: Option<String>,
    /// Do not look for a transparency log entry.
    #[arg(long, env = "COSIGN_INSECURE_IGNORE_TLOG", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    insecure_ignore_tlog: bool,
    /// The signature was made on private infrastructure, without a transparency log.
    #[arg(long, env = "COSIGN_PRIVATE_INFRASTRUCTURE", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    private_infrastructure: bool,
    /// Ask no log: only an entry that is stored beside the signature counts.
    #[arg(long, env = "COSIGN_OFFLINE", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    offline: bool,
    /// The log that is asked for an entry where none is stored beside the signature.
    #[arg(long, env = "COSIGN_REKOR_URL", default_value = "https://rekor.sigstore.dev", value_name = "URL")]
    rekor_url: String,
    /// Accepted for old scripts: both formats are looked up together, whatever it says.
    #[arg(long, env = "COSIGN_NEW_BUNDLE_FORMAT", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", hide = true)]
    new_bundle_format: bool,
    /// Accepted for old scripts: chains inside bundles are read.
    #[arg(long, env = "COSIGN_ALLOW_CERTIFICATE_CHAIN", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide = true)]
    allow_certificate_chain: bool,
    /// Read signatures that refer to the image in cosign's experimental form, too (verify only; elsewhere there is none).
    #[arg(long, env = "COSIGN_EXPERIMENTAL_OCI11", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub(crate) experimental_oci11: bool,
    /// The most that is fetched or asked at once; of what is large never more than 10, so that memory stays bounded.
    #[arg(long, env = "COSIGN_MAX_WORKERS", default_value = "20", value_name = "NUMBER")]
    pub(crate) max_workers: usize,
    /// Ask for a timestamp of a timestamp authority.
    #[arg(long, env = "COSIGN_USE_SIGNED_TIMESTAMPS", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    use_signed_timestamps: bool,
    #[command(flatten)]
    identity: IdentityFlags,
    #[command(flatten)]
    material: CertificateFlags,
}

/// Whom a certificate must name. Regular expressions are RE2 and unanchored: `example` finds `dev@example.test`.
#[derive(clap::Args, Debug)]
struct IdentityFlags {
    /// The identity a certificate must carry: a workflow's URI or an e-mail address.
    #[arg(long, alias = "cert-identity", env = "COSIGN_CERTIFICATE_IDENTITY", value_name = "IDENTITY")]
    certificate_identity: Option<String>,
    /// The same as a regular expression, found anywhere in the identity unless ^ and $ stand in it.
    #[arg(long, env = "COSIGN_CERTIFICATE_IDENTITY_REGEXP", value_name = "REGEXP")]
    certificate_identity_regexp: Option<String>,
    /// The issuer of that identity.
    #[arg(long, alias = "cert-oidc-issuer", env = "COSIGN_CERTIFICATE_OIDC_ISSUER", value_name = "ISSUER")]
    certificate_oidc_issuer: Option<String>,
    /// The same as a regular expression, found anywhere in the issuer unless ^ and $ stand in it.
    #[arg(long, env = "COSIGN_CERTIFICATE_OIDC_ISSUER_REGEXP", value_name = "REGEXP")]
    certificate_oidc_issuer_regexp: Option<String>,
    /// What started the GitHub workflow.
    #[arg(long, env = "COSIGN_CERTIFICATE_GITHUB_WORKFLOW_TRIGGER", value_name = "EVENT")]
    certificate_github_workflow_trigger: Option<String>,
    /// The commit of the GitHub workflow.
    #[arg(long, env = "COSIGN_CERTIFICATE_GITHUB_WORKFLOW_SHA", value_name = "SHA")]
    certificate_github_workflow_sha: Option<String>,
    /// The name of the GitHub workflow.
    #[arg(long, env = "COSIGN_CERTIFICATE_GITHUB_WORKFLOW_NAME", value_name = "NAME")]
    certificate_github_workflow_name: Option<String>,
    /// The repository of the GitHub workflow.
    #[arg(long, env = "COSIGN_CERTIFICATE_GITHUB_WORKFLOW_REPOSITORY", value_name = "REPO")]
    certificate_github_workflow_repository: Option<String>,
    /// The ref of the GitHub workflow.
    #[arg(long, env = "COSIGN_CERTIFICATE_GITHUB_WORKFLOW_REF", value_name = "REF")]
    certificate_github_workflow_ref: Option<String>,
}

/// What certificates are checked with.
#[derive(clap::Args, Debug)]
struct CertificateFlags {
    /// The certificate, where it is not stored beside the signature: a file, a URL, or env://VARIABLE.
    #[arg(long, alias = "cert", env = "COSIGN_CERTIFICATE", value_name = "FILE|URL")]
    certificate: Option<String>,
    /// The authorities' certificates, from the issuing one to the root.
    #[arg(long, alias = "cert-chain", env = "COSIGN_CERTIFICATE_CHAIN", value_name = "FILE")]
    certificate_chain: Option<String>,
    /// The root certificates.
    #[arg(long, env = "COSIGN_CA_ROOTS", value_name = "FILE")]
    ca_roots: Option<String>,
    /// The certificates between roots and leaves.
    #[arg(long, env = "COSIGN_CA_INTERMEDIATES", value_name = "FILE")]
    ca_intermediates: Option<String>,
    /// The trusted root: authorities, logs and timestamp authorities in one file.
    #[arg(long, env = "COSIGN_TRUSTED_ROOT", value_name = "FILE")]
    trusted_root: Option<String>,
    /// The certificates of the timestamp authority, root included.
    #[arg(long, env = "COSIGN_TIMESTAMP_CERTIFICATE_CHAIN", value_name = "FILE")]
    timestamp_certificate_chain: Option<String>,
    /// The timestamp of a CT log that lies beside --certificate.
    #[arg(long, env = "COSIGN_SCT", value_name = "FILE")]
    sct: Option<String>,
    /// Do not ask for a certificate timestamp.
    #[arg(long, env = "COSIGN_INSECURE_IGNORE_SCT", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    insecure_ignore_sct: bool,
}

/// Flags given as empty text count as not given.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

impl VerifierFlags {
    /// Warns, in cosign's words, where the log is left out without a stated reason.
    pub(crate) fn warn(&self, about: &str, face: &Face) {
        if self.insecure_ignore_tlog && !self.private_infrastructure {
            face.say(format!("WARNING: Skipping tlog verification is an insecure practice that lacks transparency and auditability verification for the {about}."));
        }
    }

    /// Whether neither a key, on a token or not, nor a certificate is named.
    pub(crate) fn names_none(&self) -> bool {
        !self.sk && given(&self.key).is_none() && given(&self.material.certificate).is_none()
    }

    /// Whether the log is left out.
    pub(crate) fn ignores_log(&self) -> bool {
        self.insecure_ignore_tlog || self.private_infrastructure
    }

    /// Whether timestamps of an authority are looked at.
    pub(crate) fn wants_stamps(&self) -> bool {
        self.use_signed_timestamps || given(&self.material.timestamp_certificate_chain).is_some()
    }

    /// Whether a trusted root is named.
    pub(crate) fn names_trusted_root(&self) -> bool {
        given(&self.material.trusted_root).is_some()
    }

    /// Whether the flags go together, in cosign's order; nothing is read yet.
    ///
    /// # Errors
    /// The first that does not go with another, or is missing.
    pub(crate) fn agree(&self) -> Result<(), Failure> {
        if self.sk || given(&self.slot).is_some() {
            return Err(Failure::new(
                "keys on hardware tokens (--sk, --slot) are not supported: write the token's public key to a file and name it with --key",
            ));
        }
        let material = &self.material;
        let chain = material.certificate_chain.is_some();
        for (name, set) in [
            ("ca-roots", material.ca_roots.is_some()),
            ("ca-intermediates", material.ca_intermediates.is_some()),
        ] {
            if set && chain {
                return Err(Failure::new(format!(
                    "if any flags in the group [{name} certificate-chain] are set none of the others can be; [{name} certificate-chain] were all set"
                )));
            }
        }
        let identity = &self.identity;
        let names = [&self.key, &identity.certificate_identity, &identity.certificate_identity_regexp];
        if names.into_iter().filter(|name| given(name).is_some()).count() > 1 {
            return Err(Failure::new(
                "exactly one of: key reference (--key) or certificate identity (--certificate-identity or --certificate-identity-regexp), must be provided. To determine which to use, inspect the bundle's 'verificationMaterial' field: if 'publicKey' is present, use key reference; if 'certificate' or 'x509CertificateChain' is present, use certificate identity",
            ));
        }
        if given(&self.key).is_some() {
            return Ok(());
        }
        if given(&identity.certificate_identity).or(given(&identity.certificate_identity_regexp)).is_none() {
            return Err(Failure::new(
                "--certificate-identity or --certificate-identity-regexp is required for verification in keyless mode",
            ));
        }
        let issuer =
            given(&identity.certificate_oidc_issuer).or(given(&identity.certificate_oidc_issuer_regexp));
        if issuer.is_none() {
            return Err(Failure::new(
                "--certificate-oidc-issuer or --certificate-oidc-issuer-regexp is required for verification in keyless mode",
            ));
        }
        Ok(())
    }

    fn wanted_identity(&self) -> Identity {
        let flags = &self.identity;
        let text = |flag| given(flag).unwrap_or_default().to_owned();
        Identity {
            subject: NameRule::new(
                given(&flags.certificate_identity),
                given(&flags.certificate_identity_regexp),
            ),
            issuer: NameRule::new(
                given(&flags.certificate_oidc_issuer),
                given(&flags.certificate_oidc_issuer_regexp),
            ),
            workflow: Claims {
                issuer: String::new(),
                trigger: text(&flags.certificate_github_workflow_trigger),
                sha: text(&flags.certificate_github_workflow_sha),
                name: text(&flags.certificate_github_workflow_name),
                repository: text(&flags.certificate_github_workflow_repository),
                git_ref: text(&flags.certificate_github_workflow_ref),
            },
        }
    }

    /// Whom and what is trusted; `words` stand before a failure to read the key or certificate.
    ///
    /// A certificate that is named is held against the roots here.
    ///
    /// # Errors
    /// The first file that cannot be read or does not hold, in cosign's order.
    pub(crate) async fn trust(&self, words: &str, face: &Face) -> Result<Trust, Failure> {
        let (mut trust, detached) = self.unnamed(words, face).await?;
        if let (None, Some(path)) = (given(&self.key), given(&self.material.certificate)) {
            if let SctRule::Required { detached: slot } = &mut trust.sct {
                *slot = detached;
            }
            let named = self.named_certificate(path, &mut trust, face).await;
            trust.attestor = named.map_err(|failure| before(failure, words))?;
        }
        Ok(trust)
    }

    /// The same for files, whose named certificate lies beside the signature and is held against the roots with it.
    ///
    /// # Errors
    /// The first file that cannot be read.
    pub(crate) async fn trust_of_file(
        &self,
        words: &str,
        face: &Face,
    ) -> Result<(Trust, Option<Certificate>, Vec<Certificate>), Failure> {
        let (mut trust, detached) = self.unnamed(words, face).await?;
        if let SctRule::Required { detached: slot } = &mut trust.sct {
            *slot = detached;
        }
        let named = given(&self.material.certificate).filter(|_| given(&self.key).is_none());
        let certificate = match named {
            Some(reference) => Some(
                material::certificate(reference, face)
                    .await
                    .map_err(|failure| before(failure.context("loading cert"), words))?,
            ),
            None => None,
        };
        let chain = match given(&self.material.certificate_chain) {
            Some(reference) => material::certificates(reference, face).await?,
            None => Vec::new(),
        };
        Ok((trust, certificate, chain))
    }

    /// Everything but a named certificate: the key, or the identity; and the timestamp of `--sct`.
    async fn unnamed(&self, words: &str, face: &Face) -> Result<(Trust, Option<Vec<u8>>), Failure> {
        self.agree()?;
        let flags = &self.material;
        let key = given(&self.key);
        let log = if self.ignores_log() { LogRule::Ignored } else { LogRule::Required };
        let stamps = self.wants_stamps();
        let named = key.is_some() || given(&flags.certificate).is_some();
        let ct_logs = key.is_none() && !flags.insecure_ignore_sct;
        let sources = material::Sources {
            trusted_root: given(&flags.trusted_root),
            certificate_chain: given(&flags.certificate_chain),
            ca_roots: given(&flags.ca_roots),
            ca_intermediates: given(&flags.ca_intermediates),
            timestamp_chain: given(&flags.timestamp_certificate_chain),
            key_alone: named && log == LogRule::Ignored && !stamps,
            logs: log == LogRule::Required,
            stamps,
            ct_logs,
            authorities: key.is_none(),
        };
        let loaded = material::load(&sources, face).await?;
        let mut trust = Trust {
            attestor: Attestor::Keyless(self.wanted_identity()),
            material: loaded.material,
            from_trusted_root: loaded.from_trusted_root,
            log,
            signed_timestamps: stamps,
            sct: if ct_logs { SctRule::Required { detached: None } } else { SctRule::Ignored },
            now: Timestamp::now(),
        };
        if let Some(reference) = key {
            let hash = self.hash()?;
            let key = key_reference::public_key(reference, face).await;
            let key = key.map_err(|failure| before(failure, words))?;
            trust.attestor = Attestor::Key(TrustedKey { key, hash });
        }
        let sct = given(&flags.sct).filter(|_| key.is_none() && given(&flags.certificate).is_some());
        let read = |path: &str| go_os::read(Path::new(path), CERTIFICATE_FILE_LIMIT as u64);
        let sct = sct.map(read).transpose().map_err(|failure| failure.context("reading sct from file"))?;
        Ok((trust, sct))
    }

    /// The certificate of `--certificate`, held against the roots, the identity and the CT log.
    async fn named_certificate(
        &self,
        reference: &str,
        trust: &mut Trust,
        face: &Face,
    ) -> Result<Attestor, Failure> {
        let flags = &self.material;
        let certificate = material::certificate(reference, face).await;
        let certificate = certificate.map_err(|failure| failure.context("loading cert"))?;
        let mut step = "validating cert";
        if let Some(chain) = given(&flags.certificate_chain) {
            let chain = material::certificates(chain, face).await;
            let mut chain = chain.map_err(|failure| failure.context("loading cert chain"))?;
            let root = chain.pop().ok_or_else(|| {
                Failure::new("validating cert with chain: no chain provided to validate certificate")
            })?;
            if !trust.from_trusted_root {
                trust.material =
                    TrustMaterial { authorities: Vec::new(), ..std::mem::take(&mut trust.material) };
                trust.material.add_authority(vec![root], chain);
            }
            step = "validating cert with chain";
        }
        let path = certified(trust, &certificate, &[])
            .map_err(|reason| Failure::new(format!("{step}: {}", cosign::reason(&reason))))?;
        Ok(Attestor::Certificate { certificate, above: path.into_iter().skip(1).collect() })
    }

    fn hash(&self) -> Result<HashChoice, Failure> {
        let Some(word) = given(&self.signature_digest_algorithm) else { return Ok(HashChoice::Usual) };
        let hash = Hash::from_name(word).ok_or_else(|| {
            Failure::new(format!(
                "unknown signature digest algorithm {word:?}: expected sha224, sha256, sha384 or sha512"
            ))
        })?;
        Ok(HashChoice::Exactly(hash))
    }
}

fn before(failure: Failure, words: &str) -> Failure {
    if words.is_empty() { failure } else { failure.context(words) }
}
