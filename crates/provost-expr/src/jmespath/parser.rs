//! Builds the syntax tree: a binding-power parser with go-jmespath's grammar and error texts.

use serde_json::Value;

use super::MAX_DEPTH;
use super::ast::{Comparator, Kind, Node};
use super::error::{JmesError, SyntaxError};
use super::lexer::{Lexeme, Token, tokenize};
use crate::go_text;

/// Tokens that bind weaker than this end the right side of a projection.
const PROJECTION_STOP: u8 = 10;

struct Parser {
    lexemes: Vec<Lexeme>,
    next: usize,
    depth: usize,
    end: Lexeme,
}

/// Parses a whole expression.
///
/// # Errors
/// As [`super::Expression::parse`].
pub(super) fn parse(expression: &str) -> Result<Node, JmesError> {
    let lexemes = tokenize(expression)?;
    let end = Lexeme { token: Token::End, text: String::new(), offset: expression.len() };
    let mut parser = Parser { lexemes, next: 0, depth: 0, end };
    let node = parser.expression(0)?;
    match parser.current() {
        Token::End => Ok(node),
        other => {
            Err(parser.error(format!("Unexpected token at the end of the expression: {}", other.name())))
        }
    }
}

fn boxed(node: Node) -> Box<Node> {
    Box::new(node)
}

fn identity() -> Node {
    Node::leaf(Kind::Identity)
}

impl Parser {
    fn peek(&self, ahead: usize) -> &Lexeme {
        self.lexemes.get(self.next + ahead).unwrap_or(&self.end)
    }

    fn current(&self) -> Token {
        self.peek(0).token
    }

    fn advance(&mut self) -> Lexeme {
        let lexeme = self.peek(0).clone();
        self.next += 1;
        lexeme
    }

    fn error(&self, message: impl Into<String>) -> JmesError {
        SyntaxError { message: message.into(), offset: self.peek(0).offset }.into()
    }

    fn expect(&mut self, token: Token) -> Result<(), JmesError> {
        if self.current() == token {
            self.next += 1;
            return Ok(());
        }
        Err(self.error(format!("Expected {}, received: {}", token.name(), self.current().name())))
    }

    fn expression(&mut self, power: u8) -> Result<Node, JmesError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(JmesError::TooDeep);
        }
        let first = self.advance();
        let mut left = self.prefix(first)?;
        while power < self.current().power() {
            let token = self.advance().token;
            left = self.infix(token, left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn prefix(&mut self, first: Lexeme) -> Result<Node, JmesError> {
        match first.token {
            Token::JsonLiteral => match serde_json::from_str::<Value>(&first.text) {
                Ok(value) => Ok(Node::leaf(Kind::Literal(value))),
                Err(e) => Err(JmesError::Literal(go_text::json_fault(&first.text, &e).to_string())),
            },
            Token::StringLiteral => Ok(Node::leaf(Kind::Literal(Value::String(first.text)))),
            Token::Identifier => Ok(Node::leaf(Kind::Field(first.text))),
            Token::QuotedIdentifier if self.current() == Token::LeftParen => {
                let message = "Can't have quoted identifier as function Name.".to_owned();
                Err(SyntaxError { message, offset: first.offset }.into())
            }
            Token::QuotedIdentifier => Ok(Node::leaf(Kind::Field(first.text))),
            Token::Star => {
                let right = if self.current() == Token::RightBracket {
                    identity()
                } else {
                    self.projection_right(Token::Star.power())?
                };
                Node::new(Kind::ValueProjection(boxed(identity()), boxed(right)))
            }
            Token::Filter => self.filter(identity()),
            Token::LeftBrace => self.hash(),
            Token::Flatten => self.flatten(identity()),
            Token::LeftBracket => self.bracket_prefix(),
            Token::Current => Ok(Node::leaf(Kind::Current)),
            Token::Reference => {
                let inner = self.expression(Token::Reference.power())?;
                Node::new(Kind::Reference(boxed(inner)))
            }
            Token::Not => {
                let inner = self.expression(Token::Not.power())?;
                Node::new(Kind::Not(boxed(inner)))
            }
            Token::LeftParen => {
                let inner = self.expression(0)?;
                self.expect(Token::RightParen)?;
                Ok(inner)
            }
            Token::End => {
                let message = "Incomplete expression".to_owned();
                Err(SyntaxError { message, offset: first.offset }.into())
            }
            other => {
                let message = format!("Invalid token: {}", other.name());
                Err(SyntaxError { message, offset: first.offset }.into())
            }
        }
    }

    fn bracket_prefix(&mut self) -> Result<Node, JmesError> {
        match self.current() {
            Token::Number | Token::Colon => {
                let right = self.index()?;
                self.project_if_slice(identity(), right)
            }
            Token::Star if self.peek(1).token == Token::RightBracket => {
                self.next += 2;
                let right = self.projection_right(Token::Star.power())?;
                Node::new(Kind::Projection(boxed(identity()), boxed(right)))
            }
            _ => self.list(),
        }
    }

    fn infix(&mut self, token: Token, left: Node) -> Result<Node, JmesError> {
        let comparator = match token {
            Token::Equal => Comparator::Equal,
            Token::NotEqual => Comparator::NotEqual,
            Token::Less => Comparator::Less,
            Token::LessEqual => Comparator::LessEqual,
            Token::Greater => Comparator::Greater,
            Token::GreaterEqual => Comparator::GreaterEqual,
            Token::Dot if self.current() == Token::Star => {
                self.next += 1;
                let right = self.projection_right(Token::Dot.power())?;
                return Node::new(Kind::ValueProjection(boxed(left), boxed(right)));
            }
            Token::Dot => {
                let right = self.dot_right(Token::Dot.power())?;
                return Node::new(Kind::Subexpression(boxed(left), boxed(right)));
            }
            Token::Pipe => {
                let right = self.expression(token.power())?;
                return Node::new(Kind::Pipe(boxed(left), boxed(right)));
            }
            Token::Or => {
                let right = self.expression(token.power())?;
                return Node::new(Kind::Or(boxed(left), boxed(right)));
            }
            Token::And => {
                let right = self.expression(token.power())?;
                return Node::new(Kind::And(boxed(left), boxed(right)));
            }
            Token::LeftParen => return self.function(left),
            Token::Filter => return self.filter(left),
            Token::Flatten => return self.flatten(left),
            Token::LeftBracket => return self.bracket_infix(left),
            other => return Err(self.error(format!("Unexpected token: {}", other.name()))),
        };
        let right = self.expression(token.power())?;
        Node::new(Kind::Comparison(comparator, boxed(left), boxed(right)))
    }

    fn bracket_infix(&mut self, left: Node) -> Result<Node, JmesError> {
        if matches!(self.current(), Token::Number | Token::Colon) {
            let right = self.index()?;
            return self.project_if_slice(left, right);
        }
        self.expect(Token::Star)?;
        self.expect(Token::RightBracket)?;
        let right = self.projection_right(Token::Star.power())?;
        Node::new(Kind::Projection(boxed(left), boxed(right)))
    }

    /// Arguments; a comma between them may be missing and one may trail, as in go-jmespath.
    fn function(&mut self, name: Node) -> Result<Node, JmesError> {
        let Kind::Field(name) = name.kind else {
            return Err(self.error("Unexpected token: tLparen"));
        };
        let mut arguments = Vec::new();
        while self.current() != Token::RightParen {
            arguments.push(self.expression(0)?);
            if self.current() == Token::Comma {
                self.next += 1;
            }
        }
        self.expect(Token::RightParen)?;
        Node::new(Kind::Function(name, arguments))
    }

    fn index(&mut self) -> Result<Node, JmesError> {
        if self.current() == Token::Colon || self.peek(1).token == Token::Colon {
            return self.slice();
        }
        let index = self.integer()?;
        self.expect(Token::RightBracket)?;
        Ok(Node::leaf(Kind::Index(index)))
    }

    fn integer(&mut self) -> Result<i64, JmesError> {
        let text = self.advance().text;
        text.parse().map_err(|_| {
            let reason = if text == "-" { "invalid syntax" } else { "value out of range" };
            JmesError::Literal(format!("strconv.Atoi: parsing {}: {reason}", go_text::quote(&text)))
        })
    }

    fn slice(&mut self) -> Result<Node, JmesError> {
        let mut parts = [None; 3];
        let mut index = 0;
        while self.current() != Token::RightBracket && index < 3 {
            match self.current() {
                Token::Colon => {
                    index += 1;
                    self.next += 1;
                }
                Token::Number => {
                    let number = self.integer()?;
                    if let Some(part) = parts.get_mut(index) {
                        *part = Some(number);
                    }
                }
                other => {
                    let message = format!("Expected tColon or tNumber, received: {}", other.name());
                    return Err(self.error(message));
                }
            }
        }
        self.expect(Token::RightBracket)?;
        Ok(Node::leaf(Kind::Slice(parts)))
    }

    fn project_if_slice(&mut self, left: Node, right: Node) -> Result<Node, JmesError> {
        let sliced = matches!(right.kind, Kind::Slice(_));
        let indexed = Node::new(Kind::IndexExpression(boxed(left), boxed(right)))?;
        if !sliced {
            return Ok(indexed);
        }
        let right = self.projection_right(Token::Star.power())?;
        Node::new(Kind::Projection(boxed(indexed), boxed(right)))
    }

    fn flatten(&mut self, left: Node) -> Result<Node, JmesError> {
        let left = Node::new(Kind::Flatten(boxed(left)))?;
        let right = self.projection_right(Token::Flatten.power())?;
        Node::new(Kind::Projection(boxed(left), boxed(right)))
    }

    fn filter(&mut self, left: Node) -> Result<Node, JmesError> {
        let condition = self.expression(0)?;
        self.expect(Token::RightBracket)?;
        let right = if self.current() == Token::Flatten {
            identity()
        } else {
            self.projection_right(Token::Filter.power())?
        };
        Node::new(Kind::FilterProjection(boxed(left), boxed(right), boxed(condition)))
    }

    fn dot_right(&mut self, power: u8) -> Result<Node, JmesError> {
        match self.current() {
            Token::QuotedIdentifier | Token::Identifier | Token::Star => self.expression(power),
            Token::LeftBracket => {
                self.next += 1;
                self.list()
            }
            Token::LeftBrace => {
                self.next += 1;
                self.hash()
            }
            _ => Err(self.error("Expected identifier, lbracket, or lbrace")),
        }
    }

    fn projection_right(&mut self, power: u8) -> Result<Node, JmesError> {
        match self.current() {
            token if token.power() < PROJECTION_STOP => Ok(identity()),
            Token::LeftBracket | Token::Filter => self.expression(power),
            Token::Dot => {
                self.next += 1;
                self.dot_right(power)
            }
            _ => Err(self.error("Error")),
        }
    }

    fn list(&mut self) -> Result<Node, JmesError> {
        let mut items = Vec::new();
        loop {
            items.push(self.expression(0)?);
            if self.current() == Token::RightBracket {
                self.next += 1;
                return Node::new(Kind::List(items));
            }
            self.expect(Token::Comma)?;
        }
    }

    fn hash(&mut self) -> Result<Node, JmesError> {
        let mut pairs = Vec::new();
        loop {
            if !matches!(self.current(), Token::Identifier | Token::QuotedIdentifier) {
                return Err(self.error("Expected tQuotedIdentifier or tUnquotedIdentifier"));
            }
            let key = self.advance().text;
            self.expect(Token::Colon)?;
            pairs.push((key, self.expression(0)?));
            match self.current() {
                Token::Comma => self.next += 1,
                Token::RightBrace => {
                    self.next += 1;
                    return Node::new(Kind::Hash(pairs));
                }
                _ => {}
            }
        }
    }
}
