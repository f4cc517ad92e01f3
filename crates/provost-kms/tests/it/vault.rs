//! Vault's transit engine: versions, engines, tokens, errors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provost_keys::{Hash, HashChoice, KeyError};
use provost_kms::{KmsError, KmsKind};
use serde_json::json;

use crate::server::{Kept, Server, opener};

const MESSAGE: &[u8] = b"a statement";

/// A transit engine whose key `team` has two versions.
fn transit() -> Server {
    Server::new(|asked| {
        if asked.header("x-vault-token") != "t0k" {
            return (403, json!({"errors": ["permission denied"]}).to_string());
        }
        let keys = [Kept::new(1), Kept::new(2)];
        match asked.line.as_str() {
            "GET /v1/transit/keys/team" | "GET /v1/deep/er/keys/team" => {
                let one = |key: &Kept| json!({"public_key": key.public().to_pem(), "name": "P-256"});
                let data = json!({"latest_version": 2, "type": "ecdsa-p256", "keys": {"1": one(&keys[0]), "2": one(&keys[1])}});
                (200, json!({"data": data}).to_string())
            }
            "POST /v1/transit/sign/team/sha2-256" | "POST /v1/transit/sign/team/sha2-512" => {
                let body = asked.json();
                assert_eq!((&body["prehashed"], &body["key_version"]), (&json!(true), &json!(2)));
                let signature = keys[1].base64(&body["input"]);
                (200, json!({"data": {"signature": format!("vault:v2:{signature}")}}).to_string())
            }
            "POST /v1/transit/keys/team" => {
                assert_eq!(asked.json(), json!({"type": "ecdsa-p256"}));
                (204, String::new())
            }
            _ => (404, json!({"errors": []}).to_string()),
        }
    })
}

#[tokio::test]
async fn the_latest_version_signs_and_the_one_named_verifies() {
    let server = transit();
    let address = format!("http://{}", server.address);
    let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "t0k")];
    let open = opener(&variables, &[KmsKind::Vault]);
    let signer = open.signer("hashivault://team").await.unwrap();
    assert_eq!((signer.public_key(), signer.hash()), (Kept::new(2).public(), Hash::Sha256));
    let signature = signer.sign(MESSAGE).await.unwrap();
    assert_eq!(signer.public_key().verify(MESSAGE, &signature, HashChoice::Exactly(Hash::Sha256)), Ok(()));
    let signature = signer.sign_exactly(MESSAGE, Hash::Sha512).await.unwrap();
    assert_eq!(signer.public_key().verify(MESSAGE, &signature, HashChoice::Exactly(Hash::Sha512)), Ok(()));
    assert_eq!(open.create("hashivault://team").await.unwrap(), Kept::new(2).public());

    assert_eq!(open.public_key("openbao://team").await.unwrap(), Kept::new(2).public());
    let first = opener(&[&variables[..], &[("VAULT_KEY_PREFIX", "vault:v1:")]].concat(), &[KmsKind::Vault]);
    assert_eq!(first.public_key("hashivault://team").await.unwrap(), Kept::new(1).public());
    assert_eq!(first.signer("hashivault://team").await.unwrap().public_key(), Kept::new(2).public());
}

#[tokio::test]
async fn engine_namespace_and_token_file_are_those_of_the_surroundings() {
    let server = transit();
    let address = format!("http://{}/", server.address);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".vault-token"), "t0k\n").unwrap();
    let variables = [
        ("BAO_ADDR", address.as_str()),
        ("HOME", home.path().to_str().unwrap()),
        ("TRANSIT_SECRET_ENGINE_PATH", "deep/er"),
        ("VAULT_NAMESPACE", "team-a"),
    ];
    opener(&variables, &[KmsKind::Vault]).public_key("hashivault://team").await.unwrap();
    let asked = &server.asked()[0];
    assert_eq!(
        (asked.line.as_str(), asked.header("x-vault-namespace")),
        ("GET /v1/deep/er/keys/team", "team-a")
    );
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let server = transit();
    let address = format!("http://{}", server.address);
    let ask = async |variables: &[(&str, &str)], reference: &str| {
        opener(variables, &[KmsKind::Vault]).signer(reference).await.unwrap_err()
    };
    let good = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "t0k")];
    assert_eq!(ask(&[], "hashivault://team").await.to_string(), "VAULT_ADDR or BAO_ADDR is not set");
    assert_eq!(
        ask(&good, "hashivault://a/b").await.to_string(),
        "kms specification should be in the format hashivault://<key>"
    );
    let denied = ask(&[good[0], ("VAULT_TOKEN", "x")], "hashivault://team").await;
    assert!(matches!(&denied, KmsError::Refused { status: 403, .. }), "{denied}");
    assert!(denied.to_string().ends_with("HTTP 403: permission denied"), "{denied}");
    assert!(matches!(ask(&good, "hashivault://other").await, KmsError::Refused { status: 404, .. }));
    let skip = ask(&[good[0], good[1], ("VAULT_SKIP_VERIFY", "1")], "hashivault://team").await;
    assert!(skip.to_string().contains("VAULT_CACERT"), "{skip}");
    let no_token = ask(&good[..1], "hashivault://team").await;
    assert!(no_token.to_string().starts_with("no Vault token found"), "{no_token}");
}

#[tokio::test]
async fn a_signature_by_another_key_is_not_handed_on() {
    let server = Server::new(|asked| {
        let data = if asked.line.starts_with("GET") {
            json!({"latest_version": 1, "keys": {"1": {"public_key": Kept::new(1).public().to_pem()}}})
        } else {
            json!({"signature": format!("vault:v1:{}", Kept::new(3).base64(&asked.json()["input"]))})
        };
        (200, json!({"data": data}).to_string())
    });
    let address = format!("http://{}", server.address);
    let open = opener(&[("VAULT_ADDR", &address), ("VAULT_TOKEN", "t")], &[KmsKind::Vault]);
    let error = open.signer("hashivault://k").await.unwrap().sign(MESSAGE).await.unwrap_err();
    assert!(
        matches!(&error, KeyError::Elsewhere { reference, .. } if reference == "hashivault://k"),
        "{error}"
    );
    assert!(error.to_string().contains("no signature under the key's public half"), "{error}");
}

#[tokio::test]
async fn ed25519_signs_the_message_itself() {
    let key = provost_keys::PrivateKey::from_pem(
        &std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/keys/import-pkcs8-ed25519.pem"))
            .unwrap(),
    )
    .unwrap();
    let public = key.public_key();
    let server = Server::new(move |asked| {
        let data = if asked.line.starts_with("GET") {
            let raw = key.public_key().to_der()[12..].to_vec();
            json!({"latest_version": 1, "type": "ed25519", "keys": {"1": {"public_key": STANDARD.encode(raw), "name": "ed25519"}}})
        } else {
            assert_eq!(asked.line, "POST /v1/transit/sign/k");
            let body = asked.json();
            assert_eq!(body["prehashed"], false);
            let message = STANDARD.decode(body["input"].as_str().unwrap()).unwrap();
            let signature = key.sign_exactly(&message, Hash::Sha512).unwrap();
            json!({"signature": format!("vault:v1:{}", STANDARD.encode(signature))})
        };
        (200, json!({"data": data}).to_string())
    });
    let address = format!("http://{}", server.address);
    let open = opener(&[("VAULT_ADDR", &address), ("VAULT_TOKEN", "t")], &[KmsKind::Vault]);
    let signer = open.signer("hashivault://k").await.unwrap();
    assert_eq!(signer.public_key(), public);
    let signature = signer.sign(MESSAGE).await.unwrap();
    assert_eq!(public.verify(MESSAGE, &signature, HashChoice::Exactly(Hash::Sha256)), Ok(()));
}
