//! The identity token for a certificate: given, found in the surroundings, or asked for where no browser is needed.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use provost_sigstore::fulcio_client::is_token;
use provost_sigstore::signing_config::SigningConfig;
use serde_json::Value;

use crate::command::signer::{SignerFlags, given};
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// The longest token read: 64 KiB; the longest issued have a few KiB.
const TOKEN_LIMIT: u64 = 64 * 1024;
/// Where a token is mounted into a Pod for cosign.
pub(crate) const MOUNTED: &str = "/var/run/sigstore/cosign/oidc-token";
/// Whom tokens are for.
const AUDIENCE: &str = "sigstore";
/// How long the surroundings may take to give one.
const TIME: Duration = Duration::from_secs(30);

/// The token for a certificate.
///
/// # Errors
/// When there is none, and none can be asked for without a person.
pub(crate) async fn retrieve(
    flags: &SignerFlags,
    services: &SigningConfig,
    client: &reqwest::Client,
    face: &Face,
) -> Result<String, Failure> {
    let read = |failure: Failure| failure.context("reading ID token");
    if let Some(text) = given(flags.identity_token.as_ref()) {
        if is_token(text) {
            return Ok(text.to_owned());
        }
        let bytes = go_os::read(Path::new(text), TOKEN_LIMIT)
            .map_err(|failure| read(failure.context("getting id token")))?;
        return text_of(bytes).map_err(read);
    }
    if !flags.oidc_disable_ambient_providers {
        let ambient = ambient(given(flags.oidc_provider.as_ref()), client, face).await;
        if let Some(token) =
            ambient.map_err(|failure| read(failure.context("fetching ambient OIDC credentials")))?
        {
            return Ok(token);
        }
    }
    let flow = match given(flags.fulcio_auth_flow.as_ref()) {
        Some(flow) => flow,
        None if std::io::stdin().is_terminal() => "normal",
        None => {
            face.say("Non-interactive mode detected, using device flow.");
            "device"
        }
    };
    let issuer = services.token_issuers.first().map_or("no issuer", |issuer| issuer.url.as_str());
    let known = ["normal", "device", "token", "client_credentials"].contains(&flow);
    let words = if known {
        format!(
            "the {flow} flow with {issuer} is not supported by this version: give --identity-token, SIGSTORE_ID_TOKEN, or a token at {MOUNTED}"
        )
    } else {
        format!("unsupported oauth flow: {flow}")
    };
    Err(Failure::new(format!("authenticating caller: {words}")))
}

/// The token of the surroundings: a variable, a mounted file, or a GitHub workflow.
async fn ambient(
    provider: Option<&str>,
    client: &reqwest::Client,
    face: &Face,
) -> Result<Option<String>, Failure> {
    let wanted = |name: &str| provider.is_none_or(|provider| provider == name);
    if let Some(other @ ("spiffe" | "google" | "buildkite-agent")) = provider {
        return Err(Failure::new(format!(
            "the OIDC provider {other} is not supported by this version: expected envvar, filesystem or github-actions"
        )));
    }
    let variable = |name: &str| face.environment.text(name).filter(|text| !text.is_empty());
    if wanted("envvar")
        && let Some(token) = variable("SIGSTORE_ID_TOKEN")
    {
        return Ok(Some(token));
    }
    if wanted("filesystem") && Path::new(MOUNTED).is_file() {
        return text_of(go_os::read(Path::new(MOUNTED), TOKEN_LIMIT)?).map(Some);
    }
    let place = variable("ACTIONS_ID_TOKEN_REQUEST_URL").zip(variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
    match place {
        Some((url, bearer)) if wanted("github-actions") => workflow(client, &url, &bearer).await.map(Some),
        _ => Ok(None),
    }
}

/// The token in a file.
///
/// # Errors
/// When it cannot be read, or is no text.
pub(crate) fn file(path: &Path) -> Result<String, Failure> {
    text_of(go_os::read(path, TOKEN_LIMIT)?)
}

/// A GitHub workflow's token.
async fn workflow(client: &reqwest::Client, url: &str, bearer: &str) -> Result<String, Failure> {
    let answer = client
        .get(format!("{url}&audience={AUDIENCE}"))
        .header("Authorization", format!("Bearer {bearer}"))
        .timeout(TIME)
        .send()
        .await;
    let mut answer = answer.and_then(reqwest::Response::error_for_status)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() as u64 > TOKEN_LIMIT {
            return Err(Failure::new(format!("the workflow's token has more than {TOKEN_LIMIT} bytes")));
        }
    }
    let document: Value = serde_json::from_slice(&body)?;
    let token = document.get("value").and_then(Value::as_str);
    token.map(str::to_owned).ok_or_else(|| Failure::new("the workflow's answer holds no token"))
}

fn text_of(bytes: Vec<u8>) -> Result<String, Failure> {
    let text = String::from_utf8(bytes).map_err(|_| Failure::new("the identity token is not text"))?;
    Ok(text.trim().to_owned())
}
