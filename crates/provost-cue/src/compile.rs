//! The resolver: syntax trees to one program, every name bound to a level and label or refused.

mod expr;
mod scope;

use crate::ast::{Decl as AstDecl, Field, FieldLabel, File};
use crate::builtin;
use crate::error::{Code, CueErrors, Reason};
use crate::expr::{Decl, Expr, ExprId, Program};
use crate::label::Labels;
use crate::source::{Sources, Span};
use crate::vertex::ArcType;
use scope::{Binding, Scope};

/// Compiles files that were parsed in the order of their names.
pub(crate) fn compile(files: &[File], sources: Sources) -> Result<Program, CueErrors> {
    one_package(files)?;
    let mut compiler = Compiler {
        exprs: Vec::new(),
        labels: Labels::default(),
        sources,
        scopes: Vec::new(),
        path: Vec::new(),
    };
    let mut package = Scope::default();
    for file in files {
        compiler.declare_fields(&mut package, &file.decls);
    }
    compiler.scopes.push(package);
    let mut roots = Vec::new();
    for file in files {
        roots.push(compiler.file(file)?);
    }
    Ok(Program::new(compiler.exprs, roots, compiler.labels, compiler.sources))
}

fn one_package(files: &[File]) -> Result<(), CueErrors> {
    let mut named = files.iter().filter_map(|file| Some((file.package.clone()?, file.name.clone())));
    let Some(first) = named.next() else { return Ok(()) };
    match named.find(|(package, _)| *package != first.0) {
        None => Ok(()),
        Some(second) => {
            let reason = Reason::MixedPackages { first, second };
            Err(CueErrors::one(String::new(), Code::Eval, reason, Vec::new()))
        }
    }
}

struct Compiler {
    exprs: Vec<(Expr, Span)>,
    labels: Labels,
    sources: Sources,
    scopes: Vec<Scope>,
    /// The labels of the fields around, for error texts.
    path: Vec<String>,
}

impl Compiler {
    fn add(&mut self, expr: Expr, span: Span) -> ExprId {
        self.exprs.push((expr, span));
        ExprId((self.exprs.len() - 1) as u32)
    }

    fn fail<T>(&self, span: Span, reason: Reason) -> Result<T, CueErrors> {
        let positions = self.sources.position(span).into_iter().collect();
        Err(CueErrors::one(self.path.join("."), Code::Eval, reason, positions))
    }

    fn unsupported<T>(&self, span: Span, construct: impl Into<String>) -> Result<T, CueErrors> {
        self.fail(span, Reason::Unsupported { construct: construct.into() })
    }

    fn file(&mut self, file: &File) -> Result<ExprId, CueErrors> {
        for attribute in &file.attributes {
            let construct = match attribute.split('(').next() {
                Some("@if" | "@ignore" | "@embed" | "@extern") => format!("attribute {attribute}"),
                Some("@experiment") => {
                    let name = attribute.trim_start_matches("@experiment(").trim_end_matches(')');
                    format!("experiment \"{name}\"")
                }
                _ => continue,
            };
            return self.unsupported(Span::default(), construct);
        }
        let mut imports = Scope::for_imports();
        for import in &file.imports {
            let path = import.path.split(':').next().unwrap_or_default();
            if path.split('/').next().is_some_and(|host| host.contains('.')) {
                let position = self.sources.position(import.span);
                if let Some(position) = position {
                    return self.fail(import.span, Reason::ImportsUnavailable { position });
                }
            }
            let Some(package) = builtin::package(path) else {
                return self.fail(import.span, Reason::NoSuchPackage { path: path.to_owned() });
            };
            let last = path.rsplit('/').next().unwrap_or(path);
            let name = import.alias.clone().unwrap_or_else(|| last.to_owned());
            let shown = match &import.alias {
                Some(alias) if alias != last => format!("\"{}\" as {alias}", import.path),
                _ => format!("\"{}\"", import.path),
            };
            imports.bind(&name, Binding::Package { package, shown }, import.span);
        }
        self.scopes.push(imports);
        let level = Span { file: self.sources_index(file), start: 0 };
        let decls = self.decls(&file.decls, true);
        let imports = self.scopes.pop();
        let decls = decls?;
        if let Some(reason) = imports.and_then(|scope| scope.unused()) {
            return self.fail(reason.1, reason.0);
        }
        Ok(self.add(Expr::Struct(decls), level))
    }

    fn sources_index(&self, file: &File) -> u32 {
        match file.decls.first() {
            Some(AstDecl::Field(field)) => field.span.file,
            Some(AstDecl::Let { span, .. } | AstDecl::Ellipsis(_, span)) => span.file,
            Some(AstDecl::Embed(expr)) => expr.span.file,
            Some(AstDecl::Comprehension(comprehension)) => comprehension.span.file,
            None => 0,
        }
    }

    /// Makes the regular, hidden and definition fields of declarations visible.
    fn declare_fields(&mut self, scope: &mut Scope, decls: &[AstDecl]) {
        for decl in decls {
            let AstDecl::Field(Field { label: FieldLabel::Identifier(name), .. }) = decl else { continue };
            let label = self.labels.identifier(name);
            scope.bind_field(name, label);
        }
    }

    /// The declarations of one struct, with a level of their own. At the top, fields lie on the package's level.
    fn decls(&mut self, decls: &[AstDecl], top: bool) -> Result<Vec<Decl>, CueErrors> {
        let mut scope = Scope::default();
        if top {
            scope.shares_level();
        } else {
            self.declare_fields(&mut scope, decls);
        }
        for decl in decls {
            match decl {
                AstDecl::Let { name, span, .. } => {
                    let label = self.labels.unique(name);
                    scope.bind(name, Binding::Alias(label), *span);
                }
                AstDecl::Field(field) => {
                    if let Some(alias) = &field.alias {
                        let label = match &field.label {
                            FieldLabel::Identifier(name) => self.labels.identifier(name),
                            FieldLabel::Text(name) => self.labels.text(name),
                            _ => return self.unsupported(field.span, "alias of a dynamic field or pattern"),
                        };
                        scope.bind(alias, Binding::Alias(label), field.span);
                    }
                }
                _ => {}
            }
        }
        self.scopes.push(scope);
        let compiled = decls.iter().map(|decl| self.decl(decl)).collect::<Result<Vec<_>, _>>();
        let scope = self.scopes.pop();
        let compiled = compiled?;
        if let Some((reason, span)) = scope.and_then(|scope| scope.unused()) {
            // CUE reports an unused alias without a path.
            let positions = self.sources.position(span).into_iter().collect();
            return Err(CueErrors::one(String::new(), Code::Eval, reason, positions));
        }
        Ok(compiled)
    }

    fn decl(&mut self, decl: &AstDecl) -> Result<Decl, CueErrors> {
        match decl {
            AstDecl::Field(field) => self.field(field),
            AstDecl::Let { name, value, span } => {
                let value = self.expr(value)?;
                match self.scopes.last().and_then(|scope| scope.alias(name)) {
                    Some(label) => Ok(Decl::Let { label, value }),
                    None => self.unsupported(*span, "let clause"),
                }
            }
            AstDecl::Embed(expr) => Ok(Decl::Embed(self.expr(expr)?)),
            AstDecl::Comprehension(comprehension) => {
                Ok(Decl::Comprehension(self.comprehension(comprehension)?))
            }
            AstDecl::Ellipsis(None, _) => Ok(Decl::Ellipsis),
            AstDecl::Ellipsis(Some(_), span) => self.unsupported(*span, "typed ellipsis in a struct"),
        }
    }

    fn field(&mut self, field: &Field) -> Result<Decl, CueErrors> {
        let shown = match &field.label {
            FieldLabel::Identifier(name) => name.clone(),
            FieldLabel::Text(name) => crate::label::quoted(name),
            _ => String::new(),
        };
        let step = usize::from(!shown.is_empty());
        if step == 1 {
            self.path.push(shown);
        }
        let compiled = self.field_inside(field);
        if compiled.is_ok() {
            self.path.truncate(self.path.len() - step);
        }
        compiled
    }

    fn field_inside(&mut self, field: &Field) -> Result<Decl, CueErrors> {
        let arc = field.arc;
        match &field.label {
            FieldLabel::Identifier(name) => {
                let label = self.labels.identifier(name);
                Ok(Decl::Field { label, arc, value: self.aliased(field)? })
            }
            FieldLabel::Text(name) => {
                let label = self.labels.text(name);
                Ok(Decl::Field { label, arc, value: self.aliased(field)? })
            }
            FieldLabel::Dynamic(key) => {
                let key = self.expr(key)?;
                Ok(Decl::Dynamic { key, arc, value: self.aliased(field)? })
            }
            FieldLabel::Pattern { alias, pattern } => {
                if arc != ArcType::Member {
                    return self.unsupported(field.span, "pattern with ? or !");
                }
                let pattern = self.expr(pattern)?;
                let Some(name) = alias else {
                    return Ok(Decl::Pattern { pattern, alias: None, value: self.aliased(field)? });
                };
                let label = self.labels.unique(name);
                let mut scope = Scope::default();
                scope.bind(name, Binding::Alias(label), field.span);
                self.scopes.push(scope);
                let value = self.aliased(field);
                self.scopes.pop();
                let value = value?;
                Ok(Decl::Pattern { pattern, alias: Some(label), value })
            }
        }
    }

    /// A field's value, in which its value alias means the value itself.
    fn aliased(&mut self, field: &Field) -> Result<ExprId, CueErrors> {
        let Some(name) = &field.value_alias else { return self.expr(&field.value) };
        let mut scope = Scope::default();
        scope.shares_level();
        scope.bind(name, Binding::Value, field.span);
        self.scopes.push(scope);
        let value = self.expr(&field.value);
        let scope = self.scopes.pop();
        let value = value?;
        match scope.and_then(|scope| scope.unused()) {
            Some((reason, span)) => self.fail(span, reason),
            None => Ok(value),
        }
    }
}
