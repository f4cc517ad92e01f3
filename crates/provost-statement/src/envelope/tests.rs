//! Envelopes as they come, and what is refused.

use super::*;

#[test]
fn the_signed_bytes_are_dsses() {
    assert_eq!(pre_authentication_encoding("a/b", b"xyz"), b"DSSEv1 3 a/b 3 xyz");
}

#[test]
fn both_writings_keep_their_order() {
    let envelope = Envelope {
        payload_type: IN_TOTO_PAYLOAD.into(),
        payload: b"{}".to_vec(),
        signatures: vec![EnvelopeSignature { keyid: "k".into(), signature: Some(b"s".to_vec()) }],
    };
    let cosign = String::from_utf8(envelope.to_json()).unwrap();
    assert_eq!(
        cosign,
        r#"{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"k","sig":"cw=="}]}"#
    );
    let chains = String::from_utf8(envelope.to_chains_json()).unwrap();
    assert_eq!(
        chains,
        r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"keyid":"k","sig":"cw=="}]}"#
    );
    assert_eq!(Envelope::parse(cosign.as_bytes()).unwrap(), envelope);
    assert_eq!(Envelope::parse(chains.as_bytes()).unwrap(), envelope);
}

#[test]
fn what_is_no_envelope_is_refused() {
    let fault = |text: &str| Envelope::parse(text.as_bytes()).expect_err("no envelope");
    assert_eq!(fault(r#"{"payload":"***"}"#), EnvelopeError::Payload);
    assert_eq!(fault("[]"), EnvelopeError::Field { field: "document", expected: "object" });
    assert_eq!(fault(r#"{"payload":1}"#), EnvelopeError::Field { field: "payload", expected: "string" });
    assert!(matches!(fault(r#"{"payload":"","payload":""}"#), EnvelopeError::Json(_)));
    let many = format!(r#"{{"signatures":[{}]}}"#, vec![r#"{"sig":""}"#; 65].join(","));
    assert_eq!(fault(&many), EnvelopeError::TooManySignatures(65));
}

#[test]
fn a_signature_that_is_no_base64_is_kept_as_none() {
    let envelope = Envelope::parse(br#"{"payload":"","signatures":[{"sig":"*"}]}"#).unwrap();
    assert_eq!(envelope.signatures.first().unwrap().signature, None);
}

#[test]
fn what_strangers_write_beside_the_payload_does_not_fill_memory() {
    let text = format!(r#"{{"payload":"","signatures":[],"x":[{}0]}}"#, "0,".repeat(64 * 1024));
    let found = Envelope::parse(text.as_bytes());
    assert!(
        matches!(&found, Err(EnvelopeError::Json(error)) if matches!(error.fault, json::JsonFault::TooMany(_))),
        "{found:?}"
    );
}
