//! The JSON of the protocol, as sigstore's client writes it.

use super::*;

fn about(resource: &str) -> InitOptions {
    InitOptions {
        ctx_deadline: None,
        protocol_version: VERSION.to_owned(),
        key_resource_id: resource.to_owned(),
        hash_func: hash_number(Hash::Sha256),
        rpc_options: RpcOptions::default(),
    }
}

#[test]
fn a_call_to_sign_is_written_as_sigstore_writes_it() {
    let mut request = Request::new(about("my-key"), "signMessage");
    request.sign_message = Some(SignMessage::default());
    assert_eq!(
        serde_json::to_string(&request).unwrap(),
        r#"{"initOptions":{"protocolVersion":"v1","keyResourceID":"my-key","hashFunc":5,"rpcOptions":{"keyVersion":"","remoteVerification":false}},"methodName":"signMessage","signMessage":{"signOptions":{"rpcOptions":{"keyVersion":"","remoteVerification":false},"messageOptions":{"digest":null}}}}"#
    );
}

#[test]
fn what_was_written_is_read_and_what_is_missing_is_nothing() {
    let mut request = Request::new(about("k"), "verifySignature");
    request.verify_signature =
        Some(VerifySignature { signature: Bytes(b"sig".to_vec()), verify_options: CallOptions::default() });
    let text = serde_json::to_string(&request).unwrap();
    let read: Request = serde_json::from_str(&text).unwrap();
    assert_eq!(read.verify_signature.unwrap().signature, Bytes(b"sig".to_vec()));
    let answer: Response = serde_json::from_str(r#"{"signMessage":{"signature":"YWJj"}}"#).unwrap();
    assert_eq!(answer.sign_message.unwrap().signature.0, b"abc");
    let answer: Response = serde_json::from_str(r#"{"errorMessage":"no"}"#).unwrap();
    assert_eq!((answer.error_message.as_str(), answer.public_key.is_none()), ("no", true));
    assert!(serde_json::from_str::<Response>(r#"{"signMessage":{"signature":"%"}}"#).is_err());
}

#[test]
fn hashes_have_gos_numbers() {
    for (hash, number) in [(Hash::Sha224, 4), (Hash::Sha256, 5), (Hash::Sha384, 6), (Hash::Sha512, 7)] {
        assert_eq!((hash_number(hash), hash_of_number(number)), (number, Some(hash)));
    }
    assert_eq!(hash_of_number(17), None);
}
