//! Whether a certificate and those above it held when the signature was made.

use jiff::Timestamp;
use provost_sigstore::certificate::Certificate;
use provost_sigstore::chain::{ChainFault, holds_at};

use crate::trust::Facts;

/// Who says when a signature was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// A timestamp authority.
    Authority,
    /// A transparency log.
    Log,
    /// Nobody, so the certificate must hold now.
    Present {
        /// Whether that is because nobody was asked: the log is ignored and there is no timestamp.
        unasked: bool,
    },
}

/// A certificate did not hold when the signature was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} certificate did not hold at {at}: {fault}", if *.issuer { "an issuing" } else { "the" })]
pub struct TimeFault {
    /// Whether it is one above the signer's.
    pub issuer: bool,
    /// The time asked about.
    pub at: Timestamp,
    /// Who gave it.
    pub by: TimeSource,
    /// Which bound is passed.
    pub fault: ChainFault,
}

/// Every time that is known of a signature, or else the present.
pub(crate) fn known(facts: &Facts, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    sourced(facts, now, false).into_iter().map(|(at, _)| at)
}

fn sourced(facts: &Facts, now: Timestamp, unasked: bool) -> Vec<(Timestamp, TimeSource)> {
    let known = [(facts.stamped_at, TimeSource::Authority), (facts.logged_at, TimeSource::Log)];
    let mut times: Vec<_> = known.into_iter().filter_map(|(at, source)| Some((at?, source))).collect();
    if times.is_empty() {
        times.push((now, TimeSource::Present { unasked }));
    }
    times
}

/// Holds a certificate and those above it against every time that is known, or else against the present.
///
/// # Errors
/// The first bound that is passed.
pub(crate) fn check(
    certificate: &Certificate,
    above: &[Certificate],
    facts: &Facts,
    now: Timestamp,
    unasked: bool,
) -> Result<(), TimeFault> {
    for (at, source) in sourced(facts, now, unasked) {
        holds_at(certificate, at).map_err(|fault| TimeFault { issuer: false, at, by: source, fault })?;
        for one in above {
            holds_at(one, at).map_err(|fault| TimeFault { issuer: true, at, by: source, fault })?;
        }
    }
    Ok(())
}
