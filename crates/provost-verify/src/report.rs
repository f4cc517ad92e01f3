//! What was found beside an image: verified, refused, ignored.

use bytes::Bytes;
use provost_registry::Store;
use provost_statement::{Envelope, Statement};

use crate::check::{TrustedKey, check_attestation};
use crate::find::{FindRequest, Source, each_attestation};
use crate::reason::{Reason, Unchecked};

/// All attestations of an image under one key, each in storage order.
#[derive(Clone, Debug, Default)]
pub struct AttestationReport {
    /// Signed by the key, well-formed, about this image.
    pub verified: Vec<Verified>,
    /// Signed by the key, but of a form that is refused: each of them fails the image.
    pub refused: Vec<Refused>,
    /// Not the key's, or about another image: shown on request, of no effect.
    pub ignored: Vec<Ignored>,
}

/// An attestation that counts.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Where it lay.
    pub source: Source,
    /// The bytes it was stored as.
    pub stored: Bytes,
    /// The envelope.
    pub envelope: Envelope,
    /// The statement, read from the signed bytes.
    pub statement: Statement,
}

/// An attestation that a trusted key signed and we refuse.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Where it lay.
    pub source: Source,
    /// Why it is refused.
    pub reason: Reason,
}

/// An attestation that does not count.
#[derive(Clone, Debug, PartialEq)]
pub struct Ignored {
    /// Where it lay.
    pub source: Source,
    /// Why it does not count.
    pub reason: Reason,
}

impl AttestationReport {
    /// The reasons of everything that is not verified, in storage order within each kind.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        self.refused.iter().map(|r| &r.reason).chain(self.ignored.iter().map(|i| &i.reason))
    }
}

/// Finds and checks all attestations of an image under one key.
///
/// # Errors
/// When not all of them could be seen.
pub async fn verify_attestations(
    store: &dyn Store,
    request: &FindRequest<'_>,
    trusted: &TrustedKey,
    check_claims: bool,
) -> Result<AttestationReport, Unchecked> {
    let mut report = AttestationReport::default();
    each_attestation(store, request, |candidate| {
        match check_attestation(&candidate, trusted, request.image, check_claims) {
            Ok((envelope, statement)) => report.verified.push(Verified {
                source: candidate.source,
                stored: candidate.bytes,
                envelope,
                statement,
            }),
            Err(reason) if reason.fails_the_image() => {
                report.refused.push(Refused { source: candidate.source, reason });
            }
            Err(reason) => report.ignored.push(Ignored { source: candidate.source, reason }),
        }
    })
    .await?;
    Ok(report)
}
