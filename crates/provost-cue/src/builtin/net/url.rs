//! URLs as Go's net/url takes them apart, and percent escapes.

use super::super::strconv::quote as print_quote;
use crate::print::quote;

/// Where a text stands in a URL: which characters need no escape, and which are refused unescaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Path,
    Segment,
    Query,
    Fragment,
    User,
    Host,
    Zone,
}

/// Escapes a text for a segment or a query.
pub(super) fn escape(text: &str, part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'~')
            || (part == Part::Segment && matches!(byte, b'$' | b'&' | b'+' | b'=' | b':' | b'@'));
        match byte {
            b' ' if part == Part::Query => out.push('+'),
            byte if plain => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Replaces percent escapes; `Err` holds Go's words.
pub(super) fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'%' => {
                let wrong = bytes.get(at..bytes.len().min(at + 3)).unwrap_or_default();
                let wrong = || format!("invalid URL escape {}", quote(&String::from_utf8_lossy(wrong)));
                let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
                let Some((high, low)) = digit(at + 1).zip(digit(at + 2)) else { return Err(wrong()) };
                let value = (high * 16 + low) as u8;
                // Hosts may escape only what is not ASCII, and zones only what hosts allow.
                if part == Part::Host && high < 8 && value != b'%' {
                    return Err(wrong());
                }
                if part == Part::Zone && value != b'%' && value != b' ' && !of_host(value) {
                    return Err(wrong());
                }
                out.push(value);
                at += 3;
                continue;
            }
            b'+' if part == Part::Query => out.push(b' '),
            byte if matches!(part, Part::Host | Part::Zone) && byte.is_ascii() && !of_host(*byte) => {
                let shown = quote(&char::from(*byte).to_string());
                return Err(format!("invalid character {shown} in host name"));
            }
            byte => out.push(*byte),
        }
        at += 1;
    }
    Ok(out)
}

fn of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

/// Whether a URL is absolute; `Err` holds Go's words on why it is none.
pub(super) fn check(url: &str) -> Result<bool, String> {
    let (whole, fragment) = url.split_once('#').unwrap_or((url, ""));
    let parsed =
        without_fragment(whole).map_err(|problem| format!("parse {}: {problem}", print_quote(whole)))?;
    unescape(fragment, Part::Fragment).map_err(|problem| format!("parse {}: {problem}", print_quote(url)))?;
    Ok(parsed)
}

fn without_fragment(url: &str) -> Result<bool, String> {
    if url.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if url == "*" {
        return Ok(false);
    }
    let (scheme, rest) = scheme(url)?;
    let rest = rest.split('?').next().unwrap_or_default();
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return Ok(true);
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let mut path = rest;
    if let Some(after) = rest.strip_prefix("//")
        && (!scheme.is_empty() || !rest.starts_with("///"))
    {
        let end = after.find('/').unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        check_authority(authority)?;
        path = tail;
    }
    unescape(path, Part::Path)?;
    Ok(!scheme.is_empty())
}

fn scheme(url: &str) -> Result<(&str, &str), String> {
    for (at, byte) in url.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((url.get(..at).unwrap_or_default(), url.get(at + 1..).unwrap_or_default())),
            _ => break,
        }
    }
    Ok(("", url))
}

fn check_authority(authority: &str) -> Result<(), String> {
    let Some((user, host)) = authority.rsplit_once('@') else { return check_host(authority) };
    check_host(host)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !user.bytes().all(plain) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    for part in user.splitn(2, ':') {
        unescape(part, Part::User)?;
    }
    Ok(())
}

fn check_host(host: &str) -> Result<(), String> {
    let check_port = |port: &str| {
        let digits = port.strip_prefix(':');
        match port.is_empty() || digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        {
            true => Ok(()),
            false => Err(format!("invalid port {} after host", quote(port))),
        }
    };
    if host.starts_with('[') {
        let end = host.rfind(']').ok_or("missing ']' in host")?;
        let (inside, port) = (host.get(..end).unwrap_or_default(), host.get(end + 1..).unwrap_or_default());
        check_port(port)?;
        let zone = inside.find("%25").unwrap_or(inside.len());
        let (address, zone) = inside.split_at(zone);
        unescape(address, Part::Host)?;
        unescape(zone, Part::Zone)?;
        return Ok(());
    }
    if let Some(at) = host.rfind(':') {
        check_port(host.get(at..).unwrap_or_default())?;
    }
    unescape(host, Part::Host).map(|_| ())
}
