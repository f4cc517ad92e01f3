//! Package strings.

use super::Builtin;
use super::call::Call;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

const S: Kinds = Kinds::STRING;
const I: Kinds = Kinds::INT;
const L: Kinds = Kinds::LIST;
const OCTETS: Kinds = Kinds::STRING_OR_BYTES;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::test("strings.HasPrefix", &[S, S], |c| Ok(Value::Bool(c.text(0).starts_with(&*c.text(1))))),
    Builtin::test("strings.HasSuffix", &[S, S], |c| Ok(Value::Bool(c.text(0).ends_with(&*c.text(1))))),
    Builtin::test("strings.Contains", &[S, S], |c| Ok(Value::Bool(c.text(0).contains(&*c.text(1))))),
    Builtin::test("strings.ContainsAny", &[S, S], |c| {
        let any = c.text(1);
        Ok(Value::Bool(c.text(0).contains(|letter| any.contains(letter))))
    }),
    Builtin::test("strings.MinRunes", &[S, I], |c| Ok(Value::Bool(runes(&c.text(0)) >= c.int(1)?))),
    Builtin::test("strings.MaxRunes", &[S, I], |c| Ok(Value::Bool(runes(&c.text(0)) <= c.int(1)?))),
    Builtin::function("strings.ByteAt", &[OCTETS, I], |c| {
        let at = c.size(1)?;
        match at.and_then(|at| c.bytes(0).get(at).copied()) {
            Some(byte) => Ok(Value::int(byte)),
            None => c.complain("index out of range"),
        }
    }),
    Builtin::function("strings.ByteSlice", &[OCTETS, I, I], |c| {
        let range = c.size(1)?.zip(c.size(2)?);
        match range.and_then(|(start, end)| c.bytes(0).get(start..end).map(<[u8]>::to_vec)) {
            Some(bytes) => c.octets(bytes),
            None => c.complain("index out of range"),
        }
    }),
    Builtin::function("strings.SliceRunes", &[S, I, I], |c| {
        let letters: Vec<char> = c.text(0).chars().collect();
        match c.size(1)?.zip(c.size(2)?).and_then(|(start, end)| letters.get(start..end)) {
            Some(part) => c.answer(&part.iter().collect::<String>()),
            None => c.complain("index out of range"),
        }
    }),
    Builtin::function("strings.Runes", &[S], |c| {
        let runes = c.text(0).chars().map(|letter| Value::int(u32::from(letter))).collect();
        c.list(runes)
    }),
    Builtin::function("strings.Compare", &[S, S], |c| Ok(Value::int(c.text(0).cmp(&c.text(1)) as i8))),
    Builtin::function("strings.ToLower", &[S], |c| {
        let lower: String = c.text(0).chars().map(lower).collect();
        c.answer(&lower)
    }),
    Builtin::function("strings.ToUpper", &[S], |c| {
        let upper: String = c.text(0).chars().map(upper).collect();
        c.answer(&upper)
    }),
    Builtin::function("strings.ToTitle", &[S], |c| {
        let titled = first_letters(&c.text(0), title);
        c.answer(&titled)
    }),
    Builtin::function("strings.ToCamel", &[S], |c| {
        let camel = first_letters(&c.text(0), lower);
        c.answer(&camel)
    }),
    Builtin::function("strings.TrimSpace", &[S], |c| Ok(Value::text(c.text(0).trim()))),
    Builtin::function("strings.TrimPrefix", &[S, S], |c| {
        let whole = c.text(0);
        Ok(Value::text(whole.strip_prefix(&*c.text(1)).unwrap_or(&whole)))
    }),
    Builtin::function("strings.TrimSuffix", &[S, S], |c| {
        let whole = c.text(0);
        Ok(Value::text(whole.strip_suffix(&*c.text(1)).unwrap_or(&whole)))
    }),
    Builtin::function("strings.Trim", &[S, S], |c| {
        let set = c.text(1);
        Ok(Value::text(c.text(0).trim_matches(|letter| set.contains(letter))))
    }),
    Builtin::function("strings.TrimLeft", &[S, S], |c| {
        let set = c.text(1);
        Ok(Value::text(c.text(0).trim_start_matches(|letter| set.contains(letter))))
    }),
    Builtin::function("strings.TrimRight", &[S, S], |c| {
        let set = c.text(1);
        Ok(Value::text(c.text(0).trim_end_matches(|letter| set.contains(letter))))
    }),
    Builtin::function("strings.Split", &[S, S], |c| split(c, -1, false)),
    Builtin::function("strings.SplitN", &[S, S, I], |c| {
        let limit = c.int(2)?;
        split(c, limit, false)
    }),
    Builtin::function("strings.SplitAfter", &[S, S], |c| split(c, -1, true)),
    Builtin::function("strings.SplitAfterN", &[S, S, I], |c| {
        let limit = c.int(2)?;
        split(c, limit, true)
    }),
    Builtin::function("strings.Fields", &[S], |c| {
        let whole = c.text(0);
        c.texts(whole.split_whitespace())
    }),
    Builtin::function("strings.Join", &[L, S], join),
    Builtin::function("strings.Index", &[S, S], |c| Ok(position(c.text(0).find(&*c.text(1))))),
    Builtin::function("strings.LastIndex", &[S, S], |c| Ok(position(c.text(0).rfind(&*c.text(1))))),
    Builtin::function("strings.IndexAny", &[S, S], |c| {
        let any = c.text(1);
        Ok(position(c.text(0).find(|letter| any.contains(letter))))
    }),
    Builtin::function("strings.LastIndexAny", &[S, S], |c| {
        let any = c.text(1);
        Ok(position(c.text(0).rfind(|letter| any.contains(letter))))
    }),
    Builtin::function("strings.Count", &[S, S], |c| {
        let (whole, part) = (c.text(0), c.text(1));
        Ok(Value::int(if part.is_empty() { runes(&whole) + 1 } else { whole.matches(&*part).count() as i64 }))
    }),
    Builtin::function("strings.Replace", &[S, S, S, I], replace),
    Builtin::function("strings.Repeat", &[S, I], |c| {
        let (whole, Some(times)) = (c.text(0), c.size(1)?) else {
            return c.complain("strings: negative Repeat count");
        };
        c.context.text_budget(whole.len().saturating_mul(times))?;
        Ok(Value::text(&whole.repeat(times)))
    }),
];

fn runes(text: &str) -> i64 {
    text.chars().count() as i64
}

fn position(found: Option<usize>) -> Value {
    found.map_or_else(|| Value::int(-1), Value::int)
}

/// The one lower-case letter of a letter, as Go maps runes one by one.
fn lower(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

/// The one upper-case letter of a letter; those that would need several stay as they are.
fn upper(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

/// The title-case letter: the middle of the three forms of Latin digraphs; Georgian has none.
fn title(letter: char) -> char {
    match letter {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        '\u{10d0}'..='\u{10ff}' => letter,
        _ => upper(letter),
    }
}

/// A text with the first letter of every word mapped.
fn first_letters(text: &str, map: fn(char) -> char) -> String {
    let mut before = ' ';
    let letters = text.chars().map(|letter| {
        let mapped = if before.is_whitespace() { map(letter) } else { letter };
        before = letter;
        mapped
    });
    letters.collect()
}

/// Parts between separators, or with them; a negative limit is none.
fn split(c: &mut Call<'_, '_>, limit: i64, after: bool) -> Eval {
    let (whole, separator) = (c.text(0), c.text(1));
    let limit = if limit < 0 { usize::MAX } else { limit as usize };
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = &*whole;
    if limit == 0 || (separator.is_empty() && rest.is_empty()) {
        return c.list(Vec::new());
    }
    loop {
        let found = match separator.is_empty() {
            true => rest.chars().next().map(char::len_utf8).filter(|length| *length < rest.len()),
            false => rest.find(&*separator),
        };
        let Some(at) = found.filter(|_| parts.len() + 1 < limit) else {
            parts.push(rest);
            return c.texts(parts);
        };
        c.context.spend(1)?;
        let end = at + separator.len();
        parts.push(rest.get(..if after { end } else { at }).unwrap_or_default());
        rest = rest.get(end..).unwrap_or_default();
    }
}

fn join(c: &mut Call<'_, '_>) -> Eval {
    let parts = c.strings(0)?;
    let separator = c.text(1);
    let bytes: usize = parts.iter().map(|part| part.len() + separator.len()).sum();
    c.context.text_budget(bytes)?;
    Ok(Value::text(&parts.join(&*separator)))
}

fn replace(c: &mut Call<'_, '_>) -> Eval {
    let (whole, old, new) = (c.text(0), c.text(1), c.text(2));
    let limit = c.int(3)?;
    let limit = if limit < 0 { usize::MAX } else { limit as usize };
    let times = if old.is_empty() { whole.len() + 1 } else { whole.len() / old.len() };
    c.context.text_budget(whole.len().saturating_add(times.min(limit).saturating_mul(new.len())))?;
    Ok(Value::text(&whole.replacen(&*old, &new, limit)))
}
