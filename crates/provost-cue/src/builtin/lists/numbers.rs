//! Lists of numbers: sums, extremes, ranges.

use std::cmp::Ordering;

use num_bigint::BigInt;

use super::super::call::{Call, number};
use crate::fault::Eval;
use crate::number::Decimal;

/// A decimal as the answer, as long as arithmetic may go on with it.
fn answer(c: &Call<'_, '_>, decimal: Decimal) -> Eval {
    if !decimal.in_range() {
        c.context.over("digits of an exponent", crate::number::EXPONENT.unsigned_abs())?;
    }
    Ok(number(decimal))
}

pub(super) fn extreme(c: &mut Call<'_, '_>, wins: Ordering) -> Eval {
    let mut best: Option<Decimal> = None;
    for item in c.numbers(0)? {
        c.context.spend(1)?;
        let better = best.as_ref().is_none_or(|best| item.decimal.compare(best) == wins);
        best = if better { Some(item.decimal) } else { best };
    }
    match best {
        Some(best) => Ok(number(best)),
        None => c.complain("empty list"),
    }
}

/// Numbers from a start up or down to a limit, which is not among them.
pub(super) fn range(c: &mut Call<'_, '_>) -> Eval {
    let (start, limit, step) = (c.decimal(0), c.decimal(1), c.decimal(2));
    if step.is_zero() {
        return c.complain("step must be non zero");
    }
    let towards = if step.is_negative() { Ordering::Greater } else { Ordering::Less };
    if start.compare(&limit) == towards.reverse() {
        return c.complain(match step.is_negative() {
            true => "end must be less than start when step is negative",
            false => "end must be greater than start when step is positive",
        });
    }
    let mut next = start;
    let mut values = Vec::new();
    let each = 10 + step.weight() + limit.weight();
    while next.compare(&limit) == towards {
        c.context.spend(each)?;
        if values.len() >= c.context.limits.vertices {
            c.context.over("vertices", c.context.limits.vertices as u64)?;
        }
        let after = next.add(&step);
        if after.compare(&next).is_eq() {
            return c.complain("step is too small for the digits that numbers keep");
        }
        values.push(number(next));
        next = after;
    }
    c.list(values)
}

fn total(c: &mut Call<'_, '_>) -> Eval<(Decimal, usize)> {
    let numbers = c.numbers(0)?;
    let mut total = Decimal::from(BigInt::ZERO);
    for number in &numbers {
        c.context.spend(1)?;
        total = total.add(&number.decimal);
    }
    Ok((total, numbers.len()))
}

pub(super) fn sum(c: &mut Call<'_, '_>) -> Eval {
    let (total, _) = total(c)?;
    answer(c, total)
}

pub(super) fn product(c: &mut Call<'_, '_>) -> Eval {
    let mut product = Decimal::from(BigInt::from(1));
    for number in c.numbers(0)? {
        c.context.spend(1)?;
        product = product.multiply(&number.decimal);
        if !product.in_range() {
            break;
        }
    }
    answer(c, product)
}

pub(super) fn average(c: &mut Call<'_, '_>) -> Eval {
    let (total, count) = total(c)?;
    match total.divide(&Decimal::from(BigInt::from(count))) {
        Some(average) => answer(c, average),
        None => c.complain("empty list"),
    }
}
