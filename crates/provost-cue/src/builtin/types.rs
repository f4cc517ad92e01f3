//! Predeclared names: types, ranges, constants and the builtins without a package.

use num_bigint::BigInt;

use crate::builtin::core::BUILTINS;
use crate::kind::Kinds;
use crate::number::{Decimal, Number};
use crate::value::{BoundOp, Value};

fn range(kinds: Kinds, low: Number, high: Number) -> Value {
    let bound = |op, number: Number| Value::Bound(op, Value::Number(number.into()).into());
    let parts = [Value::Type(kinds), bound(BoundOp::GreaterEqual, low), bound(BoundOp::LessEqual, high)];
    Value::All(parts.to_vec().into())
}

fn integers(bits: u32, signed: bool) -> Value {
    let one = BigInt::from(1);
    let (low, high) = match signed {
        true => (-(BigInt::from(1) << (bits - 1)), (BigInt::from(1) << (bits - 1)) - one),
        false => (BigInt::from(0), (BigInt::from(1) << bits) - one),
    };
    range(Kinds::INT, Number::integer(low), Number::integer(high))
}

fn floats(limit: &str) -> Option<Value> {
    let high = Decimal::parse(limit)?;
    let low = high.negate();
    Some(range(Kinds::NUMBER, Number { float: true, decimal: low }, Number { float: true, decimal: high }))
}

/// The value of a name that no file declares.
pub(crate) fn predeclared(name: &str) -> Option<Value> {
    Some(match name {
        "_" => Value::Type(Kinds::TOP),
        "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "bool" => Value::Type(Kinds::BOOL),
        "int" => Value::Type(Kinds::INT),
        "float" => Value::Type(Kinds::FLOAT),
        "number" => Value::Type(Kinds::NUMBER),
        "string" => Value::Type(Kinds::STRING),
        "bytes" => Value::Type(Kinds::BYTES),
        "uint" => {
            let zero = Value::Bound(BoundOp::GreaterEqual, Value::int(0).into());
            Value::All(vec![Value::Type(Kinds::INT), zero].into())
        }
        "rune" => range(Kinds::INT, Number::integer(0), Number::integer(0x10ffff)),
        "int8" => integers(8, true),
        "int16" => integers(16, true),
        "int32" => integers(32, true),
        "int64" => integers(64, true),
        "int128" => integers(128, true),
        "uint8" => integers(8, false),
        "uint16" => integers(16, false),
        "uint32" => integers(32, false),
        "uint64" => integers(64, false),
        "uint128" => integers(128, false),
        "float32" => floats("3.40282346638528859811704183484516925440e+38")?,
        "float64" => floats("1.797693134862315708145274237317043567981e+308")?,
        _ => return BUILTINS.iter().find(|builtin| builtin.name == name).map(Value::Builtin),
    })
}
