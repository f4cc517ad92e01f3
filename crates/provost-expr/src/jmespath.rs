//! JMESPath as Kyverno speaks it: go-jmespath 0.4's grammar, an error for unknown keys, and Kyverno's functions.

mod ast;
mod error;
mod evaluate;
mod functions;
mod item;
mod lexer;
mod parser;

use std::cell::Cell;

use serde_json::Value;

use crate::context::{Lookup, Origin};
use crate::environment::Environment;
pub use error::{FunctionFault, JmesError, SyntaxError, TypeName};
pub use functions::{Signature, signatures};

/// The longest expression that is read: 256 KiB, so that a JSON literal of a whole Pod still fits.
pub const MAX_EXPRESSION: usize = 256 * 1024;
/// How deep a syntax tree may be: a path of 160 keys; an evaluation frame takes about 4 KiB in a debug build,
/// which makes 640 KiB of the 2 MiB stack of a worker thread.
pub const MAX_DEPTH: usize = 160;
/// How much one evaluation may do: every tree node visited and every JSON value copied counts one. Two million
/// are some tens of milliseconds.
pub const MAX_WORK: usize = 2_000_000;
/// How much all expressions of one document may do together: ten at the limit of one.
pub const MAX_TOTAL_WORK: usize = 10 * MAX_WORK;
/// The largest text a function may make: 8 MiB, four times Kyverno's whole context.
pub const MAX_TEXT: usize = 8 * 1024 * 1024;

/// A parsed expression, which can be searched again and again.
#[derive(Clone, Debug)]
pub struct Expression {
    root: ast::Node,
    text: String,
}

/// What a search gave, and whether any of it came from outside the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The value; null where nothing was selected.
    pub value: Value,
    /// The strangest of all roots that were looked at.
    pub origin: Origin,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`JmesError::Syntax`] in go-jmespath's words, [`JmesError::TooLong`] and [`JmesError::TooDeep`] for ours.
    pub fn parse(text: &str) -> Result<Self, JmesError> {
        let root = parser::parse(text)?;
        Ok(Self { root, text: text.to_owned() })
    }

    /// The text this was parsed from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Evaluates over the roots that `root` offers; only those the expression names are asked for.
    ///
    /// # Errors
    /// [`JmesError::UnknownKey`] where Kyverno says `Unknown key "x" in path`, and every other reason why no
    /// value can be given.
    pub fn search(&self, root: &dyn Lookup, environment: &Environment<'_>) -> Result<Value, JmesError> {
        self.find(root, environment).map(|found| found.value)
    }

    /// As [`Expression::search`], and says whether the value is foreign.
    ///
    /// # Errors
    /// As [`Expression::search`].
    pub fn find(&self, root: &dyn Lookup, environment: &Environment<'_>) -> Result<Found, JmesError> {
        self.find_spending(root, environment, &Cell::new(0))
    }

    /// As [`Expression::find`], one of several searches that share [`MAX_TOTAL_WORK`].
    pub(crate) fn find_spending(
        &self,
        root: &dyn Lookup,
        environment: &Environment<'_>,
        spent: &Cell<usize>,
    ) -> Result<Found, JmesError> {
        evaluate::evaluate(&self.root, root, environment, spent)
    }

    /// The tree, indented, as `kyverno jp parse` prints it.
    #[must_use]
    pub fn tree(&self) -> String {
        let mut out = String::new();
        self.root.print(0, &mut out);
        out
    }
}

#[cfg(test)]
mod tests;
