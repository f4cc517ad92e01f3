//! Bundle files of both forms, and what is none.

use super::*;

fn fault(text: &str) -> Option<BlobFault> {
    read(text.as_bytes()).err()
}

#[test]
fn both_forms_are_read() {
    let sigstore = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{}},"messageSignature":{"signature":"YWI="}}"#;
    let Ok(BundleFile::Sigstore(bundle)) = read(sigstore.as_bytes()) else { panic!("{sigstore}") };
    assert!(matches!(bundle.content, BundleContent::Message { signature } if signature == b"ab"));
    let old = r#"{"base64Signature":"YWI=","cert":"","rekorBundle":null}"#;
    let Ok(BundleFile::Cosign(bundle)) = read(old.as_bytes()) else { panic!("{old}") };
    assert_eq!(bundle.signature, b"ab");
    assert!(bundle.signer.is_none() && bundle.entry.is_none());
}

#[test]
fn what_is_missing_is_named() {
    let bundle =
        |rest: &str| format!(r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",{rest}}}"#);
    let material = r#""verificationMaterial":{"publicKey":{}}"#;
    let cases = [
        ("{}".to_owned(), BlobFault::NoBundle),
        (r#"{"base64Signature":"%"}"#.to_owned(), BlobFault::Field("base64Signature")),
        (r#"{"base64Signature":""}"#.to_owned(), BlobFault::Field("base64Signature")),
        (r#"{"base64Signature":"YWI=","cert":"x"}"#.to_owned(), BlobFault::Field("cert")),
        (r#"{"base64Signature":"YWI=","rekorBundle":{}}"#.to_owned(), BlobFault::Field("rekorBundle")),
        (
            bundle(r#""messageSignature":{"signature":"YWI="}"#),
            BundleError::Field("verificationMaterial").into(),
        ),
        (bundle(material), BundleError::Field("dsseEnvelope or messageSignature").into()),
    ];
    for (text, expected) in cases {
        assert_eq!(fault(&text), Some(expected), "{text}");
    }
    assert!(matches!(fault(r#"{"a":1,"a":2}"#), Some(BlobFault::Json(_))));
}
