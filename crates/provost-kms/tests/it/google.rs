//! Google Cloud KMS: versions, tokens of service accounts, made keys.

use provost_keys::HashChoice;
use provost_kms::{KmsError, KmsKind};
use serde_json::json;

use crate::server::{Asked, Kept, Server, opener};

const KEY: &str = "projects/p/locations/global/keyRings/r/cryptoKeys/k";

fn kms(asked: &Asked) -> (u16, String) {
    if asked.line == "POST /token" {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        let jwt = body.contains("grant-type%3Ajwt-bearer&assertion=ey");
        assert!(jwt || body.contains("refresh_token=again"), "{body}");
        return (200, json!({"access_token": "tok"}).to_string());
    }
    if asked.header("authorization") != "Bearer tok" {
        let error = json!({"status": "UNAUTHENTICATED", "message": "who?"});
        return (401, json!({"error": error}).to_string());
    }
    let version = |number: u32, state: &str| json!({"name": format!("{KEY}/cryptoKeyVersions/{number}"), "state": state});
    let path = asked.line.replace(KEY, "KEY").replace("/projects/p/locations/global", "/LOC");
    match path.as_str() {
        "GET /v1/KEY" | "GET /v1/LOC/keyRings/r" => (200, json!({"purpose": "ASYMMETRIC_SIGN"}).to_string()),
        "GET /v1/KEY/cryptoKeyVersions?filter=state%3DENABLED&orderBy=name+desc" => {
            let versions = [version(9, "ENABLED"), version(10, "ENABLED"), version(11, "DISABLED")];
            (200, json!({"cryptoKeyVersions": versions}).to_string())
        }
        "GET /v1/KEY/cryptoKeyVersions/10/publicKey" => {
            let pem = Kept::new(1).public().to_pem();
            (200, json!({"pem": pem, "algorithm": "EC_SIGN_P256_SHA256"}).to_string())
        }
        "GET /v1/KEY/cryptoKeyVersions/1/publicKey" => {
            let pem = Kept::new(1).public().to_pem();
            (200, json!({"pem": pem, "algorithm": "RSA_SIGN_PSS_2048_SHA256"}).to_string())
        }
        "POST /v1/KEY/cryptoKeyVersions/10:asymmetricSign" => {
            (200, json!({"signature": Kept::new(1).base64(&asked.json()["digest"]["sha256"])}).to_string())
        }
        "GET /v1/LOC/keyRings/new" => (404, json!({"error": {"status": "NOT_FOUND"}}).to_string()),
        "POST /v1/LOC/keyRings?keyRingId=new" => (403, json!({"error": {"message": "no rings"}}).to_string()),
        other => (400, json!({"error": {"message": other}}).to_string()),
    }
}

#[tokio::test]
async fn the_greatest_enabled_version_signs() {
    let server = Server::new(kms);
    let address = format!("http://{}", server.address);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials.json");
    let key = include_str!("../../../../corpus/keys/import-pkcs1-2048.pem");
    let account = json!({
        "type": "service_account", "token_uri": format!("{address}/token"), "client_email": "a@b",
        "private_key": key, "private_key_id": "1",
    });
    let user = json!({
        "type": "authorized_user", "token_uri": format!("{address}/token"), "client_id": "i", "client_secret": "s",
        "refresh_token": "again",
    });
    let variables = [
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", address.as_str()),
        ("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap()),
    ];
    let open = opener(&variables, &[KmsKind::Google]);
    for credentials in [account, user] {
        std::fs::write(&file, credentials.to_string()).unwrap();
        let signer = open.signer(&format!("gcpkms://{KEY}")).await.unwrap();
        let signature = signer.sign(b"a statement").await.unwrap();
        assert_eq!(signer.public_key().verify(b"a statement", &signature, HashChoice::Usual), Ok(()));
    }
    let pss = open.signer(&format!("gcpkms://{KEY}/cryptoKeyVersions/1")).await.unwrap_err();
    assert!(matches!(pss, KmsError::NoAlgorithm { .. }), "{pss}");
    assert_eq!(open.create(&format!("gcpkms://{KEY}")).await.unwrap(), Kept::new(1).public());
    let ring =
        open.create("gcpkms://projects/p/locations/global/keyRings/new/cryptoKeys/k").await.unwrap_err();
    assert!(ring.to_string().ends_with("HTTP 403: no rings"), "{ring}");
    std::fs::write(&file, json!({"type": "external_account"}).to_string()).unwrap();
    let other = open.signer(&format!("gcpkms://{KEY}")).await.unwrap_err();
    assert!(other.to_string().contains("\"external_account\" are not supported"), "{other}");
}

#[tokio::test]
async fn a_machine_has_a_token_of_its_own() {
    let server = Server::new(|asked| match asked.line.as_str() {
        "GET /computeMetadata/v1/instance/service-accounts/default/token" => {
            assert_eq!(asked.header("metadata-flavor"), "Google");
            (200, json!({"access_token": "tok"}).to_string())
        }
        _ => kms(asked),
    });
    let address = format!("http://{}", server.address);
    let variables = [
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", address.as_str()),
        ("GCE_METADATA_HOST", &server.address),
    ];
    let open = opener(&variables, &[KmsKind::Google]);
    assert_eq!(open.public_key(&format!("gcpkms://{KEY}")).await.unwrap(), Kept::new(1).public());
}
