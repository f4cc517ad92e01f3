//! Compiling expressions: names, literals, operators, comprehensions.

use super::Compiler;
use super::scope::{Binding, Scope};
use crate::ast::{
    Clause as AstClause, Comprehension, Element as AstElement, Expr as Ast, FieldLabel, Kind,
    Piece as AstPiece,
};
use crate::builtin;
use crate::error::{CueErrors, Reason};
use crate::expr::{Clause, Element, Expr, ExprId, Piece};
use crate::literal;
use crate::source::Span;
use crate::text::Syntax;
use crate::value::{BoundOp, Value};

/// What a name turned out to be.
enum Found {
    Expr(Expr),
    Package(&'static builtin::Package),
}

impl Compiler {
    pub(super) fn expr(&mut self, ast: &Ast) -> Result<ExprId, CueErrors> {
        let span = ast.span;
        let expr = match &ast.kind {
            Kind::Identifier(name) => match self.resolve(name, span)? {
                Found::Expr(expr) => expr,
                Found::Package(_) => return self.unsupported(span, format!("package {name} as a value")),
            },
            Kind::Number(text, float) => match literal::number(text, *float) {
                Ok(number) => Expr::Value(Value::Number(number.into())),
                Err(words) => return self.fail(span, Reason::Syntax { problem: Syntax::Other { words } }),
            },
            Kind::Text(text, true) => Expr::Value(Value::Bytes(text.as_slice().into())),
            Kind::Text(text, false) => match std::str::from_utf8(text) {
                Ok(text) => Expr::Value(Value::text(text)),
                Err(_) => return self.unsupported(span, "string that is not UTF-8"),
            },
            Kind::Interpolation(pieces, bytes) => {
                let mut compiled = Vec::with_capacity(pieces.len());
                for piece in pieces {
                    compiled.push(match piece {
                        AstPiece::Text(text) => Piece::Text(text.clone()),
                        AstPiece::Expr(expr) => Piece::Expr(self.expr(expr)?),
                    });
                }
                Expr::Interpolation(compiled, *bytes)
            }
            Kind::Bottom => Expr::Bottom,
            Kind::Struct(decls) => Expr::Struct(self.decls(decls, false)?),
            Kind::List { elements, open } => {
                let mut compiled = Vec::with_capacity(elements.len());
                for element in elements {
                    compiled.push(match element {
                        AstElement::Expr(expr) => Element::Expr(self.expr(expr)?),
                        AstElement::Comprehension(comprehension) => {
                            Element::Comprehension(self.comprehension(comprehension)?)
                        }
                    });
                }
                let open = match open {
                    Some(Some(rest)) => Some(Some(self.expr(rest)?)),
                    Some(None) => Some(None),
                    None => None,
                };
                Expr::List { elements: compiled, open }
            }
            Kind::Unary("*", _) => {
                let words = "preference mark not allowed at this position".to_owned();
                return self.fail(span, Reason::Syntax { problem: Syntax::Other { words } });
            }
            Kind::Unary(op, value) => match BoundOp::of(op) {
                Some(op) => Expr::Bound(op, self.expr(value)?),
                None => Expr::Unary(op, self.expr(value)?),
            },
            Kind::Binary("|", ..) => {
                let mut arms = Vec::new();
                self.arms(ast, &mut arms)?;
                Expr::Disjunction(arms)
            }
            Kind::Binary(op, left, right) => Expr::Binary(op, self.expr(left)?, self.expr(right)?),
            Kind::Select(base, label) => return self.select(base, label, span),
            Kind::Index(base, index) => Expr::Index(self.expr(base)?, self.expr(index)?),
            Kind::Slice(base, low, high) => {
                let base = self.expr(base)?;
                let low = low.as_ref().map(|low| self.expr(low)).transpose()?;
                let high = high.as_ref().map(|high| self.expr(high)).transpose()?;
                Expr::Slice(base, low, high)
            }
            Kind::Call(function, arguments) => {
                let function = self.expr(function)?;
                let arguments =
                    arguments.iter().map(|argument| self.expr(argument)).collect::<Result<_, _>>()?;
                Expr::Call(function, arguments)
            }
            Kind::Parens(inner) => return self.expr(inner),
        };
        Ok(self.add(expr, span))
    }

    /// The arms of `a | *b | c`; parentheses begin a disjunction of their own.
    fn arms(&mut self, ast: &Ast, arms: &mut Vec<(ExprId, bool)>) -> Result<(), CueErrors> {
        match &ast.kind {
            Kind::Binary("|", left, right) => {
                self.arms(left, arms)?;
                self.arms(right, arms)
            }
            Kind::Unary("*", value) => {
                arms.push((self.expr(value)?, true));
                Ok(())
            }
            _ => {
                arms.push((self.expr(ast)?, false));
                Ok(())
            }
        }
    }

    fn select(&mut self, base: &Ast, label: &FieldLabel, span: Span) -> Result<ExprId, CueErrors> {
        if let (Kind::Identifier(name), FieldLabel::Identifier(member)) = (&base.kind, label)
            && let Found::Package(package) = self.resolve(name, span)?
        {
            return match package.member(member) {
                Some(value) => Ok(self.add(Expr::Value(value), span)),
                None if package.knows(member) => self.unsupported(span, format!("{}.{member}", package.path)),
                None => self.fail(span, Reason::UndefinedField { label: member.clone() }),
            };
        }
        let base = self.expr(base)?;
        let label = match label {
            FieldLabel::Identifier(name) => self.labels.identifier(name),
            FieldLabel::Text(name) => self.labels.text(name),
            _ => return self.unsupported(span, "selector"),
        };
        Ok(self.add(Expr::Select(base, label), span))
    }

    fn resolve(&self, name: &str, span: Span) -> Result<Found, CueErrors> {
        let mut up = 0;
        for scope in self.scopes.iter().rev() {
            match scope.find(name) {
                Some(Binding::Field(label) | Binding::Alias(label)) => {
                    return Ok(Found::Expr(Expr::Reference { up, label: *label }));
                }
                Some(Binding::Package { package, .. }) => return Ok(Found::Package(package)),
                Some(Binding::Value) => match up.checked_sub(1) {
                    Some(up) => return Ok(Found::Expr(Expr::Enclosing { up })),
                    None => return self.unsupported(span, "value alias outside a struct"),
                },
                None => up += u32::from(scope.level),
            }
        }
        match builtin::predeclared(name) {
            Some(value) => Ok(Found::Expr(Expr::Value(value))),
            None => self.fail(span, Reason::ReferenceNotFound { name: name.to_owned() }),
        }
    }

    pub(super) fn comprehension(&mut self, ast: &Comprehension) -> Result<ExprId, CueErrors> {
        let outside = self.scopes.len();
        let compiled = self.clauses(ast);
        let mut unused = None;
        while self.scopes.len() > outside {
            unused = self.scopes.pop().and_then(|scope| scope.unused()).or(unused);
        }
        let compiled = compiled?;
        match unused {
            // CUE asks only let clauses to be used, not the variables of a for.
            Some((reason, span)) if span != ast.span => self.fail(span, reason),
            _ => Ok(compiled),
        }
    }

    fn clauses(&mut self, ast: &Comprehension) -> Result<ExprId, CueErrors> {
        let mut clauses = Vec::with_capacity(ast.clauses.len());
        for clause in &ast.clauses {
            clauses.push(match clause {
                AstClause::If(condition) => Clause::If(self.expr(condition)?),
                AstClause::For { key, value, source } => {
                    let source = self.expr(source)?;
                    let mut scope = Scope::default();
                    let mut bind = |name: &str| {
                        let label = self.labels.unique(name);
                        scope.bind(name, Binding::Alias(label), ast.span);
                        label
                    };
                    let key = key.as_deref().filter(|name| *name != "_").map(&mut bind);
                    let value = bind(value);
                    self.scopes.push(scope);
                    Clause::For { key, value, source }
                }
                AstClause::Let { name, value } => {
                    let value = self.expr(value)?;
                    let label = self.labels.unique(name);
                    let mut scope = Scope::default();
                    scope.bind(name, Binding::Alias(label), Span { start: ast.span.start + 1, ..ast.span });
                    self.scopes.push(scope);
                    Clause::Let { label, value }
                }
            });
        }
        let body = self.expr(&ast.body)?;
        Ok(self.add(Expr::Comprehension(clauses, body), ast.span))
    }
}
