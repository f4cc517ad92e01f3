//! Who may ask: by which host name, from which page, as which user (security.md 26).

use std::net::IpAddr;

use http::header;
use http::request::Parts;
use http::uri::Authority;
use http::{Method, StatusCode};
use provost_oci::ErrorCode;

use crate::answer::Refusal;
use crate::service::Service;

impl Service {
    /// Refuses requests that may not be answered, before their path is looked at.
    pub(crate) async fn admit(&self, request: &Parts) -> Result<(), Refusal> {
        let host = host_of(request)?;
        if !is_loopback(host.host()) && !self.hosts.iter().any(|listed| is_listed(listed, &host)) {
            let reason =
                format!("this registry does not answer to the host {host}: list it with --host {host}");
            return Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::Denied, reason));
        }
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        // No registry client sends it: a page in a browser asks, and must not push to its reader's registry.
        if !reads && request.headers.contains_key(header::ORIGIN) {
            let reason = "requests of web pages may only read";
            return Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::Denied, reason));
        }
        if let Some(users) = &self.users {
            let given = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            if !users.admits(given).await {
                let reason = "expected Basic credentials of a user in the htpasswd file";
                return Err(Refusal::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, reason)
                    .with(header::WWW_AUTHENTICATE, "Basic realm=\"provost\", charset=\"UTF-8\""));
            }
        }
        if self.read_only && !reads && request.method != Method::OPTIONS {
            let reason = "this registry is read-only";
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, reason)
                .with(header::ALLOW, "GET, HEAD"));
        }
        Ok(())
    }
}

/// The one host a request names.
fn host_of(request: &Parts) -> Result<Authority, Refusal> {
    let refuse = |reason: &str| Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::Denied, reason);
    if let Some(authority) = request.uri.authority() {
        return Ok(authority.clone());
    }
    let mut given = request.headers.get_all(header::HOST).iter();
    match (given.next(), given.next()) {
        (Some(host), None) => {
            Authority::try_from(host.as_bytes()).map_err(|_| refuse("the Host header is no host"))
        }
        (Some(_), Some(_)) => Err(refuse("there is more than one Host header")),
        (None, _) => Err(refuse("there is no Host header")),
    }
}

/// Whether a host can only be this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Whether a listed host, with or without a port, is the one named.
fn is_listed(listed: &str, host: &Authority) -> bool {
    listed.eq_ignore_ascii_case(host.as_str()) || listed.eq_ignore_ascii_case(host.host())
}

#[cfg(test)]
mod tests;
