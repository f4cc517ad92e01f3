//! What was found beside an image: verified, refused, ignored.

use std::pin::pin;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use futures_util::{Stream, TryStreamExt};
use provost_oci::Digest;
use provost_registry::Store;
use provost_statement::{Envelope, Statement};
use serde_json::Value;

use crate::asking::{AskedLog, ask, question_of};
use crate::check::{CheckedAttestation, check_attestation};
use crate::find::{
    Candidate, FETCHES_AT_ONCE, FindRequest, Source, are_small, each_attestation, fetched, places,
};
use crate::reason::{Reason, Unchecked};
use crate::trust::{Facts, Trust};

/// All attestations of an image under one attestor, each in storage order.
#[derive(Clone, Debug, Default)]
pub struct AttestationReport {
    /// Signed by someone trusted, well-formed, about this image.
    pub verified: Vec<Verified>,
    /// Signed by someone trusted, but of a form that is refused: each of them fails the image.
    pub refused: Vec<Refused>,
    /// Of nobody trusted, or about another image: shown on request, of no effect.
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
    /// Certificate, log, times.
    pub facts: Facts,
    /// Its place among all that were seen, from 0.
    pub position: usize,
}

/// An attestation that a trusted key signed and we refuse.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Where it lay.
    pub source: Source,
    /// Why it is refused.
    pub reason: Reason,
    /// Its place among all that were seen, from 0.
    pub position: usize,
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
    /// Checks one more candidate and files it.
    pub fn add(&mut self, candidate: Candidate, trust: &Trust, image: &Digest, check_claims: bool) {
        let position = self.verified.len() + self.refused.len() + self.ignored.len();
        let checked = check_attestation(&candidate, trust, image, check_claims);
        self.file(candidate, checked, position);
    }

    fn file(&mut self, candidate: Candidate, checked: Result<CheckedAttestation, Reason>, position: usize) {
        match checked {
            Ok(CheckedAttestation { envelope, statement, facts }) => self.verified.push(Verified {
                source: candidate.source,
                stored: candidate.bytes,
                envelope,
                statement,
                facts,
                position,
            }),
            Err(reason) if reason.fails_the_image() => {
                self.refused.push(Refused { source: candidate.source, reason, position });
            }
            Err(reason) => self.ignored.push(Ignored { source: candidate.source, reason }),
        }
    }

    /// The reasons of everything that is not verified, in storage order within each kind.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        self.refused.iter().map(|r| &r.reason).chain(self.ignored.iter().map(|i| &i.reason))
    }
}

/// How many attestations are verified between two answers; more have a thread of their own, which takes as long to
/// start as two signatures take to verify.
const CHECKED_BETWEEN: usize = 8;
/// How many small ones may wait for that thread, so that neither it nor the network does; of large ones, one.
const FETCHED_AHEAD: usize = 16;

/// Finds and checks all attestations of an image under one attestor; to be called in a tokio runtime.
///
/// # Errors
/// When not all of them could be seen.
pub async fn verify_attestations(
    store: &dyn Store,
    request: &FindRequest<'_>,
    trust: &Trust,
    check_claims: bool,
) -> Result<AttestationReport, Unchecked> {
    let places = places(store, request).await?;
    let is_few = places.len() <= CHECKED_BETWEEN;
    let ahead = if are_small(&places) { FETCHED_AHEAD } else { 1 };
    let mut candidates = pin!(fetched(store, request, places));
    if !is_few {
        return checked_aside(candidates, ahead, request.image, trust, check_claims).await;
    }
    let mut report = AttestationReport::default();
    while let Some(candidate) = candidates.try_next().await? {
        report.add(candidate, trust, request.image, check_claims);
    }
    Ok(report)
}

/// Checks candidates on a thread of its own while the next ones come in, so that a thousand attestations of strangers
/// keep no other request waiting.
async fn checked_aside(
    mut candidates: impl Stream<Item = Result<Candidate, Unchecked>> + Unpin,
    ahead: usize,
    image: &Digest,
    trust: &Trust,
    check_claims: bool,
) -> Result<AttestationReport, Unchecked> {
    let (found, mut waiting) = tokio::sync::mpsc::channel::<Candidate>(ahead);
    let (image, trust) = (image.clone(), trust.clone());
    let checker = tokio::task::spawn_blocking(move || {
        let mut report = AttestationReport::default();
        while let Some(candidate) = waiting.blocking_recv() {
            report.add(candidate, &trust, &image, check_claims);
        }
        report
    });
    while let Some(candidate) = candidates.try_next().await? {
        if found.send(candidate).await.is_err() {
            break;
        }
    }
    drop(found);
    checker.await.map_err(|_| Unchecked::Interrupted)
}

/// An attestation that a trusted attestor signed and that no stored log entry shows; and what to ask the log.
struct Unlogged {
    candidate: Candidate,
    proposed: Vec<Value>,
    position: usize,
}

/// The same where a log may be asked for the entries that are not stored.
///
/// Only what a trusted attestor signed is kept for that, so strangers' bytes do not pile up in memory.
///
/// # Errors
/// When not all of them could be seen, or the log did not answer: an attestation that cannot be checked might be the
/// one that fails.
pub async fn verify_attestations_asking(
    store: &dyn Store,
    request: &FindRequest<'_>,
    trust: &Trust,
    check_claims: bool,
    log: &dyn AskedLog,
) -> Result<AttestationReport, Unchecked> {
    let (mut report, mut position) = (AttestationReport::default(), 0);
    let mut unlogged: Vec<Unlogged> = Vec::new();
    each_attestation(store, request, |candidate| {
        let at = position;
        position += 1;
        let mut checked = check_attestation(&candidate, trust, request.image, check_claims);
        if matches!(checked, Err(Reason::NoLogEntry)) {
            match question_of(&candidate, trust) {
                Ok(Some(proposed)) => {
                    unlogged.push(Unlogged { candidate, proposed, position: at });
                    return;
                }
                Ok(None) => {}
                Err(reason) => checked = Err(reason),
            }
        }
        report.file(candidate, checked, at);
    })
    .await?;
    let answers = stream::iter(unlogged).map(async |one| (ask(log, &one.proposed).await, one));
    let mut answers = pin!(answers.buffered(FETCHES_AT_ONCE));
    while let Some((answer, Unlogged { mut candidate, position, .. })) = answers.next().await {
        let checked = match answer {
            Ok(entries) => {
                candidate.asked = entries;
                check_attestation(&candidate, trust, request.image, check_claims)
            }
            Err(Reason::LogUnasked(error)) => return Err(Unchecked::Log(error)),
            Err(reason) => Err(reason),
        };
        report.file(candidate, checked, position);
    }
    report.verified.sort_by_key(|one| one.position);
    report.refused.sort_by_key(|one| one.position);
    Ok(report)
}
