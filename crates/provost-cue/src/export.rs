//! Exporting: an evaluated value as plain data, and data as JSON and YAML.

mod cue;
pub(crate) mod json;
mod order;
mod places;
mod source;
pub(crate) mod yaml;

use std::sync::Arc;

use crate::error::CueErrors;
use crate::instance::Demands;
use crate::view::{Name, Presence, Shape, Value};

pub use cue::CueStyle;
pub use places::places;

/// Writes a value as a CUE file.
///
/// # Errors
/// A value that is wrong and has no form in CUE, unless the style writes errors.
pub fn to_source(value: Value<'_, '_>, style: CueStyle) -> Result<String, CueErrors> {
    cue::write(value, style)
}

/// Data: what an export without CUE's own syntax can hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Plain {
    /// `null`
    Null,
    /// A truth value.
    Bool(bool),
    /// A number in CUE's spelling.
    Number(String),
    /// A string.
    Text(Arc<str>),
    /// Bytes; JSON and YAML write them in base64.
    Bytes(Arc<[u8]>),
    /// A list.
    List(Vec<Self>),
    /// A struct's regular fields in the order of the export.
    Struct(Vec<(Arc<str>, Self)>),
}

impl Plain {
    /// Reads a value that must be concrete: defaults are taken, definitions, hidden and optional fields left out.
    ///
    /// # Errors
    /// All that is wrong or not concrete.
    pub fn read(value: Value<'_, '_>) -> Result<Self, CueErrors> {
        value.validate(Demands { concrete: true, complete: true })?;
        Self::take(value)
    }

    fn take(value: Value<'_, '_>) -> Result<Self, CueErrors> {
        let value = value.default();
        Ok(match value.shape() {
            Shape::Null => Self::Null,
            Shape::Bool(value) => Self::Bool(value),
            Shape::Number(text, _) => Self::Number(text),
            Shape::Text(text) => Self::Text(text),
            Shape::Bytes(bytes) => Self::Bytes(bytes),
            Shape::List(_) => {
                Self::List(value.elements().into_iter().map(Self::take).collect::<Result<_, _>>()?)
            }
            Shape::Struct => {
                let fields = order::fields(value)
                    .into_iter()
                    .filter(|field| field.kind == Name::Regular && field.presence == Presence::Present);
                let fields = fields.map(|field| Ok((field.name, Self::take(field.value)?)));
                Self::Struct(fields.collect::<Result<_, CueErrors>>()?)
            }
            // Validation has refused these; should one come through all the same, it is an error and no output.
            Shape::Choice(..) | Shape::Constraint(_) => return Err(incomplete(value)),
            Shape::Bottom(errors) => return Err(errors),
        })
    }

    /// As `cue export` writes JSON: four spaces a level, a line end after it. `html` escapes `<`, `>` and `&`.
    pub fn to_json(&self, html: bool) -> String {
        json::document(self, html)
    }

    /// As `cue export --out yaml` writes YAML: two spaces a level.
    pub fn to_yaml(&self) -> String {
        yaml::document(self)
    }
}

impl Plain {
    /// As error texts print it: compact, on one line.
    pub fn to_cue(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) => text.clone(),
            Self::Text(text) => crate::print::quote(text),
            Self::Bytes(bytes) => format!("'{}'", String::from_utf8_lossy(bytes)),
            Self::List(elements) => {
                format!("[{}]", elements.iter().map(Self::to_cue).collect::<Vec<_>>().join(","))
            }
            Self::Struct(fields) => {
                let field = |(name, value): &(Arc<str>, Self)| {
                    format!("{}:{}", crate::label::quoted(name), value.to_cue())
                };
                format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
            }
        }
    }
}

fn incomplete(value: Value<'_, '_>) -> CueErrors {
    let found = match value.shape() {
        Shape::Constraint(text) => text,
        _ => "_".to_owned(),
    };
    let reason = crate::error::Reason::Incomplete { value: found };
    CueErrors::one(value.path(), crate::error::Code::Incomplete, reason, Vec::new())
}

/// Bytes in base64, with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4usize {
            let digit = (word >> (18 - 6 * place)) & 63;
            match DIGITS.get(digit as usize).filter(|_| place <= chunk.len()) {
                Some(digit) => out.push(char::from(*digit)),
                None => out.push('='),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
