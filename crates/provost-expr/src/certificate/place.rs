//! Addresses in certificates: IP addresses, networks, and URIs in the parts of Go's `url.URL`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::{CertificateFault, Result, bytes};

/// An IP address.
pub(super) fn address(der: &[u8]) -> Result<Value> {
    let v4 = <[u8; 4]>::try_from(der).map(|four| IpAddr::from(Ipv4Addr::from(four)));
    let v6 = <[u8; 16]>::try_from(der).map(|sixteen| IpAddr::from(Ipv6Addr::from(sixteen)));
    match v4.or(v6) {
        Ok(address) => Ok(json!(address.to_string())),
        Err(_) => Err(CertificateFault::Malformed("IP address")),
    }
}

/// A network: its address and its mask.
pub(super) fn network(der: &[u8]) -> Result<Value> {
    let (ip, mask) = der.split_at(der.len() / 2);
    Ok(json!({"IP": address(ip)?, "Mask": bytes(mask)}))
}

/// A URI in its parts.
pub(super) fn uri(text: &str) -> Value {
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let force = rest.ends_with('?') && rest.matches('?').count() == 1;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = rest.split_once(':').unwrap_or(("", rest));
    let (authority, path, opaque) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            (authority, path, "")
        }
        None if rest.starts_with('/') || scheme.is_empty() => ("", rest, ""),
        None => ("", "", rest),
    };
    let (user, host) = match authority.rsplit_once('@') {
        // Go shows that there is a user, and nothing of who it is.
        Some((_, host)) => (json!({}), host),
        None => (Value::Null, authority),
    };
    let plain = unescaped(path);
    json!({
        "Scheme": scheme.to_lowercase(),
        "Opaque": opaque,
        "User": user,
        "Host": host,
        "Path": plain,
        "RawPath": if plain == path { "" } else { path },
        "OmitHost": false,
        "ForceQuery": force,
        "RawQuery": query,
        "Fragment": unescaped(fragment),
        "RawFragment": "",
    })
}

/// A text with its `%xx` replaced.
fn unescaped(text: &str) -> String {
    let mut made = Vec::with_capacity(text.len());
    let mut left = text.as_bytes();
    while let [first, rest @ ..] = left {
        let byte = match (first, rest) {
            (b'%', [high, low, ..]) => {
                let digits = [*high, *low];
                std::str::from_utf8(&digits).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        made.push(byte.unwrap_or(*first));
        left = if byte.is_some() { rest.get(2..).unwrap_or_default() } else { rest };
    }
    String::from_utf8_lossy(&made).into_owned()
}
