//! Making summaries: which decisions may be vouched for, and writing them beside their images.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use provost_keys::{HashChoice, Signer};
use provost_kyverno::policy::Action;
use provost_kyverno::{Finding, Policy, Status};
use provost_oci::{Digest, Reference, Repository};
use provost_registry::Store;
use provost_sign::{AttachOptions, AttachedLayer, Dedup, KeyHint, attach_as, sign_envelope};
use provost_statement::statement::STATEMENT_V1;
use provost_statement::tag_scheme::{ENVELOPE_LAYER, SIGNATURE_ANNOTATION};
use provost_verify::find::{MAX_LAYER_BYTES, scheme_tag};
use provost_verify::{FindRequest, Formats, Trust, TrustedKey, verify_attestations};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{LEVEL, PASSED, PREDICATE_TYPE, policy_uri, resource_uri};
use crate::backlog::{Backlog, Load, Waiting, backlog};
use crate::hook::Hook;
use crate::record::{Basis, Decided};

/// How many summaries are remembered as made, of 200 bytes each; beyond it images are looked at again.
const REMEMBERED: usize = 50_000;
/// How long one summary may take: looking, signing in a service, writing and reading back.
const TIME: Duration = Duration::from_secs(60);

/// What is to be vouched for: one image under one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Where the image lies.
    pub repository: Repository,
    /// The image.
    pub image: Digest,
    /// The policy, as a URI.
    pub policy: String,
    /// The digest of what the policy says.
    pub policy_digest: Digest,
    /// When it was verified.
    pub at: Timestamp,
}

/// Who hears decisions for summaries.
#[must_use]
pub fn hears() -> (Backlog, mpsc::Receiver<Waiting>) {
    backlog(|decided| !plain_passes(decided).is_empty())
}

/// What a decision lets us vouch for; nothing unless all of it is a plain pass: judged, let in by the validating webhook,
/// by a caller who showed a certificate, not as a dry run, and no rule skipped, excepted, audited or in error.
#[must_use]
pub fn plain_passes(decided: &Decided) -> Vec<Summary> {
    let Some(judgement) = &decided.judgement else { return Vec::new() };
    let is_plain = decided.authenticated
        && !decided.dry_run
        && decided.is_allowed()
        && decided.basis == Basis::Judged
        && matches!(decided.hook, Hook::Validate(_))
        && judgement.notes.is_empty();
    if !is_plain {
        return Vec::new();
    }
    let outcomes =
        || judgement.policies.iter().flat_map(|policy| policy.verified.iter().chain(&policy.checked));
    if outcomes().any(|o| o.status != Status::Pass || o.action != Action::Enforce || o.tells) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for policy in &judgement.policies {
        let Some(stored) = stored(decided, &policy.namespace, &policy.name) else { continue };
        for outcome in &policy.verified {
            let verified =
                matches!(outcome.finding, Finding::Signatures | Finding::Attestations | Finding::Validated);
            // A tag is nothing to vouch for: it may name another image by now.
            let Some((repository, image)) = outcome.image.as_deref().and_then(pinned) else { continue };
            let summary = Summary {
                repository,
                image,
                policy: policy_uri(stored),
                policy_digest: stored.digest.clone(),
                at: decided.at,
            };
            if verified && !found.contains(&summary) {
                found.push(summary);
            }
        }
    }
    found
}

fn stored<'a>(decided: &'a Decided, namespace: &str, name: &str) -> Option<&'a Policy> {
    let mut policies = decided.sight.policies.iter();
    policies.find(|policy| policy.namespace == namespace && policy.name == name).map(AsRef::as_ref)
}

/// Repository and digest of an image that carries one.
fn pinned(image: &str) -> Option<(Repository, Digest)> {
    let reference: Reference = image.parse().ok()?;
    Some((reference.repository().clone(), reference.given_digest()?.clone()))
}

impl Summary {
    /// The statement's bytes, in the names of a verifier.
    #[must_use]
    pub fn statement(&self, verifier: &str) -> Vec<u8> {
        let digest = |digest: &Digest| json!({digest.algorithm().name(): digest.hex()});
        let statement = json!({
            "_type": STATEMENT_V1,
            "subject": [{"name": self.repository.to_string(), "digest": digest(&self.image)}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "verifier": {"id": verifier, "version": {"provost": env!("CARGO_PKG_VERSION")}},
                "timeVerified": self.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                "resourceUri": resource_uri(&self.repository),
                "policy": {"uri": self.policy, "digest": digest(&self.policy_digest)},
                "verificationResult": PASSED,
                "verifiedLevels": [LEVEL],
                "slsaVersion": "1.0",
            },
        });
        statement.to_string().into_bytes()
    }
}

/// Signs and stores summaries.
pub struct Summarizer {
    /// The registries, with the credentials to write.
    pub store: Arc<dyn Store>,
    /// The key that verdicts alone are signed with.
    pub key: Arc<dyn Signer>,
    /// The verifier's identity: a URI.
    pub verifier: String,
    /// After how long a summary is made anew: half the age that others accept.
    pub renewal: Duration,
    /// Hears remarks.
    pub say: crate::log::Say,
}

/// Why a summary was not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotStored {
    #[error("{0}")]
    Unchecked(String),
    #[error(transparent)]
    Key(#[from] provost_keys::KeyError),
    #[error(transparent)]
    Attach(#[from] provost_sign::AttachError),
}

impl Summarizer {
    /// Vouches for decisions one after another until nobody is left who could decide anything.
    pub async fn write(self, mut waiting: mpsc::Receiver<Waiting>, load: Arc<Load>) {
        let mut made: HashMap<(Digest, String, Digest), Timestamp> = HashMap::new();
        while let Some(one) = waiting.recv().await {
            for summary in plain_passes(&one.decided) {
                let Summary { image, policy, policy_digest, at, .. } = &summary;
                let key = (image.clone(), policy.clone(), policy_digest.clone());
                if made.get(&key).is_some_and(|before| is_fresh(*before, *at, self.renewal)) {
                    continue;
                }
                match tokio::time::timeout(TIME, self.store(&summary)).await {
                    Ok(Ok(_)) => {
                        if made.len() >= REMEMBERED {
                            made.clear();
                        }
                        made.insert(key, *at);
                    }
                    Ok(Err(error)) => {
                        load.drop_one();
                        (self.say)(&format!(
                            "a verdict about {}@{image} is not stored: {error}",
                            summary.repository
                        ));
                    }
                    Err(_) => {
                        load.drop_one();
                        (self.say)(&format!(
                            "a verdict about {}@{image} is not stored: no answer",
                            summary.repository
                        ));
                    }
                }
            }
        }
    }

    /// Stores a summary unless a fresh one of ours lies there; older ones of the same policy go, so that an image has one
    /// for each policy however often it is admitted. Returns whether one was written.
    pub(super) async fn store(&self, summary: &Summary) -> Result<bool, NotStored> {
        let trust = Trust::from(TrustedKey { key: self.key.public_key(), hash: HashChoice::Usual });
        let request = FindRequest {
            repository: &summary.repository,
            image: &summary.image,
            formats: Formats::TagScheme,
            layer_limit: MAX_LAYER_BYTES,
        };
        let unchecked = |why: &provost_verify::Unchecked| NotStored::Unchecked(format!("{why:?}"));
        let there = verify_attestations(self.store.as_ref(), &request, &trust, true).await;
        let there = there.map_err(|why| unchecked(&why))?;
        let mut replaced = Vec::new();
        for one in &there.verified {
            let text = |path: &str| one.statement.predicate().pointer(path).and_then(Value::as_str);
            let is_same = one.statement.predicate_type == PREDICATE_TYPE
                && text("/policy/uri") == Some(&summary.policy)
                && text("/verifier/id") == Some(&self.verifier);
            if !is_same {
                continue;
            }
            let time = text("/timeVerified").and_then(|time| time.parse::<Timestamp>().ok());
            let is_current = text(&format!("/policy/digest/{}", summary.policy_digest.algorithm().name()))
                == Some(summary.policy_digest.hex());
            if is_current && time.is_some_and(|time| is_fresh(time, summary.at, self.renewal)) {
                return Ok(false);
            }
            replaced.push(one.source.digest().clone());
        }
        let payload = summary.statement(&self.verifier);
        let envelope = sign_envelope(&payload, self.key.as_ref(), KeyHint::None).await?;
        let annotations = [(SIGNATURE_ANNOTATION, ""), ("predicateType", PREDICATE_TYPE)];
        let annotations: BTreeMap<String, String> =
            annotations.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let bytes = Bytes::from(envelope.to_json());
        let layer = AttachedLayer { media_type: ENVELOPE_LAYER.to_owned(), bytes, annotations };
        let tag = scheme_tag(&summary.image, "att");
        let options = AttachOptions { replaced, ..AttachOptions::default() };
        let store = self.store.as_ref();
        attach_as(store, &summary.repository, &tag, &layer, Dedup::Never, &options).await?;
        Ok(true)
    }
}

/// Whether something of that time need not be made anew now.
fn is_fresh(time: Timestamp, now: Timestamp, renewal: Duration) -> bool {
    let age = now.duration_since(time);
    age.is_negative() || age.unsigned_abs() < renewal
}
