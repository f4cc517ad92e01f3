//! Binary operators on known values.

use std::sync::Arc;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{Signed, ToPrimitive, Zero};

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::fault::Eval;
use crate::insert::order;
use crate::kind::Kinds;
use crate::number::{Decimal, Number};
use crate::value::Value;

impl Context<'_> {
    /// Applies an operator to two known values.
    pub(super) fn binary(&mut self, op: &'static str, left: Value, right: Value) -> Eval {
        if let (Value::Number(a), Value::Number(b)) = (&left, &right) {
            self.spend(a.decimal.weight() + b.decimal.weight())?;
        }
        let value = match (op, &left, &right) {
            ("==" | "!=", _, _) => {
                self.equality(&left, &right)?.map(|equal| Value::Bool(equal == (op == "==")))
            }
            ("<" | "<=" | ">" | ">=", _, _) => order(&left, &right).map(|order| {
                Value::Bool(match op {
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                })
            }),
            ("&&", Value::Bool(a), Value::Bool(b)) => Some(Value::Bool(*a && *b)),
            ("||", Value::Bool(a), Value::Bool(b)) => Some(Value::Bool(*a || *b)),
            ("=~" | "!~", Value::Text(text), Value::Text(pattern)) => {
                self.spend(text.len() / 64)?;
                Some(Value::Bool(self.regex(pattern)?.matches(text) == (op == "=~")))
            }
            (_, Value::Number(a), Value::Number(b)) => self.numbers(op, a, b)?,
            ("+", Value::Text(a), Value::Text(b)) => {
                self.text_budget(a.len() + b.len())?;
                Some(Value::text(&format!("{a}{b}")))
            }
            ("+", Value::Bytes(a), Value::Bytes(b)) => {
                self.text_budget(a.len() + b.len())?;
                Some(Value::Bytes([&**a, &**b].concat().into()))
            }
            ("*", Value::Text(text), Value::Number(count))
            | ("*", Value::Number(count), Value::Text(text))
                if !count.float =>
            {
                match count.decimal.to_integer().and_then(|n| n.to_usize()) {
                    Some(count) => {
                        self.text_budget(text.len().saturating_mul(count))?;
                        Some(Value::text(&text.repeat(count)))
                    }
                    None => None,
                }
            }
            ("+" | "*", _, _)
                if self.kinds_of(&left).meets(Kinds::LIST) || self.kinds_of(&right).meets(Kinds::LIST) =>
            {
                let (verb, function) =
                    if op == "+" { ("Addition", "Concat") } else { ("Multiplication", "Repeat") };
                let words = format!(
                    "{verb} of lists is superseded by list.{function}; see https://cuelang.org/e/v0.11-list-arithmetic"
                );
                return self.stop(Code::Eval, Reason::Remark { words });
            }
            _ => None,
        };
        match value {
            Some(value) => Ok(value),
            None => {
                let kinds = |value: &Value| self.kinds_of(value).to_string();
                let (left_kind, right_kind) = (kinds(&left), kinds(&right));
                let reason = Reason::Operands {
                    left: (left.into(), left_kind),
                    right: (right.into(), right_kind),
                    operator: op,
                };
                self.stop(Code::Eval, reason)
            }
        }
    }

    /// Whether two values are equal; `None` where CUE does not compare them.
    fn equality(&mut self, left: &Value, right: &Value) -> Eval<Option<bool>> {
        let (a, b) = (self.kinds_of(left), self.kinds_of(right));
        if a.meets(Kinds::NUMBER) && b.meets(Kinds::NUMBER) {
            return Ok(order(left, right).map(|order| order.is_eq()));
        }
        if a != b {
            return Ok((a == Kinds::NULL || b == Kinds::NULL).then_some(false));
        }
        match (left, right) {
            (Value::Vertex(left), Value::Vertex(right)) if a == Kinds::LIST => {
                Ok(Some(self.alike(*left, *right)?))
            }
            (Value::Vertex(_), _) | (_, Value::Vertex(_)) => Ok(None),
            _ => Ok(Some(left == right)),
        }
    }

    fn numbers(&mut self, op: &'static str, a: &Number, b: &Number) -> Eval<Option<Value>> {
        let float = a.float || b.float;
        let decimal = match op {
            "+" => a.decimal.add(&b.decimal),
            "-" => a.decimal.subtract(&b.decimal),
            "*" => a.decimal.multiply(&b.decimal),
            "/" => match a.decimal.divide(&b.decimal) {
                Some(decimal) => return self.number(true, decimal),
                None => return self.stop(Code::Eval, Reason::DivisionByZero),
            },
            "div" | "mod" | "quo" | "rem" if !float => {
                let (Some(a), Some(b)) = (a.decimal.to_integer(), b.decimal.to_integer()) else {
                    return Ok(None);
                };
                match whole(op, &a, &b) {
                    Some(value) => value.into(),
                    None => return self.stop(Code::Eval, Reason::DivisionByZero),
                }
            }
            _ => return Ok(None),
        };
        self.number(float, decimal)
    }

    fn number(&mut self, float: bool, decimal: Decimal) -> Eval<Option<Value>> {
        if !decimal.in_range() {
            self.over("digits of an exponent", crate::number::EXPONENT.unsigned_abs())?;
        }
        Ok(Some(Value::Number(Arc::new(Number { float, decimal }))))
    }
}

/// Euclidean division for `div` and `mod`, truncated for `quo` and `rem`; `None` by zero.
pub(crate) fn whole(op: &str, a: &BigInt, b: &BigInt) -> Option<BigInt> {
    if b.is_zero() {
        return None;
    }
    let (quotient, rest) = a.div_rem(b);
    Some(match op {
        "quo" => quotient,
        "rem" => rest,
        "mod" if rest.is_negative() => rest + b.abs(),
        "mod" => rest,
        _ if rest.is_negative() => quotient - b.signum(),
        _ => quotient,
    })
}
