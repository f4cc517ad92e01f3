//! Asking Fulcio for a certificate: an identity token and proof of a key, for a short-lived certificate of both.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Value, json};
use x509_cert::der::pem;

use crate::chain::MAX_CHAIN;
use crate::service_client::{Ask, Service, ServiceError};

/// Fulcio's `Ed25519` keys sign the proof in the pure form only.
const PATH: &str = "/api/v2/signingCert";

/// Why a text is no identity token that a certificate can be asked for with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no JWT.
    #[error("unable to get subject from identity token")]
    Form,
    /// Its claims are no JSON object.
    #[error("the identity token's claims are no JSON object in base64")]
    Claims,
    /// Its e-mail address is not verified by whoever issued it.
    #[error("not verified by identity provider")]
    NotVerified,
    /// It names nobody.
    #[error("subject claim is missing from the identity token")]
    NoSubject,
}

/// Whom a token is about: the verified e-mail address, or the subject. Fulcio checks the token, we do not.
///
/// # Errors
/// See [`TokenError`].
pub fn token_subject(token: &str) -> Result<String, TokenError> {
    let claims = token.split('.').nth(1).ok_or(TokenError::Form)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| TokenError::Claims)?;
    let claims: Value = serde_json::from_slice(&claims).map_err(|_| TokenError::Claims)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(email) = text("email") {
        let verified = claims.get("email_verified");
        let holds = verified.and_then(Value::as_bool) == Some(true)
            || verified.and_then(Value::as_str) == Some("true");
        return if holds { Ok(email.to_owned()) } else { Err(TokenError::NotVerified) };
    }
    text("sub").map(str::to_owned).ok_or(TokenError::NoSubject)
}

/// Whether a text is a token itself, and not the name of a file that holds one: three parts, the first of them a
/// JSON object that names an algorithm.
#[must_use]
pub fn is_token(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, _, _] = parts.as_slice() else { return false };
    let header = URL_SAFE_NO_PAD.decode(header).ok();
    let header = header.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    header.is_some_and(|header| header.get("alg").is_some_and(Value::is_string))
}

/// What a certificate is asked for.
#[derive(Clone, Debug)]
pub struct CertificateRequest<'a> {
    /// The identity token.
    pub token: &'a str,
    /// `ECDSA`, `RSA` or `ED25519`.
    pub algorithm: &'a str,
    /// The public key in PEM.
    pub public_key: &'a str,
    /// The key's signature over the token's subject.
    pub proof: &'a [u8],
}

/// Asks for a certificate; returns the leaf's DER, and those of the certificates above it, the root last.
///
/// # Errors
/// When Fulcio does not give one, or gives more than are looked at for a path.
pub async fn certificate(
    client: &Client,
    fulcio: &str,
    request: &CertificateRequest<'_>,
) -> Result<(Vec<u8>, Vec<Vec<u8>>), ServiceError> {
    let body = json!({"publicKeyRequest": {
        "publicKey": {"algorithm": request.algorithm, "content": request.public_key},
        "proofOfPossession": STANDARD.encode(request.proof),
    }});
    let mut ask = Ask::post(Service::Fulcio, fulcio, PATH, "application/json", body.to_string().into_bytes());
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", request.token.trim()))
        .map_err(|_| ask.unreadable("the identity token holds characters that no token has"))?;
    bearer.set_sensitive(true);
    ask.headers.insert(AUTHORIZATION, bearer);
    let answer = ask.send(client).await?;
    if answer.status != 200 && answer.status != 201 {
        return Err(ask.refused(&answer));
    }
    let document: Value = serde_json::from_slice(&answer.body).map_err(|error| ask.unreadable(error))?;
    let given = |kind: &str| {
        let list = document.pointer(&format!("/{kind}/chain/certificates")).and_then(Value::as_array);
        list.filter(|list| !list.is_empty())
    };
    let given = given("signedCertificateEmbeddedSct").or_else(|| given("signedCertificateDetachedSct"));
    let given = given.ok_or_else(|| ask.unreadable("Fulcio returned no certificates"))?;
    if given.len() > MAX_CHAIN {
        return Err(ask.unreadable(format!("Fulcio returned more than {MAX_CHAIN} certificates")));
    }
    let mut above = Vec::new();
    for one in given {
        match one.as_str().map(|text| pem::decode_vec(text.as_bytes())) {
            Some(Ok(("CERTIFICATE", der))) => above.push(der),
            _ => return Err(ask.unreadable("unable to parse Fulcio certificate")),
        }
    }
    let leaf = above.remove(0);
    Ok((leaf, above))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(claims))
    }

    #[test]
    fn a_token_names_a_verified_address_or_a_subject() {
        let cases = [
            (json!({"email": "a@b", "email_verified": true, "sub": "s"}), Ok("a@b".to_owned())),
            (json!({"email": "a@b", "email_verified": "true"}), Ok("a@b".to_owned())),
            (json!({"email": "a@b"}), Err(TokenError::NotVerified)),
            (json!({"sub": "s"}), Ok("s".to_owned())),
            (json!({}), Err(TokenError::NoSubject)),
        ];
        for (claims, expected) in cases {
            assert_eq!(token_subject(&token(&claims)), expected, "{claims}");
        }
        assert_eq!(token_subject("x"), Err(TokenError::Form));
        assert_eq!(token_subject("x.%.y"), Err(TokenError::Claims));
    }

    #[test]
    fn a_file_name_is_no_token() {
        assert!(is_token(&token(&json!({}))));
        assert!(!is_token("token.jwt"));
        assert!(!is_token("a.b.c"));
    }
}
