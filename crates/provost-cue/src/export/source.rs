//! Compiled expressions and literals as CUE source, for what an export cannot reduce to a value.

use crate::context::Context;
use crate::expr::{Clause, Decl, Element, Expr, ExprId, Piece};
use crate::fault::Src;
use crate::format::layout::Layout;
use crate::label::Label;
use crate::print;
use crate::value::Value;
use crate::vertex::ArcType;

/// A string: in quotes on one line, or as a block of lines where it has several.
pub(super) fn text(layout: &mut Layout, text: &str) {
    match text.contains('\n') {
        false => layout.text(&print::quote(text)),
        true => block(layout, text, "\"\"\""),
    }
}

/// Bytes, likewise.
pub(super) fn bytes(layout: &mut Layout, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains('\n') => block(layout, text, "'''"),
        _ => layout.text(&quoted_bytes(bytes)),
    }
}

fn quoted_bytes(bytes: &[u8]) -> String {
    let mut out = String::from("'");
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars() {
            match c {
                '\'' => out.push_str("\\'"),
                '"' => out.push('"'),
                c => out.push_str(print::quote(&c.to_string()).trim_matches('"')),
            }
        }
        for byte in part.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('\'');
    out
}

fn block(layout: &mut Layout, text: &str, quotes: &str) {
    layout.text(quotes);
    layout.newline(true);
    layout.indent();
    for row in text.split('\n') {
        let quoted = print::quote(row);
        let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        let inner = inner.replace("\\\"", "\"").replace("\"\"\"", "\\\"\\\"\\\"");
        if !inner.is_empty() {
            layout.text(&inner);
        }
        layout.newline(true);
    }
    layout.text(quotes);
    layout.outdent();
}

/// An expression as it could have been written. Its nesting is that of the source, which the parser bounds.
pub(super) fn expression(layout: &mut Layout, context: &Context<'_>, id: ExprId) {
    Writer { context }.expr(layout, id, 0);
}

struct Writer<'c, 'a> {
    context: &'c Context<'a>,
}

/// How tightly an operator binds; what binds less stands in parentheses.
fn tightness(op: &str) -> u8 {
    match op {
        "|" => 1,
        "&" => 2,
        "||" => 3,
        "&&" => 4,
        "==" | "!=" | "<" | "<=" | ">" | ">=" | "=~" | "!~" => 5,
        "+" | "-" => 6,
        _ => 7,
    }
}

impl Writer<'_, '_> {
    fn shown(&self, label: Label) -> String {
        self.context.labels.shown(label)
    }

    fn expr(&self, layout: &mut Layout, id: ExprId, outer: u8) {
        match self.context.program.expr(id) {
            Expr::Bottom => layout.text("_|_"),
            Expr::Value(Value::Text(value)) => layout.text(&print::quote(value)),
            Expr::Value(Value::Bytes(value)) => layout.text(&quoted_bytes(value)),
            Expr::Value(value) => layout.text(&print::value(self.context, value)),
            Expr::Struct(decls) if decls.is_empty() => layout.text("{}"),
            Expr::Struct(decls) => {
                layout.text("{");
                layout.newline(true);
                layout.indent();
                for decl in decls {
                    self.decl(layout, decl);
                    layout.newline(false);
                }
                layout.outdent();
                layout.text("}");
            }
            Expr::List { elements, open } => {
                layout.text("[");
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        layout.text(", ");
                    }
                    let (Element::Expr(id) | Element::Comprehension(id)) = element;
                    self.expr(layout, *id, 0);
                }
                if let Some(rest) = open {
                    layout.text(if elements.is_empty() { "..." } else { ", ..." });
                    if let Some(rest) = rest {
                        self.expr(layout, *rest, 7);
                    }
                }
                layout.text("]");
            }
            Expr::Reference { label, .. } => layout.text(&self.shown(*label)),
            Expr::Select(base, label) => {
                self.expr(layout, *base, 8);
                layout.text(&format!(".{}", self.shown(*label)));
            }
            Expr::Index(base, index) => {
                self.expr(layout, *base, 8);
                layout.text("[");
                self.expr(layout, *index, 0);
                layout.text("]");
            }
            Expr::Slice(base, low, high) => {
                self.expr(layout, *base, 8);
                layout.text("[");
                low.iter().for_each(|low| self.expr(layout, *low, 0));
                layout.text(":");
                high.iter().for_each(|high| self.expr(layout, *high, 0));
                layout.text("]");
            }
            Expr::Unary(op, value) => {
                layout.text(op);
                self.expr(layout, *value, 8);
            }
            Expr::Binary(op, left, right) => {
                let binds = tightness(op);
                self.parens(layout, binds < outer, |layout| {
                    self.expr(layout, *left, binds);
                    layout.text(&format!(" {op} "));
                    self.expr(layout, *right, binds + 1);
                });
            }
            Expr::Bound(op, value) => {
                layout.text(op.text());
                self.expr(layout, *value, 8);
            }
            Expr::Interpolation(pieces, _) => {
                layout.text("\"");
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => {
                            let quoted = print::quote(&String::from_utf8_lossy(text));
                            layout.text(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default());
                        }
                        Piece::Expr(id) => {
                            layout.text("\\(");
                            self.expr(layout, *id, 0);
                            layout.text(")");
                        }
                    }
                }
                layout.text("\"");
            }
            Expr::Call(function, arguments) => {
                self.expr(layout, *function, 8);
                layout.text("(");
                for (index, id) in arguments.iter().enumerate() {
                    if index > 0 {
                        layout.text(", ");
                    }
                    self.expr(layout, *id, 0);
                }
                layout.text(")");
            }
            Expr::Disjunction(arms) => self.parens(layout, outer > 1, |layout| {
                for (index, (id, default)) in arms.iter().enumerate() {
                    if index > 0 {
                        layout.text(" | ");
                    }
                    if *default {
                        layout.text("*");
                    }
                    self.expr(layout, *id, 2);
                }
            }),
            Expr::Comprehension(clauses, body, fallback) => {
                self.comprehension(layout, clauses, *body);
                if let Some(fallback) = fallback {
                    layout.text(if matches!(clauses.as_slice(), [Clause::For { .. }]) {
                        " otherwise "
                    } else {
                        " else "
                    });
                    self.expr(layout, *fallback, 0);
                }
            }
            Expr::Open(inner) => {
                self.expr(layout, *inner, 8);
                layout.text("...");
            }
            Expr::Optional(inner) => {
                self.expr(layout, *inner, 8);
                layout.text("?");
            }
            _ => layout.text(&print::src(self.context, &Src::Expr(id))),
        }
    }

    fn parens(&self, layout: &mut Layout, needed: bool, inner: impl FnOnce(&mut Layout)) {
        if needed {
            layout.text("(");
        }
        inner(layout);
        if needed {
            layout.text(")");
        }
    }

    fn comprehension(&self, layout: &mut Layout, clauses: &[Clause], body: ExprId) {
        for clause in clauses {
            match clause {
                Clause::For { key, value, source } => {
                    layout.text("for ");
                    if let Some(key) = key {
                        layout.text(&format!("{}, ", self.shown(*key)));
                    }
                    layout.text(&format!("{} in ", self.shown(*value)));
                    self.expr(layout, *source, 0);
                }
                Clause::If(condition) => {
                    layout.text("if ");
                    self.expr(layout, *condition, 0);
                }
                Clause::Let { label, value } => {
                    layout.text(&format!("let {} = ", self.shown(*label)));
                    self.expr(layout, *value, 0);
                }
                Clause::Try { label, value, .. } => {
                    layout.text("try");
                    if let (Some(label), Some(value)) = (label, value) {
                        layout.text(&format!(" {} = ", self.shown(*label)));
                        self.expr(layout, *value, 0);
                    }
                }
            }
            layout.text(" ");
        }
        self.expr(layout, body, 0);
    }

    fn decl(&self, layout: &mut Layout, decl: &Decl) {
        let mark = |arc: &ArcType| match arc {
            ArcType::Required => "!",
            ArcType::Optional => "?",
            _ => "",
        };
        match decl {
            Decl::Field { label, arc, value } => {
                layout.text(&format!("{}{}:", self.shown(*label), mark(arc)));
                self.aligned(layout, *value);
            }
            Decl::Dynamic { key, arc, value } => {
                layout.text("(");
                self.expr(layout, *key, 0);
                layout.text(&format!("){}:", mark(arc)));
                self.aligned(layout, *value);
            }
            Decl::Pattern { pattern, value, .. } => {
                layout.text("[");
                self.expr(layout, *pattern, 0);
                layout.text("]:");
                self.aligned(layout, *value);
            }
            Decl::Let { label, value } => {
                layout.text(&format!("let {} = ", self.shown(*label)));
                self.expr(layout, *value, 0);
            }
            Decl::Embed(id) | Decl::Unify(id) | Decl::Comprehension(id) => self.expr(layout, *id, 0),
            Decl::Ellipsis => layout.text("..."),
        }
    }

    fn aligned(&self, layout: &mut Layout, value: ExprId) {
        match self.context.program.expr(value) {
            Expr::Struct(_) | Expr::List { .. } => layout.text(" "),
            _ => layout.tab(),
        }
        self.expr(layout, value, 0);
    }
}
