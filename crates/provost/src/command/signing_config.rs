//! `provost signing-config create`: write down which services sign.
//!
//! Follows cosign 3.1.2 (cosign.md §3.6).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use provost_sigstore::signing_config::{Choice, SigningConfig, SigningService};

use super::output_file::save;
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// The largest signing configuration read, 1 MiB: public Sigstore's has 2 KiB.
const CONFIG_LIMIT: u64 = 1 << 20;

/// Write down which services sign.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    Create(Box<CreateArgs>),
}

/// Create a signing configuration. Services are comma-separated key=value lists with url, api-version, start-time, operator, and perhaps end-time.
#[derive(clap::Args, Debug)]
struct CreateArgs {
    /// The signing configuration to begin with; services given replace its own.
    #[arg(long, value_name = "FILE")]
    base_config: Option<PathBuf>,
    /// A certificate authority; repeatable.
    #[arg(long, value_name = "SERVICE")]
    fulcio: Vec<String>,
    /// A transparency log; repeatable.
    #[arg(long, value_name = "SERVICE")]
    rekor: Vec<String>,
    /// An issuer of identity tokens; repeatable.
    #[arg(long, value_name = "SERVICE")]
    oidc_provider: Vec<String>,
    /// A timestamp authority; repeatable.
    #[arg(long, value_name = "SERVICE")]
    tsa: Vec<String>,
    /// How many timestamp authorities are asked: ANY, ALL, EXACT:<count>.
    #[arg(long, value_name = "CHOICE")]
    tsa_config: Option<String>,
    /// How many logs are asked: ANY, ALL, EXACT:<count>.
    #[arg(long, value_name = "CHOICE")]
    rekor_config: Option<String>,
    /// Begin with public Sigstore's services, which needs the network.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    with_default_services: bool,
    /// Begin with public Sigstore's services and Rekor v2; not possible in this version.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    with_default_rekor_v2: bool,
    /// Leave out the certificate authorities one begins with.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    no_default_fulcio: bool,
    /// Leave out the logs one begins with.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    no_default_rekor: bool,
    /// Leave out the issuers one begins with.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    no_default_oidc: bool,
    /// Leave out the timestamp authorities one begins with.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    no_default_tsa: bool,
    /// The file to write to, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    match args.verb {
        Verb::Create(args) => create(*args, face).await,
    }
}

async fn create(args: CreateArgs, face: &Face) -> Result<(), Failure> {
    let defaults = args.with_default_services || args.with_default_rekor_v2;
    if args.base_config.is_some() && defaults {
        let other =
            if args.with_default_services { "with-default-services" } else { "with-default-rekor-v2" };
        return Err(Failure::new(format!(
            "if any flags in the group [base-config {other}] are set none of the others can be; [base-config {other}] were all set"
        )));
    }
    if !args.rekor.is_empty() && args.rekor_config.is_none() {
        return Err(Failure::new("--rekor-config must be provided when --rekor is specified"));
    }
    if !args.tsa.is_empty() && args.tsa_config.is_none() {
        return Err(Failure::new("--tsa-config must be provided when --tsa is specified"));
    }
    let mut config = base(&args, face).await?;
    if let Some(text) = args.rekor_config.as_deref().filter(|text| !text.is_empty()) {
        config.log_choice = choice(text).map_err(|failure| failure.context("parsing rekor-config"))?;
    }
    if let Some(text) = args.tsa_config.as_deref().filter(|text| !text.is_empty()) {
        config.timestamp_choice = choice(text).map_err(|failure| failure.context("parsing tsa-config"))?;
    }
    let kinds = [
        (&args.fulcio, &mut config.authorities, "fulcio"),
        (&args.rekor, &mut config.logs, "rekor"),
        (&args.oidc_provider, &mut config.token_issuers, "oidc-provider"),
        (&args.tsa, &mut config.timestamp_authorities, "tsa"),
    ];
    for (specs, services, kind) in kinds {
        for spec in specs {
            let service = service(spec);
            services.push(service.map_err(|failure| failure.context(&format!("parsing {kind} spec")))?);
        }
    }
    written(args.out.as_deref(), &config.to_json(), face)
}

/// What one begins with: nothing, a file, or public Sigstore's.
async fn base(args: &CreateArgs, face: &Face) -> Result<SigningConfig, Failure> {
    let Some(file) = &args.base_config else {
        if args.with_default_rekor_v2 {
            return Err(Failure::new(
                "--with-default-rekor-v2 is not supported by this version: give the log with --rekor url=…,api-version=2,…",
            ));
        }
        if !args.with_default_services {
            return Ok(SigningConfig::default());
        }
        let fetched = super::signing::default_services(face).await;
        let fetched = fetched.map_err(|failure| failure.context("getting default trusted root"))?;
        return Ok(kept(fetched.signing_config, args, false));
    };
    let told = |failure: Failure| failure.context(&format!("loading base config from {}", file.display()));
    let bytes = go_os::read(file, CONFIG_LIMIT).map_err(told)?;
    Ok(kept(SigningConfig::parse(&bytes).map_err(|error| told(error.into()))?, args, true))
}

/// What stays of the services one begins with; those given replace a file's own, and are added to public Sigstore's.
fn kept(mut config: SigningConfig, args: &CreateArgs, replaced: bool) -> SigningConfig {
    let gone = |given: &[String], left_out: bool| left_out || (replaced && !given.is_empty());
    if gone(&args.fulcio, args.no_default_fulcio) {
        config.authorities.clear();
    }
    if gone(&args.oidc_provider, args.no_default_oidc) {
        config.token_issuers.clear();
    }
    if gone(&args.rekor, args.no_default_rekor) {
        config.logs.clear();
        config.log_choice = Choice::Undefined;
    }
    if gone(&args.tsa, args.no_default_tsa) {
        config.timestamp_authorities.clear();
        config.timestamp_choice = Choice::Undefined;
    }
    config
}

/// Writes what was made to a file or to standard output.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn written(out: Option<&Path>, bytes: &[u8], face: &Face) -> Result<(), Failure> {
    match out.filter(|file| !file.as_os_str().is_empty()) {
        Some(file) => save(file, bytes),
        None => {
            face.out(bytes);
            Ok(())
        }
    }
}

/// The keys and values of a service's description.
///
/// # Errors
/// When a part is no `key=value`; cosign's words.
pub(crate) fn pairs(spec: &str) -> Result<BTreeMap<&str, &str>, Failure> {
    let mut found = BTreeMap::new();
    for part in spec.split(',') {
        let pair = part.split_once('=');
        let (key, value) = pair.ok_or_else(|| Failure::new(format!("invalid key-value pair: {part}")))?;
        found.insert(key.trim(), value.trim());
    }
    Ok(found)
}

/// A time in a service's description.
///
/// # Errors
/// When it is no RFC 3339 time.
pub(crate) fn time(text: &str, key: &str) -> Result<Timestamp, Failure> {
    text.parse()
        .map_err(|error| Failure::new(format!("parsing {key}: {text:?} is no RFC 3339 time: {error}")))
}

fn service(spec: &str) -> Result<SigningService, Failure> {
    let pairs = pairs(spec)?;
    let value = |key: &str| pairs.get(key).copied().filter(|value| !value.is_empty());
    let required = |key: &str| {
        value(key).ok_or_else(|| Failure::new(format!("missing required key '{key}' in service spec")))
    };
    let (url, version) = (required("url")?, required("api-version")?);
    let (start, operator) = (required("start-time")?, required("operator")?);
    let version = version.parse::<u32>().map_err(|_| {
        Failure::new(format!("parsing api-version: strconv.ParseUint: parsing {version:?}: invalid syntax"))
    })?;
    Ok(SigningService {
        url: url.to_owned(),
        version,
        start: Some(time(start, "start-time")?),
        end: value("end-time").map(|text| time(text, "end-time")).transpose()?,
        operator: operator.to_owned(),
    })
}

fn choice(text: &str) -> Result<Choice, Failure> {
    let (mode, count) = match text.split_once(':') {
        Some((mode, count)) => (mode.to_uppercase(), Some(count)),
        None => (text.to_uppercase(), None),
    };
    match (mode.as_str(), count) {
        ("ANY", None) => Ok(Choice::Any),
        ("ALL", None) => Ok(Choice::All),
        ("ANY" | "ALL", Some(_)) => Err(Failure::new(format!("mode {mode} does not accept a count"))),
        ("EXACT", None) => Err(Failure::new("mode EXACT requires a count, e.g. EXACT:2")),
        ("EXACT", Some(count)) => count.parse().map(Choice::Exact).map_err(|_| {
            Failure::new(format!(
                "invalid count for EXACT mode: strconv.ParseUint: parsing {count:?}: invalid syntax"
            ))
        }),
        _ => Err(Failure::new(format!("invalid service config mode: {mode}"))),
    }
}
