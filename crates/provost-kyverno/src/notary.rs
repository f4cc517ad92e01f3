//! `type: Notary`: certificates of the policy as the trust store, and attested artifacts among the referrers.

use jiff::Timestamp;
use provost_oci::Selector;
use provost_registry::Store;
use provost_sigstore::certificate::Certificate;
use provost_statement::json::{self, Limits};
use provost_verify::Unchecked;
use provost_verify::dialect::go_text;
use provost_verify::notation::{NotationFault, TrustStore, only_layer, referrers, verify};
use serde_json::{Map, Value};

use crate::attestors::Place;
use crate::attestors::held::Means;
use crate::outcome::{Construct, KeyFault};
use crate::policy::entry::Attestor;

/// The longest predicate read, Kyverno's limit: 10 MB.
const PREDICATE_LIMIT: u64 = 10_000_000;

/// Why an attestor of this kind is not satisfied.
#[derive(Debug)]
pub(crate) enum NotSigned {
    /// Its certificates cannot be used.
    Key(KeyFault),
    /// It names no certificates.
    Unsupported(Construct),
    /// None of the signatures counts.
    Faults(Vec<NotationFault>),
    /// It could not be found out.
    Unchecked(Unchecked),
}

impl From<Unchecked> for NotSigned {
    fn from(why: Unchecked) -> Self {
        Self::Unchecked(why)
    }
}

fn trust_store(means: Means<'_>, attestor: &Attestor) -> Result<TrustStore, NotSigned> {
    let Some(named) = &attestor.certificates else {
        return Err(NotSigned::Unsupported(Construct::EmptyAttestor));
    };
    let both = [named.cert.as_str(), named.cert_chain.as_str()].join("\n");
    let attempt = "failed to parse certificates";
    let fault = |reason| NotSigned::Key(KeyFault::Material { attempt, reason });
    let certificates =
        Certificate::all_from_pem(both.as_bytes()).map_err(|error| fault(go_text::certificate(&error)))?;
    if certificates.is_empty() {
        return Err(fault("the text holds no certificate".to_owned()));
    }
    let now: Timestamp = means.now;
    let ignore_revocation = means.anchors.is_some_and(|anchors| anchors.ignore_revocation);
    Ok(TrustStore { certificates, now, ignore_revocation })
}

/// Whether the image was signed by the attestor's certificates.
pub(crate) async fn signed(means: Means<'_>, attestor: &Attestor, place: Place<'_>) -> Result<(), NotSigned> {
    let trust = trust_store(means, attestor)?;
    let image = place.store.manifest(place.repository, &Selector::Digest(place.digest.clone())).await;
    let image = image.map_err(Unchecked::from)?;
    verify(place.store, place.repository, &image.descriptor(), &trust).await?.map_err(NotSigned::Faults)
}

/// The predicates of a type that the attestor's certificates signed: artifacts that refer to the image. What they did
/// not sign says nothing; Kyverno looks at the first artifact alone and fails where that one is not signed.
pub(crate) async fn predicates(
    means: Means<'_>,
    attestor: &Attestor,
    place: Place<'_>,
    kind: &str,
) -> Result<Vec<Option<Map<String, Value>>>, NotSigned> {
    let trust = trust_store(means, attestor)?;
    let store: &dyn Store = place.store;
    let mut found = Vec::new();
    let mut faults = Vec::new();
    for referrer in referrers(store, place.repository, place.digest, kind).await? {
        match verify(store, place.repository, &referrer, &trust).await? {
            Err(more) => faults.extend(more),
            Ok(()) => {
                let layer = only_layer(store, place.repository, &referrer, PREDICATE_LIMIT).await?;
                let document = layer.and_then(|(_, bytes)| json::parse(&bytes, Limits::STATEMENT).ok());
                found.push(match document {
                    Some(Value::Object(predicate)) => Some(predicate),
                    _ => None,
                });
            }
        }
    }
    if found.is_empty() { Err(NotSigned::Faults(faults)) } else { Ok(found) }
}
