//! Functions on text: comparing, replacing, splitting, matching.

use serde_json::Value;

use super::types::{ANY, B, LIST_OR_TEXT, N, O, S, TEXT_OR_NUMBER, TEXTS};
use super::{Call, Signature, number_value, text_value};
use crate::jmespath::MAX_TEXT;
use crate::jmespath::error::{FunctionFault, JmesError};
use crate::semver_range::{Range, Version};
use crate::{go_text, re2, wildcard};

type Result<T> = std::result::Result<T, JmesError>;

pub(super) const FUNCTIONS: &[Signature] = &[
    Signature::new("starts_with", &[S, S], B, starts_with, "whether a text begins with another").builtin(),
    Signature::new("ends_with", &[S, S], B, ends_with, "whether a text ends with another").builtin(),
    Signature::new("join", &[S, TEXTS], S, join, "the texts with the first one between them").builtin(),
    Signature::new("contains", &[LIST_OR_TEXT, ANY], B, contains, "whether a list or text holds a value")
        .builtin(),
    Signature::new("to_string", &[ANY], S, to_string, "a text as it is, anything else as JSON").builtin(),
    Signature::new(
        "compare",
        &[S, S],
        N,
        compare,
        "-1, 0 or 1 as the first text sorts before, with or after the second",
    ),
    Signature::new(
        "equal_fold",
        &[S, S],
        B,
        equal_fold,
        "whether two texts are equal but for the case of letters",
    ),
    Signature::new(
        "replace",
        &[S, S, S, N],
        S,
        replace,
        "replaces the first n occurrences of the second text by the third; all for n below 0",
    ),
    Signature::new(
        "replace_all",
        &[S, S, S],
        S,
        replace_all,
        "replaces every occurrence of the second text by the third",
    ),
    Signature::new("to_upper", &[S], S, to_upper, "the text in capital letters"),
    Signature::new("to_lower", &[S], S, to_lower, "the text in small letters"),
    Signature::new("trim", &[S, S], S, trim, "removes any of the second text's characters from both ends"),
    Signature::new(
        "trim_prefix",
        &[S, S],
        S,
        trim_prefix,
        "removes the second text from the start, where it stands there",
    ),
    Signature::new("split", &[S, S], TEXTS, split, "the parts of a text between occurrences of a separator"),
    Signature::new("truncate", &[S, N], S, truncate, "at most so many characters from the start"),
    Signature::new(
        "regex_replace_all",
        &[S, TEXT_OR_NUMBER, TEXT_OR_NUMBER],
        S,
        regex_replace_all,
        "replaces what a regular expression matches; $1 stands for its first group",
    ),
    Signature::new(
        "regex_replace_all_literal",
        &[S, TEXT_OR_NUMBER, TEXT_OR_NUMBER],
        S,
        regex_replace_literal,
        "replaces what a regular expression matches by a text as it is",
    ),
    Signature::new(
        "regex_match",
        &[S, TEXT_OR_NUMBER],
        B,
        regex_match,
        "whether a regular expression matches anywhere",
    ),
    Signature::new(
        "pattern_match",
        &[S, TEXT_OR_NUMBER],
        B,
        pattern_match,
        "whether a wildcard pattern (* and ?) matches the whole text",
    ),
    Signature::new(
        "label_match",
        &[O, O],
        B,
        label_match,
        "whether every label of the first object is in the second with the same value",
    ),
    Signature::new("to_boolean", &[S], B, to_boolean, "true or false, in letters of any case"),
    Signature::new(
        "semver_compare",
        &[S, S],
        B,
        semver_compare,
        "whether a version lies in a range such as '>=1.2.0 <2.0.0'",
    ),
];

fn starts_with(call: &mut Call<'_, '_>) -> Result<Value> {
    Ok(Value::Bool(call.text(0).starts_with(call.text(1))))
}

fn ends_with(call: &mut Call<'_, '_>) -> Result<Value> {
    Ok(Value::Bool(call.text(0).ends_with(call.text(1))))
}

fn join(call: &mut Call<'_, '_>) -> Result<Value> {
    let parts: Vec<&str> = call
        .value(1)
        .as_array()
        .map(|items| items.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let separators = call.text(0).len().saturating_mul(parts.len().saturating_sub(1));
    let length = parts.iter().map(|part| part.len()).fold(separators, usize::saturating_add);
    if length > MAX_TEXT {
        return Err(JmesError::TextTooLong);
    }
    text_value(parts.join(call.text(0)))
}

fn contains(call: &mut Call<'_, '_>) -> Result<Value> {
    let found = match (call.value(0), call.value(1)) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        (Value::Array(_), _) if call.arguments.iter().any(|argument| argument.value().is_none()) => false,
        (Value::Array(items), wanted) => {
            let mut found = false;
            for item in items {
                found = found || call.interpreter().equal(item, wanted)?;
            }
            found
        }
        _ => false,
    };
    Ok(Value::Bool(found))
}

fn to_string(call: &mut Call<'_, '_>) -> Result<Value> {
    let item = call.take(0);
    match call.owned(item)? {
        Value::String(text) => Ok(Value::String(text)),
        other => text_value(go_text::to_json(&other)),
    }
}

fn compare(call: &mut Call<'_, '_>) -> Result<Value> {
    Ok(Value::from(call.text(0).cmp(call.text(1)) as i8))
}

fn equal_fold(call: &mut Call<'_, '_>) -> Result<Value> {
    // Simple folding: what the cases of one character have in common.
    let fold = |c: char| lower(upper(c));
    Ok(Value::Bool(call.text(0).chars().map(fold).eq(call.text(1).chars().map(fold))))
}

fn replaced(text: &str, old: &str, new: &str, limit: Option<usize>) -> Result<Value> {
    let count = text.matches(old).take(limit.unwrap_or(usize::MAX)).count();
    if count.saturating_mul(new.len()).saturating_add(text.len()) > MAX_TEXT {
        return Err(JmesError::TextTooLong);
    }
    text_value(limit.map_or_else(|| text.replace(old, new), |limit| text.replacen(old, new, limit)))
}

fn replace(call: &mut Call<'_, '_>) -> Result<Value> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates and cuts a fraction off, as in Go"
    )]
    let limit = usize::try_from(call.number(3) as i64).ok();
    replaced(call.text(0), call.text(1), call.text(2), limit)
}

fn replace_all(call: &mut Call<'_, '_>) -> Result<Value> {
    replaced(call.text(0), call.text(1), call.text(2), None)
}

fn to_upper(call: &mut Call<'_, '_>) -> Result<Value> {
    text_value(call.text(0).chars().map(upper).collect())
}

fn to_lower(call: &mut Call<'_, '_>) -> Result<Value> {
    text_value(call.text(0).chars().map(lower).collect())
}

/// Go changes case character by character: one that would become two stays.
fn upper(c: char) -> char {
    let mut changed = c.to_uppercase();
    match (changed.next(), changed.next()) {
        (Some(other), None) => other,
        _ => c,
    }
}

/// Only `İ` becomes two characters, of which Go takes the first.
fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn trim(call: &mut Call<'_, '_>) -> Result<Value> {
    let cut: Vec<char> = call.text(1).chars().collect();
    text_value(call.text(0).trim_matches(cut.as_slice()).to_owned())
}

fn trim_prefix(call: &mut Call<'_, '_>) -> Result<Value> {
    let text = call.text(0);
    text_value(text.strip_prefix(call.text(1)).unwrap_or(text).to_owned())
}

fn split(call: &mut Call<'_, '_>) -> Result<Value> {
    let (text, separator) = (call.text(0), call.text(1));
    call.interpreter().charge(text.len())?;
    let parts: Vec<Value> = if separator.is_empty() {
        text.chars().map(|c| Value::String(c.to_string())).collect()
    } else {
        text.split(separator).map(Value::from).collect()
    };
    Ok(Value::Array(parts))
}

fn truncate(call: &mut Call<'_, '_>) -> Result<Value> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates and cuts a fraction off, as in Go"
    )]
    let length = usize::try_from(call.number(1) as i64).unwrap_or(0);
    text_value(call.text(0).chars().take(length).collect())
}

/// A match costs at most the product of both lengths; 256 such steps count as one.
fn charge_match(call: &Call<'_, '_>) -> Result<()> {
    let text = call.value(1).as_str().map_or(0, str::len);
    call.interpreter().charge(call.text(0).len().saturating_mul(text) / 256)
}

fn compiled(call: &Call<'_, '_>) -> Result<regex::Regex> {
    charge_match(call)?;
    re2::compile(call.text(0)).map_err(|reason| call.fault(FunctionFault::Regex(reason)))
}

fn substitute(call: &Call<'_, '_>, expand: bool) -> Result<Value> {
    let pattern = compiled(call)?;
    let (source, replacement) = (call.printed(1), call.printed(2));
    let mut out = String::new();
    let mut copied = 0;
    for captures in pattern.captures_iter(&source) {
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(source.get(copied..whole.start()).unwrap_or_default());
        copied = whole.end();
        if expand {
            captures.expand(&replacement, &mut out);
        } else {
            out.push_str(&replacement);
        }
        if out.len() > MAX_TEXT {
            return Err(JmesError::TextTooLong);
        }
    }
    out.push_str(source.get(copied..).unwrap_or_default());
    text_value(out)
}

fn regex_replace_all(call: &mut Call<'_, '_>) -> Result<Value> {
    substitute(call, true)
}

fn regex_replace_literal(call: &mut Call<'_, '_>) -> Result<Value> {
    substitute(call, false)
}

fn regex_match(call: &mut Call<'_, '_>) -> Result<Value> {
    charge_match(call)?;
    let pattern = re2::compile(call.text(0)).map_err(JmesError::Regex)?;
    Ok(Value::Bool(pattern.is_match(&call.printed(1))))
}

fn pattern_match(call: &mut Call<'_, '_>) -> Result<Value> {
    let (pattern, text) = (call.text(0), call.printed(1));
    // Matching costs at most the product of both lengths, which is charged before it is spent.
    call.interpreter().charge(pattern.len().saturating_mul(text.len()) / 64)?;
    Ok(Value::Bool(wildcard::matches(pattern, &text)))
}

fn label_match(call: &mut Call<'_, '_>) -> Result<Value> {
    let (Some(wanted), Some(labels)) = (call.value(0).as_object(), call.value(1).as_object()) else {
        return Ok(Value::Bool(false));
    };
    for (key, value) in wanted {
        let Some(found) = labels.get(key) else { return Ok(Value::Bool(false)) };
        if !call.interpreter().equal(found, value)? {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn to_boolean(call: &mut Call<'_, '_>) -> Result<Value> {
    match call.text(0).to_lowercase().as_str() {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        _ => Err(call.fault(FunctionFault::NotBoolean(go_text::shorten(call.text(0))))),
    }
}

fn semver_compare(call: &mut Call<'_, '_>) -> Result<Value> {
    // Kyverno ignores that a version does not parse, and compares 0.0.0.
    let version = Version::parse(call.text(0)).unwrap_or_default();
    Ok(Value::Bool(Range::parse(call.text(1))?.contains(&version)))
}

/// Builtins on numbers live beside the arithmetic of Kyverno; this one counts characters.
pub(super) fn character_count(text: &str) -> Result<Value> {
    #[expect(clippy::cast_precision_loss, reason = "a text has far fewer than 2^53 characters")]
    number_value(text.chars().count() as f64)
}
