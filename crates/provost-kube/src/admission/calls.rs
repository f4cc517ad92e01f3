//! Questions that policies ask the API server and services: our token goes to the first alone, and redirects are not followed
//! (security.md 23).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use http::{Method as HttpMethod, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::Client;
use kube::client::Body;
use provost_kyverno::ClusterError;
use provost_kyverno::cluster::{Call, Method, Target};
use provost_registry::{Pem, RemoteOptions, TlsOptions, service_client};
use serde_json::Value;

use crate::cluster::words;

/// The longest answer that is read: a list of 10,000 objects of 3 KiB; what a rule keeps of it is at most 2 MiB.
const ANSWER_LIMIT: usize = 32 * 1024 * 1024;
/// How many bytes of a refusal are shown.
const SHOWN: usize = 512;
/// How many authorities of services are remembered with their connections; beyond it all are made anew.
const AUTHORITIES: usize = 16;

/// Asks.
pub(super) struct Calls {
    client: Client,
    options: RemoteOptions,
    time: Duration,
    services: Mutex<HashMap<String, reqwest::Client>>,
}

impl Calls {
    /// The API server is asked by this client, services with these options' proxies and address rule.
    pub(super) fn new(client: Client, options: RemoteOptions, time: Duration) -> Self {
        Self { client, options, time, services: Mutex::default() }
    }

    /// What is answered.
    pub(super) async fn answer(&self, call: &Call) -> Result<Value, ClusterError> {
        if let Some(fault) = call.fault() {
            return Err(fault);
        }
        let asking = async {
            match &call.target {
                Target::Path(path) => self.of_server(call, path).await,
                Target::Service { url, headers, ca_bundle } => {
                    self.of_service(call, url, headers, ca_bundle).await
                }
            }
        };
        match tokio::time::timeout(self.time, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(unreachable(call, &format!("no answer in {} s", self.time.as_secs()))),
        }
    }

    async fn of_server(&self, call: &Call, path: &str) -> Result<Value, ClusterError> {
        let failed = |cause: &str| unreachable(call, cause);
        let request = Request::builder().uri(path).header("Accept", "application/json");
        let request = match call.method {
            Method::Get => request.method(HttpMethod::GET).body(Body::empty()),
            Method::Post => {
                let body = serde_json::to_vec(&call.data).map_err(|error| failed(&error.to_string()))?;
                let request = request.method(HttpMethod::POST).header("Content-Type", "application/json");
                request.body(Body::from(body))
            }
        };
        let request = request.map_err(|error| failed(&error.to_string()))?;
        let answer = self.client.send(request).await.map_err(|error| failed(&words(&error)))?;
        let status = answer.status();
        let read = Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await;
        let bytes = read.map_err(|error| match error.is::<LengthLimitError>() {
            true => too_long(call),
            false => failed(&words(error.as_ref())),
        })?;
        read_json(call, status, &bytes.to_bytes())
    }

    async fn of_service(
        &self,
        call: &Call,
        url: &str,
        headers: &[(String, String)],
        authority: &str,
    ) -> Result<Value, ClusterError> {
        let failed = |cause: &str| unreachable(call, cause);
        let url: url::Url = url.parse().map_err(|error| failed(&format!("{error}")))?;
        if let Some(cause) = self.options.addresses.refusal(&url) {
            return Err(failed(&cause));
        }
        let client = self.service(authority).map_err(|cause| failed(&cause))?;
        let mut request = match call.method {
            Method::Get => client.get(url),
            Method::Post => client.post(url).json(&call.data),
        };
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(|error| failed(&words(&error.without_url())))?;
        let status = answer.status();
        let mut body = answer.bytes_stream();
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| failed(&words(&error.without_url())))?;
            if bytes.len() + piece.len() > ANSWER_LIMIT {
                return Err(too_long(call));
            }
            bytes.extend_from_slice(&piece);
        }
        read_json(call, status, &bytes)
    }

    fn service(&self, authority: &str) -> Result<reqwest::Client, String> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = services.get(authority) {
            return Ok(known.clone());
        }
        let authorities = (!authority.is_empty()).then(|| Pem::Text(authority.as_bytes().to_vec()));
        let options = RemoteOptions {
            tls: TlsOptions { authorities, ..TlsOptions::default() },
            ..self.options.clone()
        };
        let client = service_client(&options).map_err(|error| error.to_string())?;
        if services.len() >= AUTHORITIES {
            services.clear();
        }
        services.insert(authority.to_owned(), client.clone());
        Ok(client)
    }
}

fn unreachable(call: &Call, cause: &str) -> ClusterError {
    ClusterError::Unreachable(format!("{}: {cause}", call.shown()))
}

fn too_long(call: &Call) -> ClusterError {
    unreachable(call, &format!("the answer is longer than {ANSWER_LIMIT} bytes"))
}

/// An answer of success as JSON. What stands in a refusal is shown as far as people need it.
fn read_json(call: &Call, status: StatusCode, bytes: &[u8]) -> Result<Value, ClusterError> {
    if !status.is_success() {
        let said: Option<Value> = serde_json::from_slice(bytes).ok();
        let message = said.as_ref().and_then(|said| said.get("message")?.as_str().map(str::to_owned));
        let text = message.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
        let plain: String = text.chars().filter(|one| !one.is_control()).take(SHOWN).collect();
        return Err(unreachable(call, &format!("HTTP {}: {plain}", status.as_u16())));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| unreachable(call, &format!("the answer is no JSON: {error}")))
}

#[cfg(test)]
mod tests;
