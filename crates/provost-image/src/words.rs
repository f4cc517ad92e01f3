//! The words of an instruction: quotes, escapes and `$variables`, as the Dockerfile reference has them.

use std::iter::Peekable;
use std::str::Chars;

use crate::error::Fault;

/// The longest text variables may grow to: a megabyte is a thousand times the longest PATH, and doubling
/// (`ENV A=$A$A`) reaches it in a few lines.
pub(crate) const EXPANDED_LIMIT: usize = 1024 * 1024;

/// Values by name.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// One word with quotes and escapes taken away and variables filled in.
pub(crate) fn expand(text: &str, lookup: Lookup<'_>) -> Result<String, Fault> {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => loop {
                match chars.next() {
                    Some('\'') => break,
                    Some(other) => out.push(other),
                    None => return Err(Fault::Unclosed { text: text.to_owned(), opening: "'" }),
                }
            },
            '"' => double_quoted(text, &mut chars, lookup, &mut out)?,
            '\\' => out.extend(chars.next()),
            '$' => variable(text, &mut chars, lookup, &mut out)?,
            other => out.push(other),
        }
        if out.len() > EXPANDED_LIMIT {
            return Err(Fault::VariableTooLong { limit: EXPANDED_LIMIT });
        }
    }
    Ok(out)
}

fn double_quoted(
    text: &str,
    chars: &mut Peekable<Chars<'_>>,
    lookup: Lookup<'_>,
    out: &mut String,
) -> Result<(), Fault> {
    loop {
        match chars.next() {
            Some('"') => return Ok(()),
            Some('$') => variable(text, chars, lookup, out)?,
            Some('\\') => match chars.next_if(|next| matches!(next, '"' | '$' | '\\')) {
                Some(escaped) => out.push(escaped),
                None => out.push('\\'),
            },
            Some(other) => out.push(other),
            None => return Err(Fault::Unclosed { text: text.to_owned(), opening: "\"" }),
        }
    }
}

/// What follows a `$`: `NAME`, `{NAME}`, `{NAME:-word}`, `{NAME:+word}`; anything else keeps the dollar.
fn variable(
    text: &str,
    chars: &mut Peekable<Chars<'_>>,
    lookup: Lookup<'_>,
    out: &mut String,
) -> Result<(), Fault> {
    if chars.next_if_eq(&'{').is_none() {
        let name = name(chars);
        if name.is_empty() {
            out.push('$');
        } else {
            out.push_str(&lookup(&name).unwrap_or_default());
        }
        return Ok(());
    }
    let name = name(chars);
    let rest = until_brace(text, chars)?;
    let value = lookup(&name).filter(|value| !value.is_empty());
    let unsupported = || Fault::Unsupported { what: format!("the expansion ${{{name}{rest}}}") };
    if name.is_empty() {
        return Err(unsupported());
    }
    match rest.split_at_checked(2) {
        None if rest.is_empty() => out.push_str(&value.unwrap_or_default()),
        Some((":-", word)) => match value {
            Some(value) => out.push_str(&value),
            None => out.push_str(&nested(word, lookup)?),
        },
        Some((":+", word)) => {
            if value.is_some() {
                out.push_str(&nested(word, lookup)?);
            }
        }
        _ => return Err(unsupported()),
    }
    Ok(())
}

fn name(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut name = String::new();
    while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        // A digit alone is a name, as in a shell; it is never set.
        name.push(c);
    }
    name
}

/// The text up to the brace that closes this one.
fn until_brace(text: &str, chars: &mut Peekable<Chars<'_>>) -> Result<String, Fault> {
    let mut rest = String::new();
    let mut depth = 0_usize;
    for c in chars.by_ref() {
        match c {
            '}' if depth == 0 => return Ok(rest),
            '}' => depth -= 1,
            '{' => depth += 1,
            _ => {}
        }
        rest.push(c);
    }
    Err(Fault::Unclosed { text: text.to_owned(), opening: "${" })
}

/// The word after `:-`, whose variables count but whose braces may not hold further alternatives: so one call deep.
fn nested(word: &str, lookup: Lookup<'_>) -> Result<String, Fault> {
    if word.contains("${") && (word.contains(":-") || word.contains(":+")) {
        return Err(Fault::Unsupported { what: format!("the nested expansion {word}") });
    }
    expand(word, lookup)
}

/// Splits at blanks outside quotes; quotes and escapes stay in the words.
pub(crate) fn split(text: &str) -> Result<Vec<String>, Fault> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
        word.push(c);
        if c == '\\' && quote != Some('\'') {
            word.extend(chars.next());
        }
    }
    match quote {
        Some('"') => return Err(Fault::Unclosed { text: text.to_owned(), opening: "\"" }),
        Some(_) => return Err(Fault::Unclosed { text: text.to_owned(), opening: "'" }),
        None => {}
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests;
