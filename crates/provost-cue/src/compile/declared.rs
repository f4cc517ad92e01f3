//! Members of packages that are CUE values: compiled where they are used, apart from the names around them.

use super::Compiler;
use crate::error::CueErrors;
use crate::expr::{Expr, ExprId};
use crate::limits::Limits;
use crate::parser;
use crate::source::{Sources, Span};

impl Compiler {
    /// A field of a package's own source.
    pub(super) fn declared(&mut self, source: &str, member: &str, span: Span) -> Result<ExprId, CueErrors> {
        // The index is that of no file, so that errors point to the policy alone.
        let file = parser::parse("", source, u32::MAX, &Sources::default(), &Limits::default())?;
        let around = std::mem::take(&mut self.scopes);
        let fields = self.decls(&file.decls, false);
        self.scopes = around;
        let package = self.add(Expr::Struct(fields?), span);
        let label = self.labels.identifier(member);
        Ok(self.add(Expr::Select(package, label), span))
    }
}
