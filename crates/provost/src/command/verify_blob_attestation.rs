//! `provost verify-blob-attestation`: did someone trusted attest this file?
//!
//! Follows cosign 3.1 (cosign.md §3.5): an envelope in a bundle of either form, or as it is.

use std::path::Path;

use provost_keys::Hash;
use provost_sigstore::rekor_client;
use provost_statement::predicate_type;
use provost_verify::asking::Form;
use provost_verify::blob::BundleFile;
use provost_verify::check::{CheckedAttestation, bundle_attestation, stored_attestation};
use provost_verify::dialect::cosign;
use provost_verify::find::MAX_LAYER_BYTES;
use provost_verify::policy::policy_input;
use provost_verify::{Beside, Reason, Wanted};

use super::blob;
use super::verifier::VerifierFlags;
use super::verify_blob::{beside_certificate, bundle_file, legacy_flags, logged, timestamp};
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// Verify an attestation about a file.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    verifier: VerifierFlags,
    /// The envelope: a file.
    #[arg(long, env = "COSIGN_SIGNATURE", value_name = "FILE")]
    signature: Option<String>,
    /// A bundle file that holds the envelope.
    #[arg(long, env = "COSIGN_BUNDLE", value_name = "FILE")]
    bundle: Option<String>,
    /// The timestamp of an authority that lies beside the envelope.
    #[arg(long, env = "COSIGN_RFC3161_TIMESTAMP", value_name = "FILE")]
    rfc3161_timestamp: Option<String>,
    /// The predicate type: a word such as slsaprovenance1, or a URI.
    #[arg(long = "type", env = "COSIGN_TYPE", default_value = "custom", value_name = "TYPE")]
    predicate_type: String,
    /// Compare the statement's subjects with the file.
    #[arg(long, env = "COSIGN_CHECK_CLAIMS", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    check_claims: bool,
    /// The file's digest in hexadecimal digits, where the file itself is not given.
    #[arg(long, env = "COSIGN_DIGEST", value_name = "HEX")]
    digest: Option<String>,
    /// The name of the hash that digest is of, or that the subjects are named by.
    #[arg(long = "digestAlg", env = "COSIGN_DIGESTALG", value_name = "HASH")]
    digest_alg: Option<String>,
    /// The file.
    #[arg(value_name = "BLOB")]
    blobs: Vec<String>,
}

/// Says `Verified OK`, or why not.
///
/// # Errors
/// When the attestation is of nobody trusted, about another file, or of another type.
pub(crate) async fn run(args: &Args, face: &Face) -> Result<(), Failure> {
    let given_file = args.blobs.first().map(String::as_str).filter(|name| !name.is_empty());
    let by_digest = args.digest.is_some() && args.digest_alg.is_some();
    if given_file.is_none() && !by_digest && args.check_claims {
        return Err(Failure::new(
            "must provide path to blob or digest and digestAlg; run 'cosign verify-blob-attestation -h' for more help",
        ));
    }
    if args.signature.is_none() && args.bundle.is_none() {
        return Err(Failure::new(
            "please specify path to the DSSE envelope signature via --signature or --bundle",
        ));
    }
    args.verifier.warn("blob attestation", face);
    if args.verifier.names_none() && args.bundle.is_none() {
        return Err(Failure::new(
            "provide a key with --key or --sk, a certificate to verify against with --certificate, or a bundle with --bundle",
        ));
    }
    args.verifier.agree()?;
    let file = match given_file.filter(|_| args.check_claims) {
        Some(name) => Some(blob::read_or_fetch(name, face).await?),
        None => None,
    };
    let algorithm = args.digest_alg.as_deref().unwrap_or("sha256");
    let hex = match (&file, &args.digest) {
        (Some(bytes), digest) => {
            if digest.is_some() {
                face.say("WARNING: Ignoring provided --digest in favor of provided blob");
            }
            Some(hashed(algorithm, bytes)?)
        }
        (None, digest) => digest.clone(),
    };
    let wanted = hex.as_deref().filter(|_| args.check_claims).map(|hex| Wanted::File { algorithm, hex });
    let checked = attestation(args, wanted, face).await?;
    let word = args.predicate_type.as_str();
    let found = &checked.statement.predicate_type;
    if found != predicate_type::uri_of(word) {
        return Err(Failure::new(format!("invalid predicate type, expected {word} got {found}")));
    }
    policy_input(word, &checked.statement).map_err(|error| Failure::new(cosign::policy_input(&error)))?;
    face.say("Verified OK");
    Ok(())
}

async fn attestation(
    args: &Args,
    wanted: Option<Wanted<'_>>,
    face: &Face,
) -> Result<CheckedAttestation, Failure> {
    let bundle = bundle_file(args.bundle.as_deref())?;
    if let Some(BundleFile::Sigstore(bundle)) = &bundle {
        let trust = args.verifier.trust("loading verifier from key opts", face).await?;
        return bundle_attestation(bundle, &trust, wanted)
            .map_err(|reason| Failure::new(cosign::in_bundle(&reason)));
    }
    legacy_flags(&args.verifier, args.rfc3161_timestamp.as_deref())?;
    let (envelope, signer, entry) = match (bundle, &args.signature) {
        (Some(BundleFile::Cosign(bundle)), _) => (bundle.signature, bundle.signer, bundle.entry),
        (_, Some(path)) => {
            let bytes = go_os::read(Path::new(path), MAX_LAYER_BYTES)
                .map_err(|failure| failure.context(&format!("reading {path}")))?;
            (bytes, None, None)
        }
        _ => return Err(Failure::new("missing flag '--signature'")),
    };
    let (trust, named, chain) = args.verifier.trust_of_file("loading verifier from key opts", face).await?;
    let mut beside = Beside {
        certificate: beside_certificate(named, signer)?,
        chain,
        entry,
        asked: Vec::new(),
        stamp: timestamp(args.rfc3161_timestamp.as_deref(), face).await?,
    };
    let mut checked = stored_attestation(&envelope, &beside, &trust, wanted);
    if let (Err(Reason::NoLogEntry), Some(log)) = (&checked, args.verifier.log(face)) {
        checked = match logged(Form::Envelope(&envelope), &mut beside, &trust, &log).await {
            Ok(()) => stored_attestation(&envelope, &beside, &trust, wanted),
            Err(reason) => Err(reason),
        };
    }
    checked.map_err(|reason| Failure::new(cosign::reason(&reason)))
}

fn hashed(algorithm: &str, bytes: &[u8]) -> Result<String, Failure> {
    let hash = Hash::from_name(algorithm).ok_or_else(|| {
        Failure::new(format!("unsupported digest algorithm {algorithm:?}: expected sha256, sha384 or sha512"))
    })?;
    Ok(rekor_client::digest(hash, bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
