//! Package net: addresses, names and URLs as text. Opens no connection.

mod address;
mod host;
mod url;

use num_bigint::BigInt;

use super::Builtin;
use super::call::Call;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

use address::{Address, Prefix};

const S: Kinds = Kinds::STRING;
const I: Kinds = Kinds::INT;
const T: Kinds = Kinds::TOP;

macro_rules! address_test {
    ($name:literal, $test:path) => {
        Builtin::test($name, &[T], |c| Ok(Value::Bool(address(c, 0)?.is_some_and(|address| $test(&address)))))
    };
}

pub(super) static BUILTINS: &[Builtin] = &[
    address_test!("net.IPv4", Address::is_v4),
    address_test!("net.IPv6", Address::is_v6),
    Builtin::test("net.IP", &[T], |c| Ok(Value::Bool(address(c, 0)?.is_some()))),
    address_test!("net.LoopbackIP", Address::is_loopback),
    address_test!("net.MulticastIP", Address::is_multicast),
    address_test!("net.InterfaceLocalMulticastIP", Address::is_interface_multicast),
    address_test!("net.LinkLocalMulticastIP", Address::is_link_multicast),
    address_test!("net.LinkLocalUnicastIP", Address::is_link_unicast),
    address_test!("net.GlobalUnicastIP", Address::is_global_unicast),
    address_test!("net.UnspecifiedIP", Address::is_unspecified),
    Builtin::test("net.IPCIDR", &[T], |c| prefix(c, 0).map(|_| Value::Bool(true))),
    Builtin::function("net.ParseIP", &[S], |c| match Address::parse(&c.text(0)) {
        Ok(address) => octets(c, &address.octets()),
        Err(_) => c.complain(format!("invalid IP address {}", crate::print::quote(&c.text(0)))),
    }),
    Builtin::function("net.ParseCIDR", &[S], |c| {
        let prefix = prefix(c, 0)?;
        let text = |value: String| Value::text(&value);
        let mut fields = vec![
            ("prefix_mask", text(prefix.mask().to_string())),
            ("prefix_len", Value::int(prefix.length)),
            ("prefix_addr", text(prefix.first().to_string())),
        ];
        if prefix.address.is_v4() {
            fields.push(("broadcast_addr", text(prefix.last().to_string())));
        }
        c.record(fields)
    }),
    Builtin::function("net.ToIP4", &[T], |c| {
        let address = needed(c, 0)?;
        if !address.is_v4() {
            return c
                .complain(format!("cannot convert {} to IPv4", crate::print::quote(&address.to_string())));
        }
        octets(c, &address.octets())
    }),
    Builtin::function("net.ToIP16", &[T], |c| {
        let address = needed(c, 0)?;
        octets(c, &address.sixteen())
    }),
    Builtin::function("net.IPString", &[T], |c| Ok(Value::text(&needed(c, 0)?.to_string()))),
    Builtin::function("net.AddIP", &[T, I], |c| {
        let offset = c.big(1);
        if let Some(Ok(prefix)) = prefix_text(c, 0).map(|text| Prefix::parse(&text)) {
            let address = moved(c, &prefix.address, &offset)?;
            return Ok(Value::text(&format!("{address}/{}", prefix.length)));
        }
        let address = needed(c, 0)?;
        Ok(Value::text(&moved(c, &address, &offset)?.to_string()))
    }),
    Builtin::function("net.AddIPCIDR", &[T, I], |c| {
        let prefix = prefix(c, 0)?;
        let offset = c.big(1) << (prefix.address.bits() - prefix.length);
        let address = moved(c, &prefix.address, &offset)?;
        Ok(Value::text(&format!("{address}/{}", prefix.length)))
    }),
    Builtin::test("net.InCIDR", &[T, T], |c| {
        let address = needed(c, 0)?;
        let prefix = prefix(c, 1)?;
        Ok(Value::Bool(prefix.contains(&address)))
    }),
    Builtin::function("net.CompareIP", &[T, T], |c| {
        let (a, b) = (needed(c, 0)?, needed(c, 1)?);
        Ok(Value::int(a.compare(&b) as i8))
    }),
    Builtin::test("net.FQDN", &[S], |c| Ok(Value::Bool(host::full_name(&c.text(0))))),
    Builtin::function("net.SplitHostPort", &[S], |c| match host::split(&c.text(0)) {
        Ok((host, port)) => c.texts([host, port]),
        Err(problem) => c.complain(format!("address {}: {problem}", c.text(0))),
    }),
    Builtin::function("net.JoinHostPort", &[T, T], join),
    Builtin::function("net.PathEscape", &[S], |c| {
        let escaped = url::escape(&c.text(0), url::Part::Segment);
        c.answer(&escaped)
    }),
    Builtin::function("net.QueryEscape", &[S], |c| {
        let escaped = url::escape(&c.text(0), url::Part::Query);
        c.answer(&escaped)
    }),
    Builtin::function("net.PathUnescape", &[S], |c| unescape(c, url::Part::Segment)),
    Builtin::function("net.QueryUnescape", &[S], |c| unescape(c, url::Part::Query)),
    Builtin::test("net.URL", &[S], |c| match url::check(&c.text(0)) {
        Ok(_) => Ok(Value::Bool(true)),
        Err(problem) => c.complain(problem),
    }),
    Builtin::test("net.AbsURL", &[S], |c| match url::check(&c.text(0)) {
        Ok(true) => Ok(Value::Bool(true)),
        Ok(false) => c.complain("URL is not absolute"),
        Err(problem) => c.complain(problem),
    }),
];

fn octets(c: &mut Call<'_, '_>, octets: &[u8]) -> Eval {
    c.list(octets.iter().map(|octet| Value::int(*octet)).collect())
}

/// The address that a string, bytes or a list of 4 or 16 numbers says.
fn address(c: &mut Call<'_, '_>, position: usize) -> Eval<Option<Address>> {
    match c.value(position) {
        Value::Text(_) | Value::Bytes(_) => Ok(Address::parse(&c.lossy(position)).ok()),
        Value::Vertex(_) => {
            let mut octets = Vec::new();
            for item in c.items(position)? {
                let number = match c.settled(&item)? {
                    Value::Number(number) if !number.float => number.decimal.to_integer(),
                    _ => None,
                };
                match number.and_then(|number| u8::try_from(number).ok()) {
                    Some(octet) => octets.push(octet),
                    None => return Ok(None),
                }
            }
            Ok(Address::from_octets(&octets))
        }
        _ => Ok(None),
    }
}

/// An address that must be one.
fn needed(c: &mut Call<'_, '_>, position: usize) -> Eval<Address> {
    if let Some(address) = address(c, position)? {
        return Ok(address);
    }
    let shown = match c.value(position) {
        Value::Text(text) => crate::print::quote(&text),
        Value::Vertex(_) => {
            let mut parts = Vec::new();
            for item in c.items(position)? {
                parts.push(crate::print::value(c.context, &item));
            }
            format!("\"[{}]\"", parts.join(", "))
        }
        other => format!("\"{}\"", crate::print::value(c.context, &other)),
    };
    c.complain(format!("invalid IP {shown}"))
}

fn prefix_text(c: &Call<'_, '_>, position: usize) -> Option<String> {
    matches!(c.value(position), Value::Text(_) | Value::Bytes(_)).then(|| c.lossy(position))
}

/// A prefix that must be one. CUE takes anything that is neither a string nor bytes for one; here that is refused.
fn prefix(c: &mut Call<'_, '_>, position: usize) -> Eval<Prefix> {
    let Some(text) = prefix_text(c, position) else {
        let shown = crate::print::value(c.context, &c.value(position));
        return c.complain(format!("{shown} is no prefix: expected a string such as 10.0.0.0/8"));
    };
    match Prefix::parse(&text) {
        Ok(prefix) => Ok(prefix),
        Err(problem) => c.complain(format!("netip.ParsePrefix({}): {problem}", crate::print::quote(&text))),
    }
}

fn moved(c: &Call<'_, '_>, address: &Address, offset: &BigInt) -> Eval<Address> {
    match address.moved(offset) {
        Ok(address) => Ok(address),
        Err(way) => c.complain(format!("IP address arithmetic resulted in out-of-range address ({way})")),
    }
}

fn join(c: &mut Call<'_, '_>) -> Eval {
    let host = match c.value(0) {
        Value::Vertex(_) => match address(c, 0)? {
            Some(address) => address.to_string(),
            None => {
                let shown = crate::print::value(c.context, &c.value(0)).replace(',', ", ");
                return c.complain(format!("invalid host {shown}"));
            }
        },
        Value::Text(_) | Value::Bytes(_) => c.lossy(0),
        other => return mismatch(c, &other, "string"),
    };
    let port = match c.value(1) {
        Value::Text(_) | Value::Bytes(_) => c.lossy(1),
        Value::Number(number) if !number.float => c.int(1)?.to_string(),
        other => return mismatch(c, &other, "int"),
    };
    let host = if host.contains([':', '%']) { format!("[{host}]") } else { host };
    c.answer(&format!("{host}:{port}"))
}

fn mismatch(c: &Call<'_, '_>, value: &Value, wanted: &str) -> Eval {
    let shown = crate::print::value(c.context, value);
    c.complain(format!("cannot use value {shown} (type {}) as {wanted}", c.context.kinds_of(value)))
}

fn unescape(c: &mut Call<'_, '_>, part: url::Part) -> Eval {
    match url::unescape(&c.text(0), part) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            c.answer(&text)
        }
        Err(problem) => c.complain(problem),
    }
}
