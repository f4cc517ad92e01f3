//! Sigstore bundles (v0.3) as they are written: what was signed, by whom, seen by which logs and clocks.
//!
//! Fields stand in the order protobuf's JSON writes them, and what is zero or empty is left out, as there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::Hash;
use provost_statement::{Envelope, go_json};
use serde::Serialize;
use serde_json::{Value, json};

use crate::log_entry::LogEntry;

/// The media type of a bundle, of its layer in a registry and of the artifact around it.
pub const BUNDLE_V03: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A bundle that is being made, and the parts of it that cosign's older forms take out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBundle {
    /// What was signed.
    pub content: Content,
    /// Who signed.
    pub signer: Material,
    /// What logs answered.
    pub log_entries: Vec<LogEntry>,
    /// The DER of timestamp responses (RFC 3161) over the signature.
    pub timestamps: Vec<Vec<u8>>,
}

/// What a bundle's signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A message that lies elsewhere.
    Message {
        /// The hash the signature was made with; none where the message itself was signed (pure Ed25519).
        hash: Option<Hash>,
        /// The message's digest by that hash.
        digest: Vec<u8>,
        /// The signature.
        signature: Vec<u8>,
    },
    /// A statement in its envelope.
    Envelope(Envelope),
}

impl Content {
    /// The signature that logs record and timestamps cover; empty where there is none.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        match self {
            Self::Message { signature, .. } => signature,
            Self::Envelope(envelope) => {
                envelope.signatures.first().and_then(|one| one.signature.as_deref()).unwrap_or_default()
            }
        }
    }
}

/// Who signed, as a bundle says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Material {
    /// A key, by the hint at it.
    PublicKey(String),
    /// The DER of a certificate.
    Certificate(Vec<u8>),
}

impl NewBundle {
    /// The bundle's JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        self.to_json_as(BUNDLE_V03)
    }

    /// The bundle's JSON under another spelling of its media type: `bundle create` writes the older one.
    #[must_use]
    pub fn to_json_as(&self, media_type: &str) -> Vec<u8> {
        let timestamps = self.timestamps.iter().map(|der| json!({"signedTimestamp": STANDARD.encode(der)}));
        let timestamps: Vec<Value> = timestamps.collect();
        let (public_key, certificate) = match &self.signer {
            Material::PublicKey(hint) => (Some(json!({"hint": hint})), None),
            Material::Certificate(der) => (None, Some(json!({"rawBytes": STANDARD.encode(der)}))),
        };
        let (message_signature, dsse_envelope) = match &self.content {
            Content::Message { hash, digest, signature } => {
                let message_digest = match hash {
                    Some(hash) => json!({"algorithm": hash_name(*hash), "digest": STANDARD.encode(digest)}),
                    None => json!({}),
                };
                let message = MessageSignature { message_digest, signature: STANDARD.encode(signature) };
                (Some(message), None)
            }
            Content::Envelope(envelope) => (None, Some(envelope_wire(envelope))),
        };
        go_json::plain(&Wire {
            media_type,
            verification_material: MaterialWire {
                public_key,
                certificate,
                tlog_entries: self.log_entries.iter().map(LogEntry::wire).collect(),
                timestamp_verification_data: (!timestamps.is_empty())
                    .then(|| json!({"rfc3161Timestamps": timestamps})),
            },
            message_signature,
            dsse_envelope,
        })
    }
}

/// protobuf's name of a hash.
#[must_use]
pub fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha224 => "SHA2_224",
        Hash::Sha256 => "SHA2_256",
        Hash::Sha384 => "SHA2_384",
        Hash::Sha512 => "SHA2_512",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    media_type: &'a str,
    verification_material: MaterialWire,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_signature: Option<MessageSignature>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<EnvelopeWire>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MaterialWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tlog_entries: Vec<crate::log_entry::Wire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp_verification_data: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageSignature {
    message_digest: Value,
    signature: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeWire {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureWire>,
}

#[derive(Serialize)]
struct SignatureWire {
    sig: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    keyid: String,
}

fn envelope_wire(envelope: &Envelope) -> EnvelopeWire {
    let signature = |one: &provost_statement::EnvelopeSignature| SignatureWire {
        sig: STANDARD.encode(one.signature.as_deref().unwrap_or_default()),
        keyid: one.keyid.clone(),
    };
    EnvelopeWire {
        payload: STANDARD.encode(&envelope.payload),
        payload_type: envelope.payload_type.clone(),
        signatures: envelope.signatures.iter().map(signature).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_bundle_is_written_in_protobufs_order() {
        let bundle = NewBundle {
            content: Content::Message { hash: Some(Hash::Sha384), digest: vec![1], signature: vec![2] },
            signer: Material::PublicKey("hint".to_owned()),
            log_entries: Vec::new(),
            timestamps: vec![vec![3]],
        };
        let expected = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"hint"},"timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":"Aw=="}]}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_384","digest":"AQ=="},"signature":"Ag=="}}"#;
        assert_eq!(String::from_utf8(bundle.to_json()).unwrap(), expected);
        assert_eq!(bundle.content.signature(), [2]);
    }

    #[test]
    fn an_envelope_bundle_names_its_certificate() {
        let signatures =
            vec![provost_statement::EnvelopeSignature { keyid: String::new(), signature: Some(vec![9]) }];
        let envelope = Envelope { payload_type: "t".to_owned(), payload: b"{}".to_vec(), signatures };
        let bundle = NewBundle {
            content: Content::Envelope(envelope),
            signer: Material::Certificate(vec![7]),
            log_entries: Vec::new(),
            timestamps: Vec::new(),
        };
        let expected = r#"{"mediaType":"m","verificationMaterial":{"certificate":{"rawBytes":"Bw=="}},"dsseEnvelope":{"payload":"e30=","payloadType":"t","signatures":[{"sig":"CQ=="}]}}"#;
        assert_eq!(String::from_utf8(bundle.to_json_as("m")).unwrap(), expected);
        assert_eq!(bundle.content.signature(), [9]);
    }
}
