//! `provost initialize`: fetch whom to believe from a TUF repository, once, for signing and verifying.
//!
//! Follows cosign 3.1.2 in its flags, its folders and the order of its checks.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use jiff::Timestamp;
use provost_registry::service_client;
use provost_sigstore::initialize::{Initialization, PUBLIC_MIRROR, ROOT_LIMIT, STAGING_MIRROR, initialize};

use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;
use crate::key_reference::{self, Vouch};

/// Fetch whom to believe from a TUF repository, into $TUF_ROOT or ~/.sigstore/root.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The repository: an https, http or file:///FOLDER URL.
    #[arg(long, value_name = "URL", default_value = PUBLIC_MIRROR)]
    mirror: String,
    /// The root to trust it by, a file or URL; none means the one compiled in.
    #[arg(long, value_name = "FILE|URL", default_value = "")]
    root: String,
    /// The SHA-256 of that root in hex, or its SHA-512 after `sha512:`.
    #[arg(long, value_name = "DIGEST", default_value = "")]
    root_checksum: String,
    /// Use the repository of public Sigstore's staging area.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    staging: bool,
}

/// Runs it.
///
/// # Errors
/// When the repository cannot be reached or does not verify; what was fetched before then stays.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let mirror = if args.staging { STAGING_MIRROR } else { args.mirror.as_str() };
    let mirror = if mirror.is_empty() { PUBLIC_MIRROR } else { mirror };
    let root = match args.root.as_str() {
        _ if args.staging => None,
        "" => None,
        named => Some(root(named, &args.root_checksum, face).await?),
    };
    let cache = cache(face).ok_or_else(|| {
        Failure::new(
            "there is no folder for what is fetched: expected the variable TUF_ROOT or HOME to name one",
        )
    })?;
    let client = service_client(&super::signing::options(face))?;
    let what = Initialization { cache: &cache, mirror, root: root.as_deref() };
    let missing = initialize(what, &client, Timestamp::now()).await?;
    if let Some(reason) = missing {
        face.say(format!("WARNING: Could not fetch signing_config.json from the TUF mirror (encountered error: {reason}). It is recommended to use a signing config file rather than provide service URLs when signing."));
    }
    Ok(())
}

/// Where what is fetched lies: `TUF_ROOT`, or a folder below the home; `None` where there is neither.
pub(crate) fn cache(face: &Face) -> Option<PathBuf> {
    let variable = |name: &str| face.environment.raw(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    variable("TUF_ROOT").or_else(|| Some(variable("HOME")?.join(".sigstore").join("root")))
}

/// The root that is given, held against its checksum.
async fn root(named: &str, checksum: &str, face: &Face) -> Result<Vec<u8>, Failure> {
    let (algorithm, expected) = checksum.split_once(':').unwrap_or(("sha256", checksum));
    if expected.contains(':') {
        let words = format!("wrong checksum input format, must have at most 1 colon: {checksum}");
        return Err(Failure::new(words));
    }
    let algorithm = match algorithm {
        "sha256" => &SHA256,
        "sha512" => &SHA512,
        other => return Err(Failure::new(format!("unsupported checksum algorithm: {other}"))),
    };
    let from_url = named.starts_with("http://") || named.starts_with("https://");
    if checksum.is_empty() && from_url {
        face.say("WARNING: Fetching initial root from URL without providing its checksum is deprecated and will be disallowed in a future Cosign release. Please provide the initial root checksum via the --root-checksum argument.");
    }
    let bytes = match named.split_once("://") {
        None => go_os::read(Path::new(named), ROOT_LIMIT)?,
        Some(("http" | "https", _)) => {
            let vouch = if checksum.is_empty() { Vouch::Transport } else { Vouch::Digest };
            key_reference::fetch(named, ROOT_LIMIT as usize, vouch, face).await?.to_vec()
        }
        Some(("env", name)) => face
            .environment
            .text(name)
            .map(String::into_bytes)
            .ok_or_else(|| Failure::new(format!("loading URL: env var ${name} not found")))?,
        Some((other, _)) => {
            return Err(Failure::new(format!("loading URL: unrecognized scheme: {other}://")));
        }
    };
    let found = hex::encode(digest(algorithm, &bytes));
    if !checksum.is_empty() && found != expected {
        let words = format!("incorrect checksum for file {named}: expected {expected} but got {found}");
        return Err(Failure::new(words));
    }
    Ok(bytes)
}
