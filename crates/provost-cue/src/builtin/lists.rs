//! Package list.

use super::core::elements;
use super::{Builtin, count, matching, remark};
use crate::context::Context;
use crate::fault::Eval;
use crate::insert::order;
use crate::kind::Kinds;
use crate::value::Value;

const L: Kinds = Kinds::LIST;
const I: Kinds = Kinds::INT;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::test("list.MinItems", &[L, I], min_items),
    Builtin::test("list.MaxItems", &[L, I], max_items),
    Builtin::test("list.UniqueItems", &[L], unique),
    Builtin::test("list.Contains", &[L, Kinds::TOP], contains),
    Builtin::open("list.MatchN", &[L, I, Kinds::TOP], matching::list_match_n),
    Builtin::function("list.Concat", &[L], concat),
    Builtin::function("list.Take", &[L, I], |context, a| {
        let items = elements(context, a, 0)?;
        let count = usize::try_from(count(a, 1)).unwrap_or(0);
        context.new_list(items.into_iter().take(count).collect())
    }),
    Builtin::function("list.Drop", &[L, I], |context, a| {
        let items = elements(context, a, 0)?;
        let count = usize::try_from(count(a, 1)).unwrap_or(0);
        context.new_list(items.into_iter().skip(count).collect())
    }),
    Builtin::function("list.SortStrings", &[L], |context, a| {
        let mut items = elements(context, a, 0)?;
        if items.iter().any(|item| !matches!(item, Value::Text(_))) {
            return remark(context, "list.SortStrings needs a list of strings");
        }
        items.sort_by(|a, b| order(a, b).unwrap_or(std::cmp::Ordering::Equal));
        context.new_list(items)
    }),
    Builtin::function("list.Repeat", &[L, I], |context, a| {
        let items = elements(context, a, 0)?;
        let times = usize::try_from(count(a, 1)).unwrap_or(0);
        context.spend(items.len().saturating_mul(times))?;
        context.new_list(items.iter().cycle().take(items.len() * times).cloned().collect())
    }),
    Builtin::function("list.Reverse", &[L], |context, a| {
        let mut items = elements(context, a, 0)?;
        items.reverse();
        context.new_list(items)
    }),
    Builtin::function("list.Range", &[Kinds::NUMBER, Kinds::NUMBER, Kinds::NUMBER], range),
    Builtin::function("list.Min", &[L], |context, a| extreme(context, a, std::cmp::Ordering::Less, "Min")),
    Builtin::function("list.Max", &[L], |context, a| extreme(context, a, std::cmp::Ordering::Greater, "Max")),
    Builtin::function("list.Sum", &[L], sum),
];

fn length(context: &mut Context<'_>, arguments: &[Value]) -> Eval<i64> {
    Ok(elements(context, arguments, 0)?.len() as i64)
}

fn min_items(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let (length, limit) = (length(context, arguments)?, count(arguments, 1));
    if length >= limit {
        return Ok(Value::Bool(true));
    }
    remark(context, format!("len(list) < MinItems({limit}) ({length} < {limit})"))
}

fn max_items(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let (length, limit) = (length(context, arguments)?, count(arguments, 1));
    if length <= limit {
        return Ok(Value::Bool(true));
    }
    remark(context, format!("len(list) > MaxItems({limit}) ({length} > {limit})"))
}

fn same(context: &mut Context<'_>, a: &Value, b: &Value) -> Eval<bool> {
    Ok(match (a, b) {
        (Value::Vertex(a), Value::Vertex(b)) => context.alike(*a, *b)?,
        (Value::Number(_), Value::Number(_)) => order(a, b).is_some_and(|order| order.is_eq()),
        _ => a == b,
    })
}

fn unique(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let items = elements(context, arguments, 0)?;
    for (index, item) in items.iter().enumerate() {
        for (earlier, other) in items.iter().enumerate().take(index) {
            context.spend(1)?;
            if same(context, item, other)? {
                return remark(context, format!("equal value in position {earlier} and {index}"));
            }
        }
    }
    Ok(Value::Bool(true))
}

fn contains(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let Some(wanted) = arguments.get(1) else { return Ok(Value::Bool(false)) };
    for item in elements(context, arguments, 0)? {
        context.spend(1)?;
        if same(context, &item, wanted)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn concat(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let mut all = Vec::new();
    for part in elements(context, arguments, 0)? {
        if context.kinds_of(&part) != L {
            return remark(context, "list.Concat needs a list of lists");
        }
        let items = elements(context, &[part], 0)?;
        context.spend(items.len())?;
        all.extend(items);
    }
    context.new_list(all)
}

fn extreme(context: &mut Context<'_>, arguments: &[Value], wins: std::cmp::Ordering, name: &str) -> Eval {
    let mut best: Option<Value> = None;
    for item in elements(context, arguments, 0)? {
        best = match best {
            None => Some(item),
            Some(known) => match order(&item, &known) {
                Some(order) => Some(if order == wins { item } else { known }),
                None => return remark(context, format!("list.{name} needs a list of numbers")),
            },
        };
    }
    match best {
        Some(value @ Value::Number(_)) => Ok(value),
        Some(_) => remark(context, format!("list.{name} needs a list of numbers")),
        None => super::complain(context, &format!("list.{name}"), "empty list"),
    }
}

/// Numbers from a start up or down to a limit, which is not among them.
fn range(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let [Value::Number(start), Value::Number(limit), Value::Number(step)] = arguments else {
        return remark(context, "list.Range needs numbers");
    };
    if step.decimal.is_zero() {
        return super::complain(context, "list.Range", "step must be non zero");
    }
    let down = step.decimal.is_negative();
    let mut next = crate::number::Number::clone(start);
    next.float |= step.float;
    let mut values = Vec::new();
    loop {
        context.spend(1)?;
        let order = next.decimal.compare(&limit.decimal);
        if (down && order.is_le()) || (!down && order.is_ge()) {
            return context.new_list(values);
        }
        values.push(Value::Number(next.clone().into()));
        next.decimal = next.decimal.add(&step.decimal);
    }
}

fn sum(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let mut total = crate::number::Number::integer(0);
    for item in elements(context, arguments, 0)? {
        let Value::Number(number) = item else { return remark(context, "list.Sum needs a list of numbers") };
        total.float |= number.float;
        total.decimal = total.decimal.add(&number.decimal);
    }
    Ok(Value::Number(total.into()))
}
