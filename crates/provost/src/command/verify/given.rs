//! `verify --signature`: one signature from elsewhere, over a payload that is given or that `sign` would have written.

use provost_oci::Digest;
use provost_statement::SimpleSigning;
use provost_verify::asking::{Form, ask, question};
use provost_verify::find::MAX_LAYER_BYTES;
use provost_verify::signature::{SignatureClaims, check_stored_signature};
use provost_verify::{AskedLog, Attestor, Beside, Facts, Reason};
use serde_json::Value;

use super::found::{Signed, layer_words};
use super::{Check, Place};
use crate::command::signature_file;
use crate::failure::Failure;
use crate::key_reference::{self, Vouch};

/// Exit code where the signature does not count.
const NONE_MATCHES: u8 = 12;

/// The signature, where it counts.
pub(super) async fn signed(check: &Check<'_>, signature: &str, place: &Place<'_>) -> Result<Signed, Failure> {
    let raw = signature_file::read(signature, check.face).await?;
    let payload = match check.args.payload.as_deref().filter(|text| !text.is_empty()) {
        Some(reference) => {
            let limit = usize::try_from(MAX_LAYER_BYTES).unwrap_or(usize::MAX);
            key_reference::file_or_url(reference, limit, Vouch::Signature, check.face).await?.to_vec()
        }
        None => implied(place, check),
    };
    let counted = counted(check, &raw, &payload, &place.digest).await;
    let (parsed, facts) = counted.map_err(|reason| {
        let words = format!("no matching signatures: {}", layer_words(&reason));
        match reason {
            Reason::LogUnasked(_) => Failure::new(words),
            _ => Failure::coded(NONE_MATCHES, words),
        }
    })?;
    Ok(Signed {
        docker_reference: parsed.docker_reference,
        digest: parsed.digest,
        kind: parsed.kind,
        optional: parsed.optional,
        raw: Some(payload.into()),
        facts,
        beside: Vec::new(),
    })
}

/// The payload that `sign` writes for this image.
fn implied(place: &Place<'_>, check: &Check<'_>) -> Vec<u8> {
    let (repository, digest) = (&place.reference, &place.digest);
    check.face.say(format!("WARNING: using obsolete implied signature payload data (with digested reference {repository}@{digest}); specify it explicitly with --payload instead"));
    SimpleSigning::payload(repository, digest, &Value::Null)
}

async fn counted(
    check: &Check<'_>,
    signature: &[u8],
    payload: &[u8],
    image: &Digest,
) -> Result<(SimpleSigning, Facts), Reason> {
    let certificate = match &check.trust.attestor {
        Attestor::Certificate { certificate, .. } => Some(certificate.clone()),
        _ => None,
    };
    let mut beside = Beside { certificate, ..Beside::default() };
    let text = signature_file::base64(signature);
    let claims = SignatureClaims {
        image: Some(image).filter(|_| check.args.check_claims),
        annotations: &check.wanted,
    };
    let checked = check_stored_signature(payload, &text, &beside, &check.trust, claims);
    let (Err(Reason::NoLogEntry), Some(log)) = (&checked, &check.log) else { return checked };
    match question(Form::Message { message: payload, signature }, &beside, &check.trust)? {
        Some(proposed) => {
            beside.asked = ask(log as &dyn AskedLog, &proposed).await?;
            check_stored_signature(payload, &text, &beside, &check.trust, claims)
        }
        None => checked,
    }
}
