//! Expressions: precedence, operands and what may follow them.

use super::Parser;
use crate::ast::{Element, Expr, FieldLabel, Kind, Piece};
use crate::error::{Code, CueErrors, Reason};
use crate::source::Span;
use crate::text::Syntax;
use crate::token::{Part, Tok};

/// Binary operators and how tightly they bind.
const BINARY: [(&str, u8); 20] = [
    ("|", 1),
    ("&", 2),
    ("||", 3),
    ("&&", 4),
    ("==", 5),
    ("!=", 5),
    ("<", 5),
    ("<=", 5),
    (">", 5),
    (">=", 5),
    ("=~", 5),
    ("!~", 5),
    ("+", 6),
    ("-", 6),
    ("*", 7),
    ("/", 7),
    ("div", 7),
    ("mod", 7),
    ("quo", 7),
    ("rem", 7),
];
const UNARY: [&str; 12] = ["+", "-", "!", "*", "<", "<=", ">", ">=", "==", "!=", "=~", "!~"];

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Result<Expr, CueErrors> {
        self.nested(|parser| parser.binary(1))
    }

    fn operator(&self) -> Option<(&'static str, u8)> {
        let found = match &self.token().tok {
            Tok::Op(op) => op,
            Tok::Ident(word) => word.as_str(),
            _ => return None,
        };
        BINARY.into_iter().find(|(op, _)| *op == found)
    }

    fn binary(&mut self, tightness: u8) -> Result<Expr, CueErrors> {
        let span = self.token().span;
        let mut left = self.unary()?;
        let mut chain = 0;
        while let Some((op, binds)) = self.operator().filter(|(_, binds)| *binds >= tightness) {
            self.at += 1;
            let right = self.nested(|parser| parser.binary(binds + 1))?;
            left = Expr { kind: Kind::Binary(op, Box::new(left), Box::new(right)), span };
            // A long chain is a deep tree: it counts as nesting so that later walks stay bounded.
            chain += 1;
            if chain > CHAIN {
                return self.too_long(span, "operators in one expression");
            }
        }
        Ok(left)
    }

    fn unknown<T>(&self, span: Span, construct: &str) -> Result<T, CueErrors> {
        let positions = self.sources.position(span).into_iter().collect();
        let reason = Reason::Unsupported { construct: construct.to_owned() };
        Err(CueErrors::one(String::new(), Code::Eval, reason, positions))
    }

    fn too_long<T>(&self, span: Span, what: &'static str) -> Result<T, CueErrors> {
        let positions = self.sources.position(span).into_iter().collect();
        let reason = Reason::Limit { what, limit: CHAIN as u64 };
        Err(CueErrors::one(String::new(), Code::Eval, reason, positions))
    }

    fn unary(&mut self) -> Result<Expr, CueErrors> {
        let span = self.token().span;
        if let Tok::Op(found) = self.token().tok
            && let Some(op) = UNARY.into_iter().find(|op| *op == found)
        {
            self.at += 1;
            let value = self.nested(Self::unary)?;
            return Ok(Expr { kind: Kind::Unary(op, Box::new(value)), span });
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr, CueErrors> {
        let span = self.token().span;
        let mut expr = self.operand()?;
        let mut links = 0;
        loop {
            links += 1;
            if links > CHAIN {
                return self.too_long(span, "selectors in one expression");
            }
            let kind = if self.take(".") {
                let label = match &self.token().tok {
                    Tok::Ident(name) => FieldLabel::Identifier(name.clone()),
                    Tok::Str { parts, bytes: false, .. } => match parts.as_slice() {
                        [Part::Text(text)] => {
                            FieldLabel::Text(String::from_utf8(text.clone()).unwrap_or_default())
                        }
                        _ => return self.unknown(span, "interpolation in a selector"),
                    },
                    _ => return self.expected("selector"),
                };
                self.at += 1;
                Kind::Select(Box::new(expr), label)
            } else if self.is("[") {
                self.index(expr)?
            } else if self.is("(") {
                self.at += 1;
                let arguments = self.list_of(")", "argument list")?;
                self.need(")")?;
                Kind::Call(Box::new(expr), arguments)
            } else if self.is("?") && self.experiments.try_clauses {
                self.at += 1;
                Kind::Optional(Box::new(expr))
            } else if self.is("...") {
                if !self.experiments.explicit_open {
                    let words = "postfix ... operator requires @experiment(explicitopen)";
                    return self.other(self.token().span, words);
                }
                self.at += 1;
                Kind::Open(Box::new(expr))
            } else {
                return Ok(expr);
            };
            expr = Expr { kind, span };
        }
    }

    fn index(&mut self, base: Expr) -> Result<Kind, CueErrors> {
        self.need("[")?;
        let mut low = None;
        if !self.is(":") {
            low = Some(Box::new(self.expr()?));
        }
        let kind = if self.take(":") {
            let high = if self.is("]") { None } else { Some(Box::new(self.expr()?)) };
            Kind::Slice(Box::new(base), low, high)
        } else {
            match low {
                Some(index) => Kind::Index(Box::new(base), index),
                None => return self.expected("operand"),
            }
        };
        self.need("]")?;
        Ok(kind)
    }

    fn list_of(&mut self, close: &str, construct: &'static str) -> Result<Vec<Expr>, CueErrors> {
        let mut items = Vec::new();
        while !self.is(close) && self.token().tok != Tok::Eof {
            items.push(self.expr()?);
            self.comma(close, construct)?;
        }
        Ok(items)
    }

    fn comma(&mut self, close: &str, construct: &'static str) -> Result<(), CueErrors> {
        match self.token().tok {
            Tok::Comma(made) => {
                self.at += 1;
                if made && !self.is(close) {
                    let words = format!("missing ',' before newline in {construct}");
                    return self.other(self.token().span, words);
                }
                Ok(())
            }
            Tok::Eof => Ok(()),
            _ if self.is(close) => Ok(()),
            _ => self.fail(self.token().span, Syntax::MissingComma { construct }),
        }
    }

    pub(super) fn operand(&mut self) -> Result<Expr, CueErrors> {
        let token = self.token();
        let span = token.span;
        let kind = match &token.tok {
            Tok::Ident(name) => {
                self.at += 1;
                match name.as_str() {
                    "for" | "if" | "let" => {
                        self.at -= 1;
                        return self.expected("operand");
                    }
                    _ => Kind::Identifier(name.clone()),
                }
            }
            Tok::Number(text, float) => {
                self.at += 1;
                Kind::Number(text.clone(), *float)
            }
            Tok::Str { parts, bytes, .. } => {
                self.at += 1;
                self.string(parts, *bytes, span)?
            }
            Tok::Bottom => {
                self.at += 1;
                Kind::Bottom
            }
            Tok::Op("(") => {
                self.at += 1;
                let inner = self.expr()?;
                if let Tok::Comma(true) = self.token().tok {
                    self.at += 1;
                }
                self.need(")")?;
                Kind::Parens(Box::new(inner))
            }
            Tok::Op("{") => {
                self.at += 1;
                let decls = self.nested(|parser| parser.decls(&mut Vec::new()))?;
                self.need("}")?;
                Kind::Struct(decls)
            }
            Tok::Op("[") => {
                self.at += 1;
                self.nested(Self::list)?
            }
            _ => return self.expected("operand"),
        };
        Ok(Expr { kind, span })
    }

    fn list(&mut self) -> Result<Kind, CueErrors> {
        let mut elements = Vec::new();
        let mut open = None;
        while !self.is("]") && self.token().tok != Tok::Eof {
            if self.take("...") {
                let typed = !matches!(self.token().tok, Tok::Comma(_) | Tok::Op("]"));
                open = Some(if typed { Some(Box::new(self.expr()?)) } else { None });
                if let Tok::Comma(_) = self.token().tok {
                    self.at += 1;
                }
                break;
            }
            match self.keyword() {
                Some("for" | "if") => elements.push(Element::Comprehension(self.comprehension()?)),
                Some("try") if self.begins_try() => {
                    elements.push(Element::Comprehension(self.comprehension()?))
                }
                _ => elements.push(Element::Expr(self.expr()?)),
            }
            self.comma("]", "list literal")?;
        }
        self.need("]")?;
        Ok(Kind::List { elements, open })
    }

    fn string(&mut self, parts: &[Part], bytes: bool, span: Span) -> Result<Kind, CueErrors> {
        if let [Part::Text(text)] = parts {
            return Ok(Kind::Text(text.clone(), bytes));
        }
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            pieces.push(match part {
                Part::Text(text) => Piece::Text(text.clone()),
                Part::Tokens(tokens) => {
                    let mut inner = Parser {
                        tokens,
                        at: 0,
                        sources: self.sources,
                        depth: self.depth,
                        limits: self.limits,
                        experiments: self.experiments,
                    };
                    let expr = inner.nested(Self::expr_of)?;
                    if inner.token().tok != Tok::Eof {
                        return self.other(span, "expected ')' for string interpolation");
                    }
                    Piece::Expr(expr)
                }
            });
        }
        Ok(Kind::Interpolation(pieces, bytes))
    }

    fn expr_of(inner: &mut Parser<'_>) -> Result<Expr, CueErrors> {
        inner.expr()
    }
}

/// Operators or selectors in a row; each is one level of the tree, 1,000 levels of 1 KiB frames are 1 MiB of stack.
const CHAIN: usize = 1_000;
