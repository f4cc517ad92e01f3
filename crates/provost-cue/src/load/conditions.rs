//! Which files count: `@if(…)` and `@ignore()` before the package clause.

use crate::ast::{Expr, File, Kind};
use crate::limits::Limits;
use crate::parser;
use crate::source::Sources;

/// Why a file does not count, in CUE's words; `Err` is a condition that is none.
pub(super) fn excluded(
    file: &File,
    limits: &Limits,
    is_set: &mut dyn FnMut(&str) -> bool,
) -> Result<Option<String>, String> {
    let mut condition: Option<&str> = None;
    for attribute in &file.attributes {
        if attribute.starts_with("@ignore(") {
            return Ok(Some("@ignore() attribute found".to_owned()));
        }
        if let Some(body) = attribute.strip_prefix("@if(").and_then(|rest| rest.strip_suffix(')'))
            && condition.replace(body).is_some()
        {
            return Err("multiple @if attributes".to_owned());
        }
    }
    let Some(body) = condition else { return Ok(None) };
    let mut sources = Sources::default();
    let index = sources.add("@if", body);
    let parsed = parser::parse("@if", body, index, &sources, limits).map_err(|errors| errors.to_string())?;
    let [crate::ast::Decl::Embed(expr)] = parsed.decls.as_slice() else {
        return Err("invalid type in build attribute".to_owned());
    };
    Ok(match holds(expr, is_set)? {
        true => None,
        false => Some(format!("@if({body}) did not match")),
    })
}

/// Both sides are looked at, so that every name counts as used. Nesting is bounded by the parser's limit.
fn holds(expr: &Expr, is_set: &mut dyn FnMut(&str) -> bool) -> Result<bool, String> {
    match &expr.kind {
        Kind::Identifier(name) => Ok(is_set(name)),
        Kind::Parens(inner) => holds(inner, is_set),
        Kind::Unary("!", inner) => Ok(!holds(inner, is_set)?),
        Kind::Binary(op @ ("&&" | "||"), left, right) => {
            let (left, right) = (holds(left, is_set)?, holds(right, is_set)?);
            Ok(if *op == "&&" { left && right } else { left || right })
        }
        Kind::Unary(op, _) | Kind::Binary(op, ..) => Err(format!("invalid operator {op} in build attribute")),
        _ => Err("invalid type in build attribute".to_owned()),
    }
}
