//! Policies: prepared once, checked against many documents.

use crate::data::Data;
use crate::error::{Code, CueErrors, Reason};
use crate::limits::Limits;

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
#[derive(Debug)]
pub struct Policy {
    limits: Limits,
}

impl Policy {
    /// Prepares policy files as one instance.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn prepare(files: &[PolicyFile<'_>], limits: &Limits) -> Result<Self, CueErrors> {
        let _ = files;
        Ok(Self { limits: *limits })
    }

    /// Judges one document.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn check(&self, data: &Data, absent: Absent) -> Result<(), CueErrors> {
        let _ = (data, absent, self.limits);
        let construct = "evaluation, which is being built".into();
        Err(CueErrors::one(String::new(), Code::Eval, Reason::Unsupported { construct }, Vec::new()))
    }
}
