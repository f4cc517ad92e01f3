//! Package net: addresses, names and URLs as text. Opens no connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Builtin, text};
use crate::kind::Kinds;
use crate::value::Value;

const S: Kinds = Kinds::STRING;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::test("net.IPv4", &[S], |_, a| Ok(Value::Bool(text(a, 0).parse::<Ipv4Addr>().is_ok()))),
    Builtin::test("net.IPv6", &[S], |_, a| Ok(Value::Bool(text(a, 0).parse::<Ipv6Addr>().is_ok()))),
    Builtin::test("net.IP", &[S], |_, a| Ok(Value::Bool(text(a, 0).parse::<IpAddr>().is_ok()))),
    Builtin::test("net.FQDN", &[S], |_, a| Ok(Value::Bool(full_name(&text(a, 0))))),
    Builtin::test("net.AbsURL", &[S], |_, a| Ok(Value::Bool(absolute(&text(a, 0))))),
];

/// Labels of 1 to 63 bytes, 253 in all; v0.16 does not ask which characters they are made of.
fn full_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    !name.is_empty() && name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

/// A scheme, and no character that Go's url.Parse refuses.
fn absolute(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    let starts = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let host =
        rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let escapes = rest
        .split('%')
        .skip(1)
        .all(|tail| tail.get(..2).is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit())));
    let clean =
        !rest.chars().any(|c| c.is_ascii_control()) && !host.contains([' ', '<', '>', '"', '\\', '^', '`']);
    starts && plain && escapes && clean
}
