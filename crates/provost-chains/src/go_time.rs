//! Times and durations as Go writes them again: `60m` is `1h0m0s`, an offset becomes `Z`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The moment an RFC 3339 text names, `None` where it names none.
#[must_use]
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    // RFC 3339 has a capital T or a lower one; Go, which Chains reads with, takes only the capital.
    (text.as_bytes().get(10) == Some(&b'T')).then(|| text.parse().ok())?
}

/// As a Kubernetes object spells a time: whole seconds, UTC.
#[must_use]
pub(crate) fn in_object(moment: Timestamp) -> String {
    moment.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As Go's `time.Time` is written into a v0.2 predicate: no more digits of a second than needed.
#[must_use]
pub(crate) fn in_v02(moment: Timestamp) -> String {
    fraction(moment, |digits| digits.trim_end_matches('0').to_owned())
}

/// As protobuf writes a timestamp into a v1 predicate: none, three, six or nine digits of a second.
#[must_use]
pub(crate) fn in_v1(moment: Timestamp) -> String {
    fraction(moment, |digits| {
        let short = digits.trim_end_matches("000");
        short.to_owned()
    })
}

fn fraction(moment: Timestamp, shorten: impl Fn(&str) -> String) -> String {
    let seconds = moment.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let digits = shorten(&format!("{:09}", moment.subsec_nanosecond()));
    let dot = if digits.is_empty() { "" } else { "." };
    format!("{seconds}{dot}{digits}Z")
}

/// How many digits of a fraction count: the fifteenth of an hour (3.6·10¹² ns) is 0.004 ns.
const FRACTION_DIGITS: usize = 15;

/// A Go duration in Go's own spelling, `None` where the text is none or exceeds 290 years.
#[must_use]
pub(crate) fn duration(text: &str) -> Option<String> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some("0s".to_owned());
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        total = total.checked_add(part(number, unit_nanoseconds(unit)?)?)?;
        rest = next;
    }
    (total <= i128::from(i64::MAX)).then(|| spelled(negative && total != 0, total))
}

fn unit_nanoseconds(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn part(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = fraction.get(..fraction.len().min(FRACTION_DIGITS))?;
    let share = if fraction.is_empty() {
        0
    } else {
        let scale = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        fraction.parse::<i128>().ok()?.checked_mul(unit)? / scale
    };
    whole.checked_mul(unit)?.checked_add(share)
}

fn spelled(negative: bool, nanoseconds: i128) -> String {
    let sign = if negative { "-" } else { "" };
    let fractional = |unit: i128, name: &str| {
        let (whole, rest) = (nanoseconds / unit, nanoseconds % unit);
        let width = unit.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        let digits = if width == 0 { "" } else { digits.trim_end_matches('0') };
        let dot = if digits.is_empty() { "" } else { "." };
        format!("{sign}{whole}{dot}{digits}{name}")
    };
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => fractional(1, "ns"),
        1_000..1_000_000 => fractional(1_000, "µs"),
        1_000_000..1_000_000_000 => fractional(1_000_000, "ms"),
        _ => {
            let (minutes, below) = (nanoseconds / 60_000_000_000, nanoseconds % 60_000_000_000);
            let digits = format!("{:09}", below % 1_000_000_000);
            let digits = digits.trim_end_matches('0');
            let dot = if digits.is_empty() { "" } else { "." };
            let seconds = format!("{}{dot}{digits}s", below / 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_come_out_in_gos_spelling() {
        for (text, want) in [
            ("60m", Some("1h0m0s")),
            ("1h0m0s", Some("1h0m0s")),
            ("90s", Some("1m30s")),
            ("1.5h", Some("1h30m0s")),
            ("0", Some("0s")),
            ("0s", Some("0s")),
            ("1500ms", Some("1.5s")),
            ("15us", Some("15µs")),
            ("1ns", Some("1ns")),
            ("1.5ms", Some("1.5ms")),
            ("-2m", Some("-2m0s")),
            (".5s", Some("500ms")),
            ("0.5000000000000009999h", Some("30m0s")),
            ("", None),
            ("1", None),
            ("h", None),
            ("1d", None),
            ("3000000h", None),
        ] {
            assert_eq!(duration(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn times_become_utc_with_the_digits_their_writer_keeps() {
        let half = moment("2026-01-02T03:04:05.500+02:00").unwrap();
        assert_eq!(in_object(half), "2026-01-02T01:04:05Z");
        assert_eq!(in_v02(half), "2026-01-02T01:04:05.5Z");
        assert_eq!(in_v1(half), "2026-01-02T01:04:05.500Z");
        let whole = moment("2026-01-02T03:04:05Z").unwrap();
        assert_eq!((in_v02(whole), in_v1(whole)), (in_object(whole), in_object(whole)));
        assert_eq!(moment("2026-01-02 03:04:05Z"), None);
        assert_eq!(moment("yesterday"), None);
    }
}
