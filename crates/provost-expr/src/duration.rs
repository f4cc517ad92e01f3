//! Go durations: `1h30m` read and written as `time.ParseDuration` and `Duration.String` do.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::go_text;

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// A span of time in nanoseconds, 292 years at most either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(pub i64);

/// Why a text is no duration, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// Not of the form, or out of range.
    #[error("time: invalid duration {}", go_text::quote(.0))]
    Invalid(String),
    /// A number without its unit.
    #[error("time: missing unit in duration {}", go_text::quote(.0))]
    MissingUnit(String),
    /// A unit that does not exist.
    #[error("time: unknown unit {} in duration {}", go_text::quote(.unit), go_text::quote(.text))]
    UnknownUnit {
        /// The unit as it stood.
        unit: String,
        /// The whole text.
        text: String,
    },
}

fn unit_nanoseconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        _ => return None,
    })
}

/// Splits off the leading ASCII digits.
fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(end)
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        // 2^63, which only a negative duration may reach.
        const BOUND: u64 = 1 << 63;
        let invalid = || DurationError::Invalid(text.to_owned());
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (whole, after) = digits(rest);
            let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            if unit.is_empty() {
                return Err(DurationError::MissingUnit(text.to_owned()));
            }
            let size = unit_nanoseconds(unit)
                .ok_or_else(|| DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() })?;
            let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
            let part = whole.checked_mul(size).and_then(|part| part.checked_add(fraction_of(fraction, size)));
            total = part.and_then(|part| total.checked_add(part)).ok_or_else(invalid)?;
            if total > BOUND {
                return Err(invalid());
            }
            rest = after;
        }
        if negative {
            return Ok(Self(0_i64.wrapping_sub_unsigned(total)));
        }
        i64::try_from(total).map(Self).map_err(|_| invalid())
    }
}

/// The nanoseconds of a decimal fraction of a unit, cut off below one.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let mut scale: u64 = 1;
    let mut value: u64 = 0;
    // 15 digits say more than a nanosecond of an hour, and the product with one stays within 64 bits of u128.
    for digit in digits.bytes().take(15) {
        value = value * 10 + u64::from(digit - b'0');
        scale *= 10;
    }
    u64::try_from(u128::from(value) * u128::from(unit) / u128::from(scale)).unwrap_or(u64::MAX)
}

impl Duration {
    /// Whole seconds as a duration; numbers beyond 292 years stay at the bound.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND))
    }

    /// The seconds with their fraction.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "Go's Seconds() rounds the same way")]
    pub fn seconds(self) -> f64 {
        let whole = self.0 / SECOND;
        let rest = self.0 % SECOND;
        whole as f64 + rest as f64 / 1e9
    }

    /// Seconds with a fraction as a duration, cut off below a nanosecond.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which keeps the bound")]
    pub fn from_fractional_seconds(seconds: f64) -> Self {
        Self((seconds * 1e9) as i64)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.unsigned_abs();
        if size == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let second = SECOND.unsigned_abs();
        if size < second {
            let (unit, name) = match size {
                0..1_000 => (1, "ns"),
                1_000..1_000_000 => (1_000, "µs"),
                _ => (1_000_000, "ms"),
            };
            return write!(f, "{}{name}", decimal(size, unit));
        }
        let hours = size / HOUR.unsigned_abs();
        let minutes = size % HOUR.unsigned_abs() / MINUTE.unsigned_abs();
        let rest = decimal(size % MINUTE.unsigned_abs(), second);
        if hours > 0 {
            write!(f, "{hours}h{minutes}m{rest}s")
        } else if minutes > 0 {
            write!(f, "{minutes}m{rest}s")
        } else {
            write!(f, "{rest}s")
        }
    }
}

/// `amount / unit` with as many decimals as are needed; `unit` is a power of ten.
fn decimal(amount: u64, unit: u64) -> String {
    let whole = amount / unit;
    let rest = amount % unit;
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let text = format!("{whole}.{rest:0width$}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests;
