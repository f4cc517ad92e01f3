//! RFC 3161 timestamps: a trusted authority's word that a signature existed at a time.

use jiff::Timestamp;
use sigstore_types::{DerCertificate, SignatureBytes, TimestampToken, TsaAuthority};
use sigstore_verify::tsa::verify_timestamp_for_authority;

use crate::certificate::Certificate;
use crate::window::Window;

/// The most timestamps of one bundle that are looked at, sigstore-go's limit.
pub const MAX_STAMPS: usize = 32;

/// A timestamp authority that is trusted.
#[derive(Clone, Debug)]
pub struct StampAuthority(TsaAuthority);

/// Why a timestamp says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StampFault {
    /// No authority is trusted.
    #[error("no timestamp authority is trusted")]
    NoAuthorities,
    /// None of the trusted authorities made it; each one's reason.
    #[error("no trusted authority made the timestamp: {}", .each.join("; "))]
    None {
        /// Why not, authority by authority.
        each: Vec<String>,
    },
}

impl StampAuthority {
    /// An authority by its chain, from the certificate that signs timestamps to the root.
    ///
    /// `None` where there are fewer than two certificates: a signer and a root.
    #[must_use]
    pub fn new(chain: &[Certificate], valid: Window) -> Option<Self> {
        let (leaf, rest) = chain.split_first()?;
        let (root, between) = rest.split_last()?;
        let der = |certificate: &Certificate| DerCertificate::new(certificate.der().to_vec());
        let window = match (valid.start, valid.end) {
            (None, None) => None,
            (start, end) => Some(sigstore_types::TimeRange::new(start.unwrap_or(Timestamp::MIN), end)),
        };
        Some(Self(TsaAuthority::new(der(leaf), between.iter().map(der).collect(), der(root), window)))
    }
}

/// The time a trusted authority gave these signed bytes.
///
/// # Errors
/// See [`StampFault`].
pub fn verify(token: &[u8], signed: &[u8], authorities: &[StampAuthority]) -> Result<Timestamp, StampFault> {
    if authorities.is_empty() {
        return Err(StampFault::NoAuthorities);
    }
    let token = TimestampToken::new(token.to_vec());
    let signed = SignatureBytes::new(signed.to_vec());
    let mut each = Vec::new();
    for authority in authorities {
        match verify_timestamp_for_authority(&token, &signed, &authority.0) {
            Ok(time) => return Ok(time),
            Err(error) => each.push(error.to_string()),
        }
    }
    Err(StampFault::None { each })
}

#[cfg(test)]
mod tests;
