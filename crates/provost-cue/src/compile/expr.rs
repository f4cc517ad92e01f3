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
            Kind::Identifier(name) if name == "_" => Expr::Value(Value::Type(crate::kind::Kinds::TOP)),
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
                self.literals.push(true);
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
                self.literals.pop();
                Expr::List { elements: compiled, open }
            }
            Kind::Unary("*", _) => {
                let words = "preference mark not allowed at this position".to_owned();
                return self.fail(span, Reason::Syntax { problem: Syntax::Other { words } });
            }
            Kind::Unary(op, value) => {
                let value = self.expr(value)?;
                self.may_be_concrete(op, value, span)?;
                match BoundOp::of(op) {
                    Some(op) => Expr::Bound(op, value),
                    None => Expr::Unary(op, value),
                }
            }
            Kind::Binary("|", ..) => {
                let mut arms = Vec::new();
                self.arms(ast, &mut arms)?;
                Expr::Disjunction(arms)
            }
            Kind::Binary(op, left, right) => {
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                if *op != "&" {
                    self.may_be_concrete(op, left, span)?;
                    self.may_be_concrete(op, right, span)?;
                }
                Expr::Binary(op, left, right)
            }
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
            Kind::Optional(inner) if self.trying => Expr::Optional(self.expr(inner)?),
            Kind::Optional(_) => {
                let words = "optional marker (?) is only valid within a try clause".to_owned();
                return self.fail(span, Reason::Syntax { problem: Syntax::Other { words } });
            }
            Kind::Open(inner) => Expr::Open(self.expr(inner)?),
            Kind::Parens(inner) => return self.expr(inner),
        };
        Ok(self.add(expr, span))
    }

    /// Refuses an operand that is a type or bound as written: it can never be one value.
    fn may_be_concrete(&self, op: &str, operand: ExprId, span: Span) -> Result<(), CueErrors> {
        let Some((expr, _)) = self.exprs.get(operand.0 as usize) else { return Ok(()) };
        let shown = match expr {
            Expr::Value(Value::Type(kinds)) => kinds.to_string(),
            Expr::Bound(op, limit) => match self.exprs.get(limit.0 as usize) {
                Some((Expr::Value(value), _)) => format!("{}{}", op.text(), crate::print::constant(value)),
                _ => op.text().to_owned(),
            },
            _ => return Ok(()),
        };
        let words = format!("invalid operand {shown} ('{op}' requires concrete value)");
        self.fail(span, Reason::Remark { words })
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
                None if package.source(member).is_some() => {
                    self.declared(package.source(member).unwrap_or_default(), member, span)
                }
                None if package.knows(member) => self.unsupported(span, format!("{}.{member}", package.path)),
                None => {
                    let label = self.labels.identifier(member);
                    Ok(self.add(Expr::Missing(package.path, label), span))
                }
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

    fn resolve(&mut self, name: &str, span: Span) -> Result<Found, CueErrors> {
        let mut up = 0;
        let mut found = None;
        for scope in self.scopes.iter().rev() {
            if let Some(binding) = scope.find(name) {
                found = Some(binding.clone());
                break;
            }
            up += u32::from(scope.level);
        }
        let expr = match found {
            Some(Binding::Field(label)) => Expr::Reference { up, label },
            Some(Binding::Alias(label)) => {
                self.let_use(label, span)?;
                Expr::Reference { up, label }
            }
            Some(Binding::Package { package, .. }) => return Ok(Found::Package(package)),
            Some(Binding::Module { index, .. }) => Expr::Package(index),
            Some(Binding::Value) => match up.checked_sub(1) {
                Some(up) => Expr::Enclosing { up },
                None => Expr::Here,
            },
            Some(Binding::Keyed(Some(key))) => Expr::Keyed { up, key },
            Some(Binding::Keyed(None)) => {
                let words = "cyclic reference in field alias".to_owned();
                return self.fail(span, Reason::Syntax { problem: Syntax::Other { words } });
            }
            Some(Binding::Name(key)) => Expr::Up(up, key),
            None if name == "self" && self.experiments.alias_v2 => self.own_self(),
            None if name == "self" => {
                let words = "predeclared identifier \"self\" requires @experiment(aliasv2)".to_owned();
                return self.fail(span, Reason::Syntax { problem: Syntax::Other { words } });
            }
            None => match builtin::predeclared(name) {
                Some(value) => Expr::Value(value),
                None => return self.fail(span, Reason::ReferenceNotFound { name: name.to_owned() }),
            },
        };
        Ok(Found::Expr(expr))
    }

    /// What `self` means here: the innermost list or struct as written.
    fn own_self(&self) -> Expr {
        if self.literals.last() == Some(&true) {
            return Expr::Around;
        }
        let mut up = 0;
        for scope in self.scopes.iter().rev() {
            if scope.literal {
                break;
            }
            up += u32::from(scope.level);
        }
        Expr::Enclosing { up }
    }

    pub(super) fn comprehension(&mut self, ast: &Comprehension) -> Result<ExprId, CueErrors> {
        let (outside, trying) = (self.scopes.len(), self.trying);
        let compiled = self.clauses(ast);
        self.trying = trying;
        let mut unused = None;
        while self.scopes.len() > outside {
            unused = self.scopes.pop().and_then(|scope| scope.unused()).or(unused);
        }
        let (clauses, body) = compiled?;
        let fallback = ast.fallback.as_ref().map(|body| self.expr(body)).transpose()?;
        match unused {
            // CUE asks only let clauses to be used, not the variables of a for.
            Some((reason, span)) if span != ast.span => self.fail(span, reason),
            _ => Ok(self.add(Expr::Comprehension(clauses, body, fallback), ast.span)),
        }
    }

    fn clauses(&mut self, ast: &Comprehension) -> Result<(Vec<Clause>, ExprId), CueErrors> {
        let mut clauses = Vec::with_capacity(ast.clauses.len());
        for (index, clause) in ast.clauses.iter().enumerate() {
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
                AstClause::Let { name, span, value } => {
                    let value = self.expr(value)?;
                    Clause::Let { label: self.named(name, *span), value }
                }
                AstClause::Try { name: Some((name, span)), value: Some(value), .. } => {
                    let outer = std::mem::replace(&mut self.trying, true);
                    let references = self.guarded(value);
                    let value = self.expr(value);
                    self.trying = outer;
                    let (references, value) = (references?, value?);
                    Clause::Try { label: Some(self.named(name, *span)), value: Some(value), references }
                }
                AstClause::Try { span, .. } => {
                    if index + 1 < ast.clauses.len() {
                        let words = "struct-form try clause must be the last clause in a comprehension";
                        let problem = Syntax::Other { words: words.to_owned() };
                        return self.fail(*span, Reason::Syntax { problem });
                    }
                    self.trying = true;
                    Clause::Try { label: None, value: None, references: self.guarded(&ast.body)? }
                }
            });
        }
        Ok((clauses, self.expr(&ast.body)?))
    }

    /// A level with one name of its own.
    fn named(&mut self, name: &str, span: Span) -> crate::label::Label {
        let label = self.labels.unique(name);
        let mut scope = Scope::default();
        scope.bind(name, Binding::Alias(label), Span { start: span.start + 1, ..span });
        self.scopes.push(scope);
        label
    }

    /// The references marked with `?` in an expression, as seen from outside of it.
    fn guarded(&mut self, ast: &Ast) -> Result<Vec<ExprId>, CueErrors> {
        let mut marked = Vec::new();
        crate::ast::optional_references(ast, &mut marked);
        marked.into_iter().map(|ast| self.expr(ast)).collect()
    }
}
