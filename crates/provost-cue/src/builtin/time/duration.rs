//! Durations in nanoseconds: `1h30m` read and written.

use crate::print::quote;

/// Units, the longer spelling before those it begins with.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration; `Err` holds Go's words.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, tail) = digits(rest);
        let (fraction, tail) = tail.strip_prefix('.').map_or(("", tail), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let length = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at_checked(length).unwrap_or((tail, ""));
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quote(text)));
        }
        let Some((_, nanoseconds)) = UNITS.iter().find(|(known, _)| *known == unit) else {
            return Err(format!("time: unknown unit {} in duration {}", quote(unit), quote(text)));
        };
        let whole = if whole.is_empty() { Ok(0) } else { whole.parse::<u64>() };
        let value = whole.ok().and_then(|whole| whole.checked_mul(*nanoseconds)).ok_or_else(invalid)?;
        // Go multiplies what fits of the fraction as a float; its digits beyond nanoseconds do not count.
        let part = format!("0.{fraction}0").parse::<f64>().unwrap_or(0.0) * *nanoseconds as f64;
        total =
            total.checked_add(value + part as u64).filter(|total| *total <= 1 << 63).ok_or_else(invalid)?;
        rest = after;
    }
    match (negative, i64::try_from(total)) {
        (false, Ok(total)) => Ok(total),
        (true, Ok(total)) => Ok(-total),
        (true, Err(_)) => Ok(i64::MIN),
        (false, Err(_)) => Err(invalid()),
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// Writes a duration in Go's way: hours, minutes and seconds, or one smaller unit.
pub(super) fn format(duration: i64) -> String {
    let sign = if duration < 0 { "-" } else { "" };
    let nanoseconds = duration.unsigned_abs();
    let with = |value: u64, unit: u64, places: usize| {
        let (whole, rest) = (value / unit, value % unit);
        let fraction = format!("{rest:0places$}");
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
    };
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{nanoseconds}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", with(nanoseconds, 1_000, 3)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", with(nanoseconds, 1_000_000, 6)),
        _ => {
            let seconds = nanoseconds / 1_000_000_000;
            let shown = with(nanoseconds % 60_000_000_000, 1_000_000_000, 9);
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{shown}s"),
                (0, _) => format!("{sign}{minutes}m{shown}s"),
                _ => format!("{sign}{hours}h{minutes}m{shown}s"),
            }
        }
    }
}
