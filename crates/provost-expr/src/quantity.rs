//! Kubernetes quantities (`512Mi`, `1.5`, `100m`): read, compared, computed and written as apimachinery does.
//!
//! A quantity is a whole number of nano-units in 128 bits. Apimachinery rounds what it reads up to nano-units
//! too, and holds binary ones at 2^63-1; only beyond 1.7e29 do we differ, where we hold the value at that bound
//! instead of growing.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Decimal places of a nano-unit.
const NANO: u32 = 9;
/// The largest amount: the 128-bit range, so that 1.7e29 units fit.
const BOUND: i128 = i128::MAX;

/// In which family of suffixes a quantity is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Exponent,
    Binary,
    Decimal,
}

/// An amount, and the family of suffixes it was written in.
#[derive(Clone, Debug)]
pub struct Quantity {
    nano: i128,
    format: Format,
    /// Decimal places apimachinery would hold this with; division keeps that many.
    scale: i32,
}

/// Why a text is no quantity, or a result cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// Not of the form number-suffix.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// The suffix does not exist.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// The result is larger than 1.7e29 or finer than a nano-unit.
    #[error("quantity is out of range")]
    Range,
}

struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    if text.is_empty() {
        return Err(QuantityError::Format);
    }
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = rest.trim_start_matches('0');
    let (whole, rest) = rest.split_at(digits(rest));
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    let letters = suffix.bytes().take_while(|b| b"eEinumkKMGTP".contains(b)).count();
    let tail = suffix.get(letters..).unwrap_or_default();
    let number =
        if letters == 0 && tail.is_empty() { tail } else { tail.strip_prefix(['-', '+']).unwrap_or(tail) };
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(QuantityError::Format);
    }
    Ok(Parts { negative, whole: if whole.is_empty() { "0" } else { whole }, fraction, suffix })
}

/// Base, exponent and family of a suffix.
fn interpret(suffix: &str) -> Result<(bool, i32, Format), QuantityError> {
    let known = match suffix {
        "" => (false, 0, Format::Decimal),
        "n" => (false, -9, Format::Decimal),
        "u" => (false, -6, Format::Decimal),
        "m" => (false, -3, Format::Decimal),
        "k" => (false, 3, Format::Decimal),
        "M" => (false, 6, Format::Decimal),
        "G" => (false, 9, Format::Decimal),
        "T" => (false, 12, Format::Decimal),
        "P" => (false, 15, Format::Decimal),
        "E" => (false, 18, Format::Decimal),
        "Ki" => (true, 10, Format::Binary),
        "Mi" => (true, 20, Format::Binary),
        "Gi" => (true, 30, Format::Binary),
        "Ti" => (true, 40, Format::Binary),
        "Pi" => (true, 50, Format::Binary),
        "Ei" => (true, 60, Format::Binary),
        other => {
            let number = other.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
            let exponent = number.parse::<i64>().map_err(|_| QuantityError::Suffix)?;
            // Nothing below 1e-60 or above 1e60 is told apart from these bounds: the value itself is bounded.
            let exponent = i32::try_from(exponent.clamp(-60, 60)).map_err(|_| QuantityError::Suffix)?;
            (false, exponent, Format::Exponent)
        }
    };
    Ok(known)
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// `digits × 10^exponent`, rounded up to whole units and held at the bound.
fn scaled(digits: &str, exponent: i32) -> i128 {
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return 0;
    }
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // 10^39 is above the 128-bit range.
    if length.saturating_add(exponent) > 39 {
        return BOUND;
    }
    if exponent >= 0 {
        let value = digits.parse::<i128>().ok().zip(power_of_ten(exponent.unsigned_abs()));
        return value.and_then(|(value, power)| value.checked_mul(power)).unwrap_or(BOUND);
    }
    let cut = usize::try_from(length.saturating_add(exponent)).unwrap_or(0);
    let (kept, dropped) = digits.split_at(cut.min(digits.len()));
    let value = if kept.is_empty() { 0 } else { kept.parse::<i128>().unwrap_or(BOUND) };
    let more = dropped.bytes().any(|b| b != b'0');
    value.saturating_add(i128::from(more))
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let parts = split(text)?;
        let (binary, exponent, format) = interpret(parts.suffix)?;
        let places = i32::try_from(parts.fraction.len()).unwrap_or(i32::MAX);
        let digits = format!("{}{}", parts.whole, parts.fraction);
        let mut format = format;
        let (size, scale) = if binary {
            let factor = 1_i128.checked_shl(exponent.unsigned_abs()).unwrap_or(BOUND);
            // A fraction of up to 20 places times 2^60 is exact here; finer ones are rounded up a little early.
            let size = match digits.parse::<i128>().ok().and_then(|value| value.checked_mul(factor)) {
                Some(product) => scaled(&product.to_string(), 9 - places),
                None => scaled(&digits, 9 - places).saturating_mul(factor),
            };
            let highest = i128::from(i64::MAX) * 1_000_000_000;
            let capped = size > highest;
            let size = size.min(highest);
            // Apimachinery keeps fractions below one out of the binary family.
            if size > 0 && size < 1_000_000_000 && !parts.fraction.is_empty() {
                format = Format::Decimal;
            }
            let room = 14 - i32::try_from(parts.whole.len()).unwrap_or(i32::MAX) - exponent * 3 / 10;
            (size, if capped || (parts.fraction.is_empty() && room >= 0) { 0 } else { 9 })
        } else {
            let scale = places.saturating_sub(exponent);
            (scaled(&digits, 9_i32.saturating_sub(scale)), scale.min(9))
        };
        let nano = if parts.negative { -size } else { size };
        Ok(Self { nano, format, scale })
    }
}

impl Quantity {
    fn computed(nano: i128, format: Format, scale: i32) -> Self {
        Self { nano, format, scale }
    }

    /// Whether the amount is nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.nano == 0
    }

    fn plus(&self, other: &Self, amount: Option<i128>) -> Result<Self, QuantityError> {
        let format = if self.nano == 0 { other.format } else { self.format };
        let nano = amount.ok_or(QuantityError::Range)?;
        Ok(Self::computed(nano, format, self.scale.max(other.scale)))
    }

    /// The sum, written like the left side unless that is zero.
    ///
    /// # Errors
    /// When it is out of range.
    pub fn add(&self, other: &Self) -> Result<Self, QuantityError> {
        self.plus(other, self.nano.checked_add(other.nano))
    }

    /// The difference.
    ///
    /// # Errors
    /// When it is out of range.
    pub fn subtract(&self, other: &Self) -> Result<Self, QuantityError> {
        self.plus(other, self.nano.checked_sub(other.nano))
    }

    /// The product with a number, which is read as a quantity itself, as Kyverno does.
    ///
    /// # Errors
    /// When it is out of range or finer than a nano-unit.
    pub fn multiply(&self, factor: &Self) -> Result<Self, QuantityError> {
        let unit = 1_000_000_000;
        // Splitting off whole units keeps the product within 128 bits for every realistic pair.
        let whole = self.nano.checked_mul(factor.nano / unit).ok_or(QuantityError::Range)?;
        let part = self.nano.checked_mul(factor.nano % unit).ok_or(QuantityError::Range)?;
        if part % unit != 0 {
            return Err(QuantityError::Range);
        }
        let nano = whole.checked_add(part / unit).ok_or(QuantityError::Range)?;
        Ok(Self::computed(nano, self.format, self.scale + factor.scale))
    }

    /// The quotient by a number, cut off at the finer of both scales. `None` for a division by zero.
    ///
    /// # Errors
    /// When it is out of range.
    pub fn divide(&self, divisor: &Self) -> Result<Option<Self>, QuantityError> {
        if divisor.nano == 0 {
            return Ok(None);
        }
        let scale = self.scale.max(divisor.scale).clamp(-29, 9);
        let (numerator, denominator) = if scale >= 0 {
            let power = power_of_ten(scale.unsigned_abs()).ok_or(QuantityError::Range)?;
            (self.nano.checked_mul(power).ok_or(QuantityError::Range)?, divisor.nano)
        } else {
            let power = power_of_ten(scale.unsigned_abs()).ok_or(QuantityError::Range)?;
            (self.nano, divisor.nano.checked_mul(power).ok_or(QuantityError::Range)?)
        };
        let exponent = u32::try_from(9 - scale).map_err(|_| QuantityError::Range)?;
        let back = power_of_ten(exponent).ok_or(QuantityError::Range)?;
        let nano = (numerator / denominator).checked_mul(back).ok_or(QuantityError::Range)?;
        Ok(Some(Self::computed(nano, self.format, scale)))
    }

    /// The remainder of whole amounts; `None` where one has a fraction, `Some(None)` for a zero divisor.
    #[must_use]
    pub fn modulo(&self, divisor: &Self) -> Option<Option<Self>> {
        let unit = 1_000_000_000;
        if self.nano % unit != 0 || divisor.nano % unit != 0 {
            return None;
        }
        if divisor.nano == 0 {
            return Some(None);
        }
        Some(Some(Self::computed(self.nano % divisor.nano, self.format, 0)))
    }

    /// The amount as a double, near enough.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
    pub fn as_f64(&self) -> f64 {
        let unit = 1_000_000_000;
        if self.nano % unit == 0 { (self.nano / unit) as f64 } else { self.nano as f64 / 1e9 }
    }

    /// The canonical text: the shortest without a fraction, in the family of suffixes it was written in.
    ///
    /// # Errors
    /// When a computed amount has no suffix large enough.
    pub fn text(&self) -> Result<String, QuantityError> {
        if self.nano == 0 {
            return Ok("0".to_owned());
        }
        let unit = 1_000_000_000_i128;
        let whole = self.nano % unit == 0;
        let small = self.nano > -1024 * unit && self.nano < 1024 * unit;
        if self.format == Format::Binary && !small && whole {
            let mut amount = self.nano / unit;
            let mut index = 0;
            while amount % 1024 == 0 {
                amount /= 1024;
                index += 1;
            }
            let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(index).ok_or(QuantityError::Range)?;
            return Ok(format!("{amount}{suffix}"));
        }
        let mut amount = self.nano;
        let mut exponent = -i32::try_from(NANO).unwrap_or(9);
        while amount % 1000 == 0 {
            amount /= 1000;
            exponent += 3;
        }
        if self.format == Format::Exponent {
            return Ok(if exponent == 0 { amount.to_string() } else { format!("{amount}e{exponent}") });
        }
        let index = usize::try_from((exponent + 9) / 3).map_err(|_| QuantityError::Range)?;
        let suffix =
            ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"].get(index).ok_or(QuantityError::Range)?;
        Ok(format!("{amount}{suffix}"))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text().map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests;
