//! From a request of the plugin protocol to its response.

use std::io;

use provost_keys::plugin_protocol::{
    Bytes, CallOptions, DefaultAlgorithm, Empty, PublicKeyPem, Request, Response, Signature,
    SupportedAlgorithms, VERSION, hash_of_number,
};
use provost_keys::{Hash, HashChoice};

use crate::token::{Token, TokenError};
use crate::uri::{Uri, UriError};

/// What the names of kinds of key are to sigstore's clients.
const KINDS: [&str; 6] = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "rsa-3072", "rsa-4096"];

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("protocol version {0:?} is not served, only v1: start this program through --key pkcs11:…")]
    Version(String),
    #[error("the request is no JSON of the protocol: {0}")]
    Request(#[from] serde_json::Error),
    #[error("unsupported method: {0}")]
    Method(String),
    #[error(
        "keys are not made on tokens by this program: make one with the token's own tool, as pkcs11-tool --keypairgen --key-type EC:prime256v1"
    )]
    Create,
    #[error("hash {0} is not supported: expected SHA-224, SHA-256, SHA-384 or SHA-512")]
    Hash(u32),
    #[error("reading the message: {0}")]
    Message(#[from] io::Error),
    #[error("the signature does not verify")]
    Signature,
    #[error(transparent)]
    Uri(#[from] UriError),
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Answers one call.
pub(crate) fn answer(
    version: &str,
    request: &str,
    variable: impl Fn(&str) -> Option<String>,
    message: impl FnOnce() -> io::Result<Vec<u8>>,
) -> Response {
    serve(version, request, variable, message)
        .unwrap_or_else(|fault| Response { error_message: fault.to_string(), ..Response::default() })
}

fn serve(
    version: &str,
    request: &str,
    variable: impl Fn(&str) -> Option<String>,
    message: impl FnOnce() -> io::Result<Vec<u8>>,
) -> Result<Response, Fault> {
    if version != VERSION {
        return Err(Fault::Version(version.to_owned()));
    }
    let request: Request = serde_json::from_str(request)?;
    let about = &request.init_options;
    let open = |sign: bool| -> Result<Token, Fault> {
        Ok(Token::open(Uri::parse(&about.key_resource_id, &variable)?, sign)?)
    };
    let mut response = Response::default();
    match request.method_name.as_str() {
        "defaultAlgorithm" => {
            let [first, ..] = KINDS;
            response.default_algorithm = Some(DefaultAlgorithm { default_algorithm: first.to_owned() });
        }
        "supportedAlgorithms" => {
            let supported_algorithms = KINDS.map(str::to_owned).to_vec();
            response.supported_algorithms = Some(SupportedAlgorithms { supported_algorithms });
        }
        "createKey" => return Err(Fault::Create),
        "publicKey" => {
            let pem = open(false)?.public_key().to_pem().into_bytes();
            response.public_key = Some(PublicKeyPem { public_key_pem: Bytes(pem) });
        }
        "signMessage" => {
            let options = request.sign_message.unwrap_or_default().sign_options;
            let hash = hash(&options, about.hash_func)?;
            let given = options.message_options.digest.0;
            let digest = if given.is_empty() { hash.of(&message()?) } else { given };
            let signature = Bytes(open(true)?.sign(&digest, hash)?);
            response.sign_message = Some(Signature { signature });
        }
        "verifySignature" => {
            let call = request.verify_signature.unwrap_or_default();
            let hash = hash(&call.verify_options, about.hash_func)?;
            let holds =
                open(false)?.public_key().verify(&message()?, &call.signature.0, HashChoice::Exactly(hash));
            holds.map_err(|_| Fault::Signature)?;
            response.verify_signature = Some(Empty {});
        }
        other => return Err(Fault::Method(other.to_owned())),
    }
    Ok(response)
}

fn hash(options: &CallOptions, usual: u32) -> Result<Hash, Fault> {
    let number = options.message_options.hash_func.unwrap_or(usual);
    hash_of_number(number).ok_or(Fault::Hash(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str) -> Response {
        let request = format!(
            r#"{{"initOptions":{{"protocolVersion":"v1","keyResourceID":"pkcs11:token=a;object=b?module-path=/none.so","hashFunc":5}},"methodName":"{method}"}}"#
        );
        answer("v1", &request, |_| None, || Ok(Vec::new()))
    }

    #[test]
    fn what_needs_no_token_is_answered_without_one() {
        assert_eq!(ask("defaultAlgorithm").default_algorithm.unwrap().default_algorithm, "ecdsa-p256");
        assert_eq!(ask("supportedAlgorithms").supported_algorithms.unwrap().supported_algorithms.len(), 6);
        assert!(ask("createKey").error_message.contains("pkcs11-tool"));
        assert_eq!(ask("x").error_message, "unsupported method: x");
        let missing = ask("signMessage").error_message;
        assert!(missing.starts_with("opening pkcs11 token key: access modulePath: /none.so: "), "{missing}");
        let old = answer("v0", "{}", |_| None, || Ok(Vec::new()));
        assert!(old.error_message.contains("\"v0\""), "{}", old.error_message);
        assert!(answer("v1", "{", |_| None, || Ok(Vec::new())).error_message.contains("JSON"));
    }
}
