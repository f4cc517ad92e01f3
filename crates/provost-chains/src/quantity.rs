//! Kubernetes quantities in their canonical spelling: `1000m` is `1`, `1024Mi` is `1Gi`.
//!
//! A quantity is read exactly, rounded up to whole billionths, and written with the largest suffix that needs no
//! fraction, as the API machinery does when it writes an object again.

/// The most digits a quantity's number may have: 10¹⁸ times the largest unit (1024⁶ ≈ 1.2·10¹⁸) is 1.2·10³⁶, which
/// an `i128` (1.7·10³⁸) holds exactly.
pub const MAX_DIGITS: usize = 18;

const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Binary(u32),
    Decimal(i32),
    Exponent(i32),
}

/// The canonical spelling of a quantity, `None` where the text is none (or longer than [`MAX_DIGITS`] digits).
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || fraction.contains('.') || digits.len() > MAX_DIGITS {
        return None;
    }
    let digits: i128 = digits.parse().ok()?;
    let scale = -i32::try_from(fraction.len()).ok()?;
    let format = format_of(suffix)?;
    if digits == 0 {
        return Some("0".to_owned());
    }
    let sign = if negative { -1 } else { 1 };
    match format {
        Format::Binary(power) => {
            let scaled = digits.checked_mul(1024i128.checked_pow(power)?)?;
            let small = scaled < 1024i128.checked_mul(10i128.checked_pow(scale.unsigned_abs())?)?;
            if small {
                return Some(decimal(sign * scaled, scale, false));
            }
            let whole = round_up(sign * scaled, scale.unsigned_abs())?;
            Some(binary(whole))
        }
        Format::Decimal(exponent) => Some(decimal(sign * digits, scale + exponent, false)),
        Format::Exponent(exponent) => Some(decimal(sign * digits, scale + exponent, true)),
    }
}

fn format_of(suffix: &str) -> Option<Format> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some(Format::Decimal(*exponent));
    }
    if let Some(power) = BINARY.iter().position(|name| *name == suffix) {
        return Some(Format::Binary(u32::try_from(power).ok()?));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i32 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    // Beyond this no machine has such a resource, and the arithmetic below would overflow.
    (-18..=18).contains(&exponent).then_some(Format::Exponent(exponent))
}

/// `number / 10^places`, rounded away from zero.
fn round_up(number: i128, places: u32) -> Option<i128> {
    let divisor = 10i128.checked_pow(places)?;
    let (quotient, rest) = (number / divisor, number % divisor);
    Some(if rest == 0 { quotient } else { quotient + number.signum() })
}

fn binary(mut number: i128) -> String {
    let mut power = 0;
    while number % 1024 == 0 && power + 1 < BINARY.len() {
        number /= 1024;
        power += 1;
    }
    format!("{number}{}", BINARY.get(power).copied().unwrap_or_default())
}

fn decimal(mut number: i128, mut exponent: i32, scientific: bool) -> String {
    while exponent < -9 {
        number = round_up(number, 1).unwrap_or(number);
        exponent += 1;
    }
    while number % 10 == 0 && number != 0 {
        number /= 10;
        exponent += 1;
    }
    while exponent % 3 != 0 {
        number *= 10;
        exponent -= 1;
    }
    let named = DECIMAL.iter().find(|(_, power)| *power == exponent).map(|(name, _)| *name);
    match named {
        Some(name) if !scientific => format!("{number}{name}"),
        _ if exponent == 0 => number.to_string(),
        _ => format!("{number}e{exponent}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_come_out_canonical() {
        for (text, want) in [
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("1000Mi", "1000Mi"),
            ("512", "512"),
            ("1000", "1k"),
            ("1024", "1024"),
            ("100000k", "100M"),
            ("0Gi", "0"),
            ("0.1Gi", "107374183"),
            ("0.5Ki", "512"),
            ("-1000m", "-1"),
            ("+1", "1"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e6", "12e6"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("5E", "5E"),
            (".5", "500m"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in ["", "m", "1x", "1.2.3", "1 Gi", "1e", "1e99", "--1", "Gi"] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn the_longest_number_still_fits_and_one_more_digit_does_not() {
        let nines = "9".repeat(MAX_DIGITS);
        assert_eq!(canonical(&format!("{nines}Ei")), Some(format!("{nines}Ei")));
        assert_eq!(canonical(&format!("{nines}9")), None);
    }
}
