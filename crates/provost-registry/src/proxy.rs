//! Proxies, chosen as Go's programs choose them from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::StoreError;

/// Through which proxies registries are reached. Hosts that are local by security.md 24 are always asked directly.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For https: `HTTPS_PROXY`.
    pub https: Option<String>,
    /// For http: `HTTP_PROXY`.
    pub http: Option<String>,
    /// Hosts that are asked directly, separated by commas: `NO_PROXY`.
    pub except: String,
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Their URLs may hold passwords.
        write!(f, "Proxies(https: {}, http: {})", self.https.is_some(), self.http.is_some())
    }
}

impl Proxies {
    /// The variables of this process, asked by name: the upper-case one, else the lower-case one, as in Go.
    pub fn of(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |upper: &str, lower: &str| {
            let value = lookup(upper).filter(|value| !value.is_empty()).or_else(|| lookup(lower));
            value.and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty())
        };
        Self {
            https: text("HTTPS_PROXY", "https_proxy"),
            http: text("HTTP_PROXY", "http_proxy"),
            except: text("NO_PROXY", "no_proxy").unwrap_or_default(),
        }
    }

    /// These proxies, with their URLs read.
    pub(crate) fn read(&self) -> Result<ProxyRules, StoreError> {
        Ok(ProxyRules {
            https: read(self.https.as_deref())?,
            http: read(self.http.as_deref())?,
            except: self.except.clone(),
        })
    }
}

/// Proxies whose URLs are known to be good.
#[derive(Clone)]
pub(crate) struct ProxyRules {
    https: Option<Url>,
    http: Option<Url>,
    except: String,
}

impl ProxyRules {
    /// Whether everything is asked directly.
    pub(crate) fn is_empty(&self) -> bool {
        self.https.is_none() && self.http.is_none()
    }

    /// The proxy that leads to a URL; `None` where it is asked directly.
    pub(crate) fn to(&self, url: &Url) -> Option<Url> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http }.as_ref()?;
        let local = match url.host()? {
            Host::Ipv4(ip) => ip.is_loopback() || ip.is_private(),
            Host::Ipv6(ip) => ip.is_loopback(),
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                name == "localhost" || name.ends_with(".localhost") || name.ends_with(".local")
            }
        };
        let excepted = || self.except.split(',').any(|entry| fits(entry.trim(), url));
        (!local && !excepted()).then(|| proxy.clone())
    }
}

/// A proxy's URL; one without a scheme is http, as in Go.
fn read(text: Option<&str>) -> Result<Option<Url>, StoreError> {
    let Some(text) = text else { return Ok(None) };
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    // The text may hold a password, so it is not repeated.
    let bad = |reason: &str| StoreError::Malformed { request: "proxy".to_owned(), reason: reason.to_owned() };
    let url = Url::parse(&whole).map_err(|_| bad("HTTPS_PROXY or HTTP_PROXY is no URL"))?;
    match url.scheme() {
        "http" | "https" => Ok(Some(url)),
        other => Err(bad(&format!("proxies of the kind {other:?} are not supported, only http and https"))),
    }
}

/// Whether an entry of `NO_PROXY` names a URL's host: `*`, an address, a network, a domain with all below it, or
/// with a leading dot only what is below it; each with an optional port.
fn fits(entry: &str, url: &Url) -> bool {
    if entry == "*" {
        return true;
    }
    let Some(host) = url.host() else { return false };
    let address = match host {
        Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        Host::Domain(_) => None,
    };
    if let Some((network, bits)) = entry.split_once('/') {
        let network = network.parse::<IpAddr>().ok().zip(bits.parse::<u32>().ok());
        return network
            .zip(address)
            .is_some_and(|((network, bits), address)| is_within(address, network, bits));
    }
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (entry, None),
    };
    if port.is_some_and(|port| port.parse().ok() != url.port_or_known_default()) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if let Some(address) = address {
        return name.parse() == Ok(address);
    }
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let below = name.strip_prefix("*.").or(name.strip_prefix('.'));
    let base = below.unwrap_or(&name);
    let is_below = host.strip_suffix(base).is_some_and(|rest| rest.ends_with('.'));
    !base.is_empty() && (is_below || (below.is_none() && host == base))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(address) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(address) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(except: &str) -> ProxyRules {
        let (https, http) = (Some("proxy.test:3128".to_owned()), Some("http://u:p@plain.test".to_owned()));
        Proxies { https, http, except: except.to_owned() }.read().unwrap()
    }

    fn is_direct(except: &str, url: &str) -> bool {
        rules(except).to(&Url::parse(url).unwrap()).is_none()
    }

    #[test]
    fn each_scheme_has_its_own() {
        let to = |url: &str| rules("").to(&Url::parse(url).unwrap()).map(String::from);
        assert_eq!(to("https://reg.test/v2/").as_deref(), Some("http://proxy.test:3128/"));
        assert_eq!(to("http://reg.test/v2/").as_deref(), Some("http://u:p@plain.test/"));
        assert!(Proxies::default().read().unwrap().to(&Url::parse("https://reg.test").unwrap()).is_none());
    }

    #[test]
    fn local_hosts_are_asked_directly() {
        for url in [
            "https://127.0.0.1:5000/",
            "https://localhost/",
            "https://a.local/",
            "https://10.1.2.3/",
            "https://[::1]/",
        ] {
            assert!(is_direct("", url), "{url}");
        }
    }

    #[test]
    fn exceptions_are_read_as_in_go() {
        for (except, url, want) in [
            ("*", "https://reg.test/", true),
            ("reg.test", "https://reg.test/", true),
            ("other.test, REG.test", "https://reg.test/", true),
            ("reg.test", "https://a.reg.test/", true),
            ("reg.test", "https://areg.test/", false),
            (".reg.test", "https://a.reg.test/", true),
            (".reg.test", "https://reg.test/", false),
            ("*.reg.test", "https://a.reg.test/", true),
            ("reg.test:443", "https://reg.test/", true),
            ("reg.test:5000", "https://reg.test/", false),
            ("8.8.8.8", "https://8.8.8.8/", true),
            ("8.8.0.0/16", "https://8.8.8.8/", true),
            ("8.9.0.0/16", "https://8.8.8.8/", false),
            ("0.0.0.0/0", "https://8.8.8.8/", true),
            ("8.8.8.8/33", "https://8.8.8.8/", false),
            ("2001:db8::/32", "https://[2001:db8::1]/", true),
            ("2001:db8::1", "https://[2001:db8::1]/", true),
            ("[2001:db8::1]:443", "https://[2001:db8::1]/", true),
            ("", "https://reg.test/", false),
            (".", "https://reg.test/", false),
        ] {
            assert_eq!(is_direct(except, url), want, "{except} {url}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_without_its_text() {
        for bad in ["socks5://u:geheim@h", "http://u:geheim@[", "ftp://h"] {
            let error = Proxies { https: Some(bad.into()), ..Proxies::default() }.read().err().unwrap();
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
        let both = Proxies { https: Some("u:geheim@h".into()), ..Proxies::default() };
        assert!(!format!("{both:?}").contains("geheim"));
    }

    #[test]
    fn variables_in_capitals_go_first() {
        let of = |pairs: &'static [(&str, &str)]| {
            Proxies::of(|name| pairs.iter().find(|(found, _)| *found == name).map(|(_, value)| value.into()))
        };
        assert_eq!(of(&[("HTTPS_PROXY", "a"), ("https_proxy", "b")]).https.as_deref(), Some("a"));
        assert_eq!(of(&[("HTTPS_PROXY", ""), ("https_proxy", "b")]).https.as_deref(), Some("b"));
        assert_eq!(of(&[]), Proxies::default());
    }
}
