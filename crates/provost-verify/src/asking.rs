//! Log entries that are stored nowhere: for which signatures a log is asked, and what it is asked.
//!
//! Only a signature that holds, by an attestor that is trusted, is asked about: what strangers put beside an image costs
//! no request. What a log answers widens no trust: it becomes [`Candidate::asked`], and each entry is then verified
//! against the trusted logs and compared with the signature as a stored one would be.

use std::future::Future;
use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_sigstore::certificate::Certificate;
use provost_sigstore::log_entry::LogEntry;
use provost_sigstore::rekor_client::LogSigner;
use provost_sigstore::rekor_search;
use provost_sigstore::service_client::ServiceError;
use provost_statement::Envelope;
use serde_json::Value;

use crate::beside::{Beside, certified, of_certificate};
use crate::check::signed_by;
use crate::find::{Candidate, SIGNATURE_ANNOTATION, Source};
use crate::reason::Reason;
use crate::signature::verify_raw;
use crate::trust::{Attestor, LogRule, Trust, Verifier};

/// A log that can be asked.
pub trait AskedLog: Send + Sync {
    /// The entries it has of those proposed; nothing about them is verified.
    fn entries<'a>(&'a self, proposed: &'a [Value]) -> Answer<'a>;
}

/// What a log answers, some time.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Vec<LogEntry>, ServiceError>> + Send + 'a>>;

/// What is signed, as a log enters it.
#[derive(Clone, Copy, Debug)]
pub enum Form<'a> {
    /// A message with this signature.
    Message {
        /// The bytes that are signed.
        message: &'a [u8],
        /// Their signature.
        signature: &'a [u8],
    },
    /// An envelope, as it is stored.
    Envelope(&'a [u8]),
}

/// The entries to ask a log for; `None` where it need not be asked: no log is required, or an entry is stored.
///
/// # Errors
/// Why the signature counts in no log: it is of nobody trusted.
pub fn question(form: Form<'_>, beside: &Beside, trust: &Trust) -> Result<Option<Vec<Value>>, Reason> {
    if trust.log != LogRule::Required || beside.entry.is_some() {
        return Ok(None);
    }
    let verifier = match &trust.attestor {
        Attestor::Key(key) => Verifier::of_key(key),
        Attestor::Certificate { certificate, .. } => of_certificate(certificate)?,
        Attestor::Keyless(_) => {
            let certificate = beside.certificate.as_ref().ok_or(Reason::NoCertificate)?;
            certified(trust, certificate, &beside.chain)?;
            of_certificate(certificate)?
        }
    };
    match form {
        Form::Message { message, signature } => verify_raw(&verifier, message, signature)?,
        Form::Envelope(stored) => {
            let envelope = Envelope::parse(stored).map_err(Reason::Envelope)?;
            signed_by(&verifier, &envelope, &envelope.signed_bytes())?;
        }
    }
    let key = verifier.key();
    let signer = LogSigner {
        kind: key.kind(),
        der: beside.certificate.as_ref().map_or_else(|| key.to_der(), Certificate::der),
        is_certificate: beside.certificate.is_some(),
    };
    Ok(Some(match form {
        Form::Message { message, signature } => rekor_search::message(message, signature, &signer),
        Form::Envelope(stored) => rekor_search::envelope(stored, &signer),
    }))
}

/// The same for what lay beside an image; bundles carry their entries themselves, as in cosign.
///
/// # Errors
/// As [`question`]; also what lies beside the signature and is malformed.
pub fn question_of(candidate: &Candidate, trust: &Trust) -> Result<Option<Vec<Value>>, Reason> {
    let Source::Layer(layer) = &candidate.source else { return Ok(None) };
    let beside = Beside::of_layer(layer)?;
    let text = layer.annotations.get(SIGNATURE_ANNOTATION).filter(|text| !text.is_empty());
    let signature = text.map(|text| STANDARD.decode(text).map_err(|_| Reason::SignatureEncoding));
    let signature = signature.transpose()?;
    let form = match &signature {
        Some(signature) => Form::Message { message: &candidate.bytes, signature },
        None => Form::Envelope(&candidate.bytes),
    };
    question(form, &beside, trust)
}

/// Asks a log.
///
/// # Errors
/// [`Reason::NotInLog`] where it has none of the entries, [`Reason::LogUnasked`] where it did not answer.
pub async fn ask(log: &dyn AskedLog, proposed: &[Value]) -> Result<Vec<LogEntry>, Reason> {
    let found = log.entries(proposed).await.map_err(|error| Reason::LogUnasked(Box::new(error)))?;
    if found.is_empty() { Err(Reason::NotInLog) } else { Ok(found) }
}
