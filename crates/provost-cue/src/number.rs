//! Numbers: decimals of any size, rounded to 34 digits by arithmetic, printed as General Decimal Arithmetic says.

mod functions;

use std::cmp::Ordering;
use std::fmt;

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::{Signed, ToPrimitive, Zero};

/// The digits that arithmetic keeps (IEEE decimal128, as apd is configured in CUE).
pub(crate) const PRECISION: u64 = 34;
/// Exponents beyond this are refused: a number of that size would not fit in memory once written out.
pub(crate) const EXPONENT: i64 = 100_000;

/// `coefficient × 10^exponent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    coefficient: BigInt,
    exponent: i64,
    /// A zero written with a minus sign prints with it.
    negative_zero: bool,
}

/// A decimal and whether it was written as a float.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Number {
    /// Whether it is a float; `1.0` and `1` differ by this alone.
    pub(crate) float: bool,
    /// Its value.
    pub(crate) decimal: Decimal,
}

impl Number {
    /// An integer.
    pub(crate) fn integer(value: impl Into<BigInt>) -> Self {
        Self { float: false, decimal: Decimal::from(value.into()) }
    }
}

impl From<BigInt> for Decimal {
    fn from(coefficient: BigInt) -> Self {
        Self { coefficient, exponent: 0, negative_zero: false }
    }
}

impl Decimal {
    /// Reads `-12.50e3`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let coefficient = BigInt::parse_bytes(digits.as_bytes(), 10)?;
        let exponent = exponent.checked_sub(fraction.len() as i64)?;
        if exponent.abs() > EXPONENT {
            return None;
        }
        let negative_zero = coefficient.is_zero() && text.starts_with('-');
        Some(Self { coefficient, exponent, negative_zero })
    }

    /// Its value as a whole number, if it is one.
    pub(crate) fn to_integer(&self) -> Option<BigInt> {
        let ten = BigInt::from(10);
        match u32::try_from(self.exponent.unsigned_abs()).ok()? {
            places if self.exponent >= 0 => Some(&self.coefficient * ten.pow(places)),
            places => {
                let (whole, rest) = self.coefficient.div_rem(&ten.pow(places));
                rest.is_zero().then_some(whole)
            }
        }
    }

    /// The largest integer that is not above it.
    pub(crate) fn floor(&self) -> BigInt {
        let ten = BigInt::from(10);
        // Exponents are bounded where numbers are read and made.
        let places = u32::try_from(self.exponent.unsigned_abs()).unwrap_or(0);
        match self.exponent >= 0 {
            true => &self.coefficient * ten.pow(places),
            false => self.coefficient.div_floor(&ten.pow(places)),
        }
    }

    /// The smallest integer that is not below it.
    pub(crate) fn ceiling(&self) -> BigInt {
        -self.negate().floor()
    }

    /// The whole part, without the fraction.
    pub(crate) fn truncate(&self) -> BigInt {
        if self.is_negative() { self.ceiling() } else { self.floor() }
    }

    /// The nearest integer; halves go away from zero, or to the even neighbour.
    pub(crate) fn nearest(&self, even: bool) -> BigInt {
        let low = self.floor();
        let twice = self.times(&BigInt::from(2));
        let middle = Self::from(&low * 2 + 1);
        let up = match twice.compare(&middle) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal if even => low.is_odd(),
            Ordering::Equal => !self.is_negative(),
        };
        if up { low + 1 } else { low }
    }

    /// Its value without a sign, at most [`PRECISION`] digits of it.
    pub(crate) fn magnitude(&self) -> Self {
        Self { coefficient: self.coefficient.abs(), exponent: self.exponent, negative_zero: false }.rounded()
    }

    /// With the sign of another number.
    pub(crate) fn signed(&self, like: &Self) -> Self {
        let negative = like.is_negative() || like.negative_zero;
        let magnitude =
            Self { coefficient: self.coefficient.abs(), exponent: self.exponent, negative_zero: false };
        if negative { magnitude.negate() } else { magnitude }
    }

    /// Whether it is written with a minus sign.
    pub(crate) fn has_sign(&self) -> bool {
        self.is_negative() || self.negative_zero
    }

    /// Without an exponent where it is a whole number of few enough digits, and whether it is a whole number.
    pub(crate) fn settled(self) -> (Self, bool) {
        if self.exponent == 0 || digits(&self.coefficient) as i64 + self.exponent > PRECISION as i64 {
            return (self.clone(), self.exponent >= 0);
        }
        match self.to_integer() {
            Some(whole) => (Self::from(whole), true),
            None => (self, false),
        }
    }

    /// The nearest float of 64 bits; too large ones are infinite.
    pub(crate) fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The shortest decimal that reads as this float; `None` for what is no finite number.
    pub(crate) fn from_f64(value: f64) -> Option<Self> {
        if value.is_finite() { Self::parse(&format!("{value:e}")) } else { None }
    }

    /// Steps that one operation with it is worth: aligning exponents writes as many digits as they say.
    pub(crate) fn weight(&self) -> usize {
        let written = self.coefficient.bits() / 3 + self.exponent.unsigned_abs();
        usize::try_from(written / 32).unwrap_or(usize::MAX)
    }

    /// Whether its exponent is one that arithmetic may go on with.
    pub(crate) fn in_range(&self) -> bool {
        self.exponent.abs() <= EXPONENT
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.coefficient.is_zero()
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.coefficient.is_negative()
    }

    /// Exact product with an integer.
    pub(crate) fn times(&self, factor: &BigInt) -> Self {
        Self { coefficient: &self.coefficient * factor, exponent: self.exponent, negative_zero: false }
    }

    pub(crate) fn negate(&self) -> Self {
        Self {
            coefficient: -&self.coefficient,
            exponent: self.exponent,
            negative_zero: self.coefficient.is_zero() && !self.negative_zero,
        }
    }

    /// Both coefficients at the smaller exponent.
    fn aligned(&self, other: &Self) -> (BigInt, BigInt, i64) {
        let exponent = self.exponent.min(other.exponent);
        let scale = |d: &Self| {
            let places = u32::try_from(d.exponent - exponent).unwrap_or(u32::MAX);
            &d.coefficient * BigInt::from(10).pow(places)
        };
        (scale(self), scale(other), exponent)
    }

    pub(crate) fn add(&self, other: &Self) -> Self {
        let (a, b, exponent) = self.aligned(other);
        Self { coefficient: a + b, exponent, negative_zero: false }.rounded()
    }

    pub(crate) fn subtract(&self, other: &Self) -> Self {
        let (a, b, exponent) = self.aligned(other);
        Self { coefficient: a - b, exponent, negative_zero: false }.rounded()
    }

    pub(crate) fn multiply(&self, other: &Self) -> Self {
        let coefficient = &self.coefficient * &other.coefficient;
        Self { coefficient, exponent: self.exponent + other.exponent, negative_zero: false }.rounded()
    }

    /// The quotient to 34 digits; `None` by zero.
    pub(crate) fn divide(&self, other: &Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let extra = (PRECISION + 2 + digits(&other.coefficient)).saturating_sub(digits(&self.coefficient));
        let scaled = &self.coefficient * BigInt::from(10).pow(u32::try_from(extra).ok()?);
        let (mut quotient, rest) = scaled.div_rem(&other.coefficient);
        let exponent = self.exponent - other.exponent - extra as i64;
        if !rest.is_zero() {
            // A last digit of 1 keeps a discarded remainder from looking like an exact half.
            let sticky =
                if quotient.is_negative() || rest.is_negative() != other.is_negative() { -1 } else { 1 };
            quotient = quotient * 10 + sticky;
            let mut inexact =
                Self { coefficient: quotient, exponent: exponent - 1, negative_zero: false }.rounded();
            // Zeros that rounding left at the end are dropped, as CUE drops them.
            while inexact.exponent < 0 {
                let (shorter, digit) = inexact.coefficient.div_rem(&BigInt::from(10));
                if !digit.is_zero() {
                    break;
                }
                inexact = Self { coefficient: shorter, exponent: inexact.exponent + 1, negative_zero: false };
            }
            return Some(inexact);
        }
        let ideal = self.exponent - other.exponent;
        let mut exact = Self { coefficient: quotient, exponent, negative_zero: false };
        while exact.exponent < ideal && !exact.coefficient.is_zero() {
            let (shorter, digit) = exact.coefficient.div_rem(&BigInt::from(10));
            if !digit.is_zero() {
                break;
            }
            exact = Self { coefficient: shorter, exponent: exact.exponent + 1, negative_zero: false };
        }
        Some(exact.rounded())
    }

    /// Rounded half up to [`PRECISION`] digits.
    fn rounded(self) -> Self {
        let count = digits(&self.coefficient);
        let Some(drop) = count.checked_sub(PRECISION).filter(|drop| *drop > 0) else { return self };
        let unit = BigInt::from(10).pow(u32::try_from(drop).unwrap_or(u32::MAX));
        let (mut kept, rest) = self.coefficient.div_rem(&unit);
        if rest.abs() * 2 >= unit {
            kept += if self.coefficient.sign() == Sign::Minus { -1 } else { 1 };
        }
        Self { coefficient: kept, exponent: self.exponent + drop as i64, negative_zero: false }.rounded()
    }

    /// Compares values, whatever their spelling.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let (a, b, _) = self.aligned(other);
        a.cmp(&b)
    }
}

/// Decimal digits of a coefficient; zero has one.
fn digits(value: &BigInt) -> u64 {
    value.magnitude().to_string().len() as u64
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.coefficient.magnitude().to_string();
        if self.coefficient.is_negative() || self.negative_zero {
            f.write_str("-")?;
        }
        let adjusted = self.exponent + text.len() as i64 - 1;
        if self.exponent <= 0 && adjusted >= -6 {
            let places = self.exponent.unsigned_abs().to_usize().unwrap_or(usize::MAX);
            return match text.len().checked_sub(places) {
                _ if places == 0 => f.write_str(&text),
                Some(whole) if whole > 0 => {
                    let (whole, fraction) = text.split_at(whole);
                    write!(f, "{whole}.{fraction}")
                }
                _ => write!(f, "0.{text:0>places$}"),
            };
        }
        let (first, rest) = text.split_at(1);
        f.write_str(first)?;
        if !rest.is_empty() {
            write!(f, ".{rest}")?;
        }
        write!(f, "E{adjusted:+}")
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.decimal.to_string();
        f.write_str(&text)?;
        // A float without a point or exponent would read as an integer.
        if self.float && !text.contains(['.', 'E']) { f.write_str(".0") } else { Ok(()) }
    }
}
