//! Which reference to the input is undefined: what a Rego policy asks for and a statement lacks.
//!
//! Rego says nothing about a reference that is undefined, the rule around it just does not hold. So the references are read
//! from the policy's text and each is asked for alone.

use std::collections::HashMap;

use regorus::{Engine, Value};

/// The most references that are asked for: policies of the field have some 50, and each takes some microseconds.
pub const MAX_REFERENCES: usize = 1000;

/// A reference that is undefined for a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undefined {
    /// As far as it had to be followed to find nothing: `input.predicate.buildType`.
    pub reference: String,
    /// The file of the policy, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// The first reference of the files, in their order, that this input leaves undefined; those that follow `not` are meant to.
pub(super) fn first(engine: &mut Engine, files: &[(String, String)], input: Value) -> Option<Undefined> {
    engine.set_input(input);
    let all =
        files.iter().flat_map(|(file, source)| references(source).into_iter().map(move |one| (file, one)));
    for (file, reference) in all.take(MAX_REFERENCES) {
        for end in 2..=reference.steps.len() {
            let text = reference.steps.get(..end).unwrap_or_default().concat();
            // What cannot be asked for alone says nothing.
            let Ok(found) = engine.eval_query(format!("found = {text}"), false) else { break };
            if found.result.is_empty() {
                return Some(Undefined { reference: text, file: file.clone(), line: reference.line });
            }
        }
    }
    None
}

/// `input` and the steps from it, as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reference {
    steps: Vec<String>,
    line: usize,
}

/// The references to the input in a policy's text, through imports and local names.
fn references(source: &str) -> Vec<Reference> {
    let mut names = HashMap::from([("input".to_owned(), vec!["input".to_owned()])]);
    let mut found: Vec<Reference> = Vec::new();
    let mut text = Text { source, at: 0, line: 1 };
    // The words before the one at hand: what it is called by, and whether it is denied or imported.
    let (mut before, mut assigned): (String, Option<String>) = (String::new(), None);
    while let Some(token) = text.next() {
        let Token::Word(word) = token else {
            assigned = match token {
                Token::Assign if !before.is_empty() => Some(std::mem::take(&mut before)),
                _ => None,
            };
            before.clear();
            continue;
        };
        let line = text.line;
        let Some(mut steps) = names.get(word).cloned() else {
            before = word.to_owned();
            assigned = None;
            continue;
        };
        steps.extend(text.steps());
        match before.as_str() {
            "not" => {}
            "import" => {
                let name =
                    text.word_after("as").or_else(|| Some(steps.last()?.trim_start_matches('.').to_owned()));
                names.extend(name.map(|name| (name, steps)));
            }
            _ => {
                if let Some(name) = assigned.take().filter(|_| text.ends_expression()) {
                    names.insert(name, steps.clone());
                }
                if steps.len() > 1 {
                    found.push(Reference { steps, line });
                }
            }
        }
        before.clear();
    }
    found
}

enum Token<'a> {
    Word(&'a str),
    /// `:=`, or `=` alone.
    Assign,
    Other,
}

struct Text<'a> {
    source: &'a str,
    at: usize,
    line: usize,
}

fn begins_word(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_'
}

impl<'a> Text<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, length: usize) -> &'a str {
        let taken = self.rest().get(..length).unwrap_or_default();
        self.line += taken.matches('\n').count();
        self.at += taken.len();
        taken
    }

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = self.rest();
            let first = rest.chars().next()?;
            let end_of = |is: fn(char) -> bool| rest.find(|c: char| !is(c)).unwrap_or(rest.len());
            match first {
                '#' => {
                    self.skip(rest.find('\n').unwrap_or(rest.len()));
                }
                '"' | '`' => {
                    self.skip(literal(rest));
                    return Some(Token::Other);
                }
                c if begins_word(c) => {
                    return Some(Token::Word(self.skip(end_of(|c| c.is_ascii_alphanumeric() || c == '_'))));
                }
                // What follows a dot belongs to what stands before it, which was no reference to the input.
                '.' => {
                    self.skip(1);
                    self.skip(word(self.rest()));
                    return Some(Token::Other);
                }
                c if c.is_whitespace() => {
                    self.skip(end_of(char::is_whitespace));
                }
                ':' if rest.starts_with(":=") => {
                    self.skip(2);
                    return Some(Token::Assign);
                }
                '=' if !rest.starts_with("==") => {
                    self.skip(1);
                    return Some(Token::Assign);
                }
                other => {
                    let double = ["==", "!=", "<=", ">="].iter().any(|sign| rest.starts_with(sign));
                    self.skip(if double { 2 } else { other.len_utf8() });
                    return Some(Token::Other);
                }
            }
        }
    }

    /// The steps that follow a name: `.field`, `["field"]`, `[0]`; a variable as an index stands for every element.
    fn steps(&mut self) -> Vec<String> {
        let mut steps = Vec::new();
        loop {
            let rest = self.rest();
            if let Some(field) = rest.strip_prefix('.').map(word).filter(|length| *length > 0) {
                steps.push(self.skip(1 + field).to_owned());
                continue;
            }
            let Some(inner) = rest.strip_prefix('[') else { return steps };
            let length = match inner.chars().next() {
                Some('"' | '`') => literal(inner),
                Some(c) if c.is_ascii_digit() => inner.find(|c: char| !c.is_ascii_digit()).unwrap_or(0),
                Some(c) if begins_word(c) => word(inner),
                _ => return steps,
            };
            if !inner.get(length..).is_some_and(|rest| rest.starts_with(']')) {
                return steps;
            }
            let taken = self.skip(length + 2);
            let named = taken.get(1..).is_some_and(|inner| inner.starts_with(begins_word));
            steps.push(if named { "[_]".to_owned() } else { taken.to_owned() });
        }
    }

    /// The word that follows this one on the same line.
    fn word_after(&mut self, keyword: &str) -> Option<String> {
        let rest = self.rest().trim_start_matches([' ', '\t']);
        let rest = rest.strip_prefix(keyword)?.strip_prefix([' ', '\t'])?.trim_start_matches([' ', '\t']);
        let name = rest.get(..word(rest)).filter(|name| !name.is_empty())?.to_owned();
        self.at = self.source.len() - rest.len() + name.len();
        Some(name)
    }

    /// Whether nothing more belongs to the expression.
    fn ends_expression(&self) -> bool {
        let rest = self.rest().trim_start_matches([' ', '\t', '\r']);
        rest.is_empty() || rest.starts_with(['\n', ';', '}', '#'])
    }
}

/// The length of the word that a text begins with.
fn word(text: &str) -> usize {
    if !text.starts_with(begins_word) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// The length of the string literal that a text begins with.
fn literal(text: &str) -> usize {
    let mut escaped = false;
    let mut characters = text.char_indices();
    let quote = characters.next().map(|(_, quote)| quote);
    for (at, character) in characters {
        match character {
            _ if escaped => escaped = false,
            '\\' if quote == Some('"') => escaped = true,
            c if Some(c) == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests;
