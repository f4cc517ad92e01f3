//! `provost trusted-root create`: write down whom to believe.
//!
//! Follows cosign 3.1.2 (cosign.md §3.6).

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use provost_keys::PublicKey;
use provost_sigstore::certificate::Certificate;
use provost_sigstore::trust_root::{TRUSTED_ROOT_LIMIT, TrustMaterial};
use provost_sigstore::trusted_root_writing::{KeptServices, NewAuthority, NewLog, NewTrustedRoot};
use provost_sigstore::window::Window;

use super::signing_config::{pairs, time, written};
use super::verifier::material::fetched_root;
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// The largest key or certificate file read, 1 MiB: a chain of three certificates has under 10 KiB.
const FILE_LIMIT: u64 = 1 << 20;

/// Write down whom to believe.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    Create(Box<CreateArgs>),
}

/// Create a trusted root. Services are comma-separated key=value lists.
#[derive(clap::Args, Debug)]
struct CreateArgs {
    /// A certificate authority: url, certificate-chain, and perhaps start-time, end-time; repeatable.
    #[arg(long, value_name = "SERVICE")]
    fulcio: Vec<String>,
    /// A CT log: url, public-key, start-time, and perhaps end-time, origin; repeatable.
    #[arg(long, value_name = "SERVICE")]
    ctfe: Vec<String>,
    /// A timestamp authority: url, certificate-chain, and perhaps start-time, end-time; repeatable.
    #[arg(long, value_name = "SERVICE")]
    tsa: Vec<String>,
    /// A transparency log: url, public-key, start-time, and perhaps end-time, origin; repeatable.
    #[arg(long, value_name = "SERVICE")]
    rekor: Vec<String>,
    /// Begin with the services of the trusted root that `initialize` has fetched.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    with_default_services: bool,
    /// Leave its certificate authorities out.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    no_default_fulcio: bool,
    /// Leave its CT logs out.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    no_default_ctfe: bool,
    /// Leave its timestamp authorities out.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    no_default_tsa: bool,
    /// Leave its transparency logs out.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    no_default_rekor: bool,
    /// Older spelling: a certificate authority's chain.
    #[arg(long, value_name = "FILE", hide = true)]
    certificate_chain: Vec<String>,
    #[arg(long, value_name = "URL", hide = true)]
    fulcio_uri: Vec<String>,
    #[arg(long, value_name = "FILE", hide = true)]
    ctfe_key: Vec<String>,
    #[arg(long, value_name = "TIME", hide = true)]
    ctfe_start_time: Vec<String>,
    #[arg(long, value_name = "TIME", hide = true)]
    ctfe_end_time: Vec<String>,
    #[arg(long, value_name = "URL", hide = true)]
    ctfe_url: Vec<String>,
    #[arg(long, value_name = "FILE", hide = true)]
    rekor_key: Vec<String>,
    #[arg(long, value_name = "TIME", hide = true)]
    rekor_start_time: Vec<String>,
    #[arg(long, value_name = "TIME", hide = true)]
    rekor_end_time: Vec<String>,
    #[arg(long, value_name = "URL", hide = true)]
    rekor_url: Vec<String>,
    #[arg(long, value_name = "FILE", hide = true)]
    timestamp_certificate_chain: Vec<String>,
    #[arg(long, value_name = "URL", hide = true)]
    timestamp_uri: Vec<String>,
    /// The file to write to, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the verb.
#[expect(clippy::unused_async, reason = "commands share one shape")]
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    match args.verb {
        Verb::Create(args) => create(&args, face),
    }
}

fn create(args: &CreateArgs, face: &Face) -> Result<(), Failure> {
    let groups = [
        ("fulcio", &args.fulcio, vec![&args.certificate_chain, &args.fulcio_uri]),
        (
            "rekor",
            &args.rekor,
            vec![&args.rekor_key, &args.rekor_url, &args.rekor_start_time, &args.rekor_end_time],
        ),
        (
            "ctfe",
            &args.ctfe,
            vec![&args.ctfe_key, &args.ctfe_url, &args.ctfe_start_time, &args.ctfe_end_time],
        ),
        ("tsa", &args.tsa, vec![&args.timestamp_certificate_chain, &args.timestamp_uri]),
    ];
    for (kind, given, older) in groups {
        if !given.is_empty() && older.iter().any(|list| !list.is_empty()) {
            return Err(Failure::new(format!("cannot use --{kind} and old {kind} flags at the same time")));
        }
    }
    let mut root = NewTrustedRoot { kept: default_services(args, face)?, ..NewTrustedRoot::default() };
    for spec in &args.fulcio {
        let read = authority(spec, "fulcio", "Fulcio");
        root.authorities.push(read.map_err(|failure| failure.context("parsing fulcio spec"))?);
    }
    for (at, file) in args.certificate_chain.iter().enumerate() {
        let (chain, url) = (certificates(file)?, item(&args.fulcio_uri, at));
        root.authorities.push(whole(chain, url, |chain| chain.last()));
    }
    for spec in &args.ctfe {
        root.ct_logs.push(log(spec).map_err(|failure| failure.context("parsing ctfe spec"))?);
    }
    older_logs(
        &mut root.ct_logs,
        [&args.ctfe_key, &args.ctfe_start_time, &args.ctfe_end_time, &args.ctfe_url],
        false,
    )?;
    for spec in &args.rekor {
        root.logs.push(log(spec).map_err(|failure| failure.context("parsing rekor spec"))?);
    }
    older_logs(
        &mut root.logs,
        [&args.rekor_key, &args.rekor_start_time, &args.rekor_end_time, &args.rekor_url],
        true,
    )?;
    for spec in &args.tsa {
        let read = authority(spec, "tsa", "TSA").map_err(|failure| failure.context("parsing tsa spec"))?;
        begins_with_leaf(&read.chain).map_err(|failure| failure.context("parsing tsa spec"))?;
        root.timestamp_authorities.push(read);
    }
    for (at, file) in args.timestamp_certificate_chain.iter().enumerate() {
        let chain = certificates(file)?;
        begins_with_leaf(&chain)?;
        if chain.len() < 2 {
            return Err(Failure::new("certificate chain must have at least two certificates"));
        }
        let url = item(&args.timestamp_uri, at);
        root.timestamp_authorities.push(whole(chain, url, |chain| chain.last()));
    }
    written(args.out.as_deref(), &root.to_json(), face)
}

/// The services of the trusted root that `initialize` has fetched, but for those left out.
fn default_services(args: &CreateArgs, face: &Face) -> Result<KeptServices, Failure> {
    if !args.with_default_services {
        return Ok(KeptServices::default());
    }
    let read = || {
        let Some(path) = fetched_root(face)? else {
            return Err(Failure::new(
                "none has been fetched: run `initialize` first, or name services with --fulcio, --rekor, --ctfe and --tsa",
            ));
        };
        let json = go_os::read(&path, TRUSTED_ROOT_LIMIT as u64)?;
        // What cannot be believed is not passed on.
        TrustMaterial::from_trusted_root(&json)?;
        Ok(KeptServices::of(&serde_json::from_slice(&json)?))
    };
    let mut kept = read().map_err(|failure| failure.context("getting default trusted root"))?;
    for (left_out, services) in [
        (args.no_default_fulcio, &mut kept.authorities),
        (args.no_default_ctfe, &mut kept.ct_logs),
        (args.no_default_tsa, &mut kept.timestamp_authorities),
        (args.no_default_rekor, &mut kept.logs),
    ] {
        if left_out {
            services.clear();
        }
    }
    Ok(kept)
}

fn item(list: &[String], at: usize) -> &str {
    list.get(at).map(String::as_str).unwrap_or_default()
}

/// An authority from when one of its certificates begins.
fn whole(
    chain: Vec<Certificate>,
    url: &str,
    begins: impl Fn(&[Certificate]) -> Option<&Certificate>,
) -> NewAuthority {
    let start = begins(&chain).map(Certificate::not_before);
    NewAuthority { url: url.to_owned(), valid: Window { start, end: None }, chain }
}

fn begins_with_leaf(chain: &[Certificate]) -> Result<(), Failure> {
    if chain.first().is_some_and(Certificate::is_authority) {
        return Err(Failure::new("first certificate in chain must be a leaf certificate"));
    }
    Ok(())
}

fn authority(spec: &str, kind: &str, name: &str) -> Result<NewAuthority, Failure> {
    let pairs = pairs(spec)?;
    let value = |key: &str| pairs.get(key).copied().filter(|value| !value.is_empty());
    let required = |key: &str| {
        value(key)
            .ok_or_else(|| Failure::new(format!("missing or empty required key '{key}' in {kind} spec")))
    };
    let (url, file) = (required("url")?, required("certificate-chain")?);
    let chain = certificates(file)
        .map_err(|failure| failure.context(&format!("parsing {name} certificate-chain")))?;
    // A timestamp authority begins with its leaf, a certificate authority with its root.
    let mut made = whole(chain, url, |chain| if kind == "tsa" { chain.first() } else { chain.last() });
    if let Some(text) = value("start-time") {
        made.valid.start = Some(time(text, "start-time")?);
    }
    made.valid.end = value("end-time").map(|text| time(text, "end-time")).transpose()?;
    Ok(made)
}

fn log(spec: &str) -> Result<NewLog, Failure> {
    let pairs = pairs(spec)?;
    let value = |key: &str| pairs.get(key).copied().filter(|value| !value.is_empty());
    let required = |key: &str| {
        value(key).ok_or_else(|| Failure::new(format!("missing or empty required key '{key}' in tlog spec")))
    };
    let (url, file, start) = (required("url")?, required("public-key")?, required("start-time")?);
    let key = public_key(file).map_err(|failure| failure.context("parsing public-key"))?;
    let start = Some(time(start, "start-time")?);
    let end = value("end-time").map(|text| time(text, "end-time")).transpose()?;
    let origin = pairs.get("origin").map(|&origin| origin.to_owned());
    Ok(NewLog { url: url.to_owned(), key, origin, valid: Window { start, end } })
}

/// Logs by the older flags: keys, and beside each its start, end and URL.
fn older_logs(logs: &mut Vec<NewLog>, flags: [&Vec<String>; 4], with_origin: bool) -> Result<(), Failure> {
    let [keys, starts, ends, urls] = flags;
    for (at, key) in keys.iter().enumerate() {
        let (file, origin) = match key.split_once(',').filter(|_| with_origin) {
            Some((file, origin)) => (file, Some(origin).filter(|origin| !origin.is_empty())),
            None => (key.as_str(), None),
        };
        let start = starts.get(at).map(|text| time(text, "start-time")).transpose()?;
        logs.push(NewLog {
            url: item(urls, at).to_owned(),
            key: public_key(file)?,
            origin: origin.map(str::to_owned),
            valid: Window {
                start: Some(start.unwrap_or(Timestamp::UNIX_EPOCH)),
                end: ends.get(at).map(|text| time(text, "end-time")).transpose()?,
            },
        });
    }
    Ok(())
}

fn public_key(file: &str) -> Result<PublicKey, Failure> {
    Ok(PublicKey::from_pem(&go_os::read(Path::new(file), FILE_LIMIT)?)?)
}

fn certificates(file: &str) -> Result<Vec<Certificate>, Failure> {
    let found = Certificate::all_from_pem(&go_os::read(Path::new(file), FILE_LIMIT)?)?;
    if found.is_empty() {
        return Err(Failure::new(format!("no certificates in file {file}")));
    }
    Ok(found)
}
