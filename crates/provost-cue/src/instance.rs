//! Instances: files of one package, compiled and evaluated without cosign's reading, for `eval`, `export` and `vet`.

use std::cell::RefCell;
use std::sync::Arc;

use crate::compile;
use crate::context::Context;
use crate::data::Data;
use crate::error::{Code, CueErrors, Reason};
use crate::expr::Program;
use crate::limits::Limits;
use crate::parser;
use crate::policy::{PolicyFile, finished, on_own_stack, unify};
use crate::source::Sources;
use crate::view::Value;

/// Files of one package, compiled once.
#[derive(Debug, Clone)]
pub struct Instance {
    program: Arc<Program>,
    limits: Limits,
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
        on_own_stack(|| {
            let bytes: usize = files.iter().map(|file| file.source.len()).sum();
            if bytes > limits.policy_bytes {
                let reason = Reason::Limit { what: "bytes of policy", limit: limits.policy_bytes as u64 };
                return Err(CueErrors::one(String::new(), Code::Eval, reason, Vec::new()));
            }
            let mut sources = Sources::default();
            let mut parsed = Vec::with_capacity(files.len());
            for file in files {
                let index = sources.add(file.name, file.source);
                parsed.push(parser::parse(file.name, file.source, index, &sources, limits)?);
            }
            Ok(Self { program: Arc::new(compile::compile(&parsed, sources)?), limits: *limits })
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

    /// All that is wrong with the instance under these demands, as `Validate` says it.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self, demands: Demands) -> Result<(), CueErrors> {
        self.root().validate(demands)
    }
}
