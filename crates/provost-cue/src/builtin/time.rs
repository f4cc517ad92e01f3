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
