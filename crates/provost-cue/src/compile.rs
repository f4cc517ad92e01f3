//! The resolver: syntax trees to one program, every name bound to a level and label or refused.

mod declared;
mod expr;
mod extra;
mod scope;

use std::collections::{BTreeMap, HashMap};

use crate::ast::{Decl as AstDecl, Experiments, Expr as Ast, Field, FieldLabel, File, Kind};
use crate::builtin;
use crate::error::{Code, CueError, CueErrors, Reason};
use crate::expr::{Decl, Expr, ExprId, Program};
use crate::label::{Label, LabelKind, Labels};
use crate::source::{Sources, Span};
use crate::text::Syntax;
use crate::value::Value;
use crate::vertex::ArcType;
pub(crate) use extra::Extra;
use scope::{Binding, Scope};

/// A package to compile: its files, and which packages its imports mean.
#[derive(Debug)]
pub(crate) struct Unit<'a> {
    /// Parsed files, in the order in which they are unified.
    pub(crate) files: Vec<File>,
    /// Import paths as written, and the index of the unit each leads to.
    pub(crate) imports: Option<&'a BTreeMap<String, usize>>,
    /// The package's name, by which importing files know it.
    pub(crate) name: Option<&'a str>,
}

/// Compiles files that were parsed in the order of their names.
pub(crate) fn compile(files: Vec<File>, sources: Sources) -> Result<Program, CueErrors> {
    one_package(&files)?;
    compile_all(&[Unit { files, imports: None, name: None }], 0, &Extra::default(), sources)
}

/// Compiles packages that import each other; one of them, the last, is evaluated.
pub(crate) fn compile_all(
    units: &[Unit<'_>],
    main: usize,
    extra: &Extra,
    sources: Sources,
) -> Result<Program, CueErrors> {
    let mut compiler = Compiler {
        exprs: Vec::new(),
        labels: Labels::default(),
        sources,
        scopes: Vec::new(),
        path: Vec::new(),
        experiments: Experiments::default(),
        literals: Vec::new(),
        let_now: None,
        let_uses: HashMap::new(),
        errors: Vec::new(),
        trying: false,
    };
    let mut packages = Vec::with_capacity(units.len());
    for (index, unit) in units.iter().enumerate() {
        compiler.labels.in_package((index != main).then_some(index));
        let mut package = Scope { literal: true, ..Scope::default() };
        for file in &unit.files {
            compiler.declare_fields(&mut package, &file.decls);
        }
        compiler.scopes = vec![package];
        let mut roots = Vec::new();
        for file in &unit.files {
            roots.push(compiler.file(file, unit, units)?);
        }
        packages.push(roots);
    }
    let expressions = compiler.expressions(&extra.expressions)?;
    let mut documents = Vec::with_capacity(extra.documents.len());
    for file in &extra.documents {
        compiler.scopes = vec![Scope { literal: true, ..Scope::default() }];
        let unit = Unit { files: Vec::new(), imports: None, name: None };
        documents.push(compiler.file(file, &unit, &[])?);
    }
    if let Some(errors) = CueErrors::all(std::mem::take(&mut compiler.errors)) {
        return Err(errors);
    }
    let roots = packages.get(main).cloned().unwrap_or_default();
    let mut program = Program::new(compiler.exprs, roots, packages, compiler.labels, compiler.sources);
    program.expressions = expressions;
    program.documents = documents;
    Ok(program)
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
    experiments: Experiments,
    /// The literals around, innermost last: whether each is a list.
    literals: Vec<bool>,
    /// The let clause whose value is being compiled.
    let_now: Option<Label>,
    /// Which let clauses each let clause uses.
    let_uses: HashMap<Label, Vec<(Label, Span)>>,
    /// What is wrong with the declarations so far.
    errors: Vec<CueError>,
    /// Whether a try clause is around, in which `x?` has a meaning.
    trying: bool,
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

    fn file(&mut self, file: &File, unit: &Unit<'_>, units: &[Unit<'_>]) -> Result<ExprId, CueErrors> {
        for attribute in &file.attributes {
            let construct = match attribute.split('(').next() {
                // The loader has chosen the files of an instance by these already.
                Some("@if" | "@ignore") if unit.imports.is_some() => continue,
                Some("@if" | "@ignore" | "@embed" | "@extern") => format!("attribute {attribute}"),
                _ => continue,
            };
            return self.unsupported(Span::default(), construct);
        }
        self.experiments = file.experiments;
        let mut imports = Scope::for_imports();
        for import in &file.imports {
            if let Some(index) = unit.imports.and_then(|imports| imports.get(&import.path)) {
                let (path, qualifier) = import.path.split_once(':').unwrap_or((&import.path, ""));
                let last = path.split('@').next().and_then(|path| path.rsplit('/').next()).unwrap_or(path);
                let own = units.get(*index).and_then(|unit| unit.name).unwrap_or(last);
                let own = if qualifier.is_empty() { own } else { qualifier };
                let name = import.alias.clone().unwrap_or_else(|| own.to_owned());
                let shown = match &import.alias {
                    Some(alias) if alias != own => format!("\"{}\" as {alias}", import.path),
                    _ => format!("\"{}\"", import.path),
                };
                imports.bind(&name, Binding::Module { index: *index, shown }, import.span);
                continue;
            }
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
        let before = self.errors.len();
        let level = Span { file: self.sources_index(file), start: 0 };
        let decls = self.decls(&file.decls, true);
        let imports = self.scopes.pop();
        let decls = decls?;
        let whole = self.errors.len() == before;
        if let Some(reason) = imports.filter(|_| whole).and_then(|scope| scope.unused()) {
            return self.fail(reason.1, reason.0);
        }
        Ok(self.add(Expr::Struct(decls), level))
    }

    fn sources_index(&self, file: &File) -> u32 {
        match file.decls.first() {
            Some(AstDecl::Field(field)) => field.span.file,
            Some(AstDecl::Let { span, .. } | AstDecl::Ellipsis(span)) => span.file,
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
        let mut scope = Scope { literal: !top, ..Scope::default() };
        if top {
            scope.shares_level();
        } else {
            self.declare_fields(&mut scope, decls);
        }
        for decl in decls {
            self.declare_aliases(&mut scope, decl);
        }
        self.scopes.push(scope);
        self.literals.push(false);
        let before = self.errors.len();
        let compiled = self.decls_inside(decls);
        self.literals.pop();
        let scope = self.scopes.pop();
        // What could not be compiled may have used the names.
        let whole = self.errors.len() == before;
        if let Some((reason, span)) = scope.filter(|_| whole).and_then(|scope| scope.unused()) {
            // CUE reports an unused alias without a path.
            let positions = self.sources.position(span).into_iter().collect();
            self.errors.push(CueError { path: String::new(), code: Code::Eval, reason, positions });
        }
        Ok(compiled)
    }

    fn declare_aliases(&mut self, scope: &mut Scope, decl: &AstDecl) {
        match decl {
            AstDecl::Let { name, span, .. } => {
                let label = self.labels.unique(name);
                scope.bind(name, Binding::Alias(label), *span);
            }
            AstDecl::Field(field) => {
                let binding = match &field.label {
                    FieldLabel::Identifier(name) => Binding::Alias(self.labels.identifier(name)),
                    FieldLabel::Text(name) => Binding::Alias(self.labels.text(name)),
                    FieldLabel::Dynamic(_) => Binding::Keyed(None),
                    FieldLabel::Pattern { .. } if self.experiments.alias_v2 => return,
                    FieldLabel::Pattern { .. } => Binding::Keyed(None),
                };
                if let Some((alias, span)) = &field.alias {
                    scope.bind(alias, binding, *span);
                }
                if let Some(alias) = &field.name_alias
                    && let FieldLabel::Identifier(name) | FieldLabel::Text(name) = &field.label
                {
                    let name = self.add(Expr::Value(Value::text(name)), field.span);
                    scope.bind(alias, Binding::Name(name), field.span);
                }
            }
            _ => {}
        }
    }

    /// Compiles declarations one by one; what is wrong with one does not hide what is wrong with the next.
    fn decls_inside(&mut self, decls: &[AstDecl]) -> Vec<Decl> {
        for decl in decls {
            let AstDecl::Field(Field { label, alias: Some((alias, _)), .. }) = decl else { continue };
            let key: &Ast = match label {
                FieldLabel::Dynamic(key) => key,
                FieldLabel::Pattern { pattern, .. } if !self.experiments.alias_v2 => pattern,
                _ => continue,
            };
            match self.expr(key) {
                Ok(key) => {
                    if let Some(scope) = self.scopes.last_mut() {
                        scope.key(alias, key);
                    }
                }
                Err(errors) => self.errors.extend(errors.iter().cloned()),
            }
        }
        let mut compiled = Vec::with_capacity(decls.len());
        for decl in decls {
            let (path, scopes, literals) = (self.path.len(), self.scopes.len(), self.literals.len());
            match self.decl(decl) {
                Ok(decl) => compiled.push(decl),
                Err(errors) => {
                    self.errors.extend(errors.iter().cloned());
                    self.path.truncate(path);
                    self.scopes.truncate(scopes);
                    self.literals.truncate(literals);
                }
            }
        }
        compiled
    }

    fn decl(&mut self, decl: &AstDecl) -> Result<Decl, CueErrors> {
        match decl {
            AstDecl::Field(field) => self.field(field),
            AstDecl::Let { name, value, span } => {
                let Some(label) = self.scopes.last().and_then(|scope| scope.alias(name)) else {
                    return self.unsupported(*span, "let clause");
                };
                let outer = self.let_now.replace(label);
                self.path.push("let[]".to_owned());
                let value = self.expr(value);
                if value.is_ok() {
                    self.path.pop();
                }
                self.let_now = outer;
                if let Some(outer) = outer {
                    let inner = self.let_uses.get(&label).cloned().unwrap_or_default();
                    self.let_uses.entry(outer).or_default().extend(inner);
                }
                Ok(Decl::Let { label, value: value? })
            }
            AstDecl::Embed(expr) if self.experiments.explicit_open => match &expr.kind {
                Kind::Open(inner) => Ok(Decl::Embed(self.expr(inner)?)),
                _ => Ok(Decl::Unify(self.expr(expr)?)),
            },
            AstDecl::Embed(expr) => Ok(Decl::Embed(self.expr(expr)?)),
            AstDecl::Comprehension(comprehension) => {
                Ok(Decl::Comprehension(self.comprehension(comprehension)?))
            }
            AstDecl::Ellipsis(_) => Ok(Decl::Ellipsis),
        }
    }

    /// Complains where a let clause comes back to itself.
    fn let_use(&mut self, label: Label, span: Span) -> Result<(), CueErrors> {
        let Some(user) = self.let_now.filter(|_| label.kind() == LabelKind::Let) else { return Ok(()) };
        self.let_uses.entry(user).or_default().push((label, span));
        let mut seen = vec![label];
        let mut next = 0;
        while let Some(at) = seen.get(next).copied() {
            next += 1;
            if at == user {
                let words = "cyclic references in let clause or alias".to_owned();
                return self.fail(span, Reason::Syntax { problem: Syntax::Other { words } });
            }
            for (used, _) in self.let_uses.get(&at).into_iter().flatten() {
                if !seen.contains(used) {
                    seen.push(*used);
                }
            }
        }
        Ok(())
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
                let Some(name) = &field.name_alias else {
                    return Ok(Decl::Dynamic { key, arc, value: self.aliased(field)? });
                };
                let mut scope = Scope::default();
                scope.shares_level();
                scope.bind(name, Binding::Name(key), field.span);
                self.scopes.push(scope);
                let value = self.aliased(field);
                self.scopes.pop();
                Ok(Decl::Dynamic { key, arc, value: value? })
            }
            FieldLabel::Pattern { alias, pattern } => {
                if arc != ArcType::Member {
                    return self.unsupported(field.span, "pattern with ? or !");
                }
                let pattern = self.expr(pattern)?;
                let postfix = field.alias.as_ref().filter(|_| self.experiments.alias_v2);
                let mut value_scope = Scope::default();
                value_scope.shares_level();
                if let Some((name, span)) = postfix {
                    value_scope.bind(name, Binding::Value, *span);
                }
                let name = alias.as_ref().or(field.name_alias.as_ref());
                let label = name.map(|name| self.labels.unique(name));
                if let (Some(name), Some(label)) = (name, label) {
                    let mut scope = Scope::default();
                    scope.bind(name, Binding::Alias(label), field.span);
                    self.scopes.push(scope);
                }
                self.scopes.push(value_scope);
                let value = self.aliased(field);
                let unused = self.scopes.pop().and_then(|scope| scope.unused());
                if label.is_some() {
                    self.scopes.pop();
                }
                let value = value?;
                match unused {
                    Some((reason, span)) => self.fail(span, reason),
                    None => Ok(Decl::Pattern { pattern, alias: label, value }),
                }
            }
        }
    }

    /// A field's value, in which its value alias means the value itself.
    fn aliased(&mut self, field: &Field) -> Result<ExprId, CueErrors> {
        let Some((name, span)) = &field.value_alias else { return self.expr(&field.value) };
        let mut scope = Scope::default();
        scope.shares_level();
        scope.bind(name, Binding::Value, *span);
        self.scopes.push(scope);
        let value = self.expr(&field.value);
        let scope = self.scopes.pop();
        let value = value?;
        match scope.and_then(|scope| scope.unused()) {
            Some((reason, span)) => {
                let positions = self.sources.position(span).into_iter().collect();
                Err(CueErrors::one(String::new(), Code::Eval, reason, positions))
            }
            None => Ok(value),
        }
    }
}
