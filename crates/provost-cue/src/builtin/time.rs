//! Package time: RFC 3339 times and Go's durations. Reads no clock.

use super::{Builtin, complain, text};
use crate::context::Context;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

const S: Kinds = Kinds::STRING;

pub(super) static LAYOUTS: &[(&str, &str)] = &[
    ("RFC3339", "2006-01-02T15:04:05Z07:00"),
    ("RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"),
    ("RFC3339Date", "2006-01-02"),
];

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::test("time.Time", &[S], |context, a| {
        let value = text(a, 0);
        match moment(&value) {
            true => Ok(Value::Bool(true)),
            false => complain(context, "time.Time", format!("invalid time {}", crate::print::quote(&value))),
        }
    }),
    Builtin::test("time.Format", &[S, S], format),
    Builtin::function("time.Parse", &[S, S], parse),
    Builtin::test("time.Duration", &[S], |context, a| {
        let value = text(a, 0);
        match duration(&value) {
            true => Ok(Value::Bool(true)),
            false => {
                let problem = format!("time: invalid duration {}", crate::print::quote(&value));
                complain(context, "time.Duration", problem)
            }
        }
    }),
];

fn format(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let (value, layout) = (text(arguments, 0), text(arguments, 1));
    let holds = match &*layout {
        // Go reads fractional seconds wherever seconds stand.
        "2006-01-02T15:04:05Z07:00" | "2006-01-02T15:04:05.999999999Z07:00" => moment(&value),
        "2006-01-02" => date(&value),
        other => return Ok(context.unsupported(format!("time layout {}", crate::print::quote(other)), None)?),
    };
    match holds {
        true => Ok(Value::Bool(true)),
        false => complain(context, "time.Format", format!("invalid time {}", crate::print::quote(&value))),
    }
}

/// A time by its layout, as RFC 3339 in UTC, so that times compare as strings.
fn parse(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let (layout, value) = (text(arguments, 0), text(arguments, 1));
    let whole = match &*layout {
        "2006-01-02T15:04:05Z07:00" | "2006-01-02T15:04:05.999999999Z07:00" => value.to_string(),
        "2006-01-02" => format!("{value}T00:00:00Z"),
        other => return Ok(context.unsupported(format!("time layout {}", crate::print::quote(other)), None)?),
    };
    match utc(&whole) {
        Some(utc) => Ok(Value::text(&utc)),
        None => complain(context, "time.Parse", format!("invalid time {}", crate::print::quote(&value))),
    }
}

/// Days since 1970 of a date in the Gregorian calendar, by counting 400-year eras that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// An RFC 3339 time in UTC, without the zeros that end a fraction.
fn utc(text: &str) -> Option<String> {
    moment_inside(text)?;
    let number = |from: usize, to: usize| -> Option<i64> { text.get(from..to)?.parse().ok() };
    let rest = text.get(19..)?;
    let fraction: String = match rest.strip_prefix(['.', ',']) {
        // Go keeps nanoseconds.
        Some(digits) => digits.chars().take_while(char::is_ascii_digit).take(9).collect(),
        None => String::new(),
    };
    let offset = match text.get(text.len().checked_sub(6)?..)? {
        zone if zone.starts_with(['+', '-']) => {
            let minutes: i64 =
                zone.get(1..3)?.parse::<i64>().ok()? * 60 + zone.get(4..6)?.parse::<i64>().ok()?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
        _ => 0,
    };
    let day = days(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let minutes = day * 1_440 + number(11, 13)? * 60 + number(14, 16)? - offset;
    let (year, month, day) = date_of(minutes.div_euclid(1_440));
    let of_day = minutes.rem_euclid(1_440);
    let second = number(17, 19)?;
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let (hour, minute) = (of_day / 60, of_day % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{point}{fraction}Z"))
}

/// So many digits at the start, and the rest.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(count)?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    Some((number.parse().ok()?, rest))
}

fn calendar(text: &str) -> Option<&str> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    (1..=days).contains(&day).then_some(rest)
}

fn date(text: &str) -> bool {
    calendar(text) == Some("")
}

fn moment(text: &str) -> bool {
    moment_inside(text).is_some()
}

fn moment_inside(text: &str) -> Option<()> {
    let rest = calendar(text)?.strip_prefix('T')?;
    let (hour, rest) = digits(rest, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (second, mut rest) = digits(rest.strip_prefix(':')?, 2)?;
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        rest = fraction.get(length..).filter(|_| length > 0)?;
    }
    let zone = match rest.strip_prefix(['+', '-']) {
        None => rest == "Z",
        Some(offset) => {
            let (hours, rest) = digits(offset, 2)?;
            let (minutes, rest) = digits(rest.strip_prefix(':')?, 2)?;
            hours < 24 && minutes < 60 && rest.is_empty()
        }
    };
    (hour < 24 && minute < 60 && second < 60 && zone).then_some(())
}

/// `1h30m`, as Go's time.ParseDuration takes it.
fn duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let whole = rest.bytes().take_while(u8::is_ascii_digit).count();
        let tail = rest.get(whole..).unwrap_or_default();
        let (fraction, tail) = match tail.strip_prefix('.') {
            Some(tail) => {
                let length = tail.bytes().take_while(u8::is_ascii_digit).count();
                (length, tail.get(length..).unwrap_or_default())
            }
            None => (0, tail),
        };
        let units = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"];
        let Some(unit) = units.iter().find(|unit| tail.starts_with(**unit)) else { return false };
        // Go's durations end at about 292 years: more digits than that are refused here as there.
        if whole + fraction == 0 || whole > 18 {
            return false;
        }
        rest = tail.get(unit.len()..).unwrap_or_default();
    }
    true
}
