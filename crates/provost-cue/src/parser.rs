//! The parser: tokens to the syntax tree, with CUE's own complaints.

mod expr;

use crate::ast::{Clause, Comprehension, Decl, Experiments, Expr, Field, FieldLabel, File, Import, Kind};
use crate::error::{Code, CueErrors, Reason};
use crate::limits::{Limits, NESTING};
use crate::scanner::Scanner;
use crate::source::{Sources, Span};
use crate::text::Syntax;
use crate::token::{Part, Tok, Token};
use crate::vertex::ArcType;

/// Parses one file that `sources` already knows under `file`.
pub(crate) fn parse(
    name: &str,
    text: &str,
    file: u32,
    sources: &Sources,
    limits: &Limits,
) -> Result<File, CueErrors> {
    let tokens = Scanner::new(text, file, sources, limits.policy_depth).file()?;
    let experiments = Experiments::default();
    let mut parser = Parser { tokens: &tokens, at: 0, sources, depth: 0, limits, experiments };
    parser.file(name)
}

pub(super) struct Parser<'a> {
    pub(super) tokens: &'a [Token],
    pub(super) at: usize,
    pub(super) sources: &'a Sources,
    pub(super) depth: usize,
    pub(super) limits: &'a Limits,
    pub(super) experiments: Experiments,
}

/// What stands in place of a token beyond the last one.
static END: Token = Token { tok: Tok::Eof, span: Span { file: 0, start: 0 }, close: None };

impl<'a> Parser<'a> {
    pub(super) fn token(&self) -> &'a Token {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, offset: usize) -> &'a Token {
        self.tokens.get(self.at + offset).or(self.tokens.last()).unwrap_or(&END)
    }

    pub(super) fn is(&self, op: &str) -> bool {
        matches!(self.token().tok, Tok::Op(found) if found == op)
    }

    pub(super) fn take(&mut self, op: &str) -> bool {
        let found = self.is(op);
        self.at += usize::from(found);
        found
    }

    pub(super) fn keyword(&self) -> Option<&'a str> {
        match &self.token().tok {
            Tok::Ident(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn fail<T>(&self, span: Span, problem: Syntax) -> Result<T, CueErrors> {
        let positions = self.sources.position(span).into_iter().collect();
        Err(CueErrors::one(String::new(), Code::Eval, Reason::Syntax { problem }, positions))
    }

    pub(super) fn other<T>(&self, span: Span, words: impl Into<String>) -> Result<T, CueErrors> {
        self.fail(span, Syntax::Other { words: words.into() })
    }

    pub(super) fn expected<T>(&self, expected: &str) -> Result<T, CueErrors> {
        let token = self.token();
        self.fail(token.span, Syntax::Expected { expected: expected.into(), found: token.tok.found() })
    }

    pub(super) fn need(&mut self, op: &str) -> Result<(), CueErrors> {
        if self.take(op) { Ok(()) } else { self.expected(&format!("'{op}'")) }
    }

    /// Runs one nested part within the depth limit.
    pub(super) fn nested<T>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, CueErrors>,
    ) -> Result<T, CueErrors> {
        if self.depth >= self.limits.policy_depth {
            let limit = self.limits.policy_depth as u64;
            let reason = Reason::Limit { what: NESTING, limit };
            let positions = self.sources.position(self.token().span).into_iter().collect();
            return Err(CueErrors::one(String::new(), Code::Eval, reason, positions));
        }
        self.depth += 1;
        let result = part(self);
        self.depth -= 1;
        result
    }

    fn commas(&mut self) {
        while let Tok::Comma(_) = self.token().tok {
            self.at += 1;
        }
    }

    fn file(&mut self, name: &str) -> Result<File, CueErrors> {
        let mut file = File {
            name: name.to_owned(),
            package: None,
            imports: Vec::new(),
            decls: Vec::new(),
            attributes: Vec::new(),
            experiments: Experiments::default(),
        };
        while let Tok::Attribute(text) = &self.token().tok {
            self.experiment(text)?;
            file.attributes.push(text.clone());
            self.at += 1;
            self.commas();
        }
        file.experiments = self.experiments;
        if self.keyword() == Some("package")
            && let Tok::Ident(package) = &self.ahead(1).tok
        {
            self.at += 2;
            file.package = (package != "_").then(|| package.clone());
            self.end_clause()?;
        }
        loop {
            match (&self.token().tok, &self.ahead(1).tok) {
                (Tok::Attribute(text), _) => {
                    file.attributes.push(text.clone());
                    self.at += 1;
                    self.commas();
                }
                (Tok::Ident(word), Tok::Str { .. } | Tok::Op("(") | Tok::Ident(_)) if word == "import" => {
                    self.at += 1;
                    if self.take("(") {
                        self.commas();
                        while !self.is(")") {
                            file.imports.push(self.import()?);
                            self.commas();
                        }
                        self.need(")")?;
                    } else {
                        file.imports.push(self.import()?);
                    }
                    self.end_clause()?;
                }
                _ => break,
            }
        }
        file.decls = self.decls(&mut file.attributes)?;
        if self.token().tok != Tok::Eof {
            return self.expected("'EOF'");
        }
        Ok(file)
    }

    /// Turns on what a file's `@experiment(…)` names.
    fn experiment(&mut self, attribute: &str) -> Result<(), CueErrors> {
        let Some(names) = attribute.strip_prefix("@experiment(").and_then(|rest| rest.strip_suffix(')'))
        else {
            return Ok(());
        };
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "explicitopen" => self.experiments.explicit_open = true,
                "aliasv2" => self.experiments.alias_v2 = true,
                "try" => self.experiments.try_clauses = true,
                // Comparing structs is a part of the language by now.
                "structcmp" | "testing" | "accepted_" => {}
                unknown => {
                    let words = format!(
                        "parsing experiments for version \"v0.16.1\": unknown experiment \"{unknown}\""
                    );
                    return self.other(self.token().span, words);
                }
            }
        }
        Ok(())
    }

    fn end_clause(&mut self) -> Result<(), CueErrors> {
        match self.token().tok {
            Tok::Comma(_) | Tok::Eof => {
                self.commas();
                Ok(())
            }
            _ => self.expected("';'"),
        }
    }

    fn import(&mut self) -> Result<Import, CueErrors> {
        let span = self.token().span;
        let alias = match &self.token().tok {
            Tok::Ident(name) => {
                self.at += 1;
                Some(name.clone())
            }
            _ => None,
        };
        let path = match &self.token().tok {
            Tok::Str { parts, bytes: false, .. } => match parts.as_slice() {
                [Part::Text(text)] => String::from_utf8(text.clone()).ok(),
                _ => None,
            },
            _ => None,
        };
        let Some(path) = path else { return self.expected("'STRING'") };
        self.at += 1;
        Ok(Import { alias, path, span })
    }

    /// Declarations up to a closing brace or the end.
    pub(super) fn decls(&mut self, attributes: &mut Vec<String>) -> Result<Vec<Decl>, CueErrors> {
        let mut decls = Vec::new();
        loop {
            match &self.token().tok {
                Tok::Eof | Tok::Op("}") => return Ok(decls),
                Tok::Attribute(text) => {
                    attributes.push(text.clone());
                    self.at += 1;
                }
                _ => decls.push(self.nested(Self::decl)?),
            }
            match &self.token().tok {
                Tok::Comma(_) => self.at += 1,
                Tok::Eof | Tok::Op("}") => {}
                _ => {
                    let span = self.token().span;
                    return self.fail(span, Syntax::MissingComma { construct: "struct literal" });
                }
            }
        }
    }

    fn decl(&mut self) -> Result<Decl, CueErrors> {
        let span = self.token().span;
        if self.take("...") {
            return Ok(Decl::Ellipsis(span));
        }
        if let Some(field) = self.field()? {
            return Ok(Decl::Field(field));
        }
        match self.keyword() {
            Some("let") => {
                self.at += 1;
                let name = self.name()?;
                self.need("=")?;
                Ok(Decl::Let { name, value: self.expr()?, span })
            }
            Some("for" | "if") => Ok(Decl::Comprehension(self.comprehension()?)),
            Some("try") if self.begins_try() => Ok(Decl::Comprehension(self.comprehension()?)),
            _ => {
                let value = self.expr()?;
                if self.is("=") {
                    return self.other(span, "pre-v0.2 alias; use \"let X = expr\" instead");
                }
                self.skip_attributes();
                Ok(Decl::Embed(value))
            }
        }
    }

    pub(super) fn skip_attributes(&mut self) {
        while let Tok::Attribute(_) = self.token().tok {
            self.at += 1;
        }
    }

    pub(super) fn name(&mut self) -> Result<String, CueErrors> {
        match &self.token().tok {
            Tok::Ident(name) => {
                self.at += 1;
                Ok(name.clone())
            }
            _ => self.expected("'IDENT'"),
        }
    }

    /// How many tokens a label takes here, if a field begins with it.
    fn label_length(&self, from: usize) -> Option<usize> {
        let token = self.ahead(from);
        let length = match &token.tok {
            Tok::Ident(_) | Tok::Str { bytes: false, .. } => 1,
            Tok::Op("(" | "[") => (token.close? as usize + 1).checked_sub(self.at + from)?,
            _ => return None,
        };
        let after = |offset: usize| &self.ahead(from + length + offset).tok;
        match (after(0), after(1)) {
            (Tok::Op(":" | "~"), _) | (Tok::Op("?" | "!"), Tok::Op(":")) => Some(length),
            _ => None,
        }
    }

    /// A field, if one begins here.
    fn field(&mut self) -> Result<Option<Field>, CueErrors> {
        let span = self.token().span;
        let mut alias = None;
        if let (Tok::Ident(name), Tok::Op("=")) = (&self.token().tok, &self.ahead(1).tok) {
            if self.label_length(2).is_none() {
                return Ok(None);
            }
            self.prefix_alias()?;
            alias = Some((name.clone(), span));
            self.at += 2;
        }
        if self.label_length(0).is_none() {
            return Ok(None);
        }
        let label = self.label()?;
        let mut name_alias = None;
        if self.is("~") {
            let tilde = self.token().span;
            if alias.is_some() {
                return self.other(span, "field has both label alias and postfix alias");
            }
            if !self.experiments.alias_v2 {
                return self.other(tilde, "postfix alias syntax requires @experiment(aliasv2)");
            }
            self.at += 1;
            let blank = |name: String| (name != "_").then_some(name);
            if self.take("(") {
                name_alias = blank(self.name()?);
                match self.token().tok {
                    Tok::Comma(_) => self.at += 1,
                    _ => return self.expected("','"),
                }
                alias = blank(self.name()?).map(|name| (name, tilde));
                self.need(")")?;
            } else {
                alias = blank(self.name()?).map(|name| (name, tilde));
            }
        }
        let arc = match (self.take("?"), self.take("!")) {
            (true, _) => ArcType::Optional,
            (_, true) => ArcType::Required,
            _ => ArcType::Member,
        };
        self.need(":")?;
        let value_alias = match (&self.token().tok, &self.ahead(1).tok) {
            (Tok::Ident(name), Tok::Op("=")) if self.label_length(2).is_none() => {
                self.prefix_alias()?;
                let at = self.token().span;
                self.at += 2;
                Some((name.clone(), at))
            }
            _ => None,
        };
        let inner = self.token().span;
        let value = match self.nested(Self::field)? {
            Some(field) => Expr { kind: Kind::Struct(vec![Decl::Field(field)]), span: inner },
            None => self.expr()?,
        };
        self.skip_attributes();
        Ok(Some(Field { label, alias, name_alias, arc, value_alias, value, span }))
    }

    /// Refuses `X=` where the file has chosen the other way of naming.
    fn prefix_alias(&self) -> Result<(), CueErrors> {
        if !self.experiments.alias_v2 {
            return Ok(());
        }
        let words = "old-style alias syntax (=) is not allowed with @experiment(aliasv2); \
                     use postfix syntax (~X or ~(K,V))";
        self.other(self.ahead(1).span, words)
    }

    /// Whether a try clause stands here, not a value called `try`.
    pub(super) fn begins_try(&self) -> bool {
        self.experiments.try_clauses
            && match (&self.ahead(1).tok, &self.ahead(2).tok) {
                (Tok::Op("{"), _) => true,
                (Tok::Ident(word), _) if matches!(word.as_str(), "for" | "if" | "let" | "try") => true,
                (Tok::Ident(_), after) => matches!(after, Tok::Op("=")),
                _ => false,
            }
    }

    fn label(&mut self) -> Result<FieldLabel, CueErrors> {
        let token = self.token();
        match &token.tok {
            Tok::Ident(name) => {
                self.at += 1;
                Ok(FieldLabel::Identifier(name.clone()))
            }
            Tok::Str { .. } => {
                let expr = self.operand()?;
                match expr.kind {
                    Kind::Text(text, _) => match String::from_utf8(text) {
                        Ok(text) => Ok(FieldLabel::Text(text)),
                        Err(_) => self.other(token.span, "invalid string: not UTF-8"),
                    },
                    _ => Ok(FieldLabel::Dynamic(Box::new(expr))),
                }
            }
            Tok::Op("(") => {
                self.at += 1;
                let expr = self.nested(Self::expr)?;
                self.need(")")?;
                Ok(FieldLabel::Dynamic(Box::new(expr)))
            }
            _ => {
                self.need("[")?;
                let alias = match (&self.token().tok, &self.ahead(1).tok) {
                    (Tok::Ident(name), Tok::Op("=")) => {
                        self.prefix_alias()?;
                        self.at += 2;
                        Some(name.clone())
                    }
                    _ => None,
                };
                let pattern = Box::new(self.nested(Self::expr)?);
                self.need("]")?;
                Ok(FieldLabel::Pattern { alias, pattern })
            }
        }
    }

    pub(super) fn comprehension(&mut self) -> Result<Comprehension, CueErrors> {
        let span = self.token().span;
        let mut clauses = Vec::new();
        loop {
            match self.keyword() {
                Some("for") => {
                    self.at += 1;
                    let mut value = self.name()?;
                    let mut key = None;
                    if let Tok::Comma(false) = self.token().tok {
                        self.at += 1;
                        key = Some(std::mem::replace(&mut value, self.name()?));
                    }
                    if self.keyword() != Some("in") {
                        return self.expected("'in'");
                    }
                    self.at += 1;
                    clauses.push(Clause::For { key, value, source: self.expr()? });
                }
                Some("if") => {
                    self.at += 1;
                    clauses.push(Clause::If(self.expr()?));
                }
                Some("let") if !clauses.is_empty() => {
                    let span = self.token().span;
                    self.at += 1;
                    let name = self.name()?;
                    self.need("=")?;
                    clauses.push(Clause::Let { name, span, value: self.expr()? });
                }
                Some("try") if self.experiments.try_clauses => {
                    let span = self.token().span;
                    self.at += 1;
                    let (mut name, mut value) = (None, None);
                    if matches!(self.token().tok, Tok::Ident(_)) && matches!(self.ahead(1).tok, Tok::Op("="))
                    {
                        name = Some((self.name()?, span));
                        self.need("=")?;
                        value = Some(self.expr()?);
                    }
                    clauses.push(Clause::Try { name, value, span });
                }
                _ => break,
            }
            if let (Tok::Comma(_), Tok::Ident(word)) = (&self.token().tok, &self.ahead(1).tok)
                && matches!(word.as_str(), "for" | "if" | "let" | "try")
                && !matches!(self.ahead(2).tok, Tok::Op(":"))
            {
                self.at += 1;
            }
        }
        if !self.is("{") {
            return self.expected("'{'");
        }
        let body = Box::new(self.operand()?);
        let fallback = self.fallback(&clauses)?;
        Ok(Comprehension { clauses, body, fallback, span })
    }

    /// `else {…}` after one `if` or `try`, `otherwise {…}` after anything else.
    fn fallback(&mut self, clauses: &[Clause]) -> Result<Option<Box<Expr>>, CueErrors> {
        let Some(word @ ("else" | "fallback" | "otherwise")) = self.keyword() else { return Ok(None) };
        let span = self.token().span;
        if !self.experiments.try_clauses {
            return self.other(span, format!("{word} requires @experiment(try)"));
        }
        let single = matches!(clauses, [Clause::If(_) | Clause::Try { .. }]);
        match (single, word) {
            (true, "else") | (false, "fallback" | "otherwise") => {}
            (true, _) => return self.other(span, "use 'else' with single 'if' or 'try' clause"),
            (false, _) => {
                let words = "use 'otherwise' for comprehensions with multiple clauses or 'for' clauses";
                return self.other(span, words);
            }
        }
        self.at += 1;
        if !self.is("{") {
            return self.expected("'{'");
        }
        Ok(Some(Box::new(self.operand()?)))
    }
}
