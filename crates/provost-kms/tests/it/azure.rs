//! Azure Key Vault: JSON Web Keys, signatures as two halves, tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use provost_keys::HashChoice;
use provost_kms::{KmsError, KmsKind};
use serde_json::json;

use crate::server::{Asked, Kept, Server, trusting};

fn vault(asked: &Asked) -> (u16, String) {
    if asked.line == "POST /tenant/oauth2/v2.0/token" {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        let proper = body.contains("scope=https%3A%2F%2Fvault.azure.net%2F.default")
            && (body.contains("client_secret=s") || body.contains("client_assertion=jwt"));
        assert!(proper, "{body}");
        return (200, json!({"access_token": "tok"}).to_string());
    }
    assert_eq!(asked.header("authorization"), "Bearer tok");
    let (x, y) = Kept::new(1).point();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match asked.line.as_str() {
        "GET /keys/k?api-version=7.4" => {
            let key = json!({"kid": "https://v/keys/k/0a1", "kty": "EC-HSM", "crv": "P-256", "x": encode(&x), "y": encode(&y)});
            (200, json!({"key": key}).to_string())
        }
        "POST /keys/k/0a1/sign?api-version=7.4" => {
            let body = asked.json();
            assert_eq!(body["alg"], "ES256");
            let digest = URL_SAFE_NO_PAD.decode(body["value"].as_str().unwrap()).unwrap();
            (200, json!({"value": encode(&Kept::new(1).halves(&digest))}).to_string())
        }
        "POST /keys/new/create?api-version=7.4" => {
            assert_eq!(asked.json()["crv"], "P-256");
            (403, json!({"error": {"code": "Forbidden", "message": "not yours"}}).to_string())
        }
        _ => (404, json!({"error": {"code": "KeyNotFound", "message": "no such key"}}).to_string()),
    }
}

#[tokio::test]
async fn halves_become_one_signature() {
    let (server, authority) = Server::tls(vault);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "jwt\n").unwrap();
    let (login, own) = (format!("https://{}/", server.address), server.address.to_string());
    let base = [
        ("AZURE_AUTHORITY_HOST", login.as_str()),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "app"),
        ("PROVOST_AZURE_VAULT", own.as_str()),
    ];
    for more in [("AZURE_CLIENT_SECRET", "s"), ("AZURE_FEDERATED_TOKEN_FILE", token.to_str().unwrap())] {
        let open = trusting(&[&base[..], &[more]].concat(), &[KmsKind::Azure], Some(authority.clone()));
        let signer = open.signer(&format!("azurekms://{}/k", server.address)).await.unwrap();
        assert_eq!(signer.public_key(), Kept::new(1).public());
        let signature = signer.sign(b"a statement").await.unwrap();
        assert_eq!(signer.public_key().verify(b"a statement", &signature, HashChoice::Usual), Ok(()));
        assert_eq!(
            open.create(&format!("azurekms://{}/k", server.address)).await.unwrap(),
            Kept::new(1).public()
        );
        let refused = open.create(&format!("azurekms://{}/new", server.address)).await.unwrap_err();
        assert!(
            matches!(&refused, KmsError::Refused { status: 403, message, .. } if message == "not yours"),
            "{refused}"
        );
    }
}

/// A token for vaults opens every vault, so nobody but a vault sees it, whatever a reference says.
#[tokio::test]
async fn a_host_that_is_no_vault_sees_no_token() {
    let (server, authority) =
        Server::tls(|asked| unreachable!("{} asked of a host that is no vault", asked.line));
    let login = format!("https://{}/", server.address);
    let variables = [
        ("AZURE_AUTHORITY_HOST", login.as_str()),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "app"),
        ("AZURE_CLIENT_SECRET", "s"),
    ];
    let open = trusting(&variables, &[KmsKind::Azure], Some(authority));
    let own = server.address.to_string();
    for host in [
        own.as_str(),
        "vault.azure.net",
        "evilvault.azure.net",
        "v.vault.azure.net.evil.example",
        "v.vault.azure.cn",
        "v.vault.azure.net@evil.example",
    ] {
        let refused = open.signer(&format!("azurekms://{host}/k")).await.unwrap_err();
        assert!(matches!(&refused, KmsError::Setting(_)), "{host}: {refused}");
    }
}
