//! From a certificate to a root that is trusted: paths, purposes, and times along them.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::ExtendedKeyUsage;

use crate::certificate::Certificate;

/// The most certificates offered for one path: webpki tries at most 200,000 steps, and honest chains have three.
pub const MAX_CHAIN: usize = 64;
/// Signing code, 1.3.6.1.5.5.7.3.3, as webpki wants it: without tag and length.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
const CODE_SIGNING_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");

/// Why no path leads from a certificate to a trusted root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// No trusted root signed it, directly or through the intermediates at hand.
    #[error("no trusted root has signed the certificate")]
    UnknownAuthority,
    /// A certificate on the path had ended at the time asked about.
    #[error("a certificate had expired: valid until {not_after}, asked about {at}")]
    Expired {
        /// The time asked about.
        at: Timestamp,
        /// When it ended.
        not_after: Timestamp,
    },
    /// A certificate on the path had not begun at the time asked about.
    #[error("a certificate was not yet valid: valid from {not_before}, asked about {at}")]
    NotYetValid {
        /// The time asked about.
        at: Timestamp,
        /// When it began.
        not_before: Timestamp,
    },
    /// The certificate, or an authority of it, is not for signing code.
    #[error("the certificate is not for signing code")]
    Usage,
    /// A certificate signed another although it is no authority, or an authority signed as a leaf.
    #[error("a certificate is used as an authority and is none, or the reverse")]
    NotAuthorized,
    /// An authority may not speak for these names.
    #[error("an authority on the path may not speak for these names")]
    NameConstraint,
    /// A critical extension that is not understood.
    #[error("a certificate has a critical extension that is not understood")]
    CriticalExtension,
    /// More certificates than are looked at.
    #[error("{found} certificates were offered for a path, at most {MAX_CHAIN} are looked at")]
    TooMany {
        /// How many there were.
        found: usize,
    },
    /// Anything else webpki minds.
    #[error("the certificate path does not hold: {0}")]
    Path(String),
}

/// A path that holds: the certificate first, the root last.
pub type Chain = Vec<Certificate>;

/// Finds a path from a certificate that signs code to one of the roots, as of `at`.
///
/// The leaf must name its purpose: one that names none is refused, where Go takes it for any. A root that is the
/// certificate itself ends the path at once, as in Go.
///
/// # Errors
/// See [`ChainFault`].
pub fn path(
    leaf: &Certificate,
    roots: &[Certificate],
    intermediates: &[Certificate],
    at: Timestamp,
) -> Result<Chain, ChainFault> {
    let offered = roots.len() + intermediates.len();
    if offered > MAX_CHAIN {
        return Err(ChainFault::TooMany { found: offered });
    }
    if roots.contains(leaf) {
        holds_at(leaf, at)?;
        return if signs_code(leaf) { Ok(vec![leaf.clone()]) } else { Err(ChainFault::Usage) };
    }
    let ders: Vec<CertificateDer<'_>> = roots.iter().map(|root| CertificateDer::from(root.der())).collect();
    // A root webpki cannot read trusts nothing; the others still count.
    let anchors: Vec<TrustAnchor<'_>> =
        ders.iter().filter_map(|der| webpki::anchor_from_trusted_cert(der).ok()).collect();
    let between: Vec<CertificateDer<'_>> =
        intermediates.iter().map(|certificate| CertificateDer::from(certificate.der())).collect();
    let der = CertificateDer::from(leaf.der());
    let entity = EndEntityCert::try_from(&der).map_err(|error| fault(&error))?;
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let verified = entity
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &between,
            time,
            KeyUsage::required_if_present(CODE_SIGNING),
            None,
            None,
        )
        .map_err(|error| fault(&error))?;
    let mut chain = vec![leaf.clone()];
    for step in verified.intermediate_certificates() {
        let der = step.der();
        chain.extend(intermediates.iter().find(|one| one.der() == der.as_ref()).cloned());
    }
    let anchor = verified.anchor();
    let root = roots.iter().find(|root| {
        let der = CertificateDer::from(root.der());
        webpki::anchor_from_trusted_cert(&der).is_ok_and(|one| {
            one.subject == anchor.subject && one.subject_public_key_info == anchor.subject_public_key_info
        })
    });
    // webpki's anchors have no times of their own; Go's roots do.
    if let Some(root) = root {
        holds_at(root, at)?;
        chain.push(root.clone());
    }
    // Authorities may leave their purpose open, as in Go; the leaf may not.
    if !signs_code(leaf) {
        return Err(ChainFault::Usage);
    }
    Ok(chain)
}

/// Whether a certificate holds at a moment.
///
/// # Errors
/// Which of its bounds is passed.
pub fn holds_at(certificate: &Certificate, at: Timestamp) -> Result<(), ChainFault> {
    if certificate.not_after() < at {
        return Err(ChainFault::Expired { at, not_after: certificate.not_after() });
    }
    if certificate.not_before() > at {
        return Err(ChainFault::NotYetValid { at, not_before: certificate.not_before() });
    }
    Ok(())
}

fn signs_code(certificate: &Certificate) -> bool {
    let usage = certificate.parsed().tbs_certificate().get_extension::<ExtendedKeyUsage>();
    matches!(usage, Ok(Some((_, usage))) if usage.0.contains(&CODE_SIGNING_ID))
}

fn fault(error: &webpki::Error) -> ChainFault {
    use webpki::Error as E;
    let stamp = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    };
    match error {
        E::UnknownIssuer | E::InvalidSignatureForPublicKey => ChainFault::UnknownAuthority,
        E::CertExpired { time, not_after } => {
            ChainFault::Expired { at: stamp(time), not_after: stamp(not_after) }
        }
        E::CertNotValidYet { time, not_before } => {
            ChainFault::NotYetValid { at: stamp(time), not_before: stamp(not_before) }
        }
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => ChainFault::Usage,
        E::CaUsedAsEndEntity | E::EndEntityUsedAsCa | E::PathLenConstraintViolated => {
            ChainFault::NotAuthorized
        }
        E::NameConstraintViolation => ChainFault::NameConstraint,
        E::UnsupportedCriticalExtension => ChainFault::CriticalExtension,
        other => ChainFault::Path(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
