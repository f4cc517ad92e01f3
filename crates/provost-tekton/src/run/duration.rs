//! Go's durations, as timeouts are written: `1h30m`, `500ms`, `0s`.

use std::time::Duration;

/// Reads a Go duration that is not negative; `None` for any other text and for what does not fit in 64 bits of nanoseconds.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let unit: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total.checked_add(scaled(number, unit)?)?;
        rest = tail;
    }
    i64::try_from(total).ok()?;
    Some(Duration::from_nanos(total))
}

/// `number` times `unit`, where the number may have a fraction; digits below a nanosecond are dropped as Go drops them.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let mut total = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.checked_mul(unit)? };
    let mut place = unit;
    for digit in fraction.chars() {
        place /= 10;
        total = total.checked_add(u64::from(digit.to_digit(10)?) * place)?;
    }
    Some(total)
}

/// Writes a duration as Go does: `1h0m0s`, `1.5s`, `500ms`.
pub(crate) fn write(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let decimal = |value: u128, unit: u128, name: &str| {
        let (whole, rest) = (value / unit, value % unit);
        if rest == 0 {
            return format!("{whole}{name}");
        }
        let width = unit.ilog10() as usize;
        format!("{whole}.{}{name}", format!("{rest:0width$}").trim_end_matches('0'))
    };
    if nanos < 1_000 {
        return format!("{nanos}ns");
    }
    if nanos < 1_000_000 {
        return decimal(nanos, 1_000, "µs");
    }
    if nanos < 1_000_000_000 {
        return decimal(nanos, 1_000_000, "ms");
    }
    let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
    let seconds = decimal(rest, 1_000_000_000, "s");
    match (minutes / 60, minutes % 60) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        let cases = [
            ("1h", 3600e9, "1h0m0s"),
            ("60m", 3600e9, "1h0m0s"),
            ("1h30m10.5s", 5410.5e9, "1h30m10.5s"),
            ("500ms", 0.5e9, "500ms"),
            ("1.5ms", 0.0015e9, "1.5ms"),
            ("20us", 20e3, "20µs"),
            ("7ns", 7.0, "7ns"),
            (".5s", 0.5e9, "500ms"),
            ("0", 0.0, "0s"),
            ("0s", 0.0, "0s"),
            ("90s", 90e9, "1m30s"),
        ];
        for (text, nanos, written) in cases {
            let duration = parse(text).unwrap();
            assert_eq!(duration.as_nanos() as f64, nanos, "{text}");
            assert_eq!(write(duration), written, "{text}");
        }
        for text in ["", "1", "-1s", "1x", "s", ".s", "1.2.3s", "9999999999999h", "1h 2m"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
