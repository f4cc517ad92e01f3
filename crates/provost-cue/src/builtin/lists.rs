//! Package list.

mod numbers;
mod sort;

use super::call::Call;
use super::{Builtin, matching};
use crate::fault::Eval;
use crate::insert::order;
use crate::kind::Kinds;
use crate::value::Value;
use crate::vertex::ArcType;

const L: Kinds = Kinds::LIST;
const I: Kinds = Kinds::INT;
const N: Kinds = Kinds::NUMBER;
const T: Kinds = Kinds::TOP;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::test("list.MinItems", &[L, I], min_items),
    Builtin::test("list.MaxItems", &[L, I], max_items),
    Builtin::test("list.UniqueItems", &[L], unique),
    Builtin::test("list.Contains", &[L, T], contains),
    Builtin::open("list.MatchN", &[L, T, T], |c| matching::list_match_n(c.context, c.arguments)),
    Builtin::function("list.Concat", &[L], |c| {
        let mut all = Vec::new();
        for part in c.items(0)? {
            let items = c.list_of(&part)?;
            c.context.spend(items.len())?;
            all.extend(items);
        }
        c.list(all)
    }),
    Builtin::function("list.FlattenN", &[T, I], |c| {
        let depth = c.int(1)?;
        let items = c.list_of(&c.value(0))?;
        let mut all = Vec::new();
        flatten(c, items, depth, &mut all)?;
        c.list(all)
    }),
    Builtin::function("list.Take", &[L, I], |c| match c.size(1)? {
        Some(count) => {
            let items = c.items(0)?;
            c.list(items.into_iter().take(count).collect())
        }
        None => c.complain("negative index"),
    }),
    Builtin::function("list.Drop", &[L, I], |c| match c.size(1)? {
        Some(count) => {
            let items = c.items(0)?;
            c.list(items.into_iter().skip(count).collect())
        }
        None => c.complain("negative index"),
    }),
    Builtin::function("list.Slice", &[L, I, I], slice),
    Builtin::function("list.Repeat", &[L, I], |c| {
        let Some(times) = c.size(1)? else { return c.complain("negative count") };
        let items = c.items(0)?;
        let length = items.len().saturating_mul(times);
        c.context.spend(length)?;
        c.list(items.iter().cycle().take(length).cloned().collect())
    }),
    Builtin::function("list.Reverse", &[L], |c| {
        let mut items = c.items(0)?;
        items.reverse();
        c.list(items)
    }),
    Builtin::function("list.Range", &[N, N, N], numbers::range),
    Builtin::function("list.Min", &[L], |c| numbers::extreme(c, std::cmp::Ordering::Less)),
    Builtin::function("list.Max", &[L], |c| numbers::extreme(c, std::cmp::Ordering::Greater)),
    Builtin::function("list.Sum", &[L], numbers::sum),
    Builtin::function("list.Product", &[L], numbers::product),
    Builtin::function("list.Avg", &[L], numbers::average),
    Builtin::function("list.Sort", &[L, T], sort::sorted),
    Builtin::function("list.SortStable", &[L, T], sort::sorted),
    Builtin::test("list.IsSorted", &[L, T], sort::is_sorted),
    Builtin::function("list.SortStrings", &[L], |c| {
        let mut strings = c.strings(0)?;
        strings.sort();
        c.texts(strings)
    }),
    Builtin::test("list.IsSortedStrings", &[L], |c| Ok(Value::Bool(c.strings(0)?.is_sorted()))),
];

/// The length of the list, and whether more elements could still come.
fn length(c: &mut Call<'_, '_>) -> Eval<(i64, bool)> {
    let length = c.items(0)?.len() as i64;
    let open = match c.value(0) {
        Value::Vertex(vertex) => {
            let node = c.context.known(c.context.actual(vertex));
            node.and_then(|node| node.list).is_some_and(|(_, closed)| !closed)
        }
        _ => false,
    };
    Ok((length, open))
}

fn min_items(c: &mut Call<'_, '_>) -> Eval {
    let ((length, open), limit) = (length(c)?, c.int(1)?);
    if length >= limit {
        return Ok(Value::Bool(true));
    }
    c.refuse(format!("len(list) < MinItems({limit}) ({length} < {limit})"), open)
}

fn max_items(c: &mut Call<'_, '_>) -> Eval {
    let ((length, _), limit) = (length(c)?, c.int(1)?);
    if length <= limit {
        return Ok(Value::Bool(true));
    }
    c.refuse(format!("len(list) > MaxItems({limit}) ({length} > {limit})"), false)
}

/// Whether two values are equal; an integer equals a float of the same value.
fn same(c: &mut Call<'_, '_>, a: &Value, b: &Value) -> Eval<bool> {
    c.context.spend(1)?;
    Ok(match (c.settled(a)?, c.settled(b)?) {
        (Value::Vertex(a), Value::Vertex(b)) => c.context.alike(a, b)?,
        (a @ Value::Number(_), b @ Value::Number(_)) => order(&a, &b).is_some_and(|order| order.is_eq()),
        (a, b) => a == b,
    })
}

fn unique(c: &mut Call<'_, '_>) -> Eval {
    let items = c.items(0)?;
    for (index, item) in items.iter().enumerate() {
        for (later, other) in items.iter().enumerate().skip(index + 1) {
            if !same(c, item, other)? {
                continue;
            }
            let scalar = c.settled(item)?;
            let words = match scalar.is_scalar() {
                true => {
                    let shown = crate::print::value(c.context, &scalar);
                    format!("equal value ({shown}) at position {index} and {later}")
                }
                false => format!("equal values at position {index} and {later}"),
            };
            let open = !is_final(c, other)?;
            return c.refuse(words, open);
        }
    }
    Ok(Value::Bool(true))
}

/// Whether nothing can be added to a value: a scalar, or a closed struct of such. CUE counts lists as open here, and so
/// lets equal ones pass where more could still come.
fn is_final(c: &mut Call<'_, '_>, value: &Value) -> Eval<bool> {
    let value = c.settled(value)?;
    let Value::Vertex(vertex) = value else { return Ok(value.is_scalar()) };
    let vertex = c.context.actual(vertex);
    let unheard_of = c.context.labels.text("\u{fffd}\u{fffd}");
    if c.context.kinds_of(&value) != Kinds::STRUCT
        || !c.context.is_concrete(&value)
        || c.context.only_data(vertex).is_some()
        || c.context.accepts(vertex, unheard_of)?
    {
        return Ok(false);
    }
    c.context.enter()?;
    let arcs: Vec<_> = c.context.vertex(vertex).arcs.iter().collect();
    let mut all = true;
    for (label, arc) in arcs {
        if label.is_regular() {
            all &= c.context.vertex(arc).arc == ArcType::Member && is_final(c, &Value::Vertex(arc))?;
        }
    }
    c.context.leave();
    Ok(all)
}

fn contains(c: &mut Call<'_, '_>) -> Eval {
    let wanted = c.value(1);
    for item in c.items(0)? {
        let (item, wanted) = (c.settled(&item)?, c.settled(&wanted)?);
        // Unlike ==, this tells an integer from a float.
        let kinds = c.context.kinds_of(&item) == c.context.kinds_of(&wanted);
        if kinds && same(c, &item, &wanted)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// Lists within lists, so many levels of them; a negative depth means all.
fn flatten(c: &mut Call<'_, '_>, items: Vec<Value>, depth: i64, all: &mut Vec<Value>) -> Eval<()> {
    c.context.enter()?;
    for item in items {
        let settled = c.settled(&item)?;
        if depth != 0 && c.context.kinds_of(&settled) == Kinds::LIST && c.context.is_concrete(&settled) {
            let inner = c.list_of(&settled)?;
            flatten(c, inner, depth - 1, all)?;
        } else {
            all.push(settled);
        }
    }
    c.context.leave();
    Ok(())
}

fn slice(c: &mut Call<'_, '_>) -> Eval {
    let (from, to) = (c.int(1)?, c.int(2)?);
    let Ok(start) = usize::try_from(from) else { return c.complain("negative index") };
    if from > to {
        return c.complain(format!("invalid index: {from} > {to}"));
    }
    let items = c.items(0)?;
    match usize::try_from(to).ok().and_then(|end| items.get(start..end)) {
        Some(part) => c.list(part.to_vec()),
        None => c.complain("slice bounds out of range"),
    }
}
