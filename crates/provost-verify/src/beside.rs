//! What lies beside a signature of the tag scheme: certificate, chain, log entry, timestamp; and whether it all holds.
//!
//! The order is cosign's: timestamp, log, certificate with its path, identity and CT log, then the signature, the claims,
//! and last the certificate's time.

use jiff::Timestamp;
use provost_oci::Descriptor;
use provost_sigstore::annotation::{
    self, BUNDLE_ANNOTATION, CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION, TIMESTAMP_ANNOTATION,
};
use provost_sigstore::certificate::Certificate;
use provost_sigstore::entry_content::{self, SignedContent, Signer, What};
use provost_sigstore::log_entry::LogEntry;
use provost_sigstore::sct::{self, SctFault};
use provost_sigstore::{stamp, transparency};

use crate::reason::Reason;
use crate::times;
use crate::trust::{Attestor, Facts, LogRule, SctRule, Trust, Verifier};

/// What was stored with a signature. Nothing about it is verified.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// The certificate that is said to have signed.
    pub certificate: Option<Certificate>,
    /// The certificates above it, up to the root.
    pub chain: Vec<Certificate>,
    /// The log entry that was stored.
    pub entry: Option<LogEntry>,
    /// Log entries that the log was asked for.
    pub asked: Vec<LogEntry>,
    /// The timestamp that was stored.
    pub stamp: Option<Vec<u8>>,
}

impl Beside {
    /// Reads the annotations of a layer.
    ///
    /// # Errors
    /// The first annotation that is malformed.
    pub fn of_layer(layer: &Descriptor) -> Result<Self, Reason> {
        let text = |name: &str| layer.annotations.get(name).filter(|text| !text.is_empty());
        let certificate = match text(CERTIFICATE_ANNOTATION) {
            Some(pem) => Certificate::all_from_pem(pem.as_bytes())?.into_iter().next(),
            None => None,
        };
        let chain = match text(CHAIN_ANNOTATION) {
            Some(pem) => Certificate::all_from_pem(pem.as_bytes())?,
            None => Vec::new(),
        };
        let entry = text(BUNDLE_ANNOTATION).map(|text| annotation::log_entry(text)).transpose()?;
        let stamp =
            text(TIMESTAMP_ANNOTATION).map(|text| annotation::timestamp(text.as_bytes())).transpose()?;
        Ok(Self { certificate, chain, entry, asked: Vec::new(), stamp })
    }
}

/// A signature that is about to be verified.
pub(crate) struct Claimed<'a> {
    /// What a log entry must be about.
    pub(crate) what: What<'a>,
    /// The raw signature; `None` for attestations, whose signatures stand in the envelope.
    pub(crate) signature: Option<&'a [u8]>,
    /// What a timestamp must be about.
    pub(crate) stamped: &'a [u8],
}

/// Checks what lies beside a signature, then the signature by `verify`, then the certificate's time.
///
/// # Errors
/// The first thing that does not hold, in cosign's order.
pub(crate) fn check<T>(
    trust: &Trust,
    beside: &Beside,
    claimed: &Claimed<'_>,
    verify: impl FnOnce(&Verifier) -> Result<T, Reason>,
) -> Result<(T, Facts), Reason> {
    let mut facts = Facts { certificate: beside.certificate.clone(), ..Facts::default() };
    if let (true, Some(token)) = (trust.signed_timestamps, &beside.stamp) {
        let time = stamp::verify(token, claimed.stamped, &trust.material.stamp_authorities)?;
        facts.stamped_at = Some(time);
    }
    if trust.log == LogRule::Required {
        logged(trust, beside, claimed, &mut facts)?;
    }
    let mut above = Vec::new();
    let verifier = match &trust.attestor {
        Attestor::Key(key) => Verifier::of_key(key),
        Attestor::Certificate { certificate, above: path } => {
            above.clone_from(path);
            of_certificate(certificate)?
        }
        Attestor::Keyless(_) => {
            let certificate = beside.certificate.as_ref().ok_or(Reason::NoCertificate)?;
            above = certified(trust, certificate, &beside.chain)?.into_iter().skip(1).collect();
            of_certificate(certificate)?
        }
    };
    let value = verify(&verifier)?;
    let signer = match &trust.attestor {
        // A named certificate need not lie beside the signature; its time counts all the same.
        Attestor::Certificate { certificate, .. } => Some(certificate),
        _ => beside.certificate.as_ref(),
    };
    if let Some(certificate) = signer {
        let unasked = trust.log == LogRule::Ignored;
        times::check(certificate, &above, &facts, trust.now, unasked)?;
        if !matches!(trust.attestor, Attestor::Key(_)) {
            for at in times::known(&facts, trust.now) {
                path_at(trust, certificate, &beside.chain, at)?;
            }
        }
    }
    Ok((value, facts))
}

pub(crate) fn of_certificate(certificate: &Certificate) -> Result<Verifier, Reason> {
    let key = certificate.public_key().map_err(|error| Reason::CertificateKey(error.to_string()))?;
    Ok(Verifier::of_certificate(key))
}

/// The path of a certificate that names the identity and that a CT log has seen, as cosign asks them.
///
/// The path is built as of the certificate's own beginning; whether it held when the signature was made is asked later.
///
/// # Errors
/// The first thing that does not hold.
pub fn certified(
    trust: &Trust,
    certificate: &Certificate,
    chain: &[Certificate],
) -> Result<Vec<Certificate>, Reason> {
    let path = path_at(trust, certificate, chain, certificate.not_before())?;
    if let Attestor::Keyless(identity) = &trust.attestor {
        identity.matches(certificate)?;
    }
    if let SctRule::Required { detached } = &trust.sct {
        match (sct::has_embedded(certificate)?, detached) {
            (true, _) => sct::verify_embedded(&path, &trust.material.ct_logs)?,
            (false, Some(beside)) => sct::verify_detached(certificate, beside, &trust.material.ct_logs)?,
            (false, None) => return Err(SctFault::Missing.into()),
        }
    }
    Ok(path)
}

/// The path as of a moment, of an authority that may certify then.
fn path_at(
    trust: &Trust,
    certificate: &Certificate,
    chain: &[Certificate],
    at: Timestamp,
) -> Result<Vec<Certificate>, Reason> {
    let between = chain.split_last().map_or(&[][..], |(_, between)| between);
    // cosign looks at stored intermediates only where none are configured.
    let configured = trust.material.authorities.iter().any(|authority| !authority.intermediates.is_empty());
    let offered = if configured { &[] } else { between };
    let path = trust.material.path(certificate, offered, at);
    path.map_err(|fault| Reason::Chain { fault, from_trusted_root: trust.from_trusted_root })
}

/// Whether a trusted log has the signature: by the stored entry, else by those the log was asked for.
fn logged(trust: &Trust, beside: &Beside, claimed: &Claimed<'_>, facts: &mut Facts) -> Result<(), Reason> {
    let key = match &trust.attestor {
        Attestor::Key(trusted) => Some(trusted.key.to_der()),
        Attestor::Certificate { certificate, .. } => Some(certificate.public_key_der()),
        Attestor::Keyless(_) => None,
    };
    let signer = match (&beside.certificate, key) {
        (Some(certificate), Some(key)) if certificate.public_key_der() != key => {
            return Err(Reason::OtherCertificate);
        }
        (Some(certificate), _) => Signer::Certificate(certificate),
        (None, Some(key)) => Signer::Key(key),
        (None, None) => return Err(Reason::NoCertificate),
    };
    let content = SignedContent { what: claimed.what, signature: claimed.signature, signer };
    let stamped_at = facts.stamped_at.or_else(|| {
        let token = beside.stamp.as_ref()?;
        stamp::verify(token, claimed.stamped, &trust.material.stamp_authorities).ok()
    });
    let check = |entry: &LogEntry| {
        entry_content::is_about(entry, &content)?;
        Ok::<_, Reason>(transparency::verify_entry(entry, &trust.material.logs, || stamped_at)?)
    };
    if let Some(entry) = &beside.entry {
        facts.logged_at = check(entry)?.at;
        facts.logged = true;
        return Ok(());
    }
    let mut fault = Reason::NoLogEntry;
    for entry in &beside.asked {
        match check(entry) {
            Ok(seen) => {
                // The earliest time suffices, as in cosign.
                facts.logged_at = [facts.logged_at, seen.at].into_iter().flatten().min();
                (facts.logged, facts.log_asked) = (true, true);
            }
            Err(reason) => fault = reason,
        }
    }
    if facts.logged { Ok(()) } else { Err(fault) }
}
