//! Package math: decimals with 34 digits where CUE has them, floats of 64 bits elsewhere.

mod special;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Signed, Zero};

use super::Builtin;
use super::call::{Call, number};
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::number::{Decimal, Number};
use crate::value::Value;

const N: Kinds = Kinds::NUMBER;
const I: Kinds = Kinds::INT;

pub(super) static CONSTANTS: &[(&str, &str)] = &[
    ("MaxExp", "2147483647"),
    ("MinExp", "-2147483648"),
    ("MaxPrec", "4294967295"),
    ("ToNearestEven", "0"),
    ("ToNearestAway", "1"),
    ("ToZero", "2"),
    ("AwayFromZero", "3"),
    ("ToNegativeInf", "4"),
    ("ToPositiveInf", "5"),
    ("Below", "-1"),
    ("Exact", "0"),
    ("Above", "1"),
    ("MaxBase", "62"),
    ("E", "2.71828182845904523536028747135266249775724709369995957496696763"),
    ("Pi", "3.14159265358979323846264338327950288419716939937510582097494459"),
    ("Phi", "1.61803398874989484820458683436563811772030917980576286213544861"),
    ("Sqrt2", "1.41421356237309504880168872420969807856967187537694807317667974"),
    ("SqrtE", "1.64872127070012814684865078781416357165377610071014801157507931"),
    ("SqrtPi", "1.77245385090551602729816748334114518279754945612238712821380779"),
    ("SqrtPhi", "1.27201964951406896425242246173749149171560804184009624861664038"),
    ("Ln2", "0.693147180559945309417232121458176568075500134360255254120680009"),
    ("Log2E", "1.442695040888963407359924681001892137426645954152985934135449408"),
    ("Ln10", "2.3025850929940456840179914546843642076011014886287729760333278"),
    ("Log10E", "0.43429448190325182765112891891660508229439700580366656611445378"),
];

macro_rules! of_float {
    ($name:literal, $function:path) => {
        Builtin::function($name, &[N], |c| {
            let value = $function(c.float(0)?);
            float(c, value)
        })
    };
}

macro_rules! of_floats {
    ($name:literal, $function:path) => {
        Builtin::function($name, &[N, N], |c| {
            let value = $function(c.float(0)?, c.float(1)?);
            float(c, value)
        })
    };
}

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::test("math.MultipleOf", &[N, N], |c| match c.decimal(0).divide(&c.decimal(1)) {
        Some(quotient) => Ok(Value::Bool(quotient.to_integer().is_some())),
        None => c.complain(if c.decimal(0).is_zero() { "division undefined" } else { "division by zero" }),
    }),
    Builtin::function("math.Floor", &[N], |c| Ok(Value::int(c.decimal(0).floor()))),
    Builtin::function("math.Ceil", &[N], |c| Ok(Value::int(c.decimal(0).ceiling()))),
    Builtin::function("math.Trunc", &[N], |c| Ok(Value::int(c.decimal(0).truncate()))),
    Builtin::function("math.Round", &[N], |c| Ok(Value::int(c.decimal(0).nearest(false)))),
    Builtin::function("math.RoundToEven", &[N], |c| Ok(Value::int(c.decimal(0).nearest(true)))),
    Builtin::function("math.Abs", &[N], |c| Ok(number(c.decimal(0).magnitude()))),
    Builtin::function("math.Copysign", &[N, N], |c| Ok(number(c.decimal(0).signed(&c.decimal(1))))),
    Builtin::function("math.Dim", &[N, N], |c| {
        let rest = c.decimal(0).subtract(&c.decimal(1));
        Ok(if rest.is_negative() { Value::int(0) } else { number(rest) })
    }),
    Builtin::test("math.Signbit", &[N], |c| Ok(Value::Bool(c.decimal(0).has_sign()))),
    Builtin::function("math.Jacobi", &[I, I], jacobi),
    Builtin::function("math.Cbrt", &[N], |c| Ok(number(c.decimal(0).cube_root()))),
    Builtin::function("math.Exp", &[N], |c| {
        let value = c.decimal(0).exp();
        decimal(c, value)
    }),
    Builtin::function("math.Exp2", &[N], |c| {
        let value = Decimal::from(BigInt::from(2)).power(&c.decimal(0));
        decimal(c, value)
    }),
    Builtin::function("math.Log", &[N], |c| {
        let value = c.decimal(0).ln();
        decimal(c, value)
    }),
    Builtin::function("math.Log10", &[N], |c| {
        let value = c.decimal(0).log10();
        decimal(c, value)
    }),
    Builtin::function("math.Log2", &[N], |c| {
        // The quotient of two rounded logarithms, as CUE computes it.
        let two = Decimal::from(BigInt::from(2)).ln();
        let value = c.decimal(0).ln().zip(two).and_then(|(value, two)| value.divide(&two));
        decimal(c, value)
    }),
    Builtin::function("math.Pow", &[N, N], |c| {
        let value = c.decimal(0).power(&c.decimal(1));
        decimal(c, value)
    }),
    Builtin::function("math.Pow10", &[I], |c| {
        let exponent = c.sized(0, 32, "int32")?;
        match Decimal::parse(&format!("1e{exponent}")) {
            Some(value) => Ok(number(value)),
            None => Ok(c.context.over("digits of an exponent", crate::number::EXPONENT.unsigned_abs())?),
        }
    }),
    of_float!("math.Acosh", libm::acosh),
    of_float!("math.Asin", libm::asin),
    of_float!("math.Acos", libm::acos),
    of_float!("math.Asinh", libm::asinh),
    of_float!("math.Atan", libm::atan),
    of_floats!("math.Atan2", libm::atan2),
    of_float!("math.Atanh", libm::atanh),
    of_float!("math.Erf", libm::erf),
    of_float!("math.Erfc", libm::erfc),
    of_float!("math.Erfinv", special::inverse_error_function),
    of_float!("math.Erfcinv", special::inverse_complement),
    of_float!("math.Expm1", libm::expm1),
    of_float!("math.Gamma", libm::tgamma),
    of_floats!("math.Hypot", libm::hypot),
    of_float!("math.J0", libm::j0),
    of_float!("math.Y0", libm::y0),
    of_float!("math.J1", libm::j1),
    of_float!("math.Y1", libm::y1),
    Builtin::function("math.Jn", &[I, N], |c| bessel(c, libm::jn)),
    Builtin::function("math.Yn", &[I, N], |c| bessel(c, libm::yn)),
    Builtin::function("math.Ldexp", &[N, I], |c| {
        let exponent = c.int(1)?.clamp(-5_000, 5_000) as i32;
        let value = libm::ldexp(c.float(0)?, exponent);
        float(c, value)
    }),
    of_float!("math.Log1p", libm::log1p),
    of_float!("math.Logb", special::binary_exponent),
    Builtin::function("math.Ilogb", &[N], |c| {
        let value = special::binary_exponent(c.float(0)?);
        Ok(Value::int(if value.is_finite() { value as i64 } else { i64::from(i32::MIN) }))
    }),
    of_floats!("math.Mod", libm::fmod),
    of_floats!("math.Remainder", libm::remainder),
    of_float!("math.Cos", libm::cos),
    of_float!("math.Sin", libm::sin),
    of_float!("math.Sinh", libm::sinh),
    of_float!("math.Cosh", libm::cosh),
    of_float!("math.Sqrt", libm::sqrt),
    of_float!("math.Tan", libm::tan),
    of_float!("math.Tanh", libm::tanh),
];

/// A float as the answer. CUE goes on with infinities and what is no number; here that is an error.
fn float(c: &Call<'_, '_>, value: f64) -> Eval {
    match Decimal::from_f64(value) {
        Some(decimal) => Ok(Value::Number(Number { float: true, decimal }.into())),
        None => c.complain(format!("the result is {value}, which is no number that can be compared")),
    }
}

/// A decimal as the answer, if there is one.
fn decimal(c: &Call<'_, '_>, value: Option<Decimal>) -> Eval {
    match value {
        Some(value) if value.in_range() => Ok(number(value)),
        Some(_) => Ok(c.context.over("digits of an exponent", crate::number::EXPONENT.unsigned_abs())?),
        None => c.complain("invalid operation"),
    }
}

fn bessel(c: &mut Call<'_, '_>, function: fn(i32, f64) -> f64) -> Eval {
    // The recurrence takes as many steps as the order says.
    let order = c.int(0)?.clamp(-100_000, 100_000) as i32;
    c.context.spend(order.unsigned_abs() as usize)?;
    let value = function(order, c.float(1)?);
    float(c, value)
}

/// The Jacobi symbol by quadratic reciprocity.
fn jacobi(c: &mut Call<'_, '_>) -> Eval {
    let (mut a, mut n) = (c.big(0), c.big(1));
    if n.is_even() {
        return c.complain(format!("big: invalid 2nd argument to Int.Jacobi: need odd integer but got {n}"));
    }
    let mut sign = 1i8;
    if n.is_negative() {
        sign = if a.is_negative() { -1 } else { 1 };
        n = -n;
    }
    a = a.mod_floor(&n);
    while !a.is_zero() {
        c.context.spend(1)?;
        let low = |value: &BigInt, of: u32| value.mod_floor(&BigInt::from(of));
        while a.is_even() {
            a >>= 1;
            let rest = low(&n, 8);
            if rest == BigInt::from(3) || rest == BigInt::from(5) {
                sign = -sign;
            }
        }
        std::mem::swap(&mut a, &mut n);
        if low(&a, 4) == BigInt::from(3) && low(&n, 4) == BigInt::from(3) {
            sign = -sign;
        }
        a = a.mod_floor(&n);
    }
    Ok(Value::int(if n.is_one() { sign } else { 0 }))
}
