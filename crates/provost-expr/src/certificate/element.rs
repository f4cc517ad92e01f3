//! DER taken apart: elements, identifiers, texts, times.

use x509_cert::der::{Reader as _, SliceReader};

use super::{CertificateFault, Result};

/// The most elements one level may have: MAX_CERTIFICATE allows 32 Ki of them, and no list of a usual one has 100.
const MAX_CHILDREN: usize = 4096;

/// One element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    /// Its first byte: class, form and number.
    pub(super) tag: u8,
    /// All of it.
    pub(super) raw: &'a [u8],
    /// What it holds.
    pub(super) value: &'a [u8],
}

impl<'a> Element<'a> {
    /// The only element of some bytes.
    pub(super) fn whole(bytes: &'a [u8], what: &'static str) -> Result<Self> {
        match elements(bytes, what)?[..] {
            [one] => Ok(one),
            _ => Err(CertificateFault::Malformed(what)),
        }
    }

    /// The elements inside.
    pub(super) fn children(&self, what: &'static str) -> Result<Vec<Self>> {
        elements(self.value, what)
    }

    /// The only element inside.
    pub(super) fn only(&self, what: &'static str) -> Result<Self> {
        Self::whole(self.value, what)
    }
}

fn elements<'a>(bytes: &'a [u8], what: &'static str) -> Result<Vec<Element<'a>>> {
    let malformed = |_| CertificateFault::Malformed(what);
    let mut reader = SliceReader::new(bytes).map_err(malformed)?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        let raw = reader.tlv_bytes().map_err(malformed)?;
        // One byte of tag, one of a short length or of the length's length, then the length itself.
        let head = match raw.get(1).copied().unwrap_or_default() {
            0..=0x7f => 2,
            long => usize::from(long & 0x7f) + 2,
        };
        let (Some(tag), Some(value)) = (raw.first().copied(), raw.get(head..)) else {
            return Err(CertificateFault::Malformed(what));
        };
        if found.len() >= MAX_CHILDREN {
            return Err(CertificateFault::Malformed(what));
        }
        found.push(Element { tag, raw, value });
    }
    Ok(found)
}

/// The numbers of an object identifier.
pub(super) fn numbers(der: &[u8]) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut number: u64 = 0;
    for byte in der {
        number = number.wrapping_shl(7) | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if numbers.is_empty() {
            let first = (number / 40).min(2);
            numbers.extend([first, number - first * 40]);
        } else {
            numbers.push(number);
        }
        number = 0;
    }
    numbers
}

/// An object identifier with dots.
pub(super) fn identifier(der: &[u8]) -> String {
    let numbers: Vec<String> = numbers(der).iter().map(ToString::to_string).collect();
    numbers.join(".")
}

/// What texts and times say.
pub(super) mod text_of {
    use super::{CertificateFault, Element, Result};

    /// A text in any of the old and new encodings.
    pub(in super::super) fn string(element: &Element<'_>) -> Option<String> {
        match element.tag {
            // UTF8String, NumericString, PrintableString, IA5String
            0x0c | 0x12 | 0x13 | 0x16 => String::from_utf8(element.value.to_vec()).ok(),
            // T61String, read as Latin-1
            0x14 => Some(element.value.iter().map(|byte| char::from(*byte)).collect()),
            // BMPString
            0x1e => {
                let pairs = element.value.chunks(2).map(|pair| match pair {
                    [high, low] => Some(u16::from_be_bytes([*high, *low])),
                    _ => None,
                });
                String::from_utf16(&pairs.collect::<Option<Vec<u16>>>()?).ok()
            }
            _ => None,
        }
    }

    /// A time as RFC 3339 has it.
    pub(in super::super) fn time(element: &Element<'_>) -> Result<String> {
        let malformed = || CertificateFault::Malformed("validity");
        let text = std::str::from_utf8(element.value).map_err(|_| malformed())?;
        let digits = text.strip_suffix('Z').ok_or_else(malformed)?;
        let part = |from: usize| digits.get(from..from + 2).filter(|p| p.bytes().all(|b| b.is_ascii_digit()));
        let (year, rest) = match (element.tag, digits.len()) {
            (0x17, 12) => {
                let short = part(0).ok_or_else(malformed)?;
                (format!("{}{short}", if short < "50" { "20" } else { "19" }), 2)
            }
            (0x18, 14) => {
                (format!("{}{}", part(0).ok_or_else(malformed)?, part(2).ok_or_else(malformed)?), 4)
            }
            _ => return Err(malformed()),
        };
        let [Some(month), Some(day), Some(hour), Some(minute), Some(second)] =
            [0, 2, 4, 6, 8].map(|at| part(rest + at))
        else {
            return Err(malformed());
        };
        Ok(format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_CHILDREN, elements, identifier};

    #[test]
    fn one_level_has_a_limit() {
        assert_eq!(elements(&[5, 0].repeat(MAX_CHILDREN), "x").map(|all| all.len()), Ok(MAX_CHILDREN));
        assert!(elements(&[5, 0].repeat(MAX_CHILDREN + 1), "x").is_err());
    }

    #[test]
    fn identifiers_have_dots() {
        assert_eq!(identifier(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]), "1.2.840.113549");
        assert_eq!(identifier(&[0x88, 0x37]), "2.999");
    }
}
