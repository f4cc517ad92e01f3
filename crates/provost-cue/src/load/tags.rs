//! `@tag(…)`: values from the command line for fields that ask for them.

use super::{LoadError, Package, Request};
use crate::error::CueErrors;
use crate::limits::Limits;
use crate::literal;
use crate::print;
use crate::scanner::{Scanner, identifier};
use crate::source::{Position, Sources};
use crate::token::{Tok, Token};

/// One tag and the value it stands beside.
struct Tag {
    key: String,
    kind: String,
    shorthands: Vec<String>,
    variable: Option<String>,
    /// The package and file it is in.
    at: (usize, usize),
    /// The bytes of the field's value.
    value: (usize, usize),
    /// Whether the value needs parentheses before something can be unified with it.
    loose: bool,
    /// What is unified with the value, as CUE.
    injected: Option<String>,
}

fn refuse<T>(problem: String, position: Option<Position>) -> Result<T, LoadError> {
    Err(LoadError::Condition { problem, position })
}

/// Puts the tags' values into the texts of packages. `seen` are the names that `@if` asked for.
pub(super) fn inject(
    request: &Request<'_>,
    packages: &mut [Package],
    builds: &[usize],
    seen: &dyn Fn(&str) -> bool,
) -> Result<(), LoadError> {
    let mut tags = Vec::new();
    for package in builds {
        for (file, source) in
            packages.get(*package).map(|package| &package.files).into_iter().flatten().enumerate()
        {
            if source.text.contains("@tag(") {
                find(&source.name, &source.text, (*package, file), request.limits, &mut tags)?;
            }
        }
    }
    for text in request.tags {
        let mut found = seen(text);
        if let Some((name, value)) = text.split_once('=') {
            for tag in tags.iter_mut().filter(|tag| tag.key == name) {
                found = true;
                tag.injected = Some(literal_of(tag, value)?);
            }
            if !found {
                return refuse(format!("no tag for \"{name}\""), None);
            }
        } else {
            for tag in tags.iter_mut().filter(|tag| tag.shorthands.contains(text)) {
                found = true;
                tag.injected = Some(literal_of(tag, text)?);
            }
            if !found {
                return refuse(format!("tag \"{text}\" not used in any file"), None);
            }
        }
    }
    if let Some(variables) = request.variables {
        for tag in tags.iter_mut().filter(|tag| tag.injected.is_none()) {
            let Some(name) = &tag.variable else { continue };
            match variables.iter().find(|(known, _)| known == name) {
                Some((_, value)) => tag.injected = Some(value.clone()),
                None => return refuse(format!("tag variable '{name}' not found"), None),
            }
        }
    }
    // From the last to the first, so that what stands before keeps its place.
    tags.sort_by_key(|tag| std::cmp::Reverse(tag.value));
    for tag in tags {
        let Some(injected) = &tag.injected else { continue };
        let file = packages.get_mut(tag.at.0).and_then(|package| package.files.get_mut(tag.at.1));
        let Some(file) = file else { continue };
        let written = file.text.get(tag.value.0..tag.value.1).unwrap_or_default();
        let joined = match tag.loose {
            true => format!("({written}) & {injected}"),
            false => format!("{written} & {injected}"),
        };
        file.text.replace_range(tag.value.0..tag.value.1, &joined);
    }
    Ok(())
}

/// A value from the command line as a literal of the tag's type.
fn literal_of(tag: &Tag, value: &str) -> Result<String, LoadError> {
    let key = &tag.key;
    match tag.kind.as_str() {
        "bool" => match value {
            "true" | "false" => Ok(value.to_owned()),
            _ => refuse(format!("invalid boolean value \"{value}\" for injection tag \"{key}\""), None),
        },
        "int" | "number" => {
            let digits = value.strip_prefix('-').unwrap_or(value);
            let (number, float) = literal::scan_number(digits);
            let whole = !number.is_empty() && number.len() == digits.len();
            if !whole || literal::number(number, float).is_err() {
                let words =
                    format!("invalid number for injection tag \"{key}\": illegal number start \"{value}\"");
                return refuse(words, None);
            }
            if float && tag.kind == "int" {
                return refuse(format!("invalid int value \"{value}\" for injection tag \"{key}\""), None);
            }
            Ok(value.to_owned())
        }
        _ => Ok(print::quote(value)),
    }
}

fn find(
    name: &str,
    text: &str,
    at: (usize, usize),
    limits: &Limits,
    tags: &mut Vec<Tag>,
) -> Result<(), LoadError> {
    let mut sources = Sources::default();
    let index = sources.add(name, text);
    let tokens: Vec<Token> = Scanner::new(text, index, &sources, limits.policy_depth)
        .file()
        .map_err(|errors: CueErrors| errors)?;
    let mut open: Vec<&str> = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        match &token.tok {
            Tok::Op(bracket @ ("{" | "[" | "(")) => open.push(bracket),
            Tok::Op("}" | "]" | ")") => {
                open.pop();
            }
            Tok::Attribute(attribute) => {
                let Some(body) = attribute.strip_prefix("@tag(").and_then(|rest| rest.strip_suffix(')'))
                else {
                    continue;
                };
                let position = sources.position(token.span);
                if open.contains(&"[") {
                    return refuse("@tag not allowed within lists".to_owned(), position);
                }
                let Some((value, loose)) = value_before(&tokens, place, text) else { continue };
                if matches!(
                    tokens.get(value.2.wrapping_sub(1)).map(|token| &token.tok),
                    Some(Tok::Op("?" | "!"))
                ) {
                    return refuse("@tag not allowed within field constraint".to_owned(), position);
                }
                let mut tag = parse(body, position)?;
                (tag.at, tag.value, tag.loose) = (at, (value.0, value.1), loose);
                tags.push(tag);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The bytes of the value before an attribute, the index of the colon before it, and whether it is a disjunction.
pub(super) fn value_before(
    tokens: &[Token],
    attribute: usize,
    text: &str,
) -> Option<((usize, usize, usize), bool)> {
    let mut depth = 0usize;
    let mut loose = false;
    let mut end = tokens.get(attribute)?.span.start as usize;
    let mut at = attribute;
    while at > 0 {
        at -= 1;
        let token = tokens.get(at)?;
        match &token.tok {
            Tok::Op("}" | "]" | ")") => depth += 1,
            Tok::Op("{" | "[" | "(") => depth = depth.checked_sub(1)?,
            Tok::Op("|") if depth == 0 => loose = true,
            Tok::Attribute(_) if depth == 0 => end = token.span.start as usize,
            Tok::Comma(_) if depth == 0 => return None,
            Tok::Op(":") if depth == 0 => {
                let start = token.span.start as usize + 1;
                let written = text.get(start..end)?;
                let from = start + (written.len() - written.trim_start().len());
                return Some(((from, start + written.trim_end().len(), at), loose));
            }
            _ => {}
        }
    }
    None
}

fn parse(body: &str, position: Option<Position>) -> Result<Tag, LoadError> {
    let mut parts = body.split(',').map(str::trim);
    let key = parts.next().unwrap_or_default().trim_matches('"').to_owned();
    if key.is_empty() || identifier(&key) != Some(key.len()) {
        return refuse(format!("invalid identifier \"{key}\""), position);
    }
    let mut tag = Tag {
        key,
        kind: "string".to_owned(),
        shorthands: Vec::new(),
        variable: None,
        at: (0, 0),
        value: (0, 0),
        loose: false,
        injected: None,
    };
    for part in parts {
        match part.split_once('=') {
            Some(("type", kind)) => match kind {
                "string" | "int" | "number" | "bool" => tag.kind = kind.to_owned(),
                _ => return refuse(format!("invalid type \"{kind}\""), position),
            },
            Some(("short", names)) => tag.shorthands = names.split('|').map(str::to_owned).collect(),
            Some(("var", name)) => tag.variable = Some(name.trim_matches('"').to_owned()),
            _ => {}
        }
    }
    Ok(tag)
}
