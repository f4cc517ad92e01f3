//! Package strings.

use super::core::elements;
use super::{Builtin, count, remark, text};
use crate::context::Context;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

const S: Kinds = Kinds::STRING;
const I: Kinds = Kinds::INT;
const L: Kinds = Kinds::LIST;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::test("strings.HasPrefix", &[S, S], |_, a| Ok(Value::Bool(text(a, 0).starts_with(&*text(a, 1))))),
    Builtin::test("strings.HasSuffix", &[S, S], |_, a| Ok(Value::Bool(text(a, 0).ends_with(&*text(a, 1))))),
    Builtin::test("strings.Contains", &[S, S], |_, a| Ok(Value::Bool(text(a, 0).contains(&*text(a, 1))))),
    Builtin::test("strings.ContainsAny", &[S, S], |_, a| {
        let any = text(a, 1);
        Ok(Value::Bool(text(a, 0).contains(|c| any.contains(c))))
    }),
    Builtin::test("strings.MinRunes", &[S, I], |_, a| Ok(Value::Bool(runes(&text(a, 0)) >= count(a, 1)))),
    Builtin::test("strings.MaxRunes", &[S, I], |_, a| Ok(Value::Bool(runes(&text(a, 0)) <= count(a, 1)))),
    Builtin::function("strings.ToLower", &[S], |_, a| Ok(Value::text(&text(a, 0).to_lowercase()))),
    Builtin::function("strings.ToUpper", &[S], |_, a| Ok(Value::text(&text(a, 0).to_uppercase()))),
    Builtin::function("strings.TrimSpace", &[S], |_, a| Ok(Value::text(text(a, 0).trim()))),
    Builtin::function("strings.TrimPrefix", &[S, S], |_, a| {
        let whole = text(a, 0);
        Ok(Value::text(whole.strip_prefix(&*text(a, 1)).unwrap_or(&whole)))
    }),
    Builtin::function("strings.TrimSuffix", &[S, S], |_, a| {
        let whole = text(a, 0);
        Ok(Value::text(whole.strip_suffix(&*text(a, 1)).unwrap_or(&whole)))
    }),
    Builtin::function("strings.Trim", &[S, S], |_, a| {
        let set = text(a, 1);
        Ok(Value::text(text(a, 0).trim_matches(|c| set.contains(c))))
    }),
    Builtin::function("strings.TrimLeft", &[S, S], |_, a| {
        let set = text(a, 1);
        Ok(Value::text(text(a, 0).trim_start_matches(|c| set.contains(c))))
    }),
    Builtin::function("strings.TrimRight", &[S, S], |_, a| {
        let set = text(a, 1);
        Ok(Value::text(text(a, 0).trim_end_matches(|c| set.contains(c))))
    }),
    Builtin::function("strings.Split", &[S, S], |context, a| split(context, &text(a, 0), &text(a, 1), -1)),
    Builtin::function("strings.SplitN", &[S, S, I], |context, a| {
        split(context, &text(a, 0), &text(a, 1), count(a, 2))
    }),
    Builtin::function("strings.Fields", &[S], |context, a| {
        let whole = text(a, 0);
        context.new_list(whole.split_whitespace().map(Value::text).collect())
    }),
    Builtin::function("strings.Join", &[L, S], join),
    Builtin::function("strings.Index", &[S, S], |_, a| Ok(position(text(a, 0).find(&*text(a, 1))))),
    Builtin::function("strings.LastIndex", &[S, S], |_, a| Ok(position(text(a, 0).rfind(&*text(a, 1))))),
    Builtin::function("strings.Count", &[S, S], |_, a| {
        let (whole, part) = (text(a, 0), text(a, 1));
        Ok(Value::int(if part.is_empty() { runes(&whole) + 1 } else { whole.matches(&*part).count() as i64 }))
    }),
    Builtin::function("strings.Replace", &[S, S, S, I], replace),
    Builtin::function("strings.Repeat", &[S, I], repeat),
    Builtin::function("strings.Runes", &[S], |context, a| {
        let whole = text(a, 0);
        context.new_list(whole.chars().map(|c| Value::int(u32::from(c))).collect())
    }),
];

fn runes(text: &str) -> i64 {
    text.chars().count() as i64
}

fn position(found: Option<usize>) -> Value {
    found.map_or_else(|| Value::int(-1), Value::int)
}

fn split(context: &mut Context<'_>, whole: &str, separator: &str, limit: i64) -> Eval {
    context.text_budget(whole.len())?;
    let limit = if limit < 0 { usize::MAX } else { limit as usize };
    if limit == 0 {
        return context.new_list(Vec::new());
    }
    let parts: Vec<Value> = if separator.is_empty() {
        let mut rest = whole;
        let mut parts = Vec::new();
        while let Some(c) = rest.chars().next() {
            let (head, tail) =
                if parts.len() + 1 == limit { (rest, "") } else { rest.split_at(c.len_utf8()) };
            parts.push(Value::text(head));
            rest = tail;
        }
        parts
    } else {
        whole.splitn(limit, separator).map(Value::text).collect()
    };
    context.new_list(parts)
}

fn join(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let mut parts = Vec::new();
    let mut bytes = 0;
    for (index, element) in elements(context, arguments, 0)?.into_iter().enumerate() {
        match element {
            Value::Text(part) => {
                bytes += part.len();
                parts.push(part.to_string());
            }
            other => {
                let shown = crate::print::value(context, &other);
                let kinds = context.kinds_of(&other);
                let words = format!(
                    "invalid list element {index} in argument 0 to call: cannot use value {shown} ({kinds}) as string"
                );
                let code = if context.is_concrete(&other) {
                    crate::error::Code::Eval
                } else {
                    crate::error::Code::Incomplete
                };
                return context.stop(code, crate::error::Reason::Remark { words });
            }
        }
    }
    let separator = text(arguments, 1);
    context.text_budget(bytes + separator.len().saturating_mul(parts.len()))?;
    Ok(Value::text(&parts.join(&*separator)))
}

fn replace(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let (whole, old, new) = (text(arguments, 0), text(arguments, 1), text(arguments, 2));
    let limit = count(arguments, 3);
    let limit = if limit < 0 { usize::MAX } else { limit as usize };
    let times = if old.is_empty() { whole.len() + 1 } else { whole.len() / old.len() };
    context.text_budget(whole.len().saturating_add(times.min(limit).saturating_mul(new.len())))?;
    Ok(Value::text(&whole.replacen(&*old, &new, limit)))
}

fn repeat(context: &mut Context<'_>, arguments: &[Value]) -> Eval {
    let (whole, times) = (text(arguments, 0), count(arguments, 1));
    let Ok(times) = usize::try_from(times) else {
        return remark(context, "error in call to strings.Repeat: negative count");
    };
    context.text_budget(whole.len().saturating_mul(times))?;
    Ok(Value::text(&whole.repeat(times)))
}
