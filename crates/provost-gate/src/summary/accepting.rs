//! Accepting summaries: SLSA's seven steps, then the policy's digest and the age.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use provost_keys::{HashChoice, PublicKey};
use provost_oci::{Digest, Repository};
use provost_registry::Store;
use provost_statement::Statement;
use provost_verify::find::MAX_LAYER_BYTES;
use provost_verify::{FindRequest, Formats, Reason, Trust, TrustedKey, Unchecked, verify_attestations};
use serde_json::Value;

use super::{LEVEL, PASSED, PREDICATE_TYPE};

/// How far ahead of our clock a summary's time may be.
const AHEAD: Duration = Duration::from_secs(60);

/// What a summary must say to be accepted.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The verifier that this key speaks for, and no other.
    pub verifier: String,
    /// Where images are fetched from.
    pub resource_uri: String,
    /// The digest of what the policy says.
    pub policy_digest: Digest,
    /// How old a summary may be.
    pub most_age: Duration,
}

/// A summary that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The policy, as a URI.
    pub policy: String,
    /// When it was verified.
    pub at: Timestamp,
}

/// Why a summary is not accepted: the step that does not hold, what was expected, and what was found.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// 1. None is signed by the key.
    #[error("no verification summary is signed by the key")]
    Unsigned,
    /// 1. The key signed something that is refused.
    #[error("an attestation that the key signed is refused: {}", .0.code())]
    Malformed(Reason),
    /// 2. It is about something else.
    #[error("the summary is not about {expected}")]
    Subject {
        /// The image.
        expected: Digest,
    },
    /// 3. It is something else.
    #[error("the predicate type is {found:?}, expected {PREDICATE_TYPE:?}")]
    PredicateType {
        /// The type.
        found: String,
    },
    /// 4. to 7., the policy's digest and the time: a field says something else.
    #[error("{field} is {found}, expected {expected}")]
    Field {
        /// The field of the predicate.
        field: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// It is too old, or from the future.
    #[error("timeVerified is {found}, expected at most {most_seconds} s before {now}")]
    Age {
        /// Its time.
        found: Timestamp,
        /// The present.
        now: Timestamp,
        /// How many seconds old it may be.
        most_seconds: u64,
    },
    /// It could not be found out.
    #[error("could not check: {0:?}")]
    Unchecked(Unchecked),
}

/// Judges a statement whose signature has been verified with the key that speaks for the expected verifier (step 1).
///
/// # Errors
/// The first step that does not hold.
pub fn judge(
    statement: &Statement,
    image: &Digest,
    expected: &Expected,
    now: Timestamp,
) -> Result<Accepted, Refused> {
    if !statement.is_about(image) {
        return Err(Refused::Subject { expected: image.clone() });
    }
    if statement.predicate_type != PREDICATE_TYPE {
        return Err(Refused::PredicateType { found: statement.predicate_type.clone() });
    }
    let predicate = statement.predicate();
    let is = |field: &'static str, path: &str, expected: &str| match predicate.pointer(path) {
        Some(Value::String(found)) if found == expected => Ok(()),
        found => Err(Refused::Field { field, expected: format!("{expected:?}"), found: shown(found) }),
    };
    is("verifier.id", "/verifier/id", &expected.verifier)?;
    is("resourceUri", "/resourceUri", &expected.resource_uri)?;
    is("verificationResult", "/verificationResult", PASSED)?;
    let levels = predicate.get("verifiedLevels");
    if !are_levels(levels) {
        let expected = format!("a list with {LEVEL:?}, at most one level of a track, and no failure");
        let field = "verifiedLevels";
        return Err(Refused::Field { field, expected, found: shown(levels) });
    }
    let digest = &expected.policy_digest;
    is("policy.digest", &format!("/policy/digest/{}", digest.algorithm().name()), digest.hex())?;
    let text = |path: &str| predicate.pointer(path).and_then(Value::as_str);
    let time = text("/timeVerified").and_then(|time| time.parse::<Timestamp>().ok());
    let Some(found) = time else {
        let (field, expected) = ("timeVerified", "a time as RFC 3339 writes it".to_owned());
        return Err(Refused::Field { field, expected, found: shown(predicate.get("timeVerified")) });
    };
    let age = now.duration_since(found);
    let is_ahead = age.is_negative() && age.unsigned_abs() > AHEAD;
    if is_ahead || (!age.is_negative() && age.unsigned_abs() > expected.most_age) {
        return Err(Refused::Age { found, now, most_seconds: expected.most_age.as_secs() });
    }
    Ok(Accepted { policy: text("/policy/uri").unwrap_or_default().to_owned(), at: found })
}

/// Whether these are levels as we state them: ours among them, and of no track two, for then nobody knows which holds.
fn are_levels(levels: Option<&Value>) -> bool {
    let Some(levels) = levels.and_then(Value::as_array) else { return false };
    let mut tracks = BTreeSet::new();
    levels.iter().any(|one| one == LEVEL)
        && levels.iter().all(|one| {
            let track = one.as_str().and_then(|level| level.split_once("_LEVEL_"));
            track.is_some_and(|(track, _)| tracks.insert(track))
        })
}

/// A field as errors show it: the beginning of its JSON.
fn shown(found: Option<&Value>) -> String {
    found.map_or_else(|| "absent".to_owned(), |found| crate::log::cut(&found.to_string(), 200))
}

/// Looks for an image's summaries in both formats; one that the key signed must hold, and no newer one of the same
/// verifier, resource and policy may say otherwise.
///
/// # Errors
/// Why none is accepted: of those that are summaries, the newest's; [`Refused::Unchecked`] where not all could be seen.
pub async fn accept(
    store: &dyn Store,
    repository: &Repository,
    image: &Digest,
    key: &PublicKey,
    expected: &Expected,
    now: Timestamp,
) -> Result<Accepted, Refused> {
    let trust = Trust::from(TrustedKey { key: key.clone(), hash: HashChoice::Usual });
    let request = FindRequest { repository, image, formats: Formats::Both, layer_limit: MAX_LAYER_BYTES };
    let report = verify_attestations(store, &request, &trust, true).await.map_err(Refused::Unchecked)?;
    if let Some(refused) = report.refused.first() {
        return Err(Refused::Malformed(refused.reason.clone()));
    }
    let mut newest: Option<(String, Result<Accepted, Refused>)> = None;
    for one in report.verified.iter().filter(|one| one.statement.predicate_type == PREDICATE_TYPE) {
        let text = |path: &str| {
            one.statement.predicate().pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let is_meant = text("/verifier/id") == expected.verifier
            && text("/resourceUri") == expected.resource_uri
            && text(&format!("/policy/digest/{}", expected.policy_digest.algorithm().name()))
                == expected.policy_digest.hex();
        let judged = judge(&one.statement, image, expected, now);
        // A summary by others or of another policy counts only as why there is none of ours; times of RFC 3339 in UTC
        // sort as they follow one another, and what has no such time is refused by the judgement.
        let rank = format!("{}{}", u8::from(is_meant), text("/timeVerified"));
        let replaces = match &newest {
            None => true,
            Some((known, Err(_))) if *known == rank => false,
            Some((known, _)) => rank >= *known,
        };
        if replaces {
            newest = Some((rank, judged));
        }
    }
    newest.map_or(Err(Refused::Unsigned), |(_, judged)| judged)
}
