//! Signatures of the Notary Project: JWS envelopes among the referrers, by certificates that lead to a trust store.
//!
//! What holds is what notation's level "strict" asks of the scheme `notary.x509`: the envelope's signature, a path to a
//! certificate of the store both when it says it was signed and now, no expiry that has passed, and the artifact's own
//! descriptor. Whether a certificate was revoked cannot be found out without asking somebody, so one that can be revoked
//! counts only where the operator says so. Envelopes in COSE are not read.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use provost_keys::JoseAlgorithm;
use provost_oci::{Descriptor, Digest, ImageManifest, Repository, Selector};
use provost_registry::Store;
use provost_sigstore::certificate::Certificate;
use provost_sigstore::chain::{self, ChainFault};
use provost_statement::json::{self, Limits};
use serde_json::Value;

use crate::reason::Unchecked;

/// The artifact type of referrers that hold signatures.
pub const SIGNATURE_TYPE: &str = "application/vnd.cncf.notary.signature";
/// The media type of envelopes in JSON.
const JWS: &str = "application/jose+json";
/// The media type of what is signed.
const PAYLOAD_TYPE: &str = "application/vnd.cncf.notary.payload.v1+json";
/// Header parameters that this verifier understands.
const KNOWN: [&str; 3] =
    ["io.cncf.notary.signingScheme", "io.cncf.notary.expiry", "io.cncf.notary.authenticSigningTime"];
/// The most referrers of one artifact that are looked at, Kyverno's limit.
pub const MAX_REFERRERS: usize = 50;
/// The most signatures tried, Kyverno's limit.
const MAX_SIGNATURES: usize = 10;
/// The longest envelope read: 1 MiB, ten certificates of 2 KiB and a payload below 1 KiB fit many times.
const ENVELOPE_LIMIT: u64 = 1024 * 1024;

/// Whose signatures count, and as of when.
#[derive(Clone, Debug)]
pub struct TrustStore {
    /// The certificates that are trusted.
    pub certificates: Vec<Certificate>,
    /// The present.
    pub now: Timestamp,
    /// Whether certificates that may have been revoked count.
    pub ignore_revocation: bool,
}

/// Why a signature of the Notary Project does not count.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotationFault {
    /// No signature lies beside the artifact.
    #[error("no signature is associated with the artifact, make sure the artifact was signed successfully")]
    None,
    /// The envelope is of a kind that is not read.
    #[error("the signature envelope is {found:?}, expected {JWS}")]
    Kind {
        /// Its media type.
        found: String,
    },
    /// The envelope, or a field of it, is not what it must be.
    #[error("the signature envelope is malformed: {0}")]
    Malformed(&'static str),
    /// The signature is not the certificate's.
    #[error("the signature does not verify")]
    Signature,
    /// No path leads to the trust store.
    #[error("the signing certificate leads to no certificate of the trust store: {0}")]
    Chain(#[from] ChainFault),
    /// The signature has expired.
    #[error("the signature has expired on {0}")]
    Expired(Timestamp),
    /// The signature is another artifact's.
    #[error("the signature is about another artifact")]
    OtherArtifact,
    /// It cannot be found out whether a certificate was revoked.
    #[error(
        "a certificate of the signature may have been revoked, and nobody is asked: expected --insecure-ignore-revocation to let it count"
    )]
    Revocation,
}

/// Whether somebody of the trust store signed an artifact: nothing where one signature holds, or why each does not.
///
/// # Errors
/// Whatever kept us from seeing the signatures.
pub async fn verify(
    store: &dyn Store,
    repository: &Repository,
    target: &Descriptor,
    trust: &TrustStore,
) -> Result<Result<(), Vec<NotationFault>>, Unchecked> {
    let listed = referrers(store, repository, &target.digest, SIGNATURE_TYPE).await?;
    let mut faults = Vec::new();
    for referrer in listed.into_iter().take(MAX_SIGNATURES) {
        match envelope(store, repository, &referrer).await? {
            Err(fault) => faults.push(fault),
            Ok(bytes) => match check(&bytes, target, trust) {
                Ok(()) => return Ok(Ok(())),
                Err(fault) => faults.push(fault),
            },
        }
    }
    if faults.is_empty() {
        faults.push(NotationFault::None);
    }
    Ok(Err(faults))
}

/// The referrers of an artifact of one type.
///
/// # Errors
/// When they cannot be listed, or there are more than [`MAX_REFERRERS`].
pub async fn referrers(
    store: &dyn Store,
    repository: &Repository,
    target: &Digest,
    kind: &str,
) -> Result<Vec<Descriptor>, Unchecked> {
    let listed = store.referrers(repository, target).await?;
    if listed.len() > MAX_REFERRERS {
        return Err(Unchecked::TooManyLayers { found: listed.len(), limit: MAX_REFERRERS });
    }
    Ok(listed.into_iter().filter(|one| one.artifact_type.as_deref() == Some(kind)).collect())
}

/// The only layer of a referrer, at most `limit` bytes; `None` where there is not exactly one.
///
/// # Errors
/// When it cannot be read.
pub async fn only_layer(
    store: &dyn Store,
    repository: &Repository,
    referrer: &Descriptor,
    limit: u64,
) -> Result<Option<(Descriptor, bytes::Bytes)>, Unchecked> {
    let manifest = store.manifest(repository, &Selector::Digest(referrer.digest.clone())).await?;
    let Ok(view) = serde_json::from_slice::<ImageManifest>(&manifest.bytes) else { return Ok(None) };
    let [layer] = view.layers.as_slice() else { return Ok(None) };
    if layer.size > limit {
        return Err(Unchecked::LayerTooLarge { found: layer.size, limit });
    }
    let bytes = store.blob(repository, &layer.digest, layer.size).await?;
    Ok(Some((layer.clone(), bytes)))
}

async fn envelope(
    store: &dyn Store,
    repository: &Repository,
    referrer: &Descriptor,
) -> Result<Result<bytes::Bytes, NotationFault>, Unchecked> {
    let Some((layer, bytes)) = only_layer(store, repository, referrer, ENVELOPE_LIMIT).await? else {
        return Ok(Err(NotationFault::Malformed("expected a manifest with one layer")));
    };
    if layer.media_type != JWS {
        return Ok(Err(NotationFault::Kind { found: layer.media_type }));
    }
    Ok(Ok(bytes))
}

/// Checks one envelope.
///
/// # Errors
/// The first thing that does not hold.
pub fn check(bytes: &[u8], target: &Descriptor, trust: &TrustStore) -> Result<(), NotationFault> {
    use NotationFault::Malformed;
    let document = json::parse(bytes, Limits::ENVELOPE).map_err(|_| Malformed("expected JSON"))?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let protected = text("protected").ok_or(Malformed("expected a field protected"))?;
    let payload = text("payload").ok_or(Malformed("expected a field payload"))?;
    let signature = text("signature").and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let signature = signature.ok_or(Malformed("expected a signature in base64url"))?;
    let certificates = certificates(&document).ok_or(Malformed("expected certificates in header.x5c"))?;
    let (leaf, between) =
        certificates.split_first().ok_or(Malformed("expected a certificate in header.x5c"))?;
    let header = decoded(protected).ok_or(Malformed("expected JSON in base64url under protected"))?;
    let key = leaf.public_key().map_err(|_| Malformed("expected a key that is verified with"))?;
    let algorithm =
        JoseAlgorithm::of(key.kind()).ok_or(Malformed("expected a key that notation signs with"))?;
    if header.get("alg").and_then(Value::as_str) != Some(algorithm.name()) {
        return Err(Malformed("expected the algorithm of the certificate's key"));
    }
    let signed = format!("{protected}.{payload}");
    key.verify_jose(signed.as_bytes(), &signature, algorithm).map_err(|_| NotationFault::Signature)?;
    let (at, expiry) = signed_header(&header)?;
    for moment in [at, trust.now] {
        chain::path(leaf, &trust.certificates, between, moment)?;
    }
    if expiry.is_some_and(|expiry| trust.now > expiry) {
        return Err(NotationFault::Expired(expiry.unwrap_or(trust.now)));
    }
    let path = chain::path(leaf, &trust.certificates, between, trust.now)?;
    let revocable = path.iter().any(|one| !one.is_self_issued() && one.may_be_revoked());
    if revocable && !trust.ignore_revocation {
        return Err(NotationFault::Revocation);
    }
    let payload = decoded(payload).ok_or(Malformed("expected JSON in base64url under payload"))?;
    is_about(&payload, target)
}

fn decoded(text: &str) -> Option<Value> {
    json::parse(&URL_SAFE_NO_PAD.decode(text).ok()?, Limits::ENVELOPE).ok()
}

fn certificates(document: &Value) -> Option<Vec<Certificate>> {
    let list = document.pointer("/header/x5c")?.as_array()?;
    if list.len() > chain::MAX_CHAIN {
        return None;
    }
    let one = |item: &Value| Certificate::from_der(&STANDARD.decode(item.as_str()?).ok()?).ok();
    list.iter().map(one).collect()
}

/// When the signer says it signed, and until when the signature holds.
fn signed_header(header: &Value) -> Result<(Timestamp, Option<Timestamp>), NotationFault> {
    use NotationFault::Malformed;
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    if text("cty") != Some(PAYLOAD_TYPE) {
        return Err(Malformed("expected the payload type of the Notary Project"));
    }
    let critical = header.get("crit").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let critical: Option<Vec<&str>> = critical.iter().map(Value::as_str).collect();
    let critical = critical.ok_or(Malformed("expected texts under crit"))?;
    if critical.iter().any(|name| !KNOWN.contains(name)) {
        return Err(Malformed("a critical header parameter is not understood"));
    }
    // The other scheme is for authorities of another kind of trust store, which policies cannot name.
    if text("io.cncf.notary.signingScheme") != Some("notary.x509")
        || !critical.contains(&"io.cncf.notary.signingScheme")
    {
        return Err(Malformed("expected the signing scheme notary.x509, marked critical"));
    }
    let time = |name: &str| text(name).map(|text| text.parse::<Timestamp>());
    let at = match time("io.cncf.notary.signingTime") {
        Some(Ok(at)) => at,
        _ => return Err(Malformed("expected a signing time")),
    };
    match time("io.cncf.notary.expiry") {
        None if critical.contains(&"io.cncf.notary.expiry") => Err(Malformed("expected an expiry")),
        None => Ok((at, None)),
        Some(Ok(expiry)) if critical.contains(&"io.cncf.notary.expiry") => Ok((at, Some(expiry))),
        Some(_) => Err(Malformed("expected the expiry to be a time, marked critical")),
    }
}

fn is_about(payload: &Value, target: &Descriptor) -> Result<(), NotationFault> {
    let artifact = payload.get("targetArtifact").unwrap_or(&Value::Null);
    let text = |name: &str| artifact.get(name).and_then(Value::as_str);
    let same = text("digest") == Some(target.digest.to_string().as_str())
        && text("mediaType") == Some(target.media_type.as_str())
        && artifact.get("size").and_then(Value::as_u64) == Some(target.size);
    if same { Ok(()) } else { Err(NotationFault::OtherArtifact) }
}

#[cfg(test)]
mod tests;
