//! What a bundle shows beside its signature, and whether it all holds.
//!
//! The order is sigstore-go's: log entries, times, certificate with its path and CT log, then the signature and what it
//! is about, and last the identity.

use jiff::Timestamp;
use provost_sigstore::bundle_reading::{Bundle, BundleSigner};
use provost_sigstore::certificate::Certificate;
use provost_sigstore::entry_content::{self, SignedContent, Signer, What};
use provost_sigstore::transparency::{self, LogFault, is_rekor_v2};
use provost_sigstore::{sct, stamp};

use crate::reason::{BundleFault, Reason};
use crate::trust::{Attestor, Facts, LogRule, SctRule, Trust, Verifier};

/// Checks what a bundle shows, and its signature by `verify`.
///
/// # Errors
/// The first thing that does not hold, in sigstore-go's order.
pub(crate) fn check<T>(
    trust: &Trust,
    bundle: &Bundle,
    what: What<'_>,
    signature: &[u8],
    verify: impl FnOnce(&Verifier) -> Result<T, Reason>,
) -> Result<(T, Facts), Reason> {
    let certificates = match &bundle.signer {
        BundleSigner::Key => None,
        BundleSigner::Certificates(chain) => chain.split_first(),
    };
    let mut facts = Facts { certificate: certificates.map(|(leaf, _)| leaf.clone()), ..Facts::default() };
    if let Attestor::Keyless(identity) = &trust.attestor {
        identity.patterns()?;
    }
    let keyless = matches!(trust.attestor, Attestor::Keyless(_));
    if trust.log == LogRule::Required {
        let signer = match (&trust.attestor, certificates) {
            (_, Some((leaf, _))) => Signer::Certificate(leaf),
            (Attestor::Key(trusted), None) => Signer::Key(trusted.key.to_der()),
            (_, None) => return Err(Reason::Bundle(BundleFault::Key)),
        };
        logged(trust, bundle, &SignedContent { what, signature: Some(signature), signer }, &mut facts)?;
    }
    // Rekor v2 gives no time, so a certificate then needs a timestamp.
    let all_second = !bundle.entries.is_empty() && bundle.entries.iter().all(is_rekor_v2);
    let stamps = trust.signed_timestamps || (keyless && trust.log == LogRule::Required && all_second);
    if stamps {
        facts.stamped_at = Some(stamped(trust, bundle, signature)?);
    }
    let verifier = match (&trust.attestor, certificates) {
        (Attestor::Key(_) | Attestor::Certificate { .. }, Some(_)) => {
            return Err(Reason::Bundle(BundleFault::Certificate));
        }
        (Attestor::Keyless(_) | Attestor::Certificate { .. }, None) => {
            return Err(Reason::Bundle(BundleFault::Key));
        }
        (Attestor::Key(trusted), None) => Verifier::of_key(trusted),
        (Attestor::Keyless(_), Some((leaf, more))) => {
            certified(trust, leaf, more, &times(trust, stamps, &facts)?)?;
            let key = leaf.public_key().map_err(|error| Reason::CertificateKey(error.to_string()))?;
            Verifier::of_certificate(key)
        }
    };
    let value = verify(&verifier)?;
    if let (Attestor::Keyless(identity), Some((leaf, _))) = (&trust.attestor, certificates) {
        identity.matches_bundle(leaf)?;
    }
    Ok((value, facts))
}

/// As of when the certificate must hold: every time that was signed, or the present where none was asked for.
fn times(trust: &Trust, stamps: bool, facts: &Facts) -> Result<Vec<Timestamp>, Reason> {
    let signed: Vec<Timestamp> = [facts.stamped_at, facts.logged_at].into_iter().flatten().collect();
    match (signed.is_empty(), trust.log) {
        (false, _) => Ok(signed),
        (true, LogRule::Ignored) if !stamps => Ok(vec![trust.now]),
        (true, _) => Err(Reason::Bundle(BundleFault::NoTime)),
    }
}

fn certified(
    trust: &Trust,
    leaf: &Certificate,
    more: &[Certificate],
    times: &[Timestamp],
) -> Result<(), Reason> {
    let mut path = Vec::new();
    for at in times {
        path = trust
            .material
            .path(leaf, more, *at)
            .map_err(|fault| Reason::Chain { fault, from_trusted_root: trust.from_trusted_root })?;
    }
    match &trust.sct {
        SctRule::Ignored => Ok(()),
        SctRule::Required { .. } => Ok(sct::verify_embedded(&path, &trust.material.ct_logs)?),
    }
}

/// At least one entry must hold; entries of unknown logs, whose promise is not the log's, or of whose time
/// nobody tells where the log's key has an end, are passed over.
fn logged(
    trust: &Trust,
    bundle: &Bundle,
    content: &SignedContent<'_>,
    facts: &mut Facts,
) -> Result<(), Reason> {
    for (index, entry) in bundle.entries.iter().enumerate() {
        let same = |other: &provost_sigstore::log_entry::LogEntry| {
            other.log_id == entry.log_id && other.log_index == entry.log_index
        };
        if bundle.entries.iter().skip(index + 1).any(same) {
            return Err(Reason::Bundle(BundleFault::DuplicateEntries));
        }
    }
    let signature = content.signature.unwrap_or_default();
    let stamp = || stamped(trust, bundle, signature).ok();
    let mut none = Reason::Bundle(BundleFault::NotLogged);
    for entry in &bundle.entries {
        let seen = match transparency::verify_entry(entry, &trust.material.logs, stamp) {
            Ok(seen) => seen,
            Err(LogFault::UnknownLog { .. } | LogFault::Promise | LogFault::KeyNotValid) => continue,
            Err(fault @ LogFault::Untimed) => {
                none = fault.into();
                continue;
            }
            Err(fault) => return Err(fault.into()),
        };
        entry_content::is_about(entry, content)?;
        if let (Some(at), Signer::Certificate(leaf)) = (seen.at, content.signer)
            && (at < leaf.not_before() || at > leaf.not_after())
        {
            return Err(Reason::Bundle(BundleFault::TimeOutsideCertificate));
        }
        facts.logged = true;
        facts.logged_at = [facts.logged_at, seen.at].into_iter().flatten().min();
    }
    if facts.logged { Ok(()) } else { Err(none) }
}

fn stamped(trust: &Trust, bundle: &Bundle, signature: &[u8]) -> Result<Timestamp, Reason> {
    let mut fault = Reason::Bundle(BundleFault::NoStamp);
    for token in &bundle.stamps {
        match stamp::verify(token, signature, &trust.material.stamp_authorities) {
            Ok(time) => return Ok(time),
            Err(error) => fault = error.into(),
        }
    }
    Err(fault)
}
