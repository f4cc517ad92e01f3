//! Data files as documents: JSON, JSON lines, YAML and text, each a CUE source that stands for itself.

use std::fmt::{self, Write as _};

use provost_cue::{DataFile, Encoding};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// One document of a data file.
#[derive(Debug)]
pub(super) struct Document {
    /// The file's name as errors show it.
    pub(super) name: String,
    /// The document as JSON text, which is CUE as well.
    pub(super) text: String,
}

/// Why a data file holds no documents.
#[derive(Debug)]
pub(super) enum DecodeError {
    /// It is not UTF-8.
    NotText(String, &'static str),
    /// It is not JSON.
    Json(String, serde_json::Error),
    /// It is not YAML.
    Yaml(String, Box<serde_saphyr::Error>),
    /// Something that this program does not read.
    Unsupported(String, Encoding),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText(name, expected) => write!(f, "{name}: not UTF-8, expected {expected}"),
            Self::Json(name, problem) => write!(f, "invalid JSON for file \"{name}\": {problem}"),
            Self::Yaml(name, problem) => write!(f, "{name}: {problem}"),
            Self::Unsupported(name, encoding) => {
                write!(
                    f,
                    "{name}: unsupported encoding {encoding:?} of a file, expected json, jsonl, yaml or text"
                )
            }
        }
    }
}

/// The documents of a file in their order.
pub(super) fn documents(file: &DataFile) -> Result<Vec<Document>, DecodeError> {
    let name = || file.name.clone();
    let text = |expected| match std::str::from_utf8(&file.content) {
        Ok(text) => Ok(text),
        Err(_) => Err(DecodeError::NotText(name(), expected)),
    };
    let document = |text: String| Document { name: name(), text };
    match file.encoding {
        Encoding::Json | Encoding::JsonLines => {
            let text = text("JSON")?;
            let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
            let mut out = Vec::new();
            let mut start = 0;
            while let Some(value) = values.next() {
                value.map_err(|problem| DecodeError::Json(name(), problem))?;
                let end = values.byte_offset();
                // Blank lines before it keep lines and columns as they are in the file.
                let before = padding(text.get(..start).unwrap_or_default());
                out.push(document(before + text.get(start..end).unwrap_or_default()));
                start = end;
            }
            Ok(out)
        }
        Encoding::Yaml => {
            let text = text("YAML")?;
            let problem = |problem| DecodeError::Yaml(name(), Box::new(problem));
            let options = serde_saphyr::options! { strict_booleans: true, legacy_octal_numbers: true, with_snippet: false };
            let values: Vec<Json> =
                serde_saphyr::from_multiple_with_options(text, options).map_err(problem)?;
            Ok(values.into_iter().map(|value| document(value.0)).collect())
        }
        Encoding::Text => Ok(vec![document(quoted(text("text")?))]),
        encoding => Err(DecodeError::Unsupported(name(), encoding)),
    }
}

/// The line ends and columns of a text, without anything else.
fn padding(text: &str) -> String {
    let lines = text.matches('\n').count();
    let column = text.rsplit('\n').next().map_or(0, str::len);
    "\n".repeat(lines) + &" ".repeat(column)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A YAML value as JSON text: numbers keep their kind, and mappings their order.
struct Json(String);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Json, E> {
        Ok(Json(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Json, E> {
        Ok(Json(value.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        match value.is_finite() {
            true => Ok(Json(format!("{value:?}"))),
            false => Err(E::custom("a number that is not finite has no place in CUE")),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json(quoted(value)))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json("null".to_owned()))
    }

    fn visit_none<E>(self) -> Result<Json, E> {
        Ok(Json("null".to_owned()))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        Deserialize::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Json, A::Error> {
        let mut out = String::from("[");
        while let Some(Json(value)) = values.next_element()? {
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(&value);
        }
        out.push(']');
        Ok(Json(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut out = String::from("{");
        while let Some((Json(key), Json(value))) = entries.next_entry::<Json, Json>()? {
            if out.len() > 1 {
                out.push(',');
            }
            let key = match key.starts_with('"') {
                true => key,
                false if key.starts_with(['[', '{']) => {
                    return Err(A::Error::custom("a mapping key must be a plain value"));
                }
                false => quoted(&key),
            };
            write!(out, "{key}:{value}").map_err(A::Error::custom)?;
        }
        out.push('}');
        Ok(Json(out))
    }
}
