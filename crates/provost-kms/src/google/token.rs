//! Google's application default credentials: a file of a service account or of a person, else the machine's metadata.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use provost_keys::{Hash, PrivateKey};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::error::KmsError;
use crate::kind::KmsKind;
use crate::surroundings::Surroundings;
use crate::transport::{at, exchange};
use crate::vault::bounded_file;

const SERVICE: KmsKind = KmsKind::Google;
/// The longest credentials file read; they have 2 to 3 KiB.
const LIMIT: u64 = 64 * 1024;
const SCOPE: &str = "https://www.googleapis.com/auth/cloudkms";
/// How long a token is asked for, in seconds: the longest Google gives.
const LIFE: i64 = 3600;

/// An access token for key management.
pub(super) async fn find(around: &dyn Surroundings, client: &Client) -> Result<Zeroizing<String>, KmsError> {
    google_token(around, client, SCOPE).await
}

/// An access token of the application default credentials, good for `scope`; the machine's own has the scopes it has.
///
/// # Errors
/// [`KmsError`] where there are no credentials, or Google gives no token for them.
pub async fn google_token(
    around: &dyn Surroundings,
    client: &Client,
    scope: &str,
) -> Result<Zeroizing<String>, KmsError> {
    let given = around.variable("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let home = around.variable("HOME");
    let usual = home.map(|home| Path::new(&home).join(".config/gcloud/application_default_credentials.json"));
    let Some(path) = given.clone().or(usual) else { return machine(around, client).await };
    let text = match bounded_file(&path, LIMIT)? {
        Some(text) => text,
        None if given.is_none() => return machine(around, client).await,
        None => {
            let path = path.display().to_string();
            return Err(KmsError::File { path, cause: "no such file".to_owned() });
        }
    };
    let bad = |cause: &str| KmsError::File { path: path.display().to_string(), cause: cause.to_owned() };
    let file: Value = serde_json::from_str(&text).map_err(|_| bad("no JSON"))?;
    let part = |name: &str| at(&file, name).as_str().ok_or_else(|| bad(&format!("{name} is missing")));
    match part("type")? {
        "service_account" => {
            let (address, mail) = (part("token_uri")?, part("client_email")?);
            let key = PrivateKey::from_pem(part("private_key")?.as_bytes())?;
            let now = around.now().as_second();
            let claims = json!({"iss": mail, "scope": scope, "aud": address, "iat": now, "exp": now + LIFE});
            let head = json!({"alg": "RS256", "typ": "JWT", "kid": at(&file, "private_key_id")});
            let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", encode(&head), encode(&claims));
            let signature = key.sign_exactly(signed.as_bytes(), Hash::Sha256)?;
            let assertion = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
            let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
            let request = form(client, address, &[("grant_type", grant), ("assertion", &assertion)]);
            access_token(client, request).await
        }
        "authorized_user" => {
            let fields = [
                ("grant_type", "refresh_token"),
                ("client_id", part("client_id")?),
                ("client_secret", part("client_secret")?),
                ("refresh_token", part("refresh_token")?),
            ];
            let address = at(&file, "token_uri").as_str().unwrap_or("https://oauth2.googleapis.com/token");
            access_token(client, form(client, address, &fields)).await
        }
        other => Err(bad(&format!(
            "credentials of type {other:?} are not supported: use service_account or authorized_user"
        ))),
    }
}

fn form(client: &Client, address: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    client
        .request(Method::POST, address)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

async fn machine(around: &dyn Surroundings, client: &Client) -> Result<Zeroizing<String>, KmsError> {
    let host = around.variable("GCE_METADATA_HOST").unwrap_or_else(|| "metadata.google.internal".to_owned());
    let address = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
    let request = client.request(Method::GET, address).header("Metadata-Flavor", "Google");
    access_token(client, request).await.map_err(|error| {
        KmsError::Setting(format!(
            "no Google credentials found: set GOOGLE_APPLICATION_CREDENTIALS (the machine's metadata gave none: {error})"
        ))
    })
}

async fn access_token(client: &Client, request: RequestBuilder) -> Result<Zeroizing<String>, KmsError> {
    let request = request.build().map_err(|error| KmsError::Setting(error.without_url().to_string()))?;
    let answer = exchange(SERVICE, client, request).await?;
    let value = answer.json(SERVICE, |value| {
        let part = |name: &str| at(value, name).as_str().unwrap_or_default().to_owned();
        (part("error"), part("error_description"))
    })?;
    let token = at(&value, "access_token").as_str().ok_or_else(|| answer.wrong(SERVICE, "access_token"))?;
    Ok(Zeroizing::new(token.to_owned()))
}
