//! Splits an expression into tokens, as go-jmespath does.

use std::iter::Peekable;
use std::str::CharIndices;

use super::MAX_EXPRESSION;
use super::error::{JmesError, SyntaxError};
use crate::go_text;

/// The kinds of token; their names appear in error texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Unknown,
    Star,
    Dot,
    Filter,
    Flatten,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    Or,
    Pipe,
    Number,
    Identifier,
    QuotedIdentifier,
    Comma,
    Colon,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    JsonLiteral,
    StringLiteral,
    Current,
    Reference,
    And,
    Not,
    End,
}

impl Token {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "tUnknown",
            Self::Star => "tStar",
            Self::Dot => "tDot",
            Self::Filter => "tFilter",
            Self::Flatten => "tFlatten",
            Self::LeftParen => "tLparen",
            Self::RightParen => "tRparen",
            Self::LeftBracket => "tLbracket",
            Self::RightBracket => "tRbracket",
            Self::LeftBrace => "tLbrace",
            Self::RightBrace => "tRbrace",
            Self::Or => "tOr",
            Self::Pipe => "tPipe",
            Self::Number => "tNumber",
            Self::Identifier => "tUnquotedIdentifier",
            Self::QuotedIdentifier => "tQuotedIdentifier",
            Self::Comma => "tComma",
            Self::Colon => "tColon",
            Self::Less => "tLT",
            Self::LessEqual => "tLTE",
            Self::Greater => "tGT",
            Self::GreaterEqual => "tGTE",
            Self::Equal => "tEQ",
            Self::NotEqual => "tNE",
            Self::JsonLiteral => "tJSONLiteral",
            Self::StringLiteral => "tStringLiteral",
            Self::Current => "tCurrent",
            Self::Reference => "tExpref",
            Self::And => "tAnd",
            Self::Not => "tNot",
            Self::End => "tEOF",
        }
    }

    /// How tightly the token binds what stands left of it; 0 ends an expression.
    pub(super) fn power(self) -> u8 {
        match self {
            Self::Pipe => 1,
            Self::Or => 2,
            Self::And => 3,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessEqual
            | Self::Greater
            | Self::GreaterEqual => 5,
            Self::Flatten => 9,
            Self::Star => 20,
            Self::Filter => 21,
            Self::Dot => 40,
            Self::Not => 45,
            Self::LeftBrace => 50,
            Self::LeftBracket => 55,
            Self::LeftParen => 60,
            _ => 0,
        }
    }
}

/// A token, its decoded text, and where it stood.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) text: String,
    pub(super) offset: usize,
}

struct Lexer<'a> {
    expression: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

/// All tokens, the last one being [`Token::End`].
///
/// # Errors
/// For characters and literals that go-jmespath refuses, and expressions that are too long.
pub(super) fn tokenize(expression: &str) -> Result<Vec<Lexeme>, JmesError> {
    if expression.len() > MAX_EXPRESSION {
        return Err(JmesError::TooLong);
    }
    let mut lexer = Lexer { expression, chars: expression.char_indices().peekable() };
    let mut lexemes = Vec::new();
    while let Some((offset, c)) = lexer.chars.next() {
        if matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        }
        let (token, text) = lexer.lexeme(offset, c)?;
        lexemes.push(Lexeme { token, text, offset });
    }
    lexemes.push(Lexeme { token: Token::End, text: String::new(), offset: expression.len() });
    Ok(lexemes)
}

impl Lexer<'_> {
    fn lexeme(&mut self, offset: usize, c: char) -> Result<(Token, String), JmesError> {
        let token = match c {
            '.' => Token::Dot,
            '*' => Token::Star,
            ',' => Token::Comma,
            ':' => Token::Colon,
            '{' => Token::LeftBrace,
            '}' => Token::RightBrace,
            ']' => Token::RightBracket,
            '(' => Token::LeftParen,
            ')' => Token::RightParen,
            '@' => Token::Current,
            '[' if self.take('?') => Token::Filter,
            '[' if self.take(']') => Token::Flatten,
            '[' => Token::LeftBracket,
            '|' => self.either('|', Token::Or, Token::Pipe),
            '<' => self.either('=', Token::LessEqual, Token::Less),
            '>' => self.either('=', Token::GreaterEqual, Token::Greater),
            '!' => self.either('=', Token::NotEqual, Token::Not),
            '=' => self.either('=', Token::Equal, Token::Unknown),
            '&' => self.either('&', Token::And, Token::Reference),
            'a'..='z' | 'A'..='Z' | '_' => {
                let text = self.run(offset, |c| c.is_ascii_alphanumeric() || c == '_');
                return Ok((Token::Identifier, text));
            }
            '-' | '0'..='9' => {
                let text = self.run(offset, |c| c.is_ascii_digit());
                return Ok((Token::Number, text));
            }
            '"' => {
                let inside = self.until('"')?;
                let decoded = serde_json::from_str::<String>(&format!("\"{inside}\""))
                    .map_err(|e| JmesError::Literal(go_text::json_fault(&inside, &e).to_string()))?;
                return Ok((Token::QuotedIdentifier, decoded));
            }
            '`' => return Ok((Token::JsonLiteral, self.until('`')?.replace("\\`", "`"))),
            '\'' => return Ok((Token::StringLiteral, self.raw_string()?)),
            other => {
                let message = format!("Unknown char: {}", go_text::quote_char(other));
                return Err(SyntaxError { message, offset }.into());
            }
        };
        Ok((token, String::new()))
    }

    fn take(&mut self, wanted: char) -> bool {
        self.chars.next_if(|&(_, c)| c == wanted).is_some()
    }

    fn either(&mut self, second: char, both: Token, one: Token) -> Token {
        if self.take(second) { both } else { one }
    }

    fn position(&mut self) -> usize {
        self.chars.peek().map_or(self.expression.len(), |&(offset, _)| offset)
    }

    fn run(&mut self, from: usize, belongs: impl Fn(char) -> bool) -> String {
        while self.chars.next_if(|&(_, c)| belongs(c)).is_some() {}
        let to = self.position();
        self.expression.get(from..to).unwrap_or_default().to_owned()
    }

    fn unclosed(&self, end: char) -> JmesError {
        SyntaxError { message: format!("Unclosed delimiter: {end}"), offset: self.expression.len() }.into()
    }

    fn until(&mut self, end: char) -> Result<String, JmesError> {
        let from = self.position();
        while let Some((offset, c)) = self.chars.next() {
            if c == end {
                return Ok(self.expression.get(from..offset).unwrap_or_default().to_owned());
            }
            if c == '\\' {
                self.chars.next();
            }
        }
        Err(self.unclosed(end))
    }

    /// `'…'`, in which only `\'` is an escape.
    fn raw_string(&mut self) -> Result<String, JmesError> {
        let mut text = String::new();
        while let Some((_, c)) = self.chars.next() {
            match c {
                '\'' => return Ok(text),
                '\\' if self.take('\'') => text.push('\''),
                other => text.push(other),
            }
        }
        Err(self.unclosed('\''))
    }
}
