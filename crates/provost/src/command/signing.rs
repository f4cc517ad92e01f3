//! Making something signed, as flags ask: which services, which key or identity, and what they say together.
//!
//! Follows cosign 3.1.2 in the order of its checks and in its words (cosign.md §3.4).

use std::path::Path;

use provost_registry::{Pem, RemoteOptions, TlsOptions, service_client};
use provost_sign::{BundleError, Payload, Vouched, Witnesses, certified, new_bundle};
use provost_sigstore::bundle_writing::NewBundle;
use provost_sigstore::initialize;
use provost_sigstore::service_client::{Service, ServiceError, Unreached};
use provost_sigstore::signing_config::{Choice, SigningConfig, SigningService, choose, choose_one};
use provost_sigstore::signing_tuf::{self, TufRepository};
use provost_sigstore::trust_root::TrustMaterial;

use super::signer::{SignerFlags, given};
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

pub(crate) mod fresh;
pub(crate) mod keypair;
pub(crate) mod privacy;
pub(crate) mod token;

pub(crate) use keypair::Keypair;

/// The largest signing configuration or trusted root read, 1 MiB: public Sigstore's have 7 KiB.
const CONFIG_LIMIT: u64 = 1 << 20;
/// The versions of Rekor's interface spoken here.
const REKOR_VERSIONS: [u32; 2] = [1, 2];
/// The version of Fulcio's and of timestamp authorities' interfaces.
const FIRST_VERSION: [u32; 1] = [1];

/// Files asked for that only the older formats have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OldOutputs<'a> {
    pub(crate) signature: Option<&'a Path>,
    pub(crate) attestation: Option<&'a Path>,
    pub(crate) certificate: Option<&'a Path>,
    pub(crate) payload: Option<&'a Path>,
    pub(crate) timestamp: Option<&'a Path>,
}

/// What is known before the first signature.
pub(crate) struct Signing<'a> {
    flags: &'a SignerFlags,
    config: Option<SigningConfig>,
    trusted: Option<TrustMaterial>,
    client: reqwest::Client,
    timestamp_client: reqwest::Client,
}

impl<'a> Signing<'a> {
    /// Checks the flags against each other, and reads the signing configuration and the trusted root.
    ///
    /// `bundle` says whether the command writes a bundle file beside older formats.
    ///
    /// # Errors
    /// When flags contradict each other, or a file or repository cannot be read; cosign's words.
    pub(crate) async fn prepare(
        flags: &'a SignerFlags,
        outputs: OldOutputs<'_>,
        bundle: bool,
        face: &Face,
    ) -> Result<Self, Failure> {
        if flags.signing_config.is_some() && flags.use_signing_config.is_some() {
            return Err(Failure::new(
                "if any flags in the group [use-signing-config signing-config] are set none of the others can be; [signing-config use-signing-config] were all set",
            ));
        }
        if let Some(file) = &flags.oidc_client_secret_file {
            go_os::read(file, CONFIG_LIMIT).map_err(|f| f.context("reading OIDC client secret"))?;
        }
        let by_config = flags.by_config();
        if by_config && flags.names_services() {
            return Err(Failure::new("cannot specify service URLs and use signing config"));
        }
        if by_config && !flags.tlog_upload {
            return Err(Failure::new(
                "--tlog-upload=false is not supported with --signing-config or --use-signing-config. Provide a signing config with --signing-config without a transparency log service, which can be created with `cosign signing-config create` or `curl https://raw.githubusercontent.com/sigstore/root-signing/refs/heads/main/targets/signing_config.v0.2.json | jq 'del(.rekorTlogUrls)'` for the public instance",
            ));
        }
        if by_config && !flags.new_bundle_format && !bundle {
            return Err(Failure::new(
                "must provide --new-bundle-format or --bundle where applicable with --signing-config or --use-signing-config",
            ));
        }
        let options = options(face);
        let client = service_client(&options)?;
        let timestamp_client = timestamp_client(flags, &options)?.unwrap_or_else(|| client.clone());
        let mut prepared = Self { flags, config: None, trusted: None, client, timestamp_client };
        prepared.read_trust(by_config, face).await?;
        warn(flags.new_bundle_format, outputs, face);
        Ok(prepared)
    }

    /// The trusted root and the signing configuration, from files or from TUF.
    async fn read_trust(&mut self, by_config: bool, face: &Face) -> Result<(), Failure> {
        let flags = self.flags;
        let no_ct_key = given(face.environment.text("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE").as_ref()).is_none();
        let certificate = flags.key().is_none() || flags.issue_certificate;
        let wants_root = (certificate && no_ct_key) || by_config;
        let wants_config = by_config && flags.signing_config.is_none();
        let fetched = if (wants_root && flags.trusted_root.is_none()) || wants_config {
            Some(signing_tuf::fetch(&tuf_repository(face)?, &self.client, jiff::Timestamp::now()).await)
        } else {
            None
        };
        if wants_root {
            let json = match (&flags.trusted_root, &fetched) {
                (Some(file), _) => {
                    let read = go_os::read(file, CONFIG_LIMIT);
                    Some(read.map_err(|failure| failure.context("loading trusted root"))?)
                }
                (None, Some(Ok(fetched))) => Some(fetched.trusted_root.clone()),
                (None, Some(Err(error))) => {
                    face.say(format!("WARNING: Could not fetch trusted_root.json from the TUF repository. Continuing with individual targets. Error from TUF: error getting live trusted root: failed to create TUF client failed to load metadata: {error}"));
                    None
                }
                (None, None) => None,
            };
            let read = json.map(|json| TrustMaterial::from_trusted_root(&json)).transpose();
            self.trusted = read.map_err(|error| Failure::from(error).context("loading trusted root"))?;
        }
        if let Some(file) = &flags.signing_config {
            let failed = |failure: Failure| failure.context("error reading signing config from file");
            let bytes = go_os::read(file, CONFIG_LIMIT).map_err(failed)?;
            self.config = Some(SigningConfig::parse(&bytes).map_err(|error| failed(error.into()))?);
        } else if wants_config {
            let failed = "error getting signing config from TUF";
            match fetched {
                Some(Ok(fetched)) => self.config = Some(fetched.signing_config),
                Some(Err(error)) => {
                    return Err(Failure::new(format!(
                        "{failed}: {failed}: failed to load metadata: {error}"
                    )));
                }
                None => return Err(Failure::new(failed)),
            }
        }
        Ok(())
    }

    /// Whether services come from flags, so that it is still open whether a log is told.
    pub(crate) fn asks_about_upload(&self) -> bool {
        self.config.is_none()
    }

    /// The services to sign with; `upload` counts only where no configuration names them.
    pub(crate) fn services(&self, upload: bool) -> SigningConfig {
        if let Some(config) = &self.config {
            return config.clone();
        }
        let one = |url: &str| match url {
            "" => Vec::new(),
            url => vec![SigningService::at(url)],
        };
        let logs = if upload { one(&self.flags.rekor_url) } else { Vec::new() };
        SigningConfig {
            authorities: one(&self.flags.fulcio_url),
            token_issuers: one(&self.flags.oidc_issuer),
            log_choice: Choice::Any,
            logs,
            timestamp_choice: Choice::Any,
            timestamp_authorities: one(self.flags.timestamp_server_url.as_deref().unwrap_or_default()),
        }
    }

    /// The key, its certificate and the identity token, whichever the flags ask for.
    ///
    /// # Errors
    /// When there is no such key, certificate or token.
    pub(crate) async fn keypair(
        &self,
        algorithm: Option<&str>,
        services: &SigningConfig,
        face: &Face,
    ) -> Result<Keypair, Failure> {
        let opened = keypair::open(self.flags, algorithm, face).await;
        let mut opened = opened.map_err(|failure| failure.context("getting signer"))?;
        if self.flags.key().is_none() || self.flags.issue_certificate {
            let token = token::retrieve(self.flags, services, &self.client, face).await;
            opened.token = Some(token.map_err(|failure| failure.context("retrieving ID token"))?);
        }
        Ok(opened)
    }

    /// Signs, has it witnessed, and checks it where there is a trusted root.
    ///
    /// A certificate is asked for once and kept with the key pair.
    ///
    /// # Errors
    /// cosign's words after `signing bundle`.
    pub(crate) async fn bundle(
        &self,
        payload: Payload,
        keypair: &mut Keypair,
        services: &SigningConfig,
        face: &Face,
    ) -> Result<NewBundle, Failure> {
        let now = jiff::Timestamp::now();
        let mut pick =
            |count: usize| usize::try_from(now.subsec_nanosecond()).unwrap_or_default() % count.max(1);
        let mut chosen = |services: &[SigningService], choice: Choice, versions: &[u32]| {
            if services.is_empty() {
                return Ok(Vec::new());
            }
            let chosen = choose(services, choice, versions, now, &mut pick)?;
            Ok::<_, Failure>(chosen.into_iter().cloned().collect())
        };
        let authorities = if keypair.token.is_some() && services.authorities.is_empty() {
            return Err(Failure::new("no fulcio URLs provided in signing config"));
        } else if keypair.token.is_some() {
            Some(choose_one(&services.authorities, &FIRST_VERSION, now)?)
        } else {
            None
        };
        let witnesses = Witnesses {
            client: &self.client,
            timestamp_client: &self.timestamp_client,
            timestamp_authorities: chosen(
                &services.timestamp_authorities,
                services.timestamp_choice,
                &FIRST_VERSION,
            )?,
            logs: chosen(&services.logs, services.log_choice, &REKOR_VERSIONS)?,
            stamp_stored: !self.flags.new_bundle_format,
        };
        let second = witnesses.logs.iter().any(|log| log.version == 2);
        if second && witnesses.timestamp_authorities.is_empty() && keypair.token.is_some() {
            return Err(Failure::new(
                "a timestamp authority must be provided to request a short-lived certificate that will be logged to Rekor",
            ));
        }
        face.say("Signing artifact...");
        let told = |error: BundleError| Failure::new(format!("error signing bundle: {}", words(&error)));
        if let (Some(authority), Some(token), None) = (authorities, &keypair.token, &keypair.issued) {
            let vouched = certified(&self.client, &authority.url, token, keypair.signer.as_ref()).await;
            keypair.issued = Some(vouched.map_err(told)?);
        }
        let vouched = match (&keypair.issued, &keypair.certificate) {
            (Some(issued), _) => issued.clone(),
            (None, Some(certificate)) => Vouched::ByCertificate(certificate.der().to_vec()),
            (None, None) => Vouched::ByKey,
        };
        let bundle =
            new_bundle(payload, keypair.signer.as_ref(), &vouched, &witnesses).await.map_err(told)?;
        if let Some(trusted) = &self.trusted {
            let checked = fresh::check(&bundle, trusted, &witnesses, now);
            checked.map_err(|reason| Failure::new(format!("error signing bundle: {reason}")))?;
        }
        Ok(bundle)
    }
}

/// The services and trust of public Sigstore, or of the TUF repository that variables name.
///
/// # Errors
/// When the repository cannot be reached, or what it says does not verify.
pub(crate) async fn default_services(face: &Face) -> Result<signing_tuf::SharedTrust, Failure> {
    let client = service_client(&options(face))?;
    Ok(signing_tuf::fetch(&tuf_repository(face)?, &client, jiff::Timestamp::now()).await?)
}

/// How services are reached: by the machine's own roots and proxies.
pub(crate) fn options(face: &Face) -> RemoteOptions {
    RemoteOptions {
        proxies: provost_registry::Proxies::of(|name| face.environment.raw(name)),
        ..RemoteOptions::default()
    }
}

/// How timestamp authorities are reached, where flags say so.
fn timestamp_client(
    flags: &SignerFlags,
    options: &RemoteOptions,
) -> Result<Option<reqwest::Client>, Failure> {
    let file = |path: &Option<std::path::PathBuf>| path.clone().map(Pem::File);
    let client = file(&flags.timestamp_client_cert).zip(file(&flags.timestamp_client_key));
    if flags.timestamp_client_cacert.is_none() && client.is_none() {
        return Ok(None);
    }
    let tls = TlsOptions {
        accept_any_certificate: false,
        authorities: file(&flags.timestamp_client_cacert),
        client,
        server_name: flags.timestamp_server_name.clone(),
    };
    let made =
        service_client(&RemoteOptions { tls, proxies: options.proxies.clone(), ..RemoteOptions::default() });
    Ok(Some(made.map_err(|error| Failure::from(error).context("getting TSA client transport"))?))
}

/// The TUF repository that `TUF_MIRROR` names, or that was initialized last, or public Sigstore's.
fn tuf_repository(face: &Face) -> Result<TufRepository, Failure> {
    let variable = |name: &str| face.environment.text(name).filter(|text| !text.is_empty());
    let Some(folder) = super::initialize::cache(face) else {
        return Ok(TufRepository::default());
    };
    let url = match variable("TUF_MIRROR") {
        Some(url) => url,
        None => match initialize::initialized(&folder)? {
            Some((url, _)) => url,
            None => initialize::PUBLIC_MIRROR.to_owned(),
        },
    };
    let cache = initialize::mirror_folder(&folder, &url)?;
    let named = variable("TUF_ROOT_JSON").map(std::path::PathBuf::from);
    let mirror = if url == initialize::PUBLIC_MIRROR {
        None
    } else {
        let file = named.unwrap_or_else(|| cache.join("root.json"));
        let read = go_os::read(&file, CONFIG_LIMIT);
        let root = read.map_err(|failure| {
            failure
                .context("error setting root: expected TUF_ROOT_JSON, or a root that `initialize` has kept")
        })?;
        Some((url, root))
    };
    Ok(TufRepository { mirror, cache: Some(cache) })
}

/// cosign's remarks about files that bundles leave unwritten.
fn warn(new_bundle_format: bool, outputs: OldOutputs<'_>, face: &Face) {
    if !new_bundle_format {
        return;
    }
    let ignored = [
        ("--output-signature", outputs.signature),
        ("--output-attestation", outputs.attestation),
        ("--output-certificate", outputs.certificate),
        ("--output-payload", outputs.payload),
        ("--rfc3161-timestamp", outputs.timestamp),
    ];
    for (flag, file) in ignored {
        if file.is_some_and(|file| !file.as_os_str().is_empty()) {
            face.say(format!(
                "WARNING: {flag} is deprecated when using --new-bundle-format and will be ignored"
            ));
        }
    }
}

/// The words of cosign's own clients for what went wrong.
fn words(error: &BundleError) -> String {
    let BundleError::Service(error) = error else { return error.to_string() };
    match error {
        ServiceError::Network { method, url, address, kind, cause } => {
            let mut letters = method.chars();
            let title: String =
                letters.next().into_iter().chain(letters.flat_map(char::to_lowercase)).collect();
            let why = match kind {
                Unreached::Refused => format!("dial tcp {address}: connect: connection refused"),
                Unreached::Timeout => "context deadline exceeded".to_owned(),
                Unreached::Other => cause.clone(),
            };
            let asked = format!("{title} \"{url}\": ");
            // cosign's client of Rekor v1 tries again and says so.
            let tries = if url.contains("/api/v1/log/") {
                format!("{asked}giving up after 2 attempt(s): ")
            } else {
                String::new()
            };
            format!("{tries}{asked}{why}")
        }
        ServiceError::Status { service: Service::Rekor, path, status, body, .. }
            if path.starts_with("/api/v2") =>
        {
            format!("adding rekor v2 entry: unexpected response: {status} {body}")
        }
        ServiceError::Status { service: Service::Rekor, method, path, status, body } => {
            let kind = if *status == 400 { "createLogEntryBadRequest" } else { "createLogEntry default " };
            format!("[{method} {path}][{status}] {kind} {body}")
        }
        other => other.to_string(),
    }
}
