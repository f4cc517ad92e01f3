//! Host names, alone and with a port.

/// Bytes of a whole name and of one label, as the DNS has them.
const NAME: usize = 253;
const LABEL: usize = 63;

/// Labels of 1 to 63 ASCII bytes that neither begin nor end with a hyphen; v0.16 does not ask for letters and digits.
pub(super) fn full_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        let edges = label.starts_with('-') || label.ends_with('-');
        let coded = match label.get(..4) {
            Some(prefix) if prefix.eq_ignore_ascii_case("xn--") => label.get(4..).is_some_and(punycode),
            Some(prefix) => !prefix.ends_with("--"),
            None => true,
        };
        (1..=LABEL).contains(&label.len()) && !edges && coded
    };
    name.is_ascii() && name.len() <= NAME && name.split('.').all(label)
}

/// Whether a text decodes as punycode (RFC 3492) to something that is not plain ASCII.
fn punycode(text: &str) -> bool {
    let (basic, coded) = text.rsplit_once('-').unwrap_or(("", text));
    let mut count = basic.chars().count() as u32;
    let (mut n, mut i, mut bias) = (128u32, 0u32, 72u32);
    let mut digits = coded.chars();
    if coded.is_empty() {
        return false;
    }
    while !digits.as_str().is_empty() {
        let (start, mut weight, mut k) = (i, 1u32, 36u32);
        loop {
            let Some(digit) = digits.next().and_then(|digit| match digit {
                'a'..='z' => Some(u32::from(digit) - 97),
                'A'..='Z' => Some(u32::from(digit) - 65),
                '0'..='9' => Some(u32::from(digit) - 22),
                _ => None,
            }) else {
                return false;
            };
            let Some(next) = digit.checked_mul(weight).and_then(|step| i.checked_add(step)) else {
                return false;
            };
            i = next;
            let threshold = k.saturating_sub(bias).clamp(1, 26);
            if digit < threshold {
                break;
            }
            let Some(next) = weight.checked_mul(36 - threshold) else { return false };
            weight = next;
            k += 36;
        }
        count += 1;
        let mut delta = if start == 0 { i / 700 } else { (i - start) / 2 };
        delta += delta / count;
        let mut shift = 0;
        while delta > 455 {
            delta /= 35;
            shift += 36;
        }
        bias = shift + 36 * delta / (delta + 38);
        let Some(next) = n.checked_add(i / count) else { return false };
        n = next;
        i = i % count + 1;
        // Control characters are never part of a name.
        if n < 0xa0 || char::from_u32(n).is_none() {
            return false;
        }
    }
    true
}

/// Host and port of `host:port` or `[host]:port`; `Err` holds Go's words.
pub(super) fn split(address: &str) -> Result<(&str, &str), &'static str> {
    let missing = "missing port in address";
    let many = "too many colons in address";
    let Some(last) = address.rfind(':') else {
        return Err(match address.starts_with('[') && !address.contains(']') {
            true => "missing ']' in address",
            false => missing,
        });
    };
    let (host, after_host) = match address.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']').ok_or("missing ']' in address")?;
            match rest.strip_prefix(':') {
                _ if rest.is_empty() => return Err(missing),
                Some(port) if !port.contains(':') => {}
                Some(_) => return Err(many),
                None if rest.contains(':') => return Err(many),
                None => return Err(missing),
            }
            (host, rest)
        }
        None => {
            let (host, rest) = address.split_at(last);
            if host.contains(':') {
                return Err(many);
            }
            (host, rest)
        }
    };
    let port = after_host.get(1..).unwrap_or_default();
    if host.contains('[') || port.contains('[') {
        return Err("unexpected '[' in address");
    }
    if host.contains(']') || port.contains(']') {
        return Err("unexpected ']' in address");
    }
    Ok((host, port))
}
