//! The scanner: source text to tokens, with commas put in at line ends as the language says.

use crate::error::{Code, CueErrors, Reason};
use crate::limits::NESTING;
use crate::literal;
use crate::source::{Sources, Span};
use crate::text::Syntax;
use crate::token::{Part, Tok, Token};

/// Operators and brackets, longer ones first.
const OPERATORS: [&str; 36] = [
    "...", "<-", "==", "!=", "<=", ">=", "=~", "!~", "&&", "||", "{", "}", "[", "]", "(", ")", ":", "=", "?",
    "!", "<", ">", "|", "&", "+", "-", "*", "/", ".", ";", "~", "%", "^", "$", "#", "\\",
];

/// Scans one file. `depth` bounds how deep interpolations nest.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    file: u32,
    sources: &'a Sources,
    depth: usize,
}

impl<'a> Scanner<'a> {
    /// A scanner over one file that `sources` knows.
    pub(crate) fn new(text: &'a str, file: u32, sources: &'a Sources, depth: usize) -> Self {
        Self { text, at: 0, file, sources, depth }
    }

    /// All tokens of the file.
    pub(crate) fn file(mut self) -> Result<Vec<Token>, CueErrors> {
        if self.text.starts_with('\u{feff}') {
            self.at = 3;
        }
        self.tokens(false, 0)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn span(&self, at: usize) -> Span {
        Span { file: self.file, start: at as u32 }
    }

    fn fail<T>(&self, at: usize, words: impl Into<String>) -> Result<T, CueErrors> {
        let reason = Reason::Syntax { problem: Syntax::Other { words: words.into() } };
        let position = self.sources.position(self.span(at));
        Err(CueErrors::one(String::new(), Code::Eval, reason, position.into_iter().collect()))
    }

    /// Tokens to the end of the file, or to the `)` that ends an interpolation.
    fn tokens(&mut self, inner: bool, depth: usize) -> Result<Vec<Token>, CueErrors> {
        if depth > self.depth {
            let reason = Reason::Limit { what: NESTING, limit: self.depth as u64 };
            return Err(CueErrors::one(String::new(), Code::Eval, reason, Vec::new()));
        }
        let mut out: Vec<Token> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        loop {
            let line_ended = self.space();
            let at = self.at;
            let ends = line_ended || self.rest().is_empty();
            // A comma or colon at the start of a line continues the line before.
            let goes_on = self.rest().starts_with([',', ':']);
            if ends && !inner && !goes_on && out.last().is_some_and(|token| token.tok.ends_line()) {
                out.push(Token { tok: Tok::Comma(true), span: self.span(at), close: None });
            }
            let tok = match self.rest().chars().next() {
                None if inner => return self.fail(at, "string literal not terminated"),
                None => Tok::Eof,
                Some(')') if inner && open.is_empty() => Tok::Eof,
                Some(c) => self.token(c, depth)?,
            };
            if tok == Tok::Eof {
                out.push(Token { tok, span: self.span(at), close: None });
                return Ok(out);
            }
            let index = out.len();
            match tok {
                Tok::Op("{" | "[" | "(") => open.push(index),
                Tok::Op("}" | "]" | ")") => {
                    let opening = open.pop().and_then(|opening| out.get_mut(opening));
                    if let Some(opening) = opening {
                        opening.close = Some(index as u32);
                    }
                }
                _ => {}
            }
            out.push(Token { tok, span: self.span(at), close: None });
        }
    }

    /// Skips blanks and comments; true where a line ended.
    fn space(&mut self) -> bool {
        let mut ended = false;
        loop {
            let rest = self.rest();
            match rest.as_bytes().first() {
                Some(b'\n') => {
                    ended = true;
                    self.at += 1;
                }
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'/') if rest.starts_with("//") => self.at += rest.find('\n').unwrap_or(rest.len()),
                _ => return ended,
            }
        }
    }

    fn token(&mut self, c: char, depth: usize) -> Result<Tok, CueErrors> {
        let start = self.at;
        let rest = self.rest();
        if rest.starts_with("_|_") {
            self.at += 3;
            return Ok(Tok::Bottom);
        }
        let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
        if let Some(quote @ ('"' | '\'')) = rest.get(hashes..).and_then(|rest| rest.chars().next()) {
            self.at += hashes;
            return self.string(quote, hashes, start, depth);
        }
        if c.is_ascii_digit()
            || (c == '.' && rest.get(1..).is_some_and(|r| r.starts_with(|d: char| d.is_ascii_digit())))
        {
            let (text, float) = literal::scan_number(rest);
            self.at += text.len();
            return Ok(Tok::Number(text.to_owned(), float));
        }
        if c == '@' {
            return self.attribute();
        }
        if c == ',' {
            self.at += 1;
            return Ok(Tok::Comma(false));
        }
        if let Some(length) = identifier(rest) {
            self.at += length;
            return Ok(Tok::Ident(rest.get(..length).unwrap_or_default().to_owned()));
        }
        match OPERATORS.iter().find(|op| rest.starts_with(**op)) {
            Some(op) => {
                self.at += op.len();
                Ok(Tok::Op(op))
            }
            None => self.fail(start, format!("illegal character U+{:04X} '{c}'", u32::from(c))),
        }
    }

    fn attribute(&mut self) -> Result<Tok, CueErrors> {
        let start = self.at;
        let name = identifier(self.rest().get(1..).unwrap_or_default()).unwrap_or(0);
        self.at += 1 + name;
        if self.rest().starts_with('(') {
            let mut level = 0usize;
            let mut quoted: Option<char> = None;
            let mut escaped = false;
            for (offset, c) in self.rest().char_indices() {
                match quoted {
                    Some(_) if escaped => escaped = false,
                    Some(_) if c == '\\' => escaped = true,
                    Some(quote) if c == quote => quoted = None,
                    Some(_) => {}
                    None => match c {
                        '"' | '\'' => quoted = Some(c),
                        '(' | '[' | '{' => level += 1,
                        ')' | ']' | '}' => level -= 1,
                        _ => {}
                    },
                }
                if level == 0 {
                    self.at += offset + 1;
                    let text = self.text.get(start..self.at).unwrap_or_default();
                    return Ok(Tok::Attribute(text.to_owned()));
                }
            }
        }
        self.fail(start, "attribute missing '('")
    }

    /// A string or bytes from its quote on; `hashes` came before it.
    fn string(&mut self, quote: char, hashes: usize, start: usize, depth: usize) -> Result<Tok, CueErrors> {
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let marks = "#".repeat(hashes);
        let multiline = self.rest().starts_with(&triple);
        let close = if multiline { format!("{triple}{marks}") } else { format!("{quote}{marks}") };
        let escape = format!("\\{marks}");
        self.at += if multiline { 3 } else { 1 };
        if multiline {
            let line = self.rest().strip_prefix('\r').unwrap_or(self.rest());
            if !line.starts_with('\n') {
                return self.fail(start, "expected newline after multiline quote");
            }
        }
        let mut raw: Vec<literal::Raw> = Vec::new();
        let mut from = self.at;
        loop {
            let rest = self.rest();
            if rest.starts_with(&close) {
                raw.push(literal::Raw::Text(self.text.get(from..self.at).unwrap_or_default().to_owned()));
                self.at += close.len();
                break;
            }
            if rest.starts_with(&escape) {
                self.at += escape.len();
                if self.rest().starts_with('(') {
                    let text = self.text.get(from..self.at - escape.len()).unwrap_or_default();
                    raw.push(literal::Raw::Text(text.to_owned()));
                    self.at += 1;
                    raw.push(literal::Raw::Tokens(self.tokens(true, depth + 1)?));
                    self.at += 1;
                    from = self.at;
                    continue;
                }
            }
            match self.rest().chars().next() {
                None => return self.fail(start, "string literal not terminated"),
                Some('\0') => return self.fail(self.at, "illegal character NUL"),
                Some('\n') if !multiline => return self.fail(start, "string literal not terminated"),
                Some(c) => self.at += c.len_utf8(),
            }
        }
        let source = self.text.get(start..self.at).unwrap_or_default().to_owned();
        match literal::decode(raw, multiline, &escape, quote == '\'') {
            Ok(parts) => {
                Ok(Tok::Str { parts: parts.into_iter().collect::<Vec<Part>>(), bytes: quote == '\'', source })
            }
            Err(words) => self.fail(start, words),
        }
    }
}

/// The length of the identifier that a text begins with.
pub(crate) fn identifier(text: &str) -> Option<usize> {
    let marks = text.bytes().take_while(|byte| matches!(byte, b'_' | b'#')).count();
    let prefix = text.get(..marks)?;
    let hash = prefix.find('#');
    if hash.is_some_and(|at| {
        at > 1 || prefix.len() > at + 1 && prefix.get(at + 1..).is_some_and(|p| p.contains('#'))
    }) {
        return None;
    }
    let body: usize = text
        .get(marks..)?
        .chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
        .map(char::len_utf8)
        .sum();
    let first = text.get(marks..)?.chars().next();
    if marks == 0 && first.is_none_or(|c| !(c.is_alphabetic() || c == '$')) {
        return None;
    }
    if hash.is_some() && body == 0 {
        return None;
    }
    Some(marks + body)
}
