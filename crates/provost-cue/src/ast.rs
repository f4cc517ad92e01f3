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
    pub(crate) experiments: Experiments,
}

/// The experiments that a file turns on with `@experiment(…)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Experiments {
    /// Postfix `...`; what is embedded closes.
    pub(crate) explicit_open: bool,
    /// `~X`, `~(K,V)` and `self`; no `X=`.
    pub(crate) alias_v2: bool,
    /// `try`, `x?`, `else` and `otherwise`.
    pub(crate) try_clauses: bool,
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
    Ellipsis(Span),
}

/// A field, with its aliases.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) label: FieldLabel,
    /// `X` of `X=label: value` or `label~X: value`, and where it stands.
    pub(crate) alias: Option<(String, Span)>,
    /// `K` of `label~(K,V): value`.
    pub(crate) name_alias: Option<String>,
    pub(crate) arc: ArcType,
    /// `X` of `label: X=value`.
    pub(crate) value_alias: Option<(String, Span)>,
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
    /// The struct after `else` or `otherwise`.
    pub(crate) fallback: Option<Box<Expr>>,
    pub(crate) span: Span,
}

/// One clause.
#[derive(Debug)]
pub(crate) enum Clause {
    For {
        key: Option<String>,
        value: String,
        source: Expr,
    },
    If(Expr),
    Let {
        name: String,
        span: Span,
        value: Expr,
    },
    /// `try` before the body, whose `x?` it guards, or `try x = expr`.
    Try {
        name: Option<(String, Span)>,
        value: Option<Expr>,
        span: Span,
    },
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
    /// `x?` in a try clause.
    Optional(Box<Expr>),
    /// `x...`
    Open(Box<Expr>),
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

/// Collects what is marked with `?` in an expression, but not in try clauses inside it.
pub(crate) fn optional_references<'a>(expr: &'a Expr, found: &mut Vec<&'a Expr>) {
    let decls = |decls: &'a [Decl], found: &mut Vec<&'a Expr>| {
        for decl in decls {
            match decl {
                Decl::Field(field) => {
                    if let FieldLabel::Dynamic(label) = &field.label {
                        optional_references(label, found);
                    }
                    optional_references(&field.value, found);
                }
                Decl::Let { value, .. } | Decl::Embed(value) => optional_references(value, found),
                Decl::Comprehension(inner) => comprehension_references(inner, found),
                Decl::Ellipsis(_) => {}
            }
        }
    };
    match &expr.kind {
        Kind::Optional(inner) => found.push(inner),
        Kind::Struct(inner) => decls(inner, found),
        Kind::List { elements, open } => {
            for element in elements {
                match element {
                    Element::Expr(inner) => optional_references(inner, found),
                    Element::Comprehension(inner) => comprehension_references(inner, found),
                }
            }
            if let Some(Some(inner)) = open {
                optional_references(inner, found);
            }
        }
        Kind::Unary(_, inner) | Kind::Select(inner, _) | Kind::Open(inner) | Kind::Parens(inner) => {
            optional_references(inner, found);
        }
        Kind::Binary(_, left, right) | Kind::Index(left, right) => {
            optional_references(left, found);
            optional_references(right, found);
        }
        Kind::Slice(base, low, high) => {
            for inner in [Some(base), low.as_ref(), high.as_ref()].into_iter().flatten() {
                optional_references(inner, found);
            }
        }
        Kind::Call(function, arguments) => {
            optional_references(function, found);
            for argument in arguments {
                optional_references(argument, found);
            }
        }
        Kind::Interpolation(pieces, _) => {
            for piece in pieces {
                if let Piece::Expr(inner) = piece {
                    optional_references(inner, found);
                }
            }
        }
        Kind::Identifier(_) | Kind::Number(..) | Kind::Text(..) | Kind::Bottom => {}
    }
}

fn comprehension_references<'a>(comprehension: &'a Comprehension, found: &mut Vec<&'a Expr>) {
    for clause in &comprehension.clauses {
        match clause {
            Clause::For { source: inner, .. } | Clause::If(inner) | Clause::Let { value: inner, .. } => {
                optional_references(inner, found);
            }
            Clause::Try { .. } => return,
        }
    }
    optional_references(&comprehension.body, found);
}
