//! Writes a Tekton object again as Go would: unknown fields vanish, some empty ones appear, quantities,
//! durations and times get their canonical spelling.
//!
//! Chains reads runs into Go structs and writes those into its statements. Which fields a struct has, and which
//! of them are written when empty, stands in `remarshal/schema.txt`: one type a line, `field:kind` each, where
//! `s b i f` are text, truth, integer and float, `[k]` lists, `{k}` maps by text, `*k` pointers; a kind's `!`
//! means written even when empty, `?` means left out when it is a zero struct. Pointers are written whenever
//! they are set; structs always.

use std::collections::HashMap;
use std::sync::OnceLock;

use provost_tekton::ParamValue;
use serde_json::{Map, Value};

use crate::go_time;
use crate::quantity;

/// A value of the object that Go could not have read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected}, found {found}")]
pub struct FieldError {
    /// Where in the object, such as `spec.params[0].value`.
    pub path: String,
    /// What Tekton's type has there.
    pub expected: &'static str,
    /// What stands there.
    pub found: String,
}

/// The Tekton and Kubernetes types that Chains writes into statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoType {
    /// A whole TaskRun.
    TaskRun,
    /// `spec` of a TaskRun.
    TaskRunSpec,
    /// `spec` of a PipelineRun.
    PipelineRunSpec,
    /// `taskRef` of a pipeline task.
    TaskRef,
    /// `status.provenance.featureFlags`.
    FeatureFlags,
}

impl GoType {
    fn name(self) -> &'static str {
        match self {
            Self::TaskRun => "TaskRun",
            Self::TaskRunSpec => "TaskRunSpec",
            Self::PipelineRunSpec => "PipelineRunSpec",
            Self::TaskRef => "TaskRef",
            Self::FeatureFlags => "FeatureFlags",
        }
    }
}

/// The value as Go would write it again; `path` names its place in error texts.
///
/// # Errors
/// When a field holds another kind of value than its Go type, or a quantity, duration or time that is none.
pub fn remarshal(kind: GoType, value: &Value, path: &str) -> Result<Value, FieldError> {
    Kind::Struct(kind.name()).write(value, path)
}

enum Kind {
    Text,
    Truth,
    Integer,
    Float,
    Duration,
    Time,
    Quantity,
    IntOrText,
    Param,
    Raw,
    Struct(&'static str),
    List(Box<Self>),
    Map(Box<Self>),
    Pointer(Box<Self>),
}

#[derive(PartialEq)]
enum Rule {
    OmitEmpty,
    Always,
    OmitZero,
}

struct Field {
    name: &'static str,
    kind: Kind,
    rule: Rule,
}

static NO_FIELDS: &[Field] = &[];

fn fields_of(name: &str) -> &'static [Field] {
    static SCHEMA: OnceLock<HashMap<&'static str, Vec<Field>>> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let lines = include_str!("remarshal/schema.txt").lines();
        lines
            .filter_map(|line| {
                let mut words = line.split(' ');
                Some((words.next()?, words.filter_map(Field::parse).collect()))
            })
            .collect()
    });
    schema.get(name).map_or(NO_FIELDS, Vec::as_slice)
}

impl Field {
    fn parse(word: &'static str) -> Option<Self> {
        let (name, kind) = word.split_once(':')?;
        let (kind, rule) = match kind.strip_suffix('!') {
            Some(kind) => (kind, Rule::Always),
            None => match kind.strip_suffix('?') {
                Some(kind) => (kind, Rule::OmitZero),
                None => (kind, Rule::OmitEmpty),
            },
        };
        Some(Self { name, kind: Kind::parse(kind), rule })
    }
}

impl Kind {
    fn parse(text: &'static str) -> Self {
        if let Some(inner) = text.strip_prefix('*') {
            return Self::Pointer(Box::new(Self::parse(inner)));
        }
        if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            return Self::List(Box::new(Self::parse(inner)));
        }
        if let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            return Self::Map(Box::new(Self::parse(inner)));
        }
        match text {
            "s" => Self::Text,
            "b" => Self::Truth,
            "i" => Self::Integer,
            "f" => Self::Float,
            "duration" => Self::Duration,
            "time" => Self::Time,
            "quantity" => Self::Quantity,
            "intstr" => Self::IntOrText,
            "param" => Self::Param,
            "raw" => Self::Raw,
            name => Self::Struct(name),
        }
    }

    /// What Go writes for the zero value, which is also what a JSON `null` is read as.
    fn zero(&self, path: &str) -> Result<Value, FieldError> {
        Ok(match self {
            Self::Text | Self::Param => Value::from(""),
            Self::Truth => Value::from(false),
            Self::Integer | Self::Float | Self::IntOrText => Value::from(0),
            Self::Quantity => Value::from("0"),
            Self::Duration => Value::from("0s"),
            Self::Struct(_) => return self.write(&Value::Object(Map::new()), path),
            Self::Time | Self::Raw | Self::List(_) | Self::Map(_) | Self::Pointer(_) => Value::Null,
        })
    }

    fn write(&self, value: &Value, path: &str) -> Result<Value, FieldError> {
        let fail = |expected| FieldError { path: path.to_owned(), expected, found: shown(value) };
        if value.is_null() {
            return self.zero(path);
        }
        Ok(match self {
            Self::Text => Value::from(value.as_str().ok_or_else(|| fail("a string"))?),
            Self::Truth => Value::from(value.as_bool().ok_or_else(|| fail("true or false"))?),
            Self::Integer => Value::from(value.as_i64().ok_or_else(|| fail("an integer"))?),
            Self::Float if value.is_number() => value.clone(),
            Self::Float => return Err(fail("a number")),
            Self::Duration => {
                let text = value.as_str().and_then(go_time::duration);
                Value::from(text.ok_or_else(|| fail("a duration such as 1h30m"))?)
            }
            Self::Time => {
                let moment = value.as_str().and_then(go_time::moment);
                Value::from(go_time::in_object(moment.ok_or_else(|| fail("an RFC 3339 time"))?))
            }
            Self::Quantity => {
                let text = match value {
                    Value::String(text) => text.trim().to_owned(),
                    Value::Number(number) => number.to_string(),
                    _ => return Err(fail("a quantity such as 500m or 1Gi")),
                };
                let text = quantity::canonical(&text);
                Value::from(text.ok_or_else(|| fail("a quantity such as 500m or 1Gi"))?)
            }
            Self::IntOrText if value.is_string() || value.is_i64() => value.clone(),
            Self::IntOrText => return Err(fail("an integer or a string")),
            Self::Param => ParamValue::from(value.clone()).to_json(),
            Self::Raw => value.clone(),
            Self::Pointer(inner) => inner.write(value, path)?,
            Self::List(inner) => {
                let list = value.as_array().ok_or_else(|| fail("a list"))?;
                let write = |(at, item)| inner.write(item, &format!("{path}[{at}]"));
                Value::Array(list.iter().enumerate().map(write).collect::<Result<_, _>>()?)
            }
            Self::Map(inner) => {
                let map = value.as_object().ok_or_else(|| fail("a map"))?;
                let write = |(k, item): (&String, &Value)| {
                    Ok((k.clone(), inner.write(item, &format!("{path}.{k}"))?))
                };
                Value::Object(map.iter().map(write).collect::<Result<_, FieldError>>()?)
            }
            Self::Struct(name) => {
                let object = value.as_object().ok_or_else(|| fail("an object"))?;
                Value::Object(write_struct(fields_of(name), object, path)?)
            }
        })
    }

    /// Whether `omitempty` leaves the written value out; Go never takes a struct for empty.
    fn is_empty(&self, written: &Value) -> bool {
        match (self, written) {
            (Self::Pointer(_) | Self::List(_) | Self::Map(_), Value::Null)
            | (Self::Truth, Value::Bool(false)) => true,
            (Self::List(_), Value::Array(list)) => list.is_empty(),
            (Self::Map(_), Value::Object(map)) => map.is_empty(),
            (Self::Text, Value::String(text)) => text.is_empty(),
            (Self::Integer | Self::Float, Value::Number(number)) => number.as_f64() == Some(0.0),
            _ => false,
        }
    }
}

fn write_struct(
    fields: &[Field],
    object: &Map<String, Value>,
    path: &str,
) -> Result<Map<String, Value>, FieldError> {
    let mut out = Map::new();
    for field in fields {
        let path = format!("{path}.{}", field.name);
        let written = match (object.get(field.name), &field.kind) {
            // Go refuses to write a parameter value that was never read.
            (None, Kind::Param) => {
                return Err(FieldError { path, expected: "a value", found: "nothing".to_owned() });
            }
            (None, Kind::Pointer(_)) | (Some(Value::Null), Kind::Pointer(_)) => Value::Null,
            (None, kind) => kind.zero(&path)?,
            (Some(value), kind) => kind.write(value, &path)?,
        };
        let left_out = match field.rule {
            Rule::Always => false,
            Rule::OmitEmpty => field.kind.is_empty(&written),
            Rule::OmitZero => written == field.kind.zero(&path)?,
        };
        if !left_out {
            out.insert(field.name.to_owned(), written);
        }
    }
    Ok(out)
}

/// A value for an error text: short, whatever it holds.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests;
