//! Package regexp: RE2 expressions against strings.

use std::rc::Rc;
use std::sync::Arc;

use super::Builtin;
use super::call::Call;
use crate::error::Reason;
use crate::fault::{Eval, Stop};
use crate::kind::Kinds;
use crate::regex::{Found, Regex};
use crate::value::Value;

const S: Kinds = Kinds::STRING;
const I: Kinds = Kinds::INT;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::function("regexp.Find", &[S, S], |c| {
        let found = all(c, 1)?;
        match found.first() {
            Some(first) => c.answer(first.group(0)),
            None => c.complain("no match"),
        }
    }),
    Builtin::function("regexp.FindAll", &[S, S, I], |c| {
        let found = limited(c)?;
        c.texts(found.iter().map(|found| found.group(0)))
    }),
    Builtin::function("regexp.FindAllNamedSubmatch", &[S, S, I], |c| {
        let (regex, found) = (regex(c)?, limited(c)?);
        let mut all = Vec::new();
        for one in &found {
            all.push(named(c, &regex, one));
        }
        c.list(all)
    }),
    Builtin::function("regexp.FindAllSubmatch", &[S, S, I], |c| {
        let found = limited(c)?;
        let lists =
            found.iter().map(|found| Value::List(found.groups().map(Value::text).collect())).collect();
        c.list(lists)
    }),
    Builtin::function("regexp.FindNamedSubmatch", &[S, S], |c| {
        let regex = regex(c)?;
        match all(c, 1)?.first() {
            Some(first) => {
                let fields = named(c, &regex, first);
                c.whole(fields)
            }
            None => c.complain("no match"),
        }
    }),
    Builtin::function("regexp.FindSubmatch", &[S, S], |c| match all(c, 1)?.first() {
        Some(first) => c.texts(first.groups()),
        None => c.complain("no match"),
    }),
    Builtin::function("regexp.ReplaceAll", &[S, S, S], |c| {
        let template = c.text(2);
        replace(c, |regex, found, out| regex.expand(&template, found, out))
    }),
    Builtin::function("regexp.ReplaceAllLiteral", &[S, S, S], |c| {
        let literal = c.text(2);
        replace(c, |_, _, out| out.push_str(&literal))
    }),
    Builtin::test("regexp.Valid", &[S], |c| regex(c).map(|_| Value::Bool(true))),
    Builtin::test("regexp.Match", &[S, S], |c| {
        let subject = c.text(1);
        Ok(Value::Bool(regex(c)?.matches(&subject)))
    }),
    Builtin::function("regexp.QuoteMeta", &[S], |c| {
        let mut out = String::new();
        for letter in c.text(0).chars() {
            if r"\.+*?()|[]{}^$".contains(letter) {
                out.push('\\');
            }
            out.push(letter);
        }
        c.answer(&out)
    }),
];

/// The expression in the first argument; complaints carry the builtin's name.
fn regex(c: &mut Call<'_, '_>) -> Eval<Rc<Regex>> {
    let pattern = c.text(0);
    match c.context.regex(&pattern) {
        Err(Stop::Bottom(bottom)) => match bottom.faults.first().map(|fault| &fault.reason) {
            Some(Reason::Regexp { problem, part }) => {
                c.complain(format!("error parsing regexp: {problem}: `{part}`"))
            }
            _ => Err(Stop::Bottom(bottom)),
        },
        result => result,
    }
}

/// So many matches in the second argument.
fn all(c: &mut Call<'_, '_>, limit: usize) -> Eval<Vec<Found>> {
    let regex = regex(c)?;
    let subject: Arc<str> = c.text(1);
    c.context.spend(subject.len() / 16 + 1)?;
    let found = regex.find_all(&subject, limit);
    c.context.spend(found.len())?;
    Ok(found)
}

/// As many matches as the third argument says; none at all is an error.
fn limited(c: &mut Call<'_, '_>) -> Eval<Vec<Found>> {
    let limit = usize::try_from(c.int(2)?).unwrap_or(usize::MAX);
    let found = all(c, limit)?;
    if found.is_empty() { c.complain("no match") } else { Ok(found) }
}

/// The named groups of a match as fields, sorted as Go sorts a map.
fn named(c: &mut Call<'_, '_>, regex: &Regex, found: &Found) -> Value {
    let mut groups: Vec<_> = regex.names().filter_map(|(index, name)| Some((name?, index))).collect();
    groups.sort_unstable();
    // Of several groups of one name, the last counts.
    groups.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = later.1;
        }
        same
    });
    let field = |(name, index): (&str, usize)| (c.context.labels.text(name), Value::text(found.group(index)));
    Value::Struct(groups.into_iter().map(field).collect())
}

/// The second argument with every match replaced.
fn replace(c: &mut Call<'_, '_>, mut write: impl FnMut(&Regex, &Found, &mut String)) -> Eval {
    let (regex, subject) = (regex(c)?, c.text(1));
    let mut out = String::new();
    let mut from = 0;
    for found in all(c, usize::MAX)? {
        let (start, end) = found.span();
        out.push_str(subject.get(from..start).unwrap_or_default());
        write(&regex, &found, &mut out);
        c.context.text_budget(out.len())?;
        from = end;
    }
    out.push_str(subject.get(from..).unwrap_or_default());
    c.answer(&out)
}
