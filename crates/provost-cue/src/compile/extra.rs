//! What is compiled beside an instance: expressions asked of it, and documents held against them.

use super::Compiler;
use super::scope::{Binding, Scope};
use crate::ast::{Decl, Expr as Ast, File};
use crate::builtin;
use crate::error::CueErrors;
use crate::expr::ExprId;
use crate::source::Span;

/// Parsed expressions and documents.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Expressions that see the instance's top level, and packages of the standard library by their short names.
    pub(crate) expressions: Vec<Ast>,
    /// Documents, which see nothing.
    pub(crate) documents: Vec<File>,
}

impl Extra {
    /// Takes the expression out of a file that holds nothing else.
    pub(crate) fn expression(file: File) -> Option<Ast> {
        let mut decls = file.decls.into_iter();
        match (decls.next(), decls.next()) {
            (Some(Decl::Embed(expr)), None) => Some(expr),
            _ => None,
        }
    }
}

/// Packages that an expression may name without importing them.
const INFERRED: [&str; 24] = [
    "crypto/ed25519",
    "crypto/hmac",
    "crypto/md5",
    "crypto/sha1",
    "crypto/sha256",
    "crypto/sha512",
    "encoding/base64",
    "encoding/csv",
    "encoding/hex",
    "encoding/json",
    "encoding/yaml",
    "html",
    "list",
    "math",
    "math/bits",
    "net",
    "path",
    "regexp",
    "strconv",
    "strings",
    "struct",
    "text/template",
    "time",
    "uuid",
];

impl Compiler {
    /// Compiles expressions on the top level of the instance that was compiled last.
    pub(super) fn expressions(&mut self, expressions: &[Ast]) -> Result<Vec<ExprId>, CueErrors> {
        let mut inferred = Scope::for_imports();
        for path in INFERRED {
            let name = path.rsplit('/').next().unwrap_or(path);
            if let Some(package) = builtin::package(path) {
                let shown = format!("\"{path}\"");
                inferred.bind(name, Binding::Package { package, shown }, Span::default());
            }
        }
        self.scopes.insert(0, inferred);
        let compiled = expressions.iter().map(|expr| self.expr(expr)).collect();
        self.scopes.remove(0);
        compiled
    }
}
