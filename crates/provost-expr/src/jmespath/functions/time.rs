//! Functions on times and durations; the current time comes from the environment's clock.

use serde_json::Value;

use super::types::{B, S};
use super::{Call, Signature};
use crate::duration::Duration;
use crate::go_text;
use crate::go_time::{Instant, RFC3339};
use crate::jmespath::error::{FunctionFault, JmesError};

type Result<T> = std::result::Result<T, JmesError>;

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new(
        "time_since",
        &[S, S, S],
        S,
        time_since,
        "the time between two times of a Go layout ('' is RFC 3339); the second may be '' for now",
    ),
    Signature::new("time_diff", &[S, S], S, time_diff, "the time between two RFC 3339 times"),
    Signature::new("time_now", &[], S, time_now, "the current time in RFC 3339"),
    Signature::new("time_now_utc", &[], S, time_now_utc, "the current time in UTC, in RFC 3339"),
    Signature::new("time_add", &[S, S], S, time_add, "a time and a duration later"),
    Signature::new(
        "time_parse",
        &[S, S],
        S,
        time_parse,
        "a time of a Go layout in RFC 3339; a number as layout means seconds since 1970",
    ),
    Signature::new(
        "time_to_cron",
        &[S],
        S,
        time_to_cron,
        "the cron schedule of a time's minute, hour, day, month and weekday",
    ),
    Signature::new("time_utc", &[S], S, time_utc, "the same time in UTC"),
    Signature::new(
        "time_before",
        &[S, S],
        B,
        time_before,
        "whether the first time is earlier than the second",
    ),
    Signature::new("time_after", &[S, S], B, time_after, "whether the first time is later than the second"),
    Signature::new(
        "time_between",
        &[S, S, S],
        B,
        time_between,
        "whether the first time is later than the second and earlier than the third",
    ),
    Signature::new(
        "time_truncate",
        &[S, S],
        S,
        time_truncate,
        "the time rounded down to a multiple of a duration",
    ),
];

fn at(call: &Call<'_, '_>, index: usize) -> Result<Instant> {
    Ok(Instant::parse_rfc3339(call.text(index))?)
}

fn now(call: &Call<'_, '_>) -> Result<Instant> {
    let clock = call.interpreter().environment.clock;
    clock
        .map(crate::environment::Clock::now)
        .ok_or_else(|| call.fault(FunctionFault::Unavailable("the time")))
}

fn printed(instant: Instant) -> Result<Value> {
    Ok(Value::String(instant.to_rfc3339()))
}

fn time_since(call: &mut Call<'_, '_>) -> Result<Value> {
    let layout = if call.text(0).is_empty() { RFC3339 } else { call.text(0) };
    let from = Instant::parse(layout, call.text(1))?;
    let to = if call.text(2).is_empty() { now(call)? } else { Instant::parse(layout, call.text(2))? };
    Ok(Value::String(to.since(from).to_string()))
}

fn time_diff(call: &mut Call<'_, '_>) -> Result<Value> {
    let (from, to) = (at(call, 0)?, at(call, 1)?);
    Ok(Value::String(to.since(from).to_string()))
}

fn time_now(call: &mut Call<'_, '_>) -> Result<Value> {
    printed(now(call)?)
}

fn time_now_utc(call: &mut Call<'_, '_>) -> Result<Value> {
    printed(now(call)?.in_utc())
}

fn time_add(call: &mut Call<'_, '_>) -> Result<Value> {
    let time = at(call, 0)?;
    printed(time.plus(call.text(1).parse::<Duration>()?))
}

/// An integer as `strconv.ParseInt` reads it.
fn integer(text: &str) -> Result<i64> {
    text.parse::<i64>().map_err(|error| {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let out = matches!(error.kind(), PosOverflow | NegOverflow);
        JmesError::Integer {
            text: go_text::quote(&go_text::shorten(text)),
            reason: if out { "value out of range" } else { "invalid syntax" },
        }
    })
}

fn time_parse(call: &mut Call<'_, '_>) -> Result<Value> {
    if integer(call.text(0)).is_ok() {
        return printed(Instant::from_unix(integer(call.text(1))?));
    }
    printed(Instant::parse(call.text(0), call.text(1))?)
}

fn time_to_cron(call: &mut Call<'_, '_>) -> Result<Value> {
    let c = at(call, 0)?.civil();
    Ok(Value::String(format!("{} {} {} {} {}", c.minute, c.hour, c.day, c.month, c.weekday)))
}

fn time_utc(call: &mut Call<'_, '_>) -> Result<Value> {
    printed(at(call, 0)?.in_utc())
}

fn time_before(call: &mut Call<'_, '_>) -> Result<Value> {
    Ok(Value::Bool(at(call, 0)?.before(at(call, 1)?)))
}

fn time_after(call: &mut Call<'_, '_>) -> Result<Value> {
    Ok(Value::Bool(at(call, 1)?.before(at(call, 0)?)))
}

fn time_between(call: &mut Call<'_, '_>) -> Result<Value> {
    let (time, start, end) = (at(call, 0)?, at(call, 1)?, at(call, 2)?);
    Ok(Value::Bool(start.before(time) && time.before(end)))
}

fn time_truncate(call: &mut Call<'_, '_>) -> Result<Value> {
    let time = at(call, 0)?;
    printed(time.truncate(call.text(1).parse::<Duration>()?))
}
