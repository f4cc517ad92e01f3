//! Arithmetic on numbers, quantities and durations.

use serde_json::Value;

use super::types::{A, ANY, N, NUMBERS};
use super::{Call, Signature, number_value};
use crate::duration::Duration;
use crate::go_text;
use crate::jmespath::error::{FunctionFault, JmesError};
use crate::quantity::{Quantity, QuantityError};

type Result<T> = std::result::Result<T, JmesError>;
type Fallible<T> = std::result::Result<T, FunctionFault>;

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("abs", &[N], N, abs, "the number without its sign").builtin(),
    Signature::new("avg", &[NUMBERS], N, avg, "the mean of the numbers").builtin(),
    Signature::new("ceil", &[N], N, ceil, "the next whole number above").builtin(),
    Signature::new("floor", &[N], N, floor, "the next whole number below").builtin(),
    Signature::new("to_number", &[ANY], N, to_number, "a text as a number, or null").builtin(),
    Signature::new("add", &[ANY, ANY], ANY, add, "the sum of two numbers, two quantities or two durations"),
    Signature::new("sum", &[A], ANY, sum, "the sum of a list of numbers, of quantities or of durations"),
    Signature::new(
        "subtract",
        &[ANY, ANY],
        ANY,
        subtract,
        "the difference of two numbers, quantities or durations",
    ),
    Signature::new(
        "multiply",
        &[ANY, ANY],
        ANY,
        multiply,
        "the product of two numbers, or of a number and a quantity or duration",
    ),
    Signature::new(
        "divide",
        &[ANY, ANY],
        ANY,
        divide,
        "the quotient of two of a kind, or of a quantity or duration by a number; the divisor may not be zero",
    ),
    Signature::new(
        "modulo",
        &[ANY, ANY],
        ANY,
        modulo,
        "the remainder of two of a kind; both must be whole, the divisor may not be zero",
    ),
    Signature::new(
        "round",
        &[N, N],
        N,
        round,
        "the number rounded to so many decimal places, halves away from zero",
    ),
];

fn abs(call: &mut Call<'_, '_>) -> Result<Value> {
    number_value(call.number(0).abs())
}

fn avg(call: &mut Call<'_, '_>) -> Result<Value> {
    let numbers: Vec<f64> = call
        .value(0)
        .as_array()
        .map(|items| items.iter().filter_map(Value::as_f64).collect())
        .unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a list has far fewer than 2^53 elements")]
    number_value(numbers.iter().sum::<f64>() / numbers.len() as f64)
}

fn ceil(call: &mut Call<'_, '_>) -> Result<Value> {
    number_value(call.number(0).ceil())
}

fn floor(call: &mut Call<'_, '_>) -> Result<Value> {
    number_value(call.number(0).floor())
}

fn to_number(call: &mut Call<'_, '_>) -> Result<Value> {
    if call.arguments.first().and_then(super::Item::value).is_none() {
        return Err(JmesError::UnknownType);
    }
    Ok(match call.value(0) {
        Value::Number(n) => Value::Number(n.clone()),
        Value::String(text) => {
            go_text::read_number(text).and_then(go_text::number).map_or(Value::Null, Value::Number)
        }
        _ => Value::Null,
    })
}

/// One side of an operation.
enum Operand {
    Scalar(f64),
    Quantity(Quantity),
    Duration(Duration),
}

impl Operand {
    /// A text is a quantity if it can be one, so `30m` is three hundredths, not half an hour.
    fn read(value: &Value) -> Fallible<Self> {
        match value {
            Value::Number(n) => Ok(Self::Scalar(n.as_f64().unwrap_or_default())),
            Value::String(text) => {
                if let Ok(quantity) = text.parse::<Quantity>() {
                    return Ok(Self::Quantity(quantity));
                }
                text.parse::<Duration>().map(Self::Duration).map_err(|_| FunctionFault::InvalidOperand)
            }
            _ => Err(FunctionFault::InvalidOperand),
        }
    }
}

fn quantity(result: std::result::Result<Quantity, QuantityError>) -> Fallible<Value> {
    result.and_then(|quantity| quantity.text()).map(Value::String).map_err(|_| FunctionFault::OutOfRange)
}

fn scalar(value: f64) -> Fallible<Value> {
    go_text::number(value).map(Value::Number).ok_or(FunctionFault::OutOfRange)
}

fn duration(value: Duration) -> Value {
    Value::String(value.to_string())
}

/// A number as the quantity its printed form reads as.
fn as_quantity(value: f64) -> Fallible<Quantity> {
    go_text::sprint_number(value).parse().map_err(|_| FunctionFault::OutOfRange)
}

fn binary(call: &Call<'_, '_>, operation: fn(Operand, Operand) -> Fallible<Value>) -> Result<Value> {
    let compute = || operation(Operand::read(call.value(0))?, Operand::read(call.value(1))?);
    compute().map_err(|fault| call.fault(fault))
}

fn sum_of(left: Operand, right: Operand) -> Fallible<Value> {
    match (left, right) {
        (Operand::Scalar(a), Operand::Scalar(b)) => scalar(a + b),
        (Operand::Quantity(a), Operand::Quantity(b)) => quantity(a.add(&b)),
        (Operand::Duration(a), Operand::Duration(b)) => Ok(duration(Duration(a.0.wrapping_add(b.0)))),
        _ => Err(FunctionFault::TypesMismatch),
    }
}

fn add(call: &mut Call<'_, '_>) -> Result<Value> {
    binary(call, sum_of)
}

fn sum(call: &mut Call<'_, '_>) -> Result<Value> {
    let mut items = Vec::new();
    for item in call.elements(0)? {
        items.push(call.owned(item)?);
    }
    let mut items = items.into_iter();
    let mut total = items.next().ok_or_else(|| call.fault(FunctionFault::EmptySum))?;
    for item in items {
        let next = Operand::read(&total).and_then(|left| sum_of(left, Operand::read(&item)?));
        total = next.map_err(|fault| call.fault(fault))?;
    }
    Ok(total)
}

fn subtract(call: &mut Call<'_, '_>) -> Result<Value> {
    binary(call, |left, right| match (left, right) {
        (Operand::Scalar(a), Operand::Scalar(b)) => scalar(a - b),
        (Operand::Quantity(a), Operand::Quantity(b)) => quantity(a.subtract(&b)),
        (Operand::Duration(a), Operand::Duration(b)) => Ok(duration(Duration(a.0.wrapping_sub(b.0)))),
        _ => Err(FunctionFault::TypesMismatch),
    })
}

fn multiply(call: &mut Call<'_, '_>) -> Result<Value> {
    binary(call, |left, right| match (left, right) {
        (Operand::Scalar(a), Operand::Scalar(b)) => scalar(a * b),
        (Operand::Quantity(q), Operand::Scalar(n)) | (Operand::Scalar(n), Operand::Quantity(q)) => {
            quantity(q.multiply(&as_quantity(n)?))
        }
        (Operand::Duration(d), Operand::Scalar(n)) | (Operand::Scalar(n), Operand::Duration(d)) => {
            Ok(duration(Duration::from_fractional_seconds(d.seconds() * n)))
        }
        _ => Err(FunctionFault::TypesMismatch),
    })
}

fn divide(call: &mut Call<'_, '_>) -> Result<Value> {
    binary(call, |left, right| match (left, right) {
        (Operand::Scalar(_), Operand::Scalar(0.0))
        | (Operand::Quantity(_), Operand::Scalar(0.0))
        | (Operand::Duration(_), Operand::Scalar(0.0) | Operand::Duration(Duration(0))) => {
            Err(FunctionFault::ZeroDivisor)
        }
        (Operand::Scalar(a), Operand::Scalar(b)) => scalar(a / b),
        (Operand::Quantity(a), Operand::Quantity(b)) => {
            if b.is_zero() {
                return Err(FunctionFault::ZeroDivisor);
            }
            scalar(a.as_f64() / b.as_f64())
        }
        (Operand::Quantity(q), Operand::Scalar(n)) => match q.divide(&as_quantity(n)?) {
            Ok(Some(result)) => quantity(Ok(result)),
            Ok(None) => Err(FunctionFault::ZeroDivisor),
            Err(_) => Err(FunctionFault::OutOfRange),
        },
        (Operand::Duration(a), Operand::Duration(b)) => scalar(a.seconds() / b.seconds()),
        (Operand::Duration(d), Operand::Scalar(n)) => {
            Ok(duration(Duration::from_fractional_seconds(d.seconds() / n)))
        }
        _ => Err(FunctionFault::TypesMismatch),
    })
}

/// Whether a number is one of Go's 64-bit integers.
fn fits_integer(value: f64) -> bool {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    value.fract() == 0.0 && (-BOUND..BOUND).contains(&value)
}

fn modulo(call: &mut Call<'_, '_>) -> Result<Value> {
    binary(call, |left, right| match (left, right) {
        (Operand::Scalar(a), Operand::Scalar(b)) => {
            if !fits_integer(a) || !fits_integer(b) {
                return Err(FunctionFault::NotIntegerModulo);
            }
            if b == 0.0 { Err(FunctionFault::ZeroDivisor) } else { scalar(a % b) }
        }
        (Operand::Quantity(a), Operand::Quantity(b))
            if !fits_integer(a.as_f64()) || !fits_integer(b.as_f64()) =>
        {
            Err(FunctionFault::NotIntegerModulo)
        }
        (Operand::Quantity(a), Operand::Quantity(b)) => match a.modulo(&b) {
            None => Err(FunctionFault::NotIntegerModulo),
            Some(None) => Err(FunctionFault::ZeroDivisor),
            Some(Some(rest)) => quantity(Ok(rest)),
        },
        (Operand::Duration(a), Operand::Duration(b)) => {
            a.0.checked_rem(b.0)
                .map(|rest| duration(Duration(rest)))
                .or_else(|| (b.0 == -1).then(|| duration(Duration(0))))
                .ok_or(FunctionFault::ZeroDivisor)
        }
        _ => Err(FunctionFault::TypesMismatch),
    })
}

fn round(call: &mut Call<'_, '_>) -> Result<Value> {
    let places = call.number(1);
    if places.fract() != 0.0 {
        return Err(call.fault(FunctionFault::NotIntegerRound));
    }
    #[expect(clippy::cast_possible_truncation, reason = "the value is whole, and the cast saturates")]
    let places = places as i64;
    if places < 0 {
        return Err(call.fault(FunctionFault::PlacesOutOfBounds(places)));
    }
    // A double has no digits beyond 10^308.
    let shift = 10_f64.powi(i32::try_from(places.min(308)).unwrap_or(308));
    number_value((call.number(0) * shift).round() / shift)
}
