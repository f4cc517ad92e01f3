//! Instances: files of one package, compiled and evaluated without cosign's reading, for `eval`, `export` and `vet`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::compile::{self, Extra, Unit};
use crate::context::Context;
use crate::data::Data;
use crate::error::{Code, CueErrors, Reason};
use crate::expr::Program;
use crate::limits::Limits;
use crate::load::Package;
use crate::parser;
use crate::policy::{PolicyFile, finished, on_own_stack, unify};
use crate::source::Sources;
use crate::text::Syntax;
use crate::vertex::{Close, Conjunct, Elem, NO_ENV};
use crate::view::Value;

/// Files of one package, compiled once.
#[derive(Debug, Clone)]
pub struct Instance {
    program: Arc<Program>,
    limits: Limits,
}

/// What is asked of an instance beside its own value. Names are shown in errors.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'s> {
    /// Expressions, evaluated where the instance's fields are visible.
    pub expressions: &'s [PolicyFile<'s>],
    /// Documents, as CUE or JSON.
    pub documents: &'s [PolicyFile<'s>],
}

/// What a finished evaluation is asked to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demands {
    /// Every regular field must be one known value, as for `export` and `vet -c`.
    pub concrete: bool,
    /// Required fields must be there, and no value may wait for itself.
    pub complete: bool,
}

/// A finished evaluation. Values are read from its [`Evaluation::root`].
pub struct Evaluation<'a> {
    pub(crate) context: RefCell<Context<'a>>,
}

impl Instance {
    /// Parses and compiles files as one instance, in the order in which they are given.
    ///
    /// # Errors
    /// CUE's complaints about the files, something this crate does not know, or a limit.
    pub fn compile(files: &[PolicyFile<'_>], limits: &Limits) -> Result<Self, CueErrors> {
        Self::compile_importing(files, &BTreeMap::new(), &[], limits)
    }

    /// The same for files that import packages of a module: what their import paths mean is said by `imports`, as
    /// indices into `packages`, whose own imports are such indices, too.
    ///
    /// # Errors
    /// CUE's complaints about the files and packages, something this crate does not know, or a limit.
    pub fn compile_importing(
        files: &[PolicyFile<'_>],
        imports: &BTreeMap<String, usize>,
        packages: &[Package],
        limits: &Limits,
    ) -> Result<Self, CueErrors> {
        Self::compile_asking(files, imports, packages, &Asked::default(), limits)
    }

    /// The same with expressions to be evaluated on the instance's top level, and documents to be held against them.
    ///
    /// # Errors
    /// CUE's complaints about any of them, something this crate does not know, or a limit.
    pub fn compile_asking(
        files: &[PolicyFile<'_>],
        imports: &BTreeMap<String, usize>,
        packages: &[Package],
        asked: &Asked<'_>,
        limits: &Limits,
    ) -> Result<Self, CueErrors> {
        on_own_stack(|| {
            let imported = packages.iter().flat_map(|package| &package.files).map(|file| file.text.len());
            let bytes: usize = files.iter().map(|file| file.source.len()).chain(imported).sum();
            if bytes > limits.policy_bytes {
                let reason = Reason::Limit { what: "bytes of policy", limit: limits.policy_bytes as u64 };
                return Err(CueErrors::one(String::new(), Code::Eval, reason, Vec::new()));
            }
            let needed = reachable(imports, packages);
            let mut sources = Sources::default();
            let mut parse = |name: &str, text: &str| {
                let index = sources.add(name, text);
                parser::parse(name, text, index, &sources, limits)
            };
            let mut units = Vec::with_capacity(packages.len() + 1);
            for (index, package) in packages.iter().enumerate() {
                let mut parsed = Vec::with_capacity(package.files.len());
                if needed.contains(&index) {
                    for file in &package.files {
                        parsed.push(parse(&file.name, &file.text)?);
                    }
                }
                let name = package.name.as_deref();
                units.push(Unit { files: parsed, imports: Some(&package.imports), name });
            }
            let mut parsed = Vec::with_capacity(files.len());
            for file in files {
                parsed.push(parse(file.name, file.source)?);
            }
            let main = units.len();
            units.push(Unit { files: parsed, imports: Some(imports), name: None });
            let mut extra = Extra::default();
            for expression in asked.expressions {
                let file = parse(expression.name, expression.source)?;
                let Some(expr) = Extra::expression(file) else {
                    let problem = Syntax::Other { words: "expected one expression".to_owned() };
                    return Err(CueErrors::one(
                        String::new(),
                        Code::Eval,
                        Reason::Syntax { problem },
                        Vec::new(),
                    ));
                };
                extra.expressions.push(expr);
            }
            for document in asked.documents {
                extra.documents.push(parse(document.name, document.source)?);
            }
            let program = compile::compile_all(&units, main, &extra, sources)?;
            Ok(Self { program: Arc::new(program), limits: *limits })
        })
    }

    /// Evaluates the files, with a document where there is one, and hands the result to `read`. Reading happens on
    /// the evaluation's own stack, because values nest as deep as the limits allow.
    ///
    /// # Errors
    /// A limit or something this crate does not know. What is wrong with values is read from them, or asked for by
    /// [`Evaluation::validate`].
    pub fn evaluate<T: Send>(
        &self,
        data: Option<&Data>,
        read: impl FnOnce(&Evaluation<'_>) -> T + Send,
    ) -> Result<T, CueErrors> {
        on_own_stack(|| {
            let mut context = Context::new(&self.program, data, &self.limits, false);
            if let Err(abort) = unify(&mut context, data) {
                return Err(finished(&context, Err(abort)).err().unwrap_or_else(|| {
                    CueErrors::one(String::new(), Code::Eval, Reason::StructuralCycle, Vec::new())
                }));
            }
            let evaluation = Evaluation { context: RefCell::new(context) };
            Ok(read(&evaluation))
        })
    }
}

impl<'a> Evaluation<'a> {
    /// The value of the whole instance.
    pub fn root(&self) -> Value<'_, 'a> {
        let root = self.context.borrow().root;
        Value { evaluation: self, vertex: root }
    }

    /// The value of an expression that was asked, by its index; with documents, unified with all of them.
    ///
    /// # Errors
    /// A limit or something this crate does not know; what is wrong with the value is read from it.
    pub fn expression(&self, index: usize, documents: bool) -> Result<Value<'_, 'a>, CueErrors> {
        let mut context = self.context.borrow_mut();
        let Some(id) = context.program.expressions.get(index).copied() else {
            let reason = Reason::IndexOutOfRange { index: index.to_string(), length: 0 };
            return Err(CueErrors::one(String::new(), Code::Eval, reason, Vec::new()));
        };
        let root = context.root;
        context.here = root;
        let made = context.add_env(NO_ENV, root).and_then(|env| {
            let close = Close::ROOT;
            let data = if documents { context.program.documents.clone() } else { Vec::new() };
            let mut conjuncts: Vec<Conjunct> =
                data.into_iter().map(|id| Conjunct { env: NO_ENV, elem: Elem::Expr(id), close }).collect();
            conjuncts.push(Conjunct { env, elem: Elem::Expr(id), close });
            let vertex = context.add_detached(conjuncts)?;
            context.finalize(vertex)?;
            Ok(vertex)
        });
        match made {
            Ok(vertex) => Ok(Value { evaluation: self, vertex }),
            Err(abort) => Err(finished(&context, Err(abort)).err().unwrap_or_else(|| {
                CueErrors::one(String::new(), Code::Eval, Reason::StructuralCycle, Vec::new())
            })),
        }
    }

    /// All that is wrong with the instance under these demands, as `Validate` says it.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self, demands: Demands) -> Result<(), CueErrors> {
        self.root().validate(demands)
    }
}

/// The packages that imports lead to, directly or through others.
fn reachable(imports: &BTreeMap<String, usize>, packages: &[Package]) -> Vec<usize> {
    let mut found: Vec<usize> = imports.values().copied().collect();
    let mut next = 0;
    while let Some(package) = found.get(next).map(|index| packages.get(*index)) {
        next += 1;
        for index in package.into_iter().flat_map(|package| package.imports.values()) {
            if !found.contains(index) {
                found.push(*index);
            }
        }
    }
    found
}
