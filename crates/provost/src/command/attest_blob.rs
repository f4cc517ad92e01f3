//! `provost attest-blob`: sign a statement about a file.
//!
//! Follows cosign 3.1 (cosign.md §3.5).

use std::path::{Path, PathBuf};

use provost_oci::Digest;
use provost_sign::layer::{CertField, certificate_pem, cosign_bundle, signature_bytes, timestamp_json};
use provost_sign::{Payload, attestation_statement};
use provost_sigstore::bundle_writing::NewBundle;
use provost_statement::{Limits, json};

use super::attest::PredicateFlags;
use super::blob;
use super::output_file::{save, save_bundle};
use super::signer::{SignerFlags, given};
use super::signing::{OldOutputs, Signing};
use super::verify_attestation::attachment_limit;
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// Sign a statement about a file.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    signer: SignerFlags,
    #[command(flatten)]
    predicate: PredicateFlags,
    /// The SHA-256 of the file in hexadecimal digits, where the file lies elsewhere.
    #[arg(long, value_name = "HEX")]
    hash: Option<String>,
    /// The file to write the bundle to.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// The file to write the envelope to, instead of standard output; only without a bundle.
    #[arg(long, value_name = "FILE")]
    output_signature: Option<PathBuf>,
    /// The file to write the statement to; only without a bundle.
    #[arg(long, value_name = "FILE")]
    output_attestation: Option<PathBuf>,
    /// The file to write the certificate to; only without a bundle.
    #[arg(long, alias = "output-cert", value_name = "FILE")]
    output_certificate: Option<PathBuf>,
    /// The file to write the timestamp to; only without a bundle.
    #[arg(long, value_name = "FILE")]
    rfc3161_timestamp_bundle: Option<PathBuf>,
    /// The file, or - for standard input.
    #[arg(value_name = "BLOB")]
    blobs: Vec<String>,
}

/// Signs, and writes what was asked for.
///
/// # Errors
/// When there is no such file or key, or what was asked for cannot be made.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    args.predicate.check()?;
    if args.signer.new_bundle_format && args.bundle.is_none() {
        return Err(Failure::new("must specify --bundle with --new-bundle-format"));
    }
    let statement_file = given(args.predicate.statement.as_ref());
    let name = match args.blobs.as_slice() {
        [] if statement_file.is_some() => "",
        _ if statement_file.is_none() => blob::only(&args.blobs)?,
        blobs => blobs.first().map(String::as_str).unwrap_or_default(),
    };
    let outputs = OldOutputs {
        signature: args.output_signature.as_deref(),
        attestation: args.output_attestation.as_deref(),
        certificate: args.output_certificate.as_deref(),
        timestamp: args.rfc3161_timestamp_bundle.as_deref(),
        ..OldOutputs::default()
    };
    let signing = Signing::prepare(&args.signer, outputs, args.bundle.is_some(), face).await?;
    if statement_file.is_some() == given(args.predicate.predicate.as_ref()).is_some() {
        return Err(Failure::new("one of --predicate or --statement must be set"));
    }
    args.predicate.check_entry_type()?;
    let statement = match statement_file {
        Some(file) => given_statement(file, face)?,
        None => statement(&args, name, face)?,
    };
    let services = signing.services(args.signer.tlog_upload);
    let failed = |failure: Failure| failure.context("creating bundle");
    let opened = signing.keypair(None, &services, face).await;
    let mut keypair = opened.map_err(|failure| failed(failure.context("getting keypair and token")))?;
    let payload = Payload::Statement(statement.clone());
    let bundle = signing.bundle(payload, &mut keypair, &services, face).await;
    let bundle = bundle.map_err(|failure| failed(failure.context("signing bundle")))?;
    if args.signer.new_bundle_format {
        return match &args.bundle {
            Some(file) => save_bundle(file, &bundle.to_json(), face),
            None => Ok(()),
        };
    }
    if let Some(file) = &args.bundle {
        let key = keypair.signer.public_key();
        save_bundle(file, &cosign_bundle(&bundle, &key, CertField::PemOrKey), face)?;
    }
    write_parts(&args, &statement, &bundle, face)
}

/// A statement that was written beforehand.
fn given_statement(file: &str, face: &Face) -> Result<Vec<u8>, Failure> {
    face.say(format!("Using statement from: {file}"));
    let read = go_os::read(Path::new(file), attachment_limit(face)?);
    let bytes = read.map_err(|failure| failure.context("could not read statement"))?;
    let failed = |failure: Failure| failure.context("invalid statement").context("invalid statement");
    let document = json::parse(&bytes, Limits::STATEMENT).map_err(|error| failed(error.into()))?;
    if document.is_object() { Ok(bytes) } else { Err(failed(Failure::new("it is no JSON object"))) }
}

/// The statement about a file.
fn statement(args: &Args, name: &str, face: &Face) -> Result<Vec<u8>, Failure> {
    let digits = match given(args.hash.as_ref()) {
        Some(digits) => digits.to_owned(),
        None => {
            if name != "-" {
                face.say(format!("Using payload from: {name}"));
            }
            Digest::sha256_of(&blob::read(name)?).hex().to_owned()
        }
    };
    let base = name.trim_end_matches('/').rsplit('/').next().filter(|base| !base.is_empty());
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let predicate = args.predicate.read(face)?;
    let word = &args.predicate.predicate_type;
    Ok(attestation_statement(word, &predicate, base.unwrap_or("."), &digits, &now)?)
}

/// Envelope, statement, certificate and timestamp, each where it was asked for.
fn write_parts(args: &Args, statement: &[u8], bundle: &NewBundle, face: &Face) -> Result<(), Failure> {
    let envelope = signature_bytes(bundle);
    match &args.output_signature {
        Some(file) => {
            save(file, &envelope).map_err(|failure| failure.context("create signature file"))?;
            face.say(format!("Signature written in {}", file.display()));
        }
        None => face.out(&envelope),
    }
    if let Some(file) = &args.output_attestation {
        save(file, statement).map_err(|failure| failure.context("create attestation file"))?;
        face.say(format!("Attestation written in {}", file.display()));
    }
    if let Some(file) = &args.output_certificate {
        let pem = certificate_pem(bundle);
        let pem = pem.ok_or_else(|| Failure::new("no certificate found in bundle"))?;
        save(file, pem.as_bytes()).map_err(|failure| failure.context("create certificate file"))?;
        face.say(format!("Certificate written to file  {}", file.display()));
    }
    if let Some(file) = &args.rfc3161_timestamp_bundle {
        let text = timestamp_json(bundle);
        let text = text.ok_or_else(|| Failure::new("no RFC3161 timestamp found in bundle"))?;
        save(file, text.as_bytes()).map_err(|failure| failure.context("create timestamp file"))?;
        face.say(format!("Timestamp wrote in the file  {}", file.display()));
    }
    Ok(())
}
