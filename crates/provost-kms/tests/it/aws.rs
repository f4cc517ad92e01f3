//! AWS KMS: references, endpoints, credentials, algorithms.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{Hash, HashChoice, KeyError};
use provost_kms::{KmsError, KmsKind};
use serde_json::json;

use crate::server::{Asked, Kept, Server, opener, trusting};

const MESSAGE: &[u8] = b"a statement";

fn kms(asked: &Asked) -> (u16, String) {
    if !asked.header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-west-1/kms/aws4_request, SignedHeaders=content-type;host;x-amz-date;")
    {
        return (400, json!({"__type": "x#IncompleteSignatureException", "message": "no"}).to_string());
    }
    let body = asked.json();
    match asked.header("x-amz-target") {
        "TrentService.GetPublicKey" if body["KeyId"] == "alias/gone" => {
            (400, json!({"__type": "NotFoundException", "message": "Alias is not found."}).to_string())
        }
        "TrentService.GetPublicKey" => {
            let algorithms =
                if body["KeyId"] == "alias/pss" { "RSASSA_PSS_SHA_256" } else { "ECDSA_SHA_256" };
            let der = STANDARD.encode(Kept::new(1).public().to_der());
            (200, json!({"PublicKey": der, "SigningAlgorithms": [algorithms]}).to_string())
        }
        "TrentService.Sign" => {
            assert_eq!(
                (&body["MessageType"], &body["SigningAlgorithm"]),
                (
                    &json!(if body["Message"].as_str().unwrap().len() == 44 { "DIGEST" } else { "RAW" }),
                    &json!("ECDSA_SHA_256")
                )
            );
            let given = STANDARD.decode(body["Message"].as_str().unwrap()).unwrap();
            let digest = if body["MessageType"] == "RAW" { Hash::Sha256.of(&given) } else { given };
            (200, json!({"Signature": STANDARD.encode(Kept::new(1).der(&digest))}).to_string())
        }
        "TrentService.CreateKey" => {
            assert_eq!(
                (&body["KeySpec"], &body["KeyUsage"]),
                (&json!("ECC_NIST_P256"), &json!("SIGN_VERIFY"))
            );
            (200, json!({"KeyMetadata": {"KeyId": "new"}}).to_string())
        }
        "TrentService.CreateAlias" => {
            assert_eq!(body, json!({"AliasName": "alias/gone", "TargetKeyId": "new"}));
            (200, String::new())
        }
        other => (400, json!({"__type": "UnknownOperationException", "message": other}).to_string()),
    }
}

const KEYS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_REGION", "eu-west-1")];

#[tokio::test]
async fn a_key_signs_with_the_way_it_has() {
    let server = Server::new(kms);
    let address = format!("http://{}", server.address);
    let variables =
        [&KEYS[..], &[("AWS_ENDPOINT_URL_KMS", address.as_str()), ("AWS_SESSION_TOKEN", "sess")]].concat();
    let open = opener(&variables, &[KmsKind::Aws]);
    let signer = open.signer("awskms:///alias/team").await.unwrap();
    let signature = signer.sign(MESSAGE).await.unwrap();
    assert_eq!(signer.public_key().verify(MESSAGE, &signature, HashChoice::Usual), Ok(()));
    // AWS takes no empty message, and none longer than 4,096 bytes.
    for hashed in [vec![b'x'; 4097], Vec::new()] {
        let signature = signer.sign(&hashed).await.unwrap();
        assert_eq!(signer.public_key().verify(&hashed, &signature, HashChoice::Usual), Ok(()));
    }
    let unsupported = signer.sign_exactly(MESSAGE, Hash::Sha512).await.unwrap_err();
    assert!(matches!(unsupported, KeyError::UnsupportedHash { hash: Hash::Sha512, .. }), "{unsupported}");
    assert!(server.asked().iter().all(|asked| asked.header("x-amz-security-token") == "sess"));
    let pss = open.signer("awskms:///alias/pss").await.unwrap_err();
    assert!(matches!(&pss, KmsError::NoAlgorithm { found, .. } if found == "RSASSA_PSS_SHA_256"), "{pss}");
}

#[tokio::test]
async fn an_endpoint_in_the_reference_is_asked_by_https() {
    let (server, authority) = Server::tls(kms);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, authority).unwrap();
    let reference = format!("awskms://{}/alias/team", server.address);
    let variables = [&KEYS[..], &[("AWS_CA_BUNDLE", file.to_str().unwrap())]].concat();
    opener(&variables, &[KmsKind::Aws]).public_key(&reference).await.unwrap();
    let distrusted = trusting(&KEYS, &[KmsKind::Aws], None).public_key(&reference).await.unwrap_err();
    assert!(matches!(distrusted, KmsError::Unreachable { .. }), "{distrusted}");
    let skipped = [&KEYS[..], &[("AWS_TLS_INSECURE_SKIP_VERIFY", "1")]].concat();
    let refused = opener(&skipped, &[KmsKind::Aws]).public_key(&reference).await.unwrap_err();
    assert!(refused.to_string().contains("AWS_CA_BUNDLE"), "{refused}");
}

#[tokio::test]
async fn a_missing_key_is_made_under_its_alias_alone() {
    let server = Server::new(kms);
    let address = format!("http://{}", server.address);
    let open = opener(&[&KEYS[..], &[("AWS_ENDPOINT_URL", address.as_str())]].concat(), &[KmsKind::Aws]);
    open.create("awskms:///alias/team").await.unwrap();
    assert_eq!(server.asked().len(), 1);
    // The fake forgets what it made, so the last look finds nothing again; what was asked is what counts.
    assert!(
        matches!(open.create("awskms:///alias/gone").await, Err(KmsError::Refused { code, .. }) if code == "NotFoundException")
    );
    let targets: Vec<_> =
        server.asked().iter().skip(1).map(|asked| asked.header("x-amz-target").to_owned()).collect();
    let expected =
        ["GetPublicKey", "CreateKey", "CreateAlias", "GetPublicKey"].map(|one| format!("TrentService.{one}"));
    assert_eq!(targets, expected);
    let by_id = open.create("awskms:///1234abcd-12ab-34cd-56ef-1234567890ab").await.unwrap_err();
    assert_eq!(by_id.to_string(), "creating key: must use alias key format");
}

#[tokio::test]
async fn credentials_come_from_files_containers_and_roles() {
    let server = Server::new(|asked| match asked.line.as_str() {
        "GET /creds" => {
            assert_eq!(asked.header("authorization"), "pod");
            (200, json!({"AccessKeyId": "AKID", "SecretAccessKey": "s", "Token": "t"}).to_string())
        }
        "POST /" if asked.header("content-type") == "application/x-www-form-urlencoded" => {
            let body = String::from_utf8_lossy(&asked.body).into_owned();
            assert!(body.contains("RoleArn=arn%3Arole") && body.contains("WebIdentityToken=jwt"), "{body}");
            let xml = "<R><AccessKeyId>AKID</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken></R>";
            (200, xml.to_owned())
        }
        "PUT /latest/api/token" => (200, "m".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/" => (200, "role\n".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/role" => {
            assert_eq!(asked.header("x-aws-ec2-metadata-token"), "m");
            (200, json!({"AccessKeyId": "AKID", "SecretAccessKey": "s", "Token": "t"}).to_string())
        }
        _ => kms(asked),
    });
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(
        home.path().join(".aws/credentials"),
        "[team]\naws_access_key_id = AKID\naws_secret_access_key = s\n[sso]\nsso_session = x\n",
    )
    .unwrap();
    std::fs::write(home.path().join(".aws/config"), "[profile team]\nregion = eu-west-1\n").unwrap();
    let token = home.path().join("jwt");
    std::fs::write(&token, "jwt\n").unwrap();
    let (home, address) = (home.path().to_str().unwrap().to_owned(), format!("http://{}", server.address));
    let creds = format!("{address}/creds");
    let base = [("AWS_ENDPOINT_URL", address.as_str()), ("HOME", home.as_str())];
    let region = ("AWS_REGION", "eu-west-1");
    for more in [
        vec![("AWS_PROFILE", "team")],
        vec![
            region,
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", creds.as_str()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod"),
        ],
        vec![region, ("AWS_ROLE_ARN", "arn:role"), ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap())],
        vec![region, ("AWS_EC2_METADATA_SERVICE_ENDPOINT", address.as_str())],
    ] {
        let open = opener(&[&base[..], &more].concat(), &[KmsKind::Aws]);
        open.public_key("awskms:///alias/team").await.unwrap_or_else(|error| panic!("{more:?}: {error}"));
    }
    for (more, words) in [
        (("AWS_PROFILE", "nobody"), "no profile \"nobody\""),
        (("AWS_PROFILE", "sso"), "sso_session, which is not supported"),
        (
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/"),
            "neither https nor an address of this machine",
        ),
        (("AWS_EC2_METADATA_DISABLED", "true"), "no AWS credentials found"),
    ] {
        let open = opener(&[&base[..], &[region, more]].concat(), &[KmsKind::Aws]);
        let error = open.public_key("awskms:///alias/team").await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let nowhere = opener(&KEYS[..2], &[KmsKind::Aws]).public_key("awskms:///alias/team").await.unwrap_err();
    assert!(nowhere.to_string().contains("no region"), "{nowhere}");
}
