//! Policies: prepared once, checked against many documents, as cosign does it.

use std::sync::Arc;

use crate::compile;
use crate::context::{Context, LEVELS};
use crate::data::Data;
use crate::error::{Code, CueError, CueErrors, Reason};
use crate::expr::Program;
use crate::fault::{Abort, Bottom, Done};
use crate::limits::{Limits, NESTING, STACK_BYTES};
use crate::parser;
use crate::print;
use crate::source::Sources;
use crate::vertex::{ArcType, Close, Conjunct, Elem, NO_ENV, NOWHERE};

/// One policy file.
#[derive(Debug, Clone, Copy)]
pub struct PolicyFile<'a> {
    /// The name shown in errors; files are sorted by it.
    pub name: &'a str,
    /// CUE source.
    pub source: &'a str,
}

/// What becomes of a regular field that the policy names and the document lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// It is refused, under `predicate`, `predicateType` and `subject`.
    Refuse,
    /// The policy's own value fills it, as in cosign.
    Allow,
}

/// One or more policy files, prepared once.
#[derive(Debug, Clone)]
pub struct Policy {
    program: Arc<Program>,
    limits: Limits,
}

impl Policy {
    /// Prepares policy files as one instance: sorted by name as cosign's loader sorts them, resolved, and evaluated
    /// without a document, where they must not be an error.
    ///
    /// # Errors
    /// What is wrong with them: CUE's first complaint, something this crate does not know, or a limit.
    pub fn prepare(files: &[PolicyFile<'_>], limits: &Limits) -> Result<Self, CueErrors> {
        let program = on_stack_enough(limits, |limits| prepared(files, limits))?;
        Ok(Self { program, limits: *limits })
    }

    /// Judges one document: unifies it with the policy and validates the result as cosign does (`Final`, not
    /// `Concrete`). [`Absent::Refuse`] adds Provost's strict rule, after cosign's own errors.
    ///
    /// # Errors
    /// Why the document does not hold, or could not be judged: that is never a pass.
    pub fn check(&self, data: &Data, absent: Absent) -> Result<(), CueErrors> {
        on_stack_enough(&self.limits, |limits| self.judge(data, absent, limits, true))
    }

    /// `plain` is whether the short way may be taken; it changes how long it takes, never the outcome.
    fn judge(&self, data: &Data, absent: Absent, limits: &Limits, plain: bool) -> Result<(), CueErrors> {
        let strict = absent == Absent::Refuse;
        let mut context = Context::new(&self.program, Some(data), limits, false);
        context.plain = plain;
        evaluate(&mut context, Some(data))?;
        if strict && self.program.disjunctions {
            // Arms that need an absent field are dropped: what then remains must hold as well.
            context = Context::new(&self.program, Some(data), limits, true);
            context.plain = plain;
            evaluate(&mut context, Some(data))?;
        }
        if strict {
            let absent = context.absent();
            finished(&context, absent)?;
        }
        Ok(())
    }
}

/// What policy files come to; see [`Policy::prepare`].
fn prepared(files: &[PolicyFile<'_>], limits: &Limits) -> Result<Arc<Program>, CueErrors> {
    let bytes: usize = files.iter().map(|file| file.source.len()).sum();
    if bytes > limits.policy_bytes {
        let reason = Reason::Limit { what: "bytes of policy", limit: limits.policy_bytes as u64 };
        return Err(CueErrors::one(String::new(), Code::Eval, reason, Vec::new()));
    }
    let mut files = files.to_vec();
    files.sort_by_key(|file| file.name);
    let mut sources = Sources::default();
    let mut parsed = Vec::with_capacity(files.len());
    for file in files {
        let index = sources.add(file.name, file.source);
        parsed.push(parser::parse(file.name, file.source, index, &sources, limits)?);
    }
    let program = Arc::new(compile::compile(parsed, sources)?);
    evaluate(&mut Context::new(&program, None, limits, false), None)?;
    Ok(program)
}

/// Runs work on the caller's stack with as few levels as that surely has, and only where those do not suffice again with
/// all levels on a stack of its own: making a thread takes longer than most of what is run here.
fn on_stack_enough<T: Send>(
    limits: &Limits,
    work: impl Fn(&Limits) -> Result<T, CueErrors> + Sync,
) -> Result<T, CueErrors> {
    let shallow = limits.shallow();
    match work(&shallow) {
        Err(errors) if shallow != *limits && is_too_deep(&errors) => on_own_stack(|| work(limits)),
        done => done,
    }
}

/// Whether work ended for want of levels.
fn is_too_deep(errors: &CueErrors) -> bool {
    let deep = |reason: &Reason| matches!(reason, Reason::Limit { what: LEVELS | NESTING, .. });
    errors.iter().any(|error| deep(&error.reason))
}

/// Runs work on a stack of its own, as deep as the limits on nesting and evaluation need.
pub(crate) fn on_own_stack<T: Send>(
    work: impl FnOnce() -> Result<T, CueErrors> + Send,
) -> Result<T, CueErrors> {
    let refused = || {
        let reason = Reason::Limit { what: "bytes of stack", limit: STACK_BYTES as u64 };
        CueErrors::one(String::new(), Code::Eval, reason, Vec::new())
    };
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        worker.map_err(|_| refused())?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Evaluates the policy, with a document or alone, and says what is wrong at its root.
fn evaluate(context: &mut Context<'_>, data: Option<&Data>) -> Result<(), CueErrors> {
    let errors = root_errors(context, data);
    finished(context, errors)
}

fn root_errors(context: &mut Context<'_>, data: Option<&Data>) -> Done<Option<std::rc::Rc<Bottom>>> {
    unify(context, data)?;
    let root = context.root;
    match context.settle(root)? {
        Some(bottom) => Ok(Some(bottom)),
        None if data.is_some() => context.final_errors(root, false),
        None => Ok(None),
    }
}

/// Puts the policy and the document together under one root and completes it.
pub(crate) fn unify(context: &mut Context<'_>, data: Option<&Data>) -> Done {
    let root = context.add_vertex(NOWHERE, crate::label::Label::index(0), ArcType::Member)?;
    context.root = root;
    context.here = root;
    let policies = context.program.roots.iter().map(|id| Elem::Expr(*id));
    for elem in policies.chain(data.map(|data| Elem::Data(data.root()))).collect::<Vec<_>>() {
        context.add_conjunct(root, Conjunct { env: NO_ENV, elem, close: Close::ROOT })?;
    }
    context.finalize(root)
}

/// Turns the end of an evaluation into errors as they are shown.
pub(crate) fn finished(
    context: &Context<'_>,
    end: Done<Option<std::rc::Rc<Bottom>>>,
) -> Result<(), CueErrors> {
    let bottom = match end {
        Ok(None) => return Ok(()),
        Ok(Some(bottom)) => bottom,
        Err(abort) => {
            let Abort { reason, at, span } = *abort;
            let positions =
                span.and_then(|span| context.program.sources.position(span)).into_iter().collect();
            return Err(CueErrors::one(context.path(at), Code::Eval, reason, positions));
        }
    };
    let errors = bottom.faults.iter().map(|fault| CueError {
        path: context.path(fault.at),
        code: fault.code,
        reason: fault.reason.clone().map(&mut |src| print::src(context, &src)),
        positions: fault.span.and_then(|span| context.program.sources.position(span)).into_iter().collect(),
    });
    match CueErrors::all(errors.collect()) {
        Some(errors) => Err(errors),
        None => {
            Err(CueErrors::one(String::new(), bottom.code, Reason::EmptyDisjunction { count: 0 }, Vec::new()))
        }
    }
}

#[cfg(test)]
mod tests;
