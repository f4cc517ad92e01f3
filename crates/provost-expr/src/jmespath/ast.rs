//! The syntax tree of an expression, and its printed form.

use std::fmt::Write as _;

use serde_json::Value;

use super::MAX_DEPTH;
use super::error::JmesError;
use crate::go_text;

/// One node and the height of the tree below it, so that no tree grows past the limit.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    height: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Identity,
    Current,
    Literal(Value),
    Field(String),
    Index(i64),
    Slice([Option<i64>; 3]),
    Subexpression(Box<Node>, Box<Node>),
    IndexExpression(Box<Node>, Box<Node>),
    Pipe(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Comparison(Comparator, Box<Node>, Box<Node>),
    Projection(Box<Node>, Box<Node>),
    ValueProjection(Box<Node>, Box<Node>),
    /// List, what to take from each element, and the condition on it.
    FilterProjection(Box<Node>, Box<Node>, Box<Node>),
    Flatten(Box<Node>),
    List(Vec<Node>),
    Hash(Vec<(String, Node)>),
    Function(String, Vec<Node>),
    Reference(Box<Node>),
}

impl Node {
    /// A node over parsed children.
    ///
    /// # Errors
    /// When the tree would be higher than [`MAX_DEPTH`].
    pub(super) fn new(kind: Kind) -> Result<Self, JmesError> {
        let below = children(&kind).iter().map(|child| child.height).max().unwrap_or(0);
        let height = below + 1;
        if height > MAX_DEPTH {
            return Err(JmesError::TooDeep);
        }
        Ok(Self { kind, height })
    }

    /// A node without children.
    pub(super) fn leaf(kind: Kind) -> Self {
        Self { kind, height: 1 }
    }

    /// Appends the indented form, two blanks a level.
    pub(super) fn print(&self, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        let (name, value) = self.label();
        let _ = writeln!(out, "{pad}{name} {{");
        if let Some(value) = value {
            let _ = writeln!(out, "{pad}  value: {value}");
        }
        if let Kind::Hash(pairs) = &self.kind {
            let _ = writeln!(out, "{pad}  children: {{");
            for (key, child) in pairs {
                let _ = writeln!(out, "{pad}    ASTKeyValPair {{\n{pad}      value: {}", go_text::quote(key));
                let _ = writeln!(out, "{pad}      children: {{");
                child.print(indent + 8, out);
                let _ = writeln!(out, "{pad}    }}");
            }
        } else {
            let below = children(&self.kind);
            if !below.is_empty() {
                let _ = writeln!(out, "{pad}  children: {{");
                for child in below {
                    child.print(indent + 4, out);
                }
            }
        }
        let _ = writeln!(out, "{pad}}}");
    }

    fn label(&self) -> (&'static str, Option<String>) {
        match &self.kind {
            Kind::Identity => ("ASTIdentity", None),
            Kind::Current => ("ASTCurrentNode", None),
            Kind::Literal(Value::Null) => ("ASTLiteral", None),
            Kind::Literal(Value::String(text)) => ("ASTLiteral", Some(go_text::quote(text))),
            Kind::Literal(value) => ("ASTLiteral", Some(go_text::to_json(value))),
            Kind::Field(name) => ("ASTField", Some(go_text::quote(name))),
            Kind::Index(index) => ("ASTIndex", Some(index.to_string())),
            Kind::Slice(parts) => {
                let shown = parts.map(|p| p.map_or_else(|| "<nil>".to_owned(), |n| n.to_string()));
                ("ASTSlice", Some(format!("[{}]", shown.join(" "))))
            }
            Kind::Subexpression(..) => ("ASTSubexpression", None),
            Kind::IndexExpression(..) => ("ASTIndexExpression", None),
            Kind::Pipe(..) => ("ASTPipe", None),
            Kind::Or(..) => ("ASTOrExpression", None),
            Kind::And(..) => ("ASTAndExpression", None),
            Kind::Not(_) => ("ASTNotExpression", None),
            Kind::Comparison(comparator, ..) => {
                let name = match comparator {
                    Comparator::Equal => "tEQ",
                    Comparator::NotEqual => "tNE",
                    Comparator::Less => "tLT",
                    Comparator::LessEqual => "tLTE",
                    Comparator::Greater => "tGT",
                    Comparator::GreaterEqual => "tGTE",
                };
                ("ASTComparator", Some(name.to_owned()))
            }
            Kind::Projection(..) => ("ASTProjection", None),
            Kind::ValueProjection(..) => ("ASTValueProjection", None),
            Kind::FilterProjection(..) => ("ASTFilterProjection", None),
            Kind::Flatten(_) => ("ASTFlatten", None),
            Kind::List(_) => ("ASTMultiSelectList", None),
            Kind::Hash(_) => ("ASTMultiSelectHash", None),
            Kind::Function(name, _) => ("ASTFunctionExpression", Some(go_text::quote(name))),
            Kind::Reference(_) => ("ASTExpRef", None),
        }
    }
}

fn children(kind: &Kind) -> Vec<&Node> {
    match kind {
        Kind::Identity
        | Kind::Current
        | Kind::Literal(_)
        | Kind::Field(_)
        | Kind::Index(_)
        | Kind::Slice(_) => Vec::new(),
        Kind::Subexpression(a, b)
        | Kind::IndexExpression(a, b)
        | Kind::Pipe(a, b)
        | Kind::Or(a, b)
        | Kind::And(a, b)
        | Kind::Comparison(_, a, b)
        | Kind::Projection(a, b)
        | Kind::ValueProjection(a, b) => vec![a, b],
        Kind::FilterProjection(a, b, c) => vec![a, b, c],
        Kind::Not(a) | Kind::Flatten(a) | Kind::Reference(a) => vec![a],
        Kind::List(items) | Kind::Function(_, items) => items.iter().collect(),
        Kind::Hash(pairs) => pairs.iter().map(|(_, node)| node).collect(),
    }
}
