//! A part of an object in two forms: as it was written, and as we read it.

use std::ops::Deref;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A value as it was written, with a typed view beside it.
///
/// It is written out as it came, unknown fields included; reading goes through the view, by dereferencing.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept<T> {
    raw: Value,
    view: T,
}

impl<T: DeserializeOwned> Kept<T> {
    /// Reads the view out of `raw`; serde's error names the field that has another type.
    pub fn new(raw: Value) -> Result<Self, serde_json::Error> {
        // Go reads null as the empty object.
        let view = match &raw {
            Value::Null => T::deserialize(Value::Object(serde_json::Map::new()))?,
            raw => T::deserialize(raw)?,
        };
        Ok(Self { raw, view })
    }
}

impl<T> Kept<T> {
    /// The value as it was written.
    pub fn raw(&self) -> &Value {
        &self.raw
    }

    /// What we read of it.
    pub fn view(&self) -> &T {
        &self.view
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.view
    }
}

impl<T: DeserializeOwned> Default for Kept<T>
where
    T: Default,
{
    fn default() -> Self {
        Self { raw: Value::Object(serde_json::Map::new()), view: T::default() }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Kept<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<T> Serialize for Kept<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}
