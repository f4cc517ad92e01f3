//! Where a registry is: its URLs, and whether they may be spoken to without TLS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use provost_oci::{Digest, Repository, Selector};
use url::{Host, Url};

use crate::StoreError;

/// How a registry is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// With TLS.
    Https,
    /// In the clear.
    Http,
}

impl Scheme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }
}

/// A registry's host and port, read as a URL reads them (so that `0x7f.1` is seen to be 127.0.0.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `host[:port]` as the image name spells it.
    registry: String,
    host: Host<String>,
    port: Option<u16>,
    https: Url,
    http: Url,
}

impl Endpoint {
    /// The endpoint of a repository's registry.
    pub(crate) fn of(repository: &Repository) -> Result<Self, StoreError> {
        let registry = repository.registry();
        let unusable = |reason: String| StoreError::Malformed { request: repository.to_string(), reason };
        let read = |scheme: Scheme| {
            Url::parse(&format!("{}://{registry}/", scheme.as_str()))
                .map_err(|e| unusable(format!("{registry:?} is no host with an optional port: {e}")))
        };
        let (https, http) = (read(Scheme::Https)?, read(Scheme::Http)?);
        let host = https.host().ok_or_else(|| unusable(format!("{registry:?} has no host")))?.to_owned();
        let tail = registry.rsplit_once(']').map_or(registry, |(_, tail)| tail);
        let port = tail.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        Ok(Self { registry: registry.to_owned(), host, port, https, http })
    }

    /// `host[:port]` as the image name spells it.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// The host alone.
    pub(crate) fn host(&self) -> &Host<String> {
        &self.host
    }

    /// The port that this scheme is spoken on.
    pub(crate) fn port(&self, scheme: Scheme) -> u16 {
        self.port.unwrap_or(match scheme {
            Scheme::Https => 443,
            Scheme::Http => 80,
        })
    }

    /// Whether the host is one that is commonly served without TLS (security.md 24).
    pub(crate) fn is_local(&self) -> bool {
        match &self.host {
            Host::Ipv4(ip) => ip.is_loopback() || ip.is_private(),
            Host::Ipv6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => ip.is_loopback() || ip.is_private(),
                None => ip.is_loopback(),
            },
            Host::Domain(name) => is_localhost(name) || ends_with_label(name, "local"),
        }
    }

    /// Whether the host is this machine, by address or by reserved name.
    pub(crate) fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.to_ipv4_mapped().map_or(ip.is_loopback(), |ip| ip.is_loopback()),
            Host::Domain(name) => is_localhost(name),
        }
    }

    /// The URL of a path, with its query, below this registry; `path` begins with a slash.
    pub(crate) fn url(&self, scheme: Scheme, path: &str) -> Url {
        let mut url = match scheme {
            Scheme::Https => self.https.clone(),
            Scheme::Http => self.http.clone(),
        };
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(path);
        url.set_query(query);
        url
    }

    /// Whether a URL leads to this registry's own host and port.
    pub(crate) fn owns(&self, url: &Url) -> bool {
        let scheme = if url.scheme() == "https" { Scheme::Https } else { Scheme::Http };
        url.host() == Some(as_ref(&self.host)) && url.port_or_known_default() == Some(self.port(scheme))
    }
}

fn as_ref(host: &Host<String>) -> Host<&str> {
    match host {
        Host::Domain(name) => Host::Domain(name.as_str()),
        Host::Ipv4(ip) => Host::Ipv4(*ip),
        Host::Ipv6(ip) => Host::Ipv6(*ip),
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || ends_with_label(name, "localhost")
}

fn ends_with_label(name: &str, label: &str) -> bool {
    name.trim_end_matches('.').strip_suffix(label).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1)
}

/// Whether a URL names an address inside this machine or network: where a foreign registry may not send us.
///
/// go-containerregistry refuses private and loopback literals as token realm and redirect; the reserved name
/// `localhost` is added here because it is no less a literal.
pub(crate) fn leads_inside(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => v4_is_inside(ip),
        Some(Host::Ipv6(ip)) => v6_is_inside(ip),
        Some(Host::Domain(name)) => is_localhost(name),
        None => true,
    }
}

fn v4_is_inside(ip: Ipv4Addr) -> bool {
    ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()
}

fn v6_is_inside(ip: Ipv6Addr) -> bool {
    match ip.to_ipv4_mapped() {
        Some(ip) => v4_is_inside(ip),
        None => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Whether an address is this machine itself or its link: what is refused inside a cluster.
pub(crate) fn is_own_machine(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified(),
    }
}

/// `/v2/<repository>/manifests/<tag or digest>`.
pub(crate) fn manifest_path(repository: &Repository, which: &Selector) -> Result<String, StoreError> {
    if let Selector::Tag(tag) = which {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let is_dots = tag.bytes().all(|b| b == b'.');
        if tag.len() > 128 || is_dots || !tag.bytes().all(good) {
            return Err(StoreError::Malformed {
                request: format!("{repository}:{}", tag.escape_debug()),
                reason: "a tag has 1 to 128 of the characters A-Z a-z 0-9 _ - .".to_owned(),
            });
        }
    }
    Ok(format!("/v2/{}/manifests/{which}", repository.path()))
}

/// `/v2/<repository>/blobs/<digest>`.
pub(crate) fn blob_path(repository: &Repository, digest: &Digest) -> String {
    format!("/v2/{}/blobs/{digest}", repository.path())
}

/// `/v2/<repository>/referrers/<digest>`.
pub(crate) fn referrers_path(repository: &Repository, digest: &Digest) -> String {
    format!("/v2/{}/referrers/{digest}", repository.path())
}

/// `/v2/<repository>/blobs/uploads/`.
pub(crate) fn uploads_path(repository: &Repository) -> String {
    format!("/v2/{}/blobs/uploads/", repository.path())
}

/// `/v2/<repository>/tags/list`, a thousand at a time as go-containerregistry asks.
pub(crate) fn tags_path(repository: &Repository) -> String {
    format!("/v2/{}/tags/list?n=1000", repository.path())
}

#[cfg(test)]
mod tests;
