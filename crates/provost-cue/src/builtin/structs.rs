//! Packages struct, regexp, math and strconv, as far as policies use them.

use super::{Builtin, count, remark, text};
use crate::context::Context;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::number::{Decimal, Number};
use crate::value::Value;

const S: Kinds = Kinds::STRING;
const I: Kinds = Kinds::INT;
const N: Kinds = Kinds::NUMBER;

pub(super) static STRUCT: &[Builtin] = &[
    Builtin::test("struct.MinFields", &[Kinds::STRUCT, I], |context, a| {
        let (fields, limit) = (fields(context, a)?, count(a, 1));
        if fields >= limit {
            return Ok(Value::Bool(true));
        }
        remark(context, format!("len(fields) < MinFields({limit}) ({fields} < {limit})"))
    }),
    Builtin::test("struct.MaxFields", &[Kinds::STRUCT, I], |context, a| {
        let (fields, limit) = (fields(context, a)?, count(a, 1));
        if fields <= limit {
            return Ok(Value::Bool(true));
        }
        remark(context, format!("len(fields) > MaxFields({limit}) ({fields} > {limit})"))
    }),
];

fn fields(context: &mut Context<'_>, arguments: &[Value]) -> Eval<i64> {
    match arguments.first() {
        Some(Value::Vertex(vertex)) => Ok(context.members_of(*vertex)?.len() as i64),
        _ => Ok(0),
    }
}

pub(super) static REGEXP: &[Builtin] = &[
    Builtin::test("regexp.Match", &[S, S], |context, a| {
        let (pattern, subject) = (text(a, 0), text(a, 1));
        Ok(Value::Bool(context.regex(&pattern)?.matches(&subject)))
    }),
    Builtin::test("regexp.Valid", &[S], |context, a| {
        let pattern = text(a, 0);
        context.regex(&pattern).map(|_| Value::Bool(true))
    }),
];

pub(super) static MATH: &[Builtin] = &[
    Builtin::test("math.MultipleOf", &[N, N], |context, a| {
        let [Value::Number(a), Value::Number(b)] = a else { return Ok(Value::Bool(false)) };
        if b.decimal.is_zero() {
            return super::complain(context, "math.MultipleOf", "division by zero");
        }
        let quotient = a.decimal.divide(&b.decimal);
        Ok(Value::Bool(quotient.is_some_and(|quotient| quotient.to_integer().is_some())))
    }),
    Builtin::function("math.Abs", &[N], |_, a| {
        let Some(Value::Number(number)) = a.first() else { return Ok(Value::int(0)) };
        let decimal =
            if number.decimal.is_negative() { number.decimal.negate() } else { number.decimal.clone() };
        Ok(Value::Number(Number { float: number.float, decimal }.into()))
    }),
];

pub(super) static STRCONV: &[Builtin] = &[Builtin::function("strconv.Atoi", &[S], atoi)];

fn atoi(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let number = text(arguments, 0);
    let digits = number.strip_prefix(['-', '+']).unwrap_or(&number);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match Decimal::parse(number.strip_prefix('+').unwrap_or(&number)).filter(|_| plain) {
        Some(decimal) => Ok(Value::Number(Number { float: false, decimal }.into())),
        None => {
            let problem = format!("strconv.Atoi: parsing {}: invalid syntax", crate::print::quote(&number));
            super::complain(context, "strconv.Atoi", problem)
        }
    }
}
