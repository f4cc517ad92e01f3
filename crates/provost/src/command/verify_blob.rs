//! `provost verify-blob`: did someone trusted sign this file?
//!
//! Follows cosign 3.1 (cosign.md §3.5): a bare signature, or one inside a bundle of either form.

use std::path::Path;

use provost_keys::Hash;
use provost_oci::Digest;
use provost_sigstore::annotation;
use provost_verify::asking::{Form, ask, question};
use provost_verify::blob::{BundleFile, FileSigner, check_message, check_message_digest};
use provost_verify::dialect::cosign;
use provost_verify::find::MAX_LAYER_BYTES;
use provost_verify::signature::check_file;
use provost_verify::{AskedLog, Beside, Reason, Trust};

use super::verifier::VerifierFlags;
use super::verifier::log::RekorServer;
use super::{blob, signature_file};
use crate::face::Face;
use crate::failure::Failure;
use crate::key_reference::Vouch;
use crate::{go_os, key_reference};

/// Verify the signature of a file.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    verifier: VerifierFlags,
    /// The signature: a file, a URL, env://VARIABLE, or the base64 itself.
    #[arg(long, env = "COSIGN_SIGNATURE", value_name = "SIGNATURE")]
    signature: Option<String>,
    /// A bundle file that holds the signature.
    #[arg(long, env = "COSIGN_BUNDLE", value_name = "FILE")]
    bundle: Option<String>,
    /// The timestamp of an authority that lies beside the signature.
    #[arg(long, env = "COSIGN_RFC3161_TIMESTAMP", value_name = "FILE")]
    rfc3161_timestamp: Option<String>,
    /// The file, its digest (sha256:HEX) where a bundle signs it, or - for standard input.
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
    if args.signature.is_some() && args.bundle.is_some() {
        return Err(Failure::new("--signature and --bundle exclude each other: give one of them"));
    }
    if let Some(BundleFile::Sigstore(bundle)) = bundle_file(args.bundle.as_deref())? {
        let trust = args.verifier.trust("", face).await?;
        let checked = match blob::read_or_fetch(name, face).await {
            Ok(bytes) => check_message(&bundle, &bytes, &trust),
            // A digest stands for a file that is not here.
            Err(failure) => {
                let (hash, digest) = digest_of(name).ok_or(failure)?;
                check_message_digest(&bundle, hash, &digest, &trust)
            }
        };
        checked.map_err(|reason| Failure::new(message_words(&reason)))?;
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
        (Some(given), _) => (signature_file::read(given, face).await?, None, None),
        (None, _) => return Err(Failure::new("missing flag '--signature'")),
    };
    let (trust, named, chain) = args.verifier.trust_of_file("", face).await?;
    let mut beside = Beside {
        certificate: beside_certificate(named, signer)?,
        chain,
        entry,
        asked: Vec::new(),
        stamp: timestamp(args.rfc3161_timestamp.as_deref(), face).await?,
    };
    let bytes = blob::read_or_fetch(name, face).await?;
    let mut checked = check_file(&bytes, &signature, &beside, &trust);
    if let (Err(Reason::NoLogEntry), Some(log)) = (&checked, args.verifier.log(face)) {
        let form = Form::Message { message: &bytes, signature: &signature };
        checked = match logged(form, &mut beside, &trust, &log).await {
            Ok(()) => check_file(&bytes, &signature, &beside, &trust),
            Err(reason) => Err(reason),
        };
    }
    told(checked)
}

/// Asks the log for an entry that is not stored beside a signature.
///
/// # Errors
/// Why no log can show the signature, or does not.
pub(crate) async fn logged(
    form: Form<'_>,
    beside: &mut Beside,
    trust: &Trust,
    log: &RekorServer,
) -> Result<(), Reason> {
    if let Some(proposed) = question(form, beside, trust)? {
        beside.asked = ask(log as &dyn AskedLog, &proposed).await?;
    }
    Ok(())
}

/// The hash and digest that `sha256:<hex>` and its like name.
fn digest_of(name: &str) -> Option<(Hash, Vec<u8>)> {
    let digest: Digest = name.parse().ok()?;
    Some((Hash::from_name(digest.algorithm().name())?, hex::decode(digest.hex()).ok()?))
}

fn told<T>(checked: Result<T, Reason>) -> Result<(), Failure> {
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
pub(crate) async fn timestamp(reference: Option<&str>, face: &Face) -> Result<Option<Vec<u8>>, Failure> {
    let Some(reference) = reference else { return Ok(None) };
    let text =
        key_reference::file_or_url(reference, signature_file::MAX_SIGNATURE_BYTES, Vouch::Signature, face)
            .await?;
    Ok(Some(annotation::timestamp(&text)?))
}

/// The bundle file, of either form.
pub(crate) fn bundle_file(path: Option<&str>) -> Result<Option<BundleFile>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let bytes = go_os::read(Path::new(path), MAX_LAYER_BYTES)?;
    let read = provost_verify::blob::read(&bytes);
    read.map(Some).map_err(|fault| Failure::from(fault).context(path))
}
