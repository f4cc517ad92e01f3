//! Package math/bits: integers of any size as bits.

use num_bigint::BigInt;
use num_traits::{One, Signed};

use super::Builtin;
use super::call::Call;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

const I: Kinds = Kinds::INT;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::function("math/bits.Lsh", &[I, I], |c| {
        let (value, shift) = (c.big(0), c.unsigned(1, 64, "uint64")?);
        // A number is written with a third as many digits as it has bits.
        c.context.text_budget(usize::try_from(shift / 3).unwrap_or(usize::MAX))?;
        Ok(Value::int(value << shift))
    }),
    Builtin::function("math/bits.Rsh", &[I, I], |c| {
        let (value, shift) = (c.big(0), c.unsigned(1, 64, "uint64")?);
        Ok(Value::int(if shift > value.bits() {
            BigInt::from(-i8::from(value.is_negative()))
        } else {
            value >> shift
        }))
    }),
    Builtin::function("math/bits.At", &[I, I], |c| {
        let (value, at) = (c.big(0), c.unsigned(1, 64, "uint64")?);
        if at > i32::MAX as u64 {
            return c.complain("bit index too large");
        }
        Ok(Value::int(u8::from(value.bit(at))))
    }),
    Builtin::function("math/bits.Set", &[I, I, I], set),
    Builtin::function("math/bits.And", &[I, I], |c| Ok(Value::int(c.big(0) & c.big(1)))),
    Builtin::function("math/bits.Or", &[I, I], |c| Ok(Value::int(c.big(0) | c.big(1)))),
    Builtin::function("math/bits.Xor", &[I, I], |c| Ok(Value::int(c.big(0) ^ c.big(1)))),
    Builtin::function("math/bits.Clear", &[I, I], |c| Ok(Value::int(c.big(0) & !c.big(1)))),
    Builtin::function("math/bits.OnesCount", &[I], |c| Ok(Value::int(c.big(0).magnitude().count_ones()))),
    Builtin::function("math/bits.Len", &[I], |c| Ok(Value::int(c.big(0).bits()))),
];

fn set(c: &mut Call<'_, '_>) -> Eval {
    let (value, at, bit) = (c.big(0), c.int(1)?, c.unsigned(2, 64, "uint64")?);
    let Ok(at) = u64::try_from(at) else { return c.complain("negative bit index") };
    if bit > 1 {
        return c.complain("set bit is not 0 or 1");
    }
    c.context.text_budget(usize::try_from(at / 3).unwrap_or(usize::MAX))?;
    let mask = BigInt::one() << at;
    Ok(Value::int(if bit == 1 { value | mask } else { value & !mask }))
}
