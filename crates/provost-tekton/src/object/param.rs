//! Parameters and their values: string, array or object, as the JSON says.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Rest, nullable};

/// The value of a parameter or a result.
///
/// As in Tekton the JSON decides: an array of strings, an object of strings, else a string; what is none of these (a
/// number, a nested array) becomes the string of its JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamValue {
    /// Text.
    String(String),
    /// A list of texts.
    Array(Vec<String>),
    /// Texts by key.
    Object(BTreeMap<String, String>),
}

/// The type of a parameter or a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParamType {
    /// Text.
    String,
    /// A list of texts.
    Array,
    /// Texts by key.
    Object,
}

impl ParamType {
    /// As written in `type:`.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl ParamValue {
    /// Which of the three it is.
    pub fn kind(&self) -> ParamType {
        match self {
            Self::String(_) => ParamType::String,
            Self::Array(_) => ParamType::Array,
            Self::Object(_) => ParamType::Object,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The value of `key`, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&str> {
        match self {
            Self::Object(entries) => entries.get(key).map(String::as_str),
            Self::String(_) | Self::Array(_) => None,
        }
    }

    /// The value in natural JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::String(text) => Value::String(text.clone()),
            Self::Array(items) => items.iter().cloned().map(Value::String).collect(),
            Self::Object(entries) => Value::Object(
                entries.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect(),
            ),
        }
    }
}

impl From<Value> for ParamValue {
    fn from(value: Value) -> Self {
        // Go reads a null among strings as the empty string.
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Null => Some(String::new()),
            _ => None,
        };
        match value {
            Value::Null => Self::String(String::new()),
            Value::String(text) => Self::String(text),
            Value::Array(items) => match items.iter().map(text).collect() {
                Some(texts) => Self::Array(texts),
                None => Self::String(Value::Array(items).to_string()),
            },
            Value::Object(entries) => {
                match entries.iter().map(|(key, value)| Some((key.clone(), text(value)?))).collect() {
                    Some(texts) => Self::Object(texts),
                    None => Self::String(Value::Object(entries).to_string()),
                }
            }
            other => Self::String(other.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for ParamValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

impl Serialize for ParamValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => items.serialize(serializer),
            Self::Object(entries) => entries.serialize(serializer),
        }
    }
}

impl Default for ParamValue {
    fn default() -> Self {
        Self::String(String::new())
    }
}

/// A parameter given to a run, a task or a resolver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// The parameter's name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: ParamValue,
}

/// A parameter a Task or Pipeline declares.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ParamSpec {
    /// The parameter's name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Its type; where absent, see [`ParamSpec::kind`].
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub declared: Option<ParamType>,
    /// The value where the run gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ParamValue>,
    /// The keys of an object.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Value>,
    /// The values allowed; empty allows all.
    #[serde(default, rename = "enum", deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

impl ParamSpec {
    /// The type: as declared, else an object where properties are listed, else the default's, else string.
    pub fn kind(&self) -> ParamType {
        match (self.declared, &self.default) {
            (Some(declared), _) => declared,
            (None, _) if !self.properties.is_empty() => ParamType::Object,
            (None, Some(default)) => default.kind(),
            (None, None) => ParamType::String,
        }
    }
}
