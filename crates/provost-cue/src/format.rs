//! CUE source in its standard form, as `cue fmt` writes it.

mod definition;
pub(crate) mod layout;
mod pieces;
mod printer;

use crate::error::CueErrors;
use crate::limits::Limits;
use crate::parser;
use crate::source::Sources;

pub use definition::definition;

/// Formats one file: spacing, indentation, aligned values and comments. Line breaks stay where they were written.
///
/// # Errors
/// What is not CUE in it.
pub fn format(name: &str, source: &str, limits: &Limits) -> Result<String, CueErrors> {
    let mut sources = Sources::default();
    let index = sources.add(name, source);
    parser::parse(name, source, index, &sources, limits)?;
    let (pieces, rest) = pieces::read(source, index, &sources, limits)?;
    Ok(printer::print(&pieces, &rest))
}

#[cfg(test)]
mod tests;
