//! The protocol between a program that wants signatures and one that keeps a key: sigstore's KMS plugins, version 1.
//!
//! The program is started once a call, with two arguments: the version, and a [`Request`] in JSON. What is to be signed
//! is its standard input; a [`Response`] in JSON is its standard output.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kind::Hash;

/// The version of the protocol, the program's first argument.
pub const VERSION: &str = "v1";
/// What stands before a plugin's name in the name of its program.
pub const PROGRAM_PREFIX: &str = "sigstore-kms-";

/// Go's number of a hash (`crypto.Hash`).
#[must_use]
pub fn hash_number(hash: Hash) -> u32 {
    match hash {
        Hash::Sha224 => 4,
        Hash::Sha256 => 5,
        Hash::Sha384 => 6,
        Hash::Sha512 => 7,
    }
}

/// The hash of a number; `None` for hashes nobody signs with here.
#[must_use]
pub fn hash_of_number(number: u32) -> Option<Hash> {
    [Hash::Sha224, Hash::Sha256, Hash::Sha384, Hash::Sha512]
        .into_iter()
        .find(|hash| hash_number(*hash) == number)
}

/// Bytes that are base64 in JSON, as Go's `[]byte` is; nothing where they are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            serializer.serialize_none()
        } else {
            serializer.serialize_str(&STANDARD.encode(&self.0))
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// One call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct Request {
    pub init_options: InitOptions,
    pub method_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_algorithm: Option<Empty>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supported_algorithms: Option<Empty>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_key: Option<CreateKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKeyCall>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_message: Option<SignMessage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_signature: Option<VerifySignature>,
}

/// Nothing: `{}`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Empty {}

/// Which key, and how it is used unless a call says otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct InitOptions {
    /// RFC 3339: when the caller gives up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctx_deadline: Option<String>,
    pub protocol_version: String,
    #[serde(rename = "keyResourceID")]
    pub key_resource_id: String,
    /// Go's number of the hash.
    pub hash_func: u32,
    #[serde(default)]
    pub rpc_options: RpcOptions,
}

/// Options of every call.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct RpcOptions {
    pub key_version: String,
    pub remote_verification: bool,
}

/// Options about the message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct MessageOptions {
    /// Where it is not empty it is signed in place of the message's hash.
    pub digest: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_func: Option<u32>,
}

/// Options of a call that has a message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct CallOptions {
    pub rpc_options: RpcOptions,
    pub message_options: MessageOptions,
}

/// The arguments of `createKey`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct CreateKey {
    pub algorithm: String,
}

/// The arguments of `publicKey`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct PublicKeyCall {
    pub public_key_options: PublicKeyOptions,
}

/// The options of `publicKey`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct PublicKeyOptions {
    pub rpc_options: RpcOptions,
}

/// The arguments of `signMessage`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct SignMessage {
    pub sign_options: CallOptions,
}

/// The arguments of `verifySignature`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct VerifySignature {
    pub signature: Bytes,
    pub verify_options: CallOptions,
}

/// What a call answers: an error, or the one part that belongs to the method.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct Response {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error_message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_algorithm: Option<DefaultAlgorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supported_algorithms: Option<SupportedAlgorithms>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_key: Option<PublicKeyPem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKeyPem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_message: Option<Signature>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_signature: Option<Empty>,
}

/// The answer of `defaultAlgorithm`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct DefaultAlgorithm {
    pub default_algorithm: String,
}

/// The answer of `supportedAlgorithms`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct SupportedAlgorithms {
    pub supported_algorithms: Vec<String>,
}

/// The answer of `publicKey` and of `createKey`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct PublicKeyPem {
    #[serde(rename = "publicKeyPEM")]
    pub public_key_pem: Bytes,
}

/// The answer of `signMessage`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each field is the protocol's own of that name")]
pub struct Signature {
    pub signature: Bytes,
}

impl Request {
    /// A call of this method, without arguments.
    #[must_use]
    pub fn new(init_options: InitOptions, method_name: &str) -> Self {
        Self {
            init_options,
            method_name: method_name.to_owned(),
            default_algorithm: None,
            supported_algorithms: None,
            create_key: None,
            public_key: None,
            sign_message: None,
            verify_signature: None,
        }
    }
}

#[cfg(test)]
mod tests;
