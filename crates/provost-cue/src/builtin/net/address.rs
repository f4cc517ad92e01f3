//! IP addresses and prefixes, as Go's netip reads, tells apart and writes them.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use num_bigint::{BigInt, Sign};

use crate::print::quote;

/// An address, with its zone where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    ip: IpAddr,
    zone: String,
}

/// An address and how many of its leading bits count.
#[derive(Debug, Clone)]
pub(super) struct Prefix {
    pub(super) address: Address,
    pub(super) length: u32,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ip)?;
        if self.zone.is_empty() { Ok(()) } else { write!(f, "%{}", self.zone) }
    }
}

impl Address {
    fn of(ip: IpAddr) -> Self {
        Self { ip, zone: String::new() }
    }

    /// Reads an address; `Err` holds Go's words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (plain, zone) = match text.split_once('%') {
            Some((plain, zone)) if plain.contains(':') && !zone.is_empty() => (plain, zone),
            _ => (text, ""),
        };
        match plain.parse::<IpAddr>() {
            Ok(ip) => Ok(Self { ip, zone: zone.to_owned() }),
            Err(_) => Err(format!("ParseAddr({}): {}", quote(text), why(text))),
        }
    }

    /// The address of 4 or 16 octets.
    pub(super) fn from_octets(octets: &[u8]) -> Option<Self> {
        if let Ok(four) = <[u8; 4]>::try_from(octets) {
            return Some(Self::of(Ipv4Addr::from(four).into()));
        }
        <[u8; 16]>::try_from(octets).ok().map(|sixteen| Self::of(Ipv6Addr::from(sixteen).into()))
    }

    pub(super) fn octets(&self) -> Vec<u8> {
        match self.ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        }
    }

    pub(super) fn sixteen(&self) -> [u8; 16] {
        match self.ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        }
    }

    pub(super) fn bits(&self) -> u32 {
        if self.is_v4() { 32 } else { 128 }
    }

    pub(super) fn is_v4(&self) -> bool {
        self.ip.is_ipv4()
    }

    pub(super) fn is_v6(&self) -> bool {
        self.ip.is_ipv6()
    }

    /// The IPv4 address that an IPv6 one stands for; otherwise itself.
    fn plain(&self) -> IpAddr {
        match self.ip {
            IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(self.ip, IpAddr::V4),
            ip => ip,
        }
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.plain().is_loopback()
    }

    pub(super) fn is_multicast(&self) -> bool {
        self.plain().is_multicast()
    }

    pub(super) fn is_interface_multicast(&self) -> bool {
        matches!(self.plain(), IpAddr::V6(ip) if ip.segments().first().is_some_and(|first| first & 0xff0f == 0xff01))
    }

    pub(super) fn is_link_multicast(&self) -> bool {
        match self.plain() {
            IpAddr::V4(ip) => ip.octets().starts_with(&[224, 0, 0]),
            IpAddr::V6(ip) => ip.segments().first().is_some_and(|first| first & 0xff0f == 0xff02),
        }
    }

    pub(super) fn is_link_unicast(&self) -> bool {
        match self.plain() {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        }
    }

    pub(super) fn is_unspecified(&self) -> bool {
        self.zone.is_empty() && self.ip.is_unspecified()
    }

    pub(super) fn is_global_unicast(&self) -> bool {
        let ip = self.plain();
        let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        !broadcast
            && !ip.is_unspecified()
            && !self.is_loopback()
            && !self.is_multicast()
            && !self.is_link_unicast()
    }

    /// Shorter addresses first, then by value, then by zone.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let key = |address: &Self| (address.bits(), address.octets());
        key(self).cmp(&key(other)).then_with(|| self.zone.cmp(&other.zone))
    }

    /// The address so many further on; `Err` says which end was passed.
    pub(super) fn moved(&self, offset: &BigInt) -> Result<Self, &'static str> {
        let octets = self.octets();
        let (sign, bytes) = (BigInt::from_bytes_be(Sign::Plus, &octets) + offset).to_bytes_be();
        if sign == Sign::Minus {
            return Err("underflow");
        }
        let missing = octets.len().checked_sub(bytes.len()).ok_or("overflow")?;
        let padded: Vec<u8> = std::iter::repeat_n(0, missing).chain(bytes).collect();
        Self::from_octets(&padded).ok_or("overflow")
    }

    /// The address with every octet put together with one of a mask.
    fn masked(&self, mask: &Self, put: fn(u8, u8) -> u8) -> Self {
        let octets: Vec<u8> = self.octets().into_iter().zip(mask.octets()).map(|(a, b)| put(a, b)).collect();
        Self::from_octets(&octets).unwrap_or_else(|| self.clone())
    }
}

/// What is wrong with a text that is no address.
fn why(text: &str) -> String {
    let at = |problem: &str, rest: &str| format!("{problem} (at {})", quote(rest));
    match text.find(['.', ':', '%']).and_then(|found| text.get(found..=found)) {
        Some(".") => {
            let fields: Vec<&str> = text.split('.').collect();
            for (index, field) in fields.iter().enumerate() {
                if let Some(bad) = field.find(|c: char| !c.is_ascii_digit()) {
                    return at(
                        "unexpected character",
                        text.get(fields.iter().take(index).map(|f| f.len() + 1).sum::<usize>() + bad..)
                            .unwrap_or_default(),
                    );
                }
                if field.is_empty() {
                    return "IPv4 field must have at least one digit".to_owned();
                }
                if field.len() > 1 && field.starts_with('0') {
                    return "IPv4 field has octet with leading zero".to_owned();
                }
                if field.parse::<u8>().is_err() {
                    return "IPv4 field has value >255".to_owned();
                }
            }
            if fields.len() < 4 { "IPv4 address too short" } else { "IPv4 address too long" }.to_owned()
        }
        Some(":") => {
            if text.ends_with('%') {
                return "zone must be a non-empty string".to_owned();
            }
            let bad = text.split(':').find(|field| {
                !field.is_empty()
                    && !field.contains('.')
                    && field.starts_with(|c: char| !c.is_ascii_hexdigit())
            });
            match bad.and_then(|bad| text.find(bad)).and_then(|start| text.get(start..)) {
                Some(rest) => at("each colon-separated field must have at least one digit", rest),
                None if text.split(':').any(|field| field.len() > 4 && !field.contains('.')) => {
                    "each group must have 4 or less digits".to_owned()
                }
                None => "address string too short".to_owned(),
            }
        }
        Some("%") => "missing IPv6 address".to_owned(),
        _ => "unable to parse IP".to_owned(),
    }
}

impl Prefix {
    /// Reads a prefix; `Err` holds Go's words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (address, bits) = text.rsplit_once('/').ok_or("no '/'")?;
        let address = Address::parse(address)?;
        if !address.zone.is_empty() {
            return Err("IPv6 zones cannot be present in a prefix".to_owned());
        }
        let plain = bits.bytes().all(|byte| byte.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
        let bad = || format!("bad bits after slash: {}", quote(bits));
        let length: u32 = bits.parse().ok().filter(|_| plain).ok_or_else(bad)?;
        if length > address.bits() {
            return Err("prefix length out of range".to_owned());
        }
        Ok(Self { address, length })
    }

    /// Ones where the prefix counts.
    pub(super) fn mask(&self) -> Address {
        let bits = u128::MAX.checked_shl(128 - self.length).unwrap_or(0);
        let octets: Vec<u8> =
            bits.to_be_bytes().into_iter().take((self.address.bits() / 8) as usize).collect();
        Address::from_octets(&octets).unwrap_or_else(|| self.address.clone())
    }

    pub(super) fn first(&self) -> Address {
        self.address.masked(&self.mask(), |octet, mask| octet & mask)
    }

    pub(super) fn last(&self) -> Address {
        self.address.masked(&self.mask(), |octet, mask| octet | !mask)
    }

    /// Whether an address of the same family, without a zone, lies within.
    pub(super) fn contains(&self, address: &Address) -> bool {
        address.zone.is_empty()
            && address.bits() == self.address.bits()
            && address.masked(&self.mask(), |octet, mask| octet & mask) == self.first()
    }
}
