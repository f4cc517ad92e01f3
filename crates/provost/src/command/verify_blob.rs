//! `provost verify-blob`: did someone trusted sign this file?
//!
//! Follows cosign 3.1 (cosign.md §3.5): a bare signature, or one inside a bundle of either form.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_sigstore::annotation;
use provost_verify::blob::{BundleFile, FileSigner, check_message};
use provost_verify::dialect::cosign;
use provost_verify::find::MAX_LAYER_BYTES;
use provost_verify::signature::check_file;
use provost_verify::{Beside, Reason, Trust};

use super::blob;
use super::verifier::VerifierFlags;
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// The largest signature file read, 64 KiB: the longest signature, RSA-4096 in base64, has 684 bytes.
const MAX_SIGNATURE_BYTES: u64 = 64 * 1024;

/// Verify the signature of a file.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    verifier: VerifierFlags,
    /// The signature: a file, or the base64 itself.
    #[arg(long, env = "COSIGN_SIGNATURE", value_name = "SIGNATURE")]
    signature: Option<String>,
    /// A bundle file that holds the signature.
    #[arg(long, env = "COSIGN_BUNDLE", value_name = "FILE")]
    bundle: Option<String>,
    /// The timestamp of an authority that lies beside the signature.
    #[arg(long, env = "COSIGN_RFC3161_TIMESTAMP", value_name = "FILE")]
    rfc3161_timestamp: Option<String>,
    /// The file, or - for standard input.
    #[arg(value_name = "BLOB")]
    blobs: Vec<String>,
}

/// Says `Verified OK`, or why not.
///
/// # Errors
/// When the signature is of nobody trusted over these bytes, or cannot be checked.
pub(crate) async fn run(args: &Args, face: &Face) -> Result<(), Failure> {
    let name = blob::only(&args.blobs)?;
    args.verifier.warn("blob", face);
    if args.verifier.names_none() && args.bundle.is_none() {
        return Err(Failure::new(
            "provide a key with --key or --sk, a certificate to verify against with --certificate, or a bundle with --bundle",
        ));
    }
    args.verifier.agree()?;
    if name.starts_with("sha256:") && !Path::new(name).exists() {
        return Err(Failure::new(format!(
            "verifying {name} by its digest is not supported by this version: give the file itself"
        )));
    }
    if args.signature.is_some() && args.bundle.is_some() {
        return Err(Failure::new("--signature and --bundle exclude each other: give one of them"));
    }
    if let Some(BundleFile::Sigstore(bundle)) = bundle_file(args.bundle.as_deref())? {
        let trust = args.verifier.trust("", face).await?;
        let bytes = blob::read(name)?;
        check_message(&bundle, &bytes, &trust).map_err(|reason| Failure::new(message_words(&reason)))?;
    } else {
        stored(args, name, face).await?;
    }
    face.say("Verified OK");
    Ok(())
}

/// The older form: a signature, and beside it a certificate, a log entry, a timestamp.
async fn stored(args: &Args, name: &str, face: &Face) -> Result<(), Failure> {
    legacy_flags(&args.verifier, args.rfc3161_timestamp.as_deref())?;
    let (signature, signer, entry) = match (&args.signature, bundle_file(args.bundle.as_deref())?) {
        (_, Some(BundleFile::Cosign(bundle))) => (bundle.signature, bundle.signer, bundle.entry),
        (Some(given), _) => (signature(given)?, None, None),
        (None, _) => return Err(Failure::new("missing flag '--signature'")),
    };
    let (trust, named, chain) = args.verifier.trust_of_file("", face).await?;
    let beside = Beside {
        certificate: beside_certificate(named, signer)?,
        chain,
        entry,
        asked: Vec::new(),
        stamp: timestamp(args.rfc3161_timestamp.as_deref())?,
    };
    let bytes = blob::read(name)?;
    check_stored(&bytes, &signature, &beside, &trust)
}

fn check_stored(file: &[u8], signature: &[u8], beside: &Beside, trust: &Trust) -> Result<(), Failure> {
    let checked = check_file(file, signature, beside, trust);
    checked.map(|_| ()).map_err(|reason| match &reason {
        Reason::NotTheKey { each } => {
            Failure::new(each.iter().map(cosign::payload_signature).collect::<Vec<_>>().join("\n "))
        }
        other => Failure::new(cosign::reason(other)),
    })
}

fn message_words(reason: &Reason) -> String {
    match reason {
        Reason::NotTheKey { each } => {
            let each: Vec<_> = each.iter().map(cosign::payload_signature).collect();
            format!("failed to verify signature: could not verify message: {}", each.join("; "))
        }
        other => cosign::in_bundle(other),
    }
}

/// What goes only with Sigstore bundles, or only together.
pub(crate) fn legacy_flags(verifier: &VerifierFlags, timestamp: Option<&str>) -> Result<(), Failure> {
    let stamps = verifier.wants_stamps();
    if verifier.names_trusted_root() {
        return Err(Failure::new("--trusted-root only supported with --new-bundle-format"));
    }
    match timestamp {
        Some(_) if !stamps => Err(Failure::new(
            "when specifying --rfc3161-timestamp-path, you must also specify --use-signed-timestamps or --timestamp-certificate-chain",
        )),
        None if stamps => Err(Failure::new(
            "when specifying --use-signed-timestamps or --timestamp-certificate-chain, you must also specify --rfc3161-timestamp-path",
        )),
        _ => Ok(()),
    }
}

/// The certificate that lies beside the signature: the one that is named, which must be that of the bundle.
///
/// A key inside a bundle is nobody's word about itself and counts as none.
pub(crate) fn beside_certificate(
    named: Option<provost_sigstore::certificate::Certificate>,
    signer: Option<FileSigner>,
) -> Result<Option<provost_sigstore::certificate::Certificate>, Failure> {
    match (named, signer) {
        (Some(named), Some(FileSigner::Certificate(found))) if named != found => {
            Err(Failure::new("the cert passed in does not match the cert in the provided bundle"))
        }
        (_, Some(FileSigner::Certificate(found))) => Ok(Some(found)),
        (named, _) => Ok(named),
    }
}

/// The timestamp of `--rfc3161-timestamp`.
pub(crate) fn timestamp(path: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let text = go_os::read(Path::new(path), MAX_SIGNATURE_BYTES)?;
    Ok(Some(annotation::timestamp(&text)?))
}

/// The bundle file, of either form.
pub(crate) fn bundle_file(path: Option<&str>) -> Result<Option<BundleFile>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let bytes = go_os::read(Path::new(path), MAX_LAYER_BYTES)?;
    let read = provost_verify::blob::read(&bytes);
    read.map(Some).map_err(|fault| Failure::from(fault).context(path))
}

fn signature(given: &str) -> Result<Vec<u8>, Failure> {
    let text = match Path::new(given).exists() {
        true => go_os::read(Path::new(given), MAX_SIGNATURE_BYTES)?,
        false => given.to_owned().into_bytes(),
    };
    // Whatever is no base64 is the signature itself, as in cosign; line ends do not count.
    let compact: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    Ok(STANDARD.decode(&compact).unwrap_or(text))
}
