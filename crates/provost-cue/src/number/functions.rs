//! Roots, powers, exponentials and logarithms of decimals, to the digits that arithmetic keeps.

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::{Decimal, PRECISION, digits};

/// Decimal places of the work: the 34 kept, as many for what cancels out, and a few for rounding.
const PLACES: u32 = 80;
/// Beyond this power of e a result has more digits in its exponent than numbers may have (100,000 / log10(e)).
const LARGEST_POWER: i64 = 230_000;

/// `10^PLACES`, one in the fixed-point numbers of this module.
fn one() -> BigInt {
    BigInt::from(10).pow(PLACES)
}

/// ln((1 + y) / (1 - y)) / 2 for a small fixed-point y, by its series.
fn area_tangent(y: &BigInt, one: &BigInt) -> BigInt {
    let square = y * y / one;
    let (mut term, mut sum, mut n) = (y.clone(), y.clone(), 1u32);
    while !term.is_zero() {
        term = &term * &square / one;
        n += 2;
        sum += &term / n;
    }
    sum
}

/// ln 2 and ln 10 as fixed-point numbers.
fn constants(one: &BigInt) -> (BigInt, BigInt) {
    let two = area_tangent(&(one / 3), one) * 2;
    // 10 = 8 × 5/4
    let quarter = area_tangent(&(one / 9), one) * 2;
    let ten = &two * 3 + quarter;
    (two, ten)
}

impl Decimal {
    /// As a fixed-point number; only for values whose exponent is small.
    fn fixed(&self) -> BigInt {
        let shift = self.exponent + i64::from(PLACES);
        let power = BigInt::from(10).pow(u32::try_from(shift.unsigned_abs()).unwrap_or(0));
        if shift >= 0 { &self.coefficient * power } else { &self.coefficient / power }
    }

    /// A fixed-point number times a power of ten, rounded, with all digits that arithmetic keeps.
    fn from_fixed(value: BigInt, shift: i64) -> Self {
        Self { coefficient: value, exponent: shift - i64::from(PLACES), negative_zero: false }.rounded()
    }

    /// The natural logarithm as a fixed-point number; `None` unless positive.
    fn ln_fixed(&self) -> Option<BigInt> {
        if !self.coefficient.is_positive() {
            return None;
        }
        let one = one();
        let (ln2, ln10) = constants(&one);
        // self = m × 10^shift with m in [1, 10)
        let count = digits(&self.coefficient) as i64;
        let shift = self.exponent + count - 1;
        let mut m =
            Self { coefficient: self.coefficient.clone(), exponent: 1 - count, negative_zero: false }.fixed();
        let mut halvings = 0;
        while m > &one * 3 / 2 {
            m /= 2;
            halvings += 1;
        }
        let y = (&m - &one) * &one / (&m + &one);
        Some(area_tangent(&y, &one) * 2 + ln2 * halvings + ln10 * shift)
    }

    /// e to a fixed-point power; `None` where it is too large or too small to be written.
    fn exp_fixed(power: &BigInt) -> Option<Self> {
        let one = one();
        let (_, ln10) = constants(&one);
        if (power / &one).to_i64().is_none_or(|whole| whole.abs() > LARGEST_POWER) {
            return None;
        }
        let (tens, rest) = power.div_mod_floor(&ln10);
        // A series of e^(rest / 256), squared eight times.
        let small = rest >> 8;
        let (mut term, mut sum, mut n) = (one.clone(), one.clone(), 0u32);
        while !term.is_zero() {
            n += 1;
            term = &term * &small / &one / n;
            sum += &term;
        }
        for _ in 0..8 {
            sum = &sum * &sum / &one;
        }
        Some(Self::from_fixed(sum, tens.to_i64()?))
    }

    /// The natural logarithm; `None` unless positive.
    pub(crate) fn ln(&self) -> Option<Self> {
        Some(Self::from_fixed(self.ln_fixed()?, 0))
    }

    /// The logarithm to base ten; `None` unless positive.
    pub(crate) fn log10(&self) -> Option<Self> {
        let one = one();
        let (_, ln10) = constants(&one);
        let value = self.ln_fixed()? * &one / ln10;
        // A power of ten has a whole logarithm; the last places are the series' rounding.
        Some(Self::from_fixed(value, 0).snapped())
    }

    /// e to this power; `None` where the result cannot be written.
    pub(crate) fn exp(&self) -> Option<Self> {
        if self.is_zero() {
            return Some(Self::from(BigInt::one()));
        }
        if self.exponent + digits(&self.coefficient) as i64 > 6 {
            return None;
        }
        Self::exp_fixed(&self.fixed())
    }

    /// The cube root.
    pub(crate) fn cube_root(&self) -> Self {
        // The root of c × 10^e is that of c × 10^(e + 3k), divided by 10^k; e + 3k a multiple of three.
        let want = 3 * (PRECISION as i64 + 4) - digits(&self.coefficient) as i64;
        let mut scale = want.max(0);
        scale += (self.exponent - scale).rem_euclid(3);
        let scaled = &self.coefficient * BigInt::from(10).pow(u32::try_from(scale).unwrap_or(0));
        let root = scaled.cbrt();
        Self { coefficient: root, exponent: (self.exponent - scale) / 3, negative_zero: false }
            .rounded()
            .snapped()
    }

    /// This to a power; `None` where that is no number or cannot be written.
    pub(crate) fn power(&self, power: &Self) -> Option<Self> {
        if power.is_zero() {
            return (!self.is_zero()).then(|| Self::from(BigInt::one()));
        }
        if self.is_zero() {
            return (!power.is_negative()).then(|| Self::from(BigInt::zero()));
        }
        if let Some(whole) = power.to_integer().and_then(|whole| whole.to_i64())
            && whole.unsigned_abs() <= 1_000_000
        {
            let raised = self.whole_power(whole.unsigned_abs())?;
            return match whole < 0 {
                false => Some(raised.rounded()),
                true => {
                    let inverse = Self::from(BigInt::one()).over(&raised)?;
                    inverse.in_range().then_some(inverse)
                }
            };
        }
        let product = self.ln_fixed()? * power.fixed_if_small()? / one();
        Self::exp_fixed(&product)
    }

    fn fixed_if_small(&self) -> Option<BigInt> {
        (self.exponent + digits(&self.coefficient) as i64 <= 12).then(|| self.fixed())
    }

    /// A whole power with twice the digits that are kept.
    fn whole_power(&self, mut power: u64) -> Option<Self> {
        let mut result = Self::from(BigInt::one());
        let mut square = self.clone();
        while power > 0 {
            if power & 1 == 1 {
                result = result.wide_product(&square);
            }
            square = square.wide_product(&square);
            power >>= 1;
            if !result.in_range() || (power > 0 && !square.in_range()) {
                return None;
            }
        }
        Some(result)
    }

    fn wide_product(&self, other: &Self) -> Self {
        let coefficient = &self.coefficient * &other.coefficient;
        let exponent = self.exponent + other.exponent;
        let drop = digits(&coefficient).saturating_sub(2 * PRECISION);
        let unit = BigInt::from(10).pow(u32::try_from(drop).unwrap_or(0));
        Self { coefficient: coefficient / unit, exponent: exponent + drop as i64, negative_zero: false }
    }

    /// The quotient with all digits that arithmetic keeps, zeros at the end included.
    fn over(&self, other: &Self) -> Option<Self> {
        let extra = 2 * PRECISION + digits(&other.coefficient);
        let scaled = &self.coefficient * BigInt::from(10).pow(u32::try_from(extra).ok()?);
        let coefficient = scaled.checked_div(&other.coefficient)?;
        let exponent = self.exponent - other.exponent - extra as i64;
        Some(Self { coefficient, exponent, negative_zero: false }.rounded())
    }

    /// The integer that this is but for a unit in its last place.
    fn snapped(self) -> Self {
        let near = Self::from(self.nearest(false));
        let unit = Self { coefficient: BigInt::from(2), exponent: self.exponent, negative_zero: false };
        let apart = self.subtract(&near).magnitude();
        if self.exponent < 0 && apart.compare(&unit).is_le() { near } else { self }
    }
}
