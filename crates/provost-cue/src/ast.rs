//! The syntax tree of a file, as written.

use crate::source::Span;
use crate::vertex::ArcType;

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) package: Option<String>,
    pub(crate) imports: Vec<Import>,
    pub(crate) decls: Vec<Decl>,
    pub(crate) attributes: Vec<String>,
}

/// One import.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) alias: Option<String>,
    pub(crate) path: String,
    pub(crate) span: Span,
}

/// One declaration in a struct.
#[derive(Debug)]
pub(crate) enum Decl {
    Field(Field),
    Let { name: String, value: Expr, span: Span },
    Embed(Expr),
    Comprehension(Comprehension),
    Ellipsis(Option<Expr>, Span),
}

/// A field, with its aliases.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) label: FieldLabel,
    /// `X` of `X=label: value`.
    pub(crate) alias: Option<String>,
    pub(crate) arc: ArcType,
    /// `X` of `label: X=value`.
    pub(crate) value_alias: Option<String>,
    pub(crate) value: Expr,
    pub(crate) span: Span,
}

/// How a field is named.
#[derive(Debug)]
pub(crate) enum FieldLabel {
    /// An identifier, which may be hidden or a definition.
    Identifier(String),
    /// A quoted name.
    Text(String),
    /// `(expr)` or an interpolation.
    Dynamic(Box<Expr>),
    /// `[expr]` or `[X=expr]`.
    Pattern { alias: Option<String>, pattern: Box<Expr> },
}

/// `for … if … let … {…}`
#[derive(Debug)]
pub(crate) struct Comprehension {
    pub(crate) clauses: Vec<Clause>,
    pub(crate) body: Box<Expr>,
    pub(crate) span: Span,
}

/// One clause.
#[derive(Debug)]
pub(crate) enum Clause {
    For { key: Option<String>, value: String, source: Expr },
    If(Expr),
    Let { name: String, value: Expr },
}

/// An expression and where it begins.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// What an expression is.
#[derive(Debug)]
pub(crate) enum Kind {
    Identifier(String),
    Number(String, bool),
    Text(Vec<u8>, bool),
    Interpolation(Vec<Piece>, bool),
    Bottom,
    Struct(Vec<Decl>),
    List {
        elements: Vec<Element>,
        open: Option<Option<Box<Expr>>>,
    },
    Unary(&'static str, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Select(Box<Expr>, FieldLabel),
    Index(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    Call(Box<Expr>, Vec<Expr>),
    /// In parentheses; kept because it separates nested disjunctions.
    Parens(Box<Expr>),
}

/// A piece of an interpolated string.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    Expr(Expr),
}

/// An element of a list.
#[derive(Debug)]
pub(crate) enum Element {
    Expr(Expr),
    Comprehension(Comprehension),
}
