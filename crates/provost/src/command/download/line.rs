//! The line `download` prints of one stored thing, as cosign writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_oci::Descriptor;
use provost_statement::{Envelope, JsonError, Limits, go_json, json};
use provost_verify::bundle::BUNDLE_MEDIA_TYPE;
use provost_verify::find::SIGNATURE_ANNOTATION;
use serde::Serialize;
use serde_json::Value;

/// A signature of the tag scheme. The fields for certificates, logs and timestamps are null where there are none.
pub(super) fn signature(layer: &Descriptor, payload: &[u8]) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Line<'a> {
        base64_signature: &'a str,
        payload: String,
        cert: Option<&'a str>,
        chain: Option<&'a str>,
        bundle: Option<Value>,
        #[serde(rename = "RFC3161Timestamp")]
        timestamp: Option<Value>,
    }
    let text = |name: &str| layer.annotations.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let document = |name| text(name).and_then(|text| json::parse(text.as_bytes(), Limits::ENVELOPE).ok());
    go_json::escaped(&Line {
        base64_signature: text(SIGNATURE_ANNOTATION).unwrap_or_default(),
        payload: STANDARD.encode(payload),
        cert: text("dev.sigstore.cosign/certificate"),
        chain: text("dev.sigstore.cosign/chain"),
        bundle: document("dev.sigstore.cosign/bundle"),
        timestamp: document("dev.sigstore.cosign/rfc3161timestamp"),
    })
}

/// An envelope of the tag scheme: the stored texts, in cosign's order of fields.
///
/// # Errors
/// When the bytes are no strict JSON.
pub(in crate::command) fn envelope(bytes: &[u8]) -> Result<Vec<u8>, JsonError> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(rename = "payloadType")]
        payload_type: &'a str,
        payload: &'a str,
        signatures: Vec<Signature<'a>>,
    }
    #[derive(Serialize)]
    struct Signature<'a> {
        keyid: &'a str,
        sig: &'a str,
    }
    let document = json::parse(bytes, Limits::ENVELOPE)?;
    let signatures = document.get("signatures").and_then(Value::as_array).into_iter().flatten();
    Ok(go_json::escaped(&Line {
        payload_type: text(&document, "payloadType"),
        payload: text(&document, "payload"),
        signatures: signatures
            .map(|one| Signature { keyid: text(one, "keyid"), sig: text(one, "sig") })
            .collect(),
    }))
}

/// A field's text; empty where it has none.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A bundle without its blanks; `None` for what is no bundle, which cosign leaves out too.
pub(super) fn bundle(bytes: &[u8]) -> Option<Vec<u8>> {
    let document = json::parse(bytes, Limits::ENVELOPE).ok()?;
    let kind = document.get("mediaType").and_then(Value::as_str)?;
    kind.starts_with(BUNDLE_MEDIA_TYPE).then(|| compact(bytes))
}

/// The predicate type inside the payload of a printed line; unsigned hints do not decide what is shown.
pub(super) fn predicate_type(line: &[u8]) -> Option<String> {
    let document = json::parse(line, Limits::ENVELOPE).ok()?;
    let envelope = document.get("dsseEnvelope").unwrap_or(&document);
    let envelope = Envelope::parse(&go_json::plain(envelope)).ok()?;
    let statement = json::parse(&envelope.payload, Limits::STATEMENT).ok()?;
    statement.get("predicateType").and_then(Value::as_str).map(str::to_owned)
}

/// JSON without the blanks between its tokens; the order of fields stays.
fn compact(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let (mut inside, mut escaped) = (false, false);
    for &byte in json {
        match (inside, byte) {
            (false, b' ' | b'\t' | b'\r' | b'\n') => continue,
            (_, b'"') if !escaped => inside = !inside,
            _ => {}
        }
        escaped = inside && byte == b'\\' && !escaped;
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_go_and_texts_stay() {
        let text = br#"{ "a" : "x \" y\\" , "b": [1, 2 ] }"#;
        assert_eq!(compact(text), br#"{"a":"x \" y\\","b":[1,2]}"#);
    }

    #[test]
    fn what_is_no_bundle_has_no_line() {
        assert_eq!(bundle(b"{}"), None);
        assert_eq!(bundle(b"no json"), None);
        let kind = format!(r#"{{"mediaType": "{BUNDLE_MEDIA_TYPE}.v0.3+json"}}"#);
        assert_eq!(bundle(kind.as_bytes()), Some(kind.replace(": ", ":").into_bytes()));
    }
}
