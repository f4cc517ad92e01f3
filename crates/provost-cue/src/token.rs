//! Tokens of CUE source.

use crate::source::Span;

/// One part of a string: text as written between escapes, or the tokens of an interpolation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    /// Decoded bytes; in a string always UTF-8.
    Text(Vec<u8>),
    /// The tokens between `\(` and `)`, ending in [`Tok::Eof`].
    Tokens(Vec<Token>),
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tok {
    /// The end of the file or of an interpolation.
    Eof,
    /// An identifier or keyword.
    Ident(String),
    /// A number as written, and whether it is a float.
    Number(String, bool),
    /// A string or bytes, with its source text for messages.
    Str {
        /// Its parts, in order.
        parts: Vec<Part>,
        /// Whether it is `'bytes'`.
        bytes: bool,
        /// The source text.
        source: String,
    },
    /// `_|_`
    Bottom,
    /// `@name(…)`
    Attribute(String),
    /// A comma; `true` where a line's end made it.
    Comma(bool),
    /// An operator or bracket.
    Op(&'static str),
}

/// A token and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) tok: Tok,
    /// Where it begins.
    pub(crate) span: Span,
    /// Index of the closing bracket, counted in the same token list, for an opening one.
    pub(crate) close: Option<u32>,
}

impl Tok {
    /// The token as CUE's messages name it after `found`.
    pub(crate) fn found(&self) -> String {
        match self {
            Self::Eof => "'EOF'".into(),
            Self::Ident(name) => match name.as_str() {
                "true" | "false" | "null" | "for" | "in" | "if" | "let" => format!("'{name}'"),
                _ => format!("'IDENT' {name}"),
            },
            Self::Number(text, float) => format!("'{}' {text}", if *float { "FLOAT" } else { "INT" }),
            Self::Str { parts, source, .. } => {
                let interpolated = parts.iter().any(|part| matches!(part, Part::Tokens(_)));
                format!("'{}' {source}", if interpolated { "INTERPOLATION" } else { "STRING" })
            }
            Self::Bottom => "'_|_'".into(),
            Self::Attribute(text) => format!("'ATTRIBUTE' {text}"),
            Self::Comma(true) => "newline".into(),
            Self::Comma(false) => "','".into(),
            Self::Op(op) => format!("'{op}'"),
        }
    }

    /// Whether a line's end after this token is a comma.
    pub(crate) fn ends_line(&self) -> bool {
        match self {
            Self::Op(op) => matches!(*op, ")" | "]" | "}" | "?" | "..."),
            Self::Eof | Self::Comma(_) => false,
            _ => true,
        }
    }
}
